"""Every op on every backend: random cases, derivatives to order 3, entangled, in odd layouts.

Shapes, options and layouts are drawn evenly for one half of the cases, and by Hypothesis, which
shrinks what fails, for the other. This is the fast profile;
``make soak`` runs ten times as many cases. Their count is asserted here and summed up at the end
of the run.
"""

import numpy as np
import pytest
from conftest import require
from hypothesis import HealthCheck, assume, given, settings

from tinygan import Tensor, ops
from tinygan.errors import GradientCheckError
from tinygan.testing import FAMILIES, check_grads
from tinygan.testing.campaign import backends_of, check_case, reproducer
from tinygan.testing.choices import Choices
from tinygan.testing.strategies import arrays, cases, choices, shapes

PAIRS = [(name, b) for name, family in FAMILIES.items() for b in backends_of(family)]
FAST, SOAK = (20, 5), (200, 30)  # cases of each pair that are differentiated twice, and thrice

seeded = settings(
    derandomize=True,  # the same cases in every run
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # backends refuse cases, by design
)


def check_many(name, backend, order, count):
    """Check so many cases, and return how many different ones ran.

    Half are drawn evenly: Hypothesis likes small numbers and repeats itself, so that among 20 cases
    it leaves out most strides and layouts.
    """
    seen = set()

    def ran(case):
        if case.choices in seen:
            return False
        try:
            errors = check_case(case, backend, order)
        except Exception as error:
            line = reproducer(case, backend, order)
            raise AssertionError(f'{error}\n  tinygan check --repro "{line}"') from error
        if errors is not None:
            seen.add(case.choices)
        return errors is not None

    for seed in range(order * 100_000, order * 100_000 + 20 * count):
        if len(seen) >= count // 2:
            break
        ran(FAMILIES[name].case(Choices.from_seed(seed)))

    @settings(seeded, max_examples=count - len(seen))
    @given(cases(name))
    def check(case):
        assume(ran(case))

    check()
    return len(seen)


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_derivatives_of_random_cases_are_right(name, backend, soak, count):
    require(backend)
    twice, thrice = SOAK if soak else FAST
    second = check_many(name, backend, 2, twice)
    third = check_many(name, backend, min(3, FAMILIES[name].order), thrice)
    assert second >= twice
    assert third >= thrice
    count("pairs of op and backend", 1)
    for order, cases_run in ((1, second + third), (2, second + third), (3, third)):
        count(f"random cases differentiated {order} times", cases_run)


def test_the_strategies_shrink_to_the_smallest_failing_shape():
    found = []

    @settings(seeded, max_examples=200)
    @given(arrays(shapes(1, 3, max_side=6)))
    def no_axis_is_as_long_as_four(x):
        if max(x.shape) >= 4:
            found.append(x.shape)
            raise AssertionError

    with pytest.raises(AssertionError):
        no_axis_is_as_long_as_four()
    assert found[-1] == (4,)


def test_a_wrong_rule_of_the_users_own_is_found():
    @settings(seeded, max_examples=20)
    @given(choices())
    def check(c):
        x = c.normal(c.shape(2))
        # the derivative misses a factor 2: the square of a detached tensor times the tensor
        check_grads(lambda t: t * Tensor(t.data), [x], order=1)

    with pytest.raises(GradientCheckError):
        check()


def test_a_case_is_repeated_by_its_choices():
    for name, family in FAMILIES.items():
        first = family.case(Choices.from_seed(5))
        again = family.case(Choices.replay(first.choices))
        assert len(first.args) == len(again.args), name
        for a, b in zip(first.args, again.args, strict=True):
            np.testing.assert_array_equal(a, b)


def test_kinds_of_arrays_keep_their_promise():
    @settings(seeded, max_examples=50)
    @given(arrays(shapes(0, 3, zero=True), kind="off_zero"), arrays((2, 5), kind="distinct"))
    def check(off, distinct):
        assert np.all(np.abs(off) >= 0.2)
        assert len(np.unique(distinct)) == distinct.size
        assert ops.square(Tensor(off)).shape == off.shape

    check()
