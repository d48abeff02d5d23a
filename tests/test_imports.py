"""The one-way flow: the core knows nothing of the screen or the command line."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tuichaos

PACKAGE = Path(tuichaos.__file__).parent
SCREEN = {"textual", "rich", "click", "plotext"}
ABOVE = ("tuichaos.plots", "tuichaos.reports", "tuichaos.cli", "tuichaos.tui")
FLOORS = ("common", "config", "systems", "storage", "simulation", "instruments", "execution")
CORE = [path for floor in FLOORS for path in PACKAGE.glob(f"{floor}/**/*.py")]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_core_imports_no_screen():
    assert len(CORE) > 100
    for path in CORE:
        for name in imports(path):
            assert name.split(".")[0] not in SCREEN, f"{path.name} imports {name}"
            assert not name.startswith(ABOVE), f"{path.name} imports {name}"


# From the ground up: each imports only what stands below it.
ORDER = (*FLOORS, "sweeps", "plots", "reports", "selftest", "manual", "tui", "benchmarks", "cli")
NOT_YET_CUT = {("storage/run_reader.py", "sweeps"), ("sweeps/plane_summary.py", "plots")}


def test_no_floor_imports_one_above_it():
    """Inside functions too; what is not yet cut is named, so that no more comes."""
    found = set()
    for height, floor in enumerate(ORDER):
        for path in PACKAGE.glob(f"{floor}/**/*.py"):
            parts = [name.split(".") for name in imports(path) if name.startswith("tuichaos.")]
            above = {own[1] for own in parts if own[1] in ORDER[height + 1 :]}
            found |= {(path.relative_to(PACKAGE).as_posix(), name) for name in above}
    assert found == NOT_YET_CUT


def test_systems_know_nothing_of_what_measures_them():
    for path in PACKAGE.glob("systems/**/*.py"):
        for name in imports(path):
            assert not name.startswith(("tuichaos.instruments", "tuichaos.simulation"))


def test_the_explorer_is_on_screen_before_torch_is_loaded():
    code = (
        "import sys; import tuichaos.tui.app; from tuichaos.config.presets import preset;"
        "tuichaos.tui.app.Explorer(preset('quick'));"
        "sys.exit(bool({'torch', 'sklearn', 'scipy', 'plotext'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_entry_is_there_before_any_library_is_loaded():
    """What a script of the package does before it hears signals, as installers write it."""
    code = (
        "import sys; import tuichaos.cli.main; from tuichaos.cli.main import main;"
        "sys.exit(bool({'click', 'torch', 'numpy', 'tuichaos.cli.group'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--preset", "quick", "--over", "optimizer.lerning_rate=[1]"],
        ["--preset", "quick", "--over", "optimizer.learning_rate=linear:2:1:5"],
        ["--preset", "quick", "--over", "seed=[1]", "--workers", "0"],
        ["--preset", "quick", "--over", "seed=[1]", "--scheduler", "nowhere"],
        ["--preset", "quick", "--over", "seed=[1]", "--scheduler", f"tcp://{'a' * 70}:1"],
        ["--preset", "orbit-softmax", "--set", "sweep={seed=[1,2]}"],
    ],
)
def test_a_bad_sweep_is_refused_before_torch_is_loaded(arguments):
    code = (
        "import sys; from tuichaos.cli.main import _run_cli; code = _run_cli();"
        "sys.exit(9 if {'torch', 'distributed', 'textual'} & set(sys.modules) else code)"
    )
    asked = [sys.executable, "-c", code, "run", *arguments]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_public_names_of_the_package():
    for name in tuichaos.__all__:
        assert getattr(tuichaos, name) is not None


def test_no_public_name_is_that_of_a_module():
    """Once a module is imported, the package has it under that name, whatever it had before."""
    taken = [name for name in tuichaos.__all__ if importlib.util.find_spec(f"tuichaos.{name}")]
    assert taken == []
    importlib.import_module("tuichaos.execution.runner")
    importlib.import_module("tuichaos.cli.main")
    assert all(not isinstance(getattr(tuichaos, name), ModuleType) for name in tuichaos.__all__)
