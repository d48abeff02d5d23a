"""Losses of training, by definition and in the buffered form of the fast path.

Both are means over samples: ``cross-entropy`` of the softmax, and ``mse`` = ½ Σ (z − y)²
summed over outputs. Targets are (outputs, samples), one-hot for classes.
"""

import torch
from torch import Tensor


def sample_losses(name: str, z: Tensor, targets: Tensor) -> Tensor:
    """The loss of each sample (replicas, samples) from outputs z (replicas, outputs, samples)."""
    if name == "cross-entropy":
        # The largest output is taken off first, so that only differences of outputs are
        # exponentiated and nothing overflows while the outputs themselves are finite.
        z = z - z.amax(1, keepdim=True)
        return torch.log(torch.exp(z).sum(1)) - (z * targets).sum(1)
    return 0.5 * ((z - targets) ** 2).sum(1)


def sample_losses_(name: str, z: Tensor, targets: Tensor, scratch: Tensor) -> Tensor:
    """``sample_losses``, with z and ``scratch`` (of its shape) overwritten."""
    if name == "cross-entropy":
        z.sub_(z.amax(1, keepdim=True))
        torch.mul(z, targets, out=scratch)
        return z.exp_().sum(1).log_().sub_(scratch.sum(1))
    torch.sub(z, targets, out=scratch)
    return scratch.mul_(scratch).sum(1).mul_(0.5)


def loss_slope(
    name: str,
    z: Tensor,
    targets: Tensor,
    weight: Tensor,
    weighted_targets: Tensor,
    scale: Tensor,
    out: Tensor,
) -> None:
    """out = weight·∂loss/∂z; with cross-entropy z becomes softmax(z).

    ``weight`` (samples,) is 1/n, 0 for padding; ``scale`` (rows, 1, samples) is scratch.
    """
    if name == "cross-entropy":
        torch.amax(z, [1], True, out=scale)
        z.sub_(scale).exp_()
        torch.sum(z, [1], True, out=scale)
        z.mul_(scale.reciprocal_())
        torch.mul(z, weight, out=out)
        out.sub_(weighted_targets)
    else:
        torch.sub(z, targets, out=out)
        out.mul_(weight)


def loss_curve(name: str, p: Tensor, weight: Tensor, dz: Tensor) -> Tensor:
    """The change of weight·∂loss/∂z along a tangent dz of the outputs; p = softmax(z)."""
    if name == "cross-entropy":
        mean = (p * dz).sum(1, keepdim=True)
        return (dz - mean).mul_(p).mul_(weight)
    return dz * weight
