"""Right calls of the bindings that read or write images; see calls.py.

All but the convolutions are checked against sums over dense 0-1 matrices, one an axis.
"""

from functools import partial

import numpy as np

from tinygan.errors import ShapeError
from tinygan.kernels.conv2d import ConvSpec
from tinygan.kernels.conv2d import reference as conv2d_reference
from tinygan.kernels.conv2d.launch import WINOGRAD_F2
from tinygan.kernels.pool2d import reference as pool2d_reference

from .calls import Call, binding, drawer


def _image(x):
    """Return x (N, C, H, W) in channels-last memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _float32(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@binding("conv2d")
def _conv2d(rng):
    a = drawer(rng)
    while True:
        groups = int(rng.choice([1, 1, 2]))
        pairs = [tuple(int(v) for v in rng.integers(*r, 2)) for r in ((1, 4), (0, 3), (1, 3))]
        spec = ConvSpec(*pairs, groups)
        n, h, w, r, s = (int(v) for v in rng.integers(1, (4, 9, 9, 5, 5)))
        c, o = (int(v) * groups for v in rng.choice([1, 2, 3, 4, 5, 16, 17, 35], 2))
        algorithm = int(rng.integers(4))
        if algorithm >= WINOGRAD_F2:
            stride, groups = int(rng.integers(1, 3)), 1
            spec = ConvSpec.of(stride=stride, padding=spec.padding)
            r = s = int(rng.integers(stride + 1, 3 * stride + 1))
        try:
            y_shape = spec.out_shape((n, c, h, w), (o, c // groups, r, s))
        except ShapeError:
            continue
        break
    if algorithm >= WINOGRAD_F2:
        a = partial(_float32, rng)
    args = [int(rng.integers(3)), algorithm, _image(a(n, c, h, w)),
            a(o, c // groups, r, s), _image(a(*y_shape)),
            (*spec.stride, *spec.padding, *spec.dilation, groups)]  # fmt: skip
    return Call(args, lambda which, *_: ((4,), (2,), (3,))[which], _conv2d_expected)


def _conv2d_expected(which, _algorithm, x, w, y, params):
    p = [int(v) for v in params]
    spec = ConvSpec((p[0], p[1]), (p[2], p[3]), (p[4], p[5]), p[6])
    if which == 0:
        return (conv2d_reference.conv2d(x, w, spec=spec),)
    if which == 1:
        return (conv2d_reference.conv2d_dgrad(y, w, spec=spec, x_shape=x.shape),)
    return (conv2d_reference.conv2d_wgrad(x, y, spec=spec, w_shape=w.shape),)


def _taps(out, taps, size, up=1, down=1, first=0, dilation=1):
    """Return T (out, taps, size): 1 where output p sees pixel h of the input by tap r.

    It does where h * up = p * down + r * dilation - first.
    """
    p, r, h = np.ogrid[:out, :taps, :size]
    return (h * up == p * down + r * dilation - first).astype(float)


@binding("upfirdn2d")
def _upfirdn2d(rng):
    a, (n, h, w, r, s, p, q) = drawer(rng), (int(v) for v in rng.integers(1, [4, *[7] * 6]))
    c = int(rng.choice([1, 2, 3, 16, 17]))
    args = [_image(a(n, c, h, w)), a(r, s), _image(a(n, c, p, q)), _upfirdn2d_params(rng)]
    return Call(args, (2,), lambda x, f, y, params: (_filtered(x, f, y.shape, params),))


def _upfirdn2d_params(rng):
    return tuple(int(v) for v in rng.integers([1, 1, 1, 1, -3, -3], 4))


def _both_axes(x, f_shape, y_shape, params):
    up, down, first = params[0:2], params[2:4], params[4:6]
    return [
        _taps(y_shape[2 + i], f_shape[i], x.shape[2 + i], int(up[i]), int(down[i]), int(first[i]))
        for i in (0, 1)
    ]


def _filtered(x, f, y_shape, params):
    rows, columns = _both_axes(x, f.shape, y_shape, params)
    return np.einsum("nchw,prh,qsw,rs->ncpq", x, rows, columns, f, optimize=True)


@binding("upfirdn2d_fgrad")
def _upfirdn2d_fgrad(rng):
    a, (n, h, w, r, s, p, q) = drawer(rng), (int(v) for v in rng.integers(1, [4, *[7] * 6]))
    c = int(rng.choice([1, 2, 3, 16, 17]))

    def expected(x, gy, gf, params):
        rows, columns = _both_axes(x, gf.shape, gy.shape, params)
        return (np.einsum("nchw,prh,qsw,ncpq->rs", x, rows, columns, gy, optimize=True),)

    args = [_image(a(n, c, h, w)), _image(a(n, c, p, q)), a(r, s), _upfirdn2d_params(rng)]
    return Call(args, (2,), expected)


def _resize_taps(rng, a, size, out):
    """Draw (start, index, weight): some pixels, and their weights, for every output."""
    start = np.concatenate([[0], np.cumsum(rng.integers(0, 4, out))]).astype(np.int64)
    count = int(start[-1])
    return start, rng.integers(0, size, count).astype(np.int64), a(count)


def _dense(taps, size):
    """Return taps as a matrix (out, size)."""
    start, index, weight = taps
    matrix = np.zeros((len(start) - 1, size))
    np.add.at(matrix, (np.repeat(np.arange(len(start) - 1), np.diff(start)), index), weight)
    return matrix


@binding("resize2d")
def _resize2d(rng):
    a, (n, h, w, p, q) = drawer(rng), (int(v) for v in rng.integers(1, [4, *[7] * 4]))
    c = int(rng.choice([1, 2, 3, 16, 17]))

    def expected(x, rows, columns, _y):
        rows, columns = _dense(rows, x.shape[2]), _dense(columns, x.shape[3])
        return (np.einsum("nchw,ph,qw->ncpq", x, rows, columns, optimize=True),)

    taps = [_resize_taps(rng, a, size, out) for size, out in ((h, p), (w, q))]
    return Call([_image(a(n, c, h, w)), *taps, _image(a(n, c, p, q))], (3,), expected)


def _unfold_call(rng):
    """Draw x (N, C, H, W), cols (N, P Q, C R S) and (kernel, stride, padding, dilation)."""
    a, n, c = drawer(rng), int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 17]))
    size, kernel, stride, pad, dil = (
        rng.integers(low, high, 2) for low, high in ((1, 8), (1, 4), (1, 4), (0, 3), (1, 3))
    )
    size = np.maximum(size, dil * (kernel - 1) + 1)
    p, q = (int(v) for v in (size + 2 * pad - dil * (kernel - 1) - 1) // stride + 1)
    params = tuple(int(v) for v in (*kernel, *stride, *pad, *dil))
    cols = a(n, p * q, c * params[0] * params[1])
    return _image(a(n, c, *size.tolist())), cols, params


def _windows(x_shape, params):
    kernel, stride, pad, dil = (params[i : i + 2] for i in (0, 2, 4, 6))
    return [
        _taps(
            (x_shape[2 + i] + 2 * pad[i] - dil[i] * (kernel[i] - 1) - 1) // stride[i] + 1,
            *(kernel[i], x_shape[2 + i], 1, stride[i], pad[i], dil[i]),
        )
        for i in (0, 1)
    ]


@binding("unfold")
def _unfold(rng):
    def expected(x, cols, params):
        patches = np.einsum("nchw,prh,qsw->npqcrs", x, *_windows(x.shape, params), optimize=True)
        return (patches.reshape(cols.shape),)

    return Call(list(_unfold_call(rng)), (1,), expected)


@binding("fold")
def _fold(rng):
    def expected(cols, x, params):
        rows, columns = _windows(x.shape, params)
        patches = cols.reshape(
            len(x), len(rows), len(columns), x.shape[1], rows.shape[1], columns.shape[1]
        )
        return (np.einsum("npqcrs,prh,qsw->nchw", patches, rows, columns, optimize=True),)

    x, cols, params = _unfold_call(rng)
    return Call([cols, x, params], (1,), expected)


def _pool_call(rng):
    """Draw x (N, C, H, W), y (N, C, P, Q) and (kernel, stride, padding)."""
    a, n, c = drawer(rng), int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 8, 17]))
    kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    pad = rng.integers(0, kernel // 2 + 1)
    size = np.maximum(rng.integers(1, 8, 2), kernel - 2 * pad)
    p, q = (int(v) for v in (size + 2 * pad - kernel) // stride + 1)
    params = tuple(int(v) for v in (*kernel, *stride, *pad))
    return _image(a(n, c, *size.tolist())), _image(a(n, c, p, q)), params


def _shares(x_shape, params, count_pad):
    """Return the matrices (P, H) and (Q, W) of an average; their entries are shares of a window."""
    kernel, stride, pad = (params[i : i + 2] for i in (0, 2, 4))
    for i in (0, 1):
        windows = (x_shape[2 + i] + 2 * pad[i] - kernel[i]) // stride[i] + 1
        matrix = _taps(windows, kernel[i], x_shape[2 + i], 1, stride[i], pad[i]).sum(1)
        yield matrix / (kernel[i] if count_pad else matrix.sum(1, keepdims=True))


@binding("avg_pool2d")
def _avg_pool2d(rng):
    def expected(x, _y, params, count_pad):
        rows, columns = _shares(x.shape, params, count_pad)
        return (np.einsum("nchw,ph,qw->ncpq", x, rows, columns, optimize=True),)

    return Call([*_pool_call(rng), bool(rng.integers(2))], (1,), expected)


@binding("avg_pool2d_adjoint")
def _avg_pool2d_adjoint(rng):
    def expected(gy, gx, params, count_pad):
        rows, columns = _shares(gx.shape, params, count_pad)
        return (np.einsum("ncpq,ph,qw->nchw", gy, rows, columns, optimize=True),)

    x, y, params = _pool_call(rng)
    return Call([y, x, params, bool(rng.integers(2))], (1,), expected)


@binding("max_pool2d")
def _max_pool2d(rng):
    def expected(x, _y, _index, params):
        p = [int(v) for v in params]
        window = {"kernel": (p[0], p[1]), "stride": (p[2], p[3]), "padding": (p[4], p[5])}
        y, index = pool2d_reference.max_pool2d(x, **window)
        return y, index.transpose(0, 2, 3, 1)

    x, y, params = _pool_call(rng)
    index = np.zeros((len(y), *y.shape[2:], y.shape[1]), np.int64)
    return Call([x, y, index, params], (1, 2), expected)


def _picks(rng):
    """Draw an image (N, pixels, C), and index and picked (N, picks, C)."""
    a, c = drawer(rng), int(rng.choice([1, 2, 3, 17, 70]))
    n, pixels, picks = (int(v) for v in rng.integers(1, [4, 50, 60]))
    return a(n, pixels, c), rng.integers(0, pixels, (n, picks, c)), a(n, picks, c)


@binding("gather2d")
def _gather2d(rng):
    def expected(image, index, _picked):
        return (np.take_along_axis(image, index, axis=1),)

    return Call(list(_picks(rng)), (2,), expected)


@binding("scatter2d")
def _scatter2d(rng):
    def expected(picked, index, image):
        out = np.zeros(image.shape)
        n, _, c = np.indices(index.shape)
        np.add.at(out, (n, index, c), picked)
        return (out,)

    return Call(list(_picks(rng))[::-1], (2,), expected)


def _coarse_and_fine(rng):
    """Draw images (N, C r r, H, W) and (N, C, H r, W r), and r."""
    a, c, r = drawer(rng), int(rng.choice([1, 2, 3, 8, 17])), int(rng.integers(1, 4))
    n, h, w = (int(v) for v in rng.integers(1, 5, 3))
    return _image(a(n, c * r * r, h, w)), _image(a(n, c, h * r, w * r)), r


@binding("pixel_shuffle")
def _pixel_shuffle(rng):
    def expected(x, r, y):
        n, c, h, w = y.shape
        deep = x.reshape(n, c, r, r, h // r, w // r)
        return (deep.transpose(0, 1, 4, 2, 5, 3).reshape(y.shape),)

    x, y, r = _coarse_and_fine(rng)
    return Call([x, r, y], (2,), expected)


@binding("pixel_unshuffle")
def _pixel_unshuffle(rng):
    def expected(x, r, y):
        n, c, h, w = x.shape
        fine = x.reshape(n, c, h // r, r, w // r, r)
        return (fine.transpose(0, 1, 3, 5, 2, 4).reshape(y.shape),)

    y, x, r = _coarse_and_fine(rng)
    return Call([x, r, y], (2,), expected)
