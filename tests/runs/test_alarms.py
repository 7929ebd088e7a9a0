"""Alarms: each on a planted fault, silent on healthy runs, the same in a resumed run.

The claims of ten seeds are in ``bench/claims/alarms.py``; here one seed of its quick faults.
"""

import dataclasses
import html
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygan import nn
from tinygan.cli import main
from tinygan.data.toys import TOYS
from tinygan.metrics import Pair, side
from tinygan.random import Stream
from tinygan.recipes import get
from tinygan.runs.alarms import Alarms
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.setup import Settings, load_data
from tinygan.runs.train import resume, train

SCRIPT = Path(__file__).parents[2] / "bench/claims/alarms.py"
RNG = np.random.default_rng(0)
TINY = {"batch": 8, "hidden_g": 8, "hidden_d": 8, "nz": 4}


def _script():
    """Import the script, with its folder on the path as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPT.parent), str(SCRIPT.parents[1]), *sys.path])
        return importlib.import_module("alarms")


BENCH = _script()


def start(outdir, recipe=None, **more):
    recipe = recipe or get("gan")
    told = {"data": "digits:8", "steps": 8, "snap": 4, "diagnose_every": 2} | more
    return train(recipe, Settings(**told), recipe.config(**TINY), outdir=outdir)


def finish(training):
    for _ in training:
        pass
    return training.run


def kinds(alarms, *pairs):
    return [a.kind for step, pair in enumerate(pairs, 1) for a in alarms.measure(step, pair)]


def pair_of(real, fake, **more):
    return Pair(side(None, real), side(None, fake), None, **more)


@pytest.mark.parametrize(
    "name", ["frozen D", "frozen G", "saturated D", "saturated D of classes", "G deaf to z", "NaN"]
)
def test_a_planted_fault_raises_its_alarm(name):
    case = BENCH.FAULTS[name]
    case = dataclasses.replace(case, steps=min(case.steps, 60))
    rows = BENCH.run(case, 3, samples=128)
    assert case.expected in [row["alarm"] for row in rows]
    assert all(row["message"] and row["step"] >= 1 for row in rows)


def test_a_short_healthy_run_is_silent():
    case = dataclasses.replace(BENCH.HEALTHY["dcgan, digits"], steps=240)
    assert BENCH.run(case, 0, samples=400) == []


def test_alarms_are_printed_kept_and_shown_with_their_evidence(tmp_path, capsys):
    training = start(tmp_path, BENCH.frozen("D")(get("gan")))
    said = []
    for _ in training:
        said += training.notices
        training.notices.clear()
    (row,) = training.run.read_rows("alarms")
    assert row["alarm"] == "frozen D"
    assert row["step"] == 6  # looks at 2, 4 and 6
    assert row["evidence"]["looks"] == 3
    assert said == [f"alarm: step 6: {row['message']}"]
    assert row["message"] in (training.run.path / "report.html").read_text()


class Copier(nn.Module):
    """A generator that has learnt the training set by heart, but for a hundredth of another one."""

    def __init__(self, inner, images):
        self.inner, self.images = inner, (images,)  # in a tuple: it is no child

    def forward(self, z):
        rows = np.abs(z.data[:, 0] * 1e6).astype(int) % len(self.images[0])
        return self.images[0][rows] + 0.01 * self.inner(z)


def copying(recipe, images):
    def setup(config, shape):
        game = recipe.setup(config, shape)
        game.G = Copier(game.G, images)
        return game

    return dataclasses.replace(recipe, setup=setup)


def idx_folder(path):
    """Write the first 1,200 digits as IDX files, half of them to train on."""
    digits = load_data(Settings(data="digits:8", steps=1))
    for name, rows in (("train", np.arange(600)), ("t10k", np.arange(600, 1200))):
        for kind, array in (
            ("images-idx3", np.rint((digits.take(rows)[:, 0] + 1) * 127.5)),
            ("labels-idx1", digits.labels[rows]),
        ):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (path / f"{name}-{kind}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    return path


def page_shows(run, kind, words):
    """Check that the alarm of the third measurement is on the run's page; return its evidence."""
    (row,) = [row for row in run.read_rows("alarms") if row["alarm"] == kind]
    assert row["step"] == 6  # measured at 2, 4 and 6
    assert words in row["message"]
    shown = html.unescape((run.path / "report.html").read_text())
    assert f'<p class="alarm">step 6: {row["message"]}</p>' in shown
    return row["evidence"]


