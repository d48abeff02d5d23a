"""The command line: what it prints, what it refuses, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import click
import numpy as np
import pytest
from waiting import MAX_SECONDS, wait_for

SMALL = ["--set", "ensemble.references=3", "--set", "steps=40"]


def refused(result, *says):
    """One line on stderr, exit code 2, nothing on stdout."""
    code, out, err = result
    assert code == 2, err
    assert out == ""
    assert err.startswith("tuichaos: error: ")
    assert err.count("\n") == 1
    for words in says:
        assert words in err


def test_run_prints_a_table_two_charts_and_the_folder(command, tmp_path):
    few = ["--set", "ensemble.references=3"]
    code, out, _ = command("run", "--preset", "quick", *few, "--out", tmp_path / "r")
    assert code == 0
    for words in ("nMLE", "of 3", "0.284 ± 0.10", "449 of 500", "tangent, steps 0–200",
                  "distance of twins", "quick: loss", "noise floor: 0"):  # fmt: skip
        assert words in out
    assert str(tmp_path / "r") in out.replace("\n", "")
    assert "\x1b" not in out  # not a terminal


def test_what_was_changed_is_in_the_title_and_not_beside_the_papers_figures(command, tmp_path):
    changed = ["--set", "optimizer.learning_rate=0.5", "--set", "ensemble.references=3"]
    _, out, _ = command("run", "--preset", "quick", *changed, "--out", tmp_path / "r")
    assert "10 sigmoid units, η = 0.5 (from quick)" in " ".join(out.split())
    assert "0.284" not in out


def test_json_is_summary_json_and_nothing_else(command, tmp_path):
    code, out, _ = command("run", "--preset", "quick", *SMALL, "--json", "--out", tmp_path / "r")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "r" / "summary.json").read_text())


def test_quiet_says_nothing(command, tmp_path):
    result = command("run", "--preset", "quick", *SMALL, "--quiet", "--out", tmp_path / "r")
    assert result == (0, "", "")


def test_later_wins(command, tmp_path):
    arguments = ["--set", "seed=1", "--set", "seed=2", "--seed", "3", "--device", "cpu"]
    command("run", "--preset", "quick", *SMALL, *arguments, "--out", tmp_path / "r", "--quiet")
    text = (tmp_path / "r" / "experiment.toml").read_text()
    assert "seed = 3\n" in text
    assert 'device = "cpu"' in text


def test_dry_run_says_how_large_and_writes_nothing(command, tmp_path, home):
    code, out, err = command("run", "--preset", "eos", "--dry-run", "--out", tmp_path / "r")
    assert (code, err) == (0, "")
    assert "600,000 replica-steps" in out
    assert "100,500 rows" in out
    assert "4-10-3" in out
    assert not (tmp_path / "r").exists()
    assert not home.exists()


BAD_RUNS = [
    ([], ["eos", "low-long"]),
    (["x.toml", "--preset", "eos"], ["not both"]),
    (["--preset", "eoss"], ["did you mean 'eos'"]),
    (["missing.toml"], ["missing.toml"]),
    (["eos"], ["did you mean --preset eos"]),
    (["--preset", "eos", "--set", "steps"], ["KEY=VALUE"]),
    (["--preset", "eos", "--set", "stepps=3"], ["stepps", "did you mean 'steps'"]),
    (["--preset", "eos", "--set", "network.activation=relo"], ["did you mean 'relu'"]),
    (["--preset", "eos", "--set", "data.name=irs"], ["did you mean 'iris'"]),
    (["--preset", "eos", "--set", "optimizer.learning_rate=0"], ["optimizer.learning_rate"]),
    (["--preset", "eos", "--set", "optimizer.learning_rate=-1"], ["optimizer.learning_rate"]),
    (["--preset", "eos", "--set", "optimizer.learning_rate=nan"], ["optimizer.learning_rate"]),
    (["--preset", "eos", "--set", "optimizer.learning_rate=true"], ["optimizer.learning_rate"]),
    (["--preset", "eos", "--set", "optimizer.learning_rate=big"], ["optimizer.learning_rate"]),
    (["--preset", "eos", "--set", "ensemble.references=0"], ["ensemble.references"]),
    (["--preset", "eos", "--set", "ensemble.perturbation=0"], ["ensemble.perturbation"]),
    (["--preset", "eos", "--set", "ensemble.perturbation=1e-17"], ["ensemble.perturbation"]),
    (["--preset", "eos", "--set", "data.class_counts=[60,30,30]"], ["data.class_counts"]),
    (["--preset", "eos", "--set", "data.name=scalar"], ["loss.name", "mse"]),
    (["--preset", "eos", "--device", "cuda:77"], ["device", "cpu"]),
    (["--preset", "eos", "--device", "tpu"], ["device"]),
    (["--preset", "eos", "--seed", "x"], ["seed"]),
    (["--preset", "eos", "--threads", "0"], ["threads"]),
    (["--preset", "eos", "--prest"], ["prest"]),
    (["--preset", "eos", "--set", "system.start=[1.0]"], ["system.start", "83"]),
    (["--preset", "logistic", "--set", "system.parameters.q=1"], ["system.parameters.q"]),
    (["--preset", "logistic", "--set", "system.parameters.r=x"], ["system.parameters.r"]),
    (["--preset", "logistic", "--set", "system.name=nowhere:thing"], ["nowhere"]),
    (["--preset", "eos", "--out", "/dev/null/deep"], ["--out"]),
    (["--preset", "eos", "--out", "~nobody-of-that-name/x"], ["--out"]),
    (["--preset", "eos", "--out", "bad\nname"], ["--out"]),
    (["--preset", "eos", "--set", "steps=" + "9" * 5000], ["steps"]),
    (["--preset", "eos", "--set", "steps=5\nseed=7"], ["steps"]),
    (["--preset", "eos", "--set", "name="], ["name"]),
    (["--preset", "eos", "--set", "data.name=csv", "--set", "data.path=~nobody-of-x/y"], ["path"]),
    (["--preset", "eos", "--set", "network.hidden=[1000000,1000000]"], ["network.hidden"]),
    (
        [
            "--preset",
            "eos",
            "--set",
            "data.name=moons",
            "--set",
            "data.parameters.samples=10000000000000",
        ],
        ["data.parameters"],
    ),
    (
        ["--preset", "eos", "--set", "data.name=circles", "--set", "data.parameters.factor=1.5"],
        ["data.parameters"],
    ),
    (["--preset", "logistic", "--set", "system.name=.a:f"], ["system.name"]),
    (["--preset", "logistic", "--set", "system.name=maps:Exiting"], ["system.name", "SystemExit"]),
    (
        [
            "--preset",
            "logistic",
            "--set",
            "system.name=maps:Detached",
            "--set",
            "system.parameters={}",
        ],
        ["not differentiable"],
    ),
    (
        [
            "--preset",
            "logistic",
            "--set",
            "system.name=maps:Float32",
            "--set",
            "system.parameters={}",
        ],
        ["step must give a tensor"],
    ),
    (
        [
            "--preset",
            "logistic",
            "--set",
            "system.name=maps:Nothing0",
            "--set",
            "system.parameters={}",
        ],
        ["dimension must be"],
    ),
    (
        [
            "--preset",
            "logistic",
            "--set",
            "system.name=maps:BadColumn",
            "--set",
            "system.parameters={}",
        ],
        ["cannot name a column"],
    ),
    (
        [
            "--preset",
            "logistic",
            "--set",
            "system.name=maps:BadTangent",
            "--set",
            "system.parameters={}",
        ],
        ["tangent must give a tensor"],
    ),
]


@pytest.mark.parametrize(("arguments", "says"), BAD_RUNS, ids=lambda v: " ".join(v)[-40:])
def test_bad_input_is_one_line_and_leaves_nothing(
    command, tmp_path, home, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    refused(command("run", *arguments), *says)
    assert list(tmp_path.iterdir()) == []
    assert not home.exists()


def test_bad_files_are_one_line(command, tmp_path):
    toml = tmp_path / "e.toml"
    toml.write_text("steps = = 3\n")
    refused(command("run", toml), "e.toml", "TOML")
    data = tmp_path / "d.csv"
    data.write_text("1,2,0\n3,a,1\n")
    refused(command("run", "--preset", "quick", "--set", "data.name=csv", "--set",
                    f"data.path={data}"), "d.csv", "line 2")  # fmt: skip


def test_a_full_folder_is_never_written_to(command, tmp_path):
    (tmp_path / "precious").write_text("mine")
    refused(command("run", "--preset", "quick", "--out", tmp_path), "not an empty folder")
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(command, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(command("run", "--preset", "quick", "--out", locked / "run"), "--out")


def test_no_detour_leads_into_a_full_folder(command, tmp_path):
    command("run", "--preset", "quick", *SMALL, "--quiet", "--out", tmp_path / "keep")
    before = (tmp_path / "keep" / "series.csv").read_bytes()
    detour = tmp_path / "nowhere" / ".." / "keep"
    refused(command("run", "--preset", "quick", "--seed", "5", "--out", detour), "not an empty")
    assert (tmp_path / "keep" / "series.csv").read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


def test_unknown_commands_and_runs(command):
    refused(command("plot", "x" * 5000), "no such run")
    refused(command("plot", ""), "RUN")
    refused(command("bench", "--seconds", "nan"), "seconds")
    refused(command("rnu"), "did you mean 'run'")
    refused(command("plot", "nowhere"), "nowhere")
    refused(command("plot"), "RUN")
    refused(command("presets", "eoz"), "did you mean")
    refused(command("export", "nowhere"), "nowhere")


def test_presets_lists_prints_and_explains(command):
    _, out, _ = command("presets")
    assert "eos" in out
    assert "two-layer-scalar" in out
    _, out, _ = command("presets", "eos")
    assert "references = 500" in out
    _, out, _ = command("presets", "--keys")
    assert "optimizer.learning_rate = 1.0" in out


def test_runs_plot_and_export(command, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("runs")
    assert code == 0
    assert "no runs yet" in err
    command("run", "--preset", "quick", *SMALL, "--quiet")
    name = next((home / "runs").iterdir()).name
    _, out, _ = command("runs")
    assert name in out
    assert "done" in out
    _, out, _ = command("runs", "--json")
    assert json.loads(out)[0]["status"] == "done"
    for what in ("loss", "distance", "exponent", "accuracy", "test-accuracy", "weight-norm",
                 "layers", "distance.layers.1.bias"):  # fmt: skip
        code, out, _ = command("plot", name, "--what", what)
        assert code == 0
        assert "┤" in out
    code, out, _ = command("plot", "last", "--what", "loss", "--ascii")
    assert code == 0
    assert out.isascii()
    refused(command("plot", name, "--what", "losses"), "did you mean 'loss'")
    code, out, _ = command("export", "quick", "--out", "a.csv")
    assert code == 0
    assert (tmp_path / "a.csv").read_bytes() == (home / "runs" / name / "series.csv").read_bytes()
    refused(command("export", name, "--out", "a.csv"), "exists")
    refused(command("export", name, "--format", "xlsx"), "xlsx")
    command("export", name, "--format", "parquet", "--out", "a.parquet")
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "a.parquet")
    assert parquet.num_rows == 3 * 41
    assert parquet["lyapunov"].null_count == 3


def test_two_runs_in_one_second_get_two_folders(command, home):
    for _ in range(3):
        command("run", "--preset", "quick", *SMALL, "--quiet")
    assert len(list((home / "runs").iterdir())) == 3


def test_a_diverging_network_is_data(command, tmp_path):
    code, out, _ = command(
        "run", "--preset", "eos", "--set", "loss.name=mse", "--set", "ensemble.references=20",
        "--set", "optimizer.learning_rate=1e6", "--out", tmp_path / "r",
    )  # fmt: skip
    assert code == 0
    assert "diverged: 20 of 20 references, the first at step" in out
    text = (tmp_path / "r" / "series.csv").read_text()
    assert "nan" not in text
    assert "inf" not in text


def test_cross_entropy_stays_finite_at_any_rate(command, tmp_path):
    code, out, _ = command(
        "run", "--preset", "eos", "--set", "ensemble.references=10", "--json",
        "--set", "optimizer.learning_rate=1e30", "--out", tmp_path / "r",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["diverged"] == 0


def test_a_run_that_breaks_says_so(command, tmp_path):
    code, out, err = command(
        "run", "--preset", "logistic", "--set", "system.name=maps:Failing",
        "--set", "system.parameters={}", "--set", "measure.tangent=false",
        "--out", tmp_path / "r",
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert "the map broke" in err
    assert "Traceback" not in err
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "the map broke" in manifest["reason"]


# --- as a process of its own -------------------------------------------------------------


def process(*arguments, **options):
    program = "import sys; from tuichaos.cli.main import main; sys.argv[0] = 'tuichaos'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_help_is_quick_and_imports_no_heavy_package():
    code = (
        "import sys; from tuichaos.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False);"
        "heavy = {'torch', 'textual', 'numpy', 'pydantic', 'sklearn', 'plotext', 'rich'};"
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Commands:" in done.stdout


@pytest.mark.slow
def test_ctrl_c_ends_between_frames_with_the_folder_complete(tmp_path):
    out = tmp_path / "r"
    run = process("run", "--preset", "eos", "--set", "steps=1000000", "--out", out,
                  "--set", "ensemble.references=40")  # fmt: skip
    series = out / "series.csv"
    wait_for(lambda: series.exists() and series.stat().st_size >= 100_000, run)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=MAX_SECONDS)
    assert run.returncode == 130, err
    last = err.splitlines()[-1]
    assert last.startswith("tuichaos: error: interrupted at step")
    assert str(out) in last
    assert "Traceback" not in err
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    import tuichaos

    found = tuichaos.open_run(out)
    assert found.steps[-1] == manifest["step"] == found.summary["steps"]
    assert found.series["loss"].shape == (manifest["step"] + 1, 40)
    assert np.isfinite(found.series["loss"]).all()
    assert len(found.exponents["lyapunov"]) == 40
    assert found.summary["lyapunov"]["window"] == [0, manifest["step"]]


def test_a_run_interrupted_before_its_first_frame_can_be_opened(tmp_path):
    import threading

    import tuichaos

    stop = threading.Event()
    stop.set()
    run = tuichaos.run(tuichaos.resolve({}), out=tmp_path / "r", stop=stop)
    assert run.manifest["status"] == "interrupted"
    assert run.steps.tolist() == []
    assert dict(run.series) == {}
    assert run.summary["lyapunov"]["mean"] is None


def test_a_closed_pipe_is_no_error():
    program = "from tuichaos.cli.main import main; main()"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c",
         f"{sys.executable} -c '{program}' presets --keys | head -1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0


def shelled(*arguments, **streams):
    """The program in a process of its own, with streams as a shell gives them."""
    program = [sys.executable, "-c", "from tuichaos.cli.main import main; main()", *arguments]
    done = subprocess.run(program, stderr=subprocess.PIPE, text=True, **streams)
    return done.returncode, done.stderr


def test_output_that_cannot_be_written_ends_in_one_line(home):
    with open("/dev/full", "w") as full:
        for arguments in (["presets"], ["--help"]):
            code, err = shelled(*arguments, stdout=full)
            assert (code, err) == (1, "tuichaos: error: output: No space left on device\n")


def test_no_warning_of_numpy_reaches_a_user(home):
    words = ["--preset", "quick", "--set", "steps=20", "--set", "network.init_scale=1e308"]
    assert shelled("run", *words, "--quiet", stdout=subprocess.DEVNULL) == (0, "")


LOUD = """
import warnings
import numpy as np
from tuichaos.cli.streams import hush
hush()
np.float64(1e308) * 10, np.float64(0) / 0, np.float64(1) / 0, np.mean([]), np.nanmax([np.nan])
np.std([1.0], ddof=1), np.polyfit([1.0, 1.0], [1.0, 2.0], 1)
warnings.warn("another", RuntimeWarning)
"""


@pytest.mark.parametrize("options", [[], ["-W", "default"]])
def test_warnings_about_numbers_beyond_all_range_are_hushed_and_no_others(options):
    program = [sys.executable, *options, "-c", LOUD]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "RuntimeWarning: another" in done.stderr
    assert (done.stderr.count("Warning: ") > 1) == bool(options)


def test_workers_hush_as_well(home):
    """They are started as new interpreters: what is ignored is an option of theirs."""
    code = (
        "import multiprocessing as m, sys; from tuichaos.cli.streams import hush; hush();"
        "import numpy; p = m.get_context('spawn').Process(target=numpy.exp, args=(1e4,));"
        "p.start(); p.join(); sys.exit(p.exitcode)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_output_is_no_fault(home):
    for number in (0, 1):
        code, err = shelled("presets", preexec_fn=lambda n=number: os.close(n))
        assert (code, err) == (0, "")


def test_characters_that_a_terminal_lacks_are_replaced(home):
    table = {**os.environ, "PYTHONIOENCODING": "ascii"}
    assert shelled("presets", env=table, stdout=subprocess.DEVNULL) == (0, "")


def test_a_home_that_is_no_folder_is_refused(monkeypatch):
    monkeypatch.setenv("TUICHAOS_HOME", "/" + "x" * 300)
    code, err = shelled("runs")
    assert code == 2
    assert err.endswith("cannot be read: File name too long\n")


def test_more_threads_than_machines_have_are_refused(command):
    code, out, err = command("run", "--preset", "quick", "--threads", 100_000)
    assert (code, out) == (2, "")
    assert "--threads: must be an integer from 1 to 512" in err


@pytest.mark.parametrize("ended", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_while_libraries_are_loaded_is_one_line_and_130(ended, command, monkeypatch):
    """Click makes an Abort of it, which is a RuntimeError."""

    def interrupted(*_, **__):
        raise ended

    monkeypatch.setattr("tuichaos.cli.main.cli.main", interrupted)
    assert command("run") == (130, "", "tuichaos: error: interrupted\n")
