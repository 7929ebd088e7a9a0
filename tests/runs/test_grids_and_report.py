"""Grids, GIFs, curves and the report page."""

import base64
import html.parser
import re

import numpy as np
import pytest
from PIL import Image

from tinygan.errors import ShapeError
from tinygan.runs.curves import curves_png, nice_ticks, panels_of, save_curves
from tinygan.runs.grids import make_grid, png_bytes, save_gif, save_png, scatter, to_uint8
from tinygan.runs.report import report_html, write_report
from tinygan.runs.rundir import RunDirectory


def constant_images(count, channels=1, height=3, width=4):
    """Image number n is n everywhere."""
    x = np.arange(count, dtype=np.float32).reshape(count, 1, 1, 1)
    return np.broadcast_to(x, (count, channels, height, width))


def test_images_are_laid_out_as_torchvision_does():
    grid = make_grid(constant_images(5), nrow=3, padding=2, value_range=(0, 10), pad_value=0.7)
    assert grid.shape == (3, 2 * 5 + 2, 3 * 6 + 2)
    expected = np.full((12, 20), 0.7, np.float32)
    expected[2:5, 2:6], expected[2:5, 8:12], expected[2:5, 14:18] = 0, 0.1, 0.2
    expected[7:10, 2:6], expected[7:10, 8:12] = 0.3, 0.4
    for channel in grid:
        np.testing.assert_allclose(channel, expected, rtol=1e-6)


def test_rows_are_no_longer_than_there_are_images():
    assert make_grid(constant_images(2), nrow=8, padding=1).shape == (3, 5, 11)
    assert make_grid(constant_images(4), nrow=2, padding=0).shape == (3, 6, 8)


def test_a_single_image_has_no_padding():
    for x in (np.zeros((1, 1, 3, 4)), np.zeros((1, 3, 4)), np.zeros((3, 4)), np.zeros((3, 3, 4))):
        assert make_grid(x).shape == (3, 3, 4)


def test_the_value_range_is_stated_and_values_outside_are_clipped():
    x = np.array([-3, -1, 0, 1, 3], np.float32).reshape(1, 1, 1, 5)
    np.testing.assert_allclose(make_grid(x)[0], [[0, 0, 0.5, 1, 1]])
    np.testing.assert_allclose(make_grid(x, value_range=(0, 1))[0], [[0, 0, 0, 1, 1]])
    np.testing.assert_allclose(make_grid(x * 0.01)[0, 0, 2:4], [0.5, 0.505])  # no stretching


def test_colours_keep_their_channels():
    x = np.stack([np.full((3, 2, 2), -1.0), np.arange(12).reshape(3, 2, 2) / 12])
    grid = make_grid(x, padding=0)
    np.testing.assert_allclose(grid[:, :, 2:], (x[1] + 1) / 2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 2, 4, 4), (0, 1, 4, 4), (4,), (1, 1, 1, 4, 4)])
def test_other_shapes_are_refused_by_name(shape):
    with pytest.raises(ShapeError, match=re.escape(str(shape))):
        make_grid(np.zeros(shape))


def test_bytes_are_rounded_to_nearest_and_clipped():
    values = np.array([0, 0.5 / 255 + 1e-4, 1, 2, -1, np.nan, np.inf]).reshape(1, 1, 7)
    assert to_uint8(values)[0, :, 0].tolist() == [0, 1, 255, 255, 0, 0, 0]


