"""The table that families of cases enter themselves into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...autograd import Tensor
from ...autograd.linear import broadcast_to
from ...errors import OptionError
from ...kernels.arrays import Array
from ..choices import Choices
from ..layouts import LAYOUTS, lay_out

Function = Callable[..., Any]


class Drawn(NamedTuple):
    """A function of tensors (it returns a tensor or a tuple of them) and its operands."""

    fn: Function
    args: Sequence[Array]


@dataclass(frozen=True)
class Case:
    """One op on one set of operands.

    Attributes:
        family: the name of the family that it is of.
        fn: takes tensors, returns a tensor or a tuple of tensors.
        args: the operands, of float64 or of integers.
        choices: the integers that it was made from.
    """

    family: str
    fn: Function
    args: tuple[Array, ...]
    choices: tuple[int, ...]

    def cast(self, dtype: Any) -> list[Array]:
        """Return the operands with floats in another type; integers keep theirs."""
        return [a.astype(dtype) if a.dtype.kind == "f" else a for a in self.args]


@dataclass(frozen=True)
class Family:
    """All cases of one public op.

    Attributes:
        name: the op's public name.
        draw: makes operands from choices.
        kernels: the kernel ops that the forward pass and the first vjp reach, in some case at
            least.
        broadcast: operands may be broadcast along their first axis. No for ops that tie or
            degenerate on equal samples.
        order: how often the op can be checked by differences, 3 unless its cost forbids it.
    """

    name: str
    draw: Callable[[Choices], Drawn]
    kernels: tuple[str, ...] = ()
    broadcast: bool = True
    order: int = 3

    def case(self, choices: Choices) -> Case:
        """Make a case: operands and options by the family, memory layouts at random."""
        drawn = self.draw(choices)
        operands = [np.asarray(a) for a in drawn.args]  # NumPy makes scalars of 0-d arrays
        plans = [self._plan(choices, a) for a in operands]
        back = choices.pick(*LAYOUTS)

        def _fn(*xs: Tensor) -> tuple[Tensor, ...]:
            placed = [
                broadcast_to(lay_out(x, layout=layout), a.shape)
                if narrow
                else lay_out(x, layout=layout)
                for x, a, (layout, narrow) in zip(xs, operands, plans, strict=True)
            ]
            ys = drawn.fn(*placed)
            ys = ys if isinstance(ys, tuple) else (ys,)
            # laid out on the way out too: so come the cotangents, on their way back
            return tuple(lay_out(y, layout=back) if y.dtype.kind == "f" else y for y in ys)

        args = [a[:1] if narrow else a for (_, narrow), a in zip(plans, operands, strict=True)]
        return Case(self.name, _fn, tuple(args), tuple(choices.taken))

    def _plan(self, choices: Choices, a: Array) -> tuple[str, bool]:
        """Choose the layout of an operand, and whether it is broadcast along its first axis."""
        if a.dtype.kind != "f":
            return "c", False
        layout = choices.pick(*LAYOUTS)
        narrow = self.broadcast and a.ndim > 0 and a.shape[0] > 1 and choices.chance(8)
        return layout, narrow


FAMILIES: dict[str, Family] = {}


def family(
    name: str, *, kernels: tuple[str, ...] = (), broadcast: bool = True, order: int = 3
) -> Callable[[Callable[[Choices], Drawn]], Callable[[Choices], Drawn]]:
    """Return a decorator that enters the generator below it as the family of op ``name``.

    Raises:
        OptionError: the op has a family already.
    """

    def _enter(draw: Callable[[Choices], Drawn]) -> Callable[[Choices], Drawn]:
        if name in FAMILIES:
            raise OptionError(f"family {name!r} exists already: one op, one family")
        FAMILIES[name] = Family(name, draw, kernels, broadcast, order)
        return draw

    return _enter
