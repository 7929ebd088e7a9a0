"""Calls of kernels, recorded while random cases of public ops are differentiated.

A case of a family runs forward, backward and, for a third of them, backward again, on the
references; every kernel that runs on the way gives a ``Call``. So each kernel op meets the operands
that training gives it, in the memory layouts that families apply, and nobody writes a generator
for it. A few kernel ops are reached by no differentiable op (optimizers, running statistics); they
have generators of their own, and so have large operands, which cases of families are not
(``generators``).

Operands come in three modes: ``float32``, ``float64`` (both normally distributed), and
``integers``: float32 of small whole numbers, whose sums of products come out exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import kernels
from ...autograd import Tensor, grad
from ...errors import OptionError
from ...kernels.arrays import Array
from ...kernels.descent.spec import rmsprop_roles, sgd_roles
from ...kernels.registry import Kernel, tracing
from ...random import Stream
from ..choices import Choices
from ..families import FAMILIES
from ..layouts import LAYOUTS, lay_out_array
from . import image_generators  # noqa: F401 - adds its generators to the table
from .generators import GENERATORS

MODES = ("float32", "float64", "integers")
# Ops that change operands: the roles of the arrays of a group, by the parameters of the call.
IN_PLACE: dict[str, Callable[[dict[str, Any]], tuple[str, ...]]] = {
    "adam": lambda _: ("p", "g", "m", "v"),
    "rmsprop": lambda params: rmsprop_roles(params["momentum"], params["centered"]),
    "sgd": lambda params: sgd_roles(params["momentum"]),
    "state_average": lambda _: ("a", "x"),
    "state_copy": lambda _: ("to", "x"),
}
SECOND_ORDER = 3  # one case in so many is differentiated twice
LARGE = 3  # one case in so many has large operands, where there is a generator of them


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a kernel op, and what it was made from.

    Attributes:
        op: the kernel op.
        arrays: the operands, in the memory layouts that they came in.
        params: the parameters.
        source: the family, or the generator.
        mode: one of ``MODES``.
        choices: the integers that the case was made from.
        index: which call of the case this is.
    """

    op: str
    arrays: tuple[Any, ...]
    params: dict[str, Any]
    source: str = ""
    mode: str = "float32"
    choices: tuple[int, ...] = (0,)
    index: int = 0

    @property
    def dtype(self) -> Any:
        """Return the dtype of the operands: of the first that is of floats."""
        return next(a.dtype for a in self.arrays if is_float(a))

    @property
    def signature(self) -> tuple[Any, ...]:
        """Return what makes this call another one than the last: shapes, dtypes and parameters."""
        shapes = tuple(None if a is None else (a.shape, a.dtype.str) for a in self.arrays)
        return (*shapes, repr(self.params))

    def on(self, arrays: Sequence[Any]) -> Call:
        """Return the same call on other operands."""
        return replace(self, arrays=tuple(arrays))

    def describe(self) -> str:
        """Return operands and parameters, in one line."""
        shapes = ["None" if a is None else f"{a.dtype} {a.shape}" for a in self.arrays]
        given = [f"{name}={value!r}" for name, value in self.params.items()]
        return ", ".join(shapes + given)

    def stream(self, name: str) -> Stream:
        """Return random numbers that belong to this call alone."""
        return Stream(self.choices[0], f"{name} {self.index}")


def changed_by(call: Call) -> tuple[int, ...]:
    """Return which operands a call changes: its results."""
    return changed_operands(call.op, len(call.arrays), call.params)


def changed_operands(op: str, count: int, params: dict[str, Any]) -> tuple[int, ...]:
    """Return which of so many operands an op changes: all but the second of each group."""
    if op not in IN_PLACE:
        return ()
    width = len(IN_PLACE[op](params))
    return tuple(i for i in range(count) if i % width != 1)


def is_float(a: Any) -> bool:
    """Tell whether an operand is an array of floats."""
    return a is not None and a.dtype.kind == "f"


