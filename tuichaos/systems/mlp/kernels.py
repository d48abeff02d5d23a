"""The inner loops of perceptron training, on buffers, free of Python between steps.

``compiled`` runs them as TorchScript: the same operations in the same order (the same bits,
by test), but the interpreter's lock stays free, so that blocks really run side by side and
a screen stays live. Where TorchScript is not to be had they run as the Python they are.

Shapes: features before samples. ``a[l]`` (rows, in + 1, samples) is the input of layer l
with a row of ones for the bias, ``weights[t][l]`` (rows, out, in + 1) its matrix at step t,
``inward`` the same without the bias and turned, (rows, in, out).
"""

import functools
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from tuichaos.systems.mlp.activations import activate, curve, slope
from tuichaos.systems.mlp.losses import loss_curve, loss_slope, sample_losses_


class Forward(NamedTuple):
    """Buffers of a forward pass: pre-activations ``z[l]`` (rows, out, samples), inputs of
    the layers ``a[l]``, hidden outputs ``h[l]`` (views of ``a[l + 1]``)."""

    activation: str
    z: list[Tensor]
    a: list[Tensor]
    h: list[Tensor]


class Backward(NamedTuple):
    """Buffers of a backward pass: ``delta[l]`` = weight·∂L/∂z, ``signal[l]`` = ∂L/∂h,
    ``gradient[l]`` (rows, out, in + 1), ``turned[l]``: a[l] with samples first."""

    loss: str
    targets: Tensor
    weight: Tensor
    weighted_targets: Tensor
    scale: Tensor
    delta: list[Tensor]
    signal: list[Tensor]
    turned: list[Tensor]
    gradient: list[Tensor]


class OrbitBuffers(NamedTuple):
    """Matrices of every step, as views of one history; ``rates``: η of
    each layer (rows, 1, 1)."""

    weights: list[list[Tensor]]
    inward: list[list[Tensor]]
    rates: list[Tensor]


class Tangents(NamedTuple):
    """Tangents of the first rows: ``packed`` (references, width) and its matrices ``v``,
    turned ``v_inward``; buffers for what changes along them; ``lengths`` (T, references)."""

    references: int
    packed: Tensor
    v: list[Tensor]
    v_inward: list[Tensor]
    dz: list[Tensor]
    da: list[Tensor]
    dh: list[Tensor]
    dsignal: list[Tensor]
    ddelta: list[Tensor]
    dgradient: list[Tensor]
    lengths: Tensor


def forward(f: Forward, weights: list[Tensor]) -> None:
    """Fill z, a and h for one matrix a layer; ``z[-1]`` are the outputs."""
    for k in range(len(f.z)):
        torch.bmm(weights[k], f.a[k], out=f.z[k])
        if k < len(f.h):
            activate(f.activation, f.z[k], f.h[k])


def backward(f: Forward, b: Backward, inward: list[Tensor]) -> None:
    """Fill the gradients at the state of the last forward pass."""
    last = len(f.z) - 1
    loss_slope(b.loss, f.z[last], b.targets, b.weight, b.weighted_targets, b.scale, b.delta[last])
    for j in range(len(f.z)):
        k = last - j
        torch.bmm(b.delta[k], b.turned[k], out=b.gradient[k])
        if k > 0:
            torch.bmm(inward[k], b.delta[k], out=b.signal[k - 1])
            slope(f.activation, b.signal[k - 1], f.z[k - 1], f.h[k - 1], b.delta[k - 1])


def tangent(f: Forward, b: Backward, d: Tangents, inward: list[Tensor]) -> None:
    """Fill ``dgradient`` with Hessian-vector products at the state of the last passes:
    forward-mode differentiation of the two functions above, line by line."""
    n = d.references
    last = len(f.z) - 1
    for k in range(len(f.z)):
        torch.bmm(d.v[k], f.a[k][:n], out=d.dz[k])
        if k > 0:
            d.dz[k].baddbmm_(inward[k][:n].transpose(1, 2), d.dh[k - 1])
        if k < last:
            slope(f.activation, d.dz[k], f.z[k][:n], f.h[k][:n], d.dh[k])
    ddelta = loss_curve(b.loss, f.z[last][:n], b.weight, d.dz[last])
    for j in range(len(f.z)):
        k = last - j
        torch.bmm(ddelta, b.turned[k][:n], out=d.dgradient[k])
        if k > 0:
            d.dgradient[k].baddbmm_(b.delta[k][:n], d.da[k - 1].transpose(1, 2))
            torch.bmm(inward[k][:n], ddelta, out=d.dsignal[k - 1])
            d.dsignal[k - 1].baddbmm_(d.v_inward[k], b.delta[k][:n])
            z = f.z[k - 1][:n]
            h = f.h[k - 1][:n]
            slope(f.activation, d.dsignal[k - 1], z, h, d.ddelta[k - 1])
            curve(f.activation, z, h, b.signal[k - 1][:n], b.delta[k - 1][:n], d.dz[k - 1])
            ddelta = d.ddelta[k - 1].add_(d.dz[k - 1])


class Scores(NamedTuple):
    """Where losses and, where wanted, numbers of samples hit are added up, part by part of
    the samples: ``losses`` and ``hits`` (states,); ``targets``, ``labels`` (−1 for padding)
    and ``weight`` of the samples; ``scratch`` of the shape of the outputs of as many states as
    are scored at once."""

    loss: str
    targets: list[Tensor]
    weight: list[Tensor]
    labels: list[Tensor]
    scratch: Tensor
    with_hits: bool
    losses: Tensor
    hits: Tensor


