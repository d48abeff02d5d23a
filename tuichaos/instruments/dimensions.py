"""Irrelevant dimensions: how far each weight went, what it is worth, and where twins part.

Per parameter w: Δ_w = |w_T − w_0|/|w_0|, path length D_w = Σ|w_{t+1} − w_t|, knock-out
L_w/L, the loss with this one entry set to 0 (arXiv 2404.05782, on irrelevant dimensions),
and its share of the twins' divergence. Per twin: the participation ratio (Σδ²)²/Σδ⁴ of its
displacement, 1 where one entry moved and n where n did alike (Bell and Dean 1970, Discuss.
Faraday Soc. 50, 55–61). Per reference: how many curvatures, and how many exponents (nats per
unit of time), are nearly 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.devices import repeatable
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.signals import REFERENCES
from tuichaos.instruments.spectrum import Spectrum
from tuichaos.instruments.statistics import mean_and_interval
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.acceleration import hessian
from tuichaos.systems.base import System
from tuichaos.systems.layout import parameter_mask, spans
from tuichaos.systems.stepper_protocol import padded
from tuichaos.systems.training import TrainingSystem

# A weight whose knock-out changes the loss by less than this share does not matter to it.
IRRELEVANT = 0.01

# A curvature below this share of the largest in size is nearly 0: at the largest stable
# learning rate, 2/h, such a direction moves by less than 0.2 % of its way in a step.
FLAT = 1e-3

# An exponent is nearly 0 if its interval holds 0, or if lengths changed less than so much
# (as a logarithm, twofold) over the whole window: a run can tell no less.
NEUTRAL = math.log(2)

MAX_CURVATURES = 512  # parameters of which the dense Hessian is made
MAX_KNOCKED_OUT = 20_000  # parameters, each one forward pass
AT_ANY_TIME = 128  # parameters up to which both are made before the run has ended
ROWS = 64  # of a batch of losses


@dataclass(frozen=True)
class Ending:
    """What is measured at the last state, knock-out (references, n) and the number of nearly
    flat directions (references,), and why not, where it is not."""

    step: int
    knockout: np.ndarray
    flat: np.ndarray
    knockout_reason: str | None
    flat_reason: str | None


class Dimensions(Instrument, kept_as="Dimensions"):
    """The first references, over the whole run; optimizer state is no dimension here.

    D_w is added up at every step. Knock-out and curvatures (eigenvalues of the dense Hessian
    of the loss, up to MAX_CURVATURES parameters) are those of the last state, in float64.
    Δ_w of a weight that starts at 0 is empty, as are the shares where there are no twins or
    they did not part. Keeps some arrays (references, parameters), whatever the number of
    steps. Probe arrays, one time a frame: ``dimensions.first``, ``dimensions.last``
    (1, r, dimension), ``dimensions.path``, ``dimensions.apart`` (1, r, n),
    ``dimensions.participation`` (1, r).

    References
    ----------
    .. [1] Danovski, Soriano and Lacasa 2024, arXiv 2404.05782, on irrelevant dimensions: Δ_w, D_w
       and L_w/L.
    .. [2] Bell and Dean 1970, Discuss. Faraday Soc. 50, 55–61: (Σδ²)²/Σδ⁴.
    """

    key = "dimensions"
    depends_on_steps = False
    carries = True
    not_kept = ("_ending", "_neutral")

    def __init__(self, context: RunContext, spectrum: Spectrum | None = None) -> None:
        self.context = context
        self.spectrum = spectrum
        self.references = min(
            option(context.experiment.measure.dimensions, "references", REFERENCES),
            context.references,
        )
        layout = context.system.layout
        self.index = np.flatnonzero(parameter_mask(layout))
        number = np.concatenate([np.full(p.size, k) for k, (p, _) in enumerate(spans(layout))])
        self.layer = number[self.index]
        self.pieces = [piece.name for piece in layout if piece.kind != "optimizer"]
        self.last: dict[int, np.ndarray] = {}  # of a block: parameters at its newest step
        self.path: dict[int, np.ndarray] = {}
        self.first: np.ndarray | None = None
        self.now: dict[str, np.ndarray] = {}
        self.read_to = 0
        self._ending: Ending | None = None
        self._neutral: tuple[int, np.ndarray] | None = None

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        states = orbit.states[:, :own].cpu().numpy().astype(np.float64)
        found = {"first": states[:1], "last": states[-1:], "path": self._path(orbit, states)}
        apart = np.full((1, own, len(self.index)), np.nan)
        participation = np.full((1, own), np.nan)
        if orbit.twins is not None and own:
            twins = orbit.twins[-1, :own].cpu().numpy().astype(np.float64)
            moved = np.abs(twins - states[-1][:, None])[..., self.index]
            apart[0] = moved.mean(axis=1)
            participation[0] = participation_ratio(moved).mean(axis=1)
        found |= {"apart": apart, "participation": participation}
        return {f"dimensions.{name}": values for name, values in found.items()}

    def _path(self, orbit: BlockOrbit, states: np.ndarray) -> np.ndarray:
        """D_w so far (1, own, n), added one step after another whatever the frames' length."""
        numbers = states[..., self.index]
        before = self.last.get(orbit.first, numbers[0])
        start = self.path.get(orbit.first, np.zeros(numbers.shape[1:]))
        steps = np.abs(np.diff(np.concatenate([before[None], numbers]), axis=0))
        path = np.add.accumulate(np.concatenate([start[None], steps]))[-1]
        self.last[orbit.first], self.path[orbit.first] = numbers[-1], path
        return path[None]

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        if self.first is None:
            self.first = frame["dimensions.first"][0]
        names = ("last", "path", "apart", "participation")
        self.now = {name: frame[f"dimensions.{name}"][0] for name in names}
        self.read_to = int(frame.steps[-1])
        return {}

    def findings(self) -> Findings:
        if self.first is None:
            nothing = {"count": 0, "total": self.references, "reason": "no step was taken yet"}
            return Findings({}, {"dimensions": nothing}, _tables([], []))
        initial, final = (x[:, self.index] for x in (self.first, self.now["last"]))
        with np.errstate(invalid="ignore", divide="ignore"):
            delta = np.abs(final - initial) / np.abs(initial)
        delta[~np.isfinite(delta)] = np.nan
        ending = self._at_the_end()
        share = shares(self.now["apart"])
        columns = [initial, final, delta, self.now["path"], ending.knockout, share]
        table = np.stack(columns, axis=-1)
        index = self.index.tolist()
        weights = [
            [r, index[k], self.layer[k].item(), *values]
            for r, rows in enumerate(table.tolist())
            for k, values in enumerate(rows)
        ]
        return Findings(
            summary={"dimensions": self._summary(delta, share, ending)},
            tables=_tables(weights, self._layers(share, ending.knockout)),
        )

    def _layers(self, share: np.ndarray, knockout: np.ndarray) -> list[list[Any]]:
        near = irrelevant(knockout)
        path = self.now["path"]
        return [
            [r, k, int(own.sum()), path[r, own].sum(), near[r, own].sum(), share[r, own].sum()]
            for r in range(self.references)
            for k, own in self._own_of_layers()
        ]

    def _own_of_layers(self) -> list[tuple[int, np.ndarray]]:
        return [(int(k), self.layer == k) for k in np.unique(self.layer)]

    def _summary(self, delta: np.ndarray, share: np.ndarray, ending: Ending) -> dict[str, Any]:
        alive = np.isfinite(self.now["path"]).all(axis=1)
        columns = {}
        # What was not asked for, or cannot be had, has no key: it is not an empty result.
        if len(self.index) > 2:  # two always agree, or disagree, in rank
            pairs = zip(delta, self.now["path"], strict=True)
            columns["correlation"] = np.array([spearman(*pair) for pair in pairs])
        if self.context.experiment.ensemble.twins:
            columns["participation"] = self.now["participation"]
        if ending.knockout_reason is None:
            columns["irrelevant"] = irrelevant(ending.knockout).sum(axis=1)
        if ending.flat_reason is None:
            columns["near_zero_curvatures"] = ending.flat
        if self.spectrum is not None:
            columns["near_zero_exponents"] = self._near_zero_exponents(self.spectrum)
        found: dict[str, Any] = {}
        for name, values in columns.items():
            bounds = (-1.0, 1.0) if name == "correlation" else (0.0, float(len(self.index)))
            mean = mean_and_interval(np.where(alive, values, np.nan), bounds)
            found |= {name: mean["mean"], f"{name}_ci95": mean["ci95"]}
        parted = share[np.isfinite(share).all(axis=1)]
        layers = [
            float(parted[:, own].sum(axis=1).mean())
            for _, own in self._own_of_layers()
            if len(parted)
        ]
        return {
            **found,
            "weights": len(self.index),
            "pieces": self.pieces,
            "layer_shares": layers,
            "knockout_reason": ending.knockout_reason or _of_no_loss(ending.knockout),
            "curvatures_reason": ending.flat_reason,
            "exponents": self.spectrum.count if self.spectrum else None,
            "count": int(alive.sum()),
            "total": self.references,
            "window": [0, self.read_to],
            "reason": None if alive.any() else "all references diverged",
        }

    def _near_zero_exponents(self, spectrum: Spectrum) -> np.ndarray:
        """How many of the measured exponents are nearly 0 (references,)."""
        if self._neutral is None or self._neutral[0] != spectrum.read_to:
            self._neutral = (spectrum.read_to, self._count_neutral(spectrum))
        return self._neutral[1]

    def _count_neutral(self, spectrum: Spectrum) -> np.ndarray:
        counts = np.full(max(self.references, spectrum.references), np.nan)
        rows = np.array(spectrum.findings().tables["spectrum.csv"][1], dtype=np.float64)
        rows = rows.reshape(spectrum.references, spectrum.count, -1)
        start = self.context.experiment.measure.discard
        time = (spectrum.read_to - start) * self.context.time_step
        for r, (exponent, low, high) in enumerate(rows[:, :, 2:5].transpose(0, 2, 1)):
            if np.isfinite([exponent[0], low[0]]).all():  # without intervals nothing is told
                neutral = (low <= 0) & (high >= 0) | (np.abs(exponent) * time < NEUTRAL)
                counts[r] = neutral.sum()
        return counts[: self.references]

    # --- the last state ---

    def _at_the_end(self) -> Ending:
        if self._ending is None or self._ending.step != self.read_to:
            with repeatable(torch.device("cpu")):
                self._ending = self._measured()
        return self._ending

    def _measured(self) -> Ending:
        size = len(self.index)
        knockout = np.full((self.references, size), np.nan)
        flat = np.full(self.references, np.nan)
        reason = None
        if "loss" not in self.context.system.observables:
            reason = "the system has no loss"
        elif self.read_to != self.context.steps and size > AT_ANY_TIME:
            reason = "the run has not come to its end"
        knockout_reason = flat_reason = reason
        if reason is None:
            if size > MAX_KNOCKED_OUT:
                knockout_reason = f"more than {MAX_KNOCKED_OUT} parameters"
            if size > MAX_CURVATURES:
                flat_reason = f"more than {MAX_CURVATURES} parameters"
            for r, state in enumerate(self.now["last"]):
                system = self.context.system.take(torch.full((ROWS,), r))
                if np.isfinite(state).all() and knockout_reason is None:
                    knockout[r] = knocked_out(system, state, self.index)
                if np.isfinite(state).all() and flat_reason is None:
                    own = self.context.system.take(torch.tensor([r]))
                    flat[r] = flat_directions(own, state)
        return Ending(self.read_to, knockout, flat, knockout_reason, flat_reason)


