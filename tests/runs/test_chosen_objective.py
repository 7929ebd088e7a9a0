"""Losses, regularisers and procedures from the command line to ``config.json``, bit for bit."""

import json
import re

import pytest

from tinygan.cli import main
from tinygan.cli.train import Options
from tinygan.errors import OptionError
from tinygan.gan import LOSSES, REGULARISERS
from tinygan.recipes import get
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.rundir import RunDirectory
from tinygan.runs.setup import Settings, load_game
from tinygan.runs.train import resume, train

CHOSEN = {"loss": "hinge", "reg": "r1:10/3,lecam:0.3,sn,noise:0.1"}
FLAGS = ["--loss", CHOSEN["loss"], "--reg", CHOSEN["reg"]]
TINY = ["--data", "digits:8", "--batch", "8", "--ngf", "4", "--ndf", "4", "--nz", "8"]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Call the command line in a folder of its own; returns (code, output, errors)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def call(*args):
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return (code, *capsys.readouterr())

    return call


def bits(run):
    found = load_checkpoint(run)
    return {name: x.tobytes() for name, x in found.tensors.items()}, found.state["game"]


def test_a_resumed_run_has_the_loss_the_regularisers_and_the_bits(command, tmp_path):
    assert command("train", "dcgan", *TINY, *FLAGS, "--steps", "8", "--snap", "4")[0] == 0
    assert command("train", "dcgan", *TINY, *FLAGS, "--steps", "4", "--snap", "4")[0] == 0
    straight, cut = sorted((tmp_path / "runs").glob("0000*"))
    settings = json.loads((cut / "config.json").read_text())["settings"]
    assert {name: settings[name] for name in CHOSEN} == CHOSEN
    assert bits(straight) != bits(cut)
    assert command("resume", cut, "--steps", "8")[0] == 0
    assert bits(straight) == bits(cut)
    rows = RunDirectory.open(cut).read_rows()
    assert [row["step"] for row in rows if "reg_r1" in row] == [1, 4, 7]
    assert all("reg_lecam" in row for row in rows)
    assert command("sample", cut, "--n", "4", "--out", tmp_path / "x.png")[0] == 0


def test_a_game_can_be_loaded_with_what_its_regularisers_keep(tmp_path):
    recipe = get("dcgan")
    config = recipe.config(batch=8, ngf=4, ndf=4, nz=8)
    settings = Settings(data="digits:8", steps=2, **CHOSEN)
    training = train(recipe, settings, config, outdir=tmp_path)
    assert [game.step for game in training] == [1, 2]
    loaded, _ = load_game(training.run, recipe)
    assert loaded.extra["lecam"].means == training.game.extra["lecam"].means
    assert hasattr(loaded.D.main.children()[0], "weight_orig")


def test_a_run_from_before_there_were_losses_to_choose_goes_on(tmp_path):
    recipe = get("dcgan")
    config = recipe.config(batch=8, ngf=4, ndf=4, nz=8)
    for _ in train(recipe, Settings(data="digits:8", steps=2), config, outdir=tmp_path):
        pass
    run = RunDirectory.open(tmp_path / "00000")
    stored = run.read_config()
    del stored["settings"]["loss"], stored["settings"]["reg"]
    run.write_config(stored)
    assert [game.step for game in resume(run, recipe, steps=3)] == [3]


def test_batch_norm_under_a_gradient_penalty_is_printed(command):
    flags = ["--reg", "r1", "--steps", "1", *TINY, "--data", "digits:16"]
    code, out, _ = command("train", "dcgan", *flags)
    assert code == 0
    assert "warning: dcgan's D has batch norm" in out


def test_a_resumed_run_has_its_procedures_and_the_bits(command, tmp_path):
    flags = ["--ttur", "2", "--pool", "9", "--augment", "ada:-0.9/0.1", "--pretrain-d", "3"]
    flags += ["--diagnose-every", "1"]
    assert command("train", "dcgan", *TINY, *flags, "--steps", "8", "--snap", "4")[0] == 0
    assert command("train", "dcgan", *TINY, *flags, "--steps", "6", "--snap", "3")[0] == 0
    straight, cut = sorted((tmp_path / "runs").glob("0000*"))
    settings = json.loads((cut / "config.json").read_text())["settings"]
    chosen = {"ttur": 2.0, "pool": 9, "augment": "ada:-0.9/0.1", "pretrain_d": 3}
    assert {name: settings[name] for name in chosen} == chosen
    assert command("resume", cut, "--steps", "8")[0] == 0
    assert bits(straight) == bits(cut)
    rows = RunDirectory.open(cut).read_rows()
    assert [row["step"] for row in rows if "pretraining" in row] == [1, 2, 3]
    assert rows[-1]["ada_p"] > 0
    assert RunDirectory.open(cut).read_rows("alarms") == []  # G was not frozen but waiting
    assert command("sample", cut, "--n", "4", "--out", tmp_path / "x.png")[0] == 0


def test_a_head_start_for_d_under_the_saturating_loss_is_printed(command):
    flags = ["--loss", "minimax", "--pretrain-d", "1", "--steps", "2", *TINY]
    code, out, _ = command("train", "dcgan", *flags)
    assert code == 0
    assert "warning: --pretrain-d under --loss minimax" in out


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["dcgan", "--loss", "hnge"], "no loss 'hnge': perhaps you meant hinge"),
        (["dcgan", "--loss", "began"], "loss 'began' needs a D that is an autoencoder"),
        (["dcgan", "--reg", "r1:x"], "regulariser r1:x: a weight above 0 fits"),
        (["dcgan", "--reg", "smooth"], "--reg smooth acts inside the loss"),
        (["consensus", "--loss", "hinge"], "consensus has a step of its own"),
        (["consensus", "--pool", "5"], "consensus has a step of its own: --pool"),
        (["dcgan", "--augment", "blur"], "--augment blur: diff:color,translation,cutout"),
        (["dcgan", "--pretrain-d", "5", "--steps", "5"], "G never moves in 5 steps"),
        (["gan", "--augment", "diff", "--data", "ring"], "it takes images"),
        (["dcgan", "--reg", "dropout:1"], "dropout:1: a weight above 0 below 1 fits"),
        (["dcgan", "--los", "hinge"], "no flag --los: perhaps you meant --loss"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_run(command, tmp_path, args, line):
    code, _, err = command("train", *args)
    assert code != 0
    assert err.startswith("tinygan: ")
    assert line in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_help_names_every_loss_and_every_regulariser():
    words = set(re.findall(r"\w+", Options.__doc__))
    assert {*LOSSES, *REGULARISERS} <= words


def test_settings_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(OptionError, match="no regulariser 'r9'"):
        train(get("dcgan"), Settings(data="digits:8", steps=2, reg="r9"), outdir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
