"""``tinygan interpolate``: traversals of latent dimensions, straight walks, and classes."""

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import main
from tinygan.cli.interpolate import traversal, walk
from tinygan.cli.opening import open_trained
from tinygan.runs.grids import make_grid, to_uint8

TINY = ["--data", "digits:8", "--batch", "8", "--ngf", "4", "--ndf", "4", "--nz", "6"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Give the folders of a run without labels and of one with them."""
    outdir = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(outdir / "cache"))
        for name in ("dcgan", "cgan"):
            flags = ["--steps", "2", "--half-life-kimg", "1", "--outdir", str(outdir)]
            assert main(["train", name, *TINY, *flags]) == 0
    return outdir / "00000-digits-dcgan", outdir / "00001-digits-cgan"


@pytest.fixture
def grid(tmp_path):
    """Call the verb; returns the picture's bytes."""

    def call(run, *args):
        out = tmp_path / "out.png"
        assert main(["interpolate", str(run), *args, "--out", str(out)]) == 0
        with Image.open(out) as picture:
            return np.asarray(picture)

    return call


def test_a_traversal_moves_one_number_at_a_time_from_minus_2_to_2():
    z = np.arange(4, dtype=np.float32)
    rows = traversal(z, [2, 0], 5).reshape(2, 5, 4)
    np.testing.assert_array_equal(rows[0][:, 2], [-2, -1, 0, 1, 2])
    np.testing.assert_array_equal(rows[1][:, 0], [-2, -1, 0, 1, 2])
    np.testing.assert_array_equal(rows[0][:, [0, 1, 3]], np.tile(z[[0, 1, 3]], (5, 1)))
    assert rows.dtype == np.float32


def test_a_straight_walk_has_its_middle_between_its_ends():
    a, b = np.random.default_rng(0).normal(size=(2, 3, 7))
    way = walk(a, b, 5, straight=True).reshape(3, 5, 7)
    np.testing.assert_allclose(way[:, 2], (a + b) / 2)
    np.testing.assert_array_equal(way[:, 0], a)
    np.testing.assert_allclose(way[:, 4], b)
    lengths = np.linalg.norm(walk(a, b, 5).reshape(3, 5, 7)[:, 2], axis=1)
    assert (np.linalg.norm(way[:, 2], axis=1) < lengths).all()  # the line cuts the sphere


def test_the_rows_of_the_picture_are_the_dimensions(runs, grid, capsys):
    picture = grid(runs[0], "--traverse", "1,5,0", "--frames", "7", "--seed", "3")
    assert "3 dimensions in 7 samples each" in capsys.readouterr().out
    trained = open_trained(str(runs[0]))
    z = np.tile(trained.latent(1, 3), (21, 1))
    for row, dim in enumerate((1, 5, 0)):
        z[7 * row : 7 * row + 7, dim] = np.linspace(-2, 2, 7)
    np.testing.assert_array_equal(picture, to_uint8(make_grid(trained(z), nrow=7)))


def test_a_traversal_has_a_file_name_of_its_own(runs):
    assert main(["interpolate", str(runs[0]), "--traverse", "0", "--frames", "3"]) == 0
    assert (runs[0] / "traversal-seed0.png").exists()


def test_straight_walks_are_other_walks(runs, grid):
    flags = ["--rows", "2", "--frames", "4"]
    assert not np.array_equal(grid(runs[0], *flags), grid(runs[0], *flags, "--straight"))


def test_a_traversal_stays_in_the_class_that_was_asked_for(runs, grid):
    trained = open_trained(str(runs[1]))
    z = traversal(trained.latent(1, 0)[0], [2, 3], 4)
    for flags, label in (([], 0), (["--label", "7"], 7)):
        picture = grid(runs[1], "--traverse", "2,3", "--frames", "4", *flags)
        expected = to_uint8(make_grid(trained(z, np.full(8, label)), nrow=4))
        np.testing.assert_array_equal(picture, expected)


def test_walks_stay_in_the_class_that_was_asked_for(runs, grid):
    trained = open_trained(str(runs[1]))
    ends = trained.latent(4, 0)
    z = walk(ends[::2], ends[1::2], 3)
    for flags, labels in (([], [0, 0, 0, 1, 1, 1]), (["--label", "4"], [4] * 6)):
        picture = grid(runs[1], "--rows", "2", "--frames", "3", *flags)
        expected = to_uint8(make_grid(trained(z, np.array(labels)), nrow=3))
        np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--traverse", "6"], "--traverse 6: numbers from 0 to 5 fit, commas between"),
        (["--traverse", "1,-2"], "--traverse 1,-2: numbers from 0 to 5 fit"),
        (["--traverse", "1,,2"], "numbers from 0 to 5 fit"),
        (["--traverse", "one"], "numbers from 0 to 5 fit"),
        (["--label", "1"], "--label 1: dcgan knows no classes"),
    ],
)
def test_what_does_not_fit_is_one_line(flags, line, runs, capsys):
    assert main(["interpolate", str(runs[0]), *flags]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1
