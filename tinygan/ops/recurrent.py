"""Recurrent cells and sequences, with PyTorch's gates, their order and their two biases.

    GRU    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)           reset
           z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)           update
           n = tanh(W_in x + b_in + r * (W_hn h + b_hn))        new; r is applied after W_hn
           h' = (1 - z) * n + z * h

    LSTM   i, f, o = sigmoid(...) as above                      input, forget, output
           g = tanh(W_ig x + b_ig + W_hg h + b_hg)              cell
           c' = f * c + i * g,    h' = o * tanh(c')

The rows of the weights are stacked in the order r, z, n and i, f, g, o. A sequence is unrolled on
the graph, after one matmul for the inputs of all its steps.
Source: arXiv:1406.1078 (GRU; its later versions put r inside W_hn's product); Hochreiter and
Schmidhuber 1997 with the forget gate of Gers et al. 2000 (LSTM, no peepholes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor
from ..autograd.linear import as_tensor, split, squeeze, stack
from ..errors import ShapeError
from .activation import sigmoid, tanh
from .dense import linear

State = tuple[Tensor, ...]
Pair = tuple[Tensor, Tensor]


def gru_cell(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None
) -> Tensor:
    """Take one step of a gated recurrent unit: h' from x and h.

    Shapes: x (..., I), h (..., H), weight_ih (3H, I), weight_hh (3H, H), biases (3H,) or None ->
    (..., H).

    Raises:
        ShapeError: an operand does not fit the others.

    Differentiable: any order in all operands.
    """
    (x, h), weights = _operands(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    _check("gru_cell", 3, x, (h,), weights, lead=0)
    return _gru_step(linear(x, weights[0], weights[2]), (h,), weights[1], weights[3])[0]


def lstm_cell(
    x: Any,
    hx: tuple[Any, Any],
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
) -> Pair:
    """Take one step of a long short-term memory: (h', c') from x and hx = (h, c).

    Shapes: x (..., I), h and c (..., H), weight_ih (4H, I), weight_hh (4H, H), biases (4H,) or
    None -> (..., H), (..., H).

    Raises:
        ShapeError: an operand does not fit the others.

    Differentiable: any order in all operands.
    """
    (x, h, c), weights = _operands(x, *hx, weight_ih, weight_hh, bias_ih, bias_hh)
    _check("lstm_cell", 4, x, (h, c), weights, lead=0)
    h, c = _lstm_step(linear(x, weights[0], weights[2]), (h, c), weights[1], weights[3])
    return h, c


def gru(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    *,
    reverse: bool = False,
) -> Pair:
    """Run one layer of gated recurrent units over a sequence, in one direction.

    Shapes: x (T, ..., I), h (..., H), weights as in ``gru_cell`` -> h of all steps (T, ..., H), and
    the last one (..., H). ``reverse`` begins at x's end; outputs stand beside their inputs.

    Raises:
        ShapeError: an operand does not fit the others, or T is 0.

    Differentiable: any order in all operands.
    """
    (x, h), weights = _operands(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    _check("gru", 3, x, (h,), weights, lead=1)
    outputs, (h,) = _unroll(_gru_step, x, (h,), weights, reverse)
    return outputs, h


def lstm(
    x: Any,
    hx: tuple[Any, Any],
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    *,
    reverse: bool = False,
) -> tuple[Tensor, Pair]:
    """Run one layer of long short-term memories over a sequence, in one direction.

    Shapes: x (T, ..., I), h and c (..., H), weights as in ``lstm_cell`` -> h of all steps
    (T, ..., H), and the last (h, c). ``reverse`` begins at x's end; outputs stand beside their
    inputs.

    Raises:
        ShapeError: an operand does not fit the others, or T is 0.

    Differentiable: any order in all operands.
    """
    (x, h, c), weights = _operands(x, *hx, weight_ih, weight_hh, bias_ih, bias_hh)
    _check("lstm", 4, x, (h, c), weights, lead=1)
    outputs, (h, c) = _unroll(_lstm_step, x, (h, c), weights, reverse)
    return outputs, (h, c)


Weights = tuple[Tensor, Tensor, "Tensor | None", "Tensor | None"]
Step = Callable[[Tensor, State, Tensor, "Tensor | None"], State]


def _gru_step(gx: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    (h,) = state
    xr, xz, xn = split(gx, 3, -1)
    hr, hz, hn = split(linear(h, weight, bias), 3, -1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = tanh(xn + r * hn)
    return (n + z * (h - n),)


def _lstm_step(gx: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    h, c = state
    i, f, g, o = split(gx + linear(h, weight, bias), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _unroll(
    step: Step, x: Tensor, state: State, weights: Weights, reverse: bool
) -> tuple[Tensor, State]:
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    steps = split(linear(x, weight_ih, bias_ih), x.shape[0])
    outputs: list[Tensor] = []
    for gx in steps[::-1] if reverse else steps:
        state = step(squeeze(gx, 0), state, weight_hh, bias_hh)
        outputs.append(state[0])
    return stack(outputs[::-1] if reverse else outputs), state


def _operands(*given: Any) -> tuple[State, Weights]:
    """Make tensors of x, the states and the weights; the last two, the biases, may be None."""
    *needed, bias_ih, bias_hh = given
    *first, weight_ih, weight_hh = map(as_tensor, needed)
    biases = [None if b is None else as_tensor(b) for b in (bias_ih, bias_hh)]
    return tuple(first), (weight_ih, weight_hh, biases[0], biases[1])


def _check(op: str, gates: int, x: Tensor, state: State, weights: Weights, lead: int) -> None:
    """Raise unless all fit; ``lead`` counts the axes of x before those that the state has too."""
    weight_ih, weight_hh, *biases = weights
    size = weight_hh.shape[-1] if weight_hh.ndim else 0
    rows = gates * size
    inputs = x.shape[-1] if x.ndim > lead else -1
    fits = weight_ih.shape == (rows, inputs) and weight_hh.shape == (rows, size)
    fits &= all(b is None or b.shape == (rows,) for b in biases)
    if not fits or any(s.shape != (*x.shape[lead:-1], size) for s in state):
        named = [("x", x), *zip("hc", state, strict=False), ("weight_ih", weight_ih)]
        named.append(("weight_hh", weight_hh))
        named += [
            (n, b) for n, b in zip(("bias_ih", "bias_hh"), biases, strict=True) if b is not None
        ]
        shapes = ", ".join(f"{name} {t.shape}" for name, t in named)
        raise ShapeError(
            f"{op}: {shapes} do not fit x ({'T, ' * lead}..., I), state (..., H), weights "
            f"({gates}H, I) and ({gates}H, H), biases ({gates}H,)"
        )
    if lead and not x.shape[0]:
        raise ShapeError(f"{op}: x {x.shape} has no step")
