"""Zips of images: stylegan's labels, folders as classes, splits, hostile zips, and mutants."""

import io
import json
import random
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from pickle_attacks import mutated
from PIL import Image

from tinygan.data import _zip, check, load
from tinygan.data.dataset_json import parse_labels
from tinygan.errors import DataError
from tinygan.random import Stream

PIXELS = Stream(0, "zip").integers((6, 4, 4, 3), 0, 256).astype(np.uint8)


def _encoded(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _labels(*pairs):
    return "dataset.json", json.dumps({"labels": [list(pair) for pair in pairs]})


NAMES = [f"0000{k % 2}/img{k:08d}.png" for k in range(6)]  # shards, which are not classes
IMAGES = list(zip(NAMES, map(_encoded, PIXELS), strict=True))
ORDER = sorted(range(6), key=NAMES.__getitem__)
STYLEGAN = [*IMAGES, _labels(*((name, k) for k, name in enumerate(NAMES)))]


@pytest.fixture
def write(tmp_path):
    def write(*members, compression=zipfile.ZIP_STORED, comment=b""):
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members:
                archive.writestr(name, data)
            archive.comment = comment
        return path

    return write


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"made by someone"])
def test_stylegans_zip_gives_images_and_labels_in_order_of_names(write, compression, comment):
    found = load(write(*STYLEGAN[::-1], compression=compression, comment=comment))
    np.testing.assert_array_equal(found.stored, PIXELS[ORDER])
    assert found.labels.tolist() == ORDER
    assert found.classes == tuple("012345")


def test_a_folder_with_stylegans_labels_is_read_alike(tmp_path):
    for name, data in STYLEGAN:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    found = load(tmp_path)
    assert found.labels.tolist() == ORDER
    assert check(tmp_path).ok
    (tmp_path / "dataset.json").write_text('{"labels": [["a.png", 1]]}')
    with pytest.raises(DataError, match=r"dataset\.json: .* is an image without a label"):
        load(tmp_path)


def test_labels_that_are_null_mean_none(write):
    found = load(write(*IMAGES, ("dataset.json", '{"labels": null}')))
    assert (found.labels, found.classes) == (None, ())


def test_windows_separators_in_labels_are_understood(write):
    pairs = [(name.replace("/", "\\"), 2) for name in NAMES]
    assert load(write(*IMAGES, _labels(*pairs))).labels.tolist() == [2] * 6


def test_folders_are_classes_where_there_are_no_labels(write):
    names = ["top/rose/b.png", "top/aster/c.png", "top/rose/deep/a.png"]
    extra = [("top/", b""), ("top/LICENSE.txt", b"free"), ("__MACOSX/top/rose/._b.png", b"x")]
    found = load(write(*extra, *zip(names, map(_encoded, PIXELS[:3]), strict=True)))
    assert found.classes == ("aster", "rose")
    assert found.labels.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(found.stored, PIXELS[[1, 0, 2]])


def test_images_without_folders_have_no_labels(write):
    assert load(write(("a.png", IMAGES[0][1]), ("b/c.png", IMAGES[1][1]))).labels is None


def test_train_and_test_folders_are_splits(write):
    names = ["train/a/1.png", "train/b/1.png", "test/a/1.png"]
    path = write(*zip(names, map(_encoded, PIXELS[:3]), strict=True))
    assert load(path).labels.tolist() == [0, 1]
    np.testing.assert_array_equal(load(path, split="test").stored, PIXELS[2:3])
    assert check(path).count == 3


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"lossless": True}), ("BMP", {})])
def test_other_lossless_formats_give_their_pixels(write, kind, options):
    found = load(write((f"a.{kind.lower()}", _encoded(PIXELS[0], kind, **options))))
    np.testing.assert_array_equal(found.stored[0], PIXELS[0])


def test_rules_hold_as_in_a_folder(write):
    wide, ink = _encoded(PIXELS[0, :, :2]), io.BytesIO()
    Image.fromarray(PIXELS[0]).convert("CMYK").save(ink, "JPEG")
    path = write(("a.png", IMAGES[0][1]), ("b.png", wide), ("c.jpg", ink.getvalue()))
    with pytest.raises(DataError, match=r"b\.png: 2 x 4 where a\.png is 4 x 4; state a size"):
        load(path)
    with pytest.raises(DataError, match=r"c\.jpg: CMYK"):
        load(path, size=2)
    assert load(path, size=2, channels=1, on_bad="convert").stored.shape == (3, 2, 2, 1)
    skipped = load(path, size=2, on_bad="skip")
    assert len(skipped) == 2
    assert "c.jpg" in skipped.notes[0]


