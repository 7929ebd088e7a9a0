"""Hugging Face's parquet: columns, names of classes, shards, bad files, and mutants."""

import io
import json
import random
import sys
from contextlib import suppress

import numpy as np
import pytest
from pickle_attacks import mutated
from PIL import Image

from tinygan.data import check, load, parquet
from tinygan.errors import DataError
from tinygan.random import Stream

pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed: it reads parquet")
pq = pytest.importorskip("pyarrow.parquet", reason="PyArrow has no parquet here")

PIXELS = Stream(0, "parquet").integers((200, 4, 4, 3), 0, 256).astype(np.uint8)
LABELS = Stream(0, "labels").integers((200,), 0, 3).tolist()


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PNGS = [_png(pixels) for pixels in PIXELS]


def _structs(pngs):
    return [{"bytes": data, "path": f"{k}.png"} for k, data in enumerate(pngs)]


def _table(columns, names=None, of="label"):
    table = pa.table(columns)
    if names is None:
        return table
    features = {of: {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    info = json.dumps({"info": {"features": features}}).encode()
    return table.replace_schema_metadata({b"huggingface": info})


@pytest.fixture
def write(tmp_path):
    def write(table, name="set.parquet", **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        pq.write_table(table, path, **options)
        return path

    return write


@pytest.mark.parametrize("options", [{}, {"row_group_size": 30}, {"compression": "gzip"}])
def test_images_labels_and_names_of_classes_are_read(write, options):
    table = _table({"image": _structs(PNGS), "label": LABELS}, ["rose", "tulip", "daisy"])
    found = load(write(table, **options))
    np.testing.assert_array_equal(found.stored, PIXELS)
    assert found.labels.tolist() == LABELS
    assert found.classes == ("rose", "tulip", "daisy")


@pytest.mark.parametrize("image", ["image", "img"])
@pytest.mark.parametrize("label", ["label", "labels", "fine_label"])
@pytest.mark.parametrize("cells", [list, _structs])
def test_usual_names_and_both_forms_of_cells_are_known(write, image, label, cells):
    table = _table({image: cells(PNGS[:9]), label: LABELS[:9], "coarse_label": [7] * 9})
    found = load(write(table))
    np.testing.assert_array_equal(found.stored, PIXELS[:9])
    assert found.labels.tolist() == LABELS[:9]
    assert found.classes == ("0", "1", "2")


def test_images_without_labels_are_read(write):
    found = load(write(_table({"image": _structs(PNGS[:5]), "text": ["x"] * 5})))
    assert (len(found), found.labels, found.classes) == (5, None, ())


SHARDS = (
    "{split}-0000{k}-of-00002.parquet",
    "data/{split}-0000{k}-of-00002-0a1b2c.parquet",
    "{split}/000{k}.parquet",
)


@pytest.mark.parametrize("form", SHARDS)
def test_shards_are_joined_in_order_and_splits_kept_apart(write, tmp_path, form):
    for split, start in (("train", 0), ("test", 100)):
        for k in (1, 0):
            part = slice(start + 50 * k, start + 50 * (k + 1))
            table = _table({"image": _structs(PNGS[part]), "label": LABELS[part]}, list("abc"))
            write(table, form.format(split=split, k=k))
    np.testing.assert_array_equal(load(tmp_path).stored, PIXELS[:100])
    test = load(tmp_path, split="test")
    np.testing.assert_array_equal(test.stored, PIXELS[100:])
    assert test.labels.tolist() == LABELS[100:]
    report = check(tmp_path)
    assert report.ok, report.problems
    assert (report.kind, report.count) == ("parquet folder", 200)


def test_a_missing_shard_or_split_is_named(write, tmp_path):
    table = _table({"image": PNGS[:2]})
    write(table, "train-00001-of-00002.parquet")
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet are not the 00002 shards"):
        load(tmp_path)
    (tmp_path / "train-00001-of-00002.parquet").rename(tmp_path / "train.parquet")
    assert len(load(tmp_path)) == 2
    write(table, "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"train\.parquet are not the 00001 shards of 'train'"):
        load(tmp_path)
    (tmp_path / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"test-00000-of-00001\.parquet or such for split 'test'"):
        load(tmp_path, split="test")
    (tmp_path / "train.parquet").rename(tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=r"mine\.parquet is of no split"):
        load(tmp_path)


def test_shards_with_other_columns_are_refused(write, tmp_path):
    write(_table({"image": PNGS[:2]}), "train-00000-of-00002.parquet")
    write(_table({"img": PNGS[:2]}), "train-00001-of-00002.parquet")
    with pytest.raises(DataError, match="columns differ from those of train-00000"):
        load(tmp_path)


def test_rules_hold_as_in_a_folder(write):
    broken = [PNGS[0], PNGS[1][:40], PNGS[2]]
    path = write(_table({"image": broken, "label": [0, 1, 2]}))
    with pytest.raises(DataError, match=r"set\.parquet/row 1: "):
        load(path)
    found = load(path, on_bad="skip", size=2, channels=1)
    assert found.stored.shape == (2, 2, 2, 1)
    assert found.labels.tolist() == [0, 2]
    assert "row 1" in found.notes[0]
    assert "row 1" in check(path).problems[0]


NONE = pa.array([None, None], pa.binary())


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"picture": PNGS[:2]}, "has columns picture"),
        ({"image": PNGS[:0]}, "holds no rows"),
        ({"image": NONE}, "row 0: holds no image bytes"),
        ({"image": [{"bytes": None, "path": "a.png"}] * 2}, "row 0: holds a path and no bytes"),
        ({"image": [b"", b""]}, "row 0: zero bytes"),
        ({"image": [1, 2]}, "row 0: holds no image bytes"),
        ({"image": ["a.png", "b.png"]}, "row 0: holds no image bytes"),
        ({"image": [b"GIF89a", b"x"]}, "row 0: .*whole PNG"),
        ({"image": PNGS[:2], "label": [0, None]}, "no integer"),
        ({"image": PNGS[:2], "label": [0.0, 1.0]}, "no integer"),
        ({"image": PNGS[:2], "label": ["a", "b"]}, "no integer"),
        ({"image": PNGS[:2], "label": [0, -1]}, "out of range"),
        ({"image": PNGS[:2], "label": [0, 3]}, "out of range; 0 to 2"),
    ],
)
def test_a_bad_table_is_refused_by_name(write, columns, says):
    path = write(_table(columns, list("abc")))
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"info": 3}', b"\xff", b"[" * 100_000])
def test_odd_metadata_mean_numbers_for_names(write, text):
    table = pa.table({"image": PNGS[:2], "label": [0, 1]})
    found = load(write(table.replace_schema_metadata({b"huggingface": text})))
    assert found.classes == ("0", "1")


