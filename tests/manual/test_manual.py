"""The manual and README: complete, true to the code, and shown where they are asked for."""

from __future__ import annotations

import ast
import importlib
import math
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from explorers import explorer, keys
from textual.binding import Binding
from textual.widgets import Markdown, OptionList
from waiting import until

import tuichaos
import tuichaos.tui
from tuichaos.cli import manual as command_module
from tuichaos.cli.group import cli
from tuichaos.common.errors import InputError
from tuichaos.config import presets
from tuichaos.config.loading import parse_override
from tuichaos.config.measure import Measure
from tuichaos.instruments import verdicts
from tuichaos.manual import pages
from tuichaos.sweeps import points
from tuichaos.tui.manual_key_tables import GROUPS, bindings, key_table, shown
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.manual import Manual
from tuichaos.tui.screens.runs import Runs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {"README": README, **{name: pages.source(name) for name in pages.TOPICS}}
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
KINDS = ("run", "sweep", "map", "diagram")


def blocks(text, language):
    return [body for kind, body in FENCED.findall(text) if kind == language]


def headings(text):
    return re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)


# --- pages ---


def test_the_pages_listed_are_those_that_are_there():
    assert sorted(pages.TOPICS) == sorted(path.stem for path in pages.FOLDER.glob("*.md"))


@pytest.mark.parametrize("topic", pages.TOPICS)
def test_a_page_has_a_heading_a_summary_and_short_lines(topic):
    text = pages.source(topic)
    assert text.startswith("# ")
    assert len(text.splitlines()) > 20
    assert 20 < len(pages.summary(topic)) < 100
    assert not pages.summary(topic).startswith(("#", "|", "-", "```"))
    long = [line for line in text.splitlines() if len(line) > 100 and not line.startswith("|")]
    assert long == []


def test_readme_is_short_and_has_the_two_commands():
    assert len(README.splitlines()) <= 220
    found = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    begin = "python3 -m venv .venv && . .venv/bin/activate && pip install -c tests/constraints.txt"
    assert found == [
        f"{begin} . && tuichaos run --preset eos",
        f"{begin} '.[test]' && pytest",
    ]


