"""Every mistake gives one line that names the thing, no traceback, and its exit code."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinygan.cli import main
from tinygan.runs.device import why_no_gpu

TINY = ["--data", "digits:8", "--batch", "8", "--hidden-g", "8", "--hidden-d", "6", "--nz", "4"]


@pytest.fixture
def fails(said, tmp_path, monkeypatch):
    """Call the command line; returns (exit code, its one line on stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        code, _, lines = said(*args)
        assert len(lines) == 1, lines
        assert lines[0].startswith("tinygan: ")
        return code, lines[0]

    return call


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Give the folder of a finished run with checkpoints at steps 2 and 4."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    flags = ["--steps", "4", "--snap", "2", "--outdir", str(tmp_path / "runs")]
    assert main(["train", "gan", *TINY, *flags]) == 0
    return tmp_path / "runs" / "00000-digits-gan"


def flip(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["trian", "gan"], "no verb 'trian': perhaps you meant train"),
        ([], "a verb is missing: use one of train resume"),
        (["train"], "train: a recipe is missing; `tinygan recipes` lists them"),
        (["train", "--steps", "3"], "train: a recipe is missing; `tinygan recipes` lists them"),
        (["train", "dcgna"], "no recipe 'dcgna': perhaps you meant dcgan"),
        (["train", "wgan_gp", "--n-critc", "2"], "no flag --n-critc: perhaps you meant --n-critic"),
        (["train", "gan", "--batch", "many"], "train gan: Error parsing --batch: invalid literal"),
        (["train", "gan", "--batch"], "train gan: "),
        (["train", "gan", "--batch", "0"], "gan: --batch 0: 1 or more fits"),
        (["train", "gan", "--steps", "0"], "steps=0"),
        (["train", "gan", "--seed", "-1"], "seed -1 is out of range"),
        (["train", "gan", "surplus"], "train gan: "),
        (["train", "gan", "--device", "gpu"], "device 'gpu': use auto, cpu or cuda"),
        (["train", "gan", "--backend", "cp"], "no backend 'cp': use one of cpp, numba"),
        (["train", "gan", "--size", "0"], "size=0"),
        (["train", "dcgan", "--data", "ring"], "DCGAN makes square images"),
        (["train", "gan", "--data", "ring", "--size", "8"], "ring: points have no size"),
        (["resume"], "resume: RUN is missing; see tinygan resume --help"),
        (["resume", "x", "--step", "3"], "resume: no flag --step: perhaps you meant --steps"),
        (["resume", "x", "--steps", "0"], "--steps 0: use 1 or more"),
        (["sample", "x", "--n", "0"], "--n 0: use 1 or more"),
        (["sample", "x", "--out", "y.jpg"], "--out y.jpg: the ending .png or .npz fits"),
        (["interpolate", "x", "--frames", "1"], "--frames 1: use 1 row and 2 frames or more"),
        (["data", "chek", "x"], "data: no verb 'chek': perhaps you meant check"),
        (["data"], "data: a verb is missing"),
        (["explain"], "explain: an op is missing"),
        (["explain", "conv2"], "explain: no op 'conv2': perhaps you meant conv2d"),
        (["explain", "conv2d", "3by3"], "explain: shape '3by3'"),
        (["explain", "sum", "3x3:float16"], "explain: 3x3:float16: use float32 or float64"),
        (["explain", "conv2d", "1x1x3x3"], "explain conv2d: "),
        (["explain", "conv2d", "--stride"], "explain: --stride needs a value"),
        (["explain", "conv2d", "1x1x3x3", "1x1x2x2", "--stride", "0"], "stride=(0, 0)"),
        (["check", "conv22d"], "check: no op 'conv22d': perhaps you meant conv2d"),
        (["check", "kernels", "add"], "check: kernels add: there is nothing to check"),
        (["check", "sum", "--all"], "check: name ops or say --all, not both"),
        (["check", "--cases", "0"], "check: --cases, --calls and --jobs are at least 1"),
        (["check", "--plugin", "no_such"], "check: --plugin no_such: No module named 'no_such'"),
        (["check", "--repro", "hello"], "no reproducer 'hello': it starts with grad"),
        (["check", "--repro", "grad conv2d cpp 2 1.2"], "None is not in 1..4"),
        (["check", "--order", "4"], "check: --order 4: use 1, 2 or 3"),
        (["check", "--backend", "cuda"], "check: no backend 'cuda'"),
        (["check", "--backend", "numpy/referense"], "perhaps you meant numpy/reference"),
        (["demo", "--steps", "0"], "--steps 0: use 1 or more"),
    ],
)
def test_a_mistake_in_the_command_is_one_line_and_exits_2(args, line, fails):
    code, said = fails(*args)
    assert code == 2
    assert line in said


