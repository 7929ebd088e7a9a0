"""The table of families is complete, its cases repeat, and reach what they are there to reach."""

import collections
from pathlib import Path

import numpy as np
import pytest

from tinygan import Tensor, grad, ops
from tinygan import kernels as tgk
from tinygan.errors import NotDifferentiableError, OptionError
from tinygan.kernels.registry import tracing
from tinygan.testing import FAMILIES, Choices, family
from tinygan.testing.conform.calls import differentiate
from tinygan.testing.families.table import Drawn, Family
from tinygan.testing.layouts import LAYOUTS

TESTS = Path(__file__).parents[1]

# Public ops without a derivative, hence without a family.
CONSTANT = {
    "argmax": "an index",
    "batch_norm_stats": "running statistics, constants by definition",
    "equal": "a comparison",
    "floor": "asking for its slope, 0 or none, raises",
    "greater": "a comparison",
    "greater_equal": "a comparison",
    "isfinite": "a predicate",
    "less": "a comparison",
    "less_equal": "a comparison",
    "not_equal": "a comparison",
    "power_iteration": "u and v, constants by definition",
    "round": "asking for its slope, 0 or none, raises",
    "sign": "piecewise constant",
}
UNARY = {"argmax", "batch_norm_stats", "floor", "isfinite", "round", "sign"}

# Kernels that no derivative needs, and the tests that they have instead.
OWN_TESTS = {
    "elementwise": "kernels/test_elementwise_on_cusim.py",
    "adam": "kernels/test_adam_kernel.py",
    "power_iteration": "kernels/test_spectral_norm.py",
    "rmsprop": "test_optim.py",
    "sgd": "test_optim.py",
    "state_average": "kernels/test_state_kernels.py",
    "state_copy": "kernels/test_state_kernels.py",
    "state_finite": "kernels/test_state_kernels.py",
}


def derivative(case):
    """Run a case and its first vjp; return the outputs and the cotangents of its floats."""
    xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in case.args]
    ys = [y for y in case.fn(*xs) if y.requires_grad]
    gs = [Tensor(np.ones(y.shape, y.dtype)) for y in ys]
    return [y.data for y in ys], [g.data for g in grad(ys, [x for x in xs if x.requires_grad], gs)]


def test_every_differentiable_op_has_a_family():
    differentiable = set(ops.__all__) - set(CONSTANT)
    missing, extra = differentiable - set(FAMILIES), set(FAMILIES) - differentiable
    assert (missing, extra) == (set(), set())


@pytest.mark.parametrize("name", CONSTANT)
def test_ops_without_a_family_have_no_derivative(name):
    square = Tensor(np.arange(4.0).reshape(2, 2) + 0.3, requires_grad=True)
    vector = Tensor(np.ones(2), requires_grad=True)
    y = getattr(ops, name)(*[square, vector][: 1 if name in UNARY else 2])
    for t in y if isinstance(y, tuple) else (y,):
        if t.requires_grad:
            with pytest.raises(NotDifferentiableError):
                grad(t.sum(), square)


def test_every_kernel_is_named_by_a_family_or_has_tests_of_its_own():
    named = {op for entry in FAMILIES.values() for op in entry.kernels}
    covered, registered = named | set(OWN_TESTS), set(tgk.op_names())
    missing, extra = registered - covered, covered - registered
    assert (missing, extra, named & set(OWN_TESTS)) == (set(), set(), set())
    for op, path in OWN_TESTS.items():
        assert op in (TESTS / path).read_text(), f"{path} does not mention {op}"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_reaches_the_kernels_that_it_names(name):
    missing = set(FAMILIES[name].kernels)
    with tgk.use_backend("numpy"), tracing(lambda kernel, *_: missing.discard(kernel.op)):
        for seed in range(50):
            if not missing:
                break
            case = FAMILIES[name].case(Choices.from_seed(seed))
            # twice, as calls are recorded for conformance
            differentiate(case.fn, case.cast(np.float64), "float64", seed, 2)
    assert not missing


