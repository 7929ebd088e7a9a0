"""group_norm and layer_norm against hand-written loops in extended precision."""

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
from tinygan.errors import DtypeError, OptionError, ShapeError

EPS = 1e-5
DTYPES = (np.float32, np.float64)
LONG = np.longdouble
# shape of x, and num_groups or the number of axes that layer_norm takes
GROUPS = (
    ((4, 6), 3),
    ((3, 6, 5), 2),
    ((2, 6, 4, 3), 6),
    ((2, 6, 4, 3), 1),
    ((3, 33, 2, 2), 11),
    ((1, 3, 150, 100), 3),  # one sample, many blocks
    ((5, 1, 3, 3), 1),
)
LAYERS = (
    ((7, 5), 1),
    ((3, 4, 6), 2),
    ((2, 3, 4, 5), 3),
    ((2, 3, 4, 5), 1),
    ((700, 65), 1),  # several tiles below each other
    ((3, 5000), 1),  # and side by side
    ((13,), 1),  # x is all normalised
)
CASES = [("group_norm", *case) for case in GROUPS] + [("layer_norm", *case) for case in LAYERS]


class Problem:
    """Operands of one call, and a list of its boxes: what one mean is taken of."""

    def __init__(self, op, shape, how, dtype, seed=0):
        self.op = op
        is_group = op == "group_norm"
        affine = shape[1:2] if is_group else shape[len(shape) - how :]
        x = normal(seed, shape, dtype) * dtype(2) + dtype(1.5)
        self.arrays = [x, normal(seed + 1, affine, dtype), normal(seed + 2, affine, dtype)]
        self.gy = normal(seed + 3, shape, dtype)
        self.params = {"eps": EPS, **({"num_groups": how} if is_group else {})}
        if is_group:
            size = shape[1] // how
            self.boxes = [
                (n, slice(first, first + size))
                for n in range(shape[0])
                for first in range(0, shape[1], size)
            ]
        else:
            self.boxes = list(np.ndindex(shape[: len(shape) - how]))

    def broadcast(self, a):
        """Line a weight up with x."""
        x = self.arrays[0]
        return a.reshape(1, -1, *[1] * (x.ndim - 2)) if self.op == "group_norm" else a

    def forward(self, arrays=None):
        """Give y by the definition, a box at a time."""
        x, weight, bias = (a.astype(LONG) for a in arrays or self.arrays)
        x_hat = np.empty_like(x)
        for at in self.boxes:
            mean = x[at].sum() / x[at].size
            var = ((x[at] - mean) ** 2).sum() / x[at].size
            x_hat[at] = (x[at] - mean) / np.sqrt(var + LONG(EPS))
        return x_hat * self.broadcast(weight) + self.broadcast(bias)

    def vjp(self):
        """Give the chain rule step by step, without the closed form that the kernels use."""
        x, weight, _ = (a.astype(LONG) for a in self.arrays)
        gy, (gx, by_weight) = self.gy.astype(LONG), np.empty((2, *x.shape), LONG)
        g = gy * self.broadcast(weight)
        for at in self.boxes:
            n, d = x[at].size, x[at] - x[at].sum() / x[at].size
            deviation = np.sqrt((d * d).sum() / n + LONG(EPS))
            g_var = (g[at] * d).sum() * LONG(-0.5) / deviation**3
            g_d = g[at] / deviation + g_var * 2 * d / n
            gx[at] = g_d - g_d.sum() / n
            by_weight[at] = gy[at] * d / deviation
        lead = x.ndim - self.arrays[1].ndim
        axes = (0, *range(2, x.ndim)) if self.op == "group_norm" else tuple(range(lead))
        return gx, by_weight.sum(axis=axes), gy.sum(axis=axes)

    def call(self, **changed):
        return call_unmodified(self.op, *self.arrays, **{**self.params, **changed})

    def call_vjp(self):
        return call_unmodified(f"{self.op}_vjp", *self.arrays, self.gy, **self.params)

    def slack(self):
        """Bound what n-term float64 sums lose, where every factor is as large as it gets."""
        x, weight, bias = (np.abs(a).max(initial=0) for a in self.arrays)
        n = max(self.arrays[0][at].size for at in self.boxes)
        deviations = [np.sqrt(self.arrays[0][at].astype(LONG).var() + EPS) for at in self.boxes]
        sharp = max(1.0, float(1 / min(deviations)))
        reach = max(x, 1) ** 2 * (max(weight, 1) + bias) * sharp**3 * max(np.abs(self.gy).max(), 1)
        return (n + 16) * np.sqrt(n) * np.finfo(np.float64).eps * reach


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "shape", "how"), CASES)
def test_forward_is_the_definition_rounded_once(backend, op, shape, how, dtype):
    problem = Problem(op, shape, how, dtype)
    with kernels.use_backend(backend):
        y = problem.call()
    exact = problem.forward()
    assert y.dtype == dtype
    assert_within(y, exact, np.finfo(dtype).eps * np.abs(exact) + problem.slack())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "shape", "how"), CASES)
