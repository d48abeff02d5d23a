"""What a start loads: a run of one reference and one step needs little beside torch."""

from __future__ import annotations

import subprocess
import sys

# Packages that take long to load, and that such a run has no use for.
HEAVY = ("scipy", "sklearn", "pandas", "pyarrow", "plotext", "textual", "rich", "distributed")


def test_a_small_run_loads_nothing_heavy_beside_torch(tmp_path):
    program = f"""
import sys
from tuichaos.cli.main import main
sys.argv = ["tuichaos", "run", "--preset", "quick", "--set", "ensemble.references=1",
    "--set", "steps=1", "--set", "ensemble.twins=0", "--quiet", "--out", "run"]
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
