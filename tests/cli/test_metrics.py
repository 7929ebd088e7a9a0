"""``fid``, ``metrics``, ``compare`` and ``train --metrics-every`` as a user calls them."""

import json

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import main
from tinygan.data import load
from tinygan.errors import OptionError
from tinygan.metrics import suite
from tinygan.metrics.house_nets import house_net
from tinygan.metrics.moments import Moments
from tinygan.runs.judge import Judge, best_step, quantised

TINY = ["--batch", "8", "--ngf", "4", "--ndf", "4", "--nz", "6", "--half-life-kimg", "1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Give two runs that were measured while they trained."""
    outdir = tmp_path_factory.mktemp("runs")
    every = ["--metrics-every", "4", "--metrics-n", "60"]
    for seed in ("0", "1"):
        flags = ["--data", "digits:16", "--steps", "8", "--snap", "8", "--outdir", str(outdir)]
        assert main(["train", "dcgan", *TINY, *flags, *every, "--seed", seed]) == 0
    return sorted(outdir.glob("0000*"))


@pytest.fixture(scope="module")
def digits_judge():
    """Give a judge of sixty digits."""
    return Judge(load("digits:16"), house_net("digits_lenet"), n=60)


def images_of(n, seed=0, size=16):
    rows = np.random.default_rng(seed).permutation(1797)[:n]
    return load(f"digits:{size}").take(rows)


def write_folder(folder, images):
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(np.rint((image[0] + 1) * 127.5).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def number(out, key):
    return next(float(line.split()[1]) for line in out if line.split()[0] == key)


def test_fid_of_two_folders_is_the_distance_of_their_features(said, tmp_path):
    a, b = images_of(50, 0), images_of(60, 1)
    folders = write_folder(tmp_path / "a", a), write_folder(tmp_path / "b", b)
    code, out, err = said("fid", *folders, "--net", "digits_lenet")
    assert (code, err) == (0, [])
    net = house_net("digits_lenet")
    fa, fb = (net.embed(quantised(x)).features.astype(np.float64) for x in (a, b))
    shift = ((fa.mean(0) - fb.mean(0)) ** 2).sum()
    eigenvalues = np.linalg.eigvals(np.cov(fa.T) @ np.cov(fb.T))
    expected = (
        shift + np.trace(np.cov(fa.T) + np.cov(fb.T)) - 2 * np.sqrt(eigenvalues.real.clip(0)).sum()
    )
    assert number(out, "fd_digits_lenet") == pytest.approx(expected, rel=1e-4)
    assert "n_real 60, n_fake 50" in " ".join(out)
    assert any(line.startswith("warning: 50 samples") for line in out)
    assert not any("fid" in line.split()[0] for line in out)  # only Inception's is called so


def test_a_set_is_at_no_distance_from_itself_and_noise_is_far(said, tmp_path):
    noise = tmp_path / "noise.npz"
    rng = np.random.default_rng(0)
    np.savez(noise, images=rng.integers(0, 256, (200, 16, 16, 1), dtype=np.uint8))
    flags = ("--net", "digits_lenet")
    same = number(said("fid", "digits:16", "digits:16", *flags)[1], "fd_digits_lenet")
    far = number(said("fid", noise, "digits:16", *flags)[1], "fd_digits_lenet")
    assert same < 1e-6 * far


def test_statistics_are_saved_and_read_again(said, tmp_path):
    folder = write_folder(tmp_path / "a", images_of(40))
    stats = tmp_path / "stats.npz"
    _, first, _ = said("fid", folder, "digits:16", "--net", "digits_lenet", "--save", stats)
    held = Moments.load(stats)
    assert (held.net, held.count, held.dim) == ("digits_lenet", 40, 64)
    _, second, _ = said("fid", stats, "digits:16")  # the file names its net
    assert number(second, "fd_digits_lenet") == pytest.approx(number(first, "fd_digits_lenet"))
    code, third, _ = said("fid", stats, stats)
    assert code == 0
    assert number(third, "fd_digits_lenet") < 1e-6


def test_json_has_the_numbers_their_intervals_and_the_card(said, tmp_path):
    folder = write_folder(tmp_path / "a", images_of(40))
    flags = ["--net", "digits_lenet", "--metrics", "kid,prdc", "--resamples", "20", "--n", "40"]
    code, out, _ = said("fid", folder, "digits:16", *flags, "--json")
    assert code == 0
    found = json.loads(out[-1])
    assert found["fd_digits_lenet_low"] <= found["fd_digits_lenet"] <= found["fd_digits_lenet_high"]
    for key in ("kid_digits_lenet", "precision_digits_lenet", "coverage_digits_lenet"):
        assert key in found
    assert found["net"] == "digits_lenet"
    assert len(found["sha256"]) == 64
    assert (found["n_real"], found["n_fake"], found["split"]) == (40, 40, "train")


def bad(said, *args):
    code, _, err = said("fid", *args, "--net", "digits_lenet")
    assert len(err) == 1
    return code, err[0]


def test_bad_input_is_one_line_that_says_what(said, tmp_path):
    one = write_folder(tmp_path / "one", images_of(1))
    empty = tmp_path / "empty"
    empty.mkdir()
    mixed = write_folder(tmp_path / "mixed", images_of(3))
    Image.new("L", (9, 7)).save(mixed / "odd.png")
    whole = tmp_path / "stats.npz"
    features = np.random.default_rng(0).normal(size=(30, 8))
    Moments.of(features, net="other_net").save(whole)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:-40])
    np.savez(tmp_path / "floats.npz", images=np.full((3, 16, 16, 1), np.nan, np.float32))
    nan = tmp_path / "nan.npz"
    np.savez(nan, mu=np.full(4, np.nan), sigma=np.eye(4))
    for source, expected, names in (
        (one, 3, "one"),
        (empty, 3, "empty"),
        (mixed, 3, "odd.png"),
        (cut, 3, "cut.npz"),
        (nan, 3, "finite"),
        (tmp_path / "absent", 3, "absent"),
        ("ring", 2, "points"),
        (tmp_path / "floats.npz", 3, "value-range"),
    ):
        code, line = bad(said, source, "digits:16")
        assert (code, names in line) == (expected, True), line
    code, line = bad(said, tmp_path / "floats.npz", "digits:16", "--value-range", "0,1")
    assert (code, "not finite" in line) == (3, True)
    code, line = bad(said, whole, "digits:16")  # statistics of another net and dimension
    assert code == 2
    assert "other_net" in line or "d = 8" in line


