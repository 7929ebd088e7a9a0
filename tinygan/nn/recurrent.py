"""Recurrent cells and layers, with PyTorch's names, shapes and return values.

``GRU`` and ``LSTM`` run layers over layers, each in one direction or in both. Parameters of layer k
are ``weight_ih_lk``, ``weight_hh_lk``, ``bias_ih_lk``, ``bias_hh_lk``, with ``_reverse`` for the
second direction, all drawn uniform in +-1 / sqrt(hidden_size). Formulas: ``ops/recurrent.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops, random
from ..autograd import Tensor
from ..autograd.linear import as_tensor
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Shape, xp_of
from . import init
from .layers import empty
from .module import Module, Parameter

State = tuple[Tensor, ...]
_KEYS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Recurrent(Module):
    """What cells and layers share; ``gates`` is 3 or 4, ``states`` 1 (h) or 2 (h and c)."""

    gates = 0
    states = 0

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool) -> None:
        if min(input_size, hidden_size) < 1:
            raise OptionError(f"{type(self).__name__}: sizes {input_size}, {hidden_size} < 1")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def _allocate(self, input_size: int, suffix: str, dtype: Any) -> None:
        rows = self.gates * self.hidden_size
        shapes: tuple[Shape, ...] = (rows, input_size), (rows, self.hidden_size), (rows,), (rows,)
        for key, shape in zip(_KEYS, shapes, strict=True):
            used = self.bias or key.startswith("weight")
            vars(self)[key + suffix] = Parameter(empty(shape, dtype)) if used else None

    def _weights(self, suffix: str = "") -> list[Tensor | None]:
        return [getattr(self, key + suffix) for key in _KEYS]

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _state(self, x: Tensor, hx: Any, shape: Shape) -> State:
        """Return the states given, or zeros; all of ``shape``."""
        if hx is None:
            return (Tensor(xp_of(x.data).zeros(shape, x.dtype)),) * self.states
        pair = isinstance(hx, tuple | list)
        if pair == (self.states == 1) or (pair and len(hx) != self.states):
            found = f"{len(hx)} states" if pair else "one tensor"
            form = "one tensor h" if self.states == 1 else "a pair (h, c)"
            raise OptionError(f"{type(self).__name__}: hx is {found}: {form} fits")
        given = tuple(map(as_tensor, hx if pair else (hx,)))
        if any(s.shape != shape for s in given):
            shapes = ", ".join(str(s.shape) for s in given)
            raise ShapeError(
                f"{type(self).__name__}: states {shapes} do not fit x {x.shape}: each {shape} fits"
            )
        return given

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}"


class _Cell(_Recurrent):
    def __init__(
        self, input_size: int, hidden_size: int, *, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias)
        self._allocate(input_size, "", dtype)
        self.reset_parameters()

    def _input(self, given: Any) -> Tensor:
        x: Tensor = as_tensor(given)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__} takes x (N, {self.input_size}) or ({self.input_size},), "
                f"got {x.shape}"
            )
        return x


class GRUCell(_Cell):
    """One step of a gated recurrent unit; see ``ops.gru_cell``.

    Shapes: x (N, input_size), h (N, hidden_size), or both without N -> as h.

    Args:
        input_size: I.
        hidden_size: H.
        bias: add both biases.
        dtype: of the weights.

    Raises:
        OptionError: h is not one tensor.
        ShapeError: x or h does not fit.

    Differentiable: any order.
    """

    gates, states = 3, 1

    def forward(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return h'; without h, it begins at 0."""
        x = self._input(x)
        (h,) = self._state(x, hx, (*x.shape[:-1], self.hidden_size))
        return ops.gru_cell(x, h, *self._weights())


