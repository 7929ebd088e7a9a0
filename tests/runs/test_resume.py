"""A run that is killed and resumed ends with the bits of one that never stopped."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tinygan.errors import CheckpointError
from tinygan.recipes import RECIPES, get
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.rundir import RunDirectory
from tinygan.runs.setup import Settings
from tinygan.runs.train import Stopped, resume, train

STEPS, SNAP, KILLED_AT = 100, 25, 57  # so 50 is the last checkpoint

TINY = {
    "gan": ("digits:8", {"batch": 8, "hidden_g": 8, "hidden_d": 6}),
    "dcgan": ("digits:8", {"batch": 8, "ngf": 4, "ndf": 4, "nz": 8}),
    "wgan_gp": ("digits:8", {"batch": 6, "ngf": 4, "ndf": 4, "nz": 8, "n_critic": 2}),
    "unrolled": ("ring", {"batch": 16, "hidden": 8, "nz": 4, "unrolling": 2}),
    "consensus": ("ring", {"batch": 16, "nz": 4}),
    "lsgan": ("ring", {"batch": 16, "hidden": 8, "nz": 4}),
    "wgan": ("ring", {"batch": 16, "hidden": 8, "nz": 4, "n_critic_burst": 7, "n_critic": 1}),
    "dragan": ("ring", {"batch": 16, "hidden": 8, "nz": 4}),
    "sngan": ("ring", {"batch": 8, "hidden": 8, "nz": 4, "g_batch": 12, "n_critic": 1}),
    "sagan": ("digits:8", {"batch": 4, "ngf": 8, "ndf": 8, "nz": 4}),
    "began": ("digits:8", {"batch": 4, "nf": 2, "nz": 4}),
    "ebgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "relativistic": ("ring", {"batch": 16, "hidden": 8, "nz": 4}),
    "minibatch": ("ring", {"batch": 8, "hidden": 8, "nz": 4, "distances": 3}),
    "feature_matching": ("ring", {"batch": 16, "hidden": 8, "nz": 4}),
    "cgan": ("ring", {"batch": 16, "hidden": 8, "nz": 4}),
    "acgan": ("ring", {"batch": 16, "hidden": 8, "nz": 4}),
    "projection": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1}),
    "biggan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1}),
    "extragradient": ("digits:8", {"batch": 8, "ngf": 2, "ndf": 2, "nz": 4}),
    "pacgan": ("digits:8", {"batch": 8, "ngf": 2, "ndf": 2, "nz": 4}),
    "veegan": ("ring", {"batch": 8, "hidden": 6, "nz": 4}),
    "bigan": ("ring", {"batch": 8, "hidden": 6, "stochastic": True}),
    "infogan": ("ring", {"batch": 16, "hidden": 8, "nz": 4, "categories": 3}),
    "semi_supervised": ("digits:8", {"batch": 8, "hidden_g": 6, "hidden_d": 8, "nz": 4}),
    "vae": ("ring", {"batch": 16, "hidden": 8}),
    "vae_gan": ("ring", {"batch": 16, "hidden": 8}),
    "progan": ("digits:8", {"batch": 4, "nf": 2, "nz": 4, "stage_kimg": 0.1, "fade_kimg": 0.2}),
    "stylegan": ("digits:8", {"batch": 4, "nf": 2, "nz": 4, "nw": 4, "mapping_layers": 1}),
    "stylegan2": ("digits:8", {"batch": 4, "nf": 2, "nz": 4, "nw": 4, "mapping_layers": 1}),
    "pix2pix": ("edges:digits:8", {"batch": 2, "ngf": 2, "ndf": 2, "layers": 1, "jitter": 2}),
    "cyclegan": (
        "unpaired:digits:8,inverted:digits:8",
        {"batch": 2, "ngf": 2, "ndf": 2, "layers": 1, "blocks": 1, "replay": 3, "jitter": 2},
    ),
    "srgan": ("digits:16", {"batch": 4, "ngf": 4, "ndf": 2, "blocks": 1, "pretrain": 40}),
    "esrgan": (
        "digits:16",
        {"batch": 4, "ngf": 4, "growth": 2, "ndf": 2, "blocks": 1, "pretrain": 40},
    ),
    "cogan": ("half-inverted:digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "stargan": ("painted:digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "blocks": 1, "n_critic": 1}),
    "age_editing": ("ring", {"batch": 8, "hidden": 6, "nz": 4}),
    "text_to_image": (
        "captioned:digits:8",
        {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "features": 3, "hidden": 3},
    ),
    "video": ("moving:digits:4", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 3, "motion": 2}),
}

CHILD = """
import json, os, signal, sys
from tinygan.recipes import get
from tinygan.runs.setup import Settings
from tinygan.runs.train import train

name, data, config, steps, snap, stop, outdir = json.loads(sys.argv[1])
recipe = get(name)
settings = Settings(data=data, steps=steps, snap=snap, seed=3)
for game in train(recipe, settings, recipe.config(**config), outdir=outdir):
    if game.step == stop:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def start(name, outdir, steps=STEPS, snap=SNAP):
    data, config = TINY[name]
    recipe = get(name)
    config = recipe.config(**config, half_life_kimg=0.05)
    return train(recipe, Settings(data=data, steps=steps, snap=snap, seed=3), config, outdir=outdir)


