"""unfold and fold: every kernel against loops, and each against the other's adjoint."""

import itertools

import numpy as np
import pytest
from kernel_checks import (
    LAYOUTS,
    assert_bit_equal_for_all_thread_counts,
    call_unmodified,
    lay_out,
    native_or_skip,
    normal,
)

from tinygan import kernels
from tinygan.errors import OptionError, ShapeError
from tinygan.kernels.conv2d import ConvSpec
from tinygan.kernels.unfold import UnfoldSpec

GEOMETRIES = {  # x, spec
    "3x3": ((2, 3, 5, 6), UnfoldSpec((3, 3), ConvSpec.of(padding=1))),
    "patches": ((1, 4, 6, 4), UnfoldSpec((2, 2), ConvSpec.of(stride=2))),
    "dilated, rectangular": (
        (2, 2, 7, 6),
        UnfoldSpec((2, 3), ConvSpec.of(stride=(2, 1), padding=(1, 2), dilation=(3, 2))),
    ),
    "stride beyond the window": ((1, 5, 8, 7), UnfoldSpec((1, 2), ConvSpec.of(stride=(3, 4)))),
    "windows in the padding alone": (
        (1, 1, 1, 1),
        UnfoldSpec((2, 2), ConvSpec.of(stride=3, padding=3)),
    ),
    "one pixel": ((3, 17, 1, 1), UnfoldSpec((1, 1), ConvSpec())),
}


def places(shape, spec):
    """Yield (index of cols, index of x or None) for every entry of cols."""
    n, c, h, w = shape
    conv, (p, q) = spec.conv, spec.windows("unfold", shape)
    everything = (n, c, *spec.kernel, p, q)
    for i, j, r, s, a, b in itertools.product(*map(range, everything)):
        row = a * conv.stride[0] - conv.padding[0] + r * conv.dilation[0]
        column = b * conv.stride[1] - conv.padding[1] + s * conv.dilation[1]
        at = i, (j * spec.kernel[0] + r) * spec.kernel[1] + s, a * q + b
        yield at, (i, j, row, column) if 0 <= row < h and 0 <= column < w else None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_kernels_equal_loops_bit_for_bit_on_integers(backend, name, dtype, layout):
    shape, spec = GEOMETRIES[name]
    rng = np.random.default_rng(0)
    x = lay_out(rng.integers(1, 9, shape).astype(dtype), layout)
    cols = lay_out(rng.integers(1, 9, spec.cols_shape("unfold", shape)).astype(dtype), layout)
    want_cols, want_x = np.zeros(cols.shape, dtype), np.zeros(shape, dtype)
    for at, pixel in places(shape, spec):
        if pixel is not None:
            want_cols[at] = x[pixel]
            want_x[pixel] += cols[at]
    with kernels.use_backend(backend):
        got_cols = call_unmodified("unfold", x, spec=spec)
        got_x = call_unmodified("fold", cols, spec=spec, x_shape=shape)
    assert (got_cols.dtype, got_x.dtype) == (dtype, dtype)
    np.testing.assert_array_equal(got_cols, want_cols)
    np.testing.assert_array_equal(got_x, want_x)
    assert got_cols.transpose(0, 2, 1).flags.c_contiguous  # a column after the other
    assert got_x.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("op", ["unfold", "fold"])
def test_threads_do_not_change_a_bit(op):
    shape, spec = (3, 19, 30, 17), UnfoldSpec((3, 3), ConvSpec.of(padding=1))
    x = normal(0, shape, np.float32)
    cols = normal(1, spec.cols_shape("unfold", shape), np.float32)
    calls = {
        "unfold": lambda: kernels.call("unfold", x, spec=spec),
        "fold": lambda: kernels.call("fold", cols, spec=spec, x_shape=shape),
    }
    assert_bit_equal_for_all_thread_counts(calls[op])


def test_empty_batches_and_channels():
    spec = UnfoldSpec((2, 2), ConvSpec())
    for shape in ((0, 3, 4, 4), (2, 0, 4, 4)):
        cols = kernels.call("unfold", np.zeros(shape, np.float32), spec=spec)
        assert cols.shape == (shape[0], shape[1] * 4, 9)
        assert kernels.call("fold", cols, spec=spec, x_shape=shape).shape == shape


def test_misfits_are_named():
    spec, x = UnfoldSpec((3, 3), ConvSpec()), np.zeros((1, 2, 2, 5), np.float32)
    with pytest.raises(ShapeError, match="span 3 pixels of axis 2"):
        kernels.call("unfold", x, spec=spec)
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        kernels.call("unfold", x[0], spec=spec)
    with pytest.raises(ShapeError, match=r"have columns \(1, 18, 9\), got \(1, 18, 8\)"):
        kernels.call("fold", np.zeros((1, 18, 8)), spec=spec, x_shape=(1, 2, 5, 5))
    with pytest.raises(OptionError, match="kernel_size"):
        UnfoldSpec((0, 3), ConvSpec())


def test_hostile_calls_of_the_bindings_raise():
    native = native_or_skip()
    x, cols = np.ones((1, 4, 4, 3), np.float32).transpose(0, 3, 1, 2), np.ones((1, 9, 12), "f4")
    fits = (2, 2, 1, 1, 0, 0, 1, 1)
    wrong = [
        (np.ascontiguousarray(x), cols, fits),
        (x, cols.astype(np.float64), fits),
        (x, cols[:, :8], fits),
        (x, cols[:, ::-1], fits),
        (x[0], cols, fits),
        (x, None, fits),
        (x, cols, fits[:7]),
        *((x, cols, tuple(value if i == at else n for i, n in enumerate(fits)))
          for at in range(8) for value in (-1, 2**31, 2**63 - 1)),
    ]  # fmt: skip
    for image, columns, params in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.unfold(image, columns, params)
        with pytest.raises((ValueError, TypeError)):
            native.fold(columns, image, params)
    memory = np.ones(200, np.float32)
    image = memory[:48].reshape(1, 4, 4, 3).transpose(0, 3, 1, 2)
    overlapping = memory[40:148].reshape(1, 9, 12)
    with pytest.raises(ValueError, match="overlaps"):
        native.unfold(image, overlapping, fits)
    with pytest.raises(ValueError, match="read-only"):
        native.unfold(x, np.broadcast_to(cols, cols.shape), fits)
