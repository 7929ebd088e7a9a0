"""What all tests share: the backends to run on, long campaigns, and where real data lies."""

import os
from pathlib import Path

import pytest

from tinygan.kernels.native import native, why_not


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run the campaigns at full length")


@pytest.fixture(scope="session")
def soak(request):
    """Tell whether campaigns run at full length: --soak, or TINYGAN_SOAK=1 (``make soak``)."""
    return request.config.getoption("--soak") or os.environ.get("TINYGAN_SOAK") == "1"


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


@pytest.fixture(params=["numpy", "numba", "cpp"])
def backend(request):
    """Give the name of each host backend; skip, with the reason, one that is absent."""
    require(request.param)
    return request.param


@pytest.fixture(scope="session")
def real_data():
    """Give the folder of real test data, named by TINYGAN_TEST_DATA; skip where it is unset."""
    folder = os.environ.get("TINYGAN_TEST_DATA")
    if not folder:
        pytest.skip("TINYGAN_TEST_DATA is not set: no real data")
    return Path(folder)


def pytest_terminal_summary(terminalreporter):
    """Sum up the random cases that property tests counted (``record_property``)."""
    counted = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "gradient cases"
    ]
    if counted:
        second, third = (sum(column) for column in zip(*counted, strict=True))
        terminalreporter.write_line(
            f"gradients, random cases: {second + third} of order 1, {second + third} of order 2, "
            f"{third} of order 3, over {len(counted)} pairs of op and backend"
        )
