"""The compiled module: absent, forced, attacked, forked, and its convolutions in guarded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygan.errors import OptionError
from tinygan.kernels import native as door
from tinygan.kernels.conv2d import ConvSpec
from tinygan.kernels.conv2d.launch import WINOGRAD_F2, WINOGRAD_F4
from tinygan.kernels.native import native, why_not

ROOT = Path(__file__).resolve().parents[2]
needs_cpp = pytest.mark.skipif(native is None, reason=f"C++ kernels {why_not()}")
PARAMS = (2, 2, 1, 1, 1, 1, 1)  # stride, padding, dilation, groups


def python(code, *args, **environment):
    """Run code in a fresh interpreter; return (exit status, stdout, stderr)."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_without_the_module_kernels_fall_back_and_say_why():
    code = """
import sys
sys.modules["tinygan._native"] = None
import numpy as np
from tinygan import kernels
from tinygan.kernels.conv2d import ConvSpec
from tinygan.kernels.native import native, notice, why_not
assert native is None and why_not().startswith("not built")
x, w = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32)
assert kernels.choose("conv2d", x, w, spec=ConvSpec()).backend in ("numba", "numpy")
assert (kernels.call("conv2d", x, w, spec=ConvSpec()) == 18).all()
assert "not built" in kernels.explain("conv2d", x, w, spec=ConvSpec())
print(notice())
"""
    status, out, err = python(code)
    assert status == 0, err
    assert out.startswith("C++ kernels not built")
    assert out.count("\n") == 1
    assert "to build them:" in out


def test_a_module_of_another_abi_is_a_reason_and_no_crash(monkeypatch):
    def broken(_name):
        raise ImportError("undefined symbol: PyNothing\nsecond line")

    monkeypatch.setattr(door.importlib, "import_module", broken)
    assert door._load() == (None, "not loaded (undefined symbol: PyNothing)")


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [("TINYGAN_ISA", "sse9", "avx512, avx2, base"), ("TINYGAN_NUM_THREADS", "0", "1 to 256"),
     ("TINYGAN_NUM_THREADS", "many", "1 to 256"), ("TINYGAN_NUM_THREADS", "257", "1 to 256")],
)  # fmt: skip
def test_bad_environment_is_one_line_that_says_what_fits(monkeypatch, name, value, fits):
    monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match=f"{name}={value}.*{fits}"):
        door._load()


@pytest.mark.parametrize(("name", "value"), [("TINYGAN_ISA", "sse9"), ("TINYGAN_NUM_THREADS", "0")])
def test_bad_environment_is_an_error_at_the_first_kernel_and_not_at_import(name, value):
    code = """
import numpy as np
from tinygan import errors, kernels
from tinygan.kernels.conv2d import ConvSpec
x = np.ones((1, 1, 3, 3), np.float32)
for attempt in range(2):
    for ask in (kernels.call, kernels.choose, kernels.explain):
        try:
            ask("conv2d", x, x, spec=ConvSpec())
        except errors.OptionError as error:
            print(error)
with kernels.use_backend("numpy"):
    try:
        kernels.call("conv2d", x, x, spec=ConvSpec())
    except errors.OptionError as error:
        print(error)
"""
    status, out, err = python(code, **{name: value})
    assert status == 0, err
    assert len(out.splitlines()) == 7
    assert all(line.startswith(f"{name}={value}: use ") for line in out.splitlines())


@pytest.mark.parametrize("name", ["TINYGAN_ISA", "TINYGAN_NUM_THREADS"])
def test_an_empty_variable_is_an_unset_one(name):
    code = "from tinygan import kernels; kernels.check_variables(); print('fits')"
    assert python(code, **{name: ""})[:2] == (0, "fits\n")


@needs_cpp
def test_thread_count_is_taken_from_the_environment_and_clamped():
    code = """
from tinygan.kernels.native import native
print(native.num_threads())
for n in (-5, 2, 100000):
    native.set_num_threads(n)
    print(native.num_threads())
"""
    assert python(code, TINYGAN_NUM_THREADS="3")[1].split() == ["3", "1", "2", "256"]


def forced_isas():
    """List the instruction sets that this machine can be told to use."""
    names = list(reversed(door.ISAS))
    return names[: names.index(native.best_isa) + 1] if native else []


@needs_cpp
def test_an_instruction_set_that_the_cpu_lacks_is_an_error():
    if native.best_isa == "avx512":
        pytest.skip("this CPU runs them all")
    code = "import tinygan; tinygan.kernels.check_variables()"
    status, _, err = python(code, TINYGAN_ISA="avx512")
    assert status == 1
    assert err.splitlines()[-1].startswith("tinygan.errors.OptionError: TINYGAN_ISA=avx512")


