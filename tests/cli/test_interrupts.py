"""Signals sent to a training process: it saves, says how to go on, and exits as it should."""

import os
import signal
import subprocess
import sys

import pytest

from tinygan.cli import main
from tinygan.runs.checkpoint import load_checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")

TINY = ["gan", "--data", "digits:8", "--batch", "8", "--hidden-g", "8", "--hidden-d", "6"]
ENDLESS = ["--steps", "10000000", "--seed", "1"]


@pytest.fixture
def child(tmp_path):
    """Give a training process that has taken its first step."""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "tinygan", "train", *TINY, *ENDLESS]
    process = subprocess.Popen(
        [*command, "--outdir", str(tmp_path / "runs")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    for line in process.stdout:
        if line.startswith("step 1/"):
            break
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 75)])
def test_a_signal_saves_and_exits_and_resume_goes_on(number, code, child, tmp_path, capsys):
    child.send_signal(getattr(signal, number))
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    run = tmp_path / "runs" / "00000-digits-gan"
    step = load_checkpoint(run).step
    lines = err.splitlines()
    assert lines == [f"{number} at step {step}, saved; go on with: tinygan resume {run}"]
    assert lines[0] in (run / "log.txt").read_text()
    assert main(["resume", str(run), "--steps", str(step + 2)]) == 0
    assert load_checkpoint(run).step == step + 2
    # the same steps without the interruption
    flags = ["--steps", str(step + 2), "--seed", "1", "--outdir", str(tmp_path / "straight")]
    assert main(["train", *TINY, *flags]) == 0
    mine = load_checkpoint(run).tensors
    theirs = load_checkpoint(tmp_path / "straight" / run.name).tensors
    assert all(mine[name].tobytes() == theirs[name].tobytes() for name in theirs)
