"""A verdict on each reference, with its evidence (the words are explained in verdicts.py)."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tuichaos.common.thresholds import COLLAPSE_UNITS, FLOOR_UNITS
from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.dead_network import DeadNetwork, dead_network
from tuichaos.instruments.evidence import Evidence
from tuichaos.instruments.nmle import POINTS, BestWindows, PaperExponent
from tuichaos.instruments.observables import signal_name
from tuichaos.instruments.period import period
from tuichaos.instruments.saturation import ALIKE, stuck_of_alike
from tuichaos.instruments.sharpness import Sharpness
from tuichaos.instruments.span_record import SpanRecord, Spans
from tuichaos.instruments.state_tail import StateTail
from tuichaos.instruments.statistics import median
from tuichaos.instruments.verdicts import LATE, Verdict, is_ambiguous, judge
from tuichaos.simulation.frames import BlockOrbit, Frame

LOOKS = 64  # at the hidden units, evenly spaced
FACTS = 3  # numbers of a look before the slopes of the units
TAIL = 1024  # newest values of the scalar series, whose spread a drift is measured by
NO_MAP = "system.allow_nondeterministic: no verdict on what may be no map of single states"
PARTED = (
    "an unperturbed twin parted from its reference at step {}: this is no deterministic map, or "
    "its rows depend on each other"
)
OVERFIT = 0.05  # of accuracy that the test part lost while the train part did not

MAX_REASONS = 5  # in the summary; regime.csv has those of all
STEPS = ("since", "ends_at", "period", "stuck_since", "stuck_on", "k_since")  # whole numbers


class Regime(Instrument, kept_as="Regime"):
    """Collects evidence over equal spans, in memory that does not grow with the run: see
    ``Spans``; whether the network was dead at LOOKS steps; and the sharpness, where measured.

    A rise is one above FLOOR_UNITS units in the last place of the largest loss so far, for
    below that rounding decides.

    References
    ----------
    .. [1] Lewkowycz et al. 2020, arXiv 2003.02218: catapult.
    .. [2] Cohen et al. 2021, arXiv 2103.00065: edge of stability, η·λmax/2 near 1.
    """

    key = "regime"
    needs_signal = True

    def __init__(
        self,
        context: RunContext,
        states: StateTail,
        sharpness: Sharpness | None = None,
        paper: PaperExponent | None = None,
    ) -> None:
        self.context = context
        self.states = states
        self.measured_sharpness = sharpness
        self.paper = paper
        count = context.references
        self.record = SpanRecord(context.steps, count, states.components, context.unit)
        self.is_loss = signal_name(context.system) == "loss"
        self.collapsed = np.zeros(count, dtype=bool)
        self.look_at = np.unique(np.linspace(0, context.steps, LOOKS + 1).round().astype(int))
        self.looked: list[int] = []
        self.dead: list[np.ndarray] = []
        self.stuck_on: list[np.ndarray] = []
        # Of each hidden unit, at the newest look.
        self.unit_slopes = np.full((count, sum(context.system.hidden_widths)), np.nan)
        self.moved: list[np.ndarray] = []  # (references, layers), see ``_moved``
        self.eta = np.full(count, np.nan)
        self.least = context.system.least_loss_of_alike(ALIKE)  # below, no network is dead
        self.informed = np.full(count, -1.0)  # the last step with such a loss
        self.early: list[np.ndarray] = []  # losses of the steps that the nMLE is fitted to
        self.late_sharpness: list[tuple[int, np.ndarray]] = []
        self.tail = np.empty((0, count))  # of the scalar series
        self.first = np.full(count, np.nan)
        self.newest = np.full(count, np.nan)
        self.diverged_at = np.full(count, np.nan)
        self.accuracy: dict[str, np.ndarray] = {}
        self.best_test = np.full(count, -np.inf)
        self.end = -1

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        """Rows for the steps that are looked at: dead, units stuck on, the learning rate, and the
        largest slope of each hidden unit, NaN in layers that are not stuck."""
        first, last = orbit.steps[0], orbit.steps[-1]
        times = self.look_at[slice(*np.searchsorted(self.look_at, [first, last + 1]))] - first
        widths = np.array(self.context.system.hidden_widths, dtype=int)
        rows = np.full((len(times), orbit.states.shape[1], FACTS + widths.sum()), np.nan)
        rate = getattr(orbit.system, "output_rate", None)
        if len(times) and rate is not None:
            rows[:, :, 2] = rate.cpu().numpy()
        if len(widths):
            rows[:, :, 0] = 0
            # Where the loss is below what alike outputs can have, there is nothing to look at.
            which = np.nonzero(~(orbit.found["signal"][times] < self.least))
            if len(which[0]):
                rows[which] = self._looked(orbit, times[which[0]], which[1], rows[which])
        return {"regime": rows}

    def _looked(
        self, orbit: BlockOrbit, times: np.ndarray, references: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Rows (n, …) of ``probe`` for n states, at some times of some references."""
        widths = np.array(self.context.system.hidden_widths)
        states = orbit.states[torch.from_numpy(times), torch.from_numpy(references)]
        found = stuck_of_alike(orbit.system, states)
        full = found.stuck == widths
        rows[:, 0] = full.any(axis=1) & found.outputs_alike
        rows[:, 1] = np.where(full[:, -1], found.on[:, -1], np.nan)
        rows[:, FACTS:] = np.where(np.repeat(full, widths, axis=1), found.slopes, np.nan)
        return rows

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
            self.moved.append(self._moved(row[:, FACTS:]))
        growth = frame.values.get("growth")
        if growth is not None:
            with np.errstate(invalid="ignore"):
                lost = growth < math.log(COLLAPSE_UNITS * self.context.unit)
            self.collapsed |= lost.any(axis=0)
        self.record.add(steps, frame["state_tail"], signal, growth)
        self.tail = np.concatenate([self.tail, signal])[-TAIL:]
        if self.is_loss:
            since = steps - self.context.perturb_at
            self.early.append(signal[(since >= 0) & (since < POINTS)])
            below = signal < self.least
            last = steps[len(steps) - 1 - np.argmax(below[::-1], axis=0)]
            self.informed = np.where(below.any(axis=0), last, self.informed)
        if steps[0] == 0:
            self.first = signal[0]
        self.newest = signal[-1]
        if self.measured_sharpness:
            self._sharpen(frame, self.measured_sharpness)
        self._score(frame)
        return {}

    def _moved(self, slopes: np.ndarray) -> np.ndarray:
        """By how much the slopes (references, units) changed since the look before, the largest
        |Δ ln| in each layer (references, layers): 0 for a slope that stays 0, ∞ where a layer was
        not stuck at both looks."""
        before, self.unit_slopes = self.unit_slopes, slopes
        widths = self.context.system.hidden_widths
        if not widths:
            return np.empty((len(slopes), 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.abs(np.log(slopes) - np.log(before))
        change[np.isnan(change)] = np.inf
        change[(slopes == 0) & (before == 0)] = 0.0
        return np.maximum.reduceat(change, np.cumsum([0, *widths[:-1]]), axis=1)

    def _diverged(self, frame: Frame) -> None:
        lost = ~frame["alive"]
        fresh = lost.any(axis=0) & np.isnan(self.diverged_at)
        self.diverged_at[fresh] = frame.steps[np.argmax(lost, axis=0)][fresh]

    def _sharpen(self, frame: Frame, measured: Sharpness) -> None:
        """Keep η·λmax/2, the sharpness in units of the stable one, with its step."""
        held = frame.values.get("preconditioned_sharpness", frame["sharpness"][:, :, 0])
        ratios = held / frame["stable_sharpness"]
        at = frame.steps[measured.measured_at(frame.steps)]
        self.late_sharpness += zip(at.tolist(), ratios, strict=True)

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

    def evidence(self, reference: int, spans: Spans) -> Evidence:
        """What is known of one reference so far."""
        growth = spans.growth[:, reference]
        if not self.context.experiment.measure.tangent:
            growth = np.full(len(growth), np.nan)
        elif self.collapsed[reference]:
            growth = np.where(np.isfinite(growth), growth, -np.inf)
            growth[-1:] = -np.inf
        gone = self.diverged_at[reference]
        late = [
            row[reference]
            for step, row in self.late_sharpness
            if step >= LATE * self.end and reference < len(row)
        ]
        motion = self.states.newest(reference, max(1, (self.end + 1) // 4))
        with np.errstate(invalid="ignore", over="ignore"):
            means = spans.sums[:, reference] / spans.lengths[:, None]
            signal = self.tail[-len(motion) :, reference]
            spread = np.append(motion.std(axis=0), signal.std())
        return Evidence(
            edges=spans.edges,
            growth=growth,
            begins=spans.begins[:, reference],
            ends=spans.ends[:, reference],
            best=spans.best[:, reference],
            rises=spans.rises[:, reference],
            falls=spans.falls[:, reference],
            slowest=spans.slowest[:, reference],
            fastest=spans.fastest[:, reference],
            speedup=spans.speedup[:, reference],
            means=means,
            spread=spread,
            heights=spans.heights[:, reference],
            motion=motion,
            is_loss=self.is_loss,
            fell=bool(self.newest[reference] < self.first[reference]),
            trains=self.context.experiment.system.name == "training",
            time_step=self.context.time_step,
            unit=self.context.unit,
            diverged_at=None if math.isnan(gone) else int(gone),
            sharpness=float(np.mean(late)) if late else math.nan,
            dead=self._dead(reference),
        )

    def _dead(self, reference: int) -> DeadNetwork | None:
        if not self.context.system.hidden_widths or not self.looked:
            return None
        looked = np.array(self.looked)
        seen = np.array([row[reference] for row in self.dead])
        return dead_network(
            looked,
            seen & (looked > self.informed[reference]),  # it may wake between two looks
            np.array([row[reference] for row in self.stuck_on]),
            np.array([row[reference] for row in self.moved]),
            self.end,
            float(self.eta[reference]),
            self.context.experiment.network.bias,
            period(self.tail[-max(1, (self.end + 1) // 4) :, reference], unit=self.context.unit),
        )

    def findings(self) -> Findings:
        if self.end < 0:
            return Findings()
        verdicts, spans = [], self.record.judged(self.end)
        missing = self._no_map()
        for reference in range(self.context.references):
            self.context.check_cancelled()
            if missing:
                verdicts.append(Verdict("undecided", missing))
            else:
                verdicts.append(judge(self.evidence(reference, spans)))
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

    def _no_map(self) -> str:
        """Why no reference has a verdict: what was run may be no map of single states; empty
        where nothing says so."""
        if self.context.experiment.system.allow_nondeterministic:
            return NO_MAP
        parted = self.context.parted()
        return "" if parted is None else PARTED.format(parted)

    def _part(self, verdicts: list[Verdict]) -> dict[str, Any]:
        passed = [v.ends_at for v in verdicts if v.verdict == "transient-chaos"]
        missing = collections.Counter(v.missing for v in verdicts if v.missing)
        dead = collections.Counter(
            (v.verdict, v.stuck_on, v.eta_eff, v.behaviour)
            for v in verdicts
            if math.isfinite(v.stuck_since)
        )
        return {
            "transient_end_median": median(np.array(passed)) if passed else math.nan,
            "dead": [
                {
                    "verdict": verdict,
                    "stuck_on": k,
                    "eta_eff": eta,
                    "behaviour": behaviour,
                    "references": count,
                }
                for (verdict, k, eta, behaviour), count in dead.most_common()
            ],
            "missing": dict(missing.most_common(MAX_REASONS)),
            "warnings": self._warnings(verdicts),
            "count": sum(v.verdict != "undecided" for v in verdicts),
            "total": len(verdicts),
            "window": [int(LATE * self.end), self.end],
            "reason": None,
        }

    def _warnings(self, verdicts: Sequence[Verdict]) -> list[str]:
        """What could mislead a reader of the numbers."""
        found = []
        # A tangent that overflows leaves zeros behind: of what diverged it tells nothing.
        lost = int((self.collapsed & np.isnan(self.diverged_at)).sum())
        if lost:
            found.append(f"exponent at the rounding floor (superstable) in {_references(lost)}")
        unclear = sum(map(is_ambiguous, verdicts))
        if unclear:
            words = "ambiguous: the steps that were run do not tell the sign of the exponent in"
            found.append(f"{words} {_references(unclear)}")
        found += self._leaving(verdicts)
        worse = self.best_test - self.accuracy.get("test_accuracy", np.nan) >= OVERFIT
        kept = self.accuracy.get("train_accuracy", np.full(1, np.nan)) >= 1 - OVERFIT
        over = int((worse & kept).sum())
        if over:
            found.append(
                f"overfitting in {_references(over)}: the test part had been {OVERFIT:.0%} better, "
                "the train part is learnt"
            )
        return found

    def _leaving(self, verdicts: Sequence[Verdict]) -> list[str]:
        """Words beside the nMLE of references whose twins parted where there is no chaos."""
        if self.paper is None:
            return []
        best = self.paper.best()
        names = np.array([v.verdict for v in verdicts])
        left = best.kept & ((names == "saddle-escape") | self._one_way(best))
        settled = np.char.startswith(names, "periodic") | np.isin(names, WITHOUT_CHAOS)
        settled &= best.kept & ~left
        of = f"nMLE: of the {int(best.kept.sum())} kept,"
        found = []
        if left.any():
            found.append(
                f"{of} {int(left.sum())} only left a saddle in the window that is fitted: "
                "twins part there as fast as the orbit speeds up, which is no chaos"
            )
        if settled.any():
            found.append(
                f"{of} {_are(names[settled])} in the end: twins parted only on the way, "
                "which is no chaos"
            )
        return found

    def _one_way(self, best: BestWindows) -> np.ndarray:
        """Where the loss only fell in the window that the nMLE is fitted to (references,)."""
        if not self.is_loss or not self.early:
            return np.zeros(self.context.references, dtype=bool)
        losses = np.concatenate(self.early)
        with np.errstate(invalid="ignore"):
            moves = np.diff(losses, axis=0)
        least = FLOOR_UNITS * self.context.unit * np.fmax.accumulate(np.abs(losses))[1:]
        at = np.arange(len(moves))[:, None]
        within = (at >= best.start) & (at < best.start + best.length - 1)
        rose, fell = (within & side for side in (moves > least, moves < -least))
        return ~rose.any(axis=0) & fell.any(axis=0)


WITHOUT_CHAOS = ("monotone", "catapult", "marginal", "quasi-periodic")


def _are(names: np.ndarray) -> str:
    """How many references are what, each verdict once: "3 are marginal or periodic-2"."""
    words = np.unique(names).tolist()
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    return f"{len(names)} {'is' if len(names) == 1 else 'are'} {listed}"


def _cell(name: str, value: Any) -> Any:
    return int(value) if name in STEPS and math.isfinite(value) else value


def _references(count: int) -> str:
    return "1 reference" if count == 1 else f"{count} references"
