"""Pixel shuffle and its inverse: every kernel against loops, bit for bit."""

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
from tinygan.errors import ShapeError


@pytest.fixture(params=["numpy", "cpp"], autouse=True)
def backend(request):
    """Run every test on the reference and on the C++ kernels."""
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("channels", "factor"), [(3, 1), (1, 2), (5, 2), (37, 2), (4, 3)])
def test_every_entry_goes_to_its_place_and_back(channels, factor, dtype, layout):
    x = lay_out(normal(0, (2, channels * factor**2, 3, 2), dtype), layout)
    y = call_unmodified("pixel_shuffle", x, factor=factor)
    assert y.shape == (2, channels, 3 * factor, 2 * factor)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    for n, c, h, w in np.ndindex(*y.shape):
        i, j = h % factor, w % factor
        assert y[n, c, h, w] == x[n, c * factor**2 + i * factor + j, h // factor, w // factor]
    back = call_unmodified("pixel_unshuffle", lay_out(y, layout), factor=factor)
    assert back.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(back, x[:1].repeat(2, 0) if layout == "broadcast" else x)


def test_the_bits_of_nan_stay():
    bits = np.arange(0x7F800001, 0x7F800001 + 64, dtype=np.uint32)  # signalling
    x = bits.view(np.float32).reshape(1, 16, 2, 2)
    y = kernels.call("pixel_shuffle", x, factor=2)
    assert set(np.ascontiguousarray(y).view(np.uint32).ravel()) == set(bits)


def test_misfits_are_named():
    x = np.zeros((1, 6, 4, 3), np.float32)
    with pytest.raises(ShapeError, match=r"channels of x \(1, 6, 4, 3\) are no multiple of 2"):
        kernels.call("pixel_shuffle", x, factor=2)
    with pytest.raises(ShapeError, match=r"pixels of x \(1, 6, 4, 3\) are no multiples of 2"):
        kernels.call("pixel_unshuffle", x, factor=2)


def test_threads_give_the_same_bits(backend):
    if backend != "cpp":
        pytest.skip("the reference has one thread")
    x = normal(0, (3, 24, 34, 30), np.float32)
    for op in ("pixel_shuffle", "pixel_unshuffle"):
        assert_bit_equal_for_all_thread_counts(lambda op=op: kernels.call(op, x, factor=2))