WEIGHTS = ["reference", "index", "layer", "initial", "final", "delta", "path", "knockout", "share"]
LAYERS = ["reference", "layer", "weights", "path", "irrelevant", "share"]


def _tables(weights: list, layers: list) -> dict[str, tuple[list[str], list]]:
    return {"weights.csv": (WEIGHTS, weights), "layers.csv": (LAYERS, layers)}


# --- formulas ----------------------------------------------------------------------------


def participation_ratio(moved: np.ndarray) -> np.ndarray:
    """(Σδ²)²/Σδ⁴ of displacements (…, n), between 1 and n; NaN where nothing moved."""
    with np.errstate(invalid="ignore", divide="ignore"):
        square = (moved / np.abs(moved).max(axis=-1, keepdims=True)) ** 2  # no underflow
        return square.sum(axis=-1) ** 2 / (square * square).sum(axis=-1)


def shares(apart: np.ndarray) -> np.ndarray:
    """Each of distances (…, n) over their sum; NaN where nothing is apart."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = apart / apart.sum(axis=-1, keepdims=True)
    return np.where(np.isfinite(found), found, np.nan)


def _of_no_loss(knockout: np.ndarray) -> str | None:
    known = np.isfinite(knockout).any()
    return None if known else "the loss is 0 or not finite"


def irrelevant(knockout: np.ndarray) -> np.ndarray:
    """1 for each L_w/L (…, n) within IRRELEVANT of 1, else 0; NaN stays."""
    near = (np.abs(knockout - 1) < IRRELEVANT).astype(np.float64)
    return np.where(np.isfinite(knockout), near, np.nan)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation (Spearman 1904) where both are finite; NaN for fewer than three pairs
    or where one is constant."""
    from scipy.stats import rankdata

    good = np.isfinite(a) & np.isfinite(b)
    if good.sum() < 3 or min(np.ptp(a[good]), np.ptp(b[good])) == 0:
        return math.nan
    return float(np.corrcoef(rankdata(a[good]), rankdata(b[good]))[0, 1])


