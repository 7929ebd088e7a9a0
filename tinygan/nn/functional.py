"""``functional_call``: run a module with other tensors in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..autograd import Tensor
from ..errors import ShapeError, StateError
from .module import Module, slots


def functional_call(
    module: Module, tensors: Mapping[str, Tensor], *args: Any, **kwargs: Any
) -> Any:
    """Call ``module(*args, **kwargs)`` with ``tensors`` in place of those of the same names.

    The module has its own tensors back afterwards, also after an exception. A tensor given for a
    tied parameter stands in for all its names. In training mode, running statistics and power
    iteration vectors move on as in any call: those of the module, unless ``tensors`` holds others.

    Args:
        module: any module; it may have modules below it (``layers.0.weight``).
        tensors: tensors by the names of ``named_parameters`` and ``named_buffers``.
        *args: arguments of the call.
        **kwargs: keyword arguments of the call.

    Raises:
        StateError: a name that the module does not have.
        ShapeError: a tensor of another shape than the one it stands in for.

    Differentiable: any order, in ``tensors`` as in the arguments.
    """
    places: dict[str, tuple[dict[str, Any], str]] = {}
    names_of: dict[int, list[str]] = {}
    for name, attributes, key in slots(module):
        places[name] = attributes, key
        names_of.setdefault(id(attributes[key]), []).append(name)
    _check(module, tensors, places)
    new = dict(tensors)
    for name, t in tensors.items():
        attributes, key = places[name]
        new.update((alias, t) for alias in names_of[id(attributes[key])] if alias not in tensors)
    saved = [(places[name][0], places[name][1], places[name][0][places[name][1]]) for name in new]
    try:
        for name, t in new.items():
            attributes, key = places[name]
            attributes[key] = t
        return module(*args, **kwargs)
    finally:
        for attributes, key, own in saved:
            attributes[key] = own


def _check(
    module: Module, tensors: Mapping[str, Tensor], places: Mapping[str, tuple[dict[str, Any], str]]
) -> None:
    unknown = [name for name in tensors if name not in places]
    if unknown:
        raise StateError(
            f"functional_call: {type(module).__name__} has no {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(map(repr, places))}"
        )
    for name, t in tensors.items():
        attributes, key = places[name]
        if t.shape != attributes[key].shape:
            raise ShapeError(
                f"functional_call: {name!r} is {attributes[key].shape}, got a tensor {t.shape}"
            )
