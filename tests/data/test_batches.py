"""Batches: every sample once an epoch, purity, resume, refusals."""

import json

import numpy as np
import pytest

from tinygan.data import Batches, Dataset, load
from tinygan.errors import CheckpointError, DataError, OptionError


def _numbered(n=10):
    stored = np.arange(n, dtype=np.uint8).repeat(12).reshape(n, 2, 2, 3)
    return Dataset("numbered", stored, np.arange(n), tuple("0123456789"[:n]))


def _ids(x):
    return np.rint((x[:, 0, 0, 0].astype(np.float64) + 1) * 127.5).astype(int).tolist()


def test_an_epoch_shows_every_sample_once_and_drops_the_rest():
    batches = Batches(_numbered(10), 3, seed=0)
    for _ in range(4):
        seen = [i for _ in range(3) for i in _ids(next(batches))]
        assert len(set(seen)) == 9
    assert batches.epoch == 4


def test_epochs_and_seeds_differ_in_order():
    batches, other = Batches(_numbered(), 10, seed=0), Batches(_numbered(), 10, seed=1)
    orders = {tuple(_ids(next(batches))) for _ in range(5)} | {tuple(_ids(next(other)))}
    assert len(orders) == 6


def test_labels_belong_to_their_images_and_share_the_cursor():
    batches = Batches(_numbered(), 4, seed=0)
    pairs = batches.with_labels()
    for _ in range(3):
        x, y = next(pairs)
        assert _ids(x) == y.tolist()
    assert batches.cursor == 3
    assert y.dtype == np.int64


def test_batches_are_float32_in_channels_last_memory():
    x = next(Batches(_numbered(), 4, seed=0))
    assert (x.dtype, x.shape) == (np.float32, (4, 3, 2, 2))
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("name", ["digits", "ring"])
def test_a_restored_cursor_goes_on_with_the_same_batches(name):
    data = load(name)
    straight = Batches(data, 700, seed=3)
    expected = [next(straight) for _ in range(9)]
    first = Batches(data, 700, seed=3)
    for _ in range(4):
        next(first)
    saved = json.loads(json.dumps(first.state()))
    resumed = Batches(data, 700, seed=3)
    resumed.restore(saved)
    for x in expected[4:]:
        np.testing.assert_array_equal(next(resumed), x)


def test_toys_are_sampled_anew_and_without_a_largest_batch():
    batches = Batches(load("ring"), 20_000, seed=0)
    first, second = next(batches), next(batches)
    assert first.shape == (20_000, 2)
    assert not np.any(first == second)
    batches.cursor = 0
    np.testing.assert_array_equal(next(batches), first)


@pytest.mark.parametrize("size", [0, -1, 11])
def test_a_batch_that_does_not_fit_is_refused(size):
    with pytest.raises(OptionError, match="numbered: use 1 to 10"):
        Batches(_numbered(), size, seed=0)


def test_unlabelled_data_give_no_labels():
    with pytest.raises(DataError, match="no labels"):
        Batches(Dataset("bare", np.zeros((4, 2), np.float32)), 2, seed=0).with_labels()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (Batches(_numbered(), 4, seed=1), "seed"),
        (Batches(_numbered(), 5, seed=0), "batch_size"),
        (Batches(_numbered(9), 4, seed=0), "dataset"),
    ],
)
def test_a_state_of_other_batches_is_refused(other, says):
    with pytest.raises(CheckpointError, match=f"saved with {says}"):
        other.restore(Batches(_numbered(), 4, seed=0).state())


@pytest.mark.parametrize("cursor", [-1, "7", None])
def test_a_cursor_that_is_no_count_is_refused(cursor):
    batches = Batches(_numbered(), 4, seed=0)
    with pytest.raises(CheckpointError, match="cursor"):
        batches.restore({**batches.state(), "cursor": cursor})


def test_a_state_without_a_field_is_refused():
    with pytest.raises(CheckpointError, match="no 'cursor'"):
        Batches(_numbered(), 4, seed=0).restore({})
