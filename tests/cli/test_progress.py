"""What a training shows: a live bar on a terminal, plain lines elsewhere."""

import os
import re
import subprocess
import sys

import pytest

from tinygan.cli import progress
from tinygan.cli.progress import Progress, clock, figures
from tinygan.recipes import get
from tinygan.runs.setup import Settings
from tinygan.runs.train import train

TINY = {"batch": 4, "hidden_g": 8, "hidden_d": 6, "nz": 4}
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38;|9[0-7])")


def start(tmp_path, steps):
    settings = Settings(data="digits:8", steps=steps, snap=steps)
    return train(get("gan"), settings, get("gan").config(**TINY), outdir=tmp_path)


def on_a_terminal(tmp_path, **variables):
    """Train on a pseudo-terminal; return everything that it was sent."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    flags = ["--data", "digits:8", "--batch", "4", "--hidden-g", "8", "--hidden-d", "6"]
    flags += ["--steps", "40", "--outdir", str(tmp_path)]
    given = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    env = {**given, "TERM": "xterm-256color", "COLUMNS": "160", **variables}
    child = subprocess.Popen(
        [sys.executable, "-m", "tinygan", "train", "gan", *flags],
        stdout=theirs,
        stderr=theirs,
        env={**env, "XDG_CACHE_HOME": str(tmp_path)},
    )
    os.close(theirs)
    said = b""
    while chunk := read(ours):
        said += chunk
    os.close(ours)
    assert child.wait(timeout=60) == 0
    return said.decode()


def read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux reports the end of a terminal as an error
        return b""


def test_a_terminal_gets_one_live_bar(tmp_path):
    said = on_a_terminal(tmp_path)
    assert COLOUR.search(said)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert "step 40/40" in plain
    for word in ("images/s", "ETA", "loss_d", "loss_g", "D(x)", "D(G(z))"):
        assert word in plain
    assert "\x1b[?25h" in said  # the cursor is back
    assert "done in" in plain


def test_no_color_is_honoured(tmp_path):
    said = on_a_terminal(tmp_path, NO_COLOR="1")
    assert "step 40/40" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert not COLOUR.search(said)


def test_a_dumb_terminal_gets_plain_lines(tmp_path):
    said = on_a_terminal(tmp_path, TERM="dumb")
    assert "\x1b" not in said
    assert "step 40/40" in said


def test_plain_lines_come_at_the_start_at_the_end_and_each_half_minute(
    tmp_path, monkeypatch, capsys
):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    training = start(tmp_path, steps=10)
    with Progress(training) as shown:
        for _ in training:
            now[0] += 11.0
            shown.show()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert [line.split()[1] for line in lines] == ["1/10", "4/10", "7/10", "10/10"]
    assert "0 images/s" in lines[1]
    assert "ETA 0:01:06" in lines[1]  # six steps of 11 s


def test_notices_are_shown_between_the_steps(tmp_path, capsys):
    training = start(tmp_path, steps=2)
    training.notices.append("warning: [brackets] stay")
    with Progress(training) as shown:
        for _ in training:
            shown.show()
    assert "warning: [brackets] stay" in capsys.readouterr().out
    assert training.notices == []


def test_figures_put_losses_first_and_name_what_d_says():
    metrics = {"d_real": 0.5, "penalty": 2.0, "loss_d": 1.0, "d_fake": 0.25, "loss_g": 3.0}
    said = figures(metrics)
    assert said == "loss_d 1.000  loss_g 3.000  D(x) 0.500  D(G(z)) 0.250  penalty 2.000"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00:00"), (61, "0:01:01"), (36061, "10:01:01")]
)
def test_clocks_count_hours_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text
