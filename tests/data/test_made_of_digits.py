"""Painted, captioned, moving and slanted digits, and halves: what is in them is what labels say."""

import numpy as np
import pytest

from tinygan import data
from tinygan.data import captions, domains, moving
from tinygan.data.painted import COLOURS, painted
from tinygan.errors import DataError, OptionError
from tinygan.random import Stream

GREY = data.load("digits:8")
INK = np.rint((GREY.stored[..., 0] + 1) * 127.5).astype(np.uint8)
KNOWN = {image.tobytes(): int(label) for image, label in zip(INK, GREY.labels, strict=True)}
SPECS = ("painted", "captioned", "moving", "slanted", "half-inverted", "half-edges")


def test_a_painted_image_is_its_ink_in_the_colour_of_its_label():
    found = data.load("painted:digits:8")
    assert found.shape == (3, 8, 8)
    for image, ink, label in zip(found.stored, INK, found.labels, strict=True):
        rgb = COLOURS[found.classes[label]]
        for channel, on in enumerate(rgb):
            assert np.array_equal(image[..., channel], ink if on else 0 * ink)
    assert np.bincount(found.labels).min() > 0.2 * len(found)


def test_every_caption_is_read_back_and_no_two_are_the_same():
    assert len(set(captions.CAPTIONS)) == 120
    assert [captions.parse(text) for text in captions.CAPTIONS] == list(range(120))
    assert captions.caption(2, 0, 7) == "two red sevens"
    assert captions.caption(3, 3, 6) == "three yellow sixes"
    words = captions.tokens(np.arange(120))
    told = [" ".join(captions.WORDS[k] for k in row) for row in words]
    assert tuple(told) == captions.CAPTIONS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("two red sevns", "no word 'sevns': perhaps sevens"),
        ("two purple sevens", "no word 'purple': there are one red"),
        ("two red seven", "COUNT COLOUR DIGIT fits, perhaps 'two red sevens'"),
        ("", "COUNT COLOUR DIGIT fits"),
    ],
)
def test_what_is_no_caption_is_told_in_one_line(text, says):
    with pytest.raises(OptionError, match=says) as error:
        captions.parse(text)
    assert "\n" not in str(error.value)


def test_pictures_show_the_count_the_colour_and_the_digit_of_their_captions():
    found = captions.captioned(GREY, per_caption=3)
    assert found.shape == (3, 8, 24)
    for image, label in zip(found.stored, found.labels, strict=True):
        cells = image.reshape(8, 3, 8, 3).transpose(1, 0, 2, 3)
        written = [cell for cell in cells if cell.any()]
        tints = [name for name, rgb in COLOURS.items() if _is_of(written[0], rgb)]
        digits = {KNOWN[np.ascontiguousarray(cell.max(-1)).tobytes()] for cell in written}
        assert len(tints) == len(digits) == 1
        assert not cells[len(written) :].any()  # from the left
        tint, digit = list(COLOURS).index(tints[0]), digits.pop()
        assert found.classes[label] == captions.caption(len(written), tint, digit)


def _is_of(cell, rgb):
    return np.array_equal(cell, cell.max(-1, keepdims=True) * np.array(rgb, np.uint8))


def test_a_mismatched_caption_is_another_and_half_differ_in_one_word_alone():
    numbers = np.arange(12_000) % 120
    other = captions.mismatched(numbers, Stream(0, "test"))
    assert (other != numbers).all()
    assert other.min() >= 0
    assert other.max() < 120
    parts = np.array(captions.PARTS)
    one = (parts[other] != parts[numbers]).sum(1) == 1
    random_ones = (2 + 3 + 9) / 119  # of those drawn from all others
    expected = 0.5 + 0.5 * random_ones
    assert abs(one.mean() - expected) < 6 * (expected * (1 - expected) / 12_000) ** 0.5


def test_a_film_is_one_digit_that_moves_straight_on_and_bounces():
    films = moving.moving(GREY, films=60)
    assert films.shape == (8, 16, 16)
    for film, label in zip(films.stored, films.labels, strict=True):
        places = []
        for t in range(8):
            frame = film[..., t]
            ys, xs = np.nonzero(frame)
            spots = [
                (y, x)
                for y in range(max(0, ys.max() - 7), min(8, ys.min()) + 1)
                for x in range(max(0, xs.max() - 7), min(8, xs.min()) + 1)
                if KNOWN.get(frame[y : y + 8, x : x + 8].tobytes()) == label
            ]
            assert len(spots) == 1
            places.append(spots[0])
        steps = abs(np.diff(np.array(places), axis=0))
        assert steps.max() <= 2  # a quarter of 8 pixels
        assert steps.any()


def test_places_go_to_the_wall_and_back():
    place = moving._bounce(np.arange(10), 3)
    assert place.tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]


def test_slanted_digits_have_the_slant_of_their_labels_and_keep_their_rows():
    found = data.load("slanted:digits:16")
    wanted = np.array(list(domains.SLANTS.values()))[found.labels]
    slants = domains.slant_of(found.stored[..., 0])
    # a shear moves rows by fractions of a pixel: linear interpolation keeps sums and means of a
    # row, so moments are exact but for ink that leaves the picture and for rounding to bytes
    assert np.median(abs(slants - wanted)) < 1e-3
    assert np.quantile(abs(slants - wanted), 0.99) < 0.1
    plain = (data.load("digits:16").stored[..., 0] + 1) * 127.5
    assert np.median(abs(found.stored[..., 0].sum(2) - plain.sum(2))) < 8  # 16 pixels, half each


def test_a_slant_is_measured_by_moments():
    ink = np.zeros((3, 5, 5))
    ink[0, :, 2] = 1
    ink[1, np.arange(5), 4 - np.arange(5)] = 1  # one column to the right a row upwards
    assert domains.slant_of(ink).tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["half-inverted", "half-edges"])
def test_halves_are_disjoint_and_one_is_as_it_was(name):
    found, plain = data.load(f"{name}:digits:8"), GREY.stored
    changed = found.labels == 1
    assert abs(changed.sum() - len(found) / 2) <= 1
    assert np.array_equal(found.stored[~changed], plain[~changed])
    assert (found.stored[changed] != plain[changed]).any((1, 2, 3)).all()
    if name == "half-inverted":
        assert np.array_equal(found.stored[changed], -plain[changed])


@pytest.mark.parametrize("spec", SPECS)
def test_a_set_is_the_same_every_time(spec):
    one, again = (data.load(f"{spec}:digits:8") for _ in range(2))
    assert one.hash == again.hash


def test_another_seed_makes_another_set():
    assert painted(GREY, seed=1).hash != painted(GREY).hash


@pytest.mark.parametrize("spec", SPECS)
def test_what_does_not_fit_is_refused_in_one_line(spec):
    with pytest.raises(DataError, match=r"it takes .*images; these are") as error:
        data.load(f"{spec}:ring")
    assert "\n" not in str(error.value)


def test_captions_need_all_ten_digits():
    few = data.Dataset("few", GREY.stored, np.zeros(len(GREY), np.int64), GREY.classes)
    with pytest.raises(OptionError, match="images of the ten digits fit"):
        captions.captioned(few)