def sources_of(op: str) -> list[str]:
    """List the families that reach a kernel op, and its generators.

    Raises:
        OptionError: there is none.
    """
    found = [family.name for family in FAMILIES.values() if op in family.kernels]
    found += [name for name, generator in GENERATORS.items() if generator.op == op]
    if not any(name in FAMILIES or not GENERATORS[name].large for name in found):
        raise OptionError(
            f"no case reaches kernel op {op!r}: name it in the kernels=(...) of a family of "
            "tinygan.testing.families, or write an @generator in tinygan.testing.conform.generators"
        )
    return found


def record(source: str, choices: Choices, mode: str) -> list[Call]:
    """Return the kernel calls of one case, in the order in which they ran.

    Raises:
        OptionError: there is no such source or mode.
    """
    if mode not in MODES:
        raise OptionError(f"no mode {mode!r}: use one of {', '.join(MODES)}")
    if source in GENERATORS:
        return [_generated(source, choices, mode)]
    if source not in FAMILIES:
        raise OptionError(f"no family of cases {source!r}")
    case = FAMILIES[source].case(choices)
    seen: list[Call] = []

    def _note(kernel: Kernel, arrays: tuple[Any, ...], params: dict[str, Any]) -> None:
        seen.append(Call(kernel.op, arrays, params, source, mode, case.choices, len(seen)))

    with kernels.use_backend("numpy"), tracing(_note), np.errstate(all="ignore"):
        seed = case.choices[0]
        order = 2 if seed % SECOND_ORDER == 0 else 1
        differentiate(case.fn, case.cast(float_of(mode)), mode, seed, order)
    return seen


def float_of(mode: str) -> Any:
    """Return the float type of a mode."""
    return np.float64 if mode == "float64" else np.float32


def differentiate(
    fn: Callable[..., Any], args: Sequence[Array], mode: str, seed: int, order: int
) -> None:
    """Run ``fn``, its vjp (order 1) and the vjp of that (order 2), for who watches.

    Everything on the way is recorded on the graph, cotangents are leaves of it, and none is 0.
    """
    stream = Stream(seed, "cotangents")
    xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in args]
    ys = fn(*xs)
    outs = [y for y in (ys if isinstance(ys, tuple) else (ys,)) if y.requires_grad]
    leaves = [x for x in xs if x.requires_grad]
    for _ in range(order):
        gs = [_cotangent(stream, y, mode) for y in outs]
        firsts = grad(outs, leaves, gs, create_graph=True) if outs else ()
        leaves, outs = leaves + gs, [g for g in firsts if g.requires_grad]


def _cotangent(stream: Stream, y: Tensor, mode: str) -> Tensor:
    if mode == "integers":
        sign = np.where(stream.bernoulli(y.shape, 0.5), 1, -1)
        g = stream.integers(y.shape, 1, 4) * sign
    else:
        g = stream.normal(y.shape, dtype=np.float64)
    return Tensor(np.asarray(g, dtype=y.dtype), requires_grad=True)


def calls_of(op: str, seed: int) -> Iterator[list[Call]]:
    """Yield the calls of a kernel op, case by case: of a float mode and of integers by turns."""
    found, i = sources_of(op), 0
    large = [name for name in found if name in GENERATORS and GENERATORS[name].large]
    small = [name for name in found if name not in large]
    while True:
        source = large[0] if large and i % LARGE == LARGE - 1 else small[i % len(small)]
        for mode in ("integers", "float64" if i % 4 == 3 else "float32"):
            choices = Choices.from_seed(seed * 1_000_003 + i, small_integers=mode == "integers")
            made = record(source, choices, mode)
            yield [call for call in made if call.op == op]
        i += 1


def _generated(source: str, choices: Choices, mode: str) -> Call:
    generator = GENERATORS[source]
    arrays, params = generator.draw(choices)
    narrow = [i not in generator.wide and is_float(a) for i, a in enumerate(arrays)]
    cast = [
        a.astype(float_of(mode)) if a is not None and is_narrow else a
        for a, is_narrow in zip(arrays, narrow, strict=True)
    ]
    layouts = ("c", *LAYOUTS) if choices.chance(2) else ("c",)
    placed = tuple(a if a is None else lay_out_array(a, choices.pick(*layouts)) for a in cast)
    return Call(generator.op, placed, params, source, mode, tuple(choices.taken))
