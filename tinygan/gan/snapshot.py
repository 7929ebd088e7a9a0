"""The state before a step, kept so that a step which goes wrong can be undone and taken again.

``Game.state`` makes host copies under names, to be saved; a snapshot is taken at every step, so it
stays on the device and writes into the same memory each time: one copy of the weights and moments,
in one kernel call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import kernels, nn, optim
from ..autograd import Tensor
from ..kernels.arrays import Array, xp_of
from ..nn.module import unique_tensors
from .ema import EMA

if TYPE_CHECKING:
    from .game import Game


def named_tensors(game: Game) -> dict[str, Tensor]:
    """Return the parameters and buffers of all players by name, e.g. ``G.main.0.weight``."""
    found: dict[str, Tensor] = {}
    for part, owner in game.parts().items():
        module = owner.module if isinstance(owner, EMA) else owner
        if isinstance(module, nn.Module):
            found |= {f"{part}.{name}": t for name, t in unique_tensors(module).items()}
    return found


class Snapshot:
    """A copy of a game's state on its own device; ``take`` again reuses the memory."""

    def __init__(self) -> None:
        self.step = 0
        self.tensors: dict[str, Tensor] = {}
        self._copies: dict[str, Array] = {}
        self._optimizers: dict[str, tuple[optim.Optimizer, float, int, list[int]]] = {}
        self._others: dict[str, tuple[Any, dict[str, Any]]] = {}

    def take(self, game: Game) -> None:
        """Copy the state of the game as it is now."""
        self.step, self.tensors = game.step, named_tensors(game)
        pairs = [self._pair(name, t.data) for name, t in self.tensors.items()]
        for part, owner in game.parts().items():
            if isinstance(owner, optim.Optimizer):
                plain = owner.lr, owner.step_count, list(owner.steps)
                self._optimizers[part] = owner, *plain
                pairs += [self._pair(key, moment) for key, moment in _moments(part, owner)]
            elif not isinstance(owner, EMA | nn.Module):
                self._others[part] = owner, owner.state_dict()
        _copy(pairs)

    def put_back(self, game: Game) -> None:
        """Give the game the state that was taken."""
        game.step = self.step
        game.forget_fake()
        for name, t in self.tensors.items():
            t.assign_(self._copies[name].copy(order="K"))
        for part, (optimizer, lr, step_count, steps) in self._optimizers.items():
            optimizer.lr, optimizer.step_count, optimizer.steps = lr, step_count, list(steps)
            _copy([(moment, self._copies[key]) for key, moment in _moments(part, optimizer)])
        for owner, state in self._others.values():
            owner.load_state_dict(state)

    def was(self, name: str) -> Array | None:
        """Return the value that a tensor had when the state was taken; not to be changed."""
        return self._copies.get(name)

    def _pair(self, name: str, x: Array) -> tuple[Array, Array]:
        """Return the memory to copy to, in the memory order of ``x``, and ``x``."""
        copy = self._copies.get(name)
        if copy is None or copy.shape != x.shape or copy.dtype != x.dtype:
            copy = self._copies[name] = xp_of(x).empty_like(x)
        return copy, x


def _copy(pairs: list[tuple[Array, Array]]) -> None:
    floats = [a for pair in pairs if pair[0].dtype.kind == "f" for a in pair]
    if floats:
        kernels.call("state_copy", *floats)
    for to, x in pairs:
        if to.dtype.kind != "f":
            to[...] = x


def _moments(part: str, optimizer: optim.Optimizer) -> list[tuple[str, Array]]:
    return [
        (f"{part}.{slot}.{i}", x)
        for slot, arrays in optimizer.slots.items()
        for i, x in enumerate(arrays)
    ]
