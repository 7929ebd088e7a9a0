"""The closed set of elementwise functions, by their names as ufuncs."""

from __future__ import annotations

BINARY = ("add", "subtract", "multiply", "true_divide", "maximum", "minimum", "power")
UNARY = ("negative", "absolute", "sign", "square", "sqrt", "exp", "expm1", "log", "log1p", "tanh")
FUNCTIONS = BINARY + UNARY  # the order of TgFunction in csrc/elementwise/elementwise.cu
