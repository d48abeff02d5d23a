"""Pictures of every screen from fixed data: ``python -m tuichaos.benchmarks.screenshots FOLDER``.

SVG always; PNG beside it where there is chromium, and a font with braille such as FreeMono, or
else cairosvg, and DejaVu.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tuichaos
from tuichaos.config.experiment import Experiment
from tuichaos.config.explorer_settings import Config
from tuichaos.config.instruments import tabs
from tuichaos.config.presets import preset
from tuichaos.tui.app import Explorer
from tuichaos.tui.run_state import RunState
from tuichaos.tui.widgets.chart import Chart

MONOSPACE, DOTTED = "DejaVu Sans Mono", "DejaVu Sans"  # only the second has braille
BRAILLE = 0x28  # the page of its letters
SIZE, SMALL, TALL = (120, 36), (80, 24), (150, 48)
RUNS = (
    ("eos", {"ensemble.references": 60}),
    ("low", {"ensemble.references": 3, "steps": 800}),
    ("large", {"ensemble.references": 6, "steps": 600}),
    ("logistic", {"steps": 400}),
)


# Every instrument, for the pictures of the tabs.
LABORATORY = {"ensemble.references": 8, "steps": 400} | {
    f"measure.{key}": True for keys in tabs().values() for key in keys
}


# Maps and diagrams of the atlas, and where their boxes are, in shares of the axes.
MAPS: dict[str, Mapping[str, object]] = {"orbit-quartic": {}, "fractal-tanh": {}}
BOXES = {"orbit-quartic": (0.6, 0.7), "fractal-tanh": (0.7, 0.55)}


class Still(RunState):
    """Says nothing that differs from one time to the next."""

    def status_line(self, width: int = 1000) -> str:
        if self.session is None:
            return "ready · auto"
        return f"{self.session.status} · step {self.session.step}/{self.shown.steps} · lr 1 · cpu"


def keep_runs() -> None:
    """Some runs for the runs screen, all started at fixed times."""
    for number, (name, overrides) in enumerate(RUNS):
        run = tuichaos.run(preset(name, overrides), out=tuichaos.runs_home() / name)
        manifest = {**run.manifest, "started": f"2026-01-0{number + 1}T12:00:00+00:00"}
        (run.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


class Camera:
    """An explorer that has run ``quick``, and where its pictures go."""

    def __init__(
        self,
        folder: Path,
        theme: str,
        experiment: Experiment | None = None,
        *,
        measured: bool = False,
        **settings: bool,
    ):
        experiment = experiment or preset("quick", LABORATORY if measured else {})
        self.app = Explorer(experiment, Config(theme=theme, fps=10, **settings))
        self.app.state = Still(self.app.state.experiment)
        self.folder = folder
        self.taken: list[Path] = []

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.app.simulate_key(key)
            await asyncio.sleep(0.3)

    async def run(self) -> None:
        await self.press("space")
        while not self.app.state.session or not self.app.state.ended:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.6)

    def take(self, name: str) -> None:
        svg = Path(self.app.save_screenshot(f"{name}.svg", str(self.folder)))
        self.taken.append(svg)
        if browser := shutil.which("chromium"):
            self.taken.append(by_browser(svg, browser))
        elif importlib.util.find_spec("cairosvg"):
            self.taken.append(by_cairo(svg))


def by_browser(svg: Path, browser: str) -> Path:
    """The same picture as PNG, drawn by a browser, which finds a font for braille."""
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text()).groups()
    png = svg.with_suffix(".png")
    size = f"--window-size={math.ceil(float(width))},{math.ceil(float(height))}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
    command = [browser, *options, f"--screenshot={png}", svg.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return png


def by_cairo(svg: Path) -> Path:
    """The same, drawn by cairosvg."""
    import cairosvg

    png = svg.with_suffix(".png")
    text = placed(svg.read_text(encoding="utf-8").replace("Fira Code", MONOSPACE))
    cairosvg.svg2png(bytestring=text.encode(), write_to=str(png))
    return png


def placed(svg: str) -> str:
    """The picture with a place for each letter, which cairosvg does not make of textLength, and
    with dots of braille in a font that has them."""

    def spread(found: re.Match[str]) -> str:
        inside, words = found[1], html.unescape(found[2])
        at = float(re.search(r' x="([\d.]+)"', inside)[1])
        step = float(re.search(r'textLength="([\d.]+)"', inside)[1]) / len(words)
        places = " ".join(f"{at + k * step:.1f}" for k in range(len(words)))
        inside = re.sub(r' x="[\d.]+"', f' x="{places}"', inside)
        if any(ord(letter) >> 8 == BRAILLE for letter in words):
            inside += f' style="font-family: {DOTTED}"'
        return f"<text{inside}>{html.escape(words)}</text>"

    return re.sub(r"<text([^>]*textLength[^>]*)>([^<]+)</text>", spread, svg)


async def take_all(folder: Path) -> list[Path]:
    """Write a picture of each screen into ``folder``."""
    keep_runs()
    dark = Camera(folder, "tuichaos-dark")
    async with dark.app.run_test(size=SIZE):
        await dark.run()
        dark.take("explore-dark")
        await dark.press("question_mark")
        dark.take("help")
        await dark.press("question_mark", "ctrl+p")
        dark.take("palette")
        await dark.press("escape", "o")
        await asyncio.sleep(0.5)
        # The run just made has the time in its name: only the kept ones are shown.
        await dark.press("slash", *"2026-01", "enter")
        dark.take("runs")
        await dark.press("down", "down", "space", "down", "space", "c")
        await asyncio.sleep(0.5)
        dark.take("compare")
    light = Camera(folder, "tuichaos-light")
    async with light.app.run_test(size=SIZE):
        await light.run()
        light.app.screen.query_one("#chart-loss", Chart).focus()
        await light.press("w", "w")
        light.take("explore-light")
    tabs = Camera(folder, "tuichaos-dark", measured=True)
    async with tabs.app.run_test(size=TALL):
        await tabs.run()
        for number, tab in enumerate(tabs(), start=2):
            await tabs.press(str(number))
            await asyncio.sleep(1.5)
            tabs.take(f"tab-{tab.lower()}")
    small = Camera(folder, "tuichaos-dark")
    async with small.app.run_test(size=SMALL):
        await small.run()
        small.take("explore-80x24")
    plain = Camera(folder, "tuichaos-dark", ascii=True)
    async with plain.app.run_test(size=SMALL):
        await plain.run()
        plain.take("explore-ascii")
    maps = [await take_map(folder, name, overrides) for name, overrides in MAPS.items()]
    cameras = (dark, light, tabs, small, plain, *maps)
    return [path for camera in cameras for path in camera.taken]


async def take_map(folder: Path, name: str, overrides: Mapping[str, object]) -> Camera:
    """A picture of the atlas, whole, with a box on it."""
    camera = Camera(folder, "tuichaos-dark", preset(name, overrides))
    async with camera.app.run_test(size=SIZE):
        while camera.app.journey is None or not camera.app.journey.level.survey.ended:
            await asyncio.sleep(0.1)
        camera.app.journey.level.cross = BOXES[name]
        await asyncio.sleep(1.0)
        await camera.press("z")
        camera.take(name)
    return camera


def main() -> None:
    """Write the pictures into the folder named on the command line, else screenshots/."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, contextlib.chdir(home):
        # A folder seen from here: no path of this machine gets into a picture.
        os.environ |= {"TUICHAOS_HOME": "kept", "TUICHAOS_CONFIG": f"{home}/config.toml"}
        os.environ["COLORTERM"] = "truecolor"
        for path in asyncio.run(take_all(folder)):
            print(path)


if __name__ == "__main__":
    main()
