"""The conformance suite on kernels of somebody else's: a right one passes, wrong ones are named."""

import numpy as np
import pytest

from tinygan import kernels
from tinygan.errors import ConformanceError, OptionError
from tinygan.testing import conform_kernel


@pytest.fixture
def kernel():
    """Register a kernel of the sum, and take it out of the registry again."""
    added = []

    def add(fn, *, op="sum", **declared):
        declared = {"exact": True, "accumulate": "float64", **declared}
        kernels.register(op, "numba", f"theirs{len(added)}", **declared)(fn)
        added.append(kernels.kernels(op)[-1])
        return added[-1]

    yield add
    for k in added:
        kernels.unregister(k.key)


def right(x, *, axis, keepdims):
    """Add up slice by slice, in float64: another order of summation than the reference's."""
    total, axes = x.astype(np.float64), sorted(a % x.ndim for a in axis)
    for a in axes:
        slices = np.moveaxis(total, a, 0)
        total = np.zeros((1, *slices.shape[1:]))
        for one in slices:
            total[0] += one
        total = np.moveaxis(total, 0, a)
    return np.asarray((total if keepdims else total.squeeze(tuple(axes))).astype(x.dtype))


def test_a_right_kernel_passes_and_says_what_was_checked(kernel):
    row = conform_kernel(kernel(right), cases=25)
    assert row.integers >= 25
    assert row.calls >= 50
    assert not row.failures
    assert row.kernel == "sum/numba/theirs0"
    assert 0 < row.ratio <= 1


def test_a_kernel_is_found_by_its_key(kernel):
    key = kernel(right).key
    assert conform_kernel(key, cases=3).kernel == key
    with pytest.raises(OptionError, match="no kernel 'sum/cpp/none'"):
        conform_kernel("sum/cpp/none")


def is_dense(x):
    return x.size and x.flags.c_contiguous


def neighbour(x):
    """Return the number in memory behind a dense array."""
    return np.lib.stride_tricks.as_strided(x, (x.size + 1,), (x.itemsize,))[-1:]


def misreads_strides(x, **params):
    if x.size and not any(s < 0 for s in x.strides):  # reads as if there were no gaps
        x = np.lib.stride_tricks.as_strided(x, x.shape, np.empty(x.shape, x.dtype).strides)
    return right(x, **params)


def modifies_its_input(x, **params):
    y = right(x, **params)
    if x.size:
        x[(0,) * x.ndim] += 1
    return y


def writes_beyond_its_input(x, **params):
    if is_dense(x):
        neighbour(x)[...] = 0
    return right(x, **params)


def reads_beyond_its_input(x, **params):
    seen = bool(is_dense(x) and neighbour(x)[0] > 1)  # False of NaN
    return right(x, **params) + x.dtype.type(seen)


def never_the_same_twice():
    seen = iter(range(1 << 62))

    def fn(x, **params):
        y = right(x, **params)
        away = y + np.spacing(y) * (next(seen) % 2)
        return np.where(y == np.rint(y), y, away).astype(x.dtype)  # whole numbers are right

    return fn


def loses_nan(x, **params):
    return right(np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf), **params)


def loses_inf(x, **params):
    return right(np.where(np.isinf(x), x.dtype.type(1e30), x), **params)


def spreads_nan(x, **params):
    y = right(x, **params)
    return np.full_like(y, np.nan) if np.isnan(y).any() else y


def drops_the_tail(x, *, axis, keepdims):
    y = right(x, axis=axis, keepdims=keepdims)
    if y.size % 4 and y.ndim:
        y[(-1,) * y.ndim] = 99  # what lay there before: a vector loop of width 4, no remainder
    return y


def adds_in_float16(x, **params):
    return right(x.astype(np.float16), **params).astype(x.dtype)