def largest(z: Tensor) -> Tensor:
    """``z.argmax(1)`` of (rows, outputs, samples), many times faster for few outputs."""
    best = z[:, 0].clone()
    winner = torch.zeros_like(best, dtype=torch.int64)
    for k in range(1, z.shape[1]):
        winner.masked_fill_(z[:, k] > best, k)
        torch.maximum(best, z[:, k], out=best)
    return winner


def score(s: Scores, c: int, z: Tensor, losses: Tensor, hits: Tensor) -> None:
    """Add what part ``c`` of the samples gives to losses and hits (states,); the outputs z
    (states, outputs, samples) are overwritten."""
    if s.with_hits:
        hits.add_((largest(z) == s.labels[c]).to(z.dtype).sum(-1))
    found = sample_losses_(s.loss, z, s.targets[c], s.scratch[: z.shape[0]])
    losses.add_(found.mul_(s.weight[c]).sum(-1))


def score_gathered(s: Scores, c: int, outputs: Tensor, done: int, seen: int) -> None:
    """Score the first ``seen`` times of ``outputs``, after ``done`` that are scored already."""
    rows = outputs.shape[1]
    first, last = done * rows, (done + seen) * rows
    score(s, c, outputs[:seen].flatten(0, 1), s.losses[first:last], s.hits[first:last])


def descend(
    f: list[Forward],
    b: list[Backward],
    o: OrbitBuffers,
    d: list[Tangents],
    s: Scores,
    scored: list[bool],
    outputs: Tensor,
    steps: int,
) -> None:
    """``steps`` steps of gradient descent from ``weights[0]``, over all parts of the samples;
    tangents, when there are any, are carried along and brought back to length 1, their lengths
    recorded. ``scored[t]``: at step t the first rows are scored, whose outputs are there
    anyway: they gather in ``outputs`` (times, rows, outputs, samples) until it is full; of
    several parts of the samples it holds one time.

    The update is a product and a difference, each rounded once: a fused multiply-add would
    round differently from one place of the batch to another.
    """
    gradient = b[0].gradient
    v = d[0]
    done = 0  # times that are scored
    seen = 0  # that are gathered since
    for t in range(steps):
        if scored[t]:
            seen += 1
        for c in range(len(f)):
            forward(f[c], o.weights[t])
            if scored[t]:
                outputs[seen - 1].copy_(f[c].z[len(f[c].z) - 1][: outputs.shape[1]])
                if seen == outputs.shape[0]:
                    score_gathered(s, c, outputs, done, seen)
            backward(f[c], b[c], o.inward[t])
            if v.references > 0:
                tangent(f[c], b[c], d[c], o.inward[t])
            if c > 0:
                for k in range(len(gradient)):
                    gradient[k].add_(b[c].gradient[k])
                    if v.references > 0:
                        v.dgradient[k].add_(d[c].dgradient[k])
        if seen == outputs.shape[0]:
            done += seen
            seen = 0
        if v.references > 0:
            for k in range(len(v.v)):
                v.v[k].sub_(v.dgradient[k].mul_(o.rates[k][: v.references]))
            torch.linalg.vector_norm(v.packed, 2.0, [1], False, out=v.lengths[t])
            v.packed.div_(v.lengths[t].unsqueeze(1))
        for k in range(len(gradient)):
            torch.sub(o.weights[t][k], gradient[k].mul_(o.rates[k]), out=o.weights[t + 1][k])
    if seen > 0:
        score_gathered(s, 0, outputs, done, seen)


def survey(
    f: list[Forward], matrices: list[tuple[int, int, int]], packed: Tensor, s: Scores
) -> None:
    """Loss and number of samples hit of each of the packed states (states, width), two or
    more, as many at a time as the buffers hold. ``matrices``: offset, rows, columns of each
    layer's matrix in a packed state."""
    count = packed.shape[0]
    first = 0
    while first < count:
        last = min(first + f[0].z[0].shape[0], count)
        first = min(first, last - 2)  # never one row alone: it may take another route
        n = last - first
        weights = [
            packed[first:last, m[0] : m[0] + m[1] * m[2]].view(n, m[1], m[2]) for m in matrices
        ]
        s.losses[first:last] = 0.0  # one that was seen before is seen anew
        s.hits[first:last] = 0.0
        for c in range(len(f)):
            g = f[c]
            part = Forward(
                g.activation, [z[:n] for z in g.z], [a[:n] for a in g.a], [h[:n] for h in g.h]
            )
            forward(part, weights)
            score(s, c, part.z[-1], s.losses[first:last], s.hits[first:last])
        first = last


@functools.cache
def compiled(function):
    """``function`` as TorchScript, or as it is where that fails; compiled once a process.

    It is run as written: to look for what could be simplified takes as long as thousands of
    steps, and finds nothing here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a note of deprecation, at every use
        try:
            script = torch.jit.script(function)
        except (AttributeError, RuntimeError, NotImplementedError):
            return function

    def run(*arguments):
        with torch.jit.optimized_execution(False):
            return script(*arguments)

    run.__wrapped__ = script
    return run
