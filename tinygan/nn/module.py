"""``Module``: parameters, buffers and child modules, held as plain attributes.

No metaclass and no ``__setattr__``: a module is walked by ``vars(module)``, its own tensors first,
then its children, each in the order of assignment. Names are PyTorch's (``layers.0.weight``), so
that state dicts carry over. Train or eval is ``module.training``; there is no global flag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ..autograd import Tensor
from ..errors import OptionError, StateError
from ..kernels.arrays import Array, xp_of

_Self = TypeVar("_Self", bound="Module")


class Parameter(Tensor):
    """A tensor that is trained: a leaf with a copy of ``data``, named by the module that holds it.

    The copy makes it safe to update in place: no other tensor lies in the same memory.

    Args:
        data: an array, a tensor or Python numbers, of floating point.
        requires_grad: ``False`` freezes it.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(Tensor(data).data.copy(), requires_grad)


class Buffer(Tensor):
    """A tensor that is saved but not trained, such as a running mean; it too holds a copy."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(Tensor(data).data.copy())


_SAVED = (Parameter, Buffer)


class Computed(Protocol):
    """A tensor attribute that is computed anew for each forward, such as a normalised weight."""

    @property
    def name(self) -> str:
        """The attribute under which ``forward`` finds the tensor."""

    def __call__(self, module: Any) -> Tensor:
        """Compute the tensor from the module's parameters and buffers."""