def test_runs_are_measured_while_they_train(runs):
    for run in runs:
        rows = [
            json.loads(line)
            for line in (run / "metric-fd_digits_lenet.jsonl").read_text().splitlines()
        ]
        assert [row["step"] for row in rows] == [4, 8]
        for row in rows:
            assert (row["n_fake"], row["n_real"], row["which"]) == (60, 60, "last")
            assert row["weights"] == "averaged (EMA)"
        best = min(rows, key=lambda row: row["fd_digits_lenet"])["step"]
        kept = {path.name for path in (run / "checkpoints").iterdir()}
        assert {f"step-{best:06d}", "step-000008"} <= kept


def test_metrics_measures_a_run_by_all_that_suits_it(said, runs):
    code, out, err = said("metrics", runs[0], "--all", "--n", "60", "--resamples", "0")
    assert (code, err) == (0, [])
    text = "\n".join(out)
    names = ["fd", "kid", "is", "precision", "density", "mmd", "ndb", "c2st", "one_nn", "ppl"]
    names += ["fd_infinity", "kmeans_entropy"]
    for key in [*(f"{name}_digits_lenet" for name in names), "swd", "ms_ssim"]:
        assert key in text
    assert "memorisation" not in text  # the digits have no part that was held out
    assert "protocol" in text


def test_the_best_checkpoint_and_pictures_can_be_asked_for(said, runs):
    flags = ["--metrics", "fd", "--n", "60", "--resamples", "20", "--checkpoint", "best"]
    code, out, _ = said("metrics", runs[0], *flags, "--sheets", "--bias-curve")
    assert code == 0
    assert any("best by fd_digits_lenet" in line for line in out)
    assert "[" in next(line for line in out if line.startswith("fd_digits_lenet"))
    for name in ("sheet-nearest.png", "sheet-templates.png", "sheet-blind.png", "bias-curve.png"):
        with Image.open(runs[0] / name) as picture:
            assert picture.size[0] > 100
    key = json.loads((runs[0] / "sheet-blind-key.json").read_text())
    assert 0 < len(key["fake"]) < 50


def test_a_metric_that_does_not_suit_says_why(said, runs):
    code, _, err = said("metrics", runs[0], "--metrics", "memorisation", "--n", "60")
    assert (code, len(err)) == (2, 1)
    assert "held-out" in err[0]
    code, _, err = said("metrics", runs[0], "--metrics", "fidd")
    assert code == 2
    assert "fd" in err[0]


