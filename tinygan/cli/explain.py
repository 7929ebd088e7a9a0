"""``tinygan explain OP [SHAPE ...] [--PARAM VALUE ...]``: which kernel runs a call, and why.

tinygan explain conv2d 64x3x32x32 16x3x4x4 --stride 2 --padding 1
"""

from __future__ import annotations

import ast
from dataclasses import fields
from typing import Any

import numpy as np

from ..kernels import explain, kernels, op_names
from ..kernels.conv2d.spec import ConvSpec, pair
from .exits import OK, UsageError, perhaps

USAGE = """\
usage: tinygan explain OP [SHAPE ...] [--dtype float32] [--PARAM VALUE ...]

Without shapes: the kernels of the op. With the shapes of its operands: which of them would run the
call (the first `ok`), and why the others would not. An operand of another dtype than --dtype says
so behind its shape, 1x32:float64. For example:
  tinygan explain conv2d 64x3x32x32 16x3x4x4 --stride 2 --padding 1
  tinygan explain batch_norm 64x32x16x16 32 32 1x32:float64 1x32:float64 --eps 1e-5

ops:"""


def run(args: list[str]) -> int:
    """Run the verb."""
    if args and args[0] in ("-h", "--help"):
        print(USAGE, " ".join(op_names()))
        return OK
    if not args:
        raise UsageError(f"explain: an op is missing: use one of {' '.join(op_names())}")
    op = args[0]
    if op not in op_names():
        raise UsageError(f"explain: no op {op!r}: {perhaps(op, op_names())}")
    shapes, params = _read(args[1:])
    dtype = _dtype(params.pop("dtype", "float32"), "--dtype ")
    arrays = [np.zeros(shape, own or dtype) for shape, own in shapes]
    try:
        if arrays:
            print(explain(op, *arrays, **_grouped(op, params)))
        else:
            print("\n".join(kernel.key for kernel in kernels(op)))
    except TypeError as error:  # an operand or a parameter too few or too many
        raise UsageError(f"explain {op}: {error}") from None
    return OK


def _dtype(name: str, where: str) -> str:
    if name not in ("float32", "float64"):
        raise UsageError(f"explain: {where}{name}: use float32 or float64")
    return name


def _read(args: list[str]) -> tuple[list[tuple[tuple[int, ...], str]], dict[str, Any]]:
    """Return the operands' shapes, each with its own dtype or "", and the parameters."""
    shapes, params = [], {}
    rest = iter(args)
    for arg in rest:
        if arg.startswith("--"):
            name, _, value = arg[2:].partition("=")
            text = value or next(rest, None)
            if text is None:
                raise UsageError(f"explain: --{name} needs a value")
            params[name.replace("-", "_")] = _value(text)
        else:
            shape, _, own = arg.partition(":")
            shapes.append((_shape(shape), own and _dtype(own, f"{shape}:")))
    return shapes, params


def _shape(text: str) -> tuple[int, ...]:
    parts = text.split("x")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"explain: shape {text!r}: numbers with x between fit, 64x3x32x32")
    return tuple(int(part) for part in parts)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _grouped(op: str, params: dict[str, Any]) -> dict[str, Any]:
    """Put a convolution's parameters into its spec."""
    if not op.startswith("conv2d"):
        return params
    names = [f.name for f in fields(ConvSpec)]
    spec: dict[str, Any] = {n: params.pop(n) for n in names if n in params}
    for name, value in spec.items():
        spec[name] = value if name == "groups" else pair(value, name)
    return {"spec": ConvSpec(**spec), **params}
