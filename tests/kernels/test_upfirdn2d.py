"""upfirdn2d: every kernel against loops over its terms, and against the form that it is part of."""

import itertools

import numpy as np
import pytest
from conftest import require
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
from tinygan.kernels.upfirdn2d import UpfirdnSpec

OPS = ("upfirdn2d", "upfirdn2d_fgrad")
CHANNELS = (1, 3, 16, 17, 70)

GEOMETRIES = {  # x (N, H, W), f, spec
    "filter": ((2, 5, 6), (3, 4), UpfirdnSpec(padding=((1, 1), (2, 1)))),
    "stylegan2 up": ((1, 4, 3), (4, 4), UpfirdnSpec((2, 2), (1, 1), ((2, 1), (2, 1)))),
    "stylegan2 down": ((1, 6, 8), (4, 4), UpfirdnSpec((1, 1), (2, 2), ((1, 1), (1, 1)))),
    "rational factors": ((2, 5, 4), (5, 6), UpfirdnSpec((3, 2), (2, 3), ((4, 2), (3, 5)))),
    "up beyond the filter": ((1, 3, 2), (2, 1), UpfirdnSpec((4, 3), (1, 2))),
    "down beyond the filter": ((1, 7, 9), (2, 2), UpfirdnSpec((1, 1), (3, 4))),
    "cropped on all sides": ((2, 6, 7), (2, 3), UpfirdnSpec((2, 1), (1, 2), ((-3, -2), (-1, -2)))),
    "cropped and padded": (
        (1, 4, 4),
        (3, 3),
        UpfirdnSpec((2, 2), padding=((-5, 6),) * 2),
    ),
    "all of x cropped away": ((1, 2, 2), (1, 1), UpfirdnSpec(padding=((-3, 5), (0, 0)))),
    "correlation": ((1, 4, 5), (3, 2), UpfirdnSpec((1, 2), (2, 1), ((1, 0), (0, 2)), flip=True)),
    "one pixel": ((1, 1, 1), (3, 3), UpfirdnSpec((2, 2), padding=((2, 2), (2, 2)))),
}


def integers(rng, shape, dtype=np.float64):
    return rng.choice([-3, -2, -1, 1, 2, 3], shape).astype(dtype)


def problem(name, channels, draw):
    """Return x, f, gy and the parameters of both ops."""
    (n, h, w), f_shape, spec = GEOMETRIES[name]
    x, f = draw((n, channels, h, w)), draw(f_shape)
    gy = draw(spec.out_shape(x.shape, f.shape))
    params = {"spec": spec, "f_shape": f_shape}
    return x, f, gy, {"upfirdn2d": {"spec": spec}, "upfirdn2d_fgrad": params}


def naive(x, f, gy, spec):
    """Return y and the filter's gradient, by loops over the zero-stuffed image and the taps."""
    (n, c, h, w), (r, s), sides = x.shape, f.shape, spec.padding
    stuffed = np.zeros((n, c, h * spec.up[0], w * spec.up[1]))
    stuffed[:, :, :: spec.up[0], :: spec.up[1]] = x
    widths = [(max(0, a), max(0, b)) for a, b in sides]
    u = np.pad(stuffed, ((0, 0), (0, 0), *widths))
    for axis, (before, after) in enumerate(sides, start=2):
        keep = slice(max(0, -before), u.shape[axis] - max(0, -after))
        u = u[(slice(None),) * axis + (keep,)]
    y, gf = np.zeros_like(gy, dtype=np.float64), np.zeros(f.shape)
    for i, j, p, q in itertools.product(range(n), range(c), *map(range, gy.shape[2:])):
        for a, b in itertools.product(range(r), range(s)):
            pixel = u[i, j, p * spec.down[0] + a, q * spec.down[1] + b]
            tap = (a, b) if spec.flip else (r - 1 - a, s - 1 - b)
            y[i, j, p, q] += pixel * f[tap]
            gf[tap] += pixel * gy[i, j, p, q]
    return y, gf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_kernels_equal_loops_bit_for_bit_on_integers(backend, name, dtype):
    rng = np.random.default_rng(1)
    for channels in CHANNELS:
        x, f, gy, params = problem(name, channels, lambda shape: integers(rng, shape, dtype))
        y, gf = naive(x, f, gy, params["upfirdn2d"]["spec"])
        with kernels.use_backend(backend):
            out = call_unmodified("upfirdn2d", x, f, **params["upfirdn2d"])
            grad = call_unmodified("upfirdn2d_fgrad", x, gy, **params["upfirdn2d_fgrad"])
        assert (out.dtype, grad.dtype) == (dtype, dtype)
        np.testing.assert_array_equal(out, y)
        np.testing.assert_array_equal(grad, gf)
        assert out.transpose(0, 2, 3, 1).flags.c_contiguous
        assert grad.flags.c_contiguous
        if name == "all of x cropped away":
            assert not y[:, :, :2].any()


