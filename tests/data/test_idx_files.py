"""IDX readers: good files of each kind, every inconsistency, and mutants."""

import gzip
import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tinygan.data import idx, load
from tinygan.errors import DataError
from tinygan.random import Stream


def _idx(array, code=0x08):
    header = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def _images(n=5, h=3, w=4):
    return Stream(0, "images").integers((n, h, w), 0, 256).astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def mnist_like(write, tmp_path):
    for prefix, n in (("train", 7), ("t10k", 4)):
        write(f"{prefix}-images-idx3-ubyte.gz", gzip.compress(_idx(_images(n))))
        write(f"{prefix}-labels-idx1-ubyte", _idx((np.arange(n) % 10).astype(np.uint8)))
    return tmp_path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_idx_file_is_read_plain_and_packed(write, pack):
    images = _images()
    np.testing.assert_array_equal(idx.read_idx(write("a", pack(_idx(images)))), images)


@pytest.mark.parametrize(
    ("code", "dtype"), [(9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_every_idx_dtype_is_read_in_native_order(write, code, dtype):
    values = np.array([[-3, 2], [1, 77]], dtype)
    found = idx.read_idx(write("a", _idx(values, code)))
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


def test_a_folder_gives_each_split_with_its_labels(mnist_like):
    train, test = load(mnist_like), load(mnist_like, split="test")
    assert (len(train), len(test), train.shape) == (7, 4, (1, 3, 4))
    assert train.labels.tolist() == list(range(7))
    expected = _images(7)[:, None].astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(train.arrays, expected, atol=6e-8)
    assert train.arrays.dtype == np.float32


def test_names_with_a_dot_are_found_too(write):
    write("train-images.idx3-ubyte", _idx(_images(3)))
    folder = write("train-labels.idx1-ubyte", _idx(np.arange(3, dtype=np.uint8))).parent
    assert len(load(folder)) == 3


def test_a_single_file_takes_the_labels_beside_it(mnist_like):
    path = mnist_like / "t10k-images-idx3-ubyte.gz"
    assert load(path).labels is None  # the labels beside it are not packed
    labels = (mnist_like / "t10k-labels-idx1-ubyte").read_bytes()
    (mnist_like / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    assert load(path).labels.tolist() == [0, 1, 2, 3]


GOOD = _idx(_images())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\0\0\x08", "magic"),
        (b"\0\0\x07\x03" + GOOD[4:], "magic 00000703"),
        (b"\0\x01\x08\x03" + GOOD[4:], "no known kind|magic"),
        (b"\0\0\x08\x00" + GOOD[4:], "0 dimensions"),
        (b"\0\0\x08\xff" + GOOD[4:], "255 dimensions"),
        (GOOD[:11], "header"),
        (GOOD[:-1], "can't hold|only 59"),
        (GOOD + b"\0", "more found"),
        (b"\0\0\x08\x03" + b"\xff" * 12 + GOOD[16:], "can't hold"),
        (gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12, mtime=0), "can't hold"),
        (gzip.compress(GOOD, mtime=0)[:-9], "ended|only"),
        (gzip.compress(GOOD, mtime=0)[:-5] + b"\0\0\0\0\0", "CRC|incorrect|length|end"),
        (_idx(np.zeros((0, 3, 4), np.uint8)), "some, with"),
        (_idx(np.zeros(5, np.uint8)), "uint8 images"),
        (_idx(np.zeros((2, 3, 4), ">f4"), 13), "float32"),
    ],
    ids=lambda part: part if isinstance(part, str) else "file",  # bytes make unreadable names
)
def test_a_bad_image_file_is_refused_by_name(write, data, says):
    path = write("images.idx", data)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_packed_bomb_stops_at_the_memory_limit(write, monkeypatch):
    monkeypatch.setattr("tinygan.data._guard.LIMIT_BYTES", 10_000)
    zeros = np.zeros((10, 40, 40), np.uint8)
    with pytest.raises(DataError, match="GiB"):
        load(write("bomb.gz", gzip.compress(_idx(zeros))))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.arange(6, dtype=np.uint8), "6 labels for 7 images"),
        (np.full(7, 10, np.uint8), "out of range; 0 to 9"),
        (np.zeros((7, 1), np.uint8), r"integers \(N,\)"),
    ],
)
def test_labels_that_do_not_belong_are_refused(mnist_like, labels, says):
    (mnist_like / "train-labels-idx1-ubyte").write_bytes(_idx(labels))
    with pytest.raises(DataError, match=says):
        load(mnist_like)


