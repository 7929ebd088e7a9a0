"""The peak of memory that a run prints and leaves behind."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygan.kernels import MemoryStats
from tinygan.recipes import get
from tinygan.runs import memory
from tinygan.runs.setup import Settings
from tinygan.runs.train import train

MB = 10**6


def test_the_resident_peak_follows_what_is_touched_and_stays():
    before = memory.resident_peak()
    if before is None:
        pytest.skip("this system does not tell")
    for _ in range(2):
        held = np.ones(before + 100 * MB, np.uint8)  # more than the process ever held
        del held
    assert memory.resident_peak() > before + 100 * MB


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to compare with")
def test_what_the_system_says_in_two_ways_agrees(monkeypatch):
    by_proc = memory.resident_peak()
    monkeypatch.setattr(memory, "Path", lambda name: Path(name + ".missing"))
    assert memory.resident_peak() >= by_proc  # it may count the parent's peak
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory.resident_peak() is None


@pytest.mark.parametrize(
    ("resident", "stats", "text"),
    [
        (1234 * MB, MemoryStats(0, 0, 345 * MB, 0, 0),
         "1,234 MB at most, 345 MB of it in large arrays"),
        (12 * MB, None, "12 MB at most"),
        (None, MemoryStats(0, 0, 3 * MB, 0, 0), "3 MB of it in large arrays"),
        (None, None, "unknown"),
    ],
)  # fmt: skip
def test_the_text_says_what_is_known(monkeypatch, resident, stats, text):
    monkeypatch.setattr(memory, "resident_peak", lambda: resident)
    monkeypatch.setattr(memory, "memory_stats", lambda: stats)
    assert memory.peak_text() == text


def test_a_run_leaves_its_peak_in_the_log_the_environment_and_the_report(tmp_path):
    config = get("gan").config(batch=4, hidden_g=8, hidden_d=6, nz=4)
    settings = Settings(data="digits:8", steps=2, snap=2)
    training = train(get("gan"), settings, config, outdir=tmp_path)
    for _ in training:
        pass
    peaks = json.loads((training.run.path / "env.json").read_text())["peak_memory_bytes"]
    assert peaks == memory.peak_memory()
    assert "memory " in (training.run.path / "log.txt").read_text().splitlines()[-1]
    page = (training.run.path / "report.html").read_text()
    assert "peak_memory_bytes" in page
    assert all(str(value) in page for value in peaks.values())