def test_a_skipped_image_takes_its_label_along(write):
    broken = [(name, data if k else data[:40]) for k, (name, data) in enumerate(IMAGES)]
    found = load(write(*broken, STYLEGAN[-1]), on_bad="skip")
    assert found.labels.tolist() == [k for k in ORDER if k]


def test_check_names_what_is_wrong_inside(write):
    report = check(write(*STYLEGAN[:-1], ("empty.png", b"")))
    assert (report.kind, report.count) == ("image zip", 6)
    assert [line for line in report.problems if "empty.png: zero bytes" in line]
    assert check(write(*STYLEGAN)).lines[-1].startswith("classes: 0 (1)")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting"),
        ("[]", "has no labels"),
        ('{"label": []}', "has no labels"),
        ('{"labels": {"a": 1}}', "no list of pairs"),
        ('{"labels": [["a.png"]]}', "no list of pairs"),
        ('{"labels": [[1, "a.png"]]}', "no list of pairs"),
        ('{"labels": [["a.png", 0]]}', "'b.png' is an image without a label"),
        ('{"labels": [["a.png", 0], ["b.png", 1], ["c.png", 1]]}', "has a label but no image"),
        ('{"labels": [["a.png", 0], ["b.png", 1], ["a.png", 1]]}', "one image twice"),
        ('{"labels": [["a.png", 0], ["b.png", 0.5]]}', "no integer"),
        ('{"labels": [["a.png", 0], ["b.png", true]]}', "no integer"),
        ('{"labels": [["a.png", 0], ["b.png", [0, 1]]]}', "no integer"),
        ('{"labels": [["a.png", 0], ["b.png", null]]}', "no integer"),
        ('{"labels": [["a.png", 0], ["b.png", -1]]}', "out of range; 0 to 99999"),
        ('{"labels": [["a.png", 0], ["b.png", 1e999]]}', "no integer"),
        ('{"labels": [["a.png", 0], ["b.png", 99999999999999999999]]}', "out of range"),
        ("[" * 100_000, "recursion"),
    ],
    ids=lambda part: part[-30:],
)
def test_a_bad_dataset_json_is_refused_by_name(write, text, says):
    path = write(("a.png", IMAGES[0][1]), ("b.png", IMAGES[1][1]), ("dataset.json", text))
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path / "dataset.json") in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_dataset_json_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="utf-8"):
        parse_labels(b"\xff\xff\xff", [], tmp_path)


def _patched(write, offset, value, *, signature=b"PK\1\2", width="<H"):
    """Overwrite a field of the last directory entry, or of another record."""
    path = write(*STYLEGAN)
    data = bytearray(path.read_bytes())
    struct.pack_into(width, data, data.rindex(signature) + offset, value)
    path.write_bytes(data)
    return path


