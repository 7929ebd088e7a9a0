"""The state before a step, kept so that a step which goes wrong can be undone and taken again.

``Game.state`` makes host copies under names, to be saved; a snapshot is taken at every step, so it
stays on the device and writes into the same memory each time: one copy of the weights and moments,
about a hundredth of a step's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import nn, optim
from ..autograd import Tensor
from ..kernels.arrays import Array
from .ema import EMA

if TYPE_CHECKING:
    from .game import Game


def named_tensors(game: Game) -> dict[str, Tensor]:
    """Return the parameters and buffers of all players by name, e.g. ``G.main.0.weight``."""
    found: dict[str, Tensor] = {}
    for part, owner in game.parts().items():
        module = owner.module if isinstance(owner, EMA) else owner
        if isinstance(module, nn.Module):
            found |= {f"{part}.{name}": t for name, t in module.named_parameters().items()}
            found |= {f"{part}.{name}": t for name, t in module.named_buffers().items()}
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
        for name, t in self.tensors.items():
            self._keep(name, t.data)
        for part, owner in game.parts().items():
            if isinstance(owner, optim.Optimizer):
                plain = owner.lr, owner.step_count, list(owner.steps)
                self._optimizers[part] = owner, *plain
                for key, moment in _moments(part, owner):
                    self._keep(key, moment)
            elif not isinstance(owner, EMA | nn.Module):
                self._others[part] = owner, owner.state_dict()

    def put_back(self, game: Game) -> None:
        """Give the game the state that was taken."""
        game.step = self.step
        game.forget_fake()
        for name, t in self.tensors.items():
            t.assign_(self._copies[name].copy())
        for part, (optimizer, lr, step_count, steps) in self._optimizers.items():
            optimizer.lr, optimizer.step_count, optimizer.steps = lr, step_count, list(steps)
            for key, moment in _moments(part, optimizer):
                moment[...] = self._copies[key]
        for owner, state in self._others.values():
            owner.load_state_dict(state)

    def _keep(self, name: str, x: Array) -> None:
        copy = self._copies.get(name)
        if copy is None or copy.shape != x.shape or copy.dtype != x.dtype:
            self._copies[name] = x.copy()
        else:
            copy[...] = x


def _moments(part: str, optimizer: optim.Optimizer) -> list[tuple[str, Array]]:
    return [
        (f"{part}.{slot}.{i}", x)
        for slot, arrays in optimizer.slots.items()
        for i, x in enumerate(arrays)
    ]
