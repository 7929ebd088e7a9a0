"""The CUDA kernel of elementwise functions: special values, strides, tails."""

import numpy as np
import pytest
from kernel_checks import lay_out, normal

from tinygan import kernels
from tinygan.kernels.cuda import cusim
from tinygan.kernels.elementwise.spec import BINARY, FUNCTIONS

pytestmark = pytest.mark.skipif(cusim.why_not() is not None, reason=str(cusim.why_not()))

SPECIAL = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 3e38, 1e-42])


def run(fn, *xs):
    with kernels.use_backend("cusim"):
        return kernels.call("elementwise", *xs, fn=fn)


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_special_values_are_numpy_s(fn):
    xs = (SPECIAL[:, None], SPECIAL) if fn in BINARY else (SPECIAL,)
    with np.errstate(all="ignore"):
        expected = getattr(np, fn)(*xs)
    np.testing.assert_allclose(run(fn, *xs), expected, rtol=1e-6)  # NaN where NumPy has it


@pytest.mark.parametrize("layout", ["c", "channels_last", "reversed", "strided", "broadcast"])
@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (2, 1, 3), (7,), (1030,), (2, 3, 1, 2, 3, 2)])
def test_any_strides(layout, shape):
    a, b = lay_out(normal(1, shape, np.float32), layout), normal(2, shape, np.float32)
    np.testing.assert_array_equal(run("subtract", a, b), a - b)
    np.testing.assert_array_equal(run("subtract", b, a), b - a)
    np.testing.assert_array_equal(run("negative", a), -a)
    scalar = np.float32(3)
    np.testing.assert_array_equal(run("multiply", a, np.array(scalar)), a * scalar)
    np.testing.assert_array_equal(run("true_divide", np.array(scalar), a), scalar / a)


def test_the_output_is_laid_out_as_a_full_operand():
    x = lay_out(normal(1, (2, 3, 4, 5), np.float32), "channels_last")
    for y in (run("exp", x), run("add", normal(2, (3, 1, 1), np.float32), x)):
        assert y.strides == x.strides
