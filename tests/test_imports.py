"""The one-way flow: the core knows nothing of the screen or the command line."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import tuichaos

PACKAGE = Path(tuichaos.__file__).parent
SCREEN = {"textual", "rich", "click", "plotext"}
ABOVE = (
    "tuichaos.cli",
    "tuichaos.charts",
    "tuichaos.curves",
    "tuichaos.views",
    "tuichaos.report",
    "tuichaos.telling",
    "tuichaos.tui",
)
ROOMS = ("simulation", "blocks", "ensemble", "runs", "recorder", "runner", "plan", "session")
CORE = [
    *PACKAGE.glob("systems/*.py"),
    *PACKAGE.glob("instruments/*.py"),
    *(PACKAGE / f"{name}.py" for name in ROOMS),
]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_core_imports_no_screen():
    assert len(CORE) > 15
    for path in CORE:
        for name in imports(path):
            assert name.split(".")[0] not in SCREEN, f"{path.name} imports {name}"
            assert not name.startswith(ABOVE), f"{path.name} imports {name}"


def test_systems_know_nothing_of_what_measures_them():
    for path in PACKAGE.glob("systems/*.py"):
        for name in imports(path):
            assert not name.startswith(("tuichaos.instruments", "tuichaos.simulation"))


def test_the_explorer_is_on_screen_before_torch_is_loaded():
    code = (
        "import sys; import tuichaos.tui.app; from tuichaos.presets import preset;"
        "tuichaos.tui.app.Explorer(preset('quick'));"
        "sys.exit(bool({'torch', 'sklearn', 'scipy', 'plotext'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_of_the_package():
    for name in tuichaos.__all__:
        assert getattr(tuichaos, name) is not None
