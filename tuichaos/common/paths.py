"""Where things are kept, and paths as people write them."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from urllib.parse import unquote

import platformdirs

from tuichaos.common.errors import InputError


def home() -> Path:
    """The folder of everything tuichaos keeps; ``TUICHAOS_HOME`` moves it."""
    named = os.environ.get("TUICHAOS_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("tuichaos"))


LOG = "explorer.log"  # of faults while something was drawn


def runs_home() -> Path:
    """The folder in which runs are kept.

    Returns
    -------
    Path
        ``runs`` in the folder that ``TUICHAOS_HOME`` names, else in that of the user's data; it
        need not exist yet.

    Examples
    --------
    >>> import tuichaos
    >>> tuichaos.runs_home().name
    'runs'
    """
    return home() / "runs"


def as_argument(path: Path, *, anywhere: bool = False) -> str:
    """A run folder as a command line takes it, here or, where the words are kept, ``anywhere``:
    its name among the kept runs, else its path, from here where it is below."""
    path, folder = path.absolute(), runs_home().absolute()
    name = path.name
    with contextlib.suppress(OSError):
        if path.parent.resolve() == folder.resolve() and not Path(name).exists():
            return _quoted(name)
    with contextlib.suppress(OSError, ValueError):
        near = "" if anywhere else str(path.relative_to(Path.cwd()))
        if near and not near.startswith("~"):  # that is a home folder, however it is quoted
            return _quoted(near)
    return _quoted(str(path))


def _quoted(text: str) -> str:
    """For a shell; what begins as an option does is made a path."""
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def pasted(text: str | Path, folder: Path | None = None) -> str:
    """A path as it was meant: terminals and file managers paste it with quotes, blanks around,
    escaped blanks, or as file://. What is there as it stands stays."""
    text = str(text)
    if _is_there(text, folder):
        return text
    found = text.strip()
    if len(found) > 2 and found[0] == found[-1] and found[0] in "'\"":
        found = found[1:-1]
    if found.startswith("file://"):
        host, _, rest = found.removeprefix("file://").partition("/")
        if host in ("", "localhost"):
            return "/" + unquote(rest)
    plain = found.replace("\\ ", " ")
    return plain if plain != found and _is_there(plain, folder) else found


def _is_there(text: str, folder: Path | None) -> bool:
    try:
        return (Path(folder or "") / text).exists()
    except (OSError, ValueError):
        return False


def here() -> Path:
    """The current folder; InputError where it was deleted: libraries that are asked to compute
    there end the process."""
    try:
        return Path.cwd()
    except OSError:
        raise InputError(
            "the current folder was deleted, or cannot be entered any more: go to another one (cd)"
        ) from None


def resolved(text: str | Path, what: str, folder: Path | None = None) -> Path:
    """A path as written by a person, made absolute, ``..`` and links followed; seen from
    ``folder`` (default: here). InputError names ``what`` if it can be no path."""
    meant = pasted(text, folder)
    if not meant.isprintable() or not meant.strip():
        raise InputError(f"{what}: {str(text)!r} is not a path")
    try:
        path = Path(meant).expanduser()
        return (path if path.is_absolute() else (folder or here()) / path).resolve()
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{what}: {text}: {getattr(error, 'strerror', None) or error}") from None
