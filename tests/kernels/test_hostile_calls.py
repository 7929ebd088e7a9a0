"""Wrong calls of every function of the compiled module: they raise or work, and never crash."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile import images, products  # noqa: F401 - they add bindings to the table
from hostile.calls import BINDINGS

from tinygan.kernels.bias_act.spec import ACTS
from tinygan.kernels.native import native, why_not

ROOT = Path(__file__).resolve().parents[2]
needs_cpp = pytest.mark.skipif(native is None, reason=f"C++ kernels {why_not()}")
WITHOUT_ARRAYS = ("num_threads", "set_num_threads", "set_memory_handler", "memory_stats",
                  "trim_memory", "reset_peak_memory")  # fmt: skip
FUNCTIONS = [n for n in dir(native) if n[0] != "_" and callable(getattr(native, n))]


def hostile(name, count, progress):
    """Make hostile calls in a process of its own; return its tally, or fail naming the call."""
    progress.write_bytes(bytes(8))
    command = [sys.executable, "-m", "hostile", name, "0", str(count), str(progress)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    env = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=1200)
        how, err = f"exit status {done.returncode}", done.stderr
    except subprocess.TimeoutExpired:
        done, how, err = None, "hung", ""
    if done is None or done.returncode:
        (number,) = struct.unpack("<q", progress.read_bytes())
        repeat = f"cd tests && PYTHONPATH=.. python -m hostile {name} {number}"
        pytest.fail(f"{name}: {how} at call {number}; repeat it: {repeat}\n{err[-3000:]}")
    return json.loads(done.stdout)


@needs_cpp
def test_every_binding_is_attacked():
    missing = sorted(set(FUNCTIONS) - set(BINDINGS))
    assert not missing, f"add right calls of {', '.join(missing)} to tests/hostile/"


@needs_cpp
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_calls_raise_or_work_but_never_crash(name, soak, count, tmp_path):
    calls = int(os.environ.get("TINYGAN_HOSTILE_CALLS", 10_000 if soak else 300))
    tally = hostile(name, calls, tmp_path / "progress")
    assert sum(tally.values()) == calls
    assert tally.get("worked", 0) < 0.7 * calls, "few calls were wrong"
    assert name in WITHOUT_ARRAYS or tally["ValueError"] > 0.1 * calls, tally
    count("bindings under hostile calls", 1)
    count("hostile calls", calls)


@needs_cpp
def test_numbers_are_not_rounded_to_integers():
    x, y = np.ones((2, 3, 1)), np.ones((2, 1))
    native.reduce(x, np.int64(0), y)
    assert (y == 3).all()
    for kind in (np.float32(0.5), 0.0, "0", None):
        with pytest.raises(TypeError):
            native.reduce(x, kind, y)


@needs_cpp
def test_a_clamp_that_is_no_number_is_a_type_error():
    x, y = np.ones((2, 3)), np.ones((2, 3))
    for clamp in ("1", [1.0], 1j):
        with pytest.raises(TypeError):
            native.bias_act(x, None, None, 0, 0.0, 1.0, clamp, y)


@needs_cpp
@pytest.mark.parametrize(("act", "slope"), [("prelu", None), ("relu", np.ones(3))])
def test_a_slope_comes_with_prelu_and_with_nothing_else(act, slope):
    x, y = np.ones((2, 3)), np.full((2, 3), 7.0)
    options = (ACTS.index(act), 0.2, 1.0, None)
    with pytest.raises(ValueError, match="slope"):
        native.bias_act(x, None, slope, *options, y)
    with pytest.raises(ValueError, match="slope"):
        native.bias_act_vjp(x, None, slope, x, *options, y, None, None)
    assert (y == 7).all()


@needs_cpp
def test_the_stride_of_a_single_element_means_nothing():
    x = np.ones((1, 4, 4, 1), np.float32).transpose(0, 3, 1, 2)[:, :, :: 2**57, :: -(2**57)]
    assert x.shape == (1, 1, 1, 1)
    assert max(map(abs, x.strides)) > 2**58
    w, y = np.full((1, 1, 3, 3), 2, np.float32), np.zeros((1, 1, 1, 1), np.float32)
    for algorithm in range(4):
        native.conv2d(0, algorithm, x, w, y, (1, 1, 1, 1, 1, 1, 1))
        assert abs(y.item() - 2) < 1e-5
        y[...] = 0
