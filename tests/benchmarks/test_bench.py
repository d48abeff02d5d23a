"""What the benchmark says of itself, and the part of it that takes half a minute."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from tuichaos.benchmarks import explorer, speed


def test_it_says_how_long_it_takes():
    assert speed.promised(0.3, quick=True) == "about 24 s"
    assert "--quick" in speed.promised(2.0, quick=False)


@pytest.mark.slow
def test_a_quick_one_ends_with_the_start(command):
    code, out, err = command("bench", "--quick", "--seconds", "0.1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "about 21 s"
    assert [line.split()[0] for line in lines[5:9]] == ["1", "6", "64", "3000"]
    assert lines[-1].startswith("start: a run of one step takes ")


async def test_the_explorer_that_is_measured_comes_up(tmp_path):
    """It is a class of its own, in another folder than the styles."""
    app = explorer.Measured(tmp_path / "report.json")
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert list(app.screen.query(Widget))
