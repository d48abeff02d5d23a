"""Charts of an orbit in the plane of its first two principal components."""

from __future__ import annotations

import numpy as np

from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.instruments.base import Tables

SHOWN = 0  # the reference: each has a plane of its own


def projection(run: Tables) -> Picture:
    """Reference 0 and its twins in its own plane; what the plane leaves out in the title."""
    own = _own(run)
    curves = _curves(own, "pc2")
    return Picture(f"PC2 against PC1{_left_out(run, own)}", curves, x_label="PC1")


def projection_loss(run: Tables) -> Picture:
    """The loss of reference 0 and its twins along the first component."""
    own = _own(run)
    loss = own["loss"][np.isfinite(own["loss"])]
    log = bool(len(loss)) and loss.min() > 0
    return Picture(
        f"loss along PC1{_left_out(run, own)}", _curves(own, "loss"), log=log, x_label="PC1"
    )


def _own(run: Tables) -> dict[str, np.ndarray]:
    table = run.table("projection.csv")
    mine = table["reference"] == SHOWN
    return {name: column[mine] for name, column in table.items()}


def _curves(own: dict[str, np.ndarray], y: str) -> list[Curve]:
    itself = own["twin"] < 0
    curves = [Curve(f"reference {SHOWN}", own["pc1"][itself], own[y][itself])]
    if (~itself).any():
        curves.append(Curve("twins", own["pc1"][~itself], own[y][~itself], joined=False))
    return curves


def _left_out(run: Tables, own: dict[str, np.ndarray]) -> str:
    """The explained variances, and the distances off the plane (root mean square, L2)."""
    if not len(own["twin"]):
        return f": {run.summary['projection']['reason'] or 'none of reference 0'}"
    table = run.table("projection-components.csv")
    explained = table["explained"][table["reference"] == SHOWN][:2]
    itself = own["twin"] < 0
    words = f": {' + '.join(f'{share:.1%}' for share in explained)} of variance"
    words += f", off plane {_rms(own['off_plane'][itself]):.2g}"
    return words + (f", twins {_rms(own['off_plane'][~itself]):.2g}" if (~itself).any() else "")


def _rms(values: np.ndarray) -> float:
    size = float(np.abs(values).max(initial=0.0))
    if not 0 < size < np.inf:
        return size
    return size * float(np.sqrt(((values / size) ** 2).mean()))  # a square may be beyond all range
