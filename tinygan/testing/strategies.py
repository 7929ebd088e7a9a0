"""Hypothesis strategies: property tests of gradients and kernels, also of your own.

    from hypothesis import given
    from tinygan.testing import check_grads
    from tinygan.testing.strategies import cases

    @given(cases("conv2d"))
    def test_conv2d_has_right_gradients(case):
        check_grads(case.fn, case.args)

Hypothesis draws shapes, options and one seed for all values, never the values themselves: a case
costs a millisecond, and a failing one shrinks to the smallest shape that fails. This module needs
the package ``hypothesis``; nothing else in tinygan does.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ..errors import OptionError
from ..kernels.arrays import Array, Shape
from .choices import Choices
from .families import FAMILIES, Case
from .layouts import LAYOUTS, lay_out_array

Draw = Any  # Hypothesis types ``draw`` by a protocol of its own

_KINDS = ("normal", "positive", "off_zero", "distinct")


@st.composite
def choices(draw: Draw, *, small_integers: bool = False) -> Choices:
    """Make a ``Choices`` whose integers Hypothesis draws: a source for a generator of your own."""
    return Choices(
        lambda low, high: int(draw(st.integers(low, high))), small_integers=small_integers
    )


def cases(family: str, *, small_integers: bool = False) -> st.SearchStrategy[Case]:
    """Make random cases of an op: ``case.fn`` on ``case.args``, in random memory layouts.

    Args:
        family: the op's public name, a key of ``tinygan.testing.FAMILIES``.
        small_integers: operands of small integers, whose sums of products are exact.

    Raises:
        OptionError: no such family.
    """
    if family not in FAMILIES:
        raise OptionError(f"no family {family!r}: tinygan.testing.FAMILIES has {len(FAMILIES)}")
    return choices(small_integers=small_integers).map(FAMILIES[family].case)


def shapes(
    min_dims: int = 0, max_dims: int = 4, max_side: int = 4, *, zero: bool = False
) -> st.SearchStrategy[Shape]:
    """Make shapes; sides of length 0 occur only if asked for."""
    sides = st.integers(0 if zero else 1, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def arrays(draw: Draw, shape: Shape | st.SearchStrategy[Shape], *, kind: str = "normal") -> Array:
    """Make arrays of float64 in random memory layouts.

    Args:
        draw: given by Hypothesis.
        shape: a shape or a strategy for shapes.
        kind: ``normal``; ``positive``, 0.5 to 2; ``off_zero``, no entry near 0; ``distinct``, no
            two entries near each other.

    Raises:
        OptionError: no such kind.
    """
    if kind not in _KINDS:
        raise OptionError(f"no kind of array {kind!r}: use one of {', '.join(_KINDS)}")
    c = draw(choices())
    drawn = getattr(c, kind)(shape if isinstance(shape, tuple) else draw(shape))
    return lay_out_array(drawn, draw(st.sampled_from(LAYOUTS)))
