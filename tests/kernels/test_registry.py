"""The registry: who runs, who refuses and why, and that a named backend never falls back."""

import itertools

import numpy as np
import pytest

from tinygan import kernels
from tinygan.errors import NoKernelError, OptionError
from tinygan.kernels import registry
from tinygan.kernels.conv2d import ConvSpec
from tinygan.testing.conform.calls import calls_of

X, W = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32)
SPEC = ConvSpec.of(padding=1)


@pytest.fixture
def op(monkeypatch):
    """Give a registry with one op of two kernels, of which the fast one refuses odd sizes."""
    monkeypatch.setattr(registry, "_KERNELS", {})

    def even(x):
        return None if x.size % 2 == 0 else f"odd size {x.size}"

    registry.register("double", "cpp", "fast", supports=even, exact=True)(lambda x: ("fast", 2 * x))
    registry.register_reference("double")(lambda x: ("reference", 2 * x))
    return "double"


def test_the_first_kernel_that_accepts_the_call_runs(op):
    assert kernels.call(op, np.ones(2))[0] == "fast"
    assert kernels.call(op, np.ones(3))[0] == "reference"


def test_explain_gives_every_kernel_with_its_reason(op):
    lines = kernels.explain(op, np.ones(3)).splitlines()
    assert lines[0].split(maxsplit=1) == ["double/cpp/fast", "odd size 3"]
    assert lines[1].split() == ["double/numpy/reference", "ok"]
    assert "takes CuPy arrays, got ndarray" in lines[2]


def test_explain_without_arrays_lists_what_is_registered(op):
    lines = kernels.explain(op).splitlines()
    assert [line.split()[0] for line in lines] == [
        "double/cpp/fast",
        "double/numpy/reference",
        "double/cupy/reference",
    ]
    assert "exact" in lines[0]


def test_a_named_backend_never_falls_back(op):
    with kernels.use_backend("cpp"), pytest.raises(NoKernelError, match=r"double.*odd size 3"):
        kernels.call(op, np.ones(3))
    with kernels.use_backend("numba"), pytest.raises(NoKernelError, match="none registered"):
        kernels.call(op, np.ones(2))


def test_a_kernel_that_predicts_no_gain_is_passed_over_unless_named_or_alone(op):
    def large(x):
        return registry.Prediction(x.size > 9, f"{9 / x.size:.1f} of the time")

    registry.register("half", "cpp", "clever", predict=large)(lambda x: "clever")
    registry.register("half", "cpp", "plain", supports=lambda x: "empty" * (x.size == 0) or None)(
        lambda x: "plain"
    )
    assert kernels.call("half", np.ones(10)) == "clever"
    assert kernels.call("half", np.ones(3)) == "plain"
    assert kernels.explain("half", np.ones(10)).split()[:3] == ["half/cpp/clever", "ok,", "0.9"]
    assert kernels.explain("half", np.ones(3)).split()[:2] == ["half/cpp/clever", "3.0"]
    with kernels.use_backend("cpp/clever"):
        assert kernels.call("half", np.ones(3)) == "clever"
        assert kernels.explain("half", np.ones(3)).split()[1:3] == ["ok,", "3.0"]
    registry.unregister("half/cpp/plain")
    assert kernels.call("half", np.ones(3)) == "clever"  # better than none


def test_the_order_of_named_backends_is_the_order_of_preference(op):
    with kernels.use_backend("numpy", "cpp"):
        assert kernels.call(op, np.ones(2))[0] == "reference"
    assert kernels.call(op, np.ones(2))[0] == "fast"


def test_the_environment_names_a_backend_and_the_with_block_wins(op, monkeypatch):
    monkeypatch.setenv("TINYGAN_BACKEND", "numpy")
    assert kernels.call(op, np.ones(2))[0] == "reference"
    with kernels.use_backend("cpp"):
        assert kernels.call(op, np.ones(2))[0] == "fast"


def test_unknown_names_are_answered_with_those_that_fit(op, monkeypatch):
    with (
        pytest.raises(OptionError, match=r"no backend 'c\+\+': use one of cpp"),
        kernels.use_backend("c++"),
    ):
        pass
    with pytest.raises(OptionError, match="no op 'triple': the registry has double"):
        kernels.call("triple", np.ones(2))
    monkeypatch.setenv("TINYGAN_BACKEND", "gpu")
    with pytest.raises(OptionError, match="no backend 'gpu'"):
        kernels.call(op, np.ones(2))


def test_a_kernel_leaves_the_registry_and_its_op_with_the_last(op):
    with pytest.raises(OptionError, match="double/cpp/fast exists already"):
        kernels.register(op, "cpp", "fast")(lambda x: x)
    kernels.unregister("double/cpp/fast")
    assert kernels.call(op, np.ones(2))[0] == "reference"
    with pytest.raises(OptionError, match="no kernel 'double/cpp/fast'"):
        kernels.unregister("double/cpp/fast")
    for backend in ("numpy", "cupy"):
        kernels.unregister(f"double/{backend}/reference")
    assert kernels.op_names() == []


def test_a_backend_that_would_never_run_is_refused(op):
    with pytest.raises(OptionError, match="no backend 'tpu': use one of cpp"):
        kernels.register(op, "tpu", "fast")