def slug(heading):
    """What a heading is called in an address."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(text):
    """Where a page leads, but for addresses outside."""
    return re.findall(r"\]\((?!https?:)([^)]*)\)", FENCED.sub("", text))


def test_links_are_found_at_all():
    assert sum(len(links(text)) for text in TEXTS.values()) > 60


@pytest.mark.parametrize("topic", TEXTS)
def test_links_lead_somewhere(topic):
    """To a page, or to a heading of it; from README to a file."""
    for target in links(TEXTS[topic]):
        path, _, anchor = target.partition("#")
        if topic == "README":
            assert (ROOT / path).is_file(), target
            continue
        name = path.removesuffix(".md") or topic
        assert name in pages.TOPICS, target
        assert not anchor or anchor in map(slug, headings(TEXTS[name])), target


def test_readme_names_every_page():
    for topic in pages.TOPICS:
        assert f"[{topic}](tuichaos/manual/{topic}.md)" in README


# --- commands ---


def command_lines(text):
    """Commands in blocks of a shell and in running text, as lists of words."""
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("tuichaos"):
                yield shlex.split(line, comments=True)
    for span in re.findall(r"`(tuichaos [^`]*)`", FENCED.sub("", text)):
        yield shlex.split(span)


@pytest.mark.parametrize("topic", TEXTS)
def test_commands_exist_with_their_options_presets_and_keys(topic, monkeypatch):
    monkeypatch.setattr("tuichaos.common.trust.trust", lambda name: None)
    for line in command_lines(TEXTS[topic]):
        words = line[1:]
        if not words or words[0].startswith("-"):
            context = cli.make_context("tuichaos", words)
        else:
            assert words[0] in cli.commands, line
            try:
                context = cli.commands[words[0]].make_context(words[0], words[1:])
            except click.exceptions.Exit:  # --help
                continue
            except click.MissingParameter:  # the command is only named
                assert len(words) == 1, line
                continue
        given = context.params
        name = given.get("preset_name", given.get("preset"))
        if name not in (None, "NAME", "X"):
            overrides = dict(map(parse_override, given.get("sets", ())))
            presets.preset(name, overrides, given.get("overs", ()))


def test_commands_are_found_at_all():
    assert len(list(command_lines(README))) > 15
    assert sum(len(list(command_lines(text))) for text in TEXTS.values()) > 80


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_and_option_is_on_the_page_of_commands(name):
    """Options that have a page of their own may stand there."""
    assert re.search(rf"\b{name}\b", TEXTS["commands"])
    everywhere = "\n".join(TEXTS.values())
    for option in cli.commands[name].params:
        if isinstance(option, click.Option):
            assert any(opt in everywhere for opt in option.opts), option.opts


# --- presets ---


def kind_of(experiment):
    if experiment.plane.value != "none":
        return "map"
    if experiment.diagram.observable != "none":
        return "diagram"
    return "sweep" if experiment.sweep else "run"


def replica_steps(experiment):
    """As ``--dry-run`` counts them, worked out from the keys."""
    one, steps = experiment.ensemble, experiment.steps
    twins = 0 if experiment.is_dense else one.twins  # maps and diagrams have none
    size = one.references * (steps + twins * (steps - one.perturb_at))
    if experiment.sweep:
        size *= points.grid(experiment).size * max(1, len(experiment.diagram.directions))
    return size


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_told_with_its_kind_and_size(name):
    experiment = presets.preset(name)
    (row,) = re.findall(rf"^\| `{name}` \| (\w+) \|.*\| ([^|]*) \|$", README, re.MULTILINE)
    assert row[0] == kind_of(experiment)
    if "replica-steps" in row[1]:
        said = int(re.match(r"[\d ]+", row[1])[0].replace(" ", ""))
        assert said == replica_steps(experiment)
    assert re.search(rf"^\|.*`{name}`|^`{name}`", TEXTS["presets"], re.MULTILINE)
    assert experiment.title in pages.text("presets", key_table)


# --- instruments and verdicts ---


@pytest.mark.parametrize("key", Measure.model_fields)
def test_every_key_of_measure_has_a_section(key):
    assert any(f"`{key}`" in heading for heading in headings(TEXTS["instruments"]))
    assert f"| `measure.{key}` |" in pages.text("instruments", key_table)


def words_of(node):
    """The texts that an expression may be, a name in braces as K."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(p.value if isinstance(p, ast.Constant) else "K" for p in node.values)
    elif isinstance(node, ast.IfExp):
        yield from words_of(node.body)
        yield from words_of(node.orelse)
    elif isinstance(node, ast.Tuple) and node.elts:
        yield from words_of(node.elts[0])


