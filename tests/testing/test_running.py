"""Running error analysis against exact arithmetic on fractions: bounds hold, and aren't slack."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tinygan.testing.bounds.running import Machine, either, select

F4 = Machine.of(np.float32)
RNG = np.random.default_rng(11)
A, B = (RNG.normal(size=2000).astype(np.float32) for _ in range(2))
exact = np.vectorize(Fraction, otypes=[object])


def share(computed, truth, bound):
    """Return the largest error as a fraction of its bound; no error may be beyond it."""
    shares = [
        abs(Fraction(float(c)) - t) / Fraction(float(b))
        for c, t, b in zip(np.ravel(computed), np.ravel(truth), np.ravel(bound), strict=True)
    ]
    return float(max(shares))


@pytest.mark.parametrize(
    "formula",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: (a + b) * (a - b),
        lambda a, b: a * a - b * b,
        lambda a, b: (a + b) * a / (b * b + 1),
        lambda a, b: -(a * b) + abs(a),
    ],
)
def test_arithmetic_stays_within_its_bound_and_comes_near_it(formula):
    computed, truth = formula(A, B), formula(exact(A), exact(B))
    bound = formula(F4.given(A), F4.given(B)).error
    assert 0.25 < share(computed, truth, bound) <= 1


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_sum_one_by_one_stays_within_gamma_n(order):
    a = (A * 10.0 ** RNG.integers(-3, 4, A.size)).astype(np.float32)
    total = np.float32(0)
    for x in a[order]:
        total += x
    bound = F4.given(a).sum().error
    assert 0 < share(total, sum(exact(a)), bound) <= 1
    double = Machine.of(np.float32, "float64").given(a).sum().error
    assert double < bound / 100
    assert share(np.float32(math.fsum(a)), sum(exact(a)), double) <= 1
    assert share(total, sum(exact(a)), double) > 1  # a float32 accumulator is told from a double


def test_a_mean_divides_by_the_count_along_the_axes():
    a = A.reshape(4, 5, 100)
    mean = F4.given(a).mean((0, 2))
    np.testing.assert_allclose(mean.value, a.mean((0, 2), dtype=np.float64), rtol=1e-12)
    truth = [sum(exact(a[:, i]).ravel()) / 400 for i in range(5)]
    assert share(a.mean((0, 2)), truth, mean.error) <= 1


@pytest.mark.parametrize("f", [np.exp, np.tanh, np.expm1, np.arctan])
def test_a_function_takes_the_error_of_its_argument_along(f):
    computed = f(A * B)
    truth = [Fraction(float(f(float(Fraction(x))))) for x in exact(A) * exact(B)]
    bound = (F4.given(A) * F4.given(B)).apply(f).error
    assert share(computed, truth, bound) <= 1
    assert share(f((A * B) * np.float32(1 + 1e-5)), truth, bound) > 1  # an error of 1e-5 shows


def test_roots_are_correctly_rounded_and_never_of_less_than_nothing():
    root = F4.given(abs(A)).sqrt()
    truth = [Fraction(math.sqrt(x)) for x in abs(A).astype(float)]
    assert 0.9 < share(np.sqrt(abs(A)), truth, root.error) <= 1.001
    assert F4.given(-1.0).sqrt().value == 0


def test_no_bound_holds_where_a_divisor_may_be_zero():
    near = F4.given(np.float32(1)) + F4.given(np.float32(1e-9)) - 1.0
    assert np.isinf((F4.given(1.0) / near).error)
    assert np.isfinite((F4.given(1.0) / (near + 1.0)).error)


def test_extrema_pass_errors_on_and_add_none():
    t = F4.given(A) * F4.given(B)
    assert (t.at_least(0.0).error <= t.error).all()
    np.testing.assert_array_equal(t.at_most(0.5).value, np.minimum(t.value, 0.5))


def test_a_choice_is_unsure_where_its_condition_is_within_its_error():
    one, zero = F4.given(np.ones(3)), F4.given(np.zeros(3))
    sure = select(F4.given(np.array([-1.0, 0.0, 1.0])), one, zero)
    assert sure.value.tolist() == [0, 0, 1]
    assert sure.error.tolist() == [0, 0, 0]
    doubtful = F4.given(np.array([-1.0, 0.5, 1.0])) + F4.given(np.array([0.0, -0.5, 0.0]))
    doubtful.error[1] = 1e-8
    assert select(doubtful, one, zero).error.tolist() == [0, 1, 0]
    assert select(F4.given(np.full(3, np.nan)), one, zero).error.tolist() == [1, 1, 1]


def test_where_a_kernel_may_use_either_formula_the_larger_error_counts():
    t = F4.given(np.linspace(0.0, 4.0, 2000, dtype=np.float32))
    y, e = t.apply(np.tanh), (t * -2.0).apply(np.exp)
    square, quotient = 1.0 - y * y, e * 4.0 / ((1.0 + e) * (1.0 + e))
    assert square.error[0] < quotient.error[0]  # the one is better near 0, the other far from it
    assert square.error[-1] > quotient.error[-1]
    both = either(square, quotient)
    np.testing.assert_array_equal(both.error, np.maximum(square.error, quotient.error))
    np.testing.assert_allclose(both.value, np.cosh(t.value) ** -2.0, rtol=1e-12)


def test_constants_that_float32_can_not_hold_carry_their_rounding():
    assert F4.constant(0.5).error == F4.constant(3.0).error == 0
    assert F4.constant(0.1).error == 2.0**-24 * 0.1
    assert abs(float(np.float32(0.1)) - 0.1) <= F4.constant(0.1).error


def test_an_accumulator_is_never_narrower_than_the_operands():
    assert Machine.of(np.float64, "float32") == Machine.of(np.float64)
    assert Machine.of(np.float32, "float64").sums == 2.0**-53
