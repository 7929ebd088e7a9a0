"""``tinygan train --init WHAT --freeze-d N``, from the command line to a resumed run."""

import shutil

import numpy as np
import pytest

from tinygan.cli import main
from tinygan.recipes import get
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.setup import Settings
from tinygan.runs.train import resume, train

TINY = ["--data", "digits:16", "--batch", "8", "--ngf", "2", "--ndf", "2", "--nz", "4"]


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


@pytest.fixture
def source(command, tmp_path):
    """Give the folder of a run with checkpoints at steps 2 and 4."""
    assert command("train", "dcgan", *TINY, "--steps", "4", "--snap", "2")[0] == 0
    return tmp_path / "runs" / "00000-digits-dcgan"


def weights(run, step=None):
    found = load_checkpoint(run, step=step).tensors
    return {k: x.tobytes() for k, x in found.items() if k[:2] in ("G.", "D.")}


def test_a_run_starts_from_the_last_checkpoint_of_another(command, source, tmp_path):
    flags = ["--steps", "1", "--snap", "1", "--seed", "7", "--init", "runs/00000"]
    code, out, _ = command("train", "dcgan", *TINY, *flags)
    assert code == 0
    assert "starting from the weights of" in out
    new = tmp_path / "runs" / "00001-digits-dcgan"
    assert weights(new, 0) == weights(source)
    assert weights(new, 1) != weights(source)


def test_a_run_starts_from_a_checkpoint_by_name(command, source, tmp_path):
    where = source / "checkpoints" / "step-000002"
    assert command("train", "dcgan", *TINY, "--steps", "1", "--init", where)[0] == 0
    assert weights(tmp_path / "runs" / "00001-digits-dcgan", 0) == weights(source, 2)


def test_a_run_starts_from_a_generator_alone(command, source, tmp_path):
    flags = ["--steps", "1", "--init", source / "g_ema.safetensors", "--seed", "3"]
    code, out, _ = command("train", "dcgan", *TINY, *flags)
    assert code == 0
    assert "D starts from random weights" in out
    ours, theirs = weights(tmp_path / "runs" / "00001-digits-dcgan", 0), weights(source)
    assert all(ours[k] == theirs[k] for k in ours if k.startswith("G."))
    assert ours["D.main.0.weight"] != theirs["D.main.0.weight"]


def test_frozen_layers_stay_frozen_in_a_resumed_run_bit_for_bit(command, source, tmp_path):
    flags = [*TINY, "--init", source, "--freeze-d", "1", "--snap", "2"]
    assert command("train", "dcgan", *flags, "--steps", "4")[0] == 0
    assert command("train", "dcgan", *flags, "--steps", "2")[0] == 0
    straight, cut = (tmp_path / "runs" / f"0000{i}-digits-dcgan" for i in (1, 2))
    shutil.rmtree(source)  # the run has all it needs
    assert command("resume", cut, "--steps", "4")[0] == 0
    one, other = load_checkpoint(straight), load_checkpoint(cut)
    assert one.state["game"] == other.state["game"]
    assert {k: x.tobytes() for k, x in one.tensors.items()} == {
        k: x.tobytes() for k, x in other.tensors.items()
    }
    first = load_checkpoint(straight, step=2).tensors["D.main.0.weight"]
    assert np.array_equal(first, one.tensors["D.main.0.weight"])
    assert command("sample", cut, "--n", "4")[0] == 0


def test_a_run_that_was_cut_before_its_first_snapshot_does_not_start_from_other_weights(
    command, source, tmp_path
):
    recipe = get("dcgan")
    config = recipe.config(batch=8, ngf=2, ndf=2, nz=4)
    settings = Settings(data="digits:16", steps=4, init=str(source))
    begun = train(recipe, settings, config, outdir=tmp_path / "other")
    again = resume(begun.run, recipe)
    assert again.game.step == 0
    state = {k: x.tobytes() for k, x in again.game.state()[0].items() if k[:2] in ("G.", "D.")}
    assert state == weights(source)


@pytest.mark.parametrize(
    ("flags", "code", "line"),
    [
        (["--freeze-d", "1"], 2, "freeze_d=1: 0 or more of the layers that --init brings"),
        (["--init", "runs/00000", "--freeze-d", "-1"], 2, "freeze_d=-1: 0 or more"),
        (["--init", "runs/00000", "--freeze-d", "3"], 2, "freeze_d=3: D has 3 layers"),
        (["--init", "runs/00009"], 3, "runs/00009: no such run; "),
        (["--init", "nothing/here"], 3, "nothing/here: no such run"),
        (["--init", "runs/00000", "--ngf", "3"], 3, "the players do not fit: G.main.0.weight is"),
        (["--init", "runs/00000", "--size", "32"], 3, "the players do not fit: G.main.0.weight is"),
        (
            ["--init", "runs/00000-digits-dcgan/checkpoints/step-000003"],
            3,
            "no checkpoint of step 3; kept are",
        ),
        (["--init", "runs/00000-digits-dcgan/config.json"], 3, "not a safetensors file"),
        (["--init", "runs/00000-digits-dcgan/env.json"], 3, "not a safetensors file"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_no_run(
    flags, code, line, command, source, tmp_path
):
    found, _, err = command("train", "dcgan", *TINY, *flags, "--steps", "1")
    assert found == code
    assert line in err
    assert len(err.splitlines()) == 1
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [source.name]
