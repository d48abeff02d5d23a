"""Replica-steps beside JAX: one program that takes turns, so that both see the same machine.

As a script it prints a line for each number of replicas, ratios above 1 where this package is
the quicker one: ``pip install tuichaos[jax]`` and ``python tests/compare_jax.py``. Both train the
4-10-3 network on iris in float64 with full-batch gradient descent, from the same states, on one
thread; JAX as ``lax.scan`` over a compiled ``vmap`` of the step. Processor time counts.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

# One thread each: what is compared is the work.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
import torch

from tuichaos import resolve
from tuichaos.execution.plan import plan
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.training import TrainingSystem

REPLICAS = (1, 6, 64, 3000)
WORK = 60_000  # replica-steps a turn
TURNS = 7
ASKED = {6: 1.0, 3000: 2.5}  # times as quick as JAX

Step = Callable[[np.ndarray, int], np.ndarray]  # states (replicas, dimension), steps → states


def system() -> TrainingSystem:
    return plan(resolve({}, {})).built.system


def states(of: TrainingSystem, replicas: int) -> np.ndarray:
    return np.stack([of.start(np.random.default_rng(k)) for k in range(replicas)])


def ours(of: TrainingSystem, replicas: int) -> Step:
    """Steps as a run takes them: blocks of the size that it would cut."""
    rows = min(replicas, of.block_rows)
    stepper = stepper_for(of, rows, 256, torch.device("cpu"))

    def advance(x: np.ndarray, steps: int) -> np.ndarray:
        out = torch.from_numpy(x.copy())
        for first in range(0, replicas, rows):
            block = out[first : first + rows]
            for begin in range(0, steps, 256):
                now = min(256, steps - begin)
                block.copy_(stepper.advance(of, block, now, None).orbit[now])
        return out.numpy()

    return advance


def theirs(of: TrainingSystem, eta: float) -> Step:
    """The same step written for JAX."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, y = jnp.asarray(of.train.x.T.numpy()), jnp.asarray(of.train.labels.numpy())
    shapes = of.network.shapes

    def loss(state: jax.Array) -> jax.Array:
        a, at = x, 0
        for k, (rows, columns) in enumerate(shapes):
            weight = state[at : at + rows * columns].reshape(rows, columns)
            at += rows * columns
            z = a @ weight.T + state[at : at + rows]
            at += rows
            a = z if k == len(shapes) - 1 else jax.nn.sigmoid(z)
        return -jnp.take_along_axis(jax.nn.log_softmax(a), y[:, None], axis=1).mean()

    one = jax.vmap(lambda state: state - eta * jax.grad(loss)(state))

    @jax.jit
    def scan(now: jax.Array, steps: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda state, _: (one(state), None), now, steps)[0]

    return lambda now, steps: np.asarray(scan(jnp.asarray(now), jnp.arange(steps)))


def seconds(step: Step, x: np.ndarray, steps: int) -> float:
    start = time.process_time()
    step(x, steps)
    return time.process_time() - start


def compare(replicas: int, turns: int = TURNS, work: int = WORK) -> tuple[float, float, float]:
    """Microseconds of processor time a replica-step, ours and theirs, and the median ratio of
    theirs to ours, turn by turn."""
    of = system()
    steps, x = max(8, work // replicas), states(of, replicas)
    mine, other = ours(of, replicas), theirs(of, float(of.learning_rate))
    for step in (mine, other):
        step(x, steps)  # compiled, and warm
    pairs = [(seconds(mine, x, steps), seconds(other, x, steps)) for _ in range(turns)]
    each = 1e6 / (steps * replicas)
    first, second = (statistics.median(times) * each for times in zip(*pairs, strict=True))
    return first, second, statistics.median(b / a for a, b in pairs)


def main() -> int:
    torch.set_num_threads(1)
    print("replicas   µs a replica-step   JAX   times as quick")
    for replicas in REPLICAS:
        own, jax, ratio = compare(replicas)
        asked = f"   (asked {ASKED[replicas]:g})" if replicas in ASKED else ""
        print(f"{replicas:8d} {own:19.2f} {jax:5.2f} {ratio:16.2f}{asked}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