HOSTILE = {
    "cut": (lambda write: write(*STYLEGAN).read_bytes()[:-30], "no end record"),
    "cut in its middle": (lambda write: write(*STYLEGAN).read_bytes()[:300], "no end record"),
    "count": (lambda write: _patched(write, 10, 6, signature=b"PK\5\6"), "directory is damaged"),
    "encrypted": (lambda write: _patched(write, 8, 1), "encrypted"),
    "lzma": (lambda write: write(*STYLEGAN, compression=zipfile.ZIP_LZMA), "oddly compressed"),
    "huge size": (lambda write: _patched(write, 24, 1 << 31, width="<L"), "impossible size"),
    "false size": (lambda write: _patched(write, 24, 300, width="<L"), r"dataset\.json: "),
    "false sum": (lambda write: _patched(write, 16, 7, width="<L"), "CRC"),
    "offset": (lambda write: _patched(write, 42, 1 << 30, width="<L"), "dataset.json|set.zip"),
    "huge directory": (
        lambda write: _patched(write, 12, 1 << 31, width="<L", signature=b"PK\5\6"), "over 128 MiB",
    ),
    "control characters": (lambda write: write(("a\x1b[2J.png", b"x")), "control characters"),
    "climbing name": (lambda write: write(("../../a.png", b"x")), "no relative path"),
    "absolute name": (lambda write: write(("/etc/a.png", b"x")), "no relative path"),
    "no images": (lambda write: write(("a.txt", b"x")), "no image files"),
    "empty": (lambda write: write(), "no image files"),
    "bomb": (
        lambda write: write(("a.bmp", bytes(3 << 20)), compression=zipfile.ZIP_DEFLATED),
        "unpacks to 0.0 GiB",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_by_name(write, tmp_path, monkeypatch, name):
    monkeypatch.setattr("tinygan.data._guard.LIMIT_BYTES", 1 << 20)
    make, says = HOSTILE[name]
    made = make(write)
    path = tmp_path / "set.zip"
    if isinstance(made, bytes):
        path.write_bytes(made)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_two_entries_of_one_name_are_refused(write):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write(IMAGES[0], IMAGES[0])
    with pytest.raises(DataError, match="two entries of one name"):
        load(path)


def test_entries_that_share_their_bytes_are_refused(write):
    """The overlapping bomb: many directory entries, one content."""
    names = [f"{k}.bmp" for k in range(9)]
    path = write(*((name, bytes(5000)) for name in names))
    data = path.read_bytes()
    directory = data.index(b"PK\1\2")
    shared = bytearray(data[: data.index(b"PK\3\4", 1)] + data[directory:])
    at = -1
    while (at := shared.find(b"PK\1\2", at + 1)) >= 0:
        shared[at + 42 : at + 46] = bytes(4)
    end = shared.index(b"PK\5\6")
    struct.pack_into("<L", shared, end + 16, len(shared) - 22 - (len(data) - 22 - directory))
    path.write_bytes(shared)
    with pytest.raises(DataError, match="share their bytes"):
        load(path)


def test_many_entries_are_counted_by_the_longer_record(write, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)  # so that the zip64 record is written
    path = write(*STYLEGAN)
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.rindex(b"PK\5\6") + 8, 0xFFFF, 0xFFFF)
    path.write_bytes(data)
    assert load(path).labels.tolist() == ORDER
    struct.pack_into("<Q", data, data.rindex(b"PK\6\6") + 32, 8)
    path.write_bytes(data)
    with pytest.raises(DataError, match="directory is damaged"):
        load(path)


def test_arrays_in_a_zip_are_still_an_npz(tmp_path):
    np.savez(tmp_path / "set.zip.npz", images=PIXELS)
    path = (tmp_path / "set.zip.npz").rename(tmp_path / "set.zip")
    np.testing.assert_array_equal(load(path).stored, PIXELS)
    assert check(path).kind == "npz"


@pytest.mark.parametrize("on_bad", ["error", "skip"])
def test_no_image_or_label_changes_in_any_mutant(write, on_bad, soak, count):
    path = write(*STYLEGAN)
    good, rng, accepted = path.read_bytes(), random.Random(6), 0
    times = 20_000 if soak else 400
    for _ in range(times):
        path.write_bytes(mutated(good, rng))
        with suppress(DataError):
            found = load(path, on_bad=on_bad)
            kept = [found.labels.tolist().index(label) for label in ORDER if label in found.labels]
            assert kept == list(range(len(found)))  # each label once, in order
            np.testing.assert_array_equal(found.stored, PIXELS[found.labels])
            assert len(found) + len(found.notes) == 6
            accepted += 1
    assert 0 < accepted < times * (0.3 if on_bad == "error" else 0.9)
    count("mutated zips of images, no image or label changed", times)


def test_the_directory_is_bounded_in_bytes():
    assert _zip.MAX_DIRECTORY // 80 > 1_281_167  # ImageNet's training set fits


def test_a_real_zip_of_ten_classes_is_read(real_data):
    found = load(real_data / "cifar10-jpeg" / "cifar10-test-jpeg.zip")
    assert found.stored.shape == (10_000, 32, 32, 3)
    assert found.classes[0] == "airplane"
    assert np.bincount(found.labels).tolist() == [1000] * 10
