"""The workers of a cluster: who is there, who can do points, and why the others cannot.

Knows nothing of Dask: it is told what the scheduler says, and what workers answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tuichaos.common.limits import size_of

NEW, ASKED, FIT, UNFIT = "new", "asked", "fit", "unfit"
MAX_NAMED = 4  # workers in a line
ANSWER_SECONDS = 120.0  # for a worker to answer the first question; it loads torch for that
LATE_SECONDS = 2.0  # after the last one that came, before it is over: they come together
GRACE_SECONDS = 30.0  # for one that can do points to come back, before it is over
IDLE_LOOKS = 5  # that find a worker paused and at nothing; what is told of it comes late
MAX_ASKED = 3  # deaths of workers that were asked, for each that is there, before it is over
PLAUSIBLE = 3.0  # a limit of so many times what a process with a point needs may be why it died


@dataclass
class Member:
    """A worker, by its address. ``slots``: units that it takes at once; ``room``: bytes that it
    has for them; ``reason``: why it can do no point; ``running``: units that it has; ``alone``:
    one of them that should have no company."""

    address: str
    threads: int = 1
    limit: float = 0.0  # bytes of memory, 0 for no limit
    status: str = "running"
    state: str = NEW
    host: str = ""
    reason: str = ""
    slots: int = 0
    room: float = 0.0
    asked: float = 0.0
    had: float = 0.0  # bytes, when Dask ended it for them
    idle_looks: int = 0  # in a row, at which it was paused and at nothing
    running: int = 0
    alone: bool = False

    def __str__(self) -> str:
        return f"{self.host or urlsplit(self.address).hostname} ({self.address})"

    @property
    def ready(self) -> bool:
        return self.state == FIT and self.status == "running"

    @property
    def stuck(self) -> bool:
        """Whether it holds so much that it starts nothing more, and is at nothing."""
        return self.idle_looks > IDLE_LOOKS

    @property
    def why(self) -> str:
        """Why it can do no point now; empty where it can, or that is not known."""
        if self.state == FIT and self.stuck:
            return f"memory: it is paused, as it holds too much of its {size_of(self.limit)}"
        return self.reason if self.state == UNFIT else ""


@dataclass
class Roll:
    """Who is there; ``needs``: bytes of a process with a point in it."""

    members: dict[str, Member] = field(default_factory=dict)
    needs: float = 0.0
    out: dict[str, Member] = field(default_factory=dict)  # that could do no point, also those gone
    _missing: set[str] = field(default_factory=set)
    _came: float = -math.inf  # when the last one came
    _fit_until: float = -math.inf  # when one that could do points was lost
    _died_asked: list[Member] = field(default_factory=list)
    _died: list[Member] = field(default_factory=list)

    def see(self, workers: Mapping[str, Mapping[str, Any]]) -> list[Member]:
        """Who is there now, as the scheduler tells; gives those that went without a word since
        the look before the last: a word may come a little later."""
        if workers.keys() - self.members.keys():
            self._came = time.monotonic()
        for address, facts in workers.items():
            member = self.members.setdefault(address, Member(address))
            member.threads = int(facts.get("nthreads") or 1)
            member.limit = float(facts.get("memory_limit") or 0)
            member.status = str(facts.get("status") or "running")
            counts = (facts.get("metrics") or {}).get("task_counts") or {}
            at_nothing = member.status == "paused" and not counts.get("executing", 0)
            member.idle_looks = member.idle_looks + 1 if at_nothing else 0
        missing = self.members.keys() - workers.keys()
        gone = missing & self._missing
        self._missing = missing - gone
        return [self.members[address] for address in sorted(gone)]

    def gone(self, address: str, died: bool, had: float = 0.0) -> Member | None:
        """A worker went, or ``died``, of so many bytes that it ``had`` where Dask ended it for
        them; gives it, None where it is not known any more."""
        member = self.members.pop(address, None)
        if member is None:
            return None
        member.had = had
        if member.state == FIT:
            self._fit_until = time.monotonic()
        if died and member.state in (NEW, ASKED):
            self._died_asked.append(member)
        if died and member.state != UNFIT:
            self._died.append(member)
        return member

    def answered(self, member: Member, told: Mapping[str, Any]) -> None:
        """What a worker said when it was asked."""
        member.host = str(told.get("host") or member.host)
        self.needs = max(self.needs, float(told.get("needs") or 0))
        if told.get("unfit"):
            self.set_aside(member, str(told["unfit"]))
            return
        member.state, member.reason = FIT, ""
        member.slots = min(int(told["slots"]), member.threads)
        member.room = float(told["room"])
        self.out.pop(member.address, None)
        self._died_asked.clear()

    def set_aside(self, member: Member, reason: str) -> None:
        """A worker that can do no point."""
        lines = reason.strip().splitlines()
        member.state, member.reason = UNFIT, lines[0] if lines else "it gives no reason"
        self.out[member.address] = member

    def impatient(self) -> None:
        """Set aside who does not answer; an answer that comes later counts."""
        for member in self.members.values():
            if member.state == ASKED and time.monotonic() - member.asked > ANSWER_SECONDS:
                self.set_aside(member, f"it did not answer within {ANSWER_SECONDS:g} s")

    @property
    def slots(self) -> int:
        """How many units may run at once."""
        return sum(m.running if m.alone else m.slots for m in self.members.values() if m.ready)

    @property
    def threads(self) -> int:
        """Threads of workers that can do points, or may turn out to."""
        return sum(m.threads for m in self.members.values() if m.state != UNFIT)

    @property
    def undecided(self) -> bool:
        """Whether there is a worker that has not answered yet."""
        return any(m.state in (NEW, ASKED) for m in self.members.values())

    def has_room(self, least: float) -> bool:
        """Whether a worker, free or not, has so many bytes for points."""
        return any(m.ready and m.room >= least for m in self.members.values())

    def may_have_room(self, least: float) -> bool:
        """The same, or a worker that has not answered yet may turn out to have it."""
        asked = [m for m in self.members.values() if m.state in (NEW, ASKED)]
        return self.has_room(least) or any(not m.limit or m.limit > least for m in asked)

    def free(self, alone: bool = False, least: float = 0.0) -> Member | None:
        """Who gets the next unit, of those with at least so much room: the least busy one, then
        the one with most room; an empty one where the unit should be ``alone``."""
        ready = [m for m in self.members.values() if m.ready and not m.alone and m.room >= least]
        ready = [m for m in ready if m.running < (1 if alone else m.slots)]
        return min(ready, key=lambda m: (m.running / m.slots, -m.room), default=None)

    def over(self) -> str:
        """Why no point will be done any more; empty as long as one may be. Where no worker is
        there, one may come."""
        if any(m.state == FIT and not m.stuck for m in self.members.values()):
            return ""
        if len(self._died_asked) >= MAX_ASKED * max(1, len(self.members)):
            last = self._died_asked[-1]
            count = f"{len(self._died_asked)} workers died when they were asked what they can do"
            return f"{count}, the last on {last}{self._numbers(last)}"
        if self.undecided or not self.members:
            return ""
        now = time.monotonic()
        if now - self._fit_until < GRACE_SECONDS or now - self._came < LATE_SECONDS:
            return ""
        return "; ".join(self._lines(list(self.members.values())))

    def left_out(self) -> list[str]:
        """A line for each reason for which workers were left out."""
        return self._lines(list(self.out.values()))

    def deaths(self) -> str:
        """What is to be said of workers that died at their points: that memory may be why."""
        if not self._died:
            return ""
        doubtful = [member for member in self._died if self._numbers(member)]
        if not doubtful:
            return ""
        count = f"{len(doubtful)} worker{'s' if len(doubtful) > 1 else ''} died"
        return f"{count}, the last on {doubtful[-1]}{self._numbers(doubtful[-1])}"

    def _numbers(self, member: Member) -> str:
        if member.had:
            return (
                f": Dask ended it for its memory, {size_of(member.had)} of a limit of "
                f"{size_of(member.limit)}; a process with a point in it needs "
                f"{size_of(self.needs)} or more"
            )
        if not 0 < member.limit < PLAUSIBLE * self.needs:
            return ""
        return (
            f"; memory may be why: its limit is {size_of(member.limit)}, and a process with a "
            f"point in it needs {size_of(self.needs)} or more"
        )

    def _lines(self, members: list[Member]) -> list[str]:
        reasons: dict[str, list[Member]] = {}
        for member in members:
            if member.why or member.reason:
                reasons.setdefault(member.why or member.reason, []).append(member)
        return [f"a worker on {_cannot(found)}: {why}" for why, found in reasons.items()]


def _cannot(members: list[Member]) -> str:
    first, *others = map(str, members)
    if not others:
        return f"{first} cannot run this"
    more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    return f"{first} cannot run this, nor can {', '.join(others[:MAX_NAMED])}{more}"
