"""The lines that ``tuichaos selftest`` prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from tuichaos.selftest.checks import Kind, Outcome, Result, Value

# 80 columns where all is well: name, route, expected and measured in LEFT, flush right but for
# the name; what is wider than its column moves what is before it to the left.
LEFT, ROUTE, NUMBER, ERROR = 61, 11, 10, 7
VERDICT = {True: "ok", False: "FAIL"}


def heading() -> str:
    """The names of the columns."""
    return f"{_left('', 'route', 'expected', 'measured')} {'error':>{ERROR}} allowed"


def lines(result: Result) -> Iterator[tuple[str, bool]]:
    """The lines of a trial, each with whether all is well: its name, then its checks."""
    yield f"{result.trial.name} ({result.seconds:.1f} s)", True
    if result.reason:
        yield f"  {result.reason}", False
    for outcome in result.outcomes:
        yield _line(outcome), outcome.passed


def _line(outcome: Outcome) -> str:
    check = outcome.check
    left = _left("  " + check.name, check.route, _value(check.expected), _value(outcome.measured))
    right = f"{_small(outcome.error):>{ERROR}} {_small(check.allowed):>{ERROR}}"
    return f"{left} {right} {VERDICT[outcome.passed]}"


def _left(name: str, route: str, expected: str, measured: str) -> str:
    rest = f"{route:>{ROUTE}} {expected:>{NUMBER}} {measured:>{NUMBER}}".lstrip()
    return f"{name} {rest:>{LEFT - len(name) - 1}}"


def _value(value: Value) -> str:
    if isinstance(value, str):
        return value
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
