"""``Optimizer``: parameters, their gradients, and the state that a checkpoint carries.

A parameter whose gradient is None is skipped, and its own count of steps stays. Parameters change
in place, through ``assign_``: a graph that saved them says so when it is used later.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor
from ..errors import DtypeError, OptionError, ShapeError, StateError
from ..kernels.arrays import Array, writable, xp_of

Gradients = Sequence[Tensor | None]
Noted = list[tuple["Optimizer", Gradients]]

_NOTED: ContextVar[Noted | None] = ContextVar("noted_steps", default=None)


@contextmanager
def noting(steps: Noted) -> Iterator[None]:
    """Add every optimizer that takes a step, and its gradients, until the ``with`` block ends.

    A captured training step notes them: their counts and rates go on on the host. Per thread.
    """
    token = _NOTED.set(steps)
    try:
        yield
    finally:
        _NOTED.reset(token)


class Move(NamedTuple):
    """A parameter that a step moves: its number, its data, and its gradient."""

    i: int
    p: Array
    g: Array


class Optimizer(ABC):
    """What all optimizers share: parameters, gradients, counts of steps, and state.

    Args:
        params: tensors that require grad, as ``module.parameters()`` lists them.
        lr: learning rate, per step; a plain attribute that schedules set.
        slots: names of the arrays that are kept for each parameter; zero at first.

    Raises:
        OptionError: no parameters, the same one twice, one that can't be trained, or lr < 0.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, slots: Sequence[str] = ()) -> None:
        self.params = list(params)
        if not self.params or len({id(p) for p in self.params}) < len(self.params):
            raise OptionError(f"an optimizer takes parameters, each once; got {len(self.params)}")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad or not p.is_leaf:
                raise OptionError(f"params[{i}] is no leaf tensor that requires grad: {type(p)}")
        check_number("lr", lr, 0.0)
        self.lr = self.base_lr = lr
        self.step_count = 0
        self.steps = [0] * len(self.params)  # of each parameter: those without gradient stay
        self.slots = {
            name: [xp_of(p.data).zeros_like(p.data) for p in self.params] for name in slots
        }

    def step(self, grads: Gradients | None = None) -> None:
        """Move every parameter that has a gradient.

        Args:
            grads: one gradient or None for each of ``params``; without it, their ``.grad``.

        Raises:
            ShapeError: another number of gradients, or one of another shape.
            DtypeError: a gradient of another dtype.
        """
        given = self._gradients(grads)
        noted = _NOTED.get()
        if noted is not None:
            noted.append((self, given))
        moves = [
            Move(i, writable(p.data), g.data)
            for i, (p, g) in enumerate(zip(self.params, given, strict=True))
            if g is not None
        ]
        owners = {id(_owner(p)) for _, p, _ in moves}
        for at, (i, p, g) in enumerate(moves):
            if id(_owner(g)) in owners:
                moves[at] = Move(i, p, g.copy())
            self.steps[i] += 1
        self._update(moves)
        for move in moves:
            self.params[move.i].assign_(move.p)
        self.step_count += 1

    @abstractmethod
    def _update(self, moves: list[Move]) -> None:
        """Move parameters in place; no gradient lies in the memory of one of them."""

    def _gradients(self, grads: Gradients | None) -> list[Tensor | None]:
        found = [p.grad for p in self.params] if grads is None else list(grads)
        if len(found) != len(self.params):
            raise ShapeError(f"step: {len(self.params)} parameters but {len(found)} gradients")
        for i, (p, g) in enumerate(zip(self.params, found, strict=True)):
            if g is None:
                continue
            if g.shape != p.shape:
                raise ShapeError(f"step: params[{i}] is {p.shape}, its gradient {g.shape}")
            if g.dtype != p.dtype:
                raise DtypeError(f"step: params[{i}] is {p.dtype}, its gradient {g.dtype}")
        return found

    def leave_out(self, params: Iterable[Tensor]) -> None:
        """Train some of the parameters no more: they get no step, and their state is dropped.

        Lists change in place, so that a ``Transform`` and the optimizer inside agree.

        Args:
            params: the ones to leave as they are; those that are not trained here don't matter.

        Raises:
            OptionError: nothing would be left to train.
        """
        out = {id(p) for p in params}
        gone = [i for i, p in enumerate(self.params) if id(p) in out]
        if len(gone) == len(self.params):
            raise OptionError(f"leave_out: all {len(gone)} parameters, so none would be trained")
        lists: list[list[Any]] = [self.params, self.steps, *self.slots.values()]
        for kept in lists:
            for i in reversed(gone):
                del kept[i]

    def reset(self) -> None:
        """Begin anew: moments become 0, and the count of each parameter's steps too.

        ``step_count``, by which lazy regularisers take turns, goes on.
        """
        for arrays in self.slots.values():
            for a in arrays:
                a[...] = 0
        self.steps = [0] * len(self.params)

    def zero_grad(self) -> None:
        """Forget ``.grad`` of all parameters."""
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Copy the state to a flat dict of NumPy arrays and numbers.

        Keys: ``lr``, ``step``, ``steps`` (int64, one a parameter) and, for parameter i, such as
        ``exp_avg.i``.
        """
        state: dict[str, Any] = {"lr": self.lr, "step": self.step_count}
        state["steps"] = np.array(self.steps, dtype=np.int64)
        state.update((key, np.array(Tensor(a).numpy())) for key, a in self._named())
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` returned; all of it, or nothing if anything misfits.

        Raises:
            StateError: the state does not fit; every misfit is listed.
        """
        own = dict(self._named())
        shapes = {"lr": (), "step": (), "steps": (len(self.params),)}
        shapes.update((key, a.shape) for key, a in own.items())
        given = {key: np.asarray(value) for key, value in state.items()}
        problems = [f"missing {key!r}" for key in shapes if key not in given]
        problems += [f"unexpected {key!r}" for key in given if key not in shapes]
        problems += [
            f"{key!r} is {shape} here but {given[key].shape} in the state"
            for key, shape in shapes.items()
            if key in given and given[key].shape != shape
        ]
        if problems:
            raise StateError(f"state does not fit {type(self).__name__}: {'; '.join(problems)}")
        self.lr, self.step_count = float(given["lr"]), int(given["step"])
        self.steps = [int(n) for n in given["steps"]]
        for key, a in own.items():
            a[...] = xp_of(a).asarray(given[key])

    def _named(self) -> Iterator[tuple[str, Array]]:
        for name, arrays in self.slots.items():
            yield from ((f"{name}.{i}", a) for i, a in enumerate(arrays))


def check_number(name: str, value: float, low: float, below: float = math.inf) -> None:
    """Raise unless ``value`` lies in [low, below).

    Raises:
        OptionError: it does not.
    """
    if not low <= value < below:
        bounds = f"at least {low:g}" + (f" and below {below:g}" if below < math.inf else "")
        raise OptionError(f"{name} {value}: a number {bounds} fits")


def _owner(a: Array) -> Any:
    """Return the array that owns the memory of ``a``: two views of one memory have the same."""
    return a if a.base is None else a.base
