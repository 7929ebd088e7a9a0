"""Verbs on runs of several domains, captions and films: what they make, and what they refuse."""

import numpy as np
import pytest
from PIL import Image

from tinygan import data
from tinygan.cli import main
from tinygan.cli.opening import open_trained
from tinygan.data.captions import parse
from tinygan.runs.grids import make_grid, save_film, save_png, to_uint8

TINY = ["--ngf", "2", "--ndf", "2"]
RUNS = {
    "cogan": ["half-inverted:digits:8", "--batch", "4", "--nz", "3"],
    "stargan": ["painted:digits:8", "--batch", "4", "--blocks", "1", "--n-critic", "1"],
    "text_to_image": ["captioned:digits:8", "--batch", "4", "--nz", "3", "--hidden", "3"],
    "video": ["moving:digits:4", "--batch", "4", "--nz", "3", "--motion", "2"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Give the folder of a run of each recipe."""
    outdir = tmp_path_factory.mktemp("runs")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(outdir / "cache"))
        for name, (spec, *flags) in RUNS.items():
            common = ["--steps", "4", "--snap", "2", "--diagnose-every", "2"]
            where = ["--outdir", str(outdir / name)]
            assert main(["train", name, "--data", spec, *TINY, *flags, *common, *where]) == 0
            (found[name],) = (outdir / name).iterdir()
    return found


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


# --- captions ---


def test_a_caption_gives_the_samples_of_its_label(runs, tmp_path, capsys):
    run = str(runs["text_to_image"])
    number = str(parse("two red sevens"))
    for out, flags in (("a", ["--text", "two red sevens"]), ("b", ["--label", number])):
        assert main(["sample", run, "--n", "4", *flags, "--out", str(tmp_path / f"{out}.npz")]) == 0
    one, other = (np.load(tmp_path / f"{out}.npz") for out in "ab")
    assert np.array_equal(one["images"], other["images"])
    assert one["labels"].tolist() == [int(number)] * 4
    assert one["images"].shape == (4, 8, 24, 3)


@pytest.mark.parametrize(
    ("recipe", "flags", "says"),
    [
        ("text_to_image", ["--text", "two purple sevens"], "no word 'purple': there are one red"),
        ("text_to_image", ["--text", "red two sevens"], "COUNT COLOUR DIGIT fits, perhaps"),
        ("text_to_image", ["--text", "one red two", "--label", "3"], "one of them fits"),
        ("cogan", ["--text", "one red two"], "cogan reads no captions; text_to_image does"),
        ("cogan", ["--label", "1"], "cogan knows no classes"),
        ("stargan", ["--input", ".", "--label", "4"], "use -1 or 0 to 3"),
        ("stargan", ["--truncation", "0.5", "--out", "x.npz"], "G takes images"),
        ("video", ["--label", "1"], "video knows no classes"),
    ],
)
def test_what_a_run_does_not_know_is_told_in_one_line(runs, capsys, recipe, flags, says):
    assert main(["sample", str(runs[recipe]), *flags]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["text_to_image", "--data", "digits:8"], "data of 120 captions fit"),
        (["video", "--data", "digits:8"], "--data moving:digits fits"),
        (["cogan", "--data", "moving:ring"], "it takes grey images"),
        (["stargan", "--data", "ring"], "images"),
        (["video", "--data", "moving:digits:4", "--augment", "diff"], "frames for colours"),
        (["cogan", "--data", "half-edges:digits:8", "--loss", "hinge"], "a step of its own"),
    ],
)
def test_data_and_flags_that_do_not_suit_are_refused_in_one_line(tmp_path, capsys, flags, says):
    code = main(["train", *flags, "--steps", "2", "--batch", "4", "--outdir", str(tmp_path)])
    assert code == (3 if "ring" in says or "grey" in says else 2)  # the data's fault, or a flag's
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


# --- domains ---


def test_stargan_shows_each_image_in_every_domain(runs, tmp_path):
    out = tmp_path / "x.png"
    assert main(["sample", str(runs["stargan"]), "--n", "3", "--out", str(out)]) == 0
    trained = open_trained(str(runs["stargan"]))
    trained.load_dataset()
    x = trained.game.draw(3)
    columns = [x] + [trained(x, np.full(3, k)) for k in range(4)]
    expected = make_grid(np.stack(columns, 1).reshape(-1, 3, 8, 8), nrow=10)
    assert np.array_equal(pixels(out), to_uint8(expected))


def test_files_are_changed_into_the_domain_asked_for(runs, tmp_path):
    (image,) = data.load("painted:digits:8").take(np.array([7]))
    save_png(tmp_path / "seven.png", (image + 1) / 2)
    flags = ["--input", str(tmp_path / "seven.png"), "--label", "2", "--out", str(tmp_path / "to")]
    assert main(["sample", str(runs["stargan"]), *flags]) == 0
    expected = open_trained(str(runs["stargan"]))(image[None], np.array([2]))
    assert np.array_equal(pixels(tmp_path / "to/seven.png"), to_uint8(make_grid(expected[0])))


def test_samples_of_coupled_generators_come_in_pairs(runs, tmp_path):
    out = tmp_path / "x.npz"
    assert main(["sample", str(runs["cogan"]), "--n", "6", "--out", str(out)]) == 0
    trained = open_trained(str(runs["cogan"]))
    z = trained.latent(6, 0)[[0, 0, 2, 2, 4, 4]]
    expected = trained(z, np.array([0, 1] * 3))
    assert np.allclose(np.load(out)["images"], expected.transpose(0, 2, 3, 1), atol=1e-6)


# --- films ---


def test_pictures_of_films_are_rows_of_frames_and_the_gif_plays_them(runs):
    run = runs["video"]
    side = 8 + 2
    assert pixels(run / "fakes000004.png").shape == (16 * side + 2, 8 * side + 2, 3)
    assert pixels(run / "reals.png").shape == (16 * side + 2, 8 * side + 2, 3)
    with Image.open(run / "samples.gif") as film:
        assert film.n_frames == 8
        assert film.size == (4 * side, 4 * side)


def test_a_frame_of_the_animation_shows_that_frame_of_each_film(tmp_path):
    films = np.linspace(-1, 1, 8 * 5).reshape(8, 5, 1, 1) * np.ones((4, 4))  # grey, all different
    save_png(tmp_path / "x.png", make_grid(films.reshape(-1, 1, 4, 4), nrow=5))
    save_film(tmp_path / "x.gif", tmp_path / "x.png", (5, 4, 4))
    with Image.open(tmp_path / "x.gif") as film:
        for t in range(5):
            film.seek(t)
            shown = np.asarray(film.convert("L"))
            corners = shown.reshape(2, 6, 4, 6)[:, 0, :, 0].ravel()  # a pixel of each film
            expected = np.rint((films[:, t, 0, 0] + 1) * 127.5)
            assert abs(corners - expected).max() <= 1  # rounding of a PNG and of a palette


@pytest.mark.parametrize("verb", ["interpolate", "export"])
@pytest.mark.parametrize("recipe", ["cogan", "text_to_image", "video"])
def test_other_verbs_work(runs, tmp_path, verb, recipe):
    flags = ["--rows", "1", "--frames", "2"] if verb == "interpolate" else []
    assert main([verb, str(runs[recipe]), *flags, "--out", str(tmp_path / "x.png")]) == 0


def test_metrics_of_films_are_refused_in_one_line(runs, capsys):
    assert main(["metrics", str(runs["video"]), "--n", "8", "--net", "digits_lenet"]) != 0
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("recipe", ["cogan", "stargan", "text_to_image"])
def test_metrics_measure_images_in_the_features_of_a_house_net(runs, capsys, recipe):
    flags = ["--n", "16", "--net", "digits_lenet", "--metrics", "fd", "--resamples", "0"]
    assert main(["metrics", str(runs[recipe]), *flags]) == 0
    assert "fd_digits_lenet" in capsys.readouterr().out
