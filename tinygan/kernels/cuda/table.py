"""Every CUDA kernel, a row each: nothing else can be launched.

The compile gate (tests/kernels/test_cuda_gate.py) holds each row to its word on each architecture.
"""

from __future__ import annotations

from .spec import CudaKernel, column_grid, over, spread

_ROWS = (
    CudaKernel(
        entry="bias_act",
        file="bias_act/bias_act.cu",
        threads=256,
        grid=spread("n"),
        registers=40,
        opcodes=("LDG.E.128", "STG.E.128"),
    ),
    CudaKernel(
        entry="bias_act_vjp",
        file="bias_act/bias_act.cu",
        threads=256,
        grid=column_grid,
        registers=40,
    ),
    CudaKernel(
        entry="column_totals",
        file="reduce/columns.cu",
        threads=256,
        grid=lambda channels, **_: (over(channels, 8), 1, 1),
        registers=32,
    ),
)

TABLE = {row.entry: row for row in _ROWS}
