"""Super-resolution by the command line: crops, enlarged files, networks between the two phases."""

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import main

SIZES = {"batch": 2, "ngf": 4, "ndf": 2, "blocks": 1, "steps": 3, "pretrain": 1, "snap": 3}
SMALL = [word for name, size in SIZES.items() for word in (f"--{name}", str(size))]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Give a folder of pictures of two sizes."""
    folder = tmp_path_factory.mktemp("photos")
    for k, size in enumerate([(24, 40), (32, 20), (40, 40)]):
        pixels = np.random.default_rng(k).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def run(photographs, tmp_path_factory):
    """Give the folder of a run on crops of 16 pixels."""
    outdir = tmp_path_factory.mktemp("runs")
    args = ["train", "srgan", "--data", str(photographs), "--crop", "16", *SMALL]
    assert main([*args, "--outdir", str(outdir)]) == 0
    return next(outdir.iterdir())


def enlarge(run, file, out, *more):
    assert main(["sample", str(run), "--input", str(file), "--out", str(out), *more]) == 0
    with Image.open(out / file.name) as picture:
        return np.asarray(picture).astype(int)


def test_a_run_shows_low_resolution_result_and_original(run):
    columns, rows = 6, 8  # two rows of three to a line, 16 pixels and a gap of 2
    with Image.open(run / "fakes000003.png") as picture:
        assert picture.size == (columns * 18 + 2, rows * 18 + 2)


def test_a_run_says_whose_features_its_loss_compares(photographs, tmp_path, capsys):
    args = ["train", "esrgan", "--data", str(photographs), "--crop", "16", *SMALL]
    assert main([*args, "--outdir", str(tmp_path)]) == 0
    assert "perceptual loss in the features of digits_lenet (SHA-256" in capsys.readouterr().out


def test_files_of_any_size_are_enlarged_four_times(run, photographs, tmp_path):
    made = enlarge(run, photographs / "0.png", tmp_path)
    assert made.shape == (96, 160, 3)


def test_alpha_goes_from_the_first_phases_network_to_the_last_ones(run, photographs, tmp_path):
    file = photographs / "1.png"
    ends = [enlarge(run, file, tmp_path / a, "--alpha", a) for a in ("0", "0.5", "1")]
    np.testing.assert_array_equal(ends[2], enlarge(run, file, tmp_path / "plain"))
    assert (ends[0] != ends[2]).any()
    assert (ends[0] != ends[1]).any()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["sample", "RUN", "--alpha", "2"], "alpha 2.0: 0 to 1 fits"),
        (["interpolate", "RUN"], "takes images"),
        (["train", "srgan", "--data", "FOLDER", "--crop", "32"], "0.png: 40 x 24 is smaller than"),
        (["train", "srgan", "--data", "FOLDER", "--crop", "18"], "multiples of 16"),
        (["train", "srgan", "--data", "FOLDER"], "state a size or crop"),
        (["train", "srgan", "--data", "digits", "--crop", "8"], "image files can be cropped"),
        (["train", "srgan", "--data", "digits:16", "--features", "vgg19:/none"], "no such file"),
        (["train", "srgan", "--data", "digits:16", "--features", "vgg"], "vgg19:FILE"),
        (["train", "srgan", "--data", "digits:16", "--lr", "0"], "above 0"),
        (["train", "esrgan", "--data", "digits:16", "--eta", "-1"], "from 0 on"),
        (["train", "esrgan", "--data", "digits:16", "--loss", "hinge"], "a step of its own"),
        (["train", "esrgan", "--data", "digits:16", "--curriculum", "blur:2/9"], "to sharpen"),
    ],
)
def test_what_does_not_fit_is_one_line(run, photographs, tmp_path, capsys, args, says):
    known = {"RUN": str(run), "FOLDER": str(photographs)}
    more = ["--outdir", str(tmp_path)] if args[0] == "train" else []
    assert main([known.get(arg, arg) for arg in args] + more) != 0
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_network_of_another_recipe_has_no_alpha(tmp_path, capsys):
    args = ["train", "gan", "--data", "digits:8", "--steps", "1", "--hidden-g", "4"]
    assert main([*args, "--outdir", str(tmp_path)]) == 0
    run = next(tmp_path.iterdir())
    assert main(["sample", str(run), "--alpha", "0.5"]) != 0
    assert "--alpha: gan has no two phases" in capsys.readouterr().err


def test_a_run_in_its_first_phase_has_no_alpha(photographs, tmp_path, capsys):
    args = ["train", "srgan", "--data", str(photographs), "--crop", "16", *SMALL]
    assert main([*args, "--pretrain", "5", "--outdir", str(tmp_path)]) == 0
    run = next(tmp_path.iterdir())
    assert main(["sample", str(run), "--alpha", "0.5"]) != 0
    assert "trained on pixels alone; it becomes a GAN after step 5" in capsys.readouterr().err
