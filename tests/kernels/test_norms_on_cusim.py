"""CUDA normalisations, softmax and attention in the emulator, where random cases do not reach.

Everything is held to the float64 reference within the bound that its op derives, and gives the same
bits in all three orders of a block's threads.
"""

import numpy as np
import pytest
from kernel_checks import check_on_cusim, normal

from tinygan import kernels
from tinygan.kernels.cuda import cusim
from tinygan.testing.bounds import reference

pytestmark = pytest.mark.skipif(cusim.why_not() is not None, reason=str(cusim.why_not()))

EPS = 1e-5


def batch(shape, segments=1, mean=0.0, seed=0):
    """Return the operands of batch_norm and its cotangent; the statistics are exact."""
    x = normal(seed, shape, np.float32) + np.float32(mean)
    weight, bias = (
        normal(seed + 1, shape[1:2], np.float32),
        normal(seed + 2, shape[1:2], np.float32),
    )
    statistics = reference("batch_norm_stats").fn(x.astype(np.float64), segments=segments)
    return (x, weight, bias), normal(seed + 3, shape, np.float32), statistics


BATCHES = {
    "31 channels, rows folded or not": ((70, 31), 1),
    "32 channels": ((70, 32), 1),
    "33 channels": ((70, 33), 1),
    "127 channels": ((40, 127), 1),
    "128 channels, as float4": ((40, 128), 1),
    "129 channels": ((40, 129), 1),
    "3 channels and a short last wide row": ((7, 3, 37, 41), 1),
    "several blocks along the rows": ((2700, 5), 1),
    "two segments": ((10, 12, 7, 3), 2),
    "a segment a sample": ((6, 36, 5), 6),
    "one value a channel and segment": ((3, 8), 3),
}


@pytest.mark.parametrize(("shape", "segments"), BATCHES.values(), ids=BATCHES)
def test_batch_norm_at_the_edges_of_its_tiles(shape, segments):
    operands, gy, statistics = batch(shape, segments)
    check_on_cusim("batch_norm_stats", operands[0], segments=segments)
    for slope in (1.0, 0.2, 0.0):
        params = {"eps": EPS, "negative_slope": slope}
        check_on_cusim("batch_norm", *operands, *statistics, **params)
        check_on_cusim("batch_norm_vjp", *operands, gy, *statistics, **params)


@pytest.mark.parametrize("shape", [(500, 7), (9, 64, 5, 5)])
def test_batch_norm_keeps_its_digits_where_the_mean_is_far_larger_than_the_deviation(shape):
    operands, gy, statistics = batch(shape, mean=1e3)
    mean, var = check_on_cusim("batch_norm_stats", operands[0])
    np.testing.assert_allclose(mean, statistics[0], rtol=1e-14)
    np.testing.assert_allclose(var, statistics[1], rtol=1e-10)
    check_on_cusim("batch_norm", *operands, *statistics, eps=EPS)
    check_on_cusim("batch_norm_vjp", *operands, gy, *statistics, eps=EPS)


def test_batch_norm_statistics_survive_an_outlier_that_is_read_first():
    x = normal(0, (300, 4), np.float32)
    x[0] = 1e6
    check_on_cusim("batch_norm_stats", x)


def test_batch_norm_refuses_what_it_cannot_take():
    (x, weight, bias), _, statistics = batch((4, 3))
    with kernels.use_backend("cusim"):
        wide = [a.astype(np.float64) for a in (x, weight, bias)]
        said = kernels.explain("batch_norm", *wide, *statistics, eps=EPS)
        assert "takes float32, got float64" in said
        huge = np.broadcast_to(np.float32(0), (2**20, 2**11))
        assert "takes at most 2147479552 elements, got 2147483648" in kernels.explain(
            "batch_norm_stats", huge
        )


# --- spectral_norm ---

WEIGHTS = ((1, 7), (3, 1), (31, 32), (33, 129), (8, 3, 4, 4), (700, 5), (130, 9), (2, 2000))


@pytest.mark.parametrize("shape", WEIGHTS)
def test_spectral_norm_of_matrices_of_every_kind(shape):
    w, gy, u = (normal(seed, shape, np.float32) for seed in range(3))
    u, v = check_on_cusim(
        "power_iteration", w, u.reshape(len(w), -1)[:, 0].copy(), steps=2, eps=1e-12
    )
    check_on_cusim("spectral_norm", w, u, v)
    check_on_cusim("spectral_norm_vjp", w, u, v, gy)


def test_power_iteration_of_a_zero_weight_gives_zeros():
    for a in check_on_cusim(
        "power_iteration", np.zeros((4, 6), np.float32), np.ones(4, np.float32), steps=1, eps=1e-12
    ):
        assert not a.any()


# --- softmax ---

ROWS = ((1, 1), (9, 31), (8, 32), (7, 33), (17, 3), (3, 1024), (3, 1025), (2, 5000))


@pytest.mark.parametrize("shape", ROWS)
def test_softmax_of_short_and_long_rows(shape):
    x, gy = normal(0, shape, np.float32) * np.float32(5), normal(1, shape, np.float32)
    (y,) = check_on_cusim("softmax", x, axis=1)
    check_on_cusim("softmax_vjp", y, gy, axis=1)
    check_on_cusim("logsumexp", x, axis=1)


