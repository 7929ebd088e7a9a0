"""CIFAR in every published form: binary, pickled by Python 2 and 3, packed, and each bad file."""

import gzip
import pickle
import random
import warnings
from contextlib import suppress

import cifar_files as cf
import numpy as np
import pytest
from pickle_attacks import mutated

from tinygan.data import check, load
from tinygan.errors import DataError

ROWS = np.concatenate([cf.rows(3, k) for k in range(5)])
LABELS = [label for k in range(5) for label in cf.labels(3, seed=k)]


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(data)
        return path

    return write


@pytest.fixture(params=["binary", "pickled"])
def files(request):
    return cf.binary_files() if request.param == "binary" else cf.pickled_files()


@pytest.fixture(params=["folder", "tar.gz", "tar"])
def source(request, files, write, tmp_path):
    if request.param != "folder":
        mode = "w:gz" if request.param == "tar.gz" else "w"
        shuffled = [files[k] for k in (3, 6, 5, 1, 0, 4, 2)]  # the published order isn't sorted
        extra = ("readme.html", b"<html>" + b" " * 2000)
        return write(f"cifar.{request.param}", cf.tar([extra, *shuffled], mode))
    for name, data in files:
        write(name, data)
    return tmp_path


def test_training_batches_are_joined_in_order_with_names_of_classes(source):
    found = load(source)
    np.testing.assert_array_equal(found.stored, cf.images(ROWS))
    assert found.labels.tolist() == LABELS
    assert found.classes == cf.NAMES


def test_the_test_split_is_the_test_batch(source):
    found = load(source, split="test")
    np.testing.assert_array_equal(found.stored, cf.images(cf.rows(3, 5)))
    assert found.labels.tolist() == cf.labels(3, seed=5)


def test_size_and_channels_are_honoured(source):
    assert load(source, size=16, channels=1).shape == (1, 16, 16)


def test_check_describes_both_splits(source):
    report = check(source)
    assert report.ok, report.problems
    assert report.count == 18
    assert any(line.startswith("test: 3 images of 32 x 32, 3 channels") for line in report.facts)


def test_the_python_2_pickle_of_these_tests_is_one_to_python_too():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy 2 remarks on the old module's name
        batch = pickle.loads(cf.python2_batch(ROWS, LABELS), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], ROWS)
    assert batch[b"labels"] == LABELS


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("key", ["data", b"data"])
def test_batches_saved_again_by_python_3_are_read(write, protocol, as_array, key):
    other = "labels" if isinstance(key, str) else b"labels"
    batch = {key: ROWS, other: np.array(LABELS) if as_array else LABELS}
    found = load(write("again", pickle.dumps(batch, protocol)))
    np.testing.assert_array_equal(found.stored, cf.images(ROWS))
    assert found.labels.tolist() == LABELS


def test_an_array_in_fortran_order_keeps_its_pixels(write):
    for protocol in (2, 5):
        batch = {"data": np.asfortranarray(ROWS), "labels": LABELS}
        found = load(write("fortran", pickle.dumps(batch, protocol)))
        np.testing.assert_array_equal(found.stored, cf.images(ROWS))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_one_pickled_batch_is_read_plain_and_packed(write, pack):
    found = load(write("data_batch_1", pack(cf.python2_batch(ROWS, LABELS))))
    assert found.labels.tolist() == LABELS
    assert found.classes == tuple(map(str, range(max(LABELS) + 1)))


def test_one_batch_takes_the_names_of_classes_beside_it(write):
    write("batches.meta.txt", dict(cf.binary_files())["batches.meta.txt"])
    assert load(write("test_batch.bin", cf.binary(ROWS, LABELS))).classes == cf.NAMES


def _cifar_100(kind):
    fine, coarse = cf.labels(15, 100), cf.labels(15, 20)
    names = [f"class {k}" for k in range(100)]
    if kind == "binary":
        return fine, [
            ("train.bin", cf.binary(ROWS, coarse, fine)),
            ("test.bin", cf.binary(ROWS[:2], coarse[:2], fine[:2])),
            ("fine_label_names.txt", "\n".join(names).encode()),
        ]
    return fine, [
        ("train", cf.python2(data=ROWS, fine_labels=fine, coarse_labels=coarse)),
        ("test", cf.python2(data=ROWS[:2], fine_labels=fine[:2], coarse_labels=coarse[:2])),
        ("meta", cf.python2(fine_label_names=names, coarse_label_names=["x"])),
    ]


@pytest.mark.parametrize("kind", ["binary", "pickled"])
def test_cifar_100_gives_its_fine_labels(write, tmp_path, kind):
    fine, files = _cifar_100(kind)
    for name, data in files:
        write(name, data)
    found = load(tmp_path)
    np.testing.assert_array_equal(found.stored, cf.images(ROWS))
    assert found.labels.tolist() == fine
    assert found.classes[99] == "class 99"
    assert len(load(tmp_path, split="test")) == 2
    assert load(write(f"copy{'.bin' * (kind == 'binary')}", files[0][1])).labels.tolist() == fine


def test_an_idx_file_whose_name_ends_in_bin_is_still_one(write):
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 5, 5))
    report = check(write("images.bin", header + bytes(range(50))))
    assert (report.kind, report.count) == ("idx", 2)
    assert check(write("data_batch_1.bin", cf.binary(ROWS, LABELS))).kind == "cifar"


def test_folders_called_train_and_test_are_no_batches(tmp_path, write):
    write("train", b"not a batch")
    with pytest.raises(DataError, match="no image files"):
        load(tmp_path)