def test_other_bytes_are_refused_by_name(tmp_path):
    path = tmp_path / "a.parquet"
    for data in (b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"a\.parquet: ") as caught:
            load(path)
        assert str(caught.value).isprintable()


def test_a_row_group_beyond_the_cap_is_refused(write, monkeypatch):
    monkeypatch.setattr(parquet, "_MAX_GROUP", 1000)
    with pytest.raises(DataError, match="a row group of"):
        load(write(_table({"image": PNGS})))


def test_without_pyarrow_the_error_says_what_to_install(write, monkeypatch):
    path = write(_table({"image": PNGS[:2]}))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match="pip install pyarrow"):
        load(path)


def test_no_image_changes_in_any_mutant(write, soak, count):
    """PNG has a checksum, and pages have theirs where the writer left them, as here."""
    table = _table({"image": _structs(PNGS[:6]), "label": list(range(6))}, list("abcdef"))
    path = write(table, write_page_checksum=True, compression="none")
    good, rng, accepted = path.read_bytes(), random.Random(7), 0
    times = 20_000 if soak else 400
    for _ in range(times):
        path.write_bytes(mutated(good, rng))
        with suppress(DataError):
            found = load(path)
            np.testing.assert_array_equal(found.stored, PIXELS[:6])
            assert found.labels is None or found.labels.tolist() == list(range(6))
            accepted += 1
    assert 0 < accepted < 0.6 * times  # statistics and the writer's name are harmless
    count("mutated parquet files, no image or label changed", times)
