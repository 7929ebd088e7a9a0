"""``--curriculum`` from the command line to ``config.json`` and back, bit for bit."""

import json

import pytest

from tinygan.cli import main
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.rundir import RunDirectory

TINY = ["--data", "digits:8", "--batch", "8", "--ngf", "4", "--ndf", "4", "--nz", "8"]


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Train dcgan with flags, in a folder of its own; returns the exit code."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda *flags: main(["train", "dcgan", *TINY, *flags])


def bits(run):
    found = load_checkpoint(run)
    return {name: x.tobytes() for name, x in found.tensors.items()}, found.state["game"]


def test_a_resumed_run_has_its_curriculum_and_the_bits(train, tmp_path):
    flags = ["--curriculum", "blur:2/6", "--snap", "4"]
    assert train(*flags, "--steps", "8") == 0
    assert train(*flags, "--steps", "4") == 0
    straight, cut = sorted((tmp_path / "runs").glob("0000*"))
    assert json.loads((cut / "config.json").read_text())["settings"]["curriculum"] == "blur:2/6"
    assert main(["resume", str(cut), "--steps", "8"]) == 0
    assert bits(straight) == bits(cut)
    rows = RunDirectory.open(cut).read_rows()
    assert [row["step"] for row in rows if "blur" in row] == [1, 2, 3, 4, 5, 6]
    assert main(["sample", str(cut), "--n", "4", "--out", str(tmp_path / "x.png")]) == 0


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--curriculum", "blur:2"], "curriculum 'blur:2': blur:SIGMA/STEPS fits"),
        (["--curriculum", "blur:2/9", "--data", "ring"], "it blurs images, the data have (2,)"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_run(train, tmp_path, capsys, flags, line):
    assert train(*flags) != 0
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
