"""Every CUDA kernel, a row each: nothing else can be launched.

The compile gate (tests/kernels/test_cuda_gate.py) holds each row to its word on each architecture.
Rows stand in the order of their sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .spec import CudaKernel, Grid, column_grid, over, spread


def _row(
    file: str, entry: str, grid: Callable[..., Grid], registers: int, **rest: Any
) -> CudaKernel:
    """Make a row; most kernels have blocks of 256 threads."""
    promises = {"threads": 256, **rest}
    return CudaKernel(entry=entry, file=file, grid=grid, registers=registers, **promises)


_WIDE = ("LDG.E.128", "STG.E.128")  # reads and writes four floats at once

_ROWS = (
    _row("bias_act/bias_act.cu", "bias_act", spread("n"), 40, opcodes=_WIDE),
    _row("bias_act/bias_act.cu", "bias_act_vjp", column_grid, 40),
    _row("elementwise/elementwise.cu", "elementwise_flat", spread("n", 4), 64, opcodes=_WIDE),
    _row("elementwise/elementwise.cu", "elementwise_strided", spread("n"), 64),
    _row("philox/philox.cu", "philox", spread("n", 4), 64, contract=False),
    _row("philox/philox.cu", "philox_words", spread("n", 4), 48, contract=False),
    _row("reduce/columns.cu", "column_totals", lambda channels, **_: (over(channels, 8), 1, 1), 32),
)

TABLE = {row.entry: row for row in _ROWS}
