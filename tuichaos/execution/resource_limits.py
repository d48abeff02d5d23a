"""How much memory and room a run asks for, told before any is taken."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

from tuichaos.common.devices import available_threads, resolve_device
from tuichaos.common.errors import InputError
from tuichaos.common.limits import size_of
from tuichaos.common.memory import installed
from tuichaos.common.paths import runs_home
from tuichaos.config.experiment import Experiment
from tuichaos.config.instrument_spec import Asked, loaded
from tuichaos.config.instruments import specs
from tuichaos.instruments.spectrum import frames_for, settings
from tuichaos.simulation.block_shape import shape
from tuichaos.systems import Built
from tuichaos.systems.base import System

COPIES = 4  # of all states at once: blocks, buffers, an orbit of two, the draws
MAX_REPLICAS = 2_000_000  # what is kept of each by name, number and step fills memory too
SEEN = 1  # copies of a block's orbit, while instruments look at it
# Bytes beside, as they were measured, of each reference and of each replica.
OF_REFERENCE, OF_REPLICA = 11_000, 2_300
ROW, CELL = 8, 9  # bytes of a row of series.csv and of a number of it: half of what they mostly are
LEAST_KEPT = 500_000_000
STATES = 2  # how often states are on the disk at the end: as they grew, and in the archive


def check_memory(experiment: Experiment, built: Built, threads: int | None) -> None:
    """Refuse what cannot fit into this machine: InputError names the keys that make it so."""
    ensemble = experiment.ensemble
    replicas = ensemble.references * (1 + ensemble.twins)
    if replicas > MAX_REPLICAS:
        raise InputError(
            f"ensemble.references, ensemble.twins: {replicas:,} replicas; at most {MAX_REPLICAS:,}"
        )
    have = installed()
    found = dict(_needs(experiment, built, threads))
    worst = max(found, key=lambda key: found[key])
    total = needed(experiment, built, threads)
    if total > have:
        raise InputError(
            f"{worst}: {replicas:,} replicas of {built.system.dimension:,} numbers need about "
            f"{total / 1e9:,.0f} GB, {found[worst] / 1e9:,.0f} GB of them here; this machine has "
            f"{have / 1e9:,.0f} GB"
        )


def needed(experiment: Experiment, built: Built, threads: int | None) -> float:
    """Bytes that a run needs, beside what the process holds before it."""
    return sum(dict(_needs(experiment, built, threads)).values())


def most_kept(experiment: Experiment, built: Built, threads: int | None) -> int:
    """Bytes that no checkpoint is larger than: several times all that a run has in memory,
    and more than what small ones have beside their states."""
    return LEAST_KEPT + 4 * int(needed(experiment, built, threads))


def _needs(
    experiment: Experiment, built: Built, threads: int | None
) -> Iterator[tuple[str, float]]:
    """Bytes by the keys that ask for them."""
    ensemble, dimension = experiment.ensemble, built.system.dimension
    references = ensemble.references
    replicas = references * (1 + ensemble.twins)
    yield "ensemble.references, network.hidden", COPIES * 8 * replicas * dimension
    yield "ensemble.references", OF_REFERENCE * references + OF_REPLICA * replicas
    workers = threads or available_threads()
    keys = "network.hidden, data.train" if built.system.is_network else "ensemble.twins"
    yield keys, 8 * _of_steppers(experiment, built.system, workers)
    yield from _of_instruments(experiment, dimension)


def _of_steppers(experiment: Experiment, system: System, threads: int) -> int:
    """Numbers in the buffers of all threads, and of what instruments advance themselves."""
    ensemble, measure, steps = experiment.ensemble, experiment.measure, experiment.steps
    references, twins = ensemble.references, ensemble.twins
    cut = shape(system, references, twins, steps, resolve_device(experiment.device))
    threads = min(threads, -(-references // cut.references))
    carried = min(cut.references, references) if measure.tangent else 0
    each = system.stepper_numbers(cut.rows, carried, cut.frame_steps)
    each += SEEN * (cut.frame_steps + 1) * cut.rows * system.dimension
    found = system.shared_numbers() + threads * each
    if measure.spectrum:
        count, first = settings(measure.spectrum, references, system.dimension)
        together = min(cut.references, first) * count * frames_for(count)
        rows = min(max(2, system.block_rows), together)
        found += threads * system.stepper_numbers(rows, rows, 1)
    if measure.regime or measure.units:
        found += threads * system.look_numbers(min(system.block_rows, references))
    return found


def _of_instruments(experiment: Experiment, dimension: int) -> Iterator[tuple[str, float]]:
    """Bytes that instruments keep beyond OF_REFERENCE of each reference."""
    for spec in specs():
        switch = getattr(experiment.measure, spec.key)
        if switch and spec.memory:
            asked = Asked(switch, experiment, dimension)
            yield f"measure.{spec.key}", loaded(spec.memory)(asked)


def check_room(experiment: Experiment, dimension: int, out: Path | None) -> None:
    """Refuse what the disk has no room for: InputError names ``record.every`` and what would
    do. Counts the least that the rows can be, so nothing is refused that fits."""
    place = runs_home() if out is None else out
    free = _free(place)
    if free is None:
        return
    ensemble, record, measure = experiment.ensemble, experiment.record, experiment.measure
    columns = (measure.loss, measure.distance and ensemble.twins, measure.tangent)
    row = (ROW + CELL * sum(map(bool, columns))) * ensemble.references
    rows = -(-experiment.steps // record.every) + 1
    if free < 2 * row:
        raise InputError(f"{place}: there is no room for a run on that disk, {free} bytes")
    if rows * row > free:
        every = math.ceil(experiment.steps / max(1, free // (2 * row)))
        raise InputError(
            f"record.every: {rows:,} steps of {ensemble.references:,} references make a "
            f"series.csv of more than {size_of(rows * row)}; there is room for "
            f"{size_of(free)}: record.every = {every} would do"
        )
    if record.states_every:
        size = 8 if experiment.dtype == "float64" else 4
        replicas = ensemble.references * (1 + ensemble.twins)
        times = -(-experiment.steps // record.states_every) + 1
        need = STATES * size * times * replicas * dimension
        if need > free:
            raise InputError(
                f"record.states_every: {times:,} times {replicas:,} states of {dimension:,} "
                f"numbers are {size_of(need)}; there is room for {size_of(free)}"
            )


def _free(path: Path) -> int | None:
    """Room in bytes where a folder is, or will be made; None where that is not told."""
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