@pytest.mark.parametrize("small_integers", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_case_is_repeated_by_its_choices(name, small_integers):
    how = {"small_integers": small_integers}
    for seed in range(5):
        first = FAMILIES[name].case(Choices.from_seed(seed, **how))
        by_seed = FAMILIES[name].case(Choices.from_seed(seed, **how))
        by_choices = FAMILIES[name].case(Choices.replay(first.choices, **how))
        for again in (by_seed, by_choices):
            assert again.choices == first.choices
            assert len(again.args) == len(first.args)
            for a, b in zip(again.args, first.args, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
        with np.errstate(all="ignore"):  # integers may lie where a function is infinite
            for a, b in zip(derivative(by_choices), derivative(first), strict=True):
                assert len(a) == len(b)
                assert all(np.array_equal(i, j, equal_nan=True) for i, j in zip(a, b, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_small_integers_are_integers(name):
    for seed in range(20):
        for a in FAMILIES[name].case(Choices.from_seed(seed, small_integers=True)).args:
            np.testing.assert_array_equal(a, np.rint(a))


@pytest.mark.parametrize("name", FAMILIES)
def test_cases_vary_in_shape_and_have_axes_of_length_1(name):
    shapes = set()
    for seed in range(300):
        shapes |= {a.shape for a in FAMILIES[name].case(Choices.from_seed(seed)).args}
        if len(shapes) >= 2 and any(1 in shape for shape in shapes):
            return
    pytest.fail(f"300 cases of {name} have the shapes {shapes}")


def test_operands_are_floats_of_64_bits_integers_or_booleans():
    for name, entry in FAMILIES.items():
        case = entry.case(Choices.from_seed(1))
        kinds = {a.dtype.kind for a in case.args}
        assert kinds <= set("fib"), name
        assert all(isinstance(a, np.ndarray) for a in case.args), name
        assert all(a.dtype == np.float64 for a in case.args if a.dtype.kind == "f"), name
        assert all(a.dtype == np.float32 for a in case.cast(np.float32) if a.dtype.kind == "f")


def test_choices_that_do_not_fit_are_refused():
    taken = FAMILIES["conv2d"].case(Choices.from_seed(0)).choices
    for wrong in (taken[:-1], (taken[0], 10**6, *taken[2:])):
        with pytest.raises(OptionError, match="don't fit"):
            FAMILIES["conv2d"].case(Choices.replay(wrong))


def test_an_op_has_one_family():
    with pytest.raises(OptionError, match="one op, one family"):
        family("conv2d")(lambda c: Drawn(ops.conv2d, []))


# They refuse empty operands, or divide by the norm of one.
NEVER_EMPTY = {"batch_norm", "conditional_batch_norm", "cross_entropy", "gan_loss"}
NEVER_EMPTY |= {"bce_with_logits", "minibatch_std", "spectral_norm", "weight_norm"}


@pytest.mark.parametrize("name", FAMILIES)
def test_cases_have_empty_operands_where_the_op_takes_them(name):
    cases = (FAMILIES[name].case(Choices.from_seed(seed)) for seed in range(200))
    found = any(a.size == 0 for case in cases for a in case.args)
    assert found == (name not in NEVER_EMPTY and not name.endswith("_loss"))


@pytest.mark.parametrize("name", FAMILIES)
def test_cases_come_in_all_layouts_and_broadcast(name, monkeypatch):
    plans, plan = set(), Family._plan

    def note(self, *args):
        found = plan(self, *args)
        plans.add(found)
        return found

    monkeypatch.setattr(Family, "_plan", note)
    for seed in range(200):
        FAMILIES[name].case(Choices.from_seed(seed))
    assert {layout for layout, _ in plans} == set(LAYOUTS)
    assert any(narrow for _, narrow in plans) == FAMILIES[name].broadcast


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_convolutions_come_in_all_their_kinds(name):
    seen = collections.defaultdict(set)

    def note(kernel, arrays, params):
        if kernel.op in ("conv2d", "conv2d_dgrad"):
            taps, spec = arrays[1].shape[2:], params["spec"]
            seen["batch"].add(len(arrays[0]))
            seen["groups"].add(spec.groups)
            seen["no channels"].add(0 in arrays[1].shape)
            seen["rectangular"].add(taps[0] != taps[1])
            seen["odd size"].add(arrays[0].shape[2] % 2)
            seen["dilated and strided"].add(spec.dilation[0] > 1 and spec.stride[0] > 1)
            if kernel.op == "conv2d_dgrad":
                reach = (arrays[0].shape[2] - 1) * spec.stride[0] + spec.dilation[0] * (taps[0] - 1)
                padded = params["x_shape"][2] + 2 * spec.padding[0]
                seen["output padding"].add(padded - reach - 1)
            for axis in range(2):
                seen["taps"].add(taps[axis])
                seen["stride"].add(spec.stride[axis])
                seen["padding"].add(spec.padding[axis])
                seen["dilation"].add(spec.dilation[axis])
                seen["stride beyond the kernel"].add(spec.stride[axis] > taps[axis])

    for seed in range(200):
        case = FAMILIES[name].case(Choices.from_seed(seed))
        with tgk.use_backend("numpy"), tracing(note):
            case.fn(*(Tensor(a) for a in case.args))
    both = {False, True}
    assert seen.pop("output padding", {0, 1, 2, 3}) == {0, 1, 2, 3}
    assert seen == {
        "batch": {0, 1, 2},
        "groups": {1, 2, 3},
        "no channels": both,
        "rectangular": both,
        "odd size": {0, 1},
        "dilated and strided": both,
        "taps": set(range(1, 8)),
        "stride": {1, 2, 3, 4},
        "padding": set(range(5)),
        "dilation": {1, 2, 3},
        "stride beyond the kernel": both,
    }
