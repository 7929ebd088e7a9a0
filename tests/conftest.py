"""What tests share: backends to run on, the command line, long campaigns, and real data."""

import collections
import datetime
import json
import os
from pathlib import Path

import pytest
import strict_arrays
import strict_cuda

from tinygan import random
from tinygan.autograd import outline
from tinygan.cli import main
from tinygan.kernels import registry
from tinygan.kernels.cuda import cusim
from tinygan.kernels.cuda.launch import RUNNERS
from tinygan.kernels.native import native, why_not
from tinygan.runs.environment import collect_environment

SOAK_RESULTS = Path(__file__).parents[1] / "bench" / "results" / "soak.jsonl"


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run the campaigns at full length")


@pytest.fixture(scope="session")
def soak(request):
    """Tell whether campaigns run at full length: --soak, or TINYGAN_SOAK=1 (``make soak``)."""
    return request.config.getoption("--soak") or os.environ.get("TINYGAN_SOAK") == "1"


@pytest.fixture(autouse=True)
def own_streams():
    """Start every test from the same numbers, whatever ran before it."""
    with random.using(random.Streams(0)):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    """Make what tests share from the same numbers too, whichever test comes first."""
    if fixturedef.scope == "function":
        return (yield)
    with random.using(random.Streams(0)):
        return (yield)


@pytest.fixture(autouse=True)
def outline_all(monkeypatch):
    """Let graphs keep no array, however small, that the rules said they don't read."""
    monkeypatch.setattr(outline, "LEAST", -1)


def available(backend):
    """Return None if the backend can run here, else the reason why it can't."""
    if backend == "cpp":
        return None if native is not None else why_not()
    if backend == "numba":
        try:
            import numba  # noqa: F401 - asked for its presence
        except ImportError:
            return "numba is not installed"
    return None


def require(backend):
    """Skip, with the reason, where the backend is absent."""
    why = available(backend)
    if why:
        pytest.skip(why)


@pytest.fixture
def emulated_gpu(monkeypatch):
    """Let the emulator run CUDA kernels on CuPy-like arrays; return their library."""
    if reason := cusim.why_not():
        pytest.skip(reason)
    monkeypatch.setitem(RUNNERS, strict_arrays.NAME, strict_cuda.Runner)
    registry._forget()
    yield strict_arrays.strictcupy
    registry._forget()


@pytest.fixture(params=["numpy", "numba", "cpp"])
def backend(request):
    """Give the name of each host backend; skip, with the reason, one that is absent."""
    require(request.param)
    return request.param


@pytest.fixture
def said(capsys, tmp_path, monkeypatch):
    """Call the command line: returns (exit code, lines of stdout, lines of stderr)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYGAN_CACHE", raising=False)

    def call(*args):
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


@pytest.fixture(scope="session")
def real_data():
    """Give the folder of real test data, named by TINYGAN_TEST_DATA; skip where it is unset."""
    folder = os.environ.get("TINYGAN_TEST_DATA")
    if not folder:
        pytest.skip("TINYGAN_TEST_DATA is not set: no real data")
    return Path(folder)


@pytest.fixture
def count(record_property):
    """Give ``count(what, number)``: campaigns say what they did, the run's summary adds it up."""
    return lambda what, number: record_property("counted", (what, number))


def pytest_collection_modifyitems(config, items):
    """Under --soak run the campaigns alone: the tests that ask for ``soak``."""
    if config.getoption("--soak"):
        kept = [item for item in items if "soak" in item.fixturenames]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Print what the campaigns counted; under --soak append it to bench/results/soak.jsonl."""
    if hasattr(config, "workerinput"):
        return  # a worker of a parallel run, which knows of its own part alone
    totals = collections.Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "counted":
                totals[value[0]] += value[1]
    for what, number in sorted(totals.items()):
        terminalreporter.write_line(f"campaigns: {number:,} {what}")
    if config.getoption("--soak") and totals:
        row = {
            "date": datetime.date.today().isoformat(),
            "exit": int(exitstatus),
            "failed": sorted(r.nodeid for r in terminalreporter.stats.get("failed", [])),
            "counted": dict(sorted(totals.items())),
            **collect_environment(),
        }
        SOAK_RESULTS.parent.mkdir(exist_ok=True)
        with SOAK_RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")
        terminalreporter.write_line(f"written to {SOAK_RESULTS}")