def test_a_missing_labels_file_is_named(mnist_like):
    (mnist_like / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        load(mnist_like, split="test")


def _mutant(data, stream):
    """Change one or more bytes, cut the end or double a part."""
    changed = bytearray(data)
    kind = int(stream.integers(1, 0, 4)[0])
    at = int(stream.integers(1, 0, len(data))[0])
    if kind == 0:
        del changed[at:]
    elif kind == 1:
        changed[at:at] = changed[at : at + 7]
    else:  # more often in the header, where the structure is
        at = at if kind == 2 else at % 20
        changed[at] ^= 1 << int(stream.integers(1, 0, 8)[0])
    return bytes(changed)


def test_mutants_of_plain_files_keep_every_byte_or_are_refused(tmp_path):
    path, stream = tmp_path / "mutant", Stream(1, "mutants")
    accepted = 0
    for _ in range(600):
        data = _mutant(GOOD, stream)
        path.write_bytes(data)
        with suppress(DataError):
            images = idx.read_images(path)
            accepted += 1
            assert data[:4] in (b"\0\0\x08\x03", b"\0\0\x08\x04")
            assert data.endswith(images.tobytes())
            assert len(data) == 4 + 4 * data[3] + images.size
    assert 0 < accepted < 400


def test_mutants_of_packed_files_give_the_same_images_or_are_refused(tmp_path):
    path, stream = tmp_path / "mutant.gz", Stream(2, "mutants")
    packed = gzip.compress(GOOD, mtime=0)
    accepted = 0
    for _ in range(600):
        path.write_bytes(_mutant(packed, stream))
        with suppress(DataError):
            np.testing.assert_array_equal(idx.read_images(path)[..., 0], _images())
            accepted += 1
    assert 0 < accepted < 300  # a changed time stamp is harmless


def _real_data():
    folder = os.environ.get("TINYGAN_TEST_DATA")
    if not folder:
        pytest.skip("TINYGAN_TEST_DATA is unset: it names the folder with the real data")
    return Path(folder)


def test_mnist_has_its_published_mean_and_deviation():
    mnist = load(_real_data() / "mnist")
    assert mnist.stored.shape == (60_000, 28, 28, 1)
    share = np.bincount(mnist.stored.ravel(), minlength=256) / mnist.stored.size
    value = np.arange(256) / 255
    mean = share @ value
    assert round(mean, 5) == 0.13066
    assert round((share @ (value - mean) ** 2) ** 0.5, 5) == 0.30811
    assert np.bincount(mnist.labels).tolist()[:3] == [5923, 6742, 5958]


def test_mnist_is_served_at_32_pixels():
    mnist = load(_real_data() / "mnist", size=32, split="test")
    assert mnist.stored.shape == (10_000, 32, 32, 1)
    assert mnist.labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.parametrize("split", ["train", "test"])
def test_fashion_mnist_comes_from_its_package_or_says_which_is_missing(split, monkeypatch):
    from tinygan.data.catalog import FASHION_FOLDER

    if FASHION_FOLDER.is_dir():
        fashion = load("fashion-mnist", split=split)
        assert set(np.bincount(fashion.labels)) == {6000 if split == "train" else 1000}
        assert fashion.classes[9] == "Ankle boot"
    monkeypatch.setattr("tinygan.data.catalog.FASHION_FOLDER", Path("/absent"))
    with pytest.raises(DataError, match="dataset-fashion-mnist"):
        load("fashion-mnist", split=split)