def finish(training):
    for _ in training:
        pass
    return training.run


def go_on(run, **more):
    return resume(run, get(run.read_config()["recipe"]), **more)


def rows_without_time(run):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.read_rows()]


def assert_same_ending(one, other):
    a, b = load_checkpoint(one.path), load_checkpoint(other.path)
    assert a.step == b.step
    assert list(a.tensors) == list(b.tensors)
    for name, x in a.tensors.items():
        y = b.tensors[name]
        assert x.dtype == y.dtype, name
        assert x.shape == y.shape, name
        assert x.tobytes() == y.tobytes(), name
    assert a.state["game"] == b.state["game"]
    assert a.state["batches"] == b.state["batches"]
    assert rows_without_time(one) == rows_without_time(other)
    for name in ("g_ema.safetensors", f"fakes{a.step:06d}.png"):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes(), name


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_run_goes_on_bit_for_bit(name, tmp_path):
    data, config = TINY[name]
    order = [name, data, config | {"half_life_kimg": 0.05}, STEPS, SNAP, KILLED_AT]
    told = json.dumps([*order, str(tmp_path / "killed")])
    child = subprocess.run([sys.executable, "-c", CHILD, told], capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    killed = RunDirectory.open(tmp_path / "killed" / "00000")
    assert killed.read_rows()[-1]["step"] == KILLED_AT
    training = go_on(killed)
    assert training.game.step == 50
    assert killed.read_rows()[-1]["step"] == 50  # the rows after the checkpoint are dropped
    finish(training)
    straight = finish(start(name, tmp_path / "straight"))
    moved = load_checkpoint(straight.path).tensors
    first = start(name, tmp_path / "untrained", steps=1).game.state()[0]
    assert any(not np.array_equal(first[k], moved[k]) for k in moved if k.startswith("G."))
    assert_same_ending(straight, killed)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 75), ("SIGUSR1", 75)])
def test_a_signal_saves_the_step_and_the_run_goes_on_bit_for_bit(number, code, tmp_path):
    training = start("gan", tmp_path / "stopped", steps=20, snap=10)
    with pytest.raises(Stopped, match=f"{number} at step 7, saved.*tinygan resume") as stopped:
        signal_at(training, 7, getattr(signal, number))
    assert stopped.value.exit_code == code
    assert load_checkpoint(training.run.path).step == 7
    straight = finish(start("gan", tmp_path / "straight", steps=20, snap=10))
    assert_same_ending(straight, finish(go_on(training.run)))


def test_a_run_can_be_lengthened(tmp_path):
    run = finish(start("gan", tmp_path / "short", steps=6, snap=5))
    longer = finish(go_on(run, steps=12))
    assert longer.read_config()["settings"]["steps"] == 12
    assert_same_ending(finish(start("gan", tmp_path / "long", steps=12, snap=5)), longer)


def test_a_run_without_a_checkpoint_starts_over(tmp_path):
    training = start("gan", tmp_path / "cut", steps=8, snap=8)
    for game in training:
        if game.step == 3:
            break
    again = go_on(training.run)
    assert "no checkpoint yet" in again.notices[0]
    assert_same_ending(finish(start("gan", tmp_path / "straight", 8, 8)), finish(again))


def test_a_damaged_checkpoint_gives_way_to_the_one_before_with_a_notice(tmp_path):
    run = finish(start("gan", tmp_path / "damaged", steps=20, snap=10))
    flip(run.path / "checkpoints/step-000020/tensors.safetensors", 1000)
    training = go_on(run)
    assert "going on from step-000010" in training.notices[0]
    assert_same_ending(finish(start("gan", tmp_path / "straight", 20, 10)), finish(training))


def test_data_that_changed_are_refused(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images)
    recipe = get("gan")
    config = recipe.config(batch=4, hidden_g=4, hidden_d=4)
    settings = Settings(data=str(tmp_path / "set.npz"), steps=2)
    run = finish(train(recipe, settings, config, outdir=tmp_path / "runs"))
    np.savez(tmp_path / "set.npz", images=255 - images)
    with pytest.raises(CheckpointError, match="saved with dataset"):
        go_on(run)


def test_a_configuration_of_other_fields_is_refused(tmp_path):
    run = finish(start("gan", tmp_path, steps=1, snap=1))
    config = run.read_config()
    del config["config"]["nz"]
    run.write_config(config)
    with pytest.raises(CheckpointError, match=r"config\.json: does not fit: 'nz'"):
        go_on(run)


def test_a_relative_data_path_is_found_from_anywhere(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images)
    monkeypatch.chdir(tmp_path)
    recipe = get("gan")
    config = recipe.config(batch=4, hidden_g=4, hidden_d=4)
    run = finish(train(recipe, Settings(data="set.npz", steps=1), config, outdir=tmp_path / "runs"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert finish(go_on(run, steps=2)).read_rows()[-1]["step"] == 2


def signal_at(training, step, number):
    for game in training:
        if game.step == step:
            os.kill(os.getpid(), number)


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
