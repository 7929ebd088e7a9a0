"""Find out where a step stopped being finite.

A step is checked once, cheaply: its metrics, and its parameters, in one kernel call. Only when that
fails is the step taken again from the state before it, on the same batches and the same random
numbers, with a look at the result of every op: the first op that makes a NaN or an infinity out of
finite inputs is the one to name, be it of the forward or of the reverse pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import kernels
from ..autograd import Op, Tensor
from ..autograd.op import Tensors, watching
from ..errors import DivergedError
from ..kernels.arrays import Array
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .game import Game


class _FoundError(Exception):
    """Ends the second attempt at the op that was looked for."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def is_finite(*arrays: Array) -> bool:
    """Tell whether every entry of every array is finite; integers are."""
    floats = [x for x in arrays if x.dtype.kind == "f"]
    return not floats or bool(kernels.call("state_finite", *floats))


def find_fault(metrics: dict[str, float], tensors: dict[str, Tensor]) -> str | None:
    """Name what isn't finite after a step, losses first; None if all is well."""
    for name, value in sorted(metrics.items(), key=lambda item: not item[0].startswith("loss")):
        if not math.isfinite(value):
            return f"{name} is {value}"
    if is_finite(*(t.data for t in tensors.values())):
        return None
    return f"parameter {not_finite(tensors)} is not finite"


def not_finite(tensors: dict[str, Tensor]) -> str:
    """Name the first tensor that isn't finite, and how many more there are; "" if none."""
    wrong = [name for name, t in tensors.items() if not is_finite(t.data)]
    return (wrong or [""])[0] + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else "")


def diagnose(
    fault: str,
    game: Game,
    before: Snapshot,
    batches: list[Any],
    attempt: Callable[[], None],
) -> DivergedError:
    """Take the step again under watch, put the game back, and return the error to raise.

    Args:
        fault: what the check after the step found.
        game: the game after that step.
        before: the state before it.
        batches: what the step was fed.
        attempt: takes the step again, on the same batches.
    """
    step, wrong = game.step, not_finite(before.tensors)
    before.put_back(game)
    cause = _cause(game, before.tensors, batches, attempt)
    before.put_back(game)
    hurt = f"; afterwards {wrong} is not finite" if wrong and wrong not in fault else ""
    return DivergedError(f"step {step}: {fault}: {cause}{hurt}")


def _cause(
    game: Game, tensors: dict[str, Tensor], batches: list[Any], attempt: Callable[[], None]
) -> str:
    fed = [part for batch in batches for part in (batch if isinstance(batch, tuple) else (batch,))]
    if not all(map(is_finite, fed)):
        return "the batch of real samples holds values that are not finite"
    if wrong := not_finite(tensors):
        return f"{wrong} was not finite before the step"
    try:
        with watching(_stop_at_first):
            attempt()
    except _FoundError as found:
        return found.what
    fault = find_fault(game.metrics, tensors)
    if fault is None:
        return "it did not happen again when the step was repeated"
    return f"every op gave finite values, so the update made it ({fault})"


def _stop_at_first(op: Op, xs: Tensors, ys: Tensors) -> None:
    if all(is_finite(y.data) for y in ys):
        return
    if all(is_finite(x.data) for x in xs):
        shapes = ", ".join(str(x.shape) for x in xs)
        raise _FoundError(f"op {op.name!r} made it from finite inputs {shapes}")