MEASURED = {"steps": 6, "metrics_every": 2, "metrics_n": 600, "metrics": "prdc"}


def test_the_page_of_a_run_shows_that_it_copies(tmp_path):
    data = str(idx_folder(tmp_path))
    images = load_data(Settings(data=data, steps=1)).take(np.arange(600))
    recipe = copying(get("gan"), images)
    run = finish(start(tmp_path / "run", recipe, data=data, net="digits_lenet", **MEASURED))
    found = page_shows(run, "overfitting", "nearer to the training set than held-out data do")
    assert found["gap"] < -0.1
    assert found["z"] < -5.0


def test_the_page_of_a_run_shows_that_it_makes_one_thing(tmp_path):
    run = finish(start(tmp_path, BENCH.deaf(get("gan")), **MEASURED))
    words = "pairs are alike, of as many real samples"
    assert page_shows(run, "mode collapse", words)["support"]["alike"] > 0


@pytest.mark.parametrize(("slope", "opinion", "expected"), [
    (0.002, 0.001, ["saturated"]), (0.002, 0.4, []), (0.9, 0.001, []), (0.0, 0.5, ["saturated"]),
])  # fmt: skip
def test_a_small_slope_counts_where_d_is_sure_or_nothing_comes_through(
    slope, opinion, expected, tmp_path
):
    game, alarms, found = start(tmp_path).game, Alarms(), []
    seen = {"slope_g": slope, "d_fake_before": opinion}
    for looks in range(1, 5):
        found += [a.kind for a in alarms.look(game, seen) if a.kind == "saturated"]
        assert found == (expected if looks >= 3 else [])


def test_looks_are_rows_of_metrics(tmp_path):
    rows = finish(start(tmp_path, diagnose_every=3)).read_rows()
    looked = [row["step"] for row in rows if "grad_norm_g" in row]
    assert looked == [3, 6]
    row = rows[2]
    for key in ("grad_norm_d", "update_ratio_g", "update_ratio_d", "d_fake_before", "slope_g"):
        assert np.isfinite(row[key])
        assert row[key] > 0.0
    names = set(row["spectral_norms"])
    assert any(name.startswith("G.") for name in names)
    assert any(name.startswith("D.") for name in names)


def test_watching_does_not_change_what_is_trained(tmp_path):
    ends = [
        load_checkpoint(finish(start(tmp_path, diagnose_every=every)).path).tensors
        for every in (0, 1)
    ]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("stop", [4, 6])
def test_a_resumed_run_raises_what_the_uninterrupted_one_raises(stop, tmp_path):
    broken = BENCH.frozen("D")(get("gan"))
    more = {"metrics_every": 2, "metrics_n": 48, "metrics": "prdc", "steps": 10, "snap": 2}
    whole = finish(start(tmp_path / "whole", broken, **more))
    training = start(tmp_path / "cut", broken, **more)
    for game in training:
        if game.step == stop + 1:
            break
    cut = training.run
    finish(resume(cut, broken))
    assert cut.read_rows("alarms") == whole.read_rows("alarms") != []
    states = [load_checkpoint(run.path).state["alarms"] for run in (cut, whole)]
    assert states[0] == states[1]


def test_a_checkpoint_from_before_the_alarms_goes_on(tmp_path, monkeypatch):
    run = finish(start(tmp_path))
    found = load_checkpoint(run.path)
    del found.state["alarms"]
    monkeypatch.setattr("tinygan.runs.train.load_checkpoint", lambda path: found)
    assert finish(resume(run, get("gan"), steps=10)).read_rows()[-1]["step"] == 10


