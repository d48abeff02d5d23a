"""What can be said of workers and of a scheduler's address before anything heavy is loaded."""

from __future__ import annotations

import importlib.util
import socket
import threading
import urllib.parse

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.config.extension import known_here_alone

NAME_SECONDS = 10.0  # for a name server to answer
SCHEMES = ("tcp", "tls")


def check_pool(workers: int | None, scheduler: str | None) -> None:
    """Refuse a pool that cannot be; whether a scheduler answers is not asked."""
    if workers is not None and scheduler is not None:
        raise InputError("--workers, --scheduler: one of them; a cluster has workers of its own")
    if workers is not None and (type(workers) is not int or workers < 1):
        raise InputError(f"--workers: must be an integer from 1 up, not {workers}")
    if scheduler is not None:
        check_address(scheduler)


def check_known(experiment: Experiment, workers: int | None, scheduler: str | None) -> None:
    """Refuse what other processes do not know."""
    alone = known_here_alone(experiment) if workers is not None or scheduler is not None else ""
    if alone:
        raise InputError(
            f"{alone}: was registered in this process, which workers do not know: run without "
            "--workers and --scheduler, or bring it by an installed package"
        )


def check_address(address: str) -> None:
    """Refuse what is not tcp://HOST:PORT or tls://HOST:PORT."""
    try:
        found = urllib.parse.urlsplit(address)
        good = found.scheme in SCHEMES and bool(found.hostname and found.port)
        good = good and not (found.path or found.query or found.fragment or found.username)
        good = good and not any(c.isspace() or not c.isprintable() for c in address)
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise InputError(f"--scheduler {address}: must be tcp://HOST:PORT")


def reach(address: str) -> None:
    """Refuse a scheduler that cannot be asked: no such address, a host whose name does not
    resolve (Dask would try again and again), Dask is not installed."""
    check_address(address)
    if importlib.util.find_spec("distributed") is None:
        raise InputError("--scheduler: needs the extra `cluster`: pip install 'tuichaos[cluster]'")
    host = urllib.parse.urlsplit(address).hostname
    reason = _unresolved(host)
    if reason:
        raise InputError(f"--scheduler {address}: the host name {host} {reason}")


def _unresolved(host: str) -> str:
    """Why a name does not resolve; empty where it does."""
    found: list[str] = []

    def ask() -> None:
        try:
            socket.getaddrinfo(host, None)
            found.append("")
        except (OSError, UnicodeError):  # the latter: no name server takes such a name
            found.append("does not resolve")

    # In a thread, as it cannot be told how long it may take.
    thread = threading.Thread(target=ask, name="tuichaos-name", daemon=True)
    thread.start()
    thread.join(NAME_SECONDS)
    return found[0] if found else f"did not resolve within {NAME_SECONDS:g} s"
