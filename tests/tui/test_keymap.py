"""Other keys for the explorer, by config.toml."""

from __future__ import annotations

import pytest

from tuichaos.common.errors import InputError
from tuichaos.config.explorer_settings import Config, config_path, read_config
from tuichaos.config.presets import preset
from tuichaos.tui.app import Explorer
from tuichaos.tui.keymap import BY_GROUP
from tuichaos.tui.widgets.help import rows

SMALL = {"ensemble.references": 2, "ensemble.twins": 1, "steps": 20}


def explorer(**keys):
    return Explorer(
        preset("quick", SMALL), Config(keys={k.replace("__", "."): v for k, v in keys.items()})
    )


def test_every_binding_has_a_name_of_its_own():
    explorer(app__quit="f9")  # all screens are loaded
    names = [binding.id for group in BY_GROUP.values() for binding in group]
    assert len(names) > 60
    assert len(set(names)) == len(names)
    assert {"explore.run", "explore.lr-down", "atlas.zoom", "runs.delete", "app.quit"} <= set(names)


async def test_another_key_does_it_and_the_former_one_does_not():
    app = explorer(explore__settings="f5,D")
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        panel = app.screen.query_one("Settings")
        shown = panel.display
        await pilot.press("d")
        await pilot.pause()
        assert panel.display == shown
        await pilot.press("D")
        await pilot.pause()
        assert panel.display != shown
        await pilot.press("f5")
        await pilot.pause()
        assert panel.display == shown
        keys = dict(rows(app.screen.active_bindings.values()))
        assert {app.get_key_display(one.binding) for one in keys["drawer"]} == {"D", "f5"}


async def test_two_keys_can_change_places():
    app = explorer(explore__runs="d", explore__settings="o")
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        panel = app.screen.query_one("Settings")
        shown = panel.display
        await pilot.press("o")
        await pilot.pause()
        assert panel.display != shown


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"explore.runn": "f5"}, "keys.explore.runn: there is no such key binding; .*explore.run"),
        ({"explore.run": "banana"}, "keys.explore.run: there is no key 'banana'"),
        ({"explore.run": "hold+a"}, "no modifier 'hold'"),
        ({"explore.run": "o"}, "keys.explore.run: o is the key of explore.runs"),
        ({"explore.run": "q"}, "keys.explore.run: q is the key of app.quit"),
        ({"app.quit": "o"}, "keys.app.quit: o is the key of "),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(keys, words):
    with pytest.raises(InputError, match=words):
        Explorer(preset("quick", SMALL), Config(keys=keys))


def test_the_file_names_them_and_a_fault_is_one_line():
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text('[keys]\n"explore.run" = "f5"\n')
    assert read_config().keys == {"explore.run": "f5"}
    config_path().write_text('[keys]\n"explore.run" = 5\n')
    with pytest.raises(InputError, match=r"keys.explore.run: must be a key such as .*, not 5"):
        read_config()
