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
ORDER = (
    *FLOORS,
    "sweeps",
    "plots",
    "api",
    "reports",
    "selftest",
    "manual",
    "tui",
    "benchmarks",
    "cli",
    "__main__",
)


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def named(node, module):
    """What an import statement of a module names, the most exact first, dots resolved."""
    if isinstance(node, ast.Import):
        return [[alias.name] for alias in node.names]
    base = node.module or ""
    if node.level:
        is_package = MODULES[module].name == "__init__.py"
        parts = module.split(".")[: None if is_package else -1]
        parts = parts[: len(parts) - node.level + 1]
        base = ".".join([*parts, *filter(None, [base])])
    return [[f"{base}.{alias.name}", base] for alias in node.names]


def imported(module):
    """The modules of the package that a module imports: anywhere in it, so within functions and
    for the checking of types too."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    found = set()
    for names in (names for node in statements for names in named(node, module)):
        found |= set([name for name in names if name in MODULES][:1])
    return found - {module}


@pytest.fixture(scope="module")
def graph():
    found = {module: imported(module) for module in MODULES}
    found["tuichaos"] |= set(tuichaos._PLACES.values())  # imported once they are asked for
    assert sum(map(len, found.values())) > 1000  # it sees them
    return found


def reached(graph, start):
    """All modules that are imported once ``start`` is, by whatever way."""
    seen, left = set(), [start]
    while left:
        new = graph[left.pop()] - seen
        seen |= new
        left += new
    return seen


def floor(module):
    """Its folder, or itself where it is in none; the package as such is that of api.py."""
    return "api" if module == "tuichaos" else module.split(".")[1]


def test_the_graph_of_imports_has_all_kinds():
    assert "tuichaos.systems.base" in imported("tuichaos.systems.acceleration")  # at its head
    assert "tuichaos.sweeps.sweep_runner" in imported("tuichaos.api")  # in a function
    assert "tuichaos.execution.plan" in imported("tuichaos.execution.checkpointer")  # for types
    relative = ast.parse("from . import plan\nfrom ..common import text, errors").body
    names = [named(node, "tuichaos.execution.runner") for node in relative]
    assert names[0] == [["tuichaos.execution.plan", "tuichaos.execution"]]
    assert [name for name, _ in names[1]] == ["tuichaos.common.text", "tuichaos.common.errors"]


def test_no_floor_imports_one_above_it(graph):
    """Directly or through others."""
    found = []
    for module in graph:
        above = ORDER[ORDER.index(floor(module)) + 1 :]
        found += [(module, one) for one in reached(graph, module) if floor(one) in above]
    assert not found, found[:5]


def test_every_module_stands_on_a_floor():
    assert {floor(module) for module in MODULES} == set(ORDER)


def test_no_modules_import_each_other(graph):
    """Directly or through others: no module is reached from itself."""
    circles = [module for module in graph if module in reached(graph, module)]
    assert circles == []


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


@pytest.mark.sampled(3)
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


MAX_LINES = 400


def test_no_file_is_too_long_to_read():
    lengths = {name: path.read_text().count("\n") for name, path in MODULES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}
