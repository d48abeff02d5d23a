"""Screenshots of every screen from fixed data: ``python -m tuichaos.tui.shots FOLDER``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import tuichaos
from tuichaos.config import Config
from tuichaos.presets import preset
from tuichaos.tui.app import Explorer

SIZE = (120, 36)
RUNS = (
    ("eos", {"ensemble.references": 60}),
    ("low", {"ensemble.references": 3, "steps": 800}),
    ("large", {"ensemble.references": 6, "steps": 600}),
    ("logistic", {"steps": 400}),
)


async def take(folder: Path) -> list[Path]:
    """Write an SVG of each screen into ``folder``."""
    shots = []
    for name, overrides in RUNS:
        tuichaos.run(preset(name, overrides), out=tuichaos.runs_home() / name)
    for theme in ("tuichaos-dark", "tuichaos-light"):
        app = Explorer(preset("quick"), Config(theme=theme, fps=10))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause(0.2)
            await pilot.press("space")
            while not app.state.session or not app.state.ended:
                await asyncio.sleep(0.05)
            await pilot.pause(0.5)
            shots.append(_save(app, folder, f"explore-{theme.split('-')[1]}"))
            if theme != "tuichaos-dark":
                continue
            await pilot.press("question_mark")
            await pilot.pause(0.3)
            shots.append(_save(app, folder, "help"))
            await pilot.press("question_mark", "o")
            await pilot.pause(0.5)
            shots.append(_save(app, folder, "runs"))
            await pilot.press("space", "down", "space", "c")
            await pilot.pause(0.5)
            shots.append(_save(app, folder, "compare"))
    return shots


def _save(app: Explorer, folder: Path, name: str) -> Path:
    return Path(app.save_screenshot(f"{name}.svg", str(folder)))


def main() -> None:
    """Write the pictures into the folder named on the command line, else screenshots/."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, contextlib.chdir(home):
        # A folder seen from here: no path of this machine gets into a picture.
        os.environ |= {"TUICHAOS_HOME": "kept", "TUICHAOS_CONFIG": f"{home}/config.toml"}
        for path in asyncio.run(take(folder)):
            print(path)


if __name__ == "__main__":
    main()
