"""NumPy archives: names, layouts, ranges, hostile members, and mutants."""

import io
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from tinygan.data import load
from tinygan.data.npz import read_npz
from tinygan.errors import DataError, OptionError
from tinygan.random import Stream

IMAGES = Stream(0, "images").integers((6, 5, 4, 3), 0, 256).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        path = tmp_path / "set.npz"
        np.savez_compressed(path, **arrays)
        return path

    return save


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("x", "y"), ("arr_0", "arr_1"), ("x_train", "y_train")]
)
def test_usual_names_are_known(save, names):
    found = load(save(**dict(zip(names, (IMAGES, LABELS), strict=True))))
    np.testing.assert_array_equal(found.stored, IMAGES)
    assert found.labels.tolist() == LABELS.tolist()
    assert found.classes == ("0", "1", "2")


def test_split_chooses_among_named_splits(save):
    path = save(x_train=IMAGES, x_test=IMAGES[:2], y_train=LABELS, y_test=LABELS[:2])
    assert len(load(path, split="test")) == 2


@pytest.mark.parametrize("order", ["C", "F"])
def test_channels_first_becomes_channels_last_in_any_order(save, order):
    nchw = np.array(IMAGES.transpose(0, 3, 1, 2), order=order)
    np.testing.assert_array_equal(load(save(images=nchw)).stored, IMAGES)


def test_grey_images_need_no_channel_axis(save):
    assert load(save(images=IMAGES[..., 0])).shape == (1, 5, 4)


def test_16_bit_grey_is_divided_by_257(save):
    wide = np.array([0, 257, 32896, 65535], np.uint16).reshape(1, 2, 2)
    expected = [-1.0, 1 / 127.5 - 1, 128 / 127.5 - 1, 1.0]
    np.testing.assert_allclose(load(save(images=wide)).arrays.ravel(), expected, atol=1e-7)


@pytest.mark.parametrize("stated", [(0, 1), (-1, 1), (0, 255)])
def test_float_images_need_a_stated_range(save, stated):
    low, high = stated
    path = save(images=np.array([low, (low + high) / 2, high, low]).reshape(1, 2, 2))
    with pytest.raises(DataError, match="value_range"):
        load(path)
    np.testing.assert_array_equal(load(path, value_range=stated).arrays.ravel(), [-1, 0, 1, -1])


@pytest.mark.parametrize("value", [1.01, -0.01, np.nan, np.inf])
def test_values_outside_the_stated_range_are_refused(save, value):
    with pytest.raises(DataError, match="outside"):
        load(save(images=np.full((1, 2, 2), value)), value_range=(0, 1))


def test_an_unusual_range_is_an_option_error(save):
    with pytest.raises(OptionError, match="value_range"):
        load(save(images=IMAGES), value_range=(0, 2))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": IMAGES, "lables": LABELS}, "unknown array lables"),
        ({"labels": LABELS}, "no images"),
        ({"images": IMAGES, "x": IMAGES}, "images and x mean the same"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "6 images"),
        ({"images": IMAGES, "labels": LABELS - 1}, "out of range"),
        ({"images": IMAGES, "labels": LABELS * 0.5}, "integers"),
        ({"images": np.zeros((2, 3, 9, 3), np.uint8)}, "first or last"),
        ({"images": np.zeros((2, 5, 9, 2), np.uint8)}, "neither 1 nor 3"),
        ({"images": np.zeros((0, 5, 9, 3), np.uint8)}, "shape"),
        ({"images": np.zeros((2, 5, 5), np.int32)}, "int32"),
        ({"images": np.zeros((2, 5, 5), np.complex64)}, "complex64"),
        ({"images": np.array([{}, None], object)}, "object"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(save, arrays, says):
    path = save(**arrays)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def _zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_a_header_that_lies_about_its_shape_is_refused(tmp_path):
    lying = _npy(IMAGES).replace(b"(6, 5, 4, 3)", b"(9, 5, 4, 3)")
    with pytest.raises(DataError, match="bytes"):
        load(_zip(tmp_path / "a.npz", [("images.npy", lying)]))


def test_a_member_that_is_no_array_is_refused(tmp_path):
    with pytest.raises(DataError, match="magic"):
        load(_zip(tmp_path / "a.npz", [("images.npy", b"hello world")]))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.data._guard.LIMIT_BYTES", 1 << 20)
    bomb = _zip(tmp_path / "a.npz", [("images.npy", _npy(np.zeros((1 << 21, 1, 1), np.uint8)))])
    assert bomb.stat().st_size < 10_000
    with pytest.raises(DataError, match="GiB"):
        load(bomb)


def test_no_array_is_lost_or_changed_in_any_mutant(tmp_path):
    good = tmp_path / "good.npz"
    np.savez_compressed(good, images=IMAGES, labels=LABELS)
    data, path, stream = good.read_bytes(), tmp_path / "mutant.npz", Stream(3, "mutants")
    accepted = 0
    for _ in range(600):
        changed = bytearray(data)
        at, kind, bit = (int(v) for v in stream.integers(3, 0, len(data)))
        if kind % 4 == 0:
            del changed[at:]
        else:
            changed[at] ^= 1 << bit % 8
        path.write_bytes(changed)
        with suppress(DataError):
            found = load(path)
            np.testing.assert_array_equal(found.stored, IMAGES)
            np.testing.assert_array_equal(found.labels, LABELS)
            accepted += 1
    assert 0 < accepted < 200  # a changed time stamp is harmless


def test_the_shipped_digits_are_read_by_the_same_reader():
    from tinygan.data import digits

    assert read_npz(digits._PATH)["images"].max() == 16