def test_lost_modes_are_named_with_an_interval():
    toy = TOYS["ring"]
    points, labels = toy.sample(1500, Stream(0, "test"))
    few = points[labels < 3][:400]
    alarms = Alarms()
    (alarm,) = [
        a for step in (1, 2, 3) for a in alarms.measure(step, pair_of(points, few, toy=toy))
    ]
    assert alarm.step == 3
    assert alarm.evidence["modes"]["modes"] == 3
    assert "3 [3, 3] of 8 modes" in alarm.message
    assert kinds(Alarms(), *[pair_of(points, points[:400], toy=toy)] * 3) == []


def test_scattered_points_have_lost_no_modes():
    toy = TOYS["ring"]
    points, _ = toy.sample(1000, Stream(0, "test"))
    junk = RNG.normal(size=(500, 2)).astype(np.float32) * 0.1  # of low quality: training goes on
    assert kinds(Alarms(), *[pair_of(points, junk, toy=toy)] * 3) == []


def test_a_fall_of_recall_is_collapse_and_a_rise_is_not():
    real, fresh = RNG.normal(size=(2, 400, 4))
    near = 0.2 * fresh + real[0]
    good, bad = pair_of(real, fresh), pair_of(real, near)
    assert kinds(Alarms(), good, bad, bad) == []  # twice may be chance
    assert kinds(Alarms(), good, bad, bad, bad) == ["mode collapse"]
    assert kinds(Alarms(), bad, good, good, good) == []


def test_few_things_repeated_are_collapse_unless_they_become_more():
    real, fresh = RNG.normal(size=(2, 400, 8))

    def of(n):
        return pair_of(real, fresh[RNG.integers(0, n, size=400)])

    assert kinds(Alarms(), of(3), of(3), of(3)) == ["mode collapse"]
    assert kinds(Alarms(), of(3), of(12), of(50), of(300)) == []
    assert kinds(Alarms(), *[pair_of(real, fresh)] * 3) == []


def test_cells_without_fakes_are_collapse():
    centres = 10.0 * RNG.normal(size=(10, 6))
    labels = RNG.integers(0, 10, (2, 800))
    real, fake = (centres[k] + RNG.normal(size=(800, 6)) for k in labels)
    some = centres[RNG.integers(0, 3, 800)] + RNG.normal(size=(800, 6))
    alarms = Alarms()
    found = [a for step in (1, 2, 3) for a in alarms.measure(step, pair_of(real, some))]
    # a small cell may not be significant, and k-means may cut across clusters
    dropped = (labels[0] >= 3).mean()
    assert found[0].evidence["cells"]["mass"] == pytest.approx(dropped, abs=0.15)
    assert kinds(Alarms(), *[pair_of(real, fake)] * 3) == []


@pytest.mark.parametrize("seed", range(10))
def test_copies_of_the_training_set_are_told_from_fresh_samples(seed):
    assert BENCH.overfitting(seed, 0.05) == {"overfitting"}
    assert BENCH.overfitting(seed, None) == set()


def test_each_kind_is_raised_once_and_too_few_samples_say_nothing():
    real, fresh = RNG.normal(size=(2, 400, 8))
    same = pair_of(real, np.repeat(fresh[:1], 400, axis=0))
    assert kinds(Alarms(), *[same] * 5) == ["mode collapse"]
    small = pair_of(real[:39], np.repeat(fresh[:1], 39, axis=0))
    assert kinds(Alarms(), *[small] * 5) == []


def test_looks_can_be_turned_off_and_a_negative_number_is_refused(tmp_path, capsys):
    run = finish(start(tmp_path, BENCH.frozen("D")(get("gan")), diagnose_every=0))
    assert run.read_rows("alarms") == []
    assert main(["train", "gan", "--diagnose-every", "-1", "--outdir", str(tmp_path)]) == 2
    assert "diagnose_every=-1" in capsys.readouterr().err
