"""The table at the end of a run: intervals that are points, and counts that are means."""

from __future__ import annotations

import re

from tuichaos.reports import run_report


def rows_of(run):
    return {row.measure.strip(): row for row in run_report.rows(run)}


def test_an_interval_within_the_digits_shown_is_no_pair_of_equal_numbers(simulate):
    cat = {"system.name": "cat", "steps": 60, "measure.regime": False}
    run = simulate({**cat, "ensemble.references": 4, "measure.discard": 30})
    shown = rows_of(run)["tangent, steps 30–60"]
    assert not re.search(r"\[(\S+), \1\]", str(run_report.rows(run)))
    assert (shown.value, shown.interval) == ("0.962", "to these digits")
    assert len(run.summary["lyapunov"]["ci95"]) == 2  # which stays a pair of numbers
    assert run_report.between([0.6931, 0.6931]) == "to these digits"
    assert run_report.between([0.6, 0.7]) == "[0.600, 0.700]"


def test_counts_of_a_spectrum_are_said_to_be_means(simulate):
    cat = {"system.name": "cat", "steps": 200, "measure.regime": False}
    cat["measure.spectrum"] = True
    two, one = (rows_of(simulate({**cat, "ensemble.references": k})) for k in (2, 1))
    assert (two["above 0, of 2"].value, two["above 0, of 2"].count) == ("1.00", "mean of 2")
    assert (one["above 0, of 2"].value, one["above 0, of 2"].count) == ("1", "1 reference")
    assert two["sum of all"].count == "mean of 2"


def test_a_noise_floor_that_was_not_measured_is_not_told(simulate):
    few = {"ensemble.references": 3, "ensemble.twins": 1, "steps": 1}
    lost = simulate({**few, "system.name": "maps:Undefined", "measure.tangent": False})
    words = [line for line in run_report.remarks(lost) if line.startswith("noise floor")]
    assert words == ["noise floor: not measured: diverged at step 1"]
    words = list(run_report.remarks(simulate(few)))
    assert "noise floor: 0 (an unperturbed twin stayed put for 1 step)" in words
