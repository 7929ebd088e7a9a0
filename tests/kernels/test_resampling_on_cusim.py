"""CUDA kernels that read images by windows, in the emulator, where random cases do not reach.

Everything is held to the float64 reference within the bound that its op derives, and gives the same
bits in all three orders of a block's threads.
"""

import math

import numpy as np
import pytest
from kernel_checks import LAYOUTS, check_on_cusim, lay_out, normal
from strict_arrays import to_strict

from tinygan import kernels
from tinygan.errors import CaptureError
from tinygan.kernels.conv2d.spec import ConvSpec
from tinygan.kernels.cuda import cusim
from tinygan.kernels.cuda.graph import Recording
from tinygan.kernels.cuda.images import image_refusal
from tinygan.kernels.resize2d import ResizeSpec
from tinygan.kernels.unfold import UnfoldSpec
from tinygan.kernels.upfirdn2d import UpfirdnSpec
from tinygan.testing.bounds import reference

pytestmark = pytest.mark.skipif(cusim.why_not() is not None, reason=str(cusim.why_not()))

IMAGES = {
    "3 channels, odd sizes, several blocks": (2, 3, 17, 23),
    "1 channel": (1, 1, 19, 31),
    "36 channels, more than a warp": (2, 36, 7, 9),
}


def wide(a):
    return a.astype(np.float64) if a.dtype == np.float32 else a


def tuples(out):
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("shape", IMAGES.values(), ids=IMAGES)
def test_pixel_shuffles(shape, factor):
    n, c, h, w = shape
    x = normal(1, (n, c * factor**2, h, w), np.float32)
    (fine,) = check_on_cusim("pixel_shuffle", x, factor=factor)
    (back,) = check_on_cusim("pixel_unshuffle", fine, factor=factor)
    np.testing.assert_array_equal(back, x)


WINDOWS = {
    "2 x 2 at 2": ((2, 2), (2, 2), (0, 0)),
    "3 x 3 at 2, padded": ((3, 3), (2, 2), (1, 1)),
    "overlapping, not square": ((4, 3), (1, 2), (2, 0)),
    "gaps between windows": ((1, 2), (3, 5), (0, 1)),
}


