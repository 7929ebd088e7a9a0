"""Two domains of images: what belongs together, what a batch holds, and what does not fit."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tinygan import data
from tinygan.data.derived import colour, edges, invert
from tinygan.data.pairs import join
from tinygan.errors import DataError, OptionError

RNG = np.random.default_rng(5)


def save(path, size=(8, 8), channels=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 255, (size[1], size[0], channels), dtype=np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return pixels


def part(dataset, n):
    return replace(dataset, stored=dataset.stored[:n], labels=dataset.labels[:n])


def pixels_of(x):
    return np.rint((x + 1.0) * 127.5).astype(np.uint8)


# --- pairs ---


def test_folders_a_and_b_are_matched_by_the_names_of_their_files(tmp_path):
    names = ["x.png", "sub/y.png", "z-1.png"]
    a = {name: save(tmp_path / "A" / name, channels=1) for name in names}
    b = {name: save(tmp_path / "B" / name.replace(".png", ".bmp")) for name in names}
    found = data.load(f"pairs:{tmp_path}")
    assert found.matched
    assert found.shape == (4, 8, 8)
    assert [domain.shape[0] for domain in found.domains] == [1, 3]
    pairs = {x[:1].tobytes(): x[1:].tobytes() for x in pixels_of(found.arrays)}
    for name in names:
        mine, partner = (np.ascontiguousarray(s[name].transpose(2, 0, 1)).tobytes() for s in (a, b))
        assert pairs[mine] == partner


def test_images_side_by_side_are_cut_in_the_middle_and_resized_each(tmp_path):
    whole = save(tmp_path / "p.png", size=(16, 8))
    found = data.load(f"pairs:{tmp_path}")
    assert found.shape == (6, 8, 8)
    (x,) = pixels_of(found.arrays)
    np.testing.assert_array_equal(x[:3], whole[:, :8].transpose(2, 0, 1))
    np.testing.assert_array_equal(x[3:], whole[:, 8:].transpose(2, 0, 1))
    assert data.load(f"pairs:{tmp_path}", size=4).shape == (6, 4, 4)


def test_two_folders_of_other_sizes_need_a_size(tmp_path):
    save(tmp_path / "low/x.png", (4, 4))
    save(tmp_path / "high/x.png", (8, 8))
    spec = f"pairs:{tmp_path}/low,{tmp_path}/high"
    with pytest.raises(DataError, match="low is 4 x 4 and high is 8 x 8: state a size for both"):
        data.load(spec)
    assert data.load(spec, size=8).shape == (6, 8, 8)


@pytest.mark.parametrize("lacks", ["A", "B"])
def test_an_image_without_a_partner_is_named(lacks, tmp_path):
    has = "B" if lacks == "A" else "A"
    for side in "AB":
        save(tmp_path / side / "x.png")
    save(tmp_path / has / "lonely.png")
    with pytest.raises(DataError, match=rf"{has}/lonely\.png: has no partner in .*/{lacks};"):
        data.load(f"pairs:{tmp_path}")


def test_sets_without_names_are_matched_by_number_and_must_be_as_large():
    found = data.load("pairs:digits:8,inverted:digits:8")
    np.testing.assert_allclose(found.arrays[:, 0], -found.arrays[:, 1], atol=1e-6)
    digits = data.load("digits:8")
    with pytest.raises(DataError, match="pairs need as many of both"):
        join(digits, part(digits, 5), matched=True)


def test_an_odd_width_is_no_pair_side_by_side(tmp_path):
    save(tmp_path / "p.png", size=(15, 8))
    with pytest.raises(DataError, match=r"p\.png: 15 pixels wide: two halves"):
        data.load(f"pairs:{tmp_path}")


def test_what_can_not_be_a_pair_is_told(tmp_path):
    with pytest.raises(DataError, match="two domains of images fit; this is Dataset\\('ring'"):
        data.load("unpaired:ring,moons")
    with pytest.raises(DataError, match="a folder with folders A and B"):
        data.load("pairs:digits")
    with pytest.raises(OptionError, match="one folder, or two sets"):
        data.load("pairs:digits,digits,digits")
    with pytest.raises(OptionError, match="without a partner"):
        data.load("pairs:digits,digits", on_bad="skip")
    with pytest.raises(OptionError, match="fit its two domains, and join them then"):
        data.load("pairs:digits:8,digits:8").fitted(4)


# --- unpaired ---


def test_a_set_of_two_classes_is_two_domains(tmp_path):
    for k in range(3):
        save(tmp_path / f"apples/{k}.png")
    for k in range(5):
        save(tmp_path / f"oranges/{k}.png")
    found = data.load(f"unpaired:{tmp_path}")
    assert not found.matched
    assert [(d.name, len(d)) for d in found.domains] == [("apples", 3), ("oranges", 5)]
    with pytest.raises(DataError, match="a set of exactly two classes fits"):
        data.load("unpaired:digits:8")


def test_every_image_of_both_domains_comes_once_in_an_epoch_of_its_own():
    a, b = data.load("digits:8"), invert(data.load("digits:8"))
    fewer = join(a, part(b, 30), matched=False)
    batches = data.Batches(fewer, 10, seed=2)
    served = [next(batches) for _ in range(len(a) // 10)]
    left = Counter(x.tobytes() for x in a.arrays)
    left.subtract(np.ascontiguousarray(x).tobytes() for s in served for x in s[:, :1])
    assert sum(left.values()) == len(a) % 10
    assert min(left.values()) == 0
    known = {x.tobytes() for x in part(b, 30).arrays}
    for k in range(0, 9, 3):  # three batches are an epoch of B
        epoch = {np.ascontiguousarray(x).tobytes() for s in served[k : k + 3] for x in s[:, 1:]}
        assert epoch == known


def test_batches_of_two_domains_go_on_from_a_saved_state():
    found = data.load("unpaired:digits:8,inverted:digits:8")
    one, other = (data.Batches(found, 7, seed=3) for _ in range(2))
    for _ in range(300):  # past the end of an epoch
        next(one)
    other.restore(one.state())
    np.testing.assert_array_equal(next(one), next(other))
    assert next(one).strides[1] == 4  # channels last


def test_a_batch_must_fit_the_smaller_domain():
    found = join(data.load("digits:8"), part(invert(data.load("digits:8")), 5), matched=False)
    with pytest.raises(OptionError, match=r"batch size 6 doesn't fit .*: use 1 to 5"):
        data.Batches(found, 6, seed=0)


def test_the_hash_knows_both_domains_and_whether_they_match():
    a, b = data.load("digits:8"), invert(data.load("digits:8"))
    hashes = {join(a, b, matched=m).hash for m in (True, False)}
    hashes |= {join(b, a, matched=True).hash, join(a, a, matched=True).hash, a.hash}
    assert len(hashes) == 5


# --- derived ---


def test_inverted_is_the_negative():
    digits = data.load("digits:8")
    np.testing.assert_array_equal(invert(digits).arrays, -digits.arrays)
    grey = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(invert(replace(digits, stored=grey)).stored, 255 - grey)


def test_a_coloured_image_is_the_grey_one_in_its_brightest_channel():
    digits = data.load("digits:8")
    coloured = colour(digits)
    np.testing.assert_allclose(coloured.arrays.max(axis=1), digits.arrays[:, 0], atol=1e-6)
    assert (coloured.labels == digits.labels).all()
    on = digits.arrays[:, 0, 4, 4] > -1
    colours = (coloured.arrays[on, :, 4, 4] + 1) / (digits.arrays[on, :, 4, 4] + 1)
    assert colours.std(axis=0).min() > 0.2  # they differ
    with pytest.raises(DataError, match="it takes grey images"):
        colour(coloured)


def test_edges_are_where_canny_has_them():
    # by SciPy's filters, and by definition, pixel for pixel
    photo = RNG.uniform(0, 255, (1, 24, 24, 1))
    photo = ndimage.gaussian_filter(photo, (0, 2, 2, 0)).astype(np.float32)
    photo = ((photo - photo.min()) / np.ptp(photo) * 255).astype(np.uint8)
    smooth = photo[0, :, :, 0] / 255.0
    for axis in (0, 1):
        smooth = ndimage.correlate1d(smooth, [0.25, 0.5, 0.25], axis, mode="nearest")
    gx, gy = (ndimage.sobel(smooth, axis, mode="nearest") / 8.0 for axis in (1, 0))
    slope = np.hypot(gx, gy)
    padded = np.pad(slope, 1)
    expected = np.full((24, 24), 255, np.uint8)
    for y in range(24):
        for x in range(24):
            turn = int(np.rint(np.degrees(np.arctan2(gy[y, x], gx[y, x])) / 45.0)) * 45
            dy, dx = (int(np.rint(f(np.radians(turn)))) for f in (np.sin, np.cos))
            around = padded[y + 1 + dy, x + 1 + dx], padded[y + 1 - dy, x + 1 - dx]
            if slope[y, x] > 0.03 and slope[y, x] >= max(around):
                expected[y, x] = 0
    assert 10 < (expected == 0).sum() < 300
    np.testing.assert_array_equal(edges(photo, threshold=0.03)[0, :, :, 0], expected)


def test_edges_are_paired_with_what_they_are_of():
    found = data.load("edges:digits:16")
    assert found.matched
    assert found.shape == (2, 16, 16)
    np.testing.assert_array_equal(found.domains[1].arrays, data.load("digits:16").arrays)
    assert set(np.unique(found.domains[0].stored)) == {0, 255}
