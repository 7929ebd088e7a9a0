"""Rare classes are filled up with samples of a conditional generator."""

from dataclasses import replace

import numpy as np
import pytest

from tinygan import data, nn
from tinygan.data import Dataset
from tinygan.errors import DataError, OptionError
from tinygan.gan import Game, balanced, new_game
from tinygan.recipes import get


class Shade(nn.Module):
    """G(z, y): a picture whose every pixel is -1 + y / 2."""

    def forward(self, z, y):
        ones = np.ones((z.shape[0], 1, 4, 4), np.float32)
        return z.sum() * 0.0 + (ones * (-1 + y / 2)[:, None, None, None]).astype(np.float32)


class Config:
    num_classes = 3


def rare(dtype=np.uint8):
    stored = np.zeros((9, 4, 4, 1), dtype)
    labels = np.array([0] * 5 + [1] * 3 + [2])
    return Dataset("rare", stored, labels, ("a", "b", "c"))


def game_of(config=Config):
    return Game(Shade(), nn.Identity(), None, None, 2, config=config)


def test_each_class_gets_what_the_largest_has_more():
    full = balanced(rare(), game_of())
    assert np.bincount(full.labels).tolist() == [5, 5, 5]
    assert (full.stored[:9] == rare().stored).all()
    assert full.labels[:9].tolist() == rare().labels.tolist()
    assert full.notes == ("6 of the samples are generated",)


@pytest.mark.parametrize(("dtype", "values"), [(np.uint8, (64, 128)), (np.float32, (-0.5, 0.0))])
def test_samples_are_of_their_class_and_in_the_sets_own_numbers(dtype, values):
    full = balanced(rare(dtype), game_of())
    assert full.stored.dtype == dtype
    for label, value in zip((1, 2), values, strict=True):
        new = full.stored[9:][full.labels[9:] == label]
        assert (new == value).all()  # -0.5 is 63.75 of 255, 0 is 127.5: to even


def test_a_number_for_each_class_can_be_asked_for():
    assert np.bincount(balanced(rare(), game_of(), per_class=2).labels).tolist() == [5, 3, 2]
    assert np.bincount(balanced(rare(), game_of(), per_class=7).labels).tolist() == [7, 7, 7]


def test_a_set_that_is_balanced_comes_back_as_it_is():
    even = rare()
    even = replace(even, labels=np.arange(9) % 3)
    assert balanced(even, game_of()) is even


def test_points_of_a_recipe_fill_a_class_and_are_drawn_anew_no_more():
    ring = data.load("ring")
    rows = np.flatnonzero(ring.labels < 8)[:100]
    few = replace(ring, stored=ring.stored[rows], labels=ring.labels[rows])
    recipe = get("cgan")
    game = new_game(recipe, (2,), config=recipe.config(num_classes=8, hidden=8, nz=4))
    full = balanced(few, game, per_class=30)
    assert (np.bincount(full.labels) >= 30).all()
    assert full.toy is None
    again, other = balanced(few, game, per_class=30), balanced(few, game, per_class=30, seed=5)
    assert (again.stored == full.stored).all()
    assert (other.stored != full.stored).any()


def test_data_without_labels_are_refused():
    with pytest.raises(DataError, match="rare has no labels"):
        balanced(replace(rare(), labels=None), game_of())


def test_a_generator_of_other_classes_or_shapes_is_refused():
    with pytest.raises(OptionError, match="a generator of no classes: 3 fit"):
        balanced(rare(), game_of(config=None))
    wide = replace(rare(), stored=np.zeros((9, 4, 5, 1), np.uint8))
    with pytest.raises(OptionError, match="one shape fits"):
        balanced(wide, game_of())
