"""The self-test: real experiments on systems with known answers, and how far off they are.

``trials()`` lists them; each runs one experiment through ``tuichaos.run`` into a temporary
folder and reads one number a check from it. To add a check, put it into the trial whose run
already holds the number, or add a trial to one of the files here and name it in ``GROUPS``.
"""

from __future__ import annotations

from tuichaos.selftest import circles, descents, maps, network, softmax, table, twins, verdicts
from tuichaos.selftest.checks import Check, Kind, Outcome, Result, Trial, run_trial

__all__ = ["GROUPS", "Check", "Kind", "Outcome", "Result", "Trial", "run_trial", "table", "trials"]

# The files that hold trials, in the order in which they run: each has TRIALS.
GROUPS = (descents, maps, circles, softmax, network, verdicts, twins)


def trials() -> list[Trial]:
    """All trials, in the order in which they run."""
    return [trial for group in GROUPS for trial in group.TRIALS]