def knocked_out(system: System, state: np.ndarray, index: np.ndarray) -> np.ndarray:
    """L_w/L (n,) of a state (dimension,): the loss with entry ``index[k]`` set to 0 over the
    loss; NaN where either is not finite, or the loss is 0. ``system`` has ROWS rows."""
    found = np.empty(len(index))
    whole = _losses(system, state[None])[0]
    for start in range(0, len(index), ROWS):
        part = index[start : start + ROWS]
        states = np.repeat(state[None], len(part), axis=0)
        states[np.arange(len(part)), part] = 0.0
        found[start : start + ROWS] = _losses(system, states)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = found / whole
    return np.where(np.isfinite(found), found, np.nan)


def _losses(system: System, states: np.ndarray) -> np.ndarray:
    """The loss of up to ROWS states, always in a batch of ROWS."""
    found = _loss(system, padded(torch.from_numpy(states), ROWS))
    return found[: len(states)].detach().numpy()


def _loss(system: System, x: Tensor) -> Tensor:
    """The loss (rows,) of states (rows, dimension), without what else is observed."""
    return system.losses(x) if isinstance(system, TrainingSystem) else system.observe(x)["loss"]


def flat_directions(system: System, state: np.ndarray) -> float:
    """How many eigenvalues of the Hessian of the loss at a state (dimension,) are below FLAT of
    the largest in size; NaN where it is 0 or not finite, or where a user's own loss cannot be
    differentiated twice. ``system`` has one row."""
    worker = hessian(system)
    try:
        worker.at(system, torch.from_numpy(state))
        matrix = worker.matrix()
    except RuntimeError:
        return math.nan
    if not torch.isfinite(matrix).all():
        return math.nan
    size = torch.linalg.eigvalsh(matrix).abs().numpy()
    return float((size < FLAT * size.max()).sum()) if size.max() > 0 else math.nan
