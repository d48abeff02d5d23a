"""The numbers of a point of a sweep in words."""

from __future__ import annotations

from collections.abc import Mapping

from tuichaos.common.thresholds import T_975
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import per
from tuichaos.sweeps.journal import Row


def said(value: str, row: Row, experiment: Experiment) -> str:
    """The number of a point in words."""
    numbers = row.numbers
    if row.status == "failed":
        return f"failed: {row.reason}"
    gone = numbers.get("diverged_at")
    if value == "verdict":
        words = str(numbers.get("verdict") or "no verdict")
        return f"{words} at step {gone}" if gone is not None and words == "diverged" else words
    if gone is not None:
        return f"diverged at step {gone}"
    if value == "convergence":
        ratio, loss = numbers.get("convergence"), numbers.get("late_loss")
        words = "converged" if numbers.get("converged") else "not converged"
        if ratio is not None:
            words += f", loss/first {ratio:.3g}"
        return words + (f", mean of the last losses {loss:.3g}" if loss is not None else "")
    if value == "exponent":
        return exponent(numbers, experiment)
    period = numbers.get("period")
    return f"period {period:g}" if period is not None else "no period"


def exponent(numbers: Mapping[str, object], experiment: Experiment) -> str:
    """The leading exponent with its unit and its 95 % interval; where there is none, over how
    many steps it is."""
    found, error = numbers.get("lyapunov"), numbers.get("lyapunov_error")
    if found is None:
        return "no exponent (superstable)"
    unit = f"nats per {per(experiment.system.name)}"
    if error is not None:
        return f"λ {found:+.4g} ± {T_975 * error:.2g} (95 %) {unit}"
    return f"λ {found:+.4g} {unit}{over(experiment)}"


def over(experiment: Experiment) -> str:
    """Over how many steps exponents are averaged; nothing where that is not one number."""
    if {"steps", "measure.discard"} & set(experiment.sweep):
        return ""
    return f" over {experiment.steps - experiment.measure.discard} steps"


def numbers_of(row: Row, way: str) -> dict[str, object]:
    """The numbers of one way through the values, by their names."""
    named = f"{way}."
    return {k.removeprefix(named): v for k, v in row.numbers.items() if k.startswith(named)}


def states(numbers: Mapping[str, object], experiment: Experiment) -> str:
    """How the states of a point repeat, and its exponent."""
    period, gone = numbers.get("period"), numbers.get("diverged_at")
    if gone is not None:
        return f"diverged at step {gone}"
    repeats = f"period {period:g}" if period is not None else "no period"
    return f"{repeats}, {exponent(numbers, experiment)}"
