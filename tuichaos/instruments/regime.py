"""A verdict on each reference, with its evidence (the words are explained in verdicts.py)."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tuichaos.frames import BlockOrbit, Frame
from tuichaos.instruments.base import Findings, Instrument, Setup
from tuichaos.instruments.observables import signal_name
from tuichaos.instruments.sharpness import Sharpness
from tuichaos.instruments.statistics import median
from tuichaos.instruments.units import stuck_units
from tuichaos.instruments.verdicts import LATE, SPANS, Evidence, Verdict, ambiguous, judge
from tuichaos.levels import COLLAPSE_UNITS, FLOOR_UNITS

LOOKS = 64  # at the hidden units, evenly spaced
FINE = 8  # spans that are kept for each that is judged: a run may be judged before its end
TAIL = 1024  # steps at the end whose period is looked for
OVERFIT = 0.05  # of accuracy that the test part lost while the train part did not


class Regime(Instrument):
    """Collects evidence over equal spans, in memory that does not grow with the run: growth of
    the tangent, rises of the loss, stuck units at LOOKS steps, and the last TAIL steps.

    A rise is one above FLOOR_UNITS units in the last place of the largest loss so far, for
    below that rounding decides.
    """

    needs_signal = True

    def __init__(self, setup: Setup, sharpness: Sharpness | None = None) -> None:
        self.setup = setup
        self.measured_sharpness = sharpness
        count = setup.references
        edges = np.linspace(0, setup.steps, min(FINE * SPANS, setup.steps) + 1).round().astype(int)
        self.edges = np.unique(edges)
        spans = len(self.edges) - 1
        self.is_loss = signal_name(setup.system) == "loss"
        self.log_length = np.zeros((spans, count))  # growth within each span
        self.collapsed = np.zeros(count, dtype=bool)
        self.rises = np.zeros((spans, count))
        self.look_at = np.unique(np.linspace(0, setup.steps, LOOKS + 1).round().astype(int))
        self.looked: list[int] = []
        self.dead: list[np.ndarray] = []
        self.stuck_on: list[np.ndarray] = []
        self.heights = np.zeros((spans, count))
        self.eta = np.full(count, np.nan)
        self.sharpness: list[tuple[int, np.ndarray]] = []
        self.first = np.full(count, np.nan)
        self.newest = np.full(count, np.nan)
        self.largest = np.zeros(count)
        self.tail = np.empty((0, count))
        self.diverged_at = np.full(count, np.nan)
        self.accuracy: dict[str, np.ndarray] = {}
        self.best_test = np.full(count, -np.inf)
        self.end = -1

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        """Rows for the steps that are looked at: dead, units stuck on, and the learning rate."""
        times = np.flatnonzero(np.isin(orbit.steps, self.look_at))
        rows = np.full((len(times), orbit.states.shape[1], 3), np.nan)
        rate = getattr(orbit.system, "output_rate", None)
        if len(times) and rate is not None:
            rows[:, :, 2] = rate.cpu().numpy()
        if len(times) and self.setup.system.hidden_widths:
            states = orbit.states[torch.from_numpy(times)]
            found = stuck_units(orbit.system, states.flatten(0, 1))
            full = found.saturated == np.array(self.setup.system.hidden_widths)
            on = np.where(full[:, -1], found.on[:, -1], np.nan)
            rows[:, :, 0] = full.any(axis=1).reshape(rows.shape[:2])
            rows[:, :, 1] = on.reshape(rows.shape[:2])
        return {"regime": rows}

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        steps, signal = frame.steps, frame["signal"]
        self.end = int(steps[-1])
        self._diverged(frame)
        at = steps[np.isin(steps, self.look_at)]
        for step, row in zip(at.tolist(), frame["regime"], strict=True):
            self.looked.append(step)
            self.dead.append(row[:, 0] == 1)
            self.stuck_on.append(row[:, 1])
            self.eta = row[:, 2]
        if "growth" in frame.values:
            self._grow(steps, frame["growth"])
        self._rise(steps, signal)
        self.tail = np.concatenate([self.tail, signal])[-TAIL:]
        if self.measured_sharpness:
            self._sharpen(frame, self.measured_sharpness)
        self._score(frame)
        return {}

    def _diverged(self, frame: Frame) -> None:
        lost = ~frame["alive"]
        fresh = lost.any(axis=0) & np.isnan(self.diverged_at)
        self.diverged_at[fresh] = frame.steps[np.argmax(lost, axis=0)][fresh]

    def _span(self, steps: np.ndarray) -> np.ndarray:
        """The span that each step begins in."""
        return np.searchsorted(self.edges, steps, side="right") - 1

    def _within(self, steps: np.ndarray) -> np.ndarray:
        """The span that each step is in; the last state belongs to the last one."""
        return np.minimum(self._span(steps), len(self.edges) - 2)

    def _grow(self, steps: np.ndarray, growth: np.ndarray) -> None:
        own = steps < self.setup.steps  # the last state takes no further step
        with np.errstate(invalid="ignore"):
            lost = growth < math.log(COLLAPSE_UNITS * self.setup.unit)
        self.collapsed |= lost.any(axis=0)
        np.add.at(self.log_length, self._span(steps[own]), growth[own])  # one by one

    def _rise(self, steps: np.ndarray, signal: np.ndarray) -> None:
        """Count the steps that end in this frame and raise the signal."""
        with np.errstate(invalid="ignore"):
            before = np.concatenate([self.newest[None], signal[:-1]])
            sizes = np.fmax.accumulate(np.concatenate([self.largest[None], np.abs(signal)]))
            rises = signal - before > FLOOR_UNITS * self.setup.unit * sizes[1:]
        np.maximum.at(self.heights, self._within(steps), np.nan_to_num(np.abs(signal), posinf=0.0))
        counted = steps > 0
        np.add.at(self.rises, self._span(steps[counted] - 1), rises[counted])
        if steps[0] == 0:
            self.first = signal[0]
        self.newest, self.largest = signal[-1], sizes[-1]

    def _sharpen(self, frame: Frame, measured: Sharpness) -> None:
        """Keep η·λmax/2, the sharpness in units of the stable one, with its step."""
        ratios = frame["sharpness"][:, :, 0] / frame["stable_sharpness"]
        at = frame.steps[measured.measured_at(frame.steps)]
        self.sharpness += zip(at.tolist(), ratios, strict=True)

    def _score(self, frame: Frame) -> None:
        for name in ("train_accuracy", "test_accuracy"):
            values = frame.values.get(name)
            if values is None:
                continue
            known = np.isfinite(values).any(axis=0)
            last = len(values) - 1 - np.argmax(np.isfinite(values[::-1]), axis=0)
            newest = values[last, np.arange(values.shape[1])]
            old = self.accuracy.get(name, np.full(len(newest), np.nan))
            self.accuracy[name] = np.where(known, newest, old)
            if name == "test_accuracy":
                self.best_test = np.fmax(self.best_test, np.fmax.reduce(values, axis=0))

    # --- judging ---

    def evidence(self, reference: int) -> Evidence:
        """What is known of one reference so far."""
        edges = self._reached()
        lengths = np.diff(self.edges[edges])
        growth, rises = (
            np.add.reduceat(rows[:, reference], edges[:-1])[: len(lengths)] / lengths
            if len(lengths)
            else np.empty(0)
            for rows in (self.log_length[: edges[-1]], self.rises[: edges[-1]])
        )
        growth = growth / self.setup.time_step
        within = self.heights[: edges[-1], reference]
        heights = np.maximum.reduceat(within, edges[:-1]) if len(lengths) else np.empty(0)
        if not self.setup.experiment.measure.tangent:
            growth = np.full(len(lengths), np.nan)
        if self.collapsed[reference]:
            growth = np.where(np.isfinite(growth), growth, -np.inf)
            growth[-1:] = -np.inf
        gone = self.diverged_at[reference]
        hidden = bool(self.setup.system.hidden_widths)
        late = [
            row[reference]
            for step, row in self.sharpness
            if step >= LATE * self.end and reference < len(row)
        ]
        return Evidence(
            edges=self.edges[edges],
            growth=growth,
            rises=rises,
            tail=self.tail[-max(1, (self.end + 1) // 4) :, reference],
            is_loss=self.is_loss,
            fell=bool(self.newest[reference] < self.first[reference]),
            time_step=self.setup.time_step,
            scale=float(self.largest[reference]),
            unit=self.setup.unit,
            diverged_at=None if math.isnan(gone) else int(gone),
            looked=np.array(self.looked),
            dead=np.array([row[reference] for row in self.dead]) if hidden else None,
            stuck_on=np.array([row[reference] for row in self.stuck_on]) if hidden else None,
            heights=heights,
            eta=self.eta[reference],
            bias=self.setup.experiment.network.bias,
            sharpness=float(np.mean(late)) if late else math.nan,
        )

    def _reached(self) -> np.ndarray:
        """Which edges bound the spans to be judged: SPANS of them over what was run, where there
        are so many."""
        last = int(np.searchsorted(self.edges, self.end, side="right")) - 1
        return np.unique(np.linspace(0, last, SPANS + 1).round().astype(int))

    def findings(self) -> Findings:
        if self.end < 0:
            return Findings()
        verdicts = []
        for reference in range(self.setup.references):
            self.setup.heed()
            verdicts.append(judge(self.evidence(reference)))
        names = [field.name for field in dataclasses.fields(Verdict)]
        rows = [
            [reference, *(_cell(name, getattr(verdict, name)) for name in names)]
            for reference, verdict in enumerate(verdicts)
        ]
        counts = collections.Counter(verdict.verdict for verdict in verdicts)
        part = self._part(verdicts)
        return Findings(
            summary={
                "regime": counts.most_common(1)[0][0],
                "regimes": dict(counts.most_common()),
                "verdicts": part,
            },
            tables={"regime.csv": (["reference", *names], rows)},
        )

    def _part(self, verdicts: list[Verdict]) -> dict[str, Any]:
        passed = [v.ends_at for v in verdicts if v.verdict == "transient-chaos"]
        missing = collections.Counter(v.missing for v in verdicts if v.missing)
        dead = collections.Counter(
            (v.stuck_on, v.eta_eff, v.behaviour) for v in verdicts if v.verdict == "dead-network"
        )
        return {
            "transient_end_median": median(np.array(passed)) if passed else math.nan,
            "dead": [
                {"stuck_on": k, "eta_eff": eta, "behaviour": behaviour, "references": count}
                for (k, eta, behaviour), count in dead.most_common()
            ],
            "missing": dict(missing.most_common(MOST_REASONS)),
            "warnings": self._warnings(verdicts),
            "count": sum(v.verdict != "undecided" for v in verdicts),
            "total": len(verdicts),
            "window": [int(LATE * self.end), self.end],
            "reason": None,
        }

    def _warnings(self, verdicts: Sequence[Verdict]) -> list[str]:
        """What could mislead a reader of the numbers."""
        found = []
        lost = int(self.collapsed.sum())
        if lost:
            found.append(f"exponent at the rounding floor (superstable) in {_references(lost)}")
        unclear = sum(map(ambiguous, verdicts))
        if unclear:
            words = "ambiguous window: the last quarter does not tell the sign of the exponent in"
            found.append(f"{words} {_references(unclear)}")
        worse = self.best_test - self.accuracy.get("test_accuracy", np.nan) >= OVERFIT
        kept = self.accuracy.get("train_accuracy", np.full(1, np.nan)) >= 1 - OVERFIT
        over = int((worse & kept).sum())
        if over:
            found.append(
                f"overfitting in {_references(over)}: the test part had been {OVERFIT:.0%} better, "
                "the train part is learnt"
            )
        return found


STEPS = ("ends_at", "period", "stuck_since", "stuck_on", "k_since")  # whole numbers


def _cell(name: str, value: Any) -> Any:
    return int(value) if name in STEPS and math.isfinite(value) else value


def _references(count: int) -> str:
    return "1 reference" if count == 1 else f"{count} references"


MOST_REASONS = 5
