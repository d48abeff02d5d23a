"""The data of a training loss."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Samples as the network is fed them, features before samples.

    ``x`` (features, samples), ``targets`` (outputs, samples) — one-hot for classes —,
    ``labels`` (samples,) int64 or None for real-valued targets.
    """

    x: Tensor
    targets: Tensor
    labels: Tensor | None

    def to(self, device: torch.device, dtype: torch.dtype) -> Samples:
        labels = None if self.labels is None else self.labels.to(device)
        return Samples(self.x.to(device, dtype), self.targets.to(device, dtype), labels)

    @functools.cached_property
    def cut(self) -> dict[tuple[int, bool], list]:
        """These samples in parts, once they are made (buffers.py), for all threads."""
        return {}
