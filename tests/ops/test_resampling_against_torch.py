"""Interpolation, windows, paddings and convolutions against PyTorch, where it is installed."""

import itertools

import numpy as np
import pytest

from tinygan import Tensor, grad, ops

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this file, is not installed")
F = torch.nn.functional

RNG = np.random.default_rng(0)
OPTIONS = [{"mode": mode} for mode in ("nearest", "nearest-exact", "area")]
OPTIONS += [
    {"mode": mode, "align_corners": corners, "antialias": antialias}
    for mode in ("bilinear", "bicubic")
    for corners, antialias in itertools.product((None, False, True), (False, True))
]
HOW = [{"size": s} for s in ((7, 9), (5, 6), (3, 4), (16, 2), (1, 1), (13, 17), (10, 12))]
HOW += [
    {"scale_factor": f, "recompute_scale_factor": again}
    for f in (2.0, 3.0, 1.5, 0.5, 0.33, (0.7, 2.3))
    for again in (None, True)
]


def compare(ours, theirs, arrays, rtol):
    """Compare outputs and the gradients of all arrays."""
    txs = [torch.tensor(a, requires_grad=True) for a in arrays]
    oxs = [Tensor(a, requires_grad=True) for a in arrays]
    ty, oy = theirs(*txs), ours(*oxs)
    g = RNG.normal(size=oy.shape).astype(oy.dtype)
    assert oy.shape == tuple(ty.shape)
    found, expected = grad(oy, oxs, Tensor(g)), torch.autograd.grad(ty, txs, torch.tensor(g))
    for a, b in zip((oy, *found), (ty.detach(), *expected), strict=True):
        assert a.data.dtype == b.numpy().dtype
        scale = max(np.abs(b.numpy()).max(), 1.0)
        np.testing.assert_allclose(a.data, b.numpy(), rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o.values())))
@pytest.mark.parametrize("how", HOW, ids=str)
def test_interpolate_equals_torchs(how, options):
    # PyTorch counts pixels in the dtype of x: off by the coordinate (below 18) times eps
    for dtype, rtol in ((np.float64, 1e-13), (np.float32, 18 * 4 * 2.0**-23)):
        x = RNG.normal(size=(2, 3, 5, 6)).astype(dtype)
        compare(
            lambda x: ops.interpolate(x, **how, **options),
            lambda x: F.interpolate(x, **how, **options),
            [x],
            rtol,
        )


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o.values())))
@pytest.mark.parametrize("factor", [(1.15, 2.3), (0.5, 1.1), (2.0, 1.1), 1.1], ids=str)
def test_a_scale_factor_that_keeps_a_size_equals_torchs(factor, options):
    # outputs alone: PyTorch's backward of bicubic and antialias is no adjoint of its forward here
    x = RNG.normal(size=(2, 3, 5, 6))
    got = ops.interpolate(x, scale_factor=factor, **options).data
    want = F.interpolate(torch.tensor(x), scale_factor=factor, **options).numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * np.abs(x).max())


def test_nearest_takes_torchs_pixels_at_every_size():
    for mode, size, out in itertools.product(
        ("nearest", "nearest-exact"), (1, 3, 7, 29, 64), (1, 2, 5, 14, 58, 63, 128)
    ):
        x = np.arange(size, dtype=np.float32)[None, None, None]
        got = ops.interpolate(x, (1, out), mode=mode)
        want = F.interpolate(torch.tensor(x), (1, out), mode=mode)
        np.testing.assert_array_equal(got.data, want.numpy(), err_msg=f"{mode} {size} {out}")


def test_large_images_agree_to_the_rounding_of_the_coordinate():
    x = RNG.normal(size=(1, 3, 299, 256)).astype(np.float32)
    for mode in ("bilinear", "bicubic"):
        for antialias in (False, True):
            options = {"mode": mode, "antialias": antialias}
            got = ops.interpolate(x, (224, 299), **options).data
            want = F.interpolate(torch.tensor(x), (224, 299), **options).numpy()
            contrast = 2 * np.abs(x).max()
            assert np.abs(got - want).max() <= 4 * 300 * 2.0**-23 * contrast


WINDOWS = [(3, 1, 1, 1), ((2, 3), (2, 1), (1, 0), (2, 1)), (1, 1, 0, 2), ((4, 1), 1, (3, 0), 3)]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_unfold_and_fold_equal_torchs(window):
    x = RNG.normal(size=(2, 3, 7, 6))
    compare(lambda x: ops.unfold(x, *window), lambda x: F.unfold(x, *window), [x], 1e-13)
    cols = RNG.normal(size=ops.unfold(x, *window).shape)
    size = (7, 6)
    compare(lambda c: ops.fold(c, size, *window), lambda c: F.fold(c, size, *window), [cols], 1e-13)


PADS = {
    "constant": ops.zero_pad2d,
    "reflect": ops.reflection_pad2d,
    "replicate": ops.replication_pad2d,
    "circular": ops.circular_pad2d,
}


@pytest.mark.parametrize("sides", [(1, 2, 0, 3), (3, 3, 3, 3), (0, 0, 4, 0), (0, 0, 0, 0)])
@pytest.mark.parametrize("mode", PADS)
def test_pads_equal_torchs(mode, sides):
    x = RNG.normal(size=(2, 3, 5, 4))
    compare(lambda x: PADS[mode](x, sides), lambda x: F.pad(x, sides, mode=mode), [x], 1e-13)


def pairs(axes, options):
    """Return tinygan's and PyTorch's convolution with the options cut to so many axes."""
    cut = {k: v if isinstance(v, int) else v[3 - axes :] for k, v in options.items()}
    name = f"conv_transpose{axes}d" if "output_padding" in cut else f"conv{axes}d"
    return (
        lambda *xs: getattr(ops, name)(*xs, **cut),
        lambda *xs: getattr(F, name)(*xs, **cut),
    )


CONVOLUTIONS = [
    {},
    {"stride": (2, 1, 3), "padding": (1, 2, 0)},
    {"dilation": (1, 2, 2), "padding": 2, "groups": 2},
    {"stride": 2, "padding": 1, "dilation": (2, 1, 1), "groups": 4},
]
EXTRA = [(0, 0, 0), (1, 0, 2), (0, 1, 1), (1, 0, 1)]


@pytest.mark.parametrize("at", range(len(CONVOLUTIONS)))
@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_equal_torchs(axes, at):
    options, kernel = CONVOLUTIONS[at], (3, 2, 3)[3 - axes :]
    groups, sizes = options.get("groups", 1), (5, 6, 7)[3 - axes :]
    x = RNG.normal(size=(2, 4, *sizes))
    w, b = RNG.normal(size=(8, 4 // groups, *kernel)), RNG.normal(size=8)
    compare(*pairs(axes, options), [x, w, b], 1e-12)
    w, b = RNG.normal(size=(4, 8 // groups, *kernel)), RNG.normal(size=8)
    strides = np.broadcast_to(options.get("stride", 1), 3)
    dilations = np.broadcast_to(options.get("dilation", 1), 3)
    fits = np.minimum(EXTRA[at], np.maximum(strides, dilations) - 1)
    extra = tuple(int(n) for n in np.minimum(fits, strides - 1))
    compare(*pairs(axes, {**options, "output_padding": extra}), [x, w, b], 1e-12)
