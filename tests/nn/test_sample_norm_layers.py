"""Norms inside a sample, conditional and virtual batch norm as layers."""

import copy

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, no_grad, ops
from tinygan.errors import DtypeError, OptionError, ShapeError, StateError

RNG = np.random.default_rng(0)
F64 = {"dtype": np.float64}


def batch(*shape, dtype=np.float64):
    return Tensor(RNG.normal(0.5, 2.0, shape).astype(dtype))


def boxes(x, eps=1e-5):
    """Normalise the entries of an array by their own mean and biased variance."""
    return (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + eps)


# --- norms inside a sample ---


def test_instance_norm_normalises_each_channel_of_each_sample():
    x, layer = batch(3, 2, 4, 5), nn.InstanceNorm2d(2, **F64)
    assert layer.state_dict() == {}
    y = layer(x).data
    for n, c in np.ndindex(3, 2):
        np.testing.assert_allclose(y[n, c], boxes(x.data[n, c]), rtol=1e-12, atol=1e-12)


def test_group_norm_normalises_neighbouring_channels_together():
    x, layer = batch(2, 6, 3), nn.GroupNorm(3, 6, **F64)
    layer.weight.assign_(np.arange(6.0))
    layer.bias.assign_(np.ones(6))
    y = layer(x).data
    for n, g in np.ndindex(2, 3):
        at = slice(2 * g, 2 * g + 2)
        expected = boxes(x.data[n, at]) * np.arange(6.0)[at, None] + 1
        np.testing.assert_allclose(y[n, at], expected, rtol=1e-12, atol=1e-12)


def test_layer_norm_normalises_the_last_axes():
    x, layer = batch(2, 3, 4, 5), nn.LayerNorm((4, 5), **F64)
    layer.weight.assign_(np.arange(20.0).reshape(4, 5))
    y = layer(x).data
    for at in np.ndindex(2, 3):
        expected = boxes(x.data[at]) * np.arange(20.0).reshape(4, 5)
        np.testing.assert_allclose(y[at], expected, rtol=1e-12, atol=1e-12)


def test_pixel_norm_brings_every_pixel_to_length_sqrt_c():
    y = nn.PixelNorm()(batch(2, 5, 3, 3)).data
    np.testing.assert_allclose((y**2).sum(axis=1), 5, rtol=1e-7)
    np.testing.assert_array_equal(nn.PixelNorm()(Tensor(np.zeros((1, 3)))).data, 0)


def test_a_sample_is_normalised_alike_in_any_batch():
    x = batch(4, 6, 3, 3, dtype=np.float32)
    for layer in (nn.InstanceNorm2d(6), nn.GroupNorm(2, 6), nn.LayerNorm((6, 3, 3))):
        np.testing.assert_array_equal(layer(x).data[2:3], layer(x[2:3]).data)


def test_instance_norm_tracks_the_average_instance():
    layer, mean, var = nn.InstanceNorm1d(2, momentum=0.3, track_running_stats=True), 0, 1
    for _ in range(3):
        x = batch(4, 2, 5, dtype=np.float32)
        layer(x)
        mean = 0.7 * mean + 0.3 * x.data.mean(axis=(0, 2))
        var = 0.7 * var + 0.3 * x.data.var(axis=2, ddof=1).mean(axis=0)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-5)
    assert layer.running_var.dtype == np.float32
    layer.eval()
    y = layer(x).data
    expected = (x.data - mean[:, None]) / np.sqrt(var[:, None] + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-5, atol=1e-6)


def test_without_momentum_the_average_instance_stays_as_it_is():
    layer = nn.InstanceNorm1d(3, momentum=None, track_running_stats=True)
    y = layer(Tensor(RNG.normal(1, 2, (2, 3, 5)).astype(np.float32)))
    np.testing.assert_allclose(y.data.mean(2), 0, atol=1e-6)
    assert layer.running_mean.data.tolist() == [0, 0, 0]
    assert layer.running_var.data.tolist() == [1, 1, 1]


