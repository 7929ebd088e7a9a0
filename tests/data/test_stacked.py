"""Stacked digits: which images meet in the channels of one, and what can't be stacked."""

import numpy as np
import pytest

from tinygan import data
from tinygan.data.stacked import stack
from tinygan.errors import DataError, OptionError


def test_each_channel_is_an_image_of_the_set_with_the_digit_that_the_label_says():
    digits = data.load("digits:8")
    pairs = zip(digits.stored, digits.labels, strict=True)
    known = {image.tobytes(): int(label) for image, label in pairs}
    stacked = stack(digits, samples=200)
    assert stacked.shape == (3, 8, 8)
    for triple, label in zip(stacked.stored, stacked.labels, strict=True):
        told = [known[np.ascontiguousarray(triple[..., k : k + 1]).tobytes()] for k in range(3)]
        assert int("".join(map(str, told))) == label
        assert stacked.classes[label] == " ".join(map(str, told))


def test_all_thousand_modes_are_there_about_equally_often():
    digits, stacked = data.load("digits:8"), data.load("stacked:digits:8")
    counts = np.bincount(stacked.labels, minlength=1000)
    assert len(stacked) == 64_000
    shares = np.bincount(digits.labels) / len(digits)
    expected = 64_000 * np.einsum("a,b,c->abc", shares, shares, shares).ravel()
    assert (abs(counts - expected) < 6 * expected**0.5).all()  # six deviations of Poisson counts


def test_a_seed_determines_the_triples():
    digits = data.load("digits:8")
    one, again, other = (stack(digits, samples=50, seed=s) for s in (1, 1, 2))
    assert one.hash == again.hash != other.hash


def test_what_can_not_be_stacked_is_told():
    with pytest.raises(DataError, match="takes labelled grey images"):
        data.load("stacked:ring")
    with pytest.raises(DataError, match="takes labelled grey images"):
        stack(data.load("digits:8", channels=3))
    with pytest.raises(OptionError, match="use 1 or more"):
        stack(data.load("digits:8"), samples=0)
