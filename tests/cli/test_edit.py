"""``tinygan edit``: images of a trait, found again by an age_editing run and made with others."""

import numpy as np
import pytest
from PIL import Image

from tinygan import data
from tinygan.cli import main
from tinygan.cli.opening import open_trained
from tinygan.runs.grids import make_grid, to_uint8

TINY = ["--batch", "8", "--nz", "4", "--ngf", "2", "--ndf", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Give a folder with runs: age_editing, cgan, age_editing on points."""
    outdir = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(outdir / "cache"))
        for recipe, name, steps, *more in (
            ("age_editing", "slanted:digits:16", "60", "--half-life-kimg", "0.01", "--lr", "0.005"),
            ("cgan", "slanted:digits:16", "2"),
            ("age_editing", "ring", "2"),
        ):
            args = ["--data", name, "--steps", steps, *TINY, *more, "--outdir", str(outdir)]
            assert main(["train", recipe, *args]) == 0
    return outdir


@pytest.fixture
def said(runs, said):
    """Edit by a run of that number; returns the code and the lines of both streams."""

    def call(number, *args):
        code, out, err = said("edit", runs / f"0000{number}", *args)
        return code, out + err

    return call


@pytest.fixture
def images(tmp_path):
    """Write two digits; gives their folder and the arrays."""
    folder = tmp_path / "images"
    folder.mkdir()
    x = data.load("slanted:digits:16").arrays[:2]
    for k, image in enumerate(x):
        Image.fromarray(to_uint8((image + 1) / 2)[..., 0]).save(folder / f"{k}.png")
    return folder, x


def test_a_picture_has_the_images_and_each_trait_of_the_z_that_was_found(
    said, runs, images, tmp_path
):
    folder, x = images
    out = tmp_path / "edited.png"
    code, lines = said(0, folder, "--label", 1, "--steps", 3, "--out", out)
    assert code == 0, lines
    assert lines[0] == "kept: features of digits_lenet; images: 2"
    assert "3 traits, trait 1 with a root mean square error" in lines[1]
    with np.load(out.with_suffix(".npz")) as found:
        z = found["z"]
    assert z.shape == (2, 4)
    trained = open_trained(str(runs / "00000"))
    made = [trained(z, np.full(2, trait)) for trait in range(3)]
    expected = to_uint8(make_grid(np.concatenate([x, *made]), nrow=2))
    with Image.open(out) as picture:
        assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 1


def test_the_search_comes_nearer_to_the_image_than_the_encoder(said, images):
    folder, _ = images
    errors = []
    for steps in (0, 60):
        code, lines = said(0, folder, "--label", 0, "--steps", steps, "--net", "none")
        assert code == 0, lines
        assert lines[0] == "kept: pixels; images: 2"
        errors.append(float(lines[1].split(" of ")[-1].split(":")[0]))
    assert errors[1] < errors[0]


def test_without_a_name_the_picture_is_in_the_run_s_folder(said, runs, images):
    folder, _ = images
    assert said(0, folder / "1.png", "--label", 2, "--steps", 1, "--no-ema")[0] == 0
    assert sorted(p.suffix for p in runs.glob("00000*/edit-1.*")) == [".npz", ".png"]


@pytest.mark.parametrize(
    ("number", "args", "line"),
    [
        (0, [], "edit: IMAGE is missing"),
        (0, ["x.png", "--out", "x.gif"], "--out x.gif: the ending .png fits"),
        (0, ["x.png", "--lr", 0], "--lr, --lambda-x, --lambda-z"),
        (0, ["x.png", "--label", 0], "x.png: no such image or folder"),
        (1, ["x.png"], "edit: cgan: a run of age_editing on images fits"),
        (2, ["x.png"], "edit: age_editing: a run of age_editing on images fits"),
    ],
)
def test_what_does_not_fit_is_one_line(said, number, args, line):
    code, lines = said(number, *args)
    assert code in (2, 3)
    assert len(lines) == 1
    assert line in lines[0]


def test_a_label_net_or_number_that_does_not_fit_is_one_line(said, images):
    folder, _ = images
    for flags, line in (
        ([], "--label -1: say which trait the images have, 0 to 2"),
        (["--label", 3], "--label 3: use -1 or 0 to 2"),
        (["--label", 0, "--net", "vgg"], "no perceptual net 'vgg'"),
        (["--label", 0, "--steps", -1], "steps=-1: use 0 or more"),
    ):
        code, lines = said(0, folder, *flags)
        assert code == 2
        assert line in lines[-1]
