"""What a run leaves behind, and how it ends when something goes wrong."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tinygan.errors import CheckpointError, DeviceError, DivergedError, OptionError, SaveError
from tinygan.recipes import get
from tinygan.runs import train as module
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.device import choose_device, kernels_of, why_no_gpu
from tinygan.runs.files import load_tensors, read_metadata
from tinygan.runs.setup import Settings, load_game
from tinygan.runs.train import resume, train

TINY = {"batch": 4, "hidden_g": 8, "hidden_d": 6, "nz": 4}


def start(outdir, steps=6, snap=2, recipe=None, **more):
    recipe = recipe or get("gan")
    settings = Settings(data=more.pop("data", "digits:8"), steps=steps, snap=snap, **more)
    return train(recipe, settings, recipe.config(**TINY), outdir=outdir)


def finish(training):
    for _ in training:
        pass
    return training.run


def broken_at(step, break_it):
    """Return the recipe gan whose step of that number is broken."""
    gan = get("gan")

    def take(game, batches):
        metrics = gan.step(game, batches)
        return break_it(game, metrics) if game.step == step else metrics

    return dataclasses.replace(gan, step=take)


def raise_it(error):
    raise error


def nan_loss(game, metrics):
    return metrics | {"loss_d": float("nan")}


def test_a_run_leaves_everything_that_its_directory_promises(tmp_path):
    run = finish(start(tmp_path, steps=6, snap=2))
    assert run.path.name == "00000-digits-gan"
    names = {path.name for path in run.path.iterdir()}
    promised = "config.json env.json log.txt metrics.jsonl reals.png fakes_init.png samples.gif"
    promised += " curves.png report.html checkpoints latest g_ema.safetensors"
    promised += " fakes000002.png fakes000004.png fakes000006.png"
    assert names == {*promised.split(), ".lock"}
    kept = sorted(path.name for path in (run.path / "checkpoints").iterdir())
    assert kept == ["step-000004", "step-000006"]
    with Image.open(run.path / "fakes000006.png") as grid:
        assert grid.size == (8 * 10 + 2, 8 * 10 + 2)
    with Image.open(run.path / "samples.gif") as film:
        assert film.n_frames == 4


def test_metrics_hold_a_row_a_step(tmp_path):
    rows = finish(start(tmp_path, steps=5)).read_rows()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["kimg"] == 5 * 4 / 1000
    assert all(np.isfinite(row[key]) for row in rows for key in ("loss_d", "loss_g", "d_real"))


def test_pictures_and_checkpoints_do_not_change_what_is_trained(tmp_path):
    often, never = finish(start(tmp_path, snap=1)), finish(start(tmp_path, snap=6))
    one, other = load_checkpoint(often.path).tensors, load_checkpoint(never.path).tensors
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_generator_file_makes_the_samples_of_the_run(tmp_path):
    training = start(tmp_path)
    run = finish(training)
    weights = load_tensors(run.path / "g_ema.safetensors")
    assert all(np.array_equal(weights[k], v) for k, v in training.game.G.state_dict().items())
    facts = read_metadata(run.path / "g_ema.safetensors")
    assert (facts["recipe"], facts["step"], facts["weights"]) == ("gan", "6", "G")
    assert json.loads(facts["config"])["nz"] == 4
    game, notice = load_game(run, get("gan"))
    assert notice is None
    assert np.array_equal(game.sample(5), training.game.sample(5))


def test_points_are_plotted(tmp_path):
    run = finish(start(tmp_path, steps=1, data="ring"))
    with Image.open(run.path / "reals.png") as plot:
        assert np.unique(np.asarray(plot)).size > 10  # dots on white


def test_images_that_a_recipe_refuses_are_resized_and_the_user_is_told(tmp_path):
    recipe = get("dcgan")
    config = recipe.config(batch=4, ngf=4, ndf=4, nz=4)
    np.savez(tmp_path / "even.npz", images=np.zeros((20, 10, 10, 1), np.uint8))
    settings = Settings(data=str(tmp_path / "even.npz"), steps=1)
    assert train(recipe, settings, config, outdir=tmp_path).notices == []  # 10 = 5 * 2
    np.savez(tmp_path / "odder.npz", images=np.zeros((20, 9, 11, 1), np.uint8))
    settings = Settings(data=str(tmp_path / "odder.npz"), steps=1)
    training = train(recipe, settings, config, outdir=tmp_path)
    assert "dcgan does not take 11 x 9 images: resized to 16 x 16" in training.notices[0]
    assert training.dataset.shape == (1, 16, 16)
    with pytest.raises(OptionError, match="11"):
        train(recipe, dataclasses.replace(settings, size=11), config, outdir=tmp_path)


def test_oblong_images_stay_oblong_in_a_resumed_run(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "set.npz", images=rng.integers(0, 255, (20, 6, 9, 3), dtype=np.uint8))
    run = finish(start(tmp_path, steps=2, data=str(tmp_path / "set.npz")))
    assert resume(run, get("gan"), steps=3).dataset.shape == (3, 6, 9)


def test_a_folder_with_the_name_of_a_data_set_does_not_hide_it(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    np.savez(tmp_path / "set.npz", images=np.zeros((20, 9, 9, 1), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert Settings(data="digits", steps=1).checked().data == "digits"
    assert Settings(data="digits:8", steps=1).checked().data == "digits:8"
    assert Settings(data="set.npz:8", steps=1).checked().data == f"{tmp_path / 'set.npz'}:8"


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_its_checkpoint(tmp_path):
    training = start(tmp_path, recipe=broken_at(5, nan_loss))
    with pytest.raises(DivergedError, match=r"step 5.*loss_d is nan"):
        finish(training)
    run = training.run
    assert load_checkpoint(run.path).step == 4
    assert "DivergedError" in (run.path / "log.txt").read_text()
    assert "Traceback" in (run.path / "log.txt").read_text()
    assert run.read_rows("alarms")[0]["step"] == 5
    assert "loss_d is nan" in (run.path / "report.html").read_text()
    assert run.read_rows()[-1]["step"] == 4


def test_a_checkpoint_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    save, failed = module.save_checkpoint, []

    def full_once(path, step, *rest, **more):
        if step == 2:
            failed.append(step)
            raise SaveError("disk full")
        return save(path, step, *rest, **more)

    monkeypatch.setattr(module, "save_checkpoint", full_once)
    training = start(tmp_path)
    run = finish(training)
    assert failed == [2]
    assert training.notices == ["warning: disk full; training goes on"]
    assert load_checkpoint(run.path).step == 6


def test_the_last_checkpoint_must_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "save_checkpoint", lambda *_, **__: raise_it(SaveError("disk full"))
    )
    with pytest.raises(SaveError, match="disk full"):
        finish(start(tmp_path))


def test_metrics_that_cannot_be_written_are_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module.RunDirectory, "append_row", lambda *_: raise_it(SaveError("disk full"))
    )
    training = start(tmp_path)
    finish(training)
    assert training.notices == ["warning: disk full; training goes on"]


def test_leaving_the_loop_early_leaves_the_signals_as_they_were(tmp_path):
    import signal

    before = signal.getsignal(signal.SIGINT)
    steps = iter(start(tmp_path))
    next(steps)
    assert signal.getsignal(signal.SIGINT) is not before
    steps.close()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": 1, "snap": -1}, "snap=-1"),
        ({"steps": 1, "backend": "cpq"}, "no backend 'cpq'"),
        ({"steps": 1, "device": "tpu"}, "device 'tpu'"),
    ],
)
def test_settings_that_do_not_fit_leave_no_folder(settings, what, tmp_path):
    with pytest.raises(OptionError, match=what):
        start(tmp_path / "runs", **settings)
    assert not (tmp_path / "runs").exists()


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    with pytest.raises(OptionError, match="batch size 5000 doesn't fit digits"):
        train(get("gan"), Settings(data="digits:8", steps=1), get("gan").config(batch=5000))


def test_auto_says_why_it_took_the_cpu():
    device = choose_device("auto")
    why = why_no_gpu()
    assert device.name == ("cuda" if why is None else "cpu")
    assert why is None or why in device.why


def test_cuda_without_a_gpu_is_refused_with_the_reason():
    if why_no_gpu() is None:
        pytest.skip("there is a GPU here")
    with pytest.raises(DeviceError, match=r"cuda can't be used: .*; use --device cpu"):
        choose_device("cuda")


def test_a_named_backend_is_used_alone():
    from tinygan.kernels import registry

    with kernels_of("numpy"):
        assert registry.backend_order() == ("numpy",)
    with kernels_of("cpp, numpy") if why("cpp") is None else kernels_of("numpy"):
        assert registry.backend_order()[-1] == "numpy"
    with pytest.raises(OptionError, match="backend cuda can't be used"):
        kernels_of("numpy,cuda")


def why(backend):
    from tinygan.runs.device import why_no_backend

    return why_no_backend(backend)


def test_a_run_that_is_going_on_is_not_resumed_beside_it(tmp_path):
    training = start(tmp_path, steps=3)
    steps = iter(training)
    next(steps)
    training.save()
    before = sorted(p.read_bytes() for p in training.run.path.glob("*.jsonl"))
    with pytest.raises(CheckpointError, match="another process is training in this run"):
        resume(training.run, training.recipe)
    assert sorted(p.read_bytes() for p in training.run.path.glob("*.jsonl")) == before
    assert [game.step for game in steps] == [2, 3]
    assert [game.step for game in resume(training.run, training.recipe, steps=4)] == [4]
