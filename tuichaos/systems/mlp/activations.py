"""Activations of hidden layers: torch.nn's, with the derivatives that the fast path needs.

``ACTIVATIONS`` holds the definitions, differentiable. The functions below write the same
into buffers; they are compiled with the fast path (see kernels.py), hence the plain ``if``s.
"""

import math

import torch
from torch import Tensor

aten = torch.ops.aten

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
    "linear": lambda z: z,
}

# Those whose derivative reads the output h alone: the buffer of z may be overwritten.
FROM_OUTPUT = ("sigmoid", "tanh", "relu", "linear")


def activate(name: str, z: Tensor, out: Tensor) -> None:
    """out = φ(z)."""
    if name == "sigmoid":
        torch.sigmoid(z, out=out)
    elif name == "tanh":
        torch.tanh(z, out=out)
    elif name == "relu":
        torch.clamp_min(z, 0.0, out=out)
    elif name == "gelu":
        aten.gelu(z, out=out)
    elif name == "softplus":
        aten.softplus(z, 1.0, 20.0, out=out)
    else:
        out.copy_(z)


def slope(name: str, g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    """out = g·φ'(z), with h = φ(z)."""
    if name == "sigmoid":
        aten.sigmoid_backward(g, h, grad_input=out)
    elif name == "tanh":
        aten.tanh_backward(g, h, grad_input=out)
    elif name == "relu":
        aten.threshold_backward(g, h, 0.0, grad_input=out)
    elif name == "gelu":
        aten.gelu_backward(g, z, grad_input=out)
    elif name == "softplus":
        aten.softplus_backward(g, z, 1.0, 20.0, grad_input=out)
    else:
        out.copy_(g)


def curve(name: str, z: Tensor, h: Tensor, g: Tensor, delta: Tensor, dz: Tensor) -> None:
    """dz ← φ''(z)·g·dz, with h = φ(z) and delta = g·φ'(z)."""
    if name == "sigmoid":  # φ'' = φ'·(1 − 2h)
        dz.mul_(delta)
        dz.addcmul_(dz, h, value=-2.0)
    elif name == "tanh":  # φ'' = −2h·φ'
        dz.mul_(delta).mul_(h).mul_(-2.0)
    elif name == "gelu":  # φ'' = (2 − z²)·exp(−z²/2)/√(2π)
        square = z * z
        dz.mul_(g).mul_(2.0 - square)
        dz.mul_(square.mul_(-0.5).exp_().mul_(1.0 / math.sqrt(2.0 * math.pi)))
    elif name == "softplus":  # φ'' = s·(1 − s), and 0 on the linear part above z = 20
        s = torch.sigmoid(z)
        dz.mul_(g).mul_(s.mul_(1.0 - s)).masked_fill_(z > 20.0, 0.0)
    else:
        dz.zero_()