def test_instance_norm3d_is_instance_norm_of_the_flat_volume():
    x = RNG.normal(1, 2, (2, 3, 2, 5, 3)).astype(np.float32)
    y = nn.InstanceNorm3d(3)(Tensor(x))
    flat = nn.InstanceNorm1d(3)(Tensor(x.reshape(2, 3, 30)))
    np.testing.assert_allclose(y.data.reshape(2, 3, 30), flat.data, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        nn.InstanceNorm2d(4, affine=True, bias=False, track_running_stats=True),
        nn.GroupNorm(2, 4, bias=False),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_without_a_bias_the_weight_alone_is_learned(layer):
    assert list(layer.named_parameters()) == ["weight"]
    x = Tensor(RNG.normal(1, 2, (2, 4, 3, 5)).astype(np.float32))
    np.testing.assert_allclose(layer(x).data.mean((1, 2, 3)), 0, atol=1e-6)
    assert layer.eval()(x).shape == x.shape


@pytest.mark.parametrize(
    "layer",
    [
        nn.InstanceNorm2d(4),
        nn.InstanceNorm2d(4, track_running_stats=True).eval(),
        nn.GroupNorm(2, 4, affine=False),
        nn.LayerNorm((3, 5), elementwise_affine=False),
        nn.BatchNorm2d(4, affine=False),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_integers_are_refused_and_not_rounded(layer):
    with pytest.raises(DtypeError, match="int64"):
        layer(Tensor(np.arange(120).reshape(2, 4, 3, 5)))


@pytest.mark.parametrize("shape", [(), 0, 2.5, (3, -1), "35"])
def test_layer_norm_refuses_shapes_that_are_none(shape):
    with pytest.raises(OptionError, match="positive ints fit, or one"):
        nn.LayerNorm(shape)
    assert nn.LayerNorm(np.int64(3)).normalized_shape == (3,)


def test_group_norm_refuses_a_fraction_of_groups():
    with pytest.raises(OptionError, match=r"into 2\.0 groups"):
        ops.group_norm(np.ones((2, 4, 3)), 2.0)


def test_norms_refuse_what_does_not_fit():
    with pytest.raises(ShapeError, match="one value in each channel"):
        nn.InstanceNorm2d(3)(batch(4, 3, 1, 1))
    assert nn.InstanceNorm2d(3)(batch(0, 3, 2, 2)).shape == (0, 3, 2, 2)
    with pytest.raises(ShapeError, match=r"takes x \(N, 3, H, W\)"):
        nn.InstanceNorm2d(3)(batch(4, 2, 3, 3))
    with pytest.raises(ShapeError, match=r"takes x \(N, 3, L\)"):
        nn.InstanceNorm1d(3)(batch(4, 3))
    with pytest.raises(OptionError, match="7 channels do not fall into 2 groups"):
        nn.GroupNorm(2, 7)
    with pytest.raises(ShapeError, match=r"takes x \(N, 6, ...\)"):
        nn.GroupNorm(2, 6)(batch(4, 4))
    with pytest.raises(ShapeError, match="the last axes of x"):
        nn.LayerNorm((3, 4))(batch(2, 4, 3))
    with pytest.raises(ShapeError, match="the last axes of x"):
        nn.LayerNorm((2, 3))(batch(3))
    with pytest.raises(ShapeError, match="needs axes"):
        nn.PixelNorm()(batch(3))
    with pytest.raises(OptionError, match="needs running_mean"):
        ops.instance_norm(batch(2, 3, 4), use_input_stats=False)
    with pytest.raises(ShapeError, match="weight"):
        ops.group_norm(batch(2, 4), 2, np.ones(3))
    with pytest.raises(ShapeError, match="must both be"):
        ops.layer_norm(batch(2, 4), 4, np.ones(3))


# --- conditional batch norm ---


def test_a_fresh_conditional_batch_norm_is_batch_norm():
    x, c = batch(6, 3, 2, 2), np.array([0, 1, 1, 0, 3, 2])
    layer, plain = nn.ConditionalBatchNorm2d(3, 4, **F64), nn.BatchNorm2d(3, **F64)
    np.testing.assert_allclose(layer(x, c).data, plain(x).data, rtol=1e-14)
    layer.eval(), plain.eval()
    np.testing.assert_allclose(layer(x, c).data, plain(x).data, rtol=1e-14)
    np.testing.assert_array_equal(layer.running_var.data, plain.running_var.data)


def test_each_class_has_its_scale_and_shift():
    x, c = batch(5, 2, 3, 3), np.array([2, 0, 1, 1, 2])
    layer = nn.ConditionalBatchNorm2d(2, 3, **F64)
    scale, shift = RNG.normal(size=(2, 3, 2))
    layer.load_state_dict({"scale.weight": scale, "shift.weight": shift}, strict=False)
    plain = nn.BatchNorm2d(2, affine=False, **F64)(x).data
    expected = plain * scale[c][:, :, None, None] + shift[c][:, :, None, None]
    np.testing.assert_allclose(layer(x, c).data, expected, rtol=1e-12)


def test_a_condition_may_be_a_vector():
    x, c = batch(5, 2, 3, 3), batch(5, 4)
    layer = nn.ConditionalBatchNorm2d(2, cond_dim=4, **F64)
    assert [k for k in layer.state_dict() if "weight" in k] == ["scale.weight", "shift.weight"]
    plain = nn.BatchNorm2d(2, affine=False, **F64)(x).data
    scale = 1 + c.data @ layer.scale.weight.data.T
    shift = c.data @ layer.shift.weight.data.T
    expected = plain * scale[:, :, None, None] + shift[:, :, None, None]
    np.testing.assert_allclose(layer(x, c).data, expected, rtol=1e-12)


def test_only_the_classes_in_the_batch_learn():
    layer = nn.ConditionalBatchNorm2d(2, 3, **F64)
    y = layer(batch(4, 2, 3, 3), np.array([0, 2, 2, 0]))
    (g,) = grad((y * batch(4, 2, 3, 3)).sum(), [layer.scale.weight])
    assert (np.abs(g.data).sum(axis=1) > 0).tolist() == [True, False, True]


def test_conditional_batch_norm_refuses_what_does_not_fit():
    for wrong in ({}, {"num_classes": 2, "cond_dim": 3}):
        with pytest.raises(OptionError, match="either num_classes or cond_dim"):
            nn.ConditionalBatchNorm2d(2, **wrong)
    with pytest.raises(ShapeError, match=r"takes c \(4,\)"):
        nn.ConditionalBatchNorm2d(2, 3)(batch(4, 2, 3, 3), np.array([0, 1]))
    with pytest.raises(ShapeError, match=r"takes c \(4, 3\)"):
        nn.ConditionalBatchNorm2d(2, cond_dim=3)(batch(4, 2, 3, 3), batch(4, 2))
    with pytest.raises(ShapeError, match="one a channel and sample"):
        ops.film(batch(4, 2), batch(4, 3), batch(4, 2))


# --- virtual batch norm ---


def by_hand(x, ref, eps=1e-5):
    """Give VBN by E[x^2] - E[x]^2 of n + 1 samples, as the paper's code has it."""
    y, new = np.empty_like(x), 1 / (len(ref) + 1)
    for n in range(len(x)):
        mean = new * x[n].mean((1, 2)) + (1 - new) * ref.mean((0, 2, 3))
        square = new * (x[n] ** 2).mean((1, 2)) + (1 - new) * (ref**2).mean((0, 2, 3))
        std = np.sqrt(square - mean**2 + eps)
        y[n] = (x[n] - mean[:, None, None]) / std[:, None, None]
    return y


def test_virtual_batch_norm_normalises_by_reference_and_sample():
    layer, ref, x = nn.VirtualBatchNorm2d(3, **F64), batch(5, 3, 4, 2), batch(4, 3, 4, 2)
    with nn.reference_batch(layer, ref) as of_ref:
        plain = nn.BatchNorm2d(3, affine=False, **F64)(ref).data
        np.testing.assert_allclose(of_ref.data, plain, rtol=1e-12, atol=1e-12)
        within = layer(x).data
    np.testing.assert_allclose(within, by_hand(x.data, ref.data), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer(x).data, within, rtol=1e-12, atol=1e-14)
    assert int(layer.reference_size) == 5


def test_virtual_batch_norm_does_not_look_at_the_neighbours():
    layer, x = nn.VirtualBatchNorm2d(3), batch(4, 3, 2, 2, dtype=np.float32)
    with nn.reference_batch(layer, batch(5, 3, 2, 2, dtype=np.float32)):
        pass
    np.testing.assert_array_equal(layer(x).data[1:2], layer(x[1:2]).data)
    assert layer(x).dtype == np.float32


def test_gradients_flow_through_the_reference_batch_while_it_is_shown():
    conv, layer = nn.Conv2d(2, 3, 2, **F64), nn.VirtualBatchNorm2d(3, **F64)
    net = nn.Sequential(conv, layer)
    ref, x, g = batch(3, 2, 4, 3), batch(2, 2, 4, 3), batch(2, 3, 3, 2)

    def loss(w):
        with nn.reference_batch(conv_as(w), ref):
            return (conv_as(w)(x) * g).sum()

    def conv_as(w):
        conv.weight = w
        return net

    start = nn.Parameter(conv.weight)
    (inside,) = grad(loss(start), [start])
    h, at = 1e-6, (1, 0, 1, 1)
    moved = []
    for sign in (1, -1):
        w = start.data.copy()
        w[at] += sign * h
        moved.append(float(loss(nn.Parameter(w))))
    np.testing.assert_allclose(inside.data[at], (moved[0] - moved[1]) / (2 * h), rtol=1e-6)
    conv_as(start)
    (outside,) = grad((net(x) * g).sum(), [start])  # the reference is a constant here
    assert abs(outside.data[at] - inside.data[at]) > 1e-3


def test_the_reference_is_saved_with_the_network():
    D = nn.Sequential(nn.Conv2d(1, 2, 3), nn.VirtualBatchNorm2d(2))
    x = batch(2, 1, 5, 5, dtype=np.float32)
    with pytest.raises(StateError, match="no reference batch yet"):
        D(x)
    with nn.reference_batch(D, batch(6, 1, 5, 5, dtype=np.float32)):
        pass
    twin = nn.Sequential(nn.Conv2d(1, 2, 3), nn.VirtualBatchNorm2d(2))
    twin.load_state_dict(D.state_dict())
    np.testing.assert_array_equal(twin(x).data, D(x).data)
    np.testing.assert_array_equal(copy.deepcopy(D)(x).data, D(x).data)


def test_a_failed_reference_leaves_the_network_as_it_was():
    D = nn.Sequential(nn.VirtualBatchNorm2d(2), nn.Flatten(), nn.Linear(8, 1))
    with nn.reference_batch(D, batch(3, 2, 2, 2, dtype=np.float32)):
        pass
    x = batch(1, 2, 2, 2, dtype=np.float32)
    before = D(x).data
    with pytest.raises(ShapeError), nn.reference_batch(D, batch(3, 3, 2, 2, dtype=np.float32)):
        pass
    np.testing.assert_array_equal(D(x).data, before)
    with (
        pytest.raises(OptionError, match="has no VirtualBatchNorm2d"),
        nn.reference_batch(nn.Linear(1, 1), x),
    ):
        pass


def test_eval_leaves_running_statistics_alone():
    layer = nn.InstanceNorm2d(3, track_running_stats=True).eval()
    before = layer.state_dict()
    with no_grad():
        layer(batch(4, 3, 4, 4, dtype=np.float32))
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
