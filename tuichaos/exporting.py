"""Files made of runs and of what charts show; never one that is there is overwritten."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tuichaos.cleaning import cell, clean
from tuichaos.curves import Curve, Picture
from tuichaos.errors import InputError
from tuichaos.experiment import Experiment
from tuichaos.planes import PlaneValues, of_run
from tuichaos.rasters import Scale, image
from tuichaos.runs import Run, read_table, whole_lines
from tuichaos.sweeps.grid import Axis
from tuichaos.sweeps.reading import read as read_sweep


def free_name(stem: str, folder: Path | None = None, kind: str = "csv") -> Path:
    """A file of that kind that is not there yet: stem.csv, stem-2.csv, …"""
    folder, stem = folder or Path.cwd(), clean(stem)
    names = (f"{stem}.{kind}", *(f"{stem}-{k}.{kind}" for k in range(2, 10_000)))
    return next(folder / name for name in names if not (folder / name).exists())


def export(run: Run, kind: str, out: str | Path | None) -> Path:
    """Write the series of a run, or the table of a sweep, as one file, ``csv`` or
    ``parquet``, or the map of a plane as ``png``; returns its path.

    InputError if the file exists or cannot be written.
    """
    target = _new(f"{run.path.name}.{kind}" if out is None else out)
    plane = of_run(run) if kind == "png" else None
    try:
        if plane is not None:
            _write_png(run.experiment, plane, target)
        elif kind == "csv":
            name = "sweep.csv" if run.kind == "sweep" else "series.csv"
            with open(target, "w", encoding="utf-8", newline="") as file:
                file.writelines(safe_lines(run.path / name))
        else:
            _write_parquet(run, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from None
    return target


# A cell that is no plain number and begins as a formula does; a line without one stays as it is.
SUSPECT = re.compile(r"(?:^|,)[\"' ]*(?:[=@\t\r]|[+-](?![\d.]+(?:[eE][+-]?\d+)?(?:,|$)))", re.M)


def safe_lines(path: Path) -> Iterator[str]:
    """The lines of a CSV file as they are, but for cells that a spreadsheet would compute:
    the folder may be a stranger's."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for line in whole_lines(file, path):
                yield line if not SUSPECT.search(line) else _without_formulas(line)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _without_formulas(line: str) -> str:
    text = io.StringIO(newline="")
    for row in csv.reader([line]):
        csv.writer(text, lineterminator="\n").writerow(map(cell, row))
    return text.getvalue()


PNG_SIDE = 1024  # pixels: a map is scaled up by the whole number that brings it near


def export_map(experiment: Experiment, plane: PlaneValues, out: str | Path) -> Path:
    """Write a map that is at hand as ``export`` does; InputError as above."""
    target = _new(out)
    try:
        _write_png(experiment, plane, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from None
    return target


def _write_png(experiment: Experiment, plane: PlaneValues, target: Path) -> None:
    """The map as an image, a point a square of pixels, with what it shows in text chunks. The
    same points give the same bytes."""
    from PIL import Image, PngImagePlugin

    raster, about = plane.raster(), PngImagePlugin.PngInfo()
    scale = max(1, PNG_SIDE // max(raster.classes.shape))
    facts = {"Title": plane.title, "value": plane.value, "seed": str(experiment.seed)}
    facts |= {name: _axis(axis) for name, axis in zip("xy", plane.axes, strict=False)}
    if not plane.whole:
        facts["unfinished"] = f"{plane.count} of {plane.size} points; the others are grey"
    facts |= {"classes": "; ".join(map(_said, raster.scales)), "pixels a point": str(scale)}
    facts["experiment"] = experiment.to_toml()
    for name, text in facts.items():
        about.add_itxt(name, text)
    Image.fromarray(image(raster, scale)).save(target, format="PNG", pnginfo=about)


def _axis(axis: Axis) -> str:
    ends = f"{axis.values[0]!r} … {axis.values[-1]!r}"
    return f"{axis.key}: {ends}, {len(axis.values)} values{', logarithmic' if axis.log else ''}"


def _said(scale: Scale) -> str:
    """What a colour of the map means."""
    colours = " ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in scale.colours)
    spread = f" ({scale.unit} {scale.low!r} … {scale.high!r})" if len(scale.colours) > 1 else ""
    return f"{scale.name}{spread} {colours}"


def export_steps(run: Run, low: int, high: int, out: str | Path) -> Path:
    """The rows of series.csv from step ``low`` to ``high``, as they are; InputError as above."""
    target = _new(out)
    try:
        with (
            contextlib.closing(safe_lines(run.path / "series.csv")) as source,
            open(target, "w", encoding="utf-8", newline="\n") as file,
        ):
            file.write(next(source, ""))
            for line in source:
                step = int(line.split(",", 2)[1])
                if step > high or not line.endswith("\n"):
                    break
                if step >= low:
                    file.write(line)
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{target}: cannot be written: {error}") from None
    return target


def export_curves(picture: Picture, out: str | Path) -> Path:
    """The curves of a picture as columns beside their x, or, where the x of one does not
    increase (a cloud, a way through a plane), point by point; InputError as above.

    Empty where a curve has no point, or none that is a number.
    """
    target = _new(out)
    increasing = all((np.diff(curve.x) > 0).all() for curve in picture.curves)
    try:
        with open(target, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows(_beside(picture) if increasing else _points(picture))
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from None
    return target


def _beside(picture: Picture) -> Iterator[list[object]]:
    places = np.unique(np.concatenate([curve.x for curve in picture.curves]))
    columns = [_at(curve, places).tolist() for curve in picture.curves]
    yield [cell(picture.x_label), *(cell(curve.name) for curve in picture.curves)]
    for x, *values in zip(places.tolist(), *columns, strict=True):
        yield [_place(x), *map(_field, values)]


def _points(picture: Picture) -> Iterator[list[object]]:
    yield ["curve", cell(picture.x_label), "y"]
    for curve in picture.curves:
        for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True):
            yield [cell(curve.name), _place(x), _field(y)]


def _place(x: float) -> object:
    return int(x) if float(x).is_integer() else _field(x)


def _field(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _at(curve: Curve, places: np.ndarray) -> np.ndarray:
    values = np.full(len(places), np.nan)
    values[np.searchsorted(places, curve.x)] = curve.y
    return values


def _new(out: str | Path) -> Path:
    target = Path(out)
    if not str(out).isprintable() or not str(out):
        raise InputError(f"--out: {str(out)!r} is not a path")
    if os.path.exists(target):  # what is too long a name is none
        raise InputError(f"{target}: exists and is not overwritten; use --out")
    return target


def _write_parquet(run: Run, target: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("--format parquet: needs pyarrow; install tuichaos[parquet]") from None
    if run.kind == "sweep":
        found = read_sweep(run.path)
        arrays = {
            name: pyarrow.array(values)
            if isinstance(values, list)
            else pyarrow.array(values, mask=np.isnan(values))
            for name, values in found.items()
        }
        pyarrow.parquet.write_table(pyarrow.table(arrays), target)
        return
    columns = read_table(run.path / "series.csv")
    arrays = {
        name: pyarrow.array(values.astype(np.int64))
        if name in ("reference", "step")
        else pyarrow.array(values, mask=np.isnan(values))
        for name, values in columns.items()
    }
    pyarrow.parquet.write_table(pyarrow.table(arrays), target)