def test_a_kernel_that_is_chosen_accepts_and_one_that_refuses_gives_text():
    for kernel in kernels.kernels("conv2d"):
        why = kernel.refusal(X, W, spec=SPEC)
        assert why is None or (isinstance(why, str) and why)
    assert kernels.choose("conv2d", X, W, spec=SPEC).refusal(X, W, spec=SPEC) is None


def test_every_op_has_a_reference_on_both_libraries():
    for op in kernels.op_names():
        found = {k.backend for k in kernels.kernels(op) if k.variant == "reference"}
        assert found == {"numpy", "cupy"}, op


def test_keys_are_unique():
    keys = [k.key for k in kernels.kernels()]
    assert len(keys) == len(set(keys))


# --- a choice is kept for calls of one signature ---


def test_a_kernel_is_asked_once_for_calls_of_one_signature(op):
    asked = []

    def takes(x, *, k, spec=None):
        asked.append((x.dtype.str, x.shape, x.strides, k))

    registry.register("scale", "cpp", "fast", supports=takes)(lambda x, **_: "fast")
    square = np.ones((4, 4), np.float32)
    for x in (square, square.T, square[::2], square[:2], square.astype(np.float64)):
        for k in (1, "one", 1, "one"):
            assert kernels.call("scale", x + 0, k=k) == "fast"  # new memory each time
    layouts = [((4, 4), (16, 4)), ((4, 4), (4, 16)), ((2, 4), (16, 4))]
    seen = [("<f4", *layouts[i], k) for i in (0, 1, 2) for k in (1, "one")]
    assert asked == [*seen, *(("<f8", (4, 4), (32, 8), k) for k in (1, "one"))]


def test_a_parameter_that_can_not_be_hashed_is_asked_about_each_time(op):
    def short(x, *, sizes):
        return None if len(sizes) < 2 else "long"

    registry.register("cut", "cpp", "fast", supports=short)(lambda x, *, sizes: "fast")
    registry.register_reference("cut")(lambda x, *, sizes: "reference")
    sizes = [1]
    assert kernels.call("cut", X, sizes=sizes) == "fast"
    sizes.append(2)
    assert kernels.call("cut", X, sizes=sizes) == "reference"


def test_a_kernel_that_looks_at_more_than_the_signature_is_asked_each_time(op):
    def open_to_writing(x):
        return None if x.flags.writeable else "read-only"

    register = registry.register(
        "fill", "cpp", "fast", supports=open_to_writing, by_signature=False
    )
    register(lambda x: "fast")
    registry.register_reference("fill")(lambda x: "reference")
    x = np.ones(3)
    assert kernels.call("fill", x) == "fast"
    x.flags.writeable = False
    assert kernels.call("fill", x) == "reference"


def test_a_kept_choice_follows_the_backends_the_modes_and_the_list_of_kernels(op, monkeypatch):
    mode = ["on"]
    registry.register(
        "turn", "cpp", "fast", supports=lambda x: None if mode[0] == "on" else "off",
        setting=lambda: mode[0],
    )(lambda x: "fast")  # fmt: skip
    registry.register_reference("turn")(lambda x: "reference")
    for _ in range(2):
        assert kernels.call("turn", X) == "fast"
        mode[0] = "off"
        assert kernels.call("turn", X) == "reference"
        mode[0] = "on"
        with kernels.use_backend("numpy"):
            assert kernels.call("turn", X) == "reference"
        monkeypatch.setenv("TINYGAN_BACKEND", "numpy")
        assert kernels.call("turn", X) == "reference"
        monkeypatch.delenv("TINYGAN_BACKEND")
    registry.register("turn", "cpp", "other")(lambda x: "other")
    registry.unregister("turn/cpp/fast")
    assert kernels.call("turn", X) == "other"


def test_the_choices_that_are_kept_are_bounded(op, monkeypatch):
    monkeypatch.setattr(registry, "_MOST_CHOSEN", 3)
    for n in range(2, 20):
        kernels.call(op, np.ones(n))
        assert 1 <= len(registry._CHOSEN) <= 3


@pytest.mark.parametrize(
    "name", [o for o in kernels.op_names() if registry._settings(o) is not None]
)
def test_what_a_kernel_takes_depends_on_the_signature_alone(name):
    kinds = [k for k in kernels.kernels(name) if k.backend in registry.HOST_BACKENDS]
    for calls in itertools.islice(calls_of(name, 5), 12):
        for call in calls:
            for kernel in kinds:
                answers = {
                    kernel.refusal(*(disguised(a, how) for a in call.arrays), **call.params)
                    for how in ("as it is", "read-only", "misaligned", "other values")
                }
                assert len(answers) == 1, kernel.key


def disguised(a, how):
    """Return an array of the same signature that differs in what a signature doesn't hold."""
    if a is None or how == "as it is":
        return a
    low = sum(min(0, (n - 1) * s) for n, s in zip(a.shape, a.strides, strict=True)) if a.size else 0
    reach = sum(abs((n - 1) * s) for n, s in zip(a.shape, a.strides, strict=True)) if a.size else 0
    memory = np.zeros(reach + a.itemsize + 8, np.uint8)
    start = -low + (1 if how == "misaligned" else -(memory.ctypes.data - low) % 8)
    out = np.ndarray(a.shape, a.dtype, memory, start, a.strides)
    out.flags.writeable = how != "read-only"
    return out