def test_softmax_along_another_axis():
    x = normal(0, (3, 1100, 2), np.float32)
    check_on_cusim("softmax", x, axis=1)
    check_on_cusim("logsumexp", x, axis=0)


@pytest.mark.parametrize("width", [5, 1500])
def test_softmax_of_infinite_rows_is_what_its_definition_says(width):
    x = np.zeros((4, width), np.float32)
    x[0, 3], x[1], x[2, 1], x[3] = np.inf, -np.inf, np.nan, 1e4
    with kernels.use_backend("cusim"), np.errstate(all="ignore"):
        y, total = kernels.call("softmax", x, axis=1), kernels.call("logsumexp", x, axis=1)
    assert np.isnan(y[0, 3])
    assert not np.delete(y[0], 3).any()
    assert np.isnan(y[1:3]).all()
    np.testing.assert_allclose(y[3], 1 / width, rtol=1e-5)
    np.testing.assert_array_equal(total[:3, 0], [np.inf, -np.inf, np.nan])


# --- group_norm and layer_norm ---


def affine(shape, extents, mean=0.0):
    """Return x, weight and bias, and a cotangent of y."""
    x = normal(0, shape, np.float32) + np.float32(mean)
    return (x, normal(1, extents, np.float32), normal(2, extents, np.float32)), normal(
        3, shape, np.float32
    )


GROUPS = {
    "groups of 3 of 33 channels": ((3, 33, 5, 4), 11),
    "one group of 127": ((2, 127, 3), 1),
    "a group a channel, as float4": ((3, 128, 2, 2), 128),
    "3 channels and several blocks a sample": ((2, 3, 50, 50), 1),
    "no axis after the channels": ((5, 36), 9),
    "one channel": ((4, 1, 9), 1),
}


@pytest.mark.parametrize(("shape", "num_groups"), GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_group_norm_at_the_edges_of_its_tiles(shape, num_groups, mean):
    operands, gy = affine(shape, shape[1:2], mean)
    check_on_cusim("group_norm", *operands, num_groups=num_groups, eps=EPS)
    check_on_cusim("group_norm_vjp", *operands, gy, num_groups=num_groups, eps=EPS)


LAYERS = {
    "short rows": ((70, 3), 1),
    "a lane each": ((9, 32), 1),
    "a lane more": ((9, 33), 1),
    "a block a row": ((3, 1025), 1),
    "all that is left of a sample": ((3, 7, 9, 11), 3),
    "several blocks along the rows": ((1500, 10), 1),
    "one value a row": ((40, 1), 1),
}


@pytest.mark.parametrize(("shape", "axes"), LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_layer_norm_of_short_and_long_rows(shape, axes, mean):
    operands, gy = affine(shape, shape[-axes:], mean)
    check_on_cusim("layer_norm", *operands, eps=EPS)
    check_on_cusim("layer_norm_vjp", *operands, gy, eps=EPS)


def test_a_channels_last_image_is_normalised_as_it_lies():
    (x, weight, bias), gy = affine((2, 3, 4, 5), (3, 4, 5))
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    (y,) = check_on_cusim("layer_norm", x, weight, bias, eps=EPS)
    assert y.strides == x.strides
    check_on_cusim("layer_norm_vjp", x, weight, bias, gy, eps=EPS)


# --- attention ---

ATTENTIONS = (
    (1, 1, 1, 1, 1),
    (2, 63, 65, 8, 3),
    (1, 64, 64, 16, 64),
    (1, 65, 130, 17, 66),
    (3, 5, 1100, 4, 2),
)


def queries(batch, length, keys, e, f):
    """Return q, k, v and a cotangent of y."""
    shapes = (length, e), (keys, e), (keys, f), (length, f)
    return [normal(seed, (batch, *shape), np.float32) for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize("sizes", ATTENTIONS)
def test_attention_at_the_edges_of_its_tiles(sizes):
    *operands, gy = queries(*sizes)
    check_on_cusim("attention", *operands, scale=0.5)
    check_on_cusim("attention_vjp", *operands, gy, scale=0.5)


def test_attention_refuses_more_weights_than_it_can_count():
    q, k = (np.broadcast_to(np.float32(0), (1, n, 1)) for n in (2**16, 2**15))
    with kernels.use_backend("cusim"):
        said = kernels.explain("attention", q, k, k, scale=1.0)
    assert "takes at most 2147479552 weights an item, got 65536 x 32768" in said


def test_attention_of_more_items_than_fit_at_once_is_that_of_each(monkeypatch):
    *operands, gy = queries(5, 6, 7, 3, 2)
    whole = check_on_cusim("attention_vjp", *operands, gy, scale=0.5)
    monkeypatch.setattr("tinygan.kernels.attention.cuda._MOST_WEIGHTS", 2 * 6 * 7)
    for a, b in zip(whole, check_on_cusim("attention_vjp", *operands, gy, scale=0.5), strict=True):
        np.testing.assert_array_equal(a, b)
