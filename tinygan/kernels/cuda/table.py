"""Every CUDA kernel, a row each: nothing else can be launched.

The compile gate (tests/kernels/test_cuda_gate.py) holds each row to its word on each architecture.
Rows stand in the order of their sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .spec import CudaKernel, Grid, column_grid, over, row_grid, segment_grid, spread, warps


def _row(
    file: str, entry: str, grid: Callable[..., Grid], registers: int, **rest: Any
) -> CudaKernel:
    """Make a row; most kernels have blocks of 256 threads."""
    promises = {"threads": 256, **rest}
    return CudaKernel(entry=entry, file=file, grid=grid, registers=registers, **promises)


def _a_row_a_block(*, rows: int, **_: Any) -> Grid:
    return rows, 1, 1


def _tiles(*, items: int, m: int, n: int, **_: Any) -> Grid:
    return over(m, 64) * over(n, 64), items, 1


def _splits(rows: int, columns: int) -> Callable[..., Grid]:
    """Make the grid of a product cut into tiles and, along its sums, into chunks."""

    def _grid(*, m: int, n: int, depth: int, chunk: int, phases: int = 1, **_: Any) -> Grid:
        return over(m, rows) * over(n, columns), over(depth, chunk), phases

    return _grid


def _squares(*, outputs: int, channels: int, taps: int, **_: Any) -> Grid:
    return over(outputs, 32) * over(channels * taps, 32), 1, 1


def _one_block(**_: Any) -> Grid:
    return 1, 1, 1


def _pieces(*, outer: int, pieces: int, **_: Any) -> Grid:
    return outer * pieces, 1, 1


def _outputs(*, outer: int, inner: int, pieces: int, **_: Any) -> Grid:
    return over(outer * inner, 256), pieces, 1


def _totals(*, outer: int, inner: int, **_: Any) -> Grid:
    return over(outer * inner, 256), 1, 1


def _tensors(*, count: int, blocks: int, **_: Any) -> Grid:
    return blocks, count, 1


_WIDE = ("LDG.E.128", "STG.E.128")  # reads and writes four floats at once
_PRODUCT = ("FFMA", "LDS.128", "LDG.E.128")

_ROWS = (
    _row("adam/adam.cu", "adam", _tensors, 64, opcodes=_WIDE),
    _row("attention/attention.cu", "attention_product", _tiles, 64, opcodes=("LDS.128", "FFMA")),
    _row("batch_norm/batch_norm.cu", "batch_norm", segment_grid, 48, opcodes=_WIDE),
    _row("batch_norm/batch_norm.cu", "batch_norm_vjp_sums", segment_grid, 40),
    _row("batch_norm/batch_norm.cu", "batch_norm_vjp_totals", warps("channels"), 48),
    _row("batch_norm/batch_norm.cu", "batch_norm_vjp", segment_grid, 72, opcodes=_WIDE),
    _row("bias_act/bias_act.cu", "bias_act", spread("n"), 40, opcodes=_WIDE),
    _row("bias_act/bias_act.cu", "bias_act_vjp", column_grid, 40),
    _row("conv2d/conv2d.cu", "conv2d_pack", _squares, 32),
    _row("conv2d/conv2d.cu", "conv2d_64", _splits(64, 64), 72, opcodes=_PRODUCT),
    _row("conv2d/conv2d.cu", "conv2d_128", _splits(128, 128), 128, opcodes=_PRODUCT),
    _row("conv2d/conv2d.cu", "conv2d_thin", _splits(256, 4), 72, opcodes=_PRODUCT, threads=128),
    _row("conv2d/dgrad.cu", "conv2d_dgrad_64", _splits(64, 64), 72, opcodes=_PRODUCT),
    _row("conv2d/dgrad.cu", "conv2d_dgrad_128", _splits(128, 128), 128, opcodes=_PRODUCT),
    _row(
        "conv2d/dgrad.cu", "conv2d_dgrad_thin", _splits(256, 4), 72, opcodes=_PRODUCT, threads=128
    ),
    _row("conv2d/direct.cu", "conv2d_direct", spread("count"), 64),
    _row("conv2d/direct.cu", "conv2d_dgrad_direct", spread("count"), 40),
    _row("conv2d/direct.cu", "conv2d_wgrad_direct", spread("count"), 48),
    _row("conv2d/wgrad.cu", "conv2d_wgrad_64", _splits(64, 64), 72, opcodes=_PRODUCT),
    _row("conv2d/wgrad.cu", "conv2d_wgrad_128", _splits(128, 128), 128, opcodes=_PRODUCT),
    _row("descent/descent.cu", "sgd", _tensors, 40),
    _row("descent/descent.cu", "rmsprop", _tensors, 40),
    _row("elementwise/elementwise.cu", "elementwise_flat", spread("n", 4), 64, opcodes=_WIDE),
    _row("elementwise/elementwise.cu", "elementwise_strided", spread("n"), 64),
    _row("gan_loss/gan_loss.cu", "gan_loss", lambda n, **_: (over(n, 4096), 1, 1), 40),
    _row("gan_loss/gan_loss.cu", "gan_loss_mean", _one_block, 32),
    _row("gan_loss/gan_loss.cu", "gan_loss_vjp", spread("n"), 32),
    _row("group_norm/group_norm.cu", "group_norm_vjp_sums", warps("segments", "channels"), 48),
    _row("group_norm/group_norm.cu", "group_norm_vjp_means", warps("segments", "groups"), 48),
    _row(
        "group_norm/group_norm.cu",
        "group_norm_vjp_weights",
        lambda channels, **_: (over(channels, 256), 1, 1),
        48,
    ),
    _row("layer_norm/layer_norm.cu", "layer_norm", row_grid, 48),
    _row("layer_norm/layer_norm.cu", "layer_norm_vjp", row_grid, 48),
    _row("layer_norm/layer_norm.cu", "layer_norm_vjp_columns", segment_grid, 48),
    _row("layer_norm/layer_norm.cu", "layer_norm_vjp_totals", warps("columns"), 48),
    _row("matmul/matmul.cu", "matmul_64", _splits(64, 64), 72, opcodes=_PRODUCT),
    _row("matmul/matmul.cu", "matmul_128", _splits(128, 128), 128, opcodes=_PRODUCT),
    _row("matmul/matmul.cu", "split_sums", spread("count"), 32),
    _row("philox/philox.cu", "philox", spread("n", 4), 64, contract=False),
    _row("philox/philox.cu", "philox_words", spread("n", 4), 48, contract=False),
    _row("pixel_shuffle/pixel_shuffle.cu", "pixel_shuffle", spread("count"), 40),
    _row("pixel_shuffle/pixel_shuffle.cu", "pixel_unshuffle", spread("count"), 40),
    _row("pool2d/pool2d.cu", "avg_pool2d", spread("count"), 48),
    _row("pool2d/pool2d.cu", "avg_pool2d_adjoint", spread("count"), 80),
    _row("pool2d/pool2d.cu", "max_pool2d", spread("count"), 40),
    _row("pool2d/pool2d.cu", "gather2d", spread("count"), 32),
    _row("pool2d/pool2d.cu", "scatter2d", lambda threads, **_: (over(threads, 256), 1, 1), 40),
    _row("probe/copies.cu", "copy_through_shared", spread("n", 4), 32, opcodes=("LDGSTS",)),
    _row("reduce/columns.cu", "column_totals", lambda channels, **_: (over(channels, 8), 1, 1), 32),
    _row("reduce/moments.cu", "segment_moments", segment_grid, 48),
    _row("reduce/moments.cu", "segment_moments_totals", warps("segments", "groups"), 48),
    _row("reduce/reduce.cu", "reduce_blocks", _pieces, 40),
    _row("reduce/reduce.cu", "reduce_threads", _outputs, 40),
    _row("reduce/reduce.cu", "reduce_pieces", _totals, 40),
    _row("resize2d/resize2d.cu", "resize2d", spread("count"), 48),
    _row("softmax/softmax.cu", "softmax", row_grid, 40),
    _row("softmax/softmax.cu", "softmax_vjp", row_grid, 40),
    _row("softmax/softmax.cu", "logsumexp", row_grid, 40),
    _row("spectral_norm/spectral_norm.cu", "spectral_rows", _a_row_a_block, 40),
    _row("spectral_norm/spectral_norm.cu", "spectral_columns", segment_grid, 40),
    _row("spectral_norm/spectral_norm.cu", "spectral_unit", _one_block, 36, threads=1024),
    _row("spectral_norm/spectral_norm.cu", "spectral_norm", spread("n", 4), 40, opcodes=_WIDE),
    _row("spectral_norm/spectral_norm.cu", "spectral_norm_vjp", spread("n", 4), 48),
    _row("state/state.cu", "state_copy", _tensors, 32, opcodes=_WIDE),
    _row("state/state.cu", "state_average", _tensors, 40, opcodes=_WIDE),
    _row("state/state.cu", "state_finite", _tensors, 32),
    _row("unfold/unfold.cu", "unfold", spread("count"), 40),
    _row("unfold/unfold.cu", "fold", spread("count"), 40),
    _row("upfirdn2d/upfirdn2d.cu", "upfirdn2d", spread("count"), 48),
    _row(
        "upfirdn2d/upfirdn2d.cu",
        "upfirdn2d_fgrad",
        lambda blocks, taps, **_: (blocks, taps, 1),
        40,
        opcodes=("DFMA",),
    ),
    _row("upfirdn2d/upfirdn2d.cu", "upfirdn2d_fgrad_totals", warps("taps"), 40),
)

TABLE = {row.entry: row for row in _ROWS}