def test_nothing_is_made_for_a_command_that_does_not_fit(fails, tmp_path):
    fails("train", "gan", "--batch", "0", "--outdir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_cuda_without_a_gpu_exits_2_with_the_reason(fails):
    if why_no_gpu() is None:
        pytest.skip("there is a GPU here")
    code, said = fails("train", "gan", "--device", "cuda")
    assert code == 2
    assert why_no_gpu() in said


def test_missing_data_exit_3(fails, tmp_path):
    code, said = fails("train", "gan", "--data", tmp_path / "absent")
    assert code == 3
    assert f"{tmp_path / 'absent'}: no such file, folder or data set" in said


def test_corrupt_data_exit_3(fails, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x09")
    code, said = fails("train", "gan", "--data", tmp_path / "train-images-idx3-ubyte")
    assert code == 3
    assert "train-images-idx3-ubyte" in said
    np.savez(tmp_path / "labels.npz", labels=np.arange(3))
    code, said = fails("train", "gan", "--data", tmp_path / "labels.npz")
    assert code == 3
    assert "labels.npz" in said


@pytest.mark.parametrize("verb", ["resume", "sample", "interpolate", "export"])
def test_a_run_that_is_not_there_exits_3(verb, fails, tmp_path):
    code, said = fails(verb, tmp_path / "00007")
    assert code == 3
    assert "no such run" in said


def test_a_flipped_byte_falls_back_with_a_notice(run, capsys):
    flip(run / "checkpoints/step-000004/tensors.safetensors")
    assert main(["sample", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "going on from step-000002" in out
    assert not err
    assert main(["resume", str(run), "--steps", "6"]) == 0
    assert "going on from step-000002" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["resume", "sample", "interpolate", "export"])
def test_no_whole_checkpoint_exits_3(verb, run, fails):
    for folder in (run / "checkpoints").iterdir():
        flip(folder / "tensors.safetensors")
    code, said = fails(verb, run)
    assert code == 3
    assert "no whole checkpoint is left" in said
    assert ("Traceback" in (run / "log.txt").read_text()) == (verb == "resume")


def test_a_damaged_configuration_exits_3(run, fails):
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config[:40])
    assert fails("resume", run)[0] == 3
    (run / "config.json").write_text(config.replace('"gan"', '"gnn"'))
    code, said = fails("resume", run)
    assert code == 3
    assert "perhaps you meant gan" in said


def test_a_file_as_outdir_exits_2(fails, tmp_path):
    (tmp_path / "file").write_text("")
    code, said = fails("train", "gan", *TINY, "--outdir", tmp_path / "file")
    assert code == 2
    assert "it is a file, a folder fits" in said


def test_an_outdir_that_cannot_be_made_exits_5(fails, tmp_path):
    (tmp_path / "file").write_text("")
    code, said = fails("train", "gan", *TINY, "--outdir", tmp_path / "file" / "runs")
    assert code == 5
    assert "no run folder can be made" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_outdir_exits_5(fails, tmp_path):
    (tmp_path / "shut").mkdir(mode=0o500)
    code, said = fails("train", "gan", *TINY, "--outdir", tmp_path / "shut")
    assert code == 5
    assert "Permission denied" in said


def test_divergence_exits_4_and_keeps_the_checkpoint(fails, tmp_path, monkeypatch):
    flags = ["--steps", "9", "--snap", "2", "--lr", "1e25", "--outdir", tmp_path]
    code, said = fails("train", "gan", *TINY, *flags)
    assert code == 4
    assert "step" in said
    run = tmp_path / "00000-digits-gan"
    assert "Traceback" in (run / "log.txt").read_text()


def test_a_nan_after_a_checkpoint_keeps_it(fails, tmp_path, monkeypatch):
    import tinygan.recipes.gan as gan

    loss = gan.ops.nonsaturating_g_loss
    calls = []

    def poisoned(logit):
        calls.append(1)
        return loss(logit) if len(calls) < 6 else loss(logit) / 0.0 - loss(logit) / 0.0

    monkeypatch.setattr(gan.ops, "nonsaturating_g_loss", poisoned)
    flags = ["--steps", "9", "--snap", "2", "--outdir", tmp_path]
    code, said = fails("train", "gan", *TINY, *flags)
    assert code == 4
    assert "step 6: loss_g is nan: op 'true_divide'" in said
    latest = (tmp_path / "00000-digits-gan" / "latest").read_text()
    assert latest.startswith("step-000004 ")


def raising(error):
    def step(*args, **more):
        raise error

    return step


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MemoryError("Unable to allocate 9 TiB"), 5, "9 TiB; try a smaller --batch"),
        (MemoryError(), 5, "out of memory: no more is to be had; try a smaller --batch"),
        (OSError(28, "No space left on device", "x.png"), 5, "x.png: No space left on device"),
        (RuntimeError("two\nlines"), 1, "unexpected RuntimeError: two lines (--traceback shows"),
    ],
)
def test_what_goes_wrong_in_a_step_is_one_line(error, code, line, fails, tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.runs.train.advance", raising(error))
    found, said = fails("train", "gan", *TINY, "--outdir", tmp_path)
    assert found == code
    assert line in said
    assert "Traceback" in (tmp_path / "00000-digits-gan" / "log.txt").read_text()


def test_a_traceback_is_shown_when_asked_for(capsys):
    assert main(["train", "nothing", "--traceback"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("tinygan: no recipe 'nothing'")


def test_ctrl_c_before_the_first_step_exits_130(fails, monkeypatch):
    monkeypatch.setattr("tinygan.cli.train.train", raising(KeyboardInterrupt()))
    assert fails("train", "gan") == (130, "tinygan: interrupted")


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m tinygan recipes | head -c 1"
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert found.stdout == "g"
    assert not found.stderr
