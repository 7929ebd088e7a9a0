"""resize2d: its weights against the definitions, the kernels against sums of weighted pixels."""

import itertools
import math

import numpy as np
import pytest
from kernel_checks import (
    LAYOUTS,
    assert_bit_equal_for_all_thread_counts,
    assert_within,
    call_unmodified,
    lay_out,
    native_or_skip,
    normal,
)

from tinygan import kernels
from tinygan.errors import OptionError, ShapeError
from tinygan.kernels.resize2d import ResizeSpec
from tinygan.kernels.resize2d.weights import MODES

SIZES = [((5, 6), (5, 6)), ((4, 3), (9, 7)), ((9, 8), (3, 5)), ((1, 7), (4, 1)), ((6, 1), (13, 3))]
OPTIONS = [
    {"mode": mode, "align_corners": corners, "antialias": antialias}
    for mode in MODES
    for corners, antialias in itertools.product([False, True], repeat=2)
    if mode in ("bilinear", "bicubic") or not (corners or antialias)
]


def hat(t):
    return max(0.0, 1 - abs(t))


def keys(t, a):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def row(i, size, out, mode, align_corners, antialias):
    """Return the weights of all input pixels in output pixel i, from the definition."""
    weights = np.zeros(size)
    step = size / out
    if mode.startswith("nearest"):
        weights[math.floor((i + (mode == "nearest-exact") / 2) * size / out)] = 1
        return weights
    if mode == "area":
        inside = [h for h in range(size) if h < (i + 1) * step and h + 1 > i * step]
        weights[inside] = 1 / len(inside)
        return weights
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0.0
    if antialias:
        wide = max(step, 1.0)
        for h in range(size):
            t = (h + 0.5 - (i + 0.5) * step) / wide
            weights[h] = hat(t) if mode == "bilinear" else keys(t, -0.5)
        return weights / weights.sum()
    centre = i * step if align_corners else (i + 0.5) * step - 0.5
    if mode == "bilinear":
        centre = min(max(centre, 0), size - 1)
    for h in range(-3, size + 3):  # pixels beyond the border are the border's
        weight = hat(h - centre) if mode == "bilinear" else keys(h - centre, -0.75)
        weights[min(max(h, 0), size - 1)] += weight
    return weights


def matrices(spec):
    """Return A (P, H) and B (Q, W)."""
    options = (spec.mode, spec.align_corners, spec.antialias)
    return [
        np.array([row(i, size, out, *options) for i in range(out)])
        for size, out in zip(spec.size, spec.out, strict=True)
    ]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o.values())))
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_kernels_add_up_the_weighted_pixels(backend, sizes, options):
    spec = ResizeSpec(*sizes, **options)
    a, b = matrices(spec)
    for channels, dtype in ((3, np.float64), (17, np.float32)):
        x = normal(0, (2, channels, *spec.size), dtype)
        gy = normal(1, (2, channels, *spec.out), dtype)
        with kernels.use_backend(backend):
            y = call_unmodified("resize2d", x, spec=spec)
            gx = call_unmodified("resize2d_adjoint", gy, spec=spec)
        assert (y.dtype, gx.dtype) == (dtype, dtype)
        for got, given, m, k in ((y, x, a, b), (gx, gy, a.T, b.T)):
            wide = given.astype(np.float64)
            terms = sum(int(np.count_nonzero(z, axis=1).max()) for z in (m, k)) + 8
            bound = terms * np.finfo(dtype).eps * (abs(m) @ abs(wide) @ abs(k).T)
            # A weight, here and there, is a cubic of terms below 36 in all, made in a dozen float64
            # operations; the ones beyond the support are 0 in one and nearly so in the other.
            off = 12 * 36 * np.finfo(np.float64).eps
            m1, k1 = abs(m) + off, abs(k) + off
            bound += m1 @ abs(wide) @ k1.T - abs(m) @ abs(wide) @ abs(k).T
            assert_within(got, m @ wide @ k.T, bound)
            assert got.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op", ["resize2d", "resize2d_adjoint"])
def test_layout_of_the_operand_does_not_change_a_bit(backend, op, layout):
    spec = ResizeSpec((7, 6), (7, 6), "bicubic", step=(0.7, 1.3))
    x = lay_out(normal(0, (3, 5, 7, 6), np.float32), layout)
    with kernels.use_backend(backend):
        a = kernels.call(op, x, spec=spec)
        b = kernels.call(op, np.ascontiguousarray(x), spec=spec)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o.values())))
def test_constants_stay_and_the_rows_of_the_weights_add_up_to_1(options):
    for size, out in ((5, 9), (9, 4), (1, 3), (1000, 333)):
        taps = ResizeSpec((size, 1), (out, 1), **options).taps(0)
        sums = [taps.weight[s:e].sum() for s, e in itertools.pairwise(taps.start)]
        np.testing.assert_allclose(sums, 1, atol=1e-14)