def given_verdicts():
    """The words that verdicts.py returns, or makes a Verdict of."""
    found = set()
    for node in ast.walk(ast.parse(Path(verdicts.__file__).read_text(encoding="utf-8"))):
        pair = isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.IfExp)
        if pair:
            found.update(words_of(node.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict" and node.args:
            found.update(words_of(node.args[0]))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            found.update(words_of(node.value))
    return found


def test_every_verdict_has_a_section():
    found = given_verdicts()
    assert {"diverged", "dead-network", "periodic-K", "chaotic", "undecided"} <= found
    assert len(found) >= 12
    named = [f"`{word}`" for word in found]
    text = headings(TEXTS["verdicts"])
    assert [word for word in named if not any(word in heading for heading in text)] == []


# --- keys ---


def declared():
    """All classes of the explorer that declare bindings."""
    for module in pkgutil.walk_packages(tuichaos.tui.__path__, "tuichaos.tui."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and one.__module__ == module.name and "BINDINGS" in vars(one):
                yield one


def test_the_tables_of_keys_have_all_that_declare_some():
    groups = {str(b.id).partition(".")[0] for one in declared() for b in one.BINDINGS}
    assert groups == {group for groups in GROUPS.values() for group in groups}


@pytest.mark.parametrize("screen", GROUPS)
def test_a_table_of_keys_has_every_binding(screen):
    assert f"{{keys: {screen}}}" in TEXTS["explorer"]
    rows = key_table(screen).splitlines()
    for binding in bindings(GROUPS[screen]):
        assert any(f"`{shown(binding)}`" in row.split(" | ")[0] for row in rows), binding


async def test_keys_are_written_as_the_explorer_writes_them():
    app = explorer()
    async with app.run_test():
        for groups in GROUPS.values():
            for binding in bindings(groups):
                assert shown(binding).replace("ctrl+", "^") == app.get_key_display(binding)


def test_a_table_of_an_unknown_screen_is_refused():
    with pytest.raises(InputError, match="did you mean 'explore'"):
        key_table("explor")


# --- tuichaos manual ---


def test_without_a_topic_there_is_a_line_for_each_page(command):
    code, out, _ = command("manual")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(pages.TOPICS)


@pytest.mark.parametrize("topic", pages.TOPICS)
def test_a_page_is_printed_with_its_tables_in_place(command, topic):
    code, out, _ = command("manual", topic)
    assert (code, out.splitlines()[0]) == (0, TEXTS[topic].splitlines()[0])
    assert not pages.PLACEHOLDER.search(out)


def test_an_unknown_page_names_the_nearest_one(command):
    code, out, err = command("manual", "verdict")
    assert (code, out) == (2, "")
    assert err == (
        "tuichaos: error: verdict: the manual has no such page; did you mean 'verdicts'?\n"
    )


def test_a_search_says_page_and_heading(command):
    code, out, _ = command("manual", "--search", "KAPLAN")
    assert code == 0
    assert any(line.startswith("instruments · `spectrum`: ") for line in out.splitlines())
    assert all("kaplan" in line.lower() for line in out.splitlines())
    code, out, _ = command("manual", "glossary", "--search", "kaplan")
    assert {line.split()[0] for line in out.splitlines()} == {"glossary"}
    assert "measure.zero_one" in command("manual", "--search", "measure.zero_one")[1]  # of a table


@pytest.mark.parametrize("word", ["xyzzy", " "])
def test_a_search_that_finds_nothing(command, word):
    code, out, err = command("manual", "--search", word)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_page_is_drawn_for_a_terminal(command, monkeypatch):
    asked = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(command_module.click, "echo_via_pager", lambda t, color: asked.append(t))
    assert command("manual", "verdicts")[0] == 0
    (drawn,) = asked
    assert "Verdicts" in drawn
    assert "## `" not in drawn  # headings are drawn, not written
    assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", drawn).splitlines())) <= 100
    assert "instruments.md" not in drawn  # no file that a reader could not open
    assert "period (page instruments)" in " ".join(drawn.split())
    assert "https://arxiv.org/abs/2003.02218" in drawn


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        ([], {"torch", "textual", "numpy"}),
        (["verdicts"], {"torch", "textual", "numpy"}),
        (["presets"], {"torch", "textual"}),
        (["explorer"], {"torch"}),
    ],
)
def test_the_manual_loads_no_more_than_it_needs(arguments, absent):
    code = (
        "import sys; from tuichaos.cli.main import _run_cli; code = _run_cli();"
        f"sys.exit(9 if {absent!r} & set(sys.modules) else code)"
    )
    asked = [sys.executable, "-c", code, "manual", *arguments]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- in the explorer ---


async def opened(app, topic):
    """The page of a topic is shown, as a whole."""
    await until(lambda: isinstance(app.screen, Manual) and app.screen.topic == topic)
    heading = TEXTS[topic].splitlines()[0]
    await until(lambda: any(p.source.startswith(heading) for p in app.screen.query(Markdown)))


async def tutorial(app):
    """What F1 opens first."""
    await until(lambda: isinstance(app.screen, Explore))
    await keys(app, "f1")
    await opened(app, "tutorial")


async def test_f1_opens_the_manual_and_escape_closes_it():
    app = explorer()
    async with app.run_test(size=(100, 30)):
        await tutorial(app)
        topics = app.screen.query_one(OptionList)
        assert topics.has_focus
        assert topics.option_count == len(pages.TOPICS)
        await keys(app, "down", "enter")
        await opened(app, "commands")
        await keys(app, "escape")
        await until(lambda: isinstance(app.screen, Explore))


async def test_the_manual_opens_over_the_runs_and_f1_closes_it(home):
    app = explorer()
    async with app.run_test(size=(80, 24)):
        await until(lambda: isinstance(app.screen, Explore))
        await keys(app, "o")
        await until(lambda: isinstance(app.screen, Runs))
        await keys(app, "f1")
        await opened(app, "tutorial")
        await keys(app, "f1")
        await until(lambda: isinstance(app.screen, Runs))


@pytest.mark.slow
async def test_a_link_leads_to_its_page_with_its_tables():
    app = explorer()
    async with app.run_test(size=(120, 36)):
        await tutorial(app)
        page = app.screen.query_one(Markdown)
        page.post_message(Markdown.LinkClicked(page, "explorer.md#keys"))
        await opened(app, "explorer")
        await until(lambda: "`ctrl+z`" in page.source and page.source.count("\n## ") > 8)
        page.post_message(Markdown.LinkClicked(page, "https://arxiv.org/abs/2404.05782"))
        await until(lambda: app.clipboard == "https://arxiv.org/abs/2404.05782")
        assert app.screen.topic == "explorer"


async def test_a_page_that_is_left_while_it_is_filled_leaves_nothing_behind():
    app = explorer()
    async with app.run_test(size=(100, 30)):
        await until(lambda: isinstance(app.screen, Explore))
        for topic in ("instruments", "explorer", "presets"):
            app.action_manual()
            await until(lambda: isinstance(app.screen, Manual) and app.screen.query(Markdown))
            app.screen._go(topic)
            app.screen._go("experiment")  # the former page gives way
            app.screen.action_back()
            await until(lambda: isinstance(app.screen, Explore))
        await tutorial(app)
        app.screen._go("presets")
        app.screen._go("glossary")
        page = app.screen.query_one(Markdown)
        await until(lambda: page.source.strip() == TEXTS["glossary"].strip())
        await until(lambda: len(page.query("MarkdownTableContent")) == 1)
    assert app._exception is None


def test_f1_is_free_for_the_manual():
    bound = [
        (one, binding.action)
        for one in declared()
        for binding in Binding.make_bindings(one.BINDINGS)
        if binding.key == "f1"
    ]
    assert sorted(action for _, action in bound) == ["back", "manual"]


# --- examples in Python ---

SMALL = {'"ensemble.references": 20': '"ensemble.references": 2', '"steps": 300': '"steps": 60'}


@pytest.mark.parametrize("topic", ["README", "python"])
def test_examples_in_python_run(topic):
    found = blocks(TEXTS[topic], "python")
    assert len(found) == {"README": 1, "python": 4}[topic]
    for body in found:
        for whole, part in SMALL.items():
            body = body.replace(whole, part)
        exec(compile(body, topic, "exec"), {})


def test_the_map_of_the_page_on_systems_runs(tmp_path, monkeypatch, command):
    body = "\n\n".join(blocks(TEXTS["systems"], "python"))  # the second one depends on the time
    (tmp_path / "mymaps.py").write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tuichaos.common.trust._trusted", set())
    (line,) = [
        line for line in command_lines(TEXTS["systems"]) if "system.name=mymaps:Tent" in line
    ]
    small = ["--set", "steps=600", "--set", "ensemble.references=4", "--quiet"]
    try:
        code, _, err = command(*line[1:], *small, "--out", tmp_path / "run")
        timed = ("--set", "system.name=mymaps:Driven", *small, "--out", tmp_path / "timed")
        assert command("run", "--preset", "quick", *timed)[0] == 0
    finally:
        sys.modules.pop("mymaps", None)
    assert code == 0, err
    assert tuichaos.open_run(tmp_path / "run").summary["lyapunov"]["mean"] > 0.4
    found = tuichaos.open_run(tmp_path / "timed").summary["lyapunov"]["mean"]
    assert found == pytest.approx(math.log(0.9) / 2, abs=1e-3)  # of both, as its matrix turns