SAVE_CONVOLUTIONS = """
import sys
import numpy as np
from tinygan import kernels
from tinygan.kernels.conv2d import ConvSpec
rng, out = np.random.default_rng(0), {}
with kernels.use_backend("cpp"):
    for i, (c, o, size) in enumerate([(3, 20, 9), (20, 3, 9), (37, 35, 6), (1, 1, 7)]):
        spec = ConvSpec.of(stride=2, padding=1)
        x = rng.standard_normal((3, c, size, size), dtype=np.float32)
        w = rng.standard_normal((o, c, 4, 4), dtype=np.float32)
        gy = rng.standard_normal(spec.out_shape(x.shape, w.shape), dtype=np.float32)
        out[f"y{i}"] = kernels.call("conv2d", x, w, spec=spec)
        out[f"gx{i}"] = kernels.call("conv2d_dgrad", gy, w, spec=spec, x_shape=x.shape)
        out[f"gw{i}"] = kernels.call("conv2d_wgrad", x, gy, spec=spec, w_shape=w.shape)
from tinygan.kernels.native import native
np.savez(sys.argv[1], isa=native.isa, **out)
"""


@needs_cpp
def test_forced_instruction_sets_are_used_and_agree(tmp_path):
    results = []
    for isa in forced_isas():
        file = tmp_path / f"{isa}.npz"
        status, _, err = python(SAVE_CONVOLUTIONS, str(file), TINYGAN_ISA=isa)
        assert status == 0, err
        results.append(dict(np.load(file)))
        assert results[-1].pop("isa") == isa
    for result in results[1:]:
        for name, expected in results[0].items():
            # at most 592 terms of normal factors: gamma_K sum |x||w| < 3.5e-5 * 700
            np.testing.assert_allclose(result[name], expected, rtol=0, atol=0.025, err_msg=name)
            rms = np.sqrt(np.mean((result[name] - expected) ** 2))
            assert rms < 2e-6 * np.sqrt(np.mean(expected**2)), name


