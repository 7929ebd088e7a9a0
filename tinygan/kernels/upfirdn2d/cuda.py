"""CUDA upfirdn2d (csrc/upfirdn2d/upfirdn2d.cu): only taps that meet a pixel, no zeros stored."""

from __future__ import annotations

import math
from typing import Any

from ..arrays import Array, Shape, xp_of
from ..cuda import launch, register_cuda
from ..cuda.images import empty_image, extents, image_refusal, pixels_of, windows
from ..cuda.spec import SPREAD_BLOCKS, over
from ..reduce.rows import c_order
from .spec import UpfirdnSpec

_TERMS = 16 * 256  # of a block's sum at least: 16 a thread
_MOST_TAPS = 65535  # blocks of a grid along y


def _supports(x: Array, f: Array, *, spec: UpfirdnSpec) -> str | None:
    return image_refusal(x, f, out=spec.out_shape(x.shape, f.shape))


def _supports_fgrad(x: Array, gy: Array, *, spec: UpfirdnSpec, f_shape: Shape) -> str | None:
    if math.prod(f_shape) > _MOST_TAPS:
        return f"takes at most {_MOST_TAPS} taps, got {f_shape}"
    return image_refusal(x, gy)


def _shape(spec: UpfirdnSpec, x: Shape, y: Shape, f: Shape) -> dict[str, Any]:
    """Return the windows as upfirdn2d.cu takes them: before the image lies the padding."""
    (top, _), (left, _) = spec.padding
    shape = windows(x[2:], y[2:], f, spec.down, (top, left))
    return {"up_h": spec.up[0], "up_w": spec.up[1], "shape": shape}


def _steps(spec: UpfirdnSpec) -> dict[str, int]:
    """Return how far apart the outputs that one tap meets lie, and their pixels."""
    g_h, g_w = map(math.gcd, spec.up, spec.down)
    return {
        "p_step": spec.up[0] // g_h,
        "h_step": spec.down[0] // g_h,
        "q_step": spec.up[1] // g_w,
        "w_step": spec.down[1] // g_w,
    }


@register_cuda("upfirdn2d", "polyphase", supports=_supports, exact=True)
def upfirdn2d(x: Array, f: Array, *, spec: UpfirdnSpec) -> Array:
    """Upsample, filter, downsample. Shapes: x (N, C, H, W), f (R, S) -> y (N, C, P, Q)."""
    y, pixels = empty_image(x, spec.out_shape(x.shape, f.shape))
    sizes = extents(y.shape)
    launch(
        "upfirdn2d",
        x=pixels_of(x),
        f=c_order(f),
        y=pixels,
        count=sizes["count"],
        channels=sizes["channels"],
        flip=int(spec.flip),
        **_shape(spec, x.shape, y.shape, f.shape),
    )
    return y


@register_cuda(
    "upfirdn2d_fgrad", "polyphase", supports=_supports_fgrad, accumulate="float64", exact=True
)
def upfirdn2d_fgrad(x: Array, gy: Array, *, spec: UpfirdnSpec, f_shape: Shape) -> Array:
    """Filter gradient. Shapes: x (N, C, H, W), gy (N, C, P, Q) -> gf ``f_shape``, C order."""
    spec.check_fgrad(x.shape, gy.shape, f_shape)
    xp, taps = xp_of(x), math.prod(f_shape)
    blocks = max(1, min(over(gy.size, _TERMS), SPREAD_BLOCKS // taps))
    partial: Array = xp.empty((taps, blocks), "f8")
    gf: Array = xp.empty(f_shape, "f4")
    launch(
        "upfirdn2d_fgrad",
        x=pixels_of(x),
        gy=pixels_of(gy),
        partial=partial,
        blocks=blocks,
        taps=taps,
        images=x.shape[0],
        channels=x.shape[1],
        **_steps(spec),
        **_shape(spec, x.shape, gy.shape, f_shape),
    )
    sizes = {"blocks": blocks, "taps": taps, "flip": int(spec.flip)}
    launch("upfirdn2d_fgrad_totals", partial=partial, gf=gf, **sizes)
    return gf