@pytest.mark.parametrize(("kernel", "stride", "padding"), WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("shape", IMAGES.values(), ids=IMAGES)
def test_windows_of_a_pooling(shape, kernel, stride, padding):
    x, params = normal(2, shape, np.float32), pooling(kernel, stride, padding)
    for include in (True, False):
        (y,) = check_on_cusim("avg_pool2d", x, **params, count_include_pad=include)
        gy = normal(3, y.shape, np.float32)
        check_on_cusim("avg_pool2d_adjoint", gy, **params, count_include_pad=include, x_shape=shape)
    y, index = check_on_cusim("max_pool2d", x, **params)
    assert index.dtype == np.int64
    np.testing.assert_array_equal(check_on_cusim("gather2d", x, index)[0], y)
    check_on_cusim("scatter2d", y, index, x_shape=shape)


def pooling(kernel, stride, padding):
    return {"kernel": kernel, "stride": stride, "padding": padding}


def test_max_pool2d_takes_the_first_of_equals_the_last_nan_and_minus_infinity():
    x = np.zeros((1, 3, 4, 4), np.float32)
    x[0, 1] = -np.inf
    x[0, 2, 1, 1] = x[0, 2, 2, 2] = np.nan
    params = pooling((4, 4), (1, 1), (0, 0))
    with kernels.use_backend("cusim"):
        y, index = kernels.call("max_pool2d", x, **params)
    np.testing.assert_array_equal(y.ravel(), np.float32([0, -np.inf, np.nan]))
    np.testing.assert_array_equal(index.ravel(), [0, 0, 10])


@pytest.mark.parametrize("channels", [3, 300])
@pytest.mark.parametrize("pixels", [(1, 1), (3, 5), (9, 11)])
def test_scatter2d_adds_any_picks_in_their_order(pixels, channels):
    generator = np.random.default_rng(4)
    shape = (2, channels, *pixels)
    index = generator.integers(0, math.prod(pixels), (2, channels, 7, 9))  # many meet
    gy = normal(5, index.shape, np.float32)
    (gx,) = check_on_cusim("scatter2d", gy, index, x_shape=shape)
    np.testing.assert_array_equal(gx, reference("scatter2d").fn(gy, index, x_shape=shape))


def test_picks_outside_of_the_image_touch_nothing():
    x = np.ones((1, 3, 2, 2), np.float32)
    index = np.full((1, 3, 1, 2), 3)
    index[0, :, 0, 0] = [-1, 4, 2**40]
    with kernels.use_backend("cusim"):
        y = kernels.call("gather2d", x, index)
        gx = kernels.call("scatter2d", x[:, :, :1], index, x_shape=x.shape)
    np.testing.assert_array_equal(y[..., 0], np.nan)
    np.testing.assert_array_equal(y[..., 1], 1)
    np.testing.assert_array_equal(gx.sum(axis=(2, 3)), 1)


RESIZED = {
    "up": {"out": (37, 41)},
    "down to less than a third": {"out": (5, 7)},
    "down, antialias": {"out": (5, 7), "antialias": True},
    "aligned corners": {"out": (29, 11), "align_corners": True},
}


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("how", RESIZED.values(), ids=RESIZED)
def test_interpolation(how, mode):
    shape = (2, 3, 17, 23)
    spec = ResizeSpec(size=shape[2:], mode=mode, **how)
    (y,) = check_on_cusim("resize2d", normal(6, shape, np.float32), spec=spec)
    check_on_cusim("resize2d_adjoint", normal(7, y.shape, np.float32), spec=spec)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area"])
@pytest.mark.parametrize("out", [(34, 46), (5, 7), (1, 1)])
def test_interpolation_without_weights_of_a_filter(mode, out):
    shape = (2, 5, 17, 23)
    spec = ResizeSpec(size=shape[2:], out=out, mode=mode)
    (y,) = check_on_cusim("resize2d", normal(8, shape, np.float32), spec=spec)
    check_on_cusim("resize2d_adjoint", normal(9, y.shape, np.float32), spec=spec)


def test_taps_are_made_before_a_step_is_captured_and_kept():
    from tinygan.kernels.resize2d.cuda import _taps

    met, unmet = (ResizeSpec(size=(6, 7), out=(9, out)) for out in (101, 103))
    kept = _taps(met, False, np, 0)
    recording = Recording(np)
    with recording.at_work("recording"):
        assert _taps(met, False, np, 0) is kept
        with pytest.raises(CaptureError, match="interpolation"):
            _taps(unmet, False, np, 0)
    assert _taps(unmet, False, np, 0)["column_start"].dtype == np.int32


FILTERED = {
    "a filter alone": UpfirdnSpec(padding=((2, 1), (1, 2))),
    "up": UpfirdnSpec(up=(2, 2), padding=((2, 1), (2, 1))),
    "down": UpfirdnSpec(down=(2, 2), padding=((1, 1), (1, 1)), flip=True),
    "up and down with a common divisor": UpfirdnSpec((4, 6), (6, 4), ((3, 3), (5, 4))),
    "cropped on every side": UpfirdnSpec((2, 1), (1, 3), ((-5, -3), (-4, -2))),
    "more padding than taps": UpfirdnSpec((3, 2), (2, 1), ((9, 8), (10, 11)), flip=True),
}


@pytest.mark.parametrize("taps", [(4, 4), (1, 7), (3, 2)])
@pytest.mark.parametrize("spec", FILTERED.values(), ids=FILTERED)
def test_filters(spec, taps):
    x, f = normal(10, (2, 3, 17, 23), np.float32), normal(11, taps, np.float32)
    (y,) = check_on_cusim("upfirdn2d", x, f, spec=spec)
    check_on_cusim("upfirdn2d_fgrad", x, normal(12, y.shape, np.float32), spec=spec, f_shape=taps)


def test_a_filter_s_gradient_of_many_blocks_and_taps():
    x = normal(13, (3, 16, 33, 31), np.float32)
    spec = UpfirdnSpec(up=(2, 2), padding=((6, 5), (6, 5)))
    for taps in ((12, 12), (1, 12)):
        shape = spec.out_shape(x.shape, taps)
        gy = normal(14, shape, np.float32)
        assert gy.size > 16 * 4096
        check_on_cusim("upfirdn2d_fgrad", x, gy, spec=spec, f_shape=taps)


UNFOLDED = {
    "3 x 3": ConvSpec(padding=(1, 1)),
    "strides, not square": ConvSpec(stride=(2, 3), padding=(1, 0)),
    "dilated": ConvSpec(stride=(1, 2), padding=(2, 3), dilation=(2, 3)),
}


@pytest.mark.parametrize("kernel", [(3, 3), (4, 1)])
@pytest.mark.parametrize("conv", UNFOLDED.values(), ids=UNFOLDED)
@pytest.mark.parametrize("shape", IMAGES.values(), ids=IMAGES)
def test_unfold_and_fold(shape, conv, kernel):
    spec = UnfoldSpec(kernel, conv)
    (cols,) = check_on_cusim("unfold", normal(15, shape, np.float32), spec=spec)
    check_on_cusim("fold", normal(16, cols.shape, np.float32), spec=spec, x_shape=shape)


def calls():
    """Return calls of every op: its name, operands and parameters."""
    x, f = normal(17, (2, 12, 6, 8), np.float32), normal(18, (3, 4), np.float32)
    index = np.random.default_rng(19).integers(0, 48, x.shape)
    windows, spec = pooling((3, 3), (2, 2), (1, 1)), UpfirdnSpec((2, 2), (1, 1), ((2, 1), (3, 1)))
    y, gy = spec.out_shape(x.shape, f.shape), normal(20, (2, 12, 3, 4), np.float32)
    cols = normal(21, (2, 72, 30), np.float32)
    return [
        ("pixel_shuffle", (x,), {"factor": 2}),
        ("pixel_unshuffle", (x,), {"factor": 2}),
        ("avg_pool2d", (x,), windows),
        ("avg_pool2d_adjoint", (gy,), {**windows, "x_shape": x.shape}),
        ("max_pool2d", (x,), windows),
        ("gather2d", (x, index), {}),
        ("scatter2d", (x, index), {"x_shape": x.shape}),
        ("resize2d", (x,), {"spec": ResizeSpec(size=(6, 8), out=(9, 5))}),
        ("resize2d_adjoint", (x,), {"spec": ResizeSpec(size=(9, 5), out=(6, 8))}),
        ("upfirdn2d", (x, f), {"spec": spec}),
        ("upfirdn2d_fgrad", (x, normal(22, y, np.float32)), {"spec": spec, "f_shape": f.shape}),
        ("unfold", (x,), {"spec": UnfoldSpec((2, 3), ConvSpec())}),
        ("fold", (cols,), {"spec": UnfoldSpec((2, 3), ConvSpec()), "x_shape": x.shape}),
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_in_memory_gives_the_same_bits(layout):
    with kernels.use_backend("cusim"):
        for op, arrays, params in calls():
            laid = [lay_out(a, layout) for a in arrays]
            dense = tuples(kernels.call(op, *map(np.ascontiguousarray, laid), **params))
            for got, right in zip(tuples(kernels.call(op, *laid, **params)), dense, strict=True):
                np.testing.assert_array_equal(got, right)


def test_launchers_take_a_gpu_s_arrays_and_can_be_captured(emulated_gpu):
    for op, arrays, params in calls():
        with kernels.use_backend("cusim"):
            expected = tuples(kernels.call(op, *arrays, **params))
        on_device, stream = to_strict(arrays), emulated_gpu.cuda.Stream(non_blocking=True)
        with kernels.use_backend("cuda"):
            kernels.call(op, *on_device, **params)  # the taps of an interpolation are made
            stream.begin_capture()
            try:
                outs = tuples(kernels.call(op, *on_device, **params))
            finally:
                graph = stream.end_capture()
        graph.launch()
        for got, right in zip(outs, expected, strict=True):
            np.testing.assert_array_equal(emulated_gpu.asnumpy(got), right)


def test_arrays_whose_indices_need_more_than_32_bits_are_refused():
    x = np.broadcast_to(np.float32(0), (2, 2**10, 2**10, 2**10))
    assert image_refusal(x) == "takes fewer than 2**31 elements"
    small = np.zeros((1, 1, 1, 1), np.float32)
    assert image_refusal(small) is None
    assert image_refusal(small, out=x.shape) == "takes fewer than 2**31 elements"
    kernel = next(k for k in kernels.kernels("pixel_shuffle") if k.backend == "cusim")
    assert kernel.supports(x, factor=2) == "takes fewer than 2**31 elements"
