"""Random parts of larger images: what they are, what they depend on, and what is refused."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from tinygan.data import Batches, Crops, load
from tinygan.errors import CheckpointError, DataError, OptionError
from tinygan.random import Stream

SIDE = 8


def coordinates(h, w, mark):
    """An image whose pixels say where they are, and in which image."""
    y, x = np.mgrid[:h, :w]
    return np.stack([y, x, np.full_like(y, mark)], -1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for mark, (h, w) in enumerate([(20, 30), (30, 12), (8, 8), (9, 40)]):
        Image.fromarray(coordinates(h, w, mark)).save(tmp_path / f"{mark}.png")
    return tmp_path


def where(part):
    """Read off a part (3, S, S) in [-1, 1] where it was cut: image, top, left, mirrored."""
    y, x, mark = np.rint((part + 1) * 127.5).astype(int)
    assert (mark == mark[0, 0]).all()
    mirrored = x[0, 0] > x[0, -1]
    x = x[:, ::-1] if mirrored else x
    np.testing.assert_array_equal(y, y[0, 0] + np.arange(SIDE)[:, None] + 0 * x)
    np.testing.assert_array_equal(x, x[0, 0] + np.arange(SIDE)[None] + 0 * y)
    return int(mark[0, 0]), int(y[0, 0]), int(x[0, 0]), bool(mirrored)


def test_parts_lie_anywhere_in_each_image_and_every_other_is_mirrored(folder):
    batches = Batches(load(folder, crop=SIDE), 4, seed=1)
    found = [where(part) for _ in range(400) for part in next(batches)]
    for mark, (h, w) in enumerate([(20, 30), (30, 12), (8, 8), (9, 40)]):
        own = [at for at in found if at[0] == mark]
        assert len(own) == 400  # each image once an epoch
        assert {at[1] for at in own} == set(range(h - SIDE + 1))
        assert {at[2] for at in own} == set(range(w - SIDE + 1))
    mirrored = sum(at[3] for at in found)
    assert abs(mirrored - 800) < 5 * 20  # five deviations of a fair coin


def test_a_batch_larger_than_the_set_takes_several_parts_of_each_image(folder):
    batches = Batches(load(folder, crop=SIDE), 8, seed=1)
    found = [where(part) for part in next(batches)]
    assert sorted(at[0] for at in found) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert batches.per_epoch == 1
    assert next(Batches(load(folder, crop=SIDE), 7, seed=1)).shape == (7, 3, SIDE, SIDE)


def test_without_mirror_no_part_is_mirrored(folder):
    batches = Batches(load(folder, crop=SIDE, mirror=False), 4, seed=1)
    assert not any(where(part)[3] for _ in range(20) for part in next(batches))


def test_parts_are_a_function_of_seed_and_cursor(folder):
    dataset = load(folder, crop=SIDE)
    one, other = (Batches(dataset, 2, seed=5) for _ in range(2))
    straight = [next(one) for _ in range(6)]
    for _ in range(4):
        next(other)
    resumed = Batches(dataset, 2, seed=5)
    resumed.restore(other.state())
    np.testing.assert_array_equal(straight[4], next(resumed))
    np.testing.assert_array_equal(straight[5], next(resumed))
    assert (next(Batches(dataset, 2, seed=6)) != straight[0]).any()


def test_without_random_numbers_an_image_stands_for_its_middle(folder):
    dataset = load(folder, crop=SIDE)
    assert dataset.shape == (3, SIDE, SIDE)
    assert [where(part) for part in dataset.arrays] == [
        (0, 6, 11, False), (1, 11, 2, False), (2, 0, 0, False), (3, 0, 16, False),
    ]  # fmt: skip


def test_the_hash_covers_what_lies_outside_the_middles(folder):
    before = load(folder, crop=SIDE)
    assert before.hash == load(folder, crop=SIDE).hash
    assert before.hash != load(folder, crop=SIDE, mirror=False).hash
    pixels = coordinates(20, 30, 0)
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(folder / "0.png")
    after = load(folder, crop=SIDE)
    np.testing.assert_array_equal(before.stored, after.stored)
    assert before.hash != after.hash
    batches, changed = Batches(before, 2, seed=0), Batches(after, 2, seed=0)
    with pytest.raises(CheckpointError, match="dataset"):
        changed.restore(batches.state())


def test_a_zip_can_be_cropped_and_labels_stay(folder, tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i, name in enumerate(["0.png", "1.png", "3.png"]):
            archive.write(folder / name, f"class{i % 2}/{name}")
    dataset = load(path, crop=SIDE)
    assert isinstance(dataset, Crops)
    assert dataset.labels.tolist() == [0, 0, 1]
    assert dataset.shape == (3, SIDE, SIDE)


def test_an_image_smaller_than_the_crop_is_named_with_what_fits(folder):
    with pytest.raises(DataError, match=r"1\.png: 12 x 30 is smaller than the crop of 16: .* 12 "):
        load(folder, crop=16)


def test_images_of_other_channels_are_named(folder):
    Image.fromarray(coordinates(20, 20, 0)[..., 0]).save(folder / "9.png")
    with pytest.raises(DataError, match=r"9\.png: 1 channels where 0\.png has 3"):
        load(folder, crop=SIDE)
    assert load(folder, crop=SIDE, channels=3).shape == (3, SIDE, SIDE)


def test_images_of_different_sizes_need_a_size_or_a_crop(folder):
    with pytest.raises(DataError, match="state a size or crop"):
        load(folder)


@pytest.mark.parametrize(
    ("spec", "more", "says"),
    [
        ("digits", {"crop": 8}, "a folder, a zip or parquet of image files can be cropped"),
        ("FOLDER", {"crop": 8, "size": 8}, "one of the two fits"),
        ("FOLDER", {"crop": 0}, "use 1 to 4096 pixels"),
    ],
)
def test_crops_that_do_not_fit_are_refused(folder, spec, more, says):
    with pytest.raises(OptionError, match=says):
        load(folder if spec == "FOLDER" else spec, **more)


def test_unreadable_files_are_left_out_when_asked(folder):
    (folder / "5.png").write_bytes(b"no image")
    dataset = load(folder, crop=SIDE, on_bad="skip")
    assert len(dataset) == 4
    assert "5.png" in dataset.notes[0]


def test_a_stream_serves_one_batch_after_the_other(folder):
    dataset = load(folder, crop=SIDE)
    rows, stream = np.array([0, 1, 3]), Stream(3, "crops")
    first, second = dataset.at_random(rows, stream), dataset.at_random(rows, stream)
    assert (first != second).any()
