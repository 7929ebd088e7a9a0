"""Sheets hold the pictures that they say, where they say, and answers are scored."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics import sheets
from tinygan.metrics.sheets import blind_sheet, neighbour_sheet, score_answers, template_sheet


def flat(values, size=28, channels=1):
    """Give images of one value each; the value as a byte is exact."""
    values = np.asarray(values) / 127.5 - 1
    return np.broadcast_to(values[:, None, None, None], (len(values), channels, size, size)).astype(
        np.float32
    )


def cell(sheet, row, column, size=56):
    """Give the cell's pixels by the layout: padding 4, 16 after the first column."""
    top, left = 4 + row * (size + 4), 4 + column * (size + 4) + (12 if column else 0)
    return sheet[top : top + size, left : left + size]


def test_each_fake_stands_beside_its_nearest_training_images():
    train = flat([0, 50, 100, 150, 200, 250])
    sheet = neighbour_sheet(flat([98, 251]), train, k=3)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (2 * 60 + 4, 4 * 60 + 16, 3)
    for row, expected in enumerate([(98, 100, 50, 150), (251, 250, 200, 150)]):
        for column, value in enumerate(expected):
            assert (cell(sheet, row, column) == value).all()
    assert (sheet[:, 60:76] == 255).all()  # the gap


def test_distances_are_taken_in_the_features_where_they_are_given():
    train = flat([0, 50, 100])
    found = neighbour_sheet(
        flat([0]),
        train,
        k=1,
        query_features=np.array([[7.0]]),
        point_features=np.array([[0.0], [3.0], [6.5]]),
    )
    assert (cell(found, 0, 1) == 100).all()


def test_small_images_are_enlarged_pixel_by_pixel_and_large_ones_kept():
    image = np.arange(64.0).reshape(1, 1, 8, 8) / 127.5 - 1
    sheet = neighbour_sheet(image, image, k=1)
    np.testing.assert_array_equal(cell(sheet, 0, 0)[::7, ::7, 0], np.arange(64).reshape(8, 8))
    large = flat([9], size=100)
    assert neighbour_sheet(large, large, k=1).shape == (108, 2 * 104 + 16, 3)


def test_colour_stays():
    image = np.zeros((1, 3, 56, 56)) + np.array([-1.0, 0.0, 1.0])[:, None, None]
    found = cell(neighbour_sheet(image, image, k=1), 0, 1)
    assert found[0, 0].tolist() == [0, 128, 255]


def test_a_row_a_class_holds_its_mean_and_the_fakes_nearest_to_it():
    real = flat([10, 20, 200, 220])
    labels = np.array([4, 4, 7, 7])
    sheet = template_sheet(real, labels, flat([205, 14, 90]), k=2)
    for row, expected in enumerate([(15, 14, 90), (210, 205, 90)]):
        for column, value in enumerate(expected):
            assert (cell(sheet, row, column) == value).all()


def test_template_distances_can_be_taken_in_features():
    real, labels = flat([10, 20]), np.zeros(2, int)
    found = template_sheet(
        real,
        labels,
        flat([15, 99]),
        k=1,
        real_features=np.array([[1.0], [3.0]]),
        fake_features=np.array([[9.0], [2.0]]),
    )
    assert (cell(found, 0, 1) == 99).all()


def test_a_blind_sheet_holds_reals_and_fakes_as_its_key_says():
    real, fake = flat(range(40)), flat(range(100, 140))
    sheet = blind_sheet(real, fake, count=21, columns=6, seed=3)
    assert sheet.is_fake.sum() == 11
    assert sheet.picture.shape == (4 * 74 + 4, 6 * 60 + 4, 3)
    for i, (is_fake, source) in enumerate(zip(sheet.is_fake, sheet.source, strict=True)):
        top, left = 4 + i // 6 * 74 + 12, 4 + i % 6 * 60
        expected = source + 100 * is_fake
        assert (sheet.picture[top : top + 56, left : left + 56] == expected).all()


def test_no_image_comes_twice_and_order_follows_the_seed():
    real, fake = flat(range(30)), flat(range(100, 130))
    first, again, other = (blind_sheet(real, fake, count=40, seed=s) for s in (0, 0, 1))
    assert first.picture.tobytes() == again.picture.tobytes()
    assert first.is_fake.tolist() == again.is_fake.tolist()
    assert first.is_fake.tolist() != other.is_fake.tolist()
    assert len({*zip(first.is_fake.tolist(), first.source.tolist(), strict=True)}) == 40


def test_cells_are_numbered():
    def rows(value):
        return [
            "".join("#" if p == 0 else " " for p in row)
            for row in sheets._number(value)[::2, ::2, 0]
        ]

    assert rows(17) == [
        " #  ### ",
        "##    # ",
        " #    # ",
        " #   #  ",
        "###  #  ",
    ]


def test_cells_are_as_wide_as_their_numbers():
    strips = flat([0] * 60, size=60)[..., :4]
    assert blind_sheet(strips, strips, count=100, columns=10).picture.shape[1] == 10 * (24 + 4) + 4


def test_answers_are_scored_against_guessing():
    key = np.array([True] * 10 + [False] * 10)
    said = np.array([True] * 8 + [False] * 2 + [True] + [False] * 9)
    found = score_answers(said.tolist(), key)
    assert (found.fake, found.real) == (0.8, 0.9)
    assert found.overall.accuracy == 0.85
    assert found.overall.n == 20
    # P(17 or more of 20 coins) = (1140 + 190 + 20 + 1) / 2^20
    assert found.overall.p_value == pytest.approx(1351 / 2**20)


def test_guessing_is_no_evidence():
    key = np.tile([True, False], 50)
    assert score_answers(np.ones(100, bool), key).overall.p_value > 0.5


def test_bad_sheets_are_refused_in_one_line():
    x = flat([1, 2, 3])
    with pytest.raises(ShapeError, match="one size"):
        neighbour_sheet(x, flat([1], size=8))
    with pytest.raises(ShapeError, match="1 or 3"):
        neighbour_sheet(x[:, 0], x)
    with pytest.raises(OptionError, match="k=4"):
        neighbour_sheet(x, x, k=4)
    with pytest.raises(OptionError, match="finite"):
        neighbour_sheet(x, x * np.nan)
    with pytest.raises(OptionError, match=r"\[-1, 1\]"):
        blind_sheet(x, x + 2)
    with pytest.raises(OptionError, match="neither"):
        neighbour_sheet(x, x, k=1, query_features=np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="a row for each"):
        neighbour_sheet(x, x, k=1, query_features=np.zeros((2, 2)), point_features=np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="labels"):
        template_sheet(x, np.zeros(2, int), x)
    with pytest.raises(OptionError, match="half"):
        blind_sheet(x, x, count=8)
    with pytest.raises(ShapeError, match="answers"):
        score_answers([True], np.array([True, False]))
    with pytest.raises(OptionError, match="both"):
        score_answers([True], np.array([True]))
