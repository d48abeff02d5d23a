"""The explorer in a real terminal: a lost terminal or a TERM ends it with the run saved."""

from __future__ import annotations

import json
import os
import signal

import pytest
from terminals import explorer_in_terminal

import tuichaos


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, None])
def test_the_run_is_saved(number, home):
    """None: the terminal itself is closed."""

    def large():
        return any(file.stat().st_size > 200_000 for file in home.glob("runs/*/series.csv"))

    with explorer_in_terminal(TUICHAOS_PRESET="low-long") as terminal:
        os.write(terminal.master, b" ")
        terminal.until(large)
        if number is None:
            terminal.close()
        else:
            os.kill(terminal.child, number)
        terminal.until(terminal.gone)
    (folder,) = (home / "runs").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert tuichaos.open_run(folder).steps[-1] == manifest["step"] > 0