def test_the_hat_and_the_cubic_of_one_half_reproduce_a_ramp_and_that_of_three_quarters_does_not():
    ramp = np.arange(8.0)[None, None, None]
    finer = ((np.arange(32) + 0.5) / 4 - 0.5)[8:-8]  # away from the border, where pixels repeat
    for mode, antialias, exact in (
        ("bilinear", False, True),
        ("bicubic", True, True),  # a = -1/2, and not wider, as the image grows
        ("bicubic", False, False),  # a = -3/4
    ):
        spec = ResizeSpec((1, 8), (1, 32), mode, antialias=antialias)
        y = kernels.call("resize2d", ramp, spec=spec)[0, 0, 0, 8:-8]
        assert (np.abs(y - finer).max() < 1e-13) == exact


def test_antialias_sees_every_pixel_and_plain_bilinear_does_not():
    for antialias in (False, True):
        spec = ResizeSpec((32, 1), (4, 1), "bilinear", antialias=antialias)
        gx = kernels.call("resize2d_adjoint", np.ones((1, 1, 4, 1)), spec=spec)
        assert np.count_nonzero(gx) == (32 if antialias else 8)


@pytest.mark.parametrize("op", ["resize2d", "resize2d_adjoint"])
def test_threads_do_not_change_a_bit(op):
    spec = ResizeSpec((40, 23), (40, 23), "bicubic", step=(0.9, 1.1))
    x = normal(0, (3, 19, 40, 23), np.float32)
    assert_bit_equal_for_all_thread_counts(lambda: kernels.call(op, x, spec=spec))


def test_nan_reaches_the_outputs_that_see_it_and_no_other(backend):
    x = np.ones((1, 3, 6, 6), np.float32)
    x[0, 1, 2, 3] = np.nan
    with kernels.use_backend(backend):
        y = kernels.call("resize2d", x, spec=ResizeSpec((6, 6), (12, 12), "bilinear"))
    where = np.argwhere(np.isnan(y))
    assert {tuple(at[:2]) for at in where} == {(0, 1)}
    assert set(where[:, 2]) == {3, 4, 5, 6}
    assert set(where[:, 3]) == {5, 6, 7, 8}


def test_an_empty_batch_gives_an_empty_image():
    spec = ResizeSpec((2, 3), (4, 5))
    assert kernels.call("resize2d", np.zeros((0, 3, 2, 3)), spec=spec).shape == (0, 3, 4, 5)
    assert kernels.call("resize2d_adjoint", np.zeros((2, 0, 4, 5)), spec=spec).shape == (2, 0, 2, 3)


def test_misfits_are_named():
    spec = ResizeSpec((2, 3), (4, 5))
    with pytest.raises(ShapeError, match=r"\(N, C, 2, 3\)"):
        kernels.call("resize2d", np.zeros((1, 1, 3, 2)), spec=spec)
    with pytest.raises(ShapeError, match=r"\(N, C, 4, 5\)"):
        kernels.call("resize2d_adjoint", np.zeros((1, 1, 2, 3)), spec=spec)
    for wrong in (
        {"mode": "trilinear"},
        {"mode": "nearest", "align_corners": True},
        {"mode": "area", "antialias": True},
        {"step": (0.0, 1.0)},
        {"step": (1.0, math.inf)},
    ):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            ResizeSpec((2, 3), (4, 5), **{"mode": "bilinear", **wrong})
    with pytest.raises(OptionError, match="out"):
        ResizeSpec((2, 3), (0, 5))


def test_hostile_calls_of_the_binding_raise():
    native = native_or_skip()
    x, y = (np.ones((1, n, n, 3), np.float32).transpose(0, 3, 1, 2) for n in (2, 3))
    start, pixel, weight = np.arange(4), np.array([0, 1, 1]), np.ones(3, np.float32)
    taps = (start, pixel, weight)
    native.resize2d(x, taps, taps, y)
    assert (y == 1).all()
    bad_taps = [
        (start, pixel + 1, weight),
        (start, pixel - 1, weight),
        (start[:-1], pixel, weight),
        (start[::-1], pixel, weight),
        (np.array([0, 2, 1, 3]), pixel, weight),
        (np.array([0, -1, 2, 3]), pixel, weight),
        (np.array([0, 1, 2, 4]), pixel, weight),
        (start, pixel[:2], weight),
        (start, pixel, weight[:2]),
        (start, pixel, weight.astype(np.float64)),
        (start, pixel.astype(np.int32), weight),
        (start, pixel.astype(np.float64), weight),
        (start.astype(">i8"), pixel, weight),
        (start[None], pixel, weight),
        (start, pixel.tolist(), weight),
        (start, pixel),
        None,
    ]
    for bad in bad_taps:
        for call in ((x, bad, taps, y), (x, taps, bad, y)):
            with pytest.raises((ValueError, TypeError)):
                native.resize2d(*call)
    for call in (
        (np.ascontiguousarray(x), taps, taps, y),
        (x, taps, taps, np.ascontiguousarray(y)),
        (x.astype(np.float64), taps, taps, y),
        (x[:, :2], taps, taps, y),
        (x[0], taps, taps, y),
        (x, taps, taps, np.broadcast_to(y, y.shape)),
    ):
        with pytest.raises((ValueError, TypeError)):
            native.resize2d(*call)
