"""How much memory and room a run asks for, told before any is taken."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.devices import available_threads, resolve_device
from tuichaos.common.errors import InputError
from tuichaos.common.limits import size_of
from tuichaos.common.memory import installed
from tuichaos.common.paths import runs_home
from tuichaos.config.experiment import Experiment
from tuichaos.instruments.memory import BYTES as REMEMBERED
from tuichaos.instruments.spectrum import frames_for, settings
from tuichaos.instruments.state_tail import COMPONENTS, SLACK, TAIL
from tuichaos.instruments.stretches import MAX_NEWEST as REMEMBERED_STEPS
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
    measure, steps = experiment.measure, experiment.steps
    references, twins = experiment.ensemble.references, experiment.ensemble.twins

    def asked(switch: Any, name: str, default: int, most: float = math.inf) -> float:
        return min(switch.get(name, default) if isinstance(switch, Mapping) else default, most)

    if measure.spectrum:
        first = asked(measure.spectrum, "references", references, references)
        count = asked(measure.spectrum, "count", dimension, dimension)
        yield "measure.spectrum", 8 * (16 * first * count * dimension + 3 * dimension**2)
    if measure.routes:
        first = asked(measure.routes, "references", 4, references)
        each = asked(measure.routes, "twins", max(1, twins), max(1, twins))
        yield "measure.routes", 8 * 8 * first * each * dimension
    if measure.orbital:
        first = asked(measure.orbital, "references", 4, references)
        window = asked(measure.orbital, "window", 100, steps)
        yield "measure.orbital", 8 * first * (2 * window + 1) * dimension
    if measure.convergence:
        yield "measure.convergence", 8 * references * asked(measure.convergence, "last", 20, steps)
    if measure.sharpness:
        first = asked(measure.sharpness, "references", references, references)
        count = asked(measure.sharpness, "count", 1, dimension)
        times = steps // asked(measure.sharpness, "every", 10) + 2
        yield "measure.sharpness", 8 * first * count * (times + 4 * dimension)
    if measure.regime or measure.period:
        kept = COMPONENTS * min(steps + 1, SLACK * TAIL)
        yield "measure.regime", 8 * references * kept
    for name in ("autocorrelation", "recurrence"):
        if switch := getattr(measure, name):
            first = asked(switch, "references", 4, references)
            states = min(REMEMBERED, 8 * dimension * min(REMEMBERED_STEPS, steps + 1))
            yield f"measure.{name}", first * states
    if measure.units:
        times = steps // asked(measure.units, "every", 10) + 2
        yield "measure.units", 200 * references * len(experiment.network.hidden) * times


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
