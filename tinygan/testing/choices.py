"""``Choices``: the source of everything random in a test case, and the record of what it gave.

A case (shapes, options, layouts, values) is a pure function of the bounded integers that it asked
for. So the same generator serves three masters: a seed (``tinygan check``), Hypothesis, which
shrinks the integers of a failing case, and a list of integers written down in a reproducer.

Values are not chosen one by one: a single integer seeds the stream that they all come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array, Shape
from ..random import Stream

T = TypeVar("T")
Source = Callable[[int, int], int]

_SEEDS = 2**31 - 1


class Choices:
    """Bounded integers on demand, and values of float64 drawn from them.

    Args:
        source: ``source(low, high)`` returns an integer in low..high.
        small_integers: draw every value from the integers, of magnitude 3 at most, so that sums
            of products come out exactly in any order of summation.

    Attributes:
        taken: what the source has answered so far; ``Choices.replay(taken)`` repeats the case.
    """

    def __init__(self, source: Source, *, small_integers: bool = False) -> None:
        self._source, self.small_integers = source, small_integers
        self.taken: list[int] = []
        self._stream = Stream(self.integer(0, _SEEDS), "values")

    @classmethod
    def from_seed(cls, seed: int, *, small_integers: bool = False) -> Choices:
        """Draw from a pseudo-random stream."""
        return cls(Random(seed).randint, small_integers=small_integers)

    @classmethod
    def replay(cls, taken: Sequence[int], *, small_integers: bool = False) -> Choices:
        """Repeat the choices that another object took.

        Raises:
            OptionError: there are too few, or one is out of its range.
        """
        left = iter(taken)

        def _source(low: int, high: int) -> int:
            value = next(left, None)
            if value is None or not low <= value <= high:
                raise OptionError(
                    f"choices {list(taken)} don't fit: {value} is not in {low}..{high}"
                )
            return value

        return cls(_source, small_integers=small_integers)

    def integer(self, low: int, high: int) -> int:
        """Choose an integer in low..high, both included."""
        value = low if low == high else self._source(low, high)
        if low != high:
            self.taken.append(value)
        return value

    def pick(self, *options: T) -> T:
        """Choose one of the options; repeat one to make it more likely."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, one_in: int) -> bool:
        """Say yes once in so many times."""
        return self.integer(1, one_in) == one_in

    def extent(self, high: int, *, zero: bool = False) -> int:
        """Choose the length of an axis: 1..high, or rarely 0 where the op is defined on it."""
        return 0 if zero and self.chance(12) else self.integer(1, high)

    def shape(self, ndim: int, high: int = 4, *, zero: bool = False) -> Shape:
        """Choose the lengths of so many axes."""
        return tuple(self.extent(high, zero=zero) for _ in range(ndim))

    def normal(self, shape: Sequence[int]) -> Array:
        """Draw from the standard normal distribution."""
        if self.small_integers:
            return self._stream.integers(tuple(shape), -3, 4).astype(np.float64)
        return self._stream.normal(tuple(shape), dtype=np.float64)

    def image(self, n: int, c: int, h: int, w: int) -> Array:
        """Draw a batch of images (n, c, h, w), as ``normal`` does."""
        return self.normal((n, c, h, w))

    def positive(self, shape: Sequence[int]) -> Array:
        """Draw uniformly from 0.5 to 2."""
        if self.small_integers:
            return self._stream.integers(tuple(shape), 1, 4).astype(np.float64)
        return self._stream.uniform(tuple(shape), 0.5, 2.0, dtype=np.float64)

    def off_zero(self, shape: Sequence[int]) -> Array:
        """Draw magnitudes of 0.2 to 1.2 with random signs: no entry near a kink at 0."""
        sign = np.where(self._stream.bernoulli(tuple(shape), 0.5), 1.0, -1.0)
        if self.small_integers:
            return self._stream.integers(tuple(shape), 1, 4) * sign
        return self._stream.uniform(tuple(shape), 0.2, 1.2, dtype=np.float64) * sign

    def distinct(self, shape: Sequence[int]) -> Array:
        """Draw a shuffled, evenly spaced range: no two entries tie or nearly tie."""
        size = int(np.prod(shape))
        if self.small_integers:
            return (self._stream.permutation(size) - size // 2).reshape(shape).astype(np.float64)
        return (self._stream.permutation(size) * (3.0 / max(size, 1)) - 1.4).reshape(shape)

    def integers(self, shape: Sequence[int], low: int, high: int) -> Array:
        """Draw indices, integers in low..high-1."""
        return self._stream.integers(tuple(shape), low, high)
