"""``check`` names every odd or broken file, in one line each."""

import gzip

import numpy as np
import pytest
from PIL import Image

from tinygan.data import check


def _picture(mode="RGB", size=(8, 8), value=100):
    return Image.new("RGB", size, (value, value // 2, 3)).convert(mode)


@pytest.fixture
def folder(tmp_path):
    for k in range(12):
        _picture(value=10 + k).save(tmp_path / f"good{k:02d}.png")
    return tmp_path


def _line(lines, name):
    found = [line for line in lines if name in line]
    assert len(found) == 1, f"{name} is in {len(found)} lines of {lines}"
    return found[0]


def test_a_good_folder_is_ok(folder):
    report = check(folder)
    assert report.ok
    assert report.count == 12
    assert report.lines == ["12 readable images", "sizes: 8 x 8 (12)", "channels: 3 (12)"]


def test_every_bad_file_is_one_problem(folder):
    (folder / "empty.png").write_bytes(b"")
    (folder / "short.png").write_bytes((folder / "good00.png").read_bytes()[:50])
    _picture("CMYK").save(folder / "ink.jpg")
    _picture("P").save(folder / "palette.png")
    _picture("LA").save(folder / "alpha.png")
    report = check(folder)
    assert not report.ok
    for name, says in [
        ("empty.png", "zero bytes"),
        ("short.png", "whole PNG"),
        ("ink.jpg", "CMYK"),
        ("palette.png", "palette"),
        ("alpha.png", "transparency"),
    ]:
        assert says in _line(report.problems, name)


def test_odd_but_readable_files_are_notes(folder):
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999).save(folder / "wide.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    _picture(value=77).save(folder / "turned.jpg", exif=exif)
    _picture(size=(9, 8), value=78).save(folder / "large.png")
    (folder / "zcopy.png").write_bytes((folder / "good03.png").read_bytes())
    report = check(folder)
    assert "16-bit" in " ".join(report.notes)
    assert "EXIF-rotated" in _line(report.notes, "turned.jpg")
    assert "9 x 8, not 8 x 8" in _line(report.notes, "large.png")
    assert "same bytes as good03.png" in _line(report.notes, "zcopy.png")
    assert [line for line in report.problems if "channels differ" in line] == report.problems


def test_classes_are_counted(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
    for k in range(12):
        (folder / f"good{k:02d}.png").rename(folder / ("a" if k < 9 else "b") / f"{k}.png")
    assert "classes: a (9), b (3)" in check(folder).lines


def _idx(array):
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def test_an_idx_folder_reports_both_splits(tmp_path):
    images = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
    images[3] = images[0]
    for prefix in ("train", "t10k"):
        packed = gzip.compress(_idx(images))
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(packed)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(_idx(np.array([0, 1, 1, 1], np.uint8)))
    report = check(tmp_path)
    assert report.kind == "idx folder"
    assert "train: 4 images of 4 x 3, 1 channels, uint8" in report.lines
    assert "train: 2 classes of 1 to 3" in report.lines
    assert "1 image equal to an earlier one" in report.notes[0]
    assert "t10k-labels" in _line(report.problems, "t10k")


def test_an_npz_lists_its_arrays_and_its_problem(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4), np.float32), lables=np.zeros(2, int))
    report = check(tmp_path / "a.npz")
    assert "array images: (2, 4, 4) float32" in report.facts
    assert "unknown array lables" in report.problems[0]


@pytest.mark.parametrize("name", ["absent", "text.txt"])
def test_what_is_no_data_set_is_a_problem_and_no_exception(tmp_path, name):
    (tmp_path / "text.txt").write_text("hello")
    report = check(tmp_path / name)
    assert (report.ok, report.kind, report.count) == (False, "unknown", 0)


@pytest.fixture
def halves(tmp_path):
    """Write folders A and B of images that all have a partner; gives their folder."""
    for side in "AB":
        (tmp_path / side).mkdir()
        for k in range(3):
            Image.new("RGB", (6, 4 + k), (40 * k, 0, 0)).save(tmp_path / side / f"{k}.png")
    return tmp_path


def test_pairs_are_looked_through_and_loaded(halves):
    report = check(f"pairs:{halves}")
    assert report.ok, report.lines
    assert report.kind == "made of others"
    assert report.count == 3
    assert f"A: 3 images of {halves.name}" not in report.facts
    assert "3 samples of 6 x 32 x 32" in report.facts
    assert any("state a size" in note for note in report.notes)


def test_every_file_without_a_partner_is_a_problem(halves):
    (halves / "A" / "0.png").unlink()
    Image.new("RGB", (4, 4)).save(halves / "B" / "more.png")
    report = check(f"pairs:{halves}")
    assert [line.split(": has no partner")[0] for line in report.problems] == [
        str(halves / "B" / "0.png"),
        str(halves / "B" / "more.png"),
    ]


def test_a_damaged_part_is_a_problem_of_the_whole(halves):
    (halves / "A" / "1.png").write_bytes(b"no image")
    for spec in (f"pairs:{halves}", f"unpaired:{halves}", f"edges:{halves}"):
        report = check(spec)
        assert any("1.png" in line for line in report.problems), spec


@pytest.mark.parametrize(
    ("spec", "fact"),
    [
        ("digits:16", "1,797 samples of 1 x 16 x 16"),
        ("ring", "10,000 samples of 2"),
        ("slanted:digits:16", "1,797 samples of 1 x 16 x 16"),
        ("unpaired:digits:16,inverted:digits:16", "B: 1,797 images of inverted-digits"),
    ],
)
def test_sets_by_name_are_loaded(spec, fact):
    report = check(spec)
    assert report.ok, report.lines
    assert fact in report.facts


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("pairs:digits,ring", "two domains of images fit"),
        ("stacked:ring", "ring"),
        ("unpaired:a,b,c", "one folder, or two sets"),
        ("painted:nowhere", "nowhere: no such file"),
    ],
)
def test_what_can_not_be_made_is_a_problem(spec, problem):
    report = check(spec)
    assert any(problem in line for line in report.problems), report.lines