def rounds_on_the_way(x, *, axis, keepdims):
    total = np.zeros_like(right(x, axis=axis, keepdims=True))
    for at in np.ndindex(
        *[n if a in {b % x.ndim for b in axis} else 1 for a, n in enumerate(x.shape)]
    ):
        total += x[tuple(slice(i, i + n) for i, n in zip(at, total.shape, strict=True))]
    return right(total, axis=axis, keepdims=keepdims)  # of float32, and "accumulates in float64"


def returns_float64(x, **params):
    return right(x.astype(np.float64), **params)


def keeps_all_dims(x, *, axis, keepdims):
    return right(x, axis=axis, keepdims=True)


def crashes_on_nothing(x, **params):
    if not x.size:
        raise ZeroDivisionError("no entries")
    return right(x, **params)


WRONG = {
    "misreads strides": (misreads_strides, "breaks"),
    "modifies its input": (modifies_its_input, "breaks 'inputs': operand 0"),
    "writes beyond its input": (writes_beyond_its_input, "breaks 'inputs': operand 0"),
    "reads beyond its input": (reads_beyond_its_input, "breaks 'bands': the same operands"),
    "never the same twice": (never_the_same_twice(), "gave other bits"),
    "loses NaN": (loses_nan, "breaks 'nan at"),
    "loses Inf": (loses_inf, "breaks 'inf at"),
    "spreads NaN": (spreads_nan, "breaks 'nan at"),
    "drops the tail": (drops_the_tail, "breaks 'agreement'"),
    "adds in float16": (adds_in_float16, "times its bound"),
    "rounds on the way": (rounds_on_the_way, "times its bound"),
    "returns float64": (returns_float64, "the reference's is"),
    "keeps all dims": (keeps_all_dims, "the reference's is"),
    "crashes on nothing": (crashes_on_nothing, "breaks 'runs': ZeroDivisionError: no entries"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_kernel_is_caught_by_name_with_its_reproducer(name, kernel):
    fn, words = WRONG[name]
    wrong = kernel(fn)
    with pytest.raises(ConformanceError) as caught:
        conform_kernel(wrong, cases=50)
    message = str(caught.value)
    assert words in message
    assert message.startswith(wrong.key)
    assert "\n" not in message
    assert caught.value.reproducer.startswith(f"kernel {wrong.key} ")


def test_a_kernel_that_refuses_everything_fails(kernel):
    lazy = kernel(right, supports=lambda x, **_: "takes arrays of bfloat16")
    with pytest.raises(ConformanceError, match=r"refuses every call, .* takes arrays of bfloat16"):
        conform_kernel(lazy, cases=5)


@pytest.mark.parametrize("reason", ["", " ", "no\nreason"])
def test_a_refusal_owes_a_reason_of_one_line(kernel, reason):
    with pytest.raises(ConformanceError, match="refuses without a one-line reason"):
        conform_kernel(kernel(right, supports=lambda x, **_: reason), cases=5)


def test_a_kernel_may_refuse_what_it_can_not_do(kernel):
    def flat_only(x, **_):
        return None if x.flags.c_contiguous and x.size else "takes C order, at least one entry"

    row = conform_kernel(kernel(right, supports=flat_only), cases=25)
    assert row.refused
    assert row.integers >= 25


def test_inexact_integers_fail_where_a_kernel_calls_itself_exact(kernel):
    def nearly(x, **params):
        y = right(x.astype(np.float64), **params)
        return (y * (1 + 5.9e-8)).astype(x.dtype)  # below 2^-24: within any bound

    loose = {"accumulate": "input"}
    with pytest.raises(ConformanceError, match=r"'agreement': .* exactly -?\d+\.0 "):
        conform_kernel(kernel(nearly, **loose), cases=25)


def test_a_new_op_needs_a_bound_and_a_family(kernel):
    theirs = kernel(lambda x: x, op="their_op")
    with pytest.raises(OptionError, match=r"no case reaches kernel op 'their_op': name it in"):
        conform_kernel(theirs)
    assert "their_op" in kernels.op_names()