def test_vjp_is_the_chain_rule_rounded_once(backend, op, shape, how, dtype):
    problem = Problem(op, shape, how, dtype)
    with kernels.use_backend(backend):
        got = problem.call_vjp()
    count = problem.arrays[0].size // max(problem.arrays[1].size, 1)
    for a, e in zip(got, problem.vjp(), strict=True):
        assert a.dtype == dtype
        assert_within(a, e, np.finfo(dtype).eps * np.abs(e) + problem.slack() * max(count, 1))


@pytest.mark.parametrize(("op", "shape", "how"), [CASES[1], CASES[2], CASES[8]])
def test_reference_vjp_agrees_with_finite_differences(op, shape, how):
    problem, h = Problem(op, shape, how, np.float64), LONG(1e-6)
    with kernels.use_backend("numpy"):
        got = problem.call_vjp()
    operands = [a.astype(LONG) for a in problem.arrays]
    for i, a in enumerate(operands):
        for at in list(np.ndindex(a.shape))[:12]:
            values = []
            for sign in (1, -1):
                moved = [b.copy() for b in operands]
                moved[i][at] += sign * h
                values.append((problem.gy * problem.forward(moved)).sum())
            np.testing.assert_allclose(
                got[i][at], (values[0] - values[1]) / (2 * h), rtol=1e-8, atol=1e-9
            )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("op", "shape", "how"),
    [
        ("group_norm", (4, 6, 3, 2), 3),
        ("group_norm", (5, 6), 2),
        ("layer_norm", (4, 6, 3, 2), 3),
        ("layer_norm", (4, 6, 3, 2), 2),
        ("layer_norm", (4, 5), 1),
    ],
)
def test_every_layout_is_read_right(backend, layout, op, shape, how):
    problem = Problem(op, shape, how, np.float32)
    problem.arrays = [lay_out(a, layout) for a in problem.arrays]
    problem.gy = lay_out(problem.gy, layout)
    with kernels.use_backend(backend):
        y, got = problem.call(), problem.call_vjp()
    np.testing.assert_allclose(y.astype(LONG), problem.forward(), rtol=2e-7, atol=1e-12)
    for a, e in zip(got, problem.vjp(), strict=True):
        np.testing.assert_allclose(a.astype(LONG), e, rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize("of_gy", LAYOUTS)
def test_x_and_its_cotangent_may_be_laid_out_apart(backend, of_gy):
    for op, how in (("group_norm", 2), ("layer_norm", 3)):
        problem = Problem(op, (3, 4, 2, 5), how, np.float32)
        problem.arrays[0] = lay_out(problem.arrays[0], "channels_last")
        problem.gy = lay_out(problem.gy, of_gy)
        with kernels.use_backend(backend):
            got = problem.call_vjp()
        for a, e in zip(got, problem.vjp(), strict=True):
            np.testing.assert_allclose(a.astype(LONG), e, rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize(("op", "how"), [("group_norm", 2), ("layer_norm", 3)])
def test_channels_last_stays_channels_last(backend, op, how):
    problem = Problem(op, (2, 4, 3, 5), how, np.float32)
    x = problem.arrays[0] = lay_out(problem.arrays[0], "channels_last")
    with kernels.use_backend(backend):
        assert problem.call().strides == x.strides
        assert problem.call_vjp()[0].strides == x.strides


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("op", "shape", "how"), [("group_norm", (3, 5), 5), ("layer_norm", (4, 3, 1), 1)]
)
def test_a_box_of_one_value_gives_the_bias_and_no_gradient(backend, op, shape, how, dtype):
    problem = Problem(op, shape, how, dtype)
    with kernels.use_backend(backend):
        y, (gx, gweight, _) = problem.call(), problem.call_vjp()
    expected = np.broadcast_to(problem.broadcast(problem.arrays[2]), shape)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(gx, 0)
    np.testing.assert_array_equal(gweight, 0)


def test_a_box_of_equal_values_gives_the_bias(backend):
    x, weight, bias = np.full((2, 4, 3, 3), 7, np.float32), normal(1, 4, np.float32), ones(4)
    with kernels.use_backend(backend):
        y = kernels.call("group_norm", x, weight, bias, num_groups=2, eps=EPS)
        rows = kernels.call("layer_norm", x, ones(3) * 2, ones(3), eps=EPS)
    np.testing.assert_array_equal(y, 1)
    np.testing.assert_array_equal(rows, 1)


@pytest.mark.parametrize(("op", "how"), [("group_norm", 4), ("layer_norm", 3)])
def test_a_large_mean_costs_no_digits(backend, op, how):
    # E[x^2] - E[x]^2 in float32 has no correct digit here
    problem = Problem(op, (3, 8, 12, 12), how, np.float32)
    problem.arrays[0] += np.float32(1000)
    with kernels.use_backend(backend):
        y = problem.call()
    np.testing.assert_allclose(y.astype(LONG), problem.forward(), rtol=2e-7, atol=1e-9)


def test_channels_of_a_group_may_lie_far_apart(backend):
    x = normal(0, (2, 4, 5, 5), np.float64) * 1e-3
    x += np.array([0, 1e4, -5e3, 1]).reshape(1, 4, 1, 1)
    problem = Problem("group_norm", x.shape, 2, np.float64)
    problem.arrays[0] = x
    with kernels.use_backend(backend):
        y = problem.call()
    np.testing.assert_allclose(y.astype(LONG), problem.forward(), rtol=1e-12, atol=1e-13)


def test_nan_stays_in_its_group(backend):
    problem = Problem("group_norm", (3, 6, 2, 2), 3, np.float32)
    problem.arrays[0][1, 2, 0, 1] = np.nan
    with kernels.use_backend(backend):
        y, (gx, gweight, gbias) = problem.call(), problem.call_vjp()
    expected = np.zeros(y.shape, bool)
    expected[1, 2:4] = True
    np.testing.assert_array_equal(np.isnan(y), expected)
    np.testing.assert_array_equal(np.isnan(gx), expected)
    np.testing.assert_array_equal(np.isnan(gweight), [False, False, True, True, False, False])
    assert np.isfinite(gbias).all()


def test_nan_stays_in_its_row(backend):
    problem = Problem("layer_norm", (70, 40), 1, np.float32)
    problem.arrays[0][3, 7] = np.nan
    problem.gy[5, 2] = np.nan
    with kernels.use_backend(backend):
        y, (gx, gweight, gbias) = problem.call(), problem.call_vjp()
    rows = np.arange(70)
    np.testing.assert_array_equal(np.isnan(y).all(axis=1), rows == 3)
    np.testing.assert_array_equal(np.isnan(gx).all(axis=1), (rows == 3) | (rows == 5))
    assert np.isfinite(np.delete(gx, [3, 5], axis=0)).all()
    assert np.isnan(gweight).all()
    np.testing.assert_array_equal(np.isnan(gbias), np.arange(40) == 2)


def test_groups_of_one_channel_and_of_all_are_other_norms(backend):
    x, weight, bias, _ = (normal(i, (3, 6), np.float64) for i in range(4))
    weight, bias = weight[0], bias[0]
    with kernels.use_backend(backend):
        y = kernels.call("group_norm", x, weight, bias, num_groups=1, eps=EPS)
        rows = kernels.call("layer_norm", x, weight, bias, eps=EPS)
        one = kernels.call("group_norm", x.T[None], ones(6, dtype=float), ones(6, dtype=float) * 0,
                           num_groups=6, eps=EPS)  # fmt: skip
        affine, stats = (ones(6, dtype=float), np.zeros(6)), kernels.call("batch_norm_stats", x)
        batch = kernels.call("batch_norm", x, *affine, *stats, eps=EPS)
    np.testing.assert_allclose(y, rows, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(one[0].T, batch, rtol=1e-13, atol=1e-14)


def test_an_empty_batch_gives_an_empty_batch():
    x, w = np.zeros((0, 4, 3, 3), np.float32), ones(4)
    y = kernels.call("group_norm", x, w, w, num_groups=2, eps=EPS)
    grads = kernels.call("group_norm_vjp", x, w, w, x, num_groups=2, eps=EPS)
    rows = kernels.call("layer_norm", x, ones(3), ones(3), eps=EPS)
    of_rows = kernels.call("layer_norm_vjp", x, ones(3), ones(3), x, eps=EPS)
    assert y.shape == rows.shape == x.shape
    for gx, gweight, gbias in (grads, of_rows):
        assert gx.shape == x.shape
        assert not gweight.any()
        assert not gbias.any()


def test_misfits_are_named(backend):
    x, w = ones(2, 6, 3), ones(6)
    with kernels.use_backend(backend):
        with pytest.raises(OptionError, match="6 channels do not fall into 4 groups"):
            kernels.call("group_norm", x, w, w, num_groups=4, eps=EPS)
        with pytest.raises(OptionError, match="into 0 groups"):
            kernels.call("group_norm", x, w, w, num_groups=0, eps=EPS)
        with pytest.raises(ShapeError, match=r"must be \(6,\)"):
            kernels.call("group_norm", x, w[:1], w, num_groups=2, eps=EPS)
        with pytest.raises(ShapeError, match="gy must have the shape"):
            kernels.call("group_norm_vjp", x, w, w, x[:1], num_groups=2, eps=EPS)
        with pytest.raises(ShapeError, match="last axes"):
            kernels.call("layer_norm", x, ones(2), ones(3), eps=EPS)
        with pytest.raises(ShapeError, match="must agree"):
            kernels.call("layer_norm", x, ones(6, 3), ones(3), eps=EPS)
        with pytest.raises(ShapeError, match="gy must have the shape"):
            kernels.call("layer_norm_vjp", x, ones(3), ones(3), x[:1], eps=EPS)
    with pytest.raises(ShapeError, match="no value to average"):
        kernels.call("group_norm", x[:, :, :0], w, w, num_groups=2, eps=EPS)
    with pytest.raises(ShapeError, match="no value to average"):
        kernels.call("layer_norm", x[:, :, :0], w[:0], w[:0], eps=EPS)
    wide = np.ones(6)
    with kernels.use_backend("numpy"):
        with pytest.raises(DtypeError, match="must agree"):
            kernels.call("group_norm", x, wide, w, num_groups=2, eps=EPS)
        with pytest.raises(DtypeError, match="must agree"):
            kernels.call("layer_norm", x, wide[:3], w[:3], eps=EPS)


@pytest.mark.parametrize(
    ("op", "shape", "how"),
    [
        ("group_norm", (6, 48, 16, 16), 6),
        ("group_norm", (1, 32, 64, 64), 32),
        ("group_norm", (500, 12), 3),
        ("layer_norm", (9, 20, 16, 16), 3),
        ("layer_norm", (5000, 60), 1),
    ],
)
def test_bits_do_not_depend_on_threads(op, shape, how):
    problem = Problem(op, shape, how, np.float32)
    assert_bit_equal_for_all_thread_counts(problem.call)
    assert_bit_equal_for_all_thread_counts(problem.call_vjp)


def test_bindings_refuse_what_would_corrupt_memory():
    native = native_or_skip()
    x, y, c = ones(2, 4, 6), ones(2, 4, 6), ones(6)
    wrong = [
        (x.astype(np.int32), c, c, 2, EPS, y),
        (x.astype(np.float64), c, c, 2, EPS, y),
        (x, c[:2], c, 2, EPS, y),
        (x, c, c, 4, EPS, y),
        (x, c, c, 0, EPS, y),
        (x, c, c, -2, EPS, y),
        (x, c, c, 2**62, EPS, y),
        (x, c, c, 2, EPS, y[:1]),
        (x, c, c, 2, EPS, x),  # the output is the input
        (x, c, c, 2, EPS, y[::-1]),
        (x[0], c, c, 2, EPS, y),
        (x[:0], c, c, 2, EPS, y[:0]),
        (x.transpose(0, 2, 1), c[:4], c[:4], 2, EPS, y.transpose(0, 2, 1)),
        (x.tolist(), c, c, 2, EPS, y),
        (x, None, c, 2, EPS, y),
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.group_norm(*arguments)
    rows, out = ones(4, 6), ones(4, 6)
    for arguments in [
        (rows, c[:5], c, EPS, out),
        (rows, c, c, EPS, rows),
        (rows, c, c, EPS, out[:3]),
        (rows.T.copy().T, c, c, EPS, out),
        (rows[:0], c, c, EPS, out[:0]),
        (x, c, c, EPS, y),
    ]:
        with pytest.raises((ValueError, TypeError)):
            native.layer_norm(*arguments)
    with pytest.raises(ValueError, match="overlap"):
        native.layer_norm_vjp(rows, c, rows, EPS, out, c, np.empty_like(c))
    with pytest.raises(ValueError, match="overlap"):
        native.group_norm_vjp(x, c, x, 2, EPS, y, np.empty_like(c), c)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.group_norm(x, c, c, 2, EPS, y)
