"""The pictures in screenshots/, made by the program: ``python tests/pictures.py FOLDER``.

Runs of the explorer in a folder of their own, without a terminal; SVG as Textual writes it, and
PNG beside it where cairosvg is installed. Takes some minutes, most of them for the map.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

WIDE, TALL, SMALL = (120, 36), (150, 48), (80, 24)
REFERENCES = {"ensemble.references": 40}
MEASURED = {
    "steps": 300,
    "measure.spectrum": {"references": 1},
    "measure.sharpness": {"every": 5},
    "measure.orbital": True,
    "measure.dimensions": True,
    "measure.projection": True,
}
TABS = {"spectrum": "2", "curvature": "3", "orbit": "4", "dimensions": "5", "projection": "6"}
MOST_SECONDS = 900.0
TURN = 0.05
BRAILLE, BRAILLE_END = "\u2800", "\u2900"
MONOSPACE = "DejaVu Sans Mono"  # what cairosvg draws letters with: it fetches no fonts


async def until(ready: Callable[[], bool]) -> None:
    for _ in range(int(MOST_SECONDS / TURN)):
        if ready():
            return
        await asyncio.sleep(TURN)
    raise SystemExit("what was waited for did not come about")


def spread(svg: str) -> str:
    """The picture with a place for each letter, which cairosvg does not make of textLength, and
    with dots of braille from a font that has them."""

    def placed(found: re.Match[str]) -> str:
        inside, words = found[1], html.unescape(found[2])
        at = float(re.search(r' x="([\d.]+)"', inside)[1])
        length = float(re.search(r'textLength="([\d.]+)"', inside)[1])
        places = " ".join(f"{at + k * length / len(words):.1f}" for k in range(len(words)))
        inside = re.sub(r' x="[\d.]+"', f' x="{places}"', inside)
        if any(BRAILLE <= letter < BRAILLE_END for letter in words):
            inside += ' style="font-family: DejaVu Sans"'
        return f"<text{inside}>{html.escape(words)}</text>"

    return re.sub(r"<text([^>]*textLength[^>]*)>([^<]+)</text>", placed, svg)


class Camera:
    """Shows the explorer and keeps pictures of it in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def live(
        self,
        shots: dict[str, tuple[str, ...]],
        name: str = "quick",
        size: tuple[int, int] = WIDE,
        more: dict | None = None,
        **config: object,
    ) -> None:
        """A run to its end, then each picture after its keys."""
        from tuichaos.config import Config
        from tuichaos.presets import preset
        from tuichaos.tui.app import Explorer

        app = Explorer(preset(name, more or {}), Config(**config))
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause(0.3)
            await pilot.press("space")
            await until(lambda: app.state.session is not None and app.state.ended)
            for shot, keys in shots.items():
                for key in keys:
                    await pilot.press(key)
                    await pilot.pause(0.5)
                await asyncio.sleep(6.0)  # notices are gone, tables are drawn
                self.take(app, shot)

    async def sweep(self, shot: str, name: str, more: dict | None = None) -> None:
        """A sweep to its end."""
        from tuichaos.config import Config
        from tuichaos.presets import preset
        from tuichaos.tui.app import Explorer

        app = Explorer(preset(name, more or {}), Config())
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await pilot.pause(0.3)
            await pilot.press("space")
            await until(lambda: app.journey is not None and app.journey.level.survey.ended)
            await asyncio.sleep(6.0)
            self.take(app, shot)

    def take(self, app: object, shot: str) -> None:
        path = self.folder / f"{shot}.svg"
        app.save_screenshot(str(path))
        try:
            import cairosvg
        except ImportError:
            return
        text = spread(path.read_text(encoding="utf-8").replace("Fira Code", MONOSPACE))
        cairosvg.svg2png(bytestring=text.encode(), write_to=str(path.with_suffix(".png")))
        print(shot, flush=True)


async def main(folder: Path, only: list[str]) -> None:
    camera = Camera(folder)
    if not only or "explore" in only:
        await camera.live({"explore-dark": (), "help": ("question_mark",)}, more=REFERENCES)
        await camera.live({"explore-light": ()}, more=REFERENCES, theme="tuichaos-light")
        await camera.live({"explore-80x24": ()}, size=SMALL, more=REFERENCES)
        await camera.live({"explore-ascii": ()}, more=REFERENCES, ascii=True)
        rate = {**REFERENCES, "optimizer.learning_rate": 0.3}
        compared = ("o", "space", "down", "space")
        await camera.live({"runs": compared, "compare": ("c",)}, more=rate)
    if not only or "tabs" in only:
        shots = {f"tab-{name}": (key,) for name, key in TABS.items()}
        await camera.live(shots, "eos-orbits", TALL, MEASURED)
    if not only or "sweeps" in only:
        await camera.sweep("orbit-quartic", "orbit-quartic")
        await camera.sweep("fractal-tanh", "fractal-tanh")


if __name__ == "__main__":
    os.environ.setdefault("TUICHAOS_HOME", tempfile.mkdtemp())
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