def test_png_files_hold_the_pixels(tmp_path):
    image = np.random.default_rng(0).random((3, 5, 7), np.float32)
    save_png(tmp_path / "x.png", image)
    with Image.open(tmp_path / "x.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), to_uint8(image))


def test_gifs_have_a_frame_for_each_picture_of_the_first_size(tmp_path):
    frames = []
    for index, size in enumerate([(6, 6), (6, 6), (9, 9), (6, 6)]):
        frames.append(tmp_path / f"{index}.png")
        save_png(frames[-1], np.full((3, *size), index / 4))
    save_gif(tmp_path / "x.gif", frames, ms=100)
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.size == (6, 6)
        assert picture.n_frames == 3
        assert picture.info["loop"] == 0
    save_gif(tmp_path / "none.gif", [])
    assert not (tmp_path / "none.gif").exists()


def test_points_are_drawn_where_they_lie():
    image = scatter(np.array([[1.0, 1.0]]), size=100, limits=(-2, 2))
    dark = np.argwhere(image[0] < 1)
    assert dark.min(axis=0).tolist() == [23, 74]  # y upwards: 3/4 of the way up is row 24
    assert dark.max(axis=0).tolist() == [25, 76]


def test_points_outside_or_not_finite_are_left_out():
    points = np.array([[9.0, 0.0], [np.nan, 0.0], [0.0, -np.inf], [1.5, 1.5]])
    assert scatter(points).min() == 1.0
    with pytest.raises(ShapeError, match=re.escape("(3, 4)")):
        scatter(np.zeros((3, 4)))


# -- curves ------------------------------------------------------------------------------------

ROWS = [{"step": s, "d_loss": 1 / s, "g_loss": 0.1 * s, "fid": 50.0 - s} for s in range(1, 40)]


def test_losses_share_a_panel_and_other_numbers_have_their_own():
    rows = [*ROWS, {"step": 40, "note": "text", "seconds": 3.0}]
    assert panels_of(rows) == {"losses": ["d_loss", "g_loss"], "fid": ["fid"]}


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (-0.3, 0.31, [-0.2, 0, 0.2]),
        (1e-9, 1.1e-9, [1e-9, 1.02e-9, 1.04e-9, 1.06e-9, 1.08e-9, 1.1e-9]),
        (7, 7, [7]),
        (0, float("inf"), [0]),
    ],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks, rel=1e-9, abs=1e-12)


def pixels(rows, panels=None):
    import io

    with Image.open(io.BytesIO(curves_png(rows, panels))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def blue(image):
    """The first series' colour."""
    return np.argwhere((np.abs(image - [0x1F, 0x6F, 0xB4]).sum(axis=2)) < 30)


def test_a_rising_curve_rises():
    found = blue(pixels([{"step": s, "x": s} for s in range(50)], {"": ["x"]}))
    left, right = found[found[:, 1] < 100], found[found[:, 1] > 680]
    assert left[:, 0].min() > right[:, 0].max() + 100


def test_gaps_and_values_that_are_not_finite_are_passed_over():
    rows = [*ROWS, {"step": 40, "fid": None}, {"step": 41, "fid": float("inf")}, {"fid": 3.0}]
    np.testing.assert_array_equal(pixels(rows), pixels(ROWS))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"step": 1}],
        [{"step": 1, "x": 0.0}],
        [{"step": s, "x": 1e300 * (-1) ** s} for s in range(9)],
        [{"step": s, "x": 3.0} for s in range(9)],
        [{"step": s, "x": True} for s in range(3)],
    ],
)
def test_degenerate_rows_still_give_a_picture(rows):
    assert pixels(rows).shape[1] == 720


def test_curves_are_written_as_png(tmp_path):
    save_curves(tmp_path / "curves.png", ROWS)
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (720, 440)


# -- report ------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.sources, self.text = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def run(tmp_path):
    run = RunDirectory.create(tmp_path, "digits", "dcgan")
    run.write_config({"recipe": "dcgan", "data": "<script>alert(1)</script>", "g": {"lr": 2e-4}})
    run.write_environment(backend="cpp")
    for row in ROWS:
        run.append_row(row)
    run.append_row({"step": 9, "fd_digits": 12.5, "protocol": {"n_real": 500}}, "metric-fd")
    run.append_row({"step": 7, "message": 'D < G & "collapse"'}, "alarms")
    save_png(run.path / "reals.png", np.zeros((3, 4, 4)))
    for step in (None, *range(10, 300, 10)):
        save_png(run.fakes_path(step), np.full((3, 4, 4), (step or 0) / 300))
    return run


def test_the_report_shows_pictures_curves_metrics_configuration_and_alarms(run):
    page = Page(write_report(run).read_text())
    assert page.sources
    for source in page.sources:
        kind, data = source.split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")
    assert len(page.sources) == 1 + 12 + 1  # reals, samples, curves
    for text in ("fakes_init", "fakes000290", "metric-fd", "fd_digits", "12.5", "n_real", "0.0002",
                 'step 7: D < G & "collapse"', "backend", "00000-digits-dcgan"):  # fmt: skip
        assert text in page.text, text


def test_texts_of_the_run_are_escaped(run):
    page = Page(report_html(run))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


def test_an_empty_run_still_has_a_report(tmp_path):
    run = RunDirectory.create(tmp_path, "moons", "gan")
    (run.path / "config.json").write_text("{")
    assert "00000-moons-gan" in Page(report_html(run)).text


def test_png_bytes_are_deterministic():
    image = np.random.default_rng(1).random((3, 9, 9))
    assert png_bytes(image) == png_bytes(image)
