"""Verbs on runs with styles: ``--psi``, ``--mix-styles``, ``--sefa`` and ``project``."""

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import main
from tinygan.cli.opening import open_trained
from tinygan.cli.styles import parse_layers
from tinygan.gan.styles import crossed, render, sefa, spread, styles_of
from tinygan.runs.grids import make_grid, to_uint8

TINY = ["--data", "digits:8", "--batch", "8", "--nz", "4", "--steps", "2"]
STYLE = ["--nw", "6", "--mapping-layers", "2", "--nf", "2", "--nf-max", "4"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Give a folder with runs: stylegan2, stylegan, dcgan."""
    outdir = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(outdir / "cache"))
        for recipe, more in (
            ("stylegan2", STYLE),
            ("stylegan", STYLE),
            ("dcgan", ["--ngf", "2", "--ndf", "2"]),
        ):
            assert main(["train", recipe, *TINY, *more, "--outdir", str(outdir)]) == 0
    return outdir


@pytest.fixture
def said(runs, said):
    """Call a verb on a run by its number; returns the code and the lines of both streams."""

    def call(verb, number, *args):
        code, out, err = said(verb, runs / f"0000{number}", *args)
        return code, out + err

    return call


def images(said, out, *args):
    code, lines = said("sample", *args, "--n", 12, "--out", out)
    assert code == 0, lines
    return np.load(out)["images"]


@pytest.mark.parametrize("number", [0, 1])
def test_psi_0_makes_one_image_and_psi_1_what_no_psi_makes(said, tmp_path, number):
    out = tmp_path / "x.npz"
    plain, one = images(said, out, number), images(said, out, number, "--psi", 1.0)
    np.testing.assert_array_equal(plain, one)
    mean = images(said, out, number, "--psi", 0)
    np.testing.assert_allclose(mean, mean[:1].repeat(12, 0), atol=1e-6)
    half = images(said, out, number, "--psi", 0.5)
    assert half.std(0).mean() < plain.std(0).mean()


def test_a_sheet_of_mixed_styles_has_rows_and_columns_and_their_crossings(said, runs, tmp_path):
    out = tmp_path / "mix.png"
    code, lines = said("sample", 0, "--mix-styles", 2, "--n", 11, "--out", out)
    assert code == 0
    assert "3 rows' styles before layer 2, 3 columns' from it on" in lines[0]
    trained = open_trained(str(runs / "00000"))
    ws = styles_of(trained.net, trained.latent(6, 0))
    own = render(trained.net, ws)
    mixed = render(trained.net, crossed(ws[:3], ws[3:], layer=2))
    blank = np.full_like(own[:1], -1.0)
    rows = [
        blank,
        own[3:],
        *(part for i in range(3) for part in (own[[i]], mixed[3 * i : 3 * i + 3])),
    ]
    with Image.open(out) as picture:
        expected = to_uint8(make_grid(np.concatenate(rows), nrow=4))
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_directions_are_walked_from_one_sample_in_the_middle(said, runs, tmp_path):
    out = tmp_path / "sefa.png"
    args = ["--sefa", 2, "--frames", 3, "--reach", 2, "--layers", "1-2", "--seed", 5, "--out", out]
    assert said("interpolate", 0, *args)[0] == 0
    trained = open_trained(str(runs / "00000"))
    net = trained.net
    (ws,) = styles_of(net, trained.latent(1, 5))
    directions = sefa(net, layers=[1, 2])[1]
    walk = np.tile(ws, (6, 1, 1))
    for k in range(2):
        for i, step in enumerate((-2, 0, 2)):
            walk[3 * k + i, 1:3] += (step * spread(net)[1] * directions[k]).astype(np.float32)
    with Image.open(out) as picture:
        expected = to_uint8(make_grid(render(net, walk), nrow=3))
        assert np.abs(np.asarray(picture).astype(int) - expected).max() <= 1


def test_an_image_is_projected_and_its_w_written(said, runs, tmp_path):
    trained = open_trained(str(runs / "00000"))
    made = render(trained.net, styles_of(trained.net, trained.latent(1, 3)))[0]
    Image.fromarray(to_uint8((made + 1) / 2)[:, :, 0]).save(tmp_path / "own.png")
    colour = np.random.default_rng(0).integers(0, 255, (20, 12, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "big.png")
    out = tmp_path / "found.png"
    images = [tmp_path / "own.png", tmp_path / "big.png"]
    code, lines = said("project", 0, *images, "--steps", 20, "--out", out)
    assert code == 0, lines
    assert lines[0] == "distance of digits_lenet and pixels; images: 2"
    steps = [line.split()[1] for line in lines if line.startswith("step")]
    assert steps == [f"{k}/20" for k in range(2, 21, 2)]
    assert "root mean square error" in lines[-1]
    with np.load(out.with_suffix(".npz")) as found:
        assert found["w"].shape == (2, 6)
        assert found["noise0"].shape == (2, 1, 4, 4)
    with Image.open(out) as picture:
        height, width = np.asarray(picture).shape[:2]
    assert width > height / 2
    default = said("project", 0, tmp_path / "own.png", "--steps", 1, "--noise-weight", 0)
    assert default[0] == 0
    (written,) = runs.glob("00000*/projection-own.npz")
    with np.load(written) as found:
        assert set(found) == {"w"}


@pytest.mark.parametrize(
    ("verb", "number", "args", "line"),
    [
        ("sample", 2, ["--psi", 0.5], "--psi 0.5: dcgan's G has no styles"),
        ("sample", 2, ["--mix-styles", 1], "--mix-styles 1: dcgan's G has no styles"),
        ("sample", 0, ["--psi", "inf"], "--psi inf: a number fits"),
        ("sample", 0, ["--mix-styles", 4], "--mix-styles 4: layers 1 to 3 fit"),
        ("sample", 0, ["--mix-styles", 1, "--out", "x.npz"], "one run and a .png"),
        ("sample", 0, ["--mix-styles", 1, "--truncation", 1.0], "without --truncation"),
        ("interpolate", 2, ["--sefa", 1], "--sefa 1: dcgan's G has no styles"),
        ("interpolate", 0, ["--sefa", 7], "--sefa 7: 1 to 6 directions fit"),
        ("interpolate", 0, ["--sefa", 1, "--layers", "2-9"], "--layers 2-9: 0 to 3 fit"),
        ("interpolate", 0, ["--sefa", 1, "--reach", 0], "--reach 0: a number above 0"),
        ("interpolate", 0, ["--sefa", 1, "--traverse", "1"], "without --traverse"),
        ("project", 2, ["x.png"], "project: dcgan's G has no styles"),
        ("project", 0, [], "IMAGE is missing"),
        ("project", 0, ["no.png"], "no.png: no such image or folder"),
        ("project", 0, ["no.png", "--out", "x.gif"], "--out x.gif: the ending .png fits"),
    ],
)
def test_what_does_not_fit_is_one_line(said, verb, number, args, line):
    code, lines = said(verb, number, *args)
    assert code in (2, 3)
    assert len(lines) == 1
    assert line in lines[0]


def test_a_net_or_number_that_does_not_fit_a_projection_is_one_line(said, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    for flags, line in (
        (["--net", "vgg"], "--net vgg: auto, none or digits_lenet"),
        (["--net", "none", "--steps", 0], "steps 0"),
        (["--net", "none", "--lr", -1], "lr -1"),
    ):
        code, lines = said("project", 0, tmp_path / "x.png", *flags)
        assert code == 2
        assert line in lines[-1]


def test_layers_are_a_number_or_a_range():
    assert parse_layers("", 4) is None
    assert list(parse_layers("2", 4)) == [2]
    assert list(parse_layers("1-3", 4)) == [1, 2, 3]


def test_all_verbs_on_a_run_take_runs_with_styles(said, tmp_path):
    for number in (0, 1):
        assert said("interpolate", number, "--rows", 2, "--frames", 3)[0] == 0
        assert said("metrics", number, "--n", 40, "--metrics", "fd,prdc")[0] == 0
        assert said("fid", number, "digits:8", "--n", 40)[0] == 0
        assert said("export", number, "--out", tmp_path / str(number))[0] == 0