def _replace(name, data):
    return lambda files: [(n, data if n == name else d) for n, d in files]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda files: files[:2] + files[3:], "data_batch_3.bin missing"),
        (lambda files: files[5:], "no batch of CIFAR's split 'train'"),
        (_replace("data_batch_2.bin", b""), r"data_batch_2\.bin: 0 bytes"),
        (_replace("data_batch_2.bin", b"\1" * 3074), r"3,074 bytes are no rows of 3,073"),
        (_replace("data_batch_2.bin", b"\x0a" * 3073), r"data_batch_2\.bin: a label .* 0 to 9"),
        (_replace("batches.meta.txt", b"cat\ndog"), r"meta\.txt: 2 class names; 10 different"),
        (_replace("batches.meta.txt", b"\xff\n" * 10), "batches.meta.txt"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_set_is_refused_by_name(write, tmp_path, change, says, packed):
    files = change(cf.binary_files())
    path = write("a.tar.gz", cf.tar(files)) if packed else tmp_path
    for name, data in [] if packed else files:
        write(name, data)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


FLOATS = ROWS.astype(np.float32)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ({"labels": LABELS}, "data is missing"),
        ({"data": ROWS}, "no fine_labels"),
        ({"data": FLOATS, "labels": LABELS}, r"data is float32 \(15, 3072\)"),
        ({"data": ROWS[:, :9], "labels": LABELS}, r"data is uint8 \(15, 9\)"),
        ({"data": ROWS[:0], "labels": []}, "no images"),
        ({"data": ROWS, "labels": LABELS[:4]}, "4 labels for 15"),
        ({"data": ROWS, "labels": [10] * 15}, "out of range; 0 to 9"),
        ({"data": ROWS, "labels": [-1] * 15}, "out of range; 0 to 9"),
        ({"data": ROWS, "labels": [True] * 15}, "no integer"),
        ({"data": ROWS, "labels": [1.0] * 15}, "no integer"),
        ({"data": ROWS, "labels": np.ones(15)}, r"float64 \(15,\)"),
        ({"data": ROWS, "labels": "2"}, "no integer"),
        ({"data": ROWS, b"data": ROWS, "labels": LABELS}, "two keys of one name"),
        ([ROWS, LABELS], "no dict"),
    ],
)
def test_a_bad_pickled_batch_is_refused_by_name(write, batch, says):
    path = write("batch", pickle.dumps(batch))
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def _tar_with(change):
    data = bytearray(cf.tar(cf.binary_files(), "w"))
    change(data)
    return bytes(data)


def _huge(data):
    """State 8 GiB for the second file, with the right checksum."""
    start = 512 + 9728  # the first file has 3 rows of 3,073 bytes, in 19 blocks
    data[start + 124 : start + 136] = b"77777777777\0"
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = f"{sum(data[start : start + 512]):06o}\0 ".encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (cf.tar(cf.binary_files() + cf.binary_files()[:1]), "two files data_batch_1.bin"),
        (cf.tar(cf.binary_files())[:-9], "ended|end-of-stream"),
        (cf.tar(cf.binary_files())[:-8] + b"\0" * 8, "CRC"),
        (cf.tar(cf.binary_files(), "w")[:20_000], "ends inside"),
        (_tar_with(lambda data: data.__setitem__(3, 65)), "checksum of a header"),
        (_tar_with(_huge), "more than 1 GiB"),
        (_tar_with(lambda data: data.__setitem__(-1, 1)), "something behind its end"),
        (gzip.compress(b"\0" * 5000), "magic|no known kind"),
    ],
    ids=lambda part: part if isinstance(part, str) else "file",
)
def test_a_bad_archive_is_refused_by_name(write, data, says):
    path = write("cifar.tar.gz", data)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_packed_bomb_stops_at_its_cap(write, monkeypatch):
    monkeypatch.setattr("tinygan.data.tarball.MAX_TOTAL", 1 << 20)
    bomb = cf.tar([("zeros", bytes(1 << 21)), *cf.binary_files()])
    with pytest.raises(DataError, match="tar of more than"):
        load(write("bomb.tar.gz", bomb))
    monkeypatch.setattr("tinygan.data.cifar.MAX_FILE", 1 << 20)
    with pytest.raises(DataError, match="over 256 MiB"):
        load(write("test_batch.bin", bytes(3073 * 400)))
    with pytest.raises(DataError, match="longer than 1048576"):
        load(
            write(
                "b.gz", gzip.compress(cf.python2_batch(np.zeros((400, 3072), np.uint8), [1] * 400))
            )
        )


def test_every_byte_of_an_accepted_mutant_of_a_binary_batch_is_in_its_place(tmp_path):
    """The format has no checksum: lengths and labels are all there is to check."""
    path, stream = tmp_path / "m.bin", random.Random(4)
    accepted = 0
    for _ in range(400):
        data = mutated(cf.binary(ROWS, LABELS), stream)
        path.write_bytes(data)
        with suppress(DataError):
            found = load(path)
            assert max(found.labels) < 10
            stored = found.stored.transpose(0, 3, 1, 2).reshape(-1, 3072)
            assert cf.binary(stored, found.labels) == data
            accepted += 1
    assert 0 < accepted < 350


def test_no_image_changes_in_any_mutant_of_a_packed_archive(tmp_path):
    path, stream = tmp_path / "m.tar.gz", random.Random(5)
    good, accepted = cf.tar(cf.pickled_files(1)), 0
    expected = cf.images(np.concatenate([cf.rows(1, k) for k in range(5)]))
    for _ in range(300):
        path.write_bytes(mutated(good, stream))
        with suppress(DataError):
            np.testing.assert_array_equal(load(path).stored, expected)
            accepted += 1
    assert 0 <= accepted < 30  # a changed time stamp is harmless
