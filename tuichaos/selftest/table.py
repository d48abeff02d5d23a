"""The lines that ``tuichaos selftest`` prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from tuichaos.selftest.checks import Kind, Outcome, Result

NAME, ROUTE, NUMBER, ERROR = 27, 11, 10, 7  # 80 columns where all is well
VERDICT = {True: "ok", False: "FAIL"}


def heading() -> str:
    """The names of the columns."""
    parts = (f"{'':<{NAME}}", f"{'route':<{ROUTE}}", f"{'expected':>{NUMBER}}")
    return " ".join((*parts, f"{'measured':>{NUMBER}}", f"{'error':>{ERROR}}", "allowed"))


def lines(result: Result) -> Iterator[tuple[str, bool]]:
    """The lines of a trial, each with whether all is well: its name, then its checks."""
    yield f"{result.trial.name} ({result.seconds:.1f} s)", True
    if result.reason:
        yield f"  {result.reason}", False
    for outcome in result.outcomes:
        yield _line(outcome), outcome.passed


def _line(outcome: Outcome) -> str:
    check = outcome.check
    parts = (
        f"{'  ' + check.name:<{NAME}}",
        f"{check.route:<{ROUTE}}",
        f"{_number(check.expected):>{NUMBER}}",
        f"{_number(outcome.measured):>{NUMBER}}",
        f"{_small(outcome.error):>{ERROR}}",
        f"{_small(check.allowed):>{ERROR}}",
        VERDICT[outcome.passed],
    )
    return " ".join(parts)


def _number(value: float) -> str:
    return f"{value + 0.0:.6f}".replace("-0.000000", "0.000000") if math.isfinite(value) else "none"


def _small(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:.1e}" if value else "0"


def verdict(results: list[Result], seconds: float) -> str:
    """The last line."""
    outcomes = [outcome for result in results for outcome in result.outcomes]
    passed = sum(outcome.passed for outcome in outcomes)
    counts = Counter(outcome.check.kind for outcome in outcomes)
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in Kind if counts[kind])
    return f"{passed} of {len(outcomes)} checks pass in {seconds:.0f} s ({kinds})"