class LSTMCell(_Cell):
    """One step of a long short-term memory; see ``ops.lstm_cell``.

    Shapes: x (N, input_size), h and c (N, hidden_size), or all without N -> (h', c') as h.

    Args:
        input_size: I.
        hidden_size: H.
        bias: add both biases.
        dtype: of the weights.

    Raises:
        OptionError: (h, c) is no pair.
        ShapeError: x, h or c does not fit.

    Differentiable: any order.
    """

    gates, states = 4, 2

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return (h', c'); without (h, c), they begin at 0."""
        x = self._input(x)
        h, c = self._state(x, hx, (*x.shape[:-1], self.hidden_size))
        return ops.lstm_cell(x, (h, c), *self._weights())


class _Layers(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias)
        if num_layers < 1 or not 0.0 <= dropout < 1.0:
            raise OptionError(
                f"{type(self).__name__}: num_layers {num_layers} >= 1 and dropout {dropout} in "
                "[0, 1) fit"
            )
        self.num_layers, self.batch_first = num_layers, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        for k in range(num_layers):
            for suffix in self._suffixes(k):
                wide = hidden_size * (1 + bidirectional)
                self._allocate(wide if k else input_size, suffix, dtype)
        self.reset_parameters()

    def _suffixes(self, k: int) -> list[str]:
        return [f"_l{k}", f"_l{k}_reverse"][: 1 + self.bidirectional]

    def _run(self, x: Any, hx: Any) -> tuple[Tensor, State]:
        """Return h of all steps of the last layer, and the last states of all layers."""
        x = as_tensor(x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__} takes x (L, N, {self.input_size}) (N first if "
                f"batch_first) or (L, {self.input_size}), got {x.shape}"
            )
        turned = self.batch_first and x.ndim == 3
        y = ops.transpose(x, (1, 0, 2)) if turned else x
        directions = 1 + self.bidirectional
        shape = (directions * self.num_layers, *y.shape[1:-1], self.hidden_size)
        begin, last = self._state(x, hx, shape), []
        for k in range(self.num_layers):
            if k and self.dropout and self.training:
                y = ops.dropout(y, self.dropout, mask_stream=random.current().stream("dropout"))
            parts = []
            for d, suffix in enumerate(self._suffixes(k)):
                state = tuple(s[k * directions + d] for s in begin)
                part, end = self._scan(y, state, self._weights(suffix), reverse=d == 1)
                parts.append(part)
                last.append(end)
            y = ops.concatenate(parts, -1) if self.bidirectional else parts[0]
        ends = tuple(ops.stack([end[i] for end in last]) for i in range(self.states))
        return ops.transpose(y, (1, 0, 2)) if turned else y, ends

    def _scan(
        self, x: Tensor, state: State, weights: list[Tensor | None], reverse: bool
    ) -> tuple[Tensor, State]:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"bidirectional={self.bidirectional}"
        )


class GRU(_Layers):
    """Layers of gated recurrent units over a sequence.

    Shapes: x (L, N, input_size), h_0 (D * num_layers, N, H) -> outputs (L, N, D * H), h_n as h_0;
    D is 2 if bidirectional, else 1. With ``batch_first``, x and outputs have N first; without a
    batch, all lose N.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: each takes the outputs of the one before.
        bias: add both biases.
        batch_first: x and outputs are (N, L, ...).
        dropout: probability of dropping an output between layers, in training mode.
        bidirectional: run each layer from both ends, and join the outputs.
        dtype: of the weights.

    Raises:
        OptionError: sizes are not positive, dropout is no probability, or h_0 is not one tensor.
        ShapeError: x or h_0 does not fit, or L is 0.

    Differentiable: any order.
    """

    gates, states = 3, 1

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (outputs, h_n); without h_0, it begins at 0."""
        outputs, (h,) = self._run(x, hx)
        return outputs, h

    def _scan(
        self, x: Tensor, state: State, weights: list[Tensor | None], reverse: bool
    ) -> tuple[Tensor, State]:
        outputs, h = ops.gru(x, *state, *weights, reverse=reverse)
        return outputs, (h,)


class LSTM(_Layers):
    """Layers of long short-term memories over a sequence.

    Shapes: x (L, N, input_size), h_0 and c_0 (D * num_layers, N, H) -> outputs (L, N, D * H),
    (h_n, c_n) as (h_0, c_0); D is 2 if bidirectional, else 1. Arguments, errors and
    differentiability: as ``GRU``.
    """

    gates, states = 4, 2

    def forward(
        self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return (outputs, (h_n, c_n)); without (h_0, c_0), they begin at 0."""
        outputs, (h, c) = self._run(x, hx)
        return outputs, (h, c)

    def _scan(
        self, x: Tensor, state: State, weights: list[Tensor | None], reverse: bool
    ) -> tuple[Tensor, State]:
        h, c = state
        return ops.lstm(x, (h, c), *weights, reverse=reverse)
