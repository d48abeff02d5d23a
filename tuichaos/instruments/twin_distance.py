"""Distance of the twins from their reference: L1 over parameters, in total and by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tuichaos.common.thresholds import FLOOR_UNITS
from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.observables import final
from tuichaos.instruments.statistics import median
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.base import spans


class TwinDistance(Instrument, kept_as="Divergence"):
    """d(t) = mean over twins of Σ|x'_k − x_k| over all parameters (optimizer state left out).

    0 before the perturbation: the twin is the reference until then. Empty where the
    reference or one of its twins is no longer finite. Probe arrays: ``distance`` and
    ``distance.<piece>`` (T, r), ``twin_distances`` (T, r, twins), ``scale`` (T, r) = ‖x‖₁.
    """

    depends_on_steps = False
    not_kept = ("pieces",)

    def __init__(self, context: RunContext, in_series: bool) -> None:
        self.context = context
        self.in_series = in_series
        self.pieces = [
            (piece.name, span)
            for piece, span in spans(context.system.layout)
            if piece.kind != "optimizer"
        ]
        self.first = np.full(context.references, np.nan)
        self.moved_at = np.full(context.references, np.nan)  # ‖x‖₁ there
        self.last = np.full(context.references, np.nan)
        # The first step at which a twin holds no finite numbers while its reference does.
        self.twins_lost_at = np.full(
            (context.references, context.experiment.ensemble.twins), np.nan
        )

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        twins = self.context.experiment.ensemble.twins
        parts = self._parts(orbit, twins)
        total = sum(parts.values())
        scale = sum(orbit.states[..., s].abs().sum(-1) for _, s in self.pieces)
        found = {
            "distance": _mean(total),
            "twin_distances": total,
            "scale": scale.cpu().numpy().astype(np.float64),
        }
        if self.context.system.is_network:
            found |= {f"distance.{name}": _mean(part) for name, part in parts.items()}
        return found

    def _parts(self, orbit: BlockOrbit, twins: int) -> dict[str, np.ndarray]:
        """The distance of each twin within each piece, (T, r, twins)."""
        if orbit.twins is None:
            zeros = np.where(orbit.alive.cpu().numpy(), 0.0, np.nan)[:, :, None]
            return {name: np.repeat(zeros, twins, axis=2) for name, _ in self.pieces}
        apart = (orbit.twins - orbit.states[:, :, None]).abs_()
        return {
            name: np.ascontiguousarray(apart[..., s].sum(-1).cpu().numpy(), dtype=np.float64)
            for name, s in self.pieces
        }

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        distance = frame["distance"]
        at = self.context.perturb_at - frame.steps[0]
        if 0 <= at < len(frame.steps):
            self.first, self.moved_at = distance[at], frame["scale"][at]
        self.last = distance[-1]
        self._count_lost(frame)
        if not self.in_series:
            return {}
        return {k: v for k, v in frame.values.items() if k.split(".")[0] == "distance"}

    def _count_lost(self, frame: Frame) -> None:
        lost = ~np.isfinite(frame["twin_distances"]) & frame["alive"][:, :, None]
        fresh = lost.any(axis=0) & np.isnan(self.twins_lost_at)
        self.twins_lost_at[fresh] = frame.steps[np.argmax(lost, axis=0)][fresh]

    @property
    def lost(self) -> str:
        """Why the twins are where their reference is although they were moved: what they were
        moved by is below half a unit in the last place of their state. Empty where it is not."""
        known = np.isfinite(self.first) & np.isfinite(self.moved_at)
        if not known.any() or self.first[known].any() or not self.context.perturbation_scale:
            return ""
        size = median(self.moved_at[known]) / sum(s.stop - s.start for _, s in self.pieces)
        if not size > 0:
            return ""
        enough = math.ceil(math.log10(2 * FLOOR_UNITS * self.context.unit * size))
        return (
            f"ensemble.perturbation = {self.context.experiment.ensemble.perturbation:g} is lost in "
            f"rounding: states are about {_short(size)}; take 1e{enough} or more"
        )

    def findings(self) -> Findings:
        scale = self.context.perturbation_scale
        ratio = self.last / scale
        finite = ratio[np.isfinite(ratio)]
        lost = self.twins_lost_at[np.isfinite(self.twins_lost_at)]
        summary = {
            "initial_median": median(self.first),
            **final(self.last),
            "perturbation_scale": scale,
            "final_over_scale_median": median(ratio),
            "final_over_scale_below_3": float((finite < 3).mean()) if len(finite) else np.nan,
            "twins_diverged": len(lost),
            "twins_total": self.twins_lost_at.size,
            "twins_diverged_first": int(lost.min()) if len(lost) else None,
        }
        return Findings(summary={"distance": summary} if self.in_series else {})


def _short(size: float) -> str:
    """One digit, as a person writes it: 5e6."""
    digit, _, power = f"{size:.0e}".partition("e")
    return f"{digit}e{int(power)}"


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over twins, NaN unless all are finite."""
    mean = values.mean(axis=-1)
    return np.where(np.isfinite(mean), mean, np.nan)
