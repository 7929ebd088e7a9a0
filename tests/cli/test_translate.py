"""The verbs on a run whose G takes images: what they show, and which of them refuse."""

import json

import numpy as np
import pytest
from PIL import Image

from tinygan import data
from tinygan.cli import main
from tinygan.cli.opening import open_trained
from tinygan.metrics.fid import frechet_distance_of_features
from tinygan.metrics.house_nets import house_net
from tinygan.random import Stream
from tinygan.runs.judge import quantised

TINY = ["--steps", "2", "--batch", "2", "--ngf", "2", "--ndf", "2", "--layers", "1"]


def train(recipe, spec, outdir, *more):
    given = ["train", recipe, "--data", spec, "--outdir", str(outdir), *TINY, *more]
    assert main(given) == 0
    (run,) = outdir.iterdir()
    return run


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory):
    return train("pix2pix", "edges:digits:16", tmp_path_factory.mktemp("p"))


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory):
    spec = "unpaired:digits:16,inverted:digits:16"
    return train("cyclegan", spec, tmp_path_factory.mktemp("c"), "--blocks", "1")


def size(path):
    with Image.open(path) as image:
        return image.size


def refusal(argv, capsys):
    assert main(argv) in (2, 3)
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    return line


def test_a_run_shows_source_output_and_target(pix2pix, cyclegan):
    # 16 rows, two to a line: of 3 images, or of 6 where it translates back too
    assert size(pix2pix / "fakes000002.png") == (6 * 18 + 2, 8 * 18 + 2)
    assert size(cyclegan / "fakes000002.png") == (12 * 18 + 2, 8 * 18 + 2)
    assert size(pix2pix / "reals.png") == (4 * 18 + 2, 32 * 18 + 2)


def test_sample_shows_rows_and_an_npz_has_the_outputs_alone(pix2pix, tmp_path):
    assert main(["sample", str(pix2pix), "--n", "4", "--out", str(tmp_path / "s.png")]) == 0
    assert size(tmp_path / "s.png") == (6 * 18 + 2, 2 * 18 + 2)
    assert main(["sample", str(pix2pix), "--n", "4", "--out", str(tmp_path / "s.npz")]) == 0
    assert np.load(tmp_path / "s.npz")["images"].shape == (4, 16, 16, 1)


def test_another_seed_shows_other_images(pix2pix, tmp_path):
    for seed in ("0", "1"):
        out = str(tmp_path / f"{seed}.png")
        assert main(["sample", str(pix2pix), "--n", "2", "--seed", seed, "--out", out]) == 0
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()


def test_files_of_the_user_are_translated_at_their_own_sizes(pix2pix, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name, shape in (("a.png", (16, 32)), ("b.bmp", (48, 16))):
        pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    out = tmp_path / "out"
    assert main(["sample", str(pix2pix), "--input", str(tmp_path / "in"), "--out", str(out)]) == 0
    assert "2 images translated" in capsys.readouterr().out
    assert [size(out / name) for name in ("a.png", "b.png")] == [(32, 16), (16, 48)]
    one = ["sample", str(pix2pix), "--input", str(tmp_path / "in/a.png")]
    assert main(one) == 0
    assert (pix2pix / "translated/a.png").read_bytes() == (out / "a.png").read_bytes()


def test_a_file_that_does_not_fit_is_named(pix2pix, tmp_path, capsys):
    Image.new("L", (20, 16)).save(tmp_path / "odd.png")
    line = refusal(["sample", str(pix2pix), "--input", str(tmp_path / "odd.png")], capsys)
    assert "odd.png: 20 x 16 does not fit pix2pix" in line
    assert "multiples of 16" in line
    line = refusal(["sample", str(pix2pix), "--input", str(tmp_path / "none")], capsys)
    assert "no such file or folder" in line


def test_back_takes_the_other_generator(cyclegan, pix2pix, tmp_path, capsys):
    there, back = tmp_path / "there.npz", tmp_path / "back.npz"
    assert main(["sample", str(cyclegan), "--n", "3", "--out", str(there)]) == 0
    assert main(["sample", str(cyclegan), "--n", "3", "--back", "--out", str(back)]) == 0
    a, b = (np.load(path)["images"] for path in (there, back))
    assert a.shape == b.shape
    assert np.abs(a - b).max() > 1e-3
    assert "no net that translates from B to A" in refusal(
        ["sample", str(pix2pix), "--back"], capsys
    )


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["interpolate"], "pix2pix's G takes images, there is no z to walk in"),
        (["sample", "--label", "1"], "--label 1: pix2pix knows no classes"),
        (["sample", "--truncation", "1"], "--truncation: pix2pix's G takes images"),
        (["diagnose"], "pix2pix has a step of its own"),
        (["export", "--per-class", "2"], "--per-class 2"),
    ],
)
def test_verbs_that_make_no_sense_refuse_in_one_line(argv, said, pix2pix, capsys):
    assert said in refusal([argv[0], str(pix2pix), *argv[1:]], capsys)


def test_metrics_compare_outputs_with_the_other_domain(pix2pix, capsys):
    given = ["metrics", str(pix2pix), "--net", "digits_lenet", "--resamples", "0", "--n", "200"]
    assert main([*given, "--metrics", "fd,kid", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["n_real"] == row["n_fake"] == 200
    # by hand: the outputs against the digits, which are B
    trained, net = open_trained(str(pix2pix)), house_net("digits_lenet")
    fakes = quantised(trained(trained.inputs(200, 0)))
    digits = data.load("digits:16")
    real = quantised(digits.take(Stream(0, "judge").permutation(len(digits))[:200]))
    expected = frechet_distance_of_features(net.embed(real).features, net.embed(fakes).features)
    assert row["fd_digits_lenet"] == pytest.approx(expected, rel=1e-6)


def test_a_run_and_its_export_serve_the_other_verbs(pix2pix, tmp_path, capsys):
    assert main(["fid", str(pix2pix), "digits:16", "--net", "digits_lenet", "--n", "50"]) == 0
    assert main(["export", str(pix2pix), "--out", str(tmp_path / "e")]) == 0
    assert (tmp_path / "e/G.safetensors").exists()
    assert main(["sample", str(pix2pix), "--ema", "--n", "2", "--seed", "3"]) == 0


def test_a_run_is_measured_as_it_trains(tmp_path):
    more = ("--metrics-every", "1", "--metrics-n", "60", "--net", "digits_lenet")
    run = train("pix2pix", "edges:digits:16", tmp_path, *more)
    rows = [json.loads(x) for x in (run / "metric-fd_digits_lenet.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]


def test_transparent_images_take_a_background(tmp_path, capsys):
    for side in "AB":
        (tmp_path / "d" / side).mkdir(parents=True)
        for k in range(2):
            Image.new("RGBA", (16, 16), (255, 0, 0, 128)).save(tmp_path / "d" / side / f"{k}.png")
    spec = f"pairs:{tmp_path}/d"
    line = refusal(["train", "pix2pix", "--data", spec, "--outdir", str(tmp_path / "o")], capsys)
    assert "has transparency; state a background" in line
    train("pix2pix", spec, tmp_path / "o", "--background", "white")


def test_other_recipes_say_what_to_do_with_two_domains(tmp_path, capsys):
    given = ["train", "dcgan", "--data", "edges:digits:16", "--outdir", str(tmp_path)]
    assert "edges-digits has two domains" in refusal(given, capsys)
    given = ["sample", str(tmp_path / "nothing"), "--input", "x"]
    assert refusal(given, capsys)
