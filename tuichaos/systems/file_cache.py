"""What was made of a file once is shared by all who ask, for as long as the file stays as it is."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Value = TypeVar("Value")
# What tells a file from another one in its place, without reading it.
Signature = tuple[int, int, int, int, int]


def signature(path: str | None) -> Signature | None:
    """Device, number, size and times (ns) of a file; None where there is none to ask."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Once(Generic[Value]):
    """The newest values by key, ``most`` units of weight in all; one that is heavier is shared
    for as long as somebody else holds it. Safe in threads: one that asks while another makes the
    same waits for it."""

    def __init__(self, most: int, weigh: Callable[[Value], int]) -> None:
        self.most, self.weigh = most, weigh
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._held: WeakValueDictionary[Hashable, Value] = WeakValueDictionary()
        self._lock = threading.RLock()

    def get(self, key: Hashable, path: str | None, make: Callable[[], Value]) -> Value:
        """What ``make`` gives, which may read the file at ``path``; kept unless that file changed
        meanwhile, or is gone."""
        with self._lock:
            before = signature(path)
            whole = (key, before)
            if whole in self._kept:
                self._kept.move_to_end(whole)
                return self._kept[whole]
            if (held := self._held.get(whole)) is not None:
                return held
            made = make()
            if before == signature(path) and (path is None or before is not None):
                self._keep(whole, made)
            return made

    def _keep(self, key: Hashable, value: Value) -> None:
        if self.weigh(value) > self.most:
            self._held[key] = value
            return
        self._kept[key] = value
        while sum(map(self.weigh, self._kept.values())) > self.most:
            self._kept.popitem(last=False)
