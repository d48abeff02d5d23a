"""Files made of runs and of what charts show; never one that is there is overwritten."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.limits import check_file
from tuichaos.common.paths import as_argument, here
from tuichaos.common.text import cell, clean
from tuichaos.config.experiment import Experiment
from tuichaos.config.sweep_axes import Axis
from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.plane_map import raster as coloured
from tuichaos.plots.raster_renderer import Scale, image
from tuichaos.storage.column_reader import read_pieces, whole_lines
from tuichaos.storage.run_reader import GROWING, Run
from tuichaos.sweeps.plane_values import PlaneValues, of_run
from tuichaos.sweeps.sweep_reader import DIAGRAM
from tuichaos.sweeps.sweep_reader import read as read_sweep


def free_name(stem: str, folder: Path | None = None, kind: str = "csv") -> Path:
    """A file of that kind that is not there yet: stem.csv, stem-2.csv, …"""
    folder, stem = folder or here(), clean(stem)
    names = (f"{stem}.{kind}", *(f"{stem}-{k}.{kind}" for k in range(2, 10_000)))
    return next(folder / name for name in names if not (folder / name).exists())


def export(run: Run, kind: str, out: str | Path | None) -> Path:
    """Write the series of a run, the table of a sweep, or the points of an orbit diagram, as one
    file, ``csv`` or ``parquet``, or the map of a plane as ``png``; returns its path.

    InputError if the file exists or cannot be written.
    """
    target = _new(f"{run.path.name}.{kind}", "use --out") if out is None else _new(out)
    plane = of_run(run) if kind == "png" else None
    if plane is not None:
        _write_png(run.experiment, plane, target)
    elif kind == "csv":
        lines = safe_lines(run.path / _table_of(run))
        most = _whole_lines(run)
        with contextlib.closing(lines), _writing(target) as file:
            file.writelines(itertools.islice(lines, most))
    else:
        _write_parquet(run, target)
    return target


def _table_of(run: Run) -> str:
    """The table that is exported: of an orbit diagram that of its points, which is written when
    it is complete."""
    if run.kind != "sweep":
        return "series.csv"
    if run.experiment.diagram.observable == "none":
        return "sweep.csv"
    if not run.has(DIAGRAM):
        raise InputError(
            f"{run.path.name}: its points are written when the diagram is complete: "
            f"tuichaos resume {as_argument(run.path)}; what there is of exponents: "
            f"{run.path}/sweep.csv"
        )
    return DIAGRAM


def _whole_lines(run: Run) -> int | None:
    """How many lines of series.csv are those of whole steps, its head among them; None for all
    of a table that grows no more."""
    return 1 + run.whole_rows if run.kind != "sweep" and run.status in GROWING else None


@contextlib.contextmanager
def _writing(target: Path, mode: str = "x") -> Iterator[IO[Any]]:
    """A file that is not there yet, and of which nothing is left where it cannot be written
    whole. What is read for it names itself if that fails."""
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        file = open(target, mode, **text)  # noqa: SIM115
        try:
            with file:
                yield file
        except BaseException:
            with contextlib.suppress(OSError):
                target.unlink()
            raise
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from None


# A line of plain cells stays as it is: of ASCII without what ``cell`` looks for, where a sign at
# the beginning of a cell is that of a number. Two searches: together they take three times as long.
ODD = re.compile(r"[^ !#-:<>?A-~\n]")
SIGNED = re.compile(r", *[+-](?!(?:[\d.]+(?:[eE][+-]?\d+)?|nan|inf)(?:,|$))", re.ASCII)


def _is_plain(line: str) -> bool:
    return not (ODD.search(line) or SIGNED.search(line) or line.startswith((" ", "+", "-")))


def safe_lines(path: Path) -> Iterator[str]:
    """The lines of a CSV file as they are, but for cells that a spreadsheet would compute:
    the folder may be a stranger's. InputError where it cannot be read."""
    number = 0
    try:
        check_file(path)
        with open(path, encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(whole_lines(file, path), 1):  # noqa: B007
                yield line if _is_plain(line) else _without_formulas(line)
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read: line {number}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _without_formulas(line: str) -> str:
    """A row, written again; csv.Error for one that goes on in the next line, as none of ours
    does: there a formula would begin."""
    text, end = io.StringIO(newline=""), "\n" if line.endswith(("\n", "\r")) else ""
    for row in csv.reader([line], strict=True):
        csv.writer(text, lineterminator=end).writerow(map(cell, row))
    return text.getvalue()


PNG_SIDE = 1024  # pixels: a map is scaled up by the whole number that brings it near


def export_map(experiment: Experiment, plane: PlaneValues, out: str | Path) -> Path:
    """Write a map that is at hand as ``export`` does; InputError as above."""
    target = _new(out)
    _write_png(experiment, plane, target)
    return target


def _write_png(experiment: Experiment, plane: PlaneValues, target: Path) -> None:
    """The map as an image, a point a square of pixels, with what it shows in text chunks. The
    same points give the same bytes."""
    from PIL import Image, PngImagePlugin

    raster, about = coloured(plane), PngImagePlugin.PngInfo()
    scale = max(1, PNG_SIDE // max(raster.classes.shape))
    facts = {"Title": plane.title, "value": plane.value, "seed": str(experiment.seed)}
    facts |= {name: _axis(axis) for name, axis in zip("xy", plane.axes, strict=False)}
    if not plane.whole:
        facts["unfinished"] = f"{plane.count} of {plane.size} points; the others are grey"
    facts |= {"classes": "; ".join(map(_said, raster.scales)), "pixels a point": str(scale)}
    facts["experiment"] = experiment.to_toml()
    for name, text in facts.items():
        about.add_itxt(name, text)
    picture = Image.fromarray(image(raster, scale))
    with _writing(target, "xb") as file:
        picture.save(file, format="PNG", pnginfo=about)


def _axis(axis: Axis) -> str:
    ends = f"{axis.values[0]!r} … {axis.values[-1]!r}"
    return f"{axis.key}: {ends}, {len(axis.values)} values{', logarithmic' if axis.log else ''}"


def _said(scale: Scale) -> str:
    """What a colour of the map means."""
    colours = " ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in scale.colours)
    spread = f" ({scale.note})" if scale.note else ""
    if len(scale.colours) > 1:
        spread = f" ({scale.unit} {scale.low!r} … {scale.high!r})"
    return f"{scale.name}{spread} {colours}"


def export_steps(run: Run, low: int, high: int, out: str | Path) -> Path:
    """The rows of series.csv from step ``low`` to ``high``, as they are; InputError as above."""
    target, path = _new(out), run.path / "series.csv"
    with contextlib.closing(safe_lines(path)) as source, _writing(target) as file:
        file.write(next(source, ""))
        for line in source:
            step = _step(line, path)
            if step > high or not line.endswith("\n"):
                break
            if step >= low:
                file.write(line)
    return target


def _step(line: str, path: Path) -> int:
    try:
        return int(line.split(",", 2)[1])
    except (ValueError, IndexError):
        raise InputError(f"{path}: is damaged: a row without a step") from None


def export_curves(picture: Picture, out: str | Path) -> Path:
    """The curves of a picture as columns beside their x, or, where the x of one does not
    increase (a cloud, a way through a plane), point by point; InputError as above.

    Empty where a curve has no point, or none that is a number.
    """
    target = _new(out)
    increasing = all((np.diff(curve.x) > 0).all() for curve in picture.curves)
    with _writing(target) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(_beside(picture) if increasing else _points(picture))
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


def _new(out: str | Path, hint: str = "name another file") -> Path:
    target = Path(out)
    if not target.is_absolute():
        here()
    if not str(out).isprintable() or not str(out):
        raise InputError(f"--out: {str(out)!r} is not a path")
    if os.path.exists(target):  # what is too long a name is none
        raise InputError(f"{target}: exists and is not overwritten; {hint}")
    return target


def _write_parquet(run: Run, target: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with _writing(target, "xb") as file:
        if run.kind == "sweep":
            pyarrow.parquet.write_table(pyarrow.table(_sweep_arrays(run)), file)
            return
        with contextlib.ExitStack() as stack:
            writer = None
            for table in _series_tables(run):
                if writer is None:
                    writer = pyarrow.parquet.ParquetWriter(file, table.schema)
                    stack.enter_context(writer)
                if table.num_rows:
                    writer.write_table(table)


def _sweep_arrays(run: Run) -> dict[str, Any]:
    import pyarrow

    return {
        name: pyarrow.array(values)
        if isinstance(values, list)
        else pyarrow.array(values, mask=np.isnan(values))
        for name, values in read_sweep(run.path, _table_of(run)).items()
    }


def _series_tables(run: Run) -> Iterator[Any]:
    """series.csv a piece at a time: a long one does not fit in memory."""
    import pyarrow

    lines = _whole_lines(run)
    most = None if lines is None else lines - 1
    for piece in read_pieces(run.path / "series.csv", most):
        yield pyarrow.table(
            {
                name: pyarrow.array(values.astype(np.int64))
                if name in ("reference", "step")
                else pyarrow.array(values, mask=np.isnan(values))
                for name, values in piece.items()
            }
        )