class InputChange(Protocol):
    """A change of what a module is called with, such as dropout before a layer."""

    def __call__(self, module: Any, x: Any) -> Any:
        """Return what ``forward`` gets in place of its first argument."""


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict(strict=False)`` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def _not_implemented(self: Module, *args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(f"{type(self).__name__} has no forward()")


class Module:
    """Base class of all layers and networks; a subclass sets attributes and writes ``forward``.

    Lists and tuples of modules count as children; a module that is reached twice is one module,
    and a tied parameter is one parameter, under its first name. ``super().__init__()`` may be
    called, and need not be.

        >>> class Twice(Module):
        ...     def __init__(self) -> None:
        ...         self.scale = Parameter(2.0)
        ...     def forward(self, x: Tensor) -> Tensor:
        ...         return x * self.scale
        >>> float(Twice()(Tensor(3.0)))
        6.0
    """

    training: bool = True
    forward: Callable[..., Any] = _not_implemented
    _computed: tuple[Computed, ...] = ()
    _inputs: tuple[InputChange, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` on the changed input, with the computed attributes in place meanwhile."""
        if self._inputs:
            args = (self.changed_input(args[0]), *args[1:])
        if not self._computed:
            return self.forward(*args, **kwargs)
        attributes = vars(self)
        try:
            for item in self._computed:
                attributes[item.name] = item(self)
            return self.forward(*args, **kwargs)
        finally:
            for item in self._computed:
                attributes.pop(item.name, None)

    def changed_input(self, x: Any) -> Any:
        """Return what a call with ``x`` gives to ``forward``: changed by each of ``_inputs``."""
        for change in self._inputs:
            x = change(self, x)
        return x

    # --- walking ---

    def children(self) -> list[Module]:
        """List the modules that are attributes of this one."""
        return [child for _, child in _children(self)]

    def named_modules(self) -> dict[str, Module]:
        """Return this module (named "") and all below it, each once, by its first name."""
        return {name[:-1]: module for name, module in _unique(_walk(self))}

    def modules(self) -> list[Module]:
        """List this module and all below it, each once."""
        return list(self.named_modules().values())

    def named_parameters(self) -> dict[str, Tensor]:
        """Return the parameters, each once, by its first name."""
        return dict(_unique((name, t) for name, t in tensors(self) if isinstance(t, Parameter)))

    def parameters(self) -> list[Tensor]:
        """List the parameters, each once."""
        return list(self.named_parameters().values())

    def named_buffers(self) -> dict[str, Tensor]:
        """Return the buffers, each once, by its first name."""
        return dict(_unique((name, t) for name, t in tensors(self) if isinstance(t, Buffer)))

    def buffers(self) -> list[Tensor]:
        """List the buffers, each once."""
        return list(self.named_buffers().values())

    # --- modes ---

    def train(self: _Self, mode: bool = True) -> _Self:
        """Set training mode, or eval mode for ``False``, here and below; return this module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: _Self) -> _Self:
        """Set eval mode here and below; return this module."""
        return self.train(False)

    def requires_grad_(self: _Self, requires_grad: bool = True) -> _Self:
        """Turn differentiation with respect to all parameters on or off; return this module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget ``.grad`` of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self: _Self, fn: Callable[[Module], Any]) -> _Self:
        """Call ``fn`` on every module, this one last; return this module."""
        for module in reversed(self.modules()):
            fn(module)
        return self

    # --- state ---

    def state_dict(self) -> dict[str, Array]:
        """Copy parameters and buffers to NumPy arrays; a tied one appears under all its names."""
        return {name: np.array(t.numpy()) for name, t in tensors(self)}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy arrays into parameters and buffers by name; all of them, or none if one misfits.

        A tied tensor needs one of its names. Each tensor keeps its dtype and its memory layout.
        ``num_batches_tracked``, which PyTorch wrote from 0.4.1 on, may be missing, and the names of
        its ``parametrizations`` are taken for those of its ``spectral_norm`` and ``weight_norm``.

        Args:
            state: arrays or tensors by name, as ``state_dict`` or ``load_pth`` returns them; also
                PyTorch's tensors, on the CPU.
            strict: refuse missing and unexpected names too, and not only wrong shapes.

        Raises:
            StateError: the state does not fit, or is not of arrays; every misfit is listed.
        """
        own = dict(tensors(self))
        given = {_plain(name, own): _host(name, value) for name, value in state.items()}
        reached = {id(own[name]) for name in given if name in own}
        missing = [
            name
            for name, t in own.items()
            if id(t) not in reached and not name.endswith("num_batches_tracked")
        ]
        unexpected = [name for name in given if name not in own]
        problems = list(_misfits(own, given))
        if strict:
            problems += [f"missing {name!r}" for name in missing]
            problems += [f"unexpected {name!r}" for name in unexpected]
        if problems:
            raise StateError(
                f"state dict does not fit {type(self).__name__}: {'; '.join(problems)}"
            )
        for name, value in given.items():
            if name in own:
                own[name].assign_(_laid_out_as(own[name].data, value))
        return IncompatibleKeys(missing, unexpected)

    # --- printing ---

    def extra_repr(self) -> str:
        """Return the hyper-parameters, as ``repr`` shows them between the brackets."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in _children(self)]
        body = "".join(f"\n  {line}" for line in lines)
        return f"{type(self).__name__}({self.extra_repr()}{body}{chr(10) if body else ''})"


# --- the walk ---


_MAY_HOLD_MODULES = (Module, list, tuple)


def _children(module: Module) -> Iterator[tuple[str, Module]]:
    for name, value in list(vars(module).items()):
        if isinstance(value, _MAY_HOLD_MODULES):  # numbers, text and tensors are most of them
            yield from _modules_in(name, value, type(module).__name__)


def _modules_in(name: str, value: Any, owner: str) -> Iterator[tuple[str, Module]]:
    if isinstance(value, Module):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            if isinstance(item, _SAVED):
                raise OptionError(
                    f"{owner}.{name}[{i}] is a {type(item).__name__} in a {type(value).__name__}, "
                    "which would be neither trained nor saved: make it an attribute"
                )
            yield from _modules_in(f"{name}.{i}", item, owner)


def _walk(
    module: Module, prefix: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Module]]:
    """Yield each module with its prefix, on every way to it; a link back up is not followed."""
    yield prefix, module
    above = (*above, id(module))
    for name, child in _children(module):
        if id(child) not in above:
            yield from _walk(child, f"{prefix}{name}.", above)


def slots(module: Module) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield (full name, attributes of the owner, attribute name) of each tensor attribute."""
    for prefix, owner in _walk(module):
        attributes = vars(owner)
        for name in [k for k, value in attributes.items() if isinstance(value, Tensor)]:
            yield prefix + name, attributes, name


def tensors(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer under all its names."""
    for name, attributes, key in slots(module):
        if isinstance(attributes[key], _SAVED):
            yield name, attributes[key]


def unique_tensors(module: Module) -> dict[str, Tensor]:
    """Return all parameters and buffers, each once, by its first name."""
    return dict(_unique(tensors(module)))


_T = TypeVar("_T")


def _unique(pairs: Iterator[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


# --- loading ---


_PARAMETRIZED = {"original": "orig", "0._u": "u", "0._v": "v", "original0": "g", "original1": "v"}


def _plain(name: str, own: Mapping[str, Tensor]) -> str:
    """Turn ``conv.parametrizations.weight.original`` into ``conv.weight_orig``, and so on."""
    prefix, found, rest = name.rpartition("parametrizations.")
    tensor, _, part = rest.partition(".")
    if name in own or not found or part not in _PARAMETRIZED:
        return name
    return f"{prefix}{tensor}_{_PARAMETRIZED[part]}"


def _host(name: str, value: Any) -> Array:
    if isinstance(value, Tensor):
        return value.numpy()
    try:
        return np.asarray(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise StateError(f"state dict: {name!r} can't be read as an array ({reason})") from None


def _misfits(own: Mapping[str, Tensor], given: Mapping[str, Array]) -> Iterator[str]:
    """Describe each given array that its tensor can't take."""
    first: dict[int, str] = {}
    for name, value in given.items():
        t = own.get(name)
        if t is None:
            continue
        if value.shape != t.shape:
            yield f"{name!r} is {t.shape} here but {value.shape} in the state"
        elif not np.can_cast(value.dtype, t.dtype, "same_kind"):
            yield f"{name!r} is {t.dtype} here but {value.dtype} in the state"
        elif not np.array_equal(value, given[first.setdefault(id(t), name)], equal_nan=True):
            yield f"{name!r} and {first[id(t)]!r} are one tied tensor but differ in the state"


def _laid_out_as(template: Array, value: Array) -> Array:
    xp = xp_of(template)
    out: Array = xp.empty_like(template)
    out[...] = xp.asarray(value)
    return out
