"""Which samples a step sees, known for any step without those before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tuichaos.systems.batches import Batches

SHUFFLE = Batches(seed=3, count=10, size=4)


def test_an_epoch_sees_every_sample_once_and_its_last_batch_is_short():
    assert SHUFFLE.steps_an_epoch == 3
    for epoch in range(5):
        seen = [SHUFFLE.at(3 * epoch + k) for k in range(3)]
        assert [len(batch) for batch in seen] == [4, 4, 2]
        assert sorted(np.concatenate(seen)) == list(range(10))
    assert not np.array_equal(SHUFFLE.at(0), SHUFFLE.at(3))


def test_a_short_batch_can_be_left_out():
    dropping = dataclasses.replace(SHUFFLE, drop_last=True)
    assert dropping.steps_an_epoch == 2
    assert {len(dropping.at(k)) for k in range(8)} == {4}


@pytest.mark.parametrize("sampling", ["shuffle", "independent"])
def test_a_step_does_not_depend_on_what_was_asked_before(sampling):
    one = dataclasses.replace(SHUFFLE, sampling=sampling)
    again = dataclasses.replace(SHUFFLE, sampling=sampling)
    late = again.at(1000).copy()
    for k in range(40):
        one.at(k)
    assert np.array_equal(one.at(1000), late)


@pytest.mark.parametrize("sampling", ["shuffle", "independent"])
def test_noise_of_its_own_differs_between_references(sampling):
    common = dataclasses.replace(SHUFFLE, sampling=sampling)
    own = dataclasses.replace(common, noise="own")
    assert np.array_equal(common.at(5, reference=0), common.at(5, reference=1))
    found = {tuple(own.at(5, reference)) for reference in range(20)}
    assert len(found) > 15


def test_samples_that_are_drawn_independently_come_equally_often():
    one = Batches(seed=1, count=5, size=10, sampling="independent")
    seen = np.concatenate([one.at(k) for k in range(2000)])
    share = np.bincount(seen, minlength=5) / len(seen)
    assert np.abs(share - 0.2).max() < 4 * np.sqrt(0.2 * 0.8 / len(seen))
    other = dataclasses.replace(one, seed=2)
    assert not np.array_equal(one.at(0), other.at(0))