@needs_cpp
@pytest.mark.parametrize("backend", ["cpp", "numba"])
def test_forked_children_convolve_after_a_parallel_region(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    code = """
import os, signal, sys
import numpy as np
from tinygan import kernels
from tinygan.kernels.conv2d import ConvSpec
signal.alarm(60)
rng = np.random.default_rng(0)
x, w = rng.standard_normal((8, 16, 16, 16)), rng.standard_normal((16, 16, 3, 3))
def run():
    with kernels.use_backend(sys.argv[1]):
        return kernels.call("conv2d", x, w, spec=ConvSpec())
expected = run()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(0 if np.allclose(run(), expected, rtol=0, atol=1e-9) else 3)
    assert os.waitpid(pid, 0)[1] == 0
    assert np.allclose(run(), expected, rtol=0, atol=1e-9)
print("done")
"""
    status, out, err = python(code, backend, TINYGAN_NUM_THREADS="4", OPENBLAS_NUM_THREADS="1")
    assert (status, out) == (0, "done\n"), err


def guarded(shape, dtype, rng):
    """Return an NHWC array inside a larger buffer, the buffer, and a copy of it."""
    size = int(np.prod(shape))
    buffer = rng.integers(0, 255, (size + 64) * dtype().itemsize, dtype=np.uint8)
    buffer = buffer.view(dtype)
    n, c, h, w = shape
    return buffer[32 : 32 + size].reshape(n, h, w, c).transpose(0, 3, 1, 2), buffer, buffer.copy()


@needs_cpp
@pytest.mark.parametrize("algorithm", range(4))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_write_every_output_and_nothing_beside_it(algorithm, dtype):
    if dtype is np.float64 and algorithm >= WINOGRAD_F2:
        pytest.skip("Winograd's kernels take float32")
    rng = np.random.default_rng(1)
    for c, o in ((1, 1), (3, 5), (16, 3), (17, 33), (33, 16)):
        for poison in (np.nan, 7.0):
            x = rng.standard_normal((2, 7, 6, c)).astype(dtype).transpose(0, 3, 1, 2)
            w = rng.standard_normal((o, c, 4, 4)).astype(dtype)
            gy = rng.standard_normal((2, 3, 3, o)).astype(dtype).transpose(0, 3, 1, 2)
            for which, at in ((0, 2), (1, 0), (2, 1)):  # the pass, and the operand it writes
                operands = [x, w, gy]
                out, buffer, before = guarded(operands[at].shape, dtype, rng)
                if at == 1:
                    out = buffer[32 : 32 + w.size].reshape(w.shape)
                out[...] = poison
                operands[at] = out
                native.conv2d(which, algorithm, *operands, PARAMS)
                assert np.isfinite(out).all()
                assert not np.any(out == 7.0)
                np.testing.assert_array_equal(buffer[:32].view("u1"), before[:32].view("u1"))
                np.testing.assert_array_equal(buffer[-32:].view("u1"), before[-32:].view("u1"))


def good_call():
    """Give the arguments of a call of the binding that works."""
    x, w = np.ones((2, 6, 6, 3), np.float32).transpose(0, 3, 1, 2), np.ones((5, 3, 4, 4), "f4")
    return [0, 0, x, w, np.empty((2, 3, 3, 5), np.float32).transpose(0, 3, 1, 2), PARAMS]


def changed(position, value):
    call = good_call()
    call[position] = value(call[position]) if callable(value) else value
    return call


def overlapping():
    call = good_call()
    memory = np.ones(1000, np.float32)
    call[2] = memory[:216].reshape(2, 6, 6, 3).transpose(0, 3, 1, 2)
    call[4] = memory[200:290].reshape(2, 3, 3, 5).transpose(0, 3, 1, 2)
    return call


HOSTILE = {
    "unknown pass": lambda: changed(0, 3),
    "unknown algorithm": lambda: changed(1, 4),
    "a list": lambda: changed(2, lambda x: x.tolist()),
    "None": lambda: changed(3, None),
    "integers": lambda: changed(2, lambda x: x.astype(int)),
    "half floats": lambda: changed(2, lambda x: x.astype(np.float16)),
    "other dtype": lambda: changed(3, lambda w: w.astype(np.float64)),
    "other byte order": lambda: changed(3, lambda w: w.astype(">f4")),
    "three dimensions": lambda: changed(2, lambda x: x[0]),
    "NCHW memory": lambda: changed(2, np.ascontiguousarray),
    "NCHW output": lambda: changed(4, np.ascontiguousarray),
    "read-only output": lambda: changed(4, lambda y: np.broadcast_to(y[:1], y.shape)),
    "short output": lambda: changed(4, lambda y: y[:, :, :2]),
    "other batch": lambda: changed(4, lambda y: y[:1]),
    "other channels": lambda: changed(3, lambda w: w[:, :2]),
    "sliced output": lambda: changed(4, lambda y: y[:, ::-1]),
    "overlap": overlapping,
    "zero stride": lambda: changed(5, (0, 2, 1, 1, 1, 1, 1)),
    "negative padding": lambda: changed(5, (2, 2, -1, 1, 1, 1, 1)),
    "huge padding": lambda: changed(5, (2, 2, 2**40, 1, 1, 1, 1)),
    "overflowing dilation": lambda: changed(5, (2, 2, 1, 1, 2**63 - 1, 1, 1)),
    "zero groups": lambda: changed(5, (2, 2, 1, 1, 1, 1, 0)),
    "groups that do not divide": lambda: changed(5, (2, 2, 1, 1, 1, 1, 2)),
    "too few parameters": lambda: changed(5, (2, 2)),
    "float parameters": lambda: changed(5, (2.5, 2, 1, 1, 1, 1, 1)),
}


@needs_cpp
@pytest.mark.parametrize("algorithm", range(4))
def test_the_good_call_works(algorithm):
    call = changed(1, algorithm)
    native.conv2d(*call)
    assert abs(call[4][0, 0, 1, 1] - 48) < 1e-4


WINOGRAD_TAKES_NOT = {
    "float64": lambda: [a.astype("f8") if isinstance(a, np.ndarray) else a for a in good_call()],
    "stride 3": lambda: changed(5, (3, 3, 1, 1, 1, 1, 1)),
    "two strides": lambda: changed(5, (2, 1, 1, 1, 1, 1, 1)),
    "dilation": lambda: changed(5, (2, 2, 1, 1, 2, 1, 1)),
    "one tap": lambda: changed(3, lambda w: w[:, :, :1, :1]),
    "a rectangle": lambda: changed(3, lambda w: w[:, :, :3]),
}


@needs_cpp
@pytest.mark.parametrize("name", WINOGRAD_TAKES_NOT)
@pytest.mark.parametrize("algorithm", [WINOGRAD_F2, WINOGRAD_F4])
def test_winograd_refuses_what_it_does_not_know(name, algorithm):
    call = WINOGRAD_TAKES_NOT[name]()
    x, w = call[2], call[3]
    stride, padding, dilation = (call[5][i : i + 2] for i in (0, 2, 4))
    n, o, p, q = ConvSpec(stride, padding, dilation).out_shape(x.shape, w.shape)
    call[4] = np.empty((n, p, q, o), x.dtype).transpose(0, 3, 1, 2)
    native.conv2d(*call)  # it is right
    call[1] = algorithm
    with pytest.raises(ValueError, match="Winograd"):
        native.conv2d(*call)


@needs_cpp
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("algorithm", range(4))
def test_hostile_calls_raise(name, algorithm):
    call = HOSTILE[name]()
    call[1] = call[1] or algorithm
    with pytest.raises((ValueError, TypeError)):
        native.conv2d(*call)


@needs_cpp
def test_random_calls_raise_or_work_but_never_crash():
    code = """
import json
import numpy as np
from tinygan.errors import ShapeError
from tinygan.kernels.conv2d import ConvSpec
from tinygan.kernels.native import native
rng, tally = np.random.default_rng(0), {"worked": 0, "raised": 0}
def image(*shape):
    n, c, h, w = shape
    return np.ones((n, h, w, c), np.float32).transpose(0, 3, 1, 2)
def mutant(a):
    kind, axis = rng.integers(0, 9), int(rng.integers(0, 4))
    flip = tuple(slice(None, None, -1) if i == axis else slice(None) for i in range(4))
    repeated = [5 if i == axis else n for i, n in enumerate(a.shape)]
    view = a[:1, :1, :1, :1] if min(a.shape) else a
    return [
        lambda: [None, 3.5, "x", a.tolist()][axis],
        lambda: a.astype(["f2", "i4", "f8", ">f4"][axis]),
        lambda: a[flip],
        lambda: np.broadcast_to(view, repeated if min(a.shape) else a.shape),
        lambda: np.ascontiguousarray(a),
        lambda: np.ones(repeated, np.float32),
        lambda: a.swapaxes(axis, 1),
        lambda: a.take([], axis=axis),
        lambda: a[..., None],
    ][kind]()
while sum(tally.values()) < 5000:
    spec = [*rng.integers(1, 4, 2), *rng.integers(0, 4, 2), *rng.integers(1, 3, 2), 1]
    spec = [int(v) for v in spec]
    xs, ws = rng.integers(1, 20, 4).tolist(), rng.integers(1, 6, 4).tolist()
    ws[1] = xs[1]
    if rng.integers(0, 2):  # what Winograd's algorithms take
        spec[1], spec[4:6], ws[3] = spec[0], [1, 1], ws[2]
    try:
        ys = ConvSpec((spec[0], spec[1]), (spec[2], spec[3]), (spec[4], spec[5])).out_shape(xs, ws)
    except ShapeError:
        continue
    operands = [image(*xs), np.ones(ws, np.float32), image(*ys)]
    for _ in range(int(rng.integers(0, 3))):
        at = int(rng.integers(0, 10))
        if at < 7:
            spec[at] = int(rng.choice([-1, 0, 2, 7, 2**31 - 1, 2**31, 2**62, 2**63 - 1]))
        elif isinstance(operands[at - 7], np.ndarray) and operands[at - 7].ndim == 4:
            operands[at - 7] = mutant(operands[at - 7])
    try:
        native.conv2d(int(rng.integers(0, 3)), int(rng.integers(0, 4)), *operands, tuple(spec))
        tally["worked"] += 1
    except (ValueError, TypeError):
        tally["raised"] += 1
print(json.dumps(tally))
"""
    status, out, err = python(code)
    assert status == 0, err
    tally = json.loads(out)
    assert min(tally.values()) > 500, tally


def build(tmp_path, **environment):
    """Run setup.py's build with its output in tmp_path; return (status, text)."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("not a source checkout")
    command = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(tmp_path)]
    env = {**os.environ, "TINYGAN_REQUIRE_CPP": "", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_install_without_a_compiler_succeeds_and_says_so(tmp_path):
    status, text = build(tmp_path, CXX="no-such-compiler")
    assert status == 0
    assert "tinygan: C++ kernels not built (no no-such-compiler)" in text
    assert not list(tmp_path.rglob("_native*"))


def test_required_kernels_make_a_missing_compiler_fatal(tmp_path):
    status, text = build(tmp_path, CXX="no-such-compiler", TINYGAN_REQUIRE_CPP="1")
    assert status != 0
    assert text.splitlines()[-1] == "tinygan: C++ kernels not built: no no-such-compiler"