def test_floats_stay_within_the_bound_of_the_declared_accumulator(backend):
    for name, channels in itertools.product(GEOMETRIES, (3, 33)):
        x, f, gy, params = problem(name, channels, lambda s: normal(len(s), s, np.float32))
        spec, wide = params["upfirdn2d"]["spec"], [a.astype(np.float64) for a in (x, f, gy)]
        exact, sizes = naive(*wide, spec), naive(*map(abs, wide), spec)
        taps = np.prod([-(-n // up) for n, up in zip(f.shape, spec.up, strict=True)])
        with kernels.use_backend(backend):
            y = kernels.call("upfirdn2d", x, f, **params["upfirdn2d"])
            gf = kernels.call("upfirdn2d_fgrad", x, gy, **params["upfirdn2d_fgrad"])
        assert_within(y, exact[0], (taps + 1) * 2.0**-24 * 1.01 * sizes[0])
        # float64 sums and one rounding; the reference and its float32 sums: one a product
        terms = 1 if backend != "numpy" else gy.size
        assert_within(gf, exact[1], (terms + 1) * 2.0**-24 * 1.01 * sizes[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_the_operands_does_not_change_a_bit(backend, layout):
    x, f, gy, params = problem("rational factors", 5, lambda s: normal(sum(s), s, np.float32))
    operands = {"upfirdn2d": (x, f), "upfirdn2d_fgrad": (x, gy)}
    with kernels.use_backend(backend):
        for op, pair in operands.items():
            laid = [lay_out(a, layout) for a in pair]
            plain = [np.ascontiguousarray(a) for a in laid]
            a, b = (kernels.call(op, *both, **params[op]) for both in (laid, plain))
            if backend == "numpy":  # its sums run in memory order
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
            else:
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_form_is_the_same_whichever_argument_it_is_differentiated_by(backend, name):
    x, f, gy, params = problem(name, 3, lambda s: normal(sum(s), s, np.float64))
    spec = params["upfirdn2d"]["spec"]
    back = spec.adjoint(x.shape, f.shape)
    with kernels.use_backend(backend):
        y = kernels.call("upfirdn2d", x, f, spec=spec)
        gx = kernels.call("upfirdn2d", gy, f, spec=back)
        gf = kernels.call("upfirdn2d_fgrad", x, gy, **params["upfirdn2d_fgrad"])
        # the adjoint is an upfirdn2d too, with a filter gradient and an adjoint of its own
        again = kernels.call("upfirdn2d", x, f, spec=back.adjoint(gy.shape, f.shape))
        other = kernels.call("upfirdn2d_fgrad", gy, x, spec=back, f_shape=f.shape)
    assert gx.shape == x.shape
    scale = np.abs(gy).sum() * np.abs(x).max() * np.abs(f).sum()
    for form in (np.vdot(gx, x), np.vdot(gf, f), np.vdot(other, f)):
        assert abs(form - np.vdot(gy, y)) <= 1e-13 * scale
    np.testing.assert_allclose(again, y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(other, gf, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", OPS)
def test_threads_do_not_change_a_bit(op):
    x, f = normal(0, (3, 37, 90, 11), np.float32), normal(1, (4, 4), np.float32)
    spec = UpfirdnSpec((2, 2), (1, 1), ((2, 1), (2, 1)))
    gy = normal(2, spec.out_shape(x.shape, f.shape), np.float32)  # 540 rows: blocks of several
    calls = {
        "upfirdn2d": lambda: kernels.call(op, x, f, spec=spec),
        "upfirdn2d_fgrad": lambda: kernels.call(op, x, gy, spec=spec, f_shape=f.shape),
    }
    assert_bit_equal_for_all_thread_counts(calls[op])


def test_the_filters_gradient_over_many_rows_is_that_of_the_reference():
    native_or_skip()
    rng, spec = np.random.default_rng(3), UpfirdnSpec((2, 1), (1, 2), ((1, 2), (0, 1)))
    x = integers(rng, (3, 5, 100, 9), np.float32)
    gy = integers(rng, spec.out_shape(x.shape, (3, 2)), np.float32)
    found = []
    for backend in ("cpp", "numpy"):
        with kernels.use_backend(backend):
            found.append(kernels.call("upfirdn2d_fgrad", x, gy, spec=spec, f_shape=(3, 2)))
    np.testing.assert_array_equal(*found)


def test_nan_reaches_the_outputs_that_see_it_and_no_other():
    spec = UpfirdnSpec((2, 2), (1, 1), ((2, 1), (2, 1)))
    x = np.ones((1, 17, 5, 5), np.float32)
    x[0, 3, 2, 2] = np.nan
    f = np.ones((4, 4), np.float32)
    for backend in ("cpp", "numba"):
        require(backend)
        with kernels.use_backend(backend):
            y = kernels.call("upfirdn2d", x, f, spec=spec)
        where = np.argwhere(np.isnan(y))
        assert set(where[:, 1]) == {3}  # its channel
        assert set(where[:, 2]) == set(where[:, 3]) == {3, 4, 5, 6}  # p with 0 <= 4 + 2 - p < 4


def test_an_empty_batch_gives_an_empty_image_and_a_zero_gradient():
    spec = UpfirdnSpec(padding=((1, 1), (1, 1)))
    x, f = np.zeros((0, 3, 4, 4), np.float32), np.ones((3, 3), np.float32)
    y = kernels.call("upfirdn2d", x, f, spec=spec)
    assert (y.shape, y.dtype) == ((0, 3, 4, 4), np.float32)
    gf = kernels.call("upfirdn2d_fgrad", x, y, spec=spec, f_shape=(3, 3))
    np.testing.assert_array_equal(gf, np.zeros((3, 3)))


def test_the_binding_gives_a_zero_gradient_for_no_images_of_any_width():
    native = native_or_skip()
    x, gf = np.zeros((0, 1, 1, 2), np.float32).transpose(0, 3, 1, 2), np.ones((2, 2), np.float32)
    gy = np.zeros((0, 1, 2**31 - 1, 2), np.float32).transpose(0, 3, 1, 2)
    native.upfirdn2d_fgrad(x, gy, gf, (1, 1, 1, 1, 0, 0))
    assert not gf.any()


def test_misfits_are_named():
    x, f = np.zeros((1, 2, 4, 4), np.float32), np.zeros((5, 1), np.float32)
    with pytest.raises(ShapeError, match=r"5 taps along axis 2.*padding of at least 1"):
        kernels.call("upfirdn2d", x, f, spec=UpfirdnSpec())
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        kernels.call("upfirdn2d", x[0], f, spec=UpfirdnSpec())
    with pytest.raises(ShapeError, match="R, S >= 1"):
        kernels.call("upfirdn2d", x, f[:0], spec=UpfirdnSpec())
    with pytest.raises(ShapeError, match="gy is"):
        kernels.call("upfirdn2d_fgrad", x, x, spec=UpfirdnSpec(), f_shape=(2, 2))
    for wrong in ({"up": (0, 1)}, {"down": (1, -1)}, {"up": 2}, {"padding": ((1, 2), 3)}):
        with pytest.raises(OptionError):
            UpfirdnSpec(**wrong)


def hostile_calls():
    def image(*shape):
        return np.ones(shape, np.float32).transpose(0, 3, 1, 2)

    x, f, y = image(1, 4, 4, 3), np.ones((2, 2), np.float32), image(1, 3, 3, 3)
    fits = (1, 1, 1, 1, 0, 0)
    yield x, f, np.ascontiguousarray(y), fits  # not channels last
    yield x, f, y[:, ::-1], fits
    yield np.ascontiguousarray(x), f, y, fits
    yield x, f.astype(np.float64), y, fits
    yield x, f[0], y, fits
    yield x, f[:0], y, fits
    yield x[:, :, :0], f, y, fits
    yield x, f, y[:, :2], fits
    yield x.astype(int), f, y, fits
    yield x, None, y, fits
    for at in range(4):
        for value in (0, -1, 2**31, 2**63 - 1):
            yield x, f, y, tuple(value if i == at else n for i, n in enumerate(fits))
    for value in (2**31, -(2**31), 2**63 - 1, -(2**63)):
        yield x, f, y, (*fits[:4], value, 0)
        yield x, f, y, (*fits[:5], value)
    yield x, f, y, fits[:5]
    yield x, f, y, (1.5, *fits[1:])


def test_hostile_calls_of_the_bindings_raise():
    native = native_or_skip()
    for x, f, y, params in hostile_calls():
        with pytest.raises((ValueError, TypeError)):
            native.upfirdn2d(x, f, y, params)
        with pytest.raises((ValueError, TypeError)):
            native.upfirdn2d_fgrad(x, y, f, params)


def test_the_bindings_write_to_nothing_that_they_read_or_may_not_touch():
    native = native_or_skip()
    x = np.ones((1, 4, 4, 4), np.float32).transpose(0, 3, 1, 2)
    f, fits = x[0, 0, :2].copy(), (1, 1, 1, 1, 0, 0)
    y = np.ones((1, 3, 4, 4), np.float32).transpose(0, 3, 1, 2)
    with pytest.raises(ValueError, match="overlaps"):
        native.upfirdn2d(x, f, x, fits)
    with pytest.raises(ValueError, match="overlaps"):
        native.upfirdn2d_fgrad(x, y, x[0].transpose(1, 2, 0)[0], fits)
    with pytest.raises(ValueError, match="read-only"):
        native.upfirdn2d(x, f, np.broadcast_to(y, y.shape), fits)
    with pytest.raises(ValueError, match="read-only"):
        native.upfirdn2d_fgrad(x, y, np.broadcast_to(f, f.shape), fits)


def test_the_filter_gradient_forms_its_products_in_float64(backend):
    # (1 + e)^2 - (1 + 2 e) = e^2, which is lost if the product is rounded to float32
    e = 2.0**-12
    x = np.array([1 + e, -1 - 2 * e], np.float32).reshape(1, 2, 1, 1)
    gy = np.array([1 + e, 1], np.float32).reshape(1, 2, 1, 1)
    with kernels.use_backend(backend):
        gf = kernels.call("upfirdn2d_fgrad", x, gy, spec=UpfirdnSpec(), f_shape=(1, 1))
    assert gf.item() == (0 if backend == "numpy" else e * e)  # the reference sums in float32
