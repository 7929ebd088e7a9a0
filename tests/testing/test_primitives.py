"""Every primitive op in float32 against float64, through values and derivatives of two orders."""

import gc

import numpy as np
import pytest

from tinygan import ops
from tinygan.autograd.op import Op
from tinygan.errors import ConformanceError, OptionError
from tinygan.testing import FAMILIES, Choices
from tinygan.testing.bounds import PRIMITIVES
from tinygan.testing.conform.primitives import check_primitives

FAST, SOAK = 4, 200  # cases of each family
X = np.random.default_rng(5).normal(size=(3, 4))


@pytest.mark.parametrize("name", FAMILIES)
def test_each_step_of_a_float32_derivative_is_within_its_bound(name, soak, count):
    ran = set()
    for seed in range(SOAK if soak else FAST):
        case = FAMILIES[name].case(Choices.from_seed(seed))
        order = min(2, FAMILIES[name].order)
        shares = check_primitives(case.fn, case.args, order=order, seed=seed)
        assert all(share <= 1 for share in shares.values())
        ran |= set(shares)
    assert ran
    count("float32 cases, each step within its bound", SOAK if soak else FAST)


def checked(fn, *args, **options):
    return check_primitives(fn, args, **options)


def test_rules_run_the_ops_that_mathematics_says():
    assert set(checked(ops.exp, X, order=0)) == {"exp"}
    assert set(checked(ops.exp, X, order=1)) == {"exp", "multiply"}  # d exp = exp
    assert set(checked(ops.sin, X, order=1)) == {"sin", "cos", "multiply"}
    assert "negative" in checked(ops.sin, X, order=2)


def test_correctly_rounded_arithmetic_comes_close_to_its_bound_and_copies_are_exact():
    assert 0.7 < checked(lambda x: x * 3.1, X)["multiply"] <= 1
    assert checked(lambda x: x.reshape(4, 3).T, X) == {"reshape": 0, "transpose": 0}


def op_of(forward, name):
    op = Op(name, forward)
    op.defvjp(lambda g, y, xs, needs: (g[0],))
    return op


@pytest.mark.parametrize(
    ("name", "forward"),
    [
        ("exp", lambda x: np.exp(x) * x.dtype.type(1 + 2**-20)),  # eight ulps off
        ("sqrt", lambda x: np.exp(np.log(x) / 2)),  # not correctly rounded
        ("reshape", lambda x: x * (1 if x.dtype == np.float64 else np.float32(1 + 2**-23))),
        ("tanh", lambda x: np.where(x > 1, np.nan, np.tanh(x)) if x.dtype == "f4" else np.tanh(x)),
        ("log1p", lambda x: np.log(1 + x)),  # loses the digits of small x
    ],
)
def test_an_inaccurate_primitive_is_caught_and_named(name, forward):
    x = np.abs(X) if name != "log1p" else np.abs(X) * 1e-4
    wrong = forward
    if name == "exp":
        wrong = lambda x: forward(x) if x.dtype == np.float32 else np.exp(x)  # noqa: E731
    with pytest.raises(ConformanceError, match=f"^{name} in float32 is .*, exactly"):
        checked(op_of(wrong, name), x, order=0)


def test_a_new_primitive_must_be_bounded():
    with pytest.raises(OptionError, match=r"'their_op' has no error bound: write one with @prim"):
        checked(op_of(lambda x: x + 1, "their_op"), X)


def test_no_bound_of_a_primitive_is_left_over():
    names = {o.name for o in gc.get_objects() if isinstance(o, Op)}
    assert set(PRIMITIVES) <= names
