"""A 3 x 3 convolution beside a change of resolution: one 4 x 4 kernel of stride 2 instead.

Both compositions are linear in x and in w, and both become one convolution whose kernel is a small
linear map of w. Along one axis, with x[p] = 0 outside the image, and w[r] = 0 outside its 3 taps,

    pool(conv(x))[q] = 1/2 sum_i sum_r w[r] x[2q + i + r - 1],   i = 0, 1         (t = i + r)
                     = 1/2 sum_t k[t] x[2q + t - 1],             k[t] = w[t] + w[t - 1]

which is a convolution of stride 2 and padding 1 with the four taps k / 2. And

    conv(up(x))[j]   = sum_r w[r] x[floor((j + r - 1) / 2)]
                     = sum_p x[p] k[3 - t],                      t = j + 1 - 2p,

as x[p] meets the two taps r with j + r - 1 = 2p or 2p + 1, that is w[2 - t] + w[3 - t]: a
transposed convolution of stride 2 and padding 1 with the four taps k, reversed. Read by phases (j
even, j odd) it is two filters of two taps, four of 2 x 2 in the plane. Both axes are alike, so in
the plane k is w, spread by a box of 2 x 2 ones, and 1/2 becomes 1/4.

*Borders are exact.* Zeros around the finer image are at x[-1] and x[H] of the coarser one, as
floor(-1 / 2) = -1 and floor(2H / 2) = H: the same pixels are 0 on both sides. Pooling drops the
last row of an odd H, and so does stride 2: the last window ends at 2 (floor(H / 2) - 1) + 2 < H.

*Cost.* For each output pixel of the coarser grid 4 * 9 multiplications become 16: 2.25 times fewer,
and the finer image between the two steps is never made. With Winograd's algorithms 9 become 6.25,
1.44 times fewer. On two CPU cores, 128 to 256 channels and 16 pixels and more, forward with
gradients took 1.4 to 1.9 times less CPU time than two ops (``bench/rewrites.py``), 8 pixels 1.4
times less, 4 pixels the same. Rounding: k adds up to four weights before their products, so
results differ from the composition in their last bits.

The two are adjoint, up to the channels' roles and a factor of 4, since nearest upsampling is the
adjoint of average pooling times 4: ``k`` serves both.

Exercise: 1 x 1 convolutions *commute* with both steps; why, and on which side are they cheaper? Why
can't a 3 x 3 convolution of stride 1 be moved through an upsampling in the same way?
"""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.linear import flip, transpose
from ..errors import ShapeError
from ..kernels.arrays import xp_of
from .conv import conv2d, conv_transpose2d, operands
from .filter import upfirdn2d


def upsample_conv2d(x: Any, w: Any, b: Any = None) -> Tensor:
    """Double an image by repeating its pixels, then convolve it: in one step.

        y = conv2d(upsample_nearest(x, 2), w, b, padding=1)

    Shapes: x (N, C, H, W), w (O, C, 3, 3), b (O,) -> (N, O, 2H, 2W).

    Raises:
        ShapeError: the shapes do not fit, or w is not 3 x 3.
        DtypeError: x, w and b differ in dtype.

    Differentiable: any order. Source: the algebra above; used by the residual blocks of
    arXiv:1802.05957, whose definition is the composition.
    """
    x, w = _operands("upsample_conv2d", x, w, b, 1)
    taps = transpose(flip(_spread(w, 1.0), (2, 3)), (1, 0, 2, 3))
    return conv_transpose2d(x, taps, b, stride=2, padding=1)


def conv2d_avg_pool(x: Any, w: Any, b: Any = None) -> Tensor:
    """Convolve an image, then average its blocks of 2 x 2 pixels: in one step.

        y = avg_pool2d(conv2d(x, w, b, padding=1), 2)

    Shapes: x (N, C, H, W), w (O, C, 3, 3), b (O,) -> (N, O, floor(H / 2), floor(W / 2)).

    Raises:
        ShapeError: the shapes do not fit, w is not 3 x 3, or H or W is below 2.
        DtypeError: x, w and b differ in dtype.

    Differentiable: any order. Source: as ``upsample_conv2d``.
    """
    x, w = _operands("conv2d_avg_pool", x, w, b, 2)
    return conv2d(x, _spread(w, 0.25), b, stride=2, padding=1)


def _spread(w: Tensor, gain: float) -> Tensor:
    """Add up w's four shifts by 0 or 1, times ``gain``. Shapes: (O, C, 3, 3) -> (O, C, 4, 4)."""
    box = xp_of(w.data).full((2, 2), gain, dtype=w.dtype)
    return upfirdn2d(w, Tensor(box), padding=(1, 1, 1, 1))


def _operands(op: str, x: Any, w: Any, b: Any, least: int) -> tuple[Tensor, Tensor]:
    x, w = operands(op, x, w, b)
    if w.ndim != 4 or w.shape[2:] != (3, 3) or not w.size:
        raise ShapeError(
            f"{op}: w {w.shape} must be (O, C, 3, 3), with padding 1: for other kernels call "
            "conv2d and the resampling one after the other"
        )
    if x.ndim != 4 or x.shape[1] != w.shape[1] or min(x.shape[2:]) < least:
        raise ShapeError(
            f"{op}: x {x.shape} must be (N, {w.shape[1]}, H, W) for w {w.shape}, with H and W at "
            f"least {least}"
        )
    return x, w
