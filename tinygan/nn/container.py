"""Modules that hold modules, under the names "0", "1", ... as in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import OptionError
from .activation import LeakyReLU, ReLU
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d

_BATCH_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)


class _Container(Module):
    """What ``Sequential`` and ``ModuleList`` share: child modules as attributes, in order."""

    def _add(self, named: Iterable[tuple[str, Any]]) -> None:
        for name, module in named:
            if not isinstance(module, Module):
                raise OptionError(
                    f"{type(self).__name__} holds modules; {name!r} is a {type(module).__name__}"
                )
            setattr(self, name, module)

    def _items(self) -> list[tuple[str, Module]]:
        return [(name, m) for name, m in vars(self).items() if isinstance(m, Module)]

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._items())

    def __getitem__(self, index: int) -> Module:
        return self._items()[index][1]

    def __setitem__(self, index: int, module: Module) -> None:
        self._add([(self._items()[index][0], module)])

    def append(self, module: Module) -> None:
        """Add a module at the end."""
        self._add([(str(len(self)), module)])


class Sequential(_Container):
    """Modules that run one after the other.

    A batch norm and a ReLU or LeakyReLU behind it run as one op (``ops.batch_norm`` with its
    ``negative_slope``): the same function in one pass over memory, with no array between the two.

    Args:
        *modules: modules, named "0", "1", ...; or one mapping of modules by name.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            self._add(modules[0].items())
        else:
            self._add((str(i), module) for i, module in enumerate(modules))

    def forward(self, x: Any) -> Any:
        """Run all modules in order, each on the result of the one before."""
        modules, fused = list(self), False
        for module, after in zip(modules, [*modules[1:], None], strict=True):
            if fused:  # by the batch norm before
                fused = False
                continue
            slope = _fused_slope(module, after)
            fused = slope is not None
            x = module(x, negative_slope=slope) if fused else module(x)
        return x


def _fused_slope(module: Module, after: Module | None) -> float | None:
    """Return the slope of an activation that a batch norm takes over from ``after``, or None."""
    if type(module) not in _BATCH_NORMS:  # of a subclass nobody knows what it computes
        return None
    if type(after) is ReLU:
        return 0.0
    return float(after.negative_slope) if type(after) is LeakyReLU else None


class ModuleList(_Container):
    """A list of modules; it has no ``forward`` of its own. A plain list serves as well."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._add((str(i), module) for i, module in enumerate(modules))