def test_compare_shows_last_and_best_of_each_run(said, runs):
    code, out, _ = said("compare", *runs)
    assert code == 0
    assert out[0] == "in the features of digits_lenet"
    assert out[1].split() == ["run", "step", "fd", "is", "kid", "precision", "recall"]
    wide = said("compare", *runs, "--metrics", "all")[1]
    assert {"density", "coverage"} <= set(wide[1].split())
    assert sum("last" in line.split() for line in out) == 2
    assert sum("best" in line.split() for line in out) == 2


def test_compare_needs_measured_runs(said, tmp_path):
    flags = ["--data", "digits:8", "--steps", "1", "--outdir", tmp_path]
    assert said("train", "dcgan", *TINY, *flags)[0] == 0
    code, _, err = said("compare", tmp_path / "00000")
    assert code == 2
    assert "tinygan metrics" in err[0]


def test_a_bad_metric_is_refused_before_the_run_has_a_folder(said, tmp_path):
    flags = ["--data", "digits:8", "--steps", "1", "--outdir", tmp_path / "runs"]
    code, _, err = said("train", "dcgan", *TINY, *flags, "--metrics-every", "1", "--metrics", "fad")
    assert (code, len(err)) == (2, 1)
    assert not (tmp_path / "runs").exists()


def test_points_are_measured_without_a_net(said, tmp_path):
    flags = ["--data", "ring", "--steps", "2", "--outdir", tmp_path, "--metrics-every", "2"]
    code, _, err = said("train", "gan", "--batch", "16", *flags, "--metrics-n", "100")
    assert (code, err) == (0, [])
    run = next(tmp_path.glob("00000-*"))
    names = {path.stem for path in run.glob("metric-*.jsonl")}
    assert {"metric-fd_points", "metric-prdc_points", "metric-modes"} <= names


def test_a_resumed_run_goes_on_measuring_and_keeps_its_best(said, tmp_path):
    flags = ["--data", "digits:16", "--steps", "4", "--outdir", tmp_path, "--metrics", "fd"]
    every = ["--metrics-every", "2", "--metrics-n", "40"]
    assert said("train", "dcgan", *TINY, *flags, *every)[0] == 0
    assert said("resume", tmp_path / "00000", "--steps", "8")[0] == 0
    run = next(tmp_path.glob("00000-*"))
    lines = (run / "metric-fd_digits_lenet.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert not list(run.glob("metric-prdc*"))
    best = min(rows, key=lambda row: row["fd_digits_lenet"])["step"]
    assert (run / "checkpoints" / f"step-{best:06d}").is_dir()


def test_the_best_step_is_sought_among_what_compares_with_the_last():
    rows = [
        {"step": s, "fd": d, "n_fake": n} for s, d, n in ((1, 2.0, 9), (2, 9.0, 5), (3, 7.0, 5))
    ]
    assert best_step(rows, "fd") == 3
    assert best_step(rows[:1], "fd") == 1
    assert best_step(rows, "kid") is None


def test_metrics_of_a_conditional_run_know_the_classes_that_it_was_asked_for(said, tmp_path):
    flags = ["--data", "digits:16", "--steps", "2", "--snap", "2", "--outdir", tmp_path]
    tiny = ["--batch", "8", "--ngf", "4", "--ndf", "4", "--nz", "6"]
    assert said("train", "acgan", *tiny, *flags)[0] == 0
    run = next(tmp_path.glob("0000*"))
    code, out, _ = said("metrics", run, "--metrics", "agreement,ifid,fd", "--n", "200")
    assert code == 0
    assert 0 <= number(out, "agreement_digits_lenet") <= 0.5  # two steps teach it nothing
    assert number(out, "fd_class_mean_digits_lenet") > 0
    code, _, err = said("metrics", run, "--metrics", "agreement", "--net", "none")
    assert code == 2
    assert len(err) == 1


def test_label_agreement_is_the_share_of_classes_that_the_net_tells(digits_judge):
    reals = digits_judge.real
    for shift, least, most in ((0, 0.97, 1.0), (1, 0.0, 0.03)):
        pair = digits_judge.pair(reals.samples, (reals.labels + shift) % 10)
        (found,) = suite.measure("agreement", pair).values()
        assert least <= found <= most


def test_label_agreement_says_what_it_needs(digits_judge):
    samples = digits_judge.real.samples
    for labels, why in ((None, "classes that the fakes"), (np.full(60, 10), "10 classes of 11")):
        with pytest.raises(OptionError, match=why):
            suite.measure("agreement", digits_judge.pair(samples, labels))
