"""Loading by name and path: the digits, sizes in names, kinds told by content, bad arguments."""

import numpy as np
import pytest

from tinygan.data import Dataset, load
from tinygan.errors import DataError, OptionError


def test_digits_are_the_1797_of_uci():
    digits = load("digits")
    assert (len(digits), digits.shape, digits.classes) == (1797, (1, 8, 8), tuple("0123456789"))
    assert np.bincount(digits.labels).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip
    assert digits.labels[:10].tolist() == list(range(10))
    assert "CC BY 4.0" in digits.source
    first_row = [0, 0, 5, 13, 9, 1, 0, 0]  # of the published file
    np.testing.assert_array_equal(digits.arrays[0, 0, 0], np.array(first_row) / 8 - 1)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_digits_come_at_three_sizes_within_the_range(size):
    digits = load(f"digits:{size}")
    assert digits.arrays.shape == (1797, 1, size, size)
    assert digits.arrays.dtype == np.float32
    assert digits.arrays.min() >= -1
    assert digits.arrays.max() <= 1
    means = digits.arrays.mean(axis=(1, 2, 3))  # resizing keeps what is bright and what is dark
    assert np.corrcoef(means, load("digits").arrays.mean(axis=(1, 2, 3)))[0, 1] > 0.98


def test_an_explicit_size_wins_over_the_name():
    assert load("digits:32", size=16, channels=3).shape == (3, 16, 16)


def test_a_changed_digits_file_is_refused(monkeypatch):
    monkeypatch.setattr("tinygan.data.digits.SHA256", "0" * 64)
    with pytest.raises(DataError, match="install it again"):
        load("digits")


def test_what_is_not_there_is_named_with_what_is(tmp_path):
    with pytest.raises(DataError, match=r"nonesuch: no such .* digits fashion-mnist ring"):
        load(tmp_path / "nonesuch")


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,2,3")
    with pytest.raises(DataError, match="of no known kind"):
        load(path)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 5000}, "1 to 4096"),
        ({"channels": 2}, "channels=2"),
        ({"split": "valid"}, "train or test"),
        ({"on_bad": "ignore"}, "error, skip or convert"),
    ],
)
def test_bad_arguments_are_named(argument, says):
    with pytest.raises(OptionError, match=says):
        load("digits", **argument)


def test_the_hash_sees_pixels_labels_and_shape():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    labels = np.array([0, 1])
    base = Dataset("a", pixels, labels)
    others = [
        Dataset("a", pixels, labels[::-1].copy()),
        Dataset("a", pixels),
        Dataset("a", pixels[::-1], labels),
        Dataset("a", pixels.reshape(2, 4, 1, 3), labels),
    ]
    assert base.hash == Dataset("b", pixels.copy(), labels.copy()).hash
    assert len({base.hash, *(other.hash for other in others)}) == 5
