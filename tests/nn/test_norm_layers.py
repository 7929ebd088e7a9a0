"""Batch norm and spectral norm as layers: their state, their modes, and graphs that span both."""

import copy

import numpy as np
import pytest

from tinygan import nn, random
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.nn.utils import remove_spectral_norm, spectral_norm
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)


def batch(*shape, dtype=np.float32):
    return Tensor(RNG.normal(2.0, 3.0, shape).astype(dtype))


# --- batch norm ---


def test_training_normalises_by_the_biased_variance_of_the_batch():
    layer, x = nn.BatchNorm2d(3), batch(4, 3, 5, 6)
    layer.weight.assign_(np.array([1, 2, 3], np.float32))
    layer.bias.assign_(np.array([0, -1, 1], np.float32))
    mean = x.data.mean((0, 2, 3), keepdims=True)
    var = x.data.astype(np.float64).var((0, 2, 3), keepdims=True)
    shape = (1, 3, 1, 1)
    expected = (x.data - mean) / np.sqrt(var + 1e-5) * layer.weight.data.reshape(shape)
    expected += layer.bias.data.reshape(shape)
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-4, atol=1e-5)


def test_running_statistics_move_by_momentum_towards_mean_and_unbiased_variance():
    layer = nn.BatchNorm2d(2, momentum=0.3)
    mean, var = np.zeros(2), np.ones(2)
    for _ in range(3):
        x = batch(2, 2, 3, 3)
        layer(x)
        mean = 0.7 * mean + 0.3 * x.data.mean((0, 2, 3))
        var = 0.7 * var + 0.3 * x.data.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-5)
    assert layer.running_var.dtype == np.float32
    assert int(layer.num_batches_tracked) == 3
    assert layer.num_batches_tracked.dtype == np.int64
    assert layer.num_batches_tracked.shape == ()


def test_without_momentum_the_statistics_average_evenly():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [batch(8, 2) for _ in range(3)]
    for x in batches:
        layer(x)
    expected = np.mean([x.data.mean(0) for x in batches], 0)
    np.testing.assert_allclose(layer.running_mean.data, expected, rtol=1e-5)
    expected = np.mean([x.data.var(0, ddof=1) for x in batches], 0)
    np.testing.assert_allclose(layer.running_var.data, expected, rtol=1e-5)


def test_eval_uses_the_running_statistics_and_leaves_them_alone():
    layer = nn.BatchNorm1d(2).eval()
    layer.running_mean.assign_(np.array([1, 2], np.float32))
    layer.running_var.assign_(np.array([4, 9], np.float32))
    before = layer.state_dict()
    y = layer(Tensor(np.array([[3.0, 5.0]], np.float32)))  # one row is enough in eval mode
    np.testing.assert_allclose(y.data, [[1, 1]], rtol=1e-5)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_eps_of_a_careless_positional_argument_elsewhere_loads_as_eps():
    layer = nn.BatchNorm1d(1, eps=0.8).eval()
    np.testing.assert_allclose(layer(Tensor([[3.0]])).data, [[3 / np.sqrt(1.8)]], rtol=1e-6)


def test_without_tracking_eval_too_uses_the_batch():
    layer = nn.BatchNorm1d(2, track_running_stats=False)
    assert list(layer.state_dict()) == ["weight", "bias"]
    x = batch(6, 2)
    np.testing.assert_array_equal(layer(x).data, layer.eval()(x).data)
    np.testing.assert_allclose(layer(x).data.mean(0), [0, 0], atol=1e-5)


def test_without_affine_weight_and_bias_are_one_and_zero():
    layer, full = nn.BatchNorm1d(2, affine=False), nn.BatchNorm1d(2)
    x = batch(6, 2)
    assert layer.parameters() == []
    np.testing.assert_array_equal(layer(x).data, full(x).data)
    np.testing.assert_array_equal(layer.eval()(x).data, full.eval()(x).data)


def test_without_a_bias_the_weight_alone_is_learned():
    norm, plain = nn.BatchNorm2d(3, bias=False), nn.BatchNorm2d(3)
    assert list(norm.named_parameters()) == ["weight"]
    x = Tensor(RNG.normal(1, 3, (4, 3, 2, 5)).astype(np.float32))
    for _ in range(2):
        np.testing.assert_array_equal(norm(x).data, plain(x).data)
        norm.eval()
        plain.eval()


def test_batch_norm3d_takes_volumes():
    norm = nn.BatchNorm3d(3)
    y = norm(Tensor(RNG.normal(1, 3, (4, 3, 2, 5, 2)).astype(np.float32)))
    np.testing.assert_allclose(y.data.mean((0, 2, 3, 4)), 0, atol=1e-6)
    with pytest.raises(ShapeError, match=r"BatchNorm3d takes x \(N, 3, D, H, W\), got \(4, 3, 2\)"):
        norm(Tensor(np.zeros((4, 3, 2), np.float32)))


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_another_dtype_than_the_layers_is_refused_in_both_modes(dtype):
    norm = nn.BatchNorm2d(3)
    for _ in range(2):
        with pytest.raises(DtypeError, match="all float32 or all float64 fit"):
            norm(Tensor(np.ones((4, 3, 2, 5), dtype)))
        norm.eval()


def test_a_norm_of_no_channels_is_refused():
    with pytest.raises(OptionError, match="num_features 0: 1 or more fit"):
        nn.BatchNorm1d(0)


def test_one_value_a_channel_has_no_statistics():
    with pytest.raises(ShapeError):
        nn.BatchNorm1d(3)(batch(1, 3))
    with pytest.raises(ShapeError):
        nn.BatchNorm2d(3)(batch(1, 3, 1, 1))


def test_batch_norm1d_takes_sequences():
    x = batch(4, 3, 5)
    y = nn.BatchNorm1d(3)(x)
    np.testing.assert_allclose(y.data.mean((0, 2)), np.zeros(3), atol=1e-5)
    np.testing.assert_allclose(y.data.std((0, 2)), np.ones(3), atol=1e-4)


# --- spectral norm ---


def sigma_of(layer):
    """Capture the weight that a Linear uses, by the identity."""
    return np.linalg.norm(layer(Tensor(np.eye(layer.in_features, dtype=np.float32))).data, 2)


def test_spectral_norm_has_the_keys_of_pytorch():
    layer = spectral_norm(nn.Conv2d(3, 4, 2))
    shapes = {key: value.shape for key, value in layer.state_dict().items()}
    assert shapes == {
        "bias": (4,),
        "weight_orig": (4, 3, 2, 2),
        "weight_u": (4,),
        "weight_v": (12,),
    }
    assert list(layer.named_parameters()) == ["bias", "weight_orig"]


def test_spectral_norm_of_a_transposed_convolution_takes_its_outputs_as_rows():
    layer = spectral_norm(nn.ConvTranspose2d(3, 4, 2))
    assert layer.weight_u.shape == (4,)
    assert layer.weight_v.shape == (3 * 2 * 2,)


def test_training_brings_the_largest_singular_value_to_one():
    layer = spectral_norm(nn.Linear(6, 4, bias=False))
    for _ in range(50):
        layer(Tensor(np.zeros((1, 6), np.float32)))
    assert abs(sigma_of(layer) - 1) < 1e-4
    first = np.linalg.svd(layer.weight_orig.data)[0][:, 0]
    assert abs(abs(first @ layer.weight_u.data) - 1) < 1e-4


def test_more_power_iterations_come_closer_in_one_forward():
    def distance(n):
        layer = nn.Linear(8, 8, bias=False)
        layer.weight.assign_(np.diag(np.arange(1, 9)).astype(np.float32))
        return abs(sigma_of(spectral_norm(layer, n_power_iterations=n)) - 1)

    assert distance(60) < 1e-4 < distance(1)


def test_one_forward_is_one_step_of_power_iteration():
    layer = spectral_norm(nn.Conv2d(2, 3, 2, bias=False))
    w = layer.weight_orig.data.reshape(3, 8).astype(np.float64)
    v = w.T @ layer.weight_u.data
    v /= np.linalg.norm(v)
    u = w @ v
    u /= np.linalg.norm(u)
    x = batch(1, 2, 4, 4)
    y = layer(x)
    np.testing.assert_allclose(layer.weight_u.data, u, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.weight_v.data, v, rtol=1e-5, atol=1e-6)
    plain = nn.Conv2d(2, 3, 2, bias=False)
    plain.weight.assign_((w / (u @ w @ v)).reshape(3, 2, 2, 2).astype(np.float32))
    np.testing.assert_allclose(y.data, plain(x).data, rtol=1e-4, atol=1e-5)


def test_eval_freezes_u_and_v():
    layer = spectral_norm(nn.Linear(5, 3)).eval()
    u, v = layer.weight_u.data.copy(), layer.weight_v.data.copy()
    first, second = layer(batch(2, 5)), layer(batch(2, 5))
    assert first.shape == second.shape == (2, 3)
    np.testing.assert_array_equal(layer.weight_u.data, u)
    np.testing.assert_array_equal(layer.weight_v.data, v)


def test_spectral_norm_of_a_transposed_convolution_divides_by_sigma_of_its_outputs():
    layer = nn.ConvTranspose2d(3, 4, 2, bias=False)
    w = layer.weight.data.copy()
    spectral_norm(layer, n_power_iterations=200)
    x = batch(1, 3, 3, 3)
    plain = nn.ConvTranspose2d(3, 4, 2, bias=False)
    sigma = np.linalg.norm(w.transpose(1, 0, 2, 3).reshape(4, -1), 2)
    plain.weight.assign_((w / sigma).astype(np.float32))
    np.testing.assert_allclose(layer(x).data, plain(x).data, rtol=1e-3, atol=1e-4)


def test_weight_exists_only_while_a_forward_runs():
    layer = spectral_norm(nn.Linear(2, 2))
    layer(batch(1, 2))
    assert not hasattr(layer, "weight")
    with pytest.raises(ShapeError):
        layer(batch(1, 3))
    assert not hasattr(layer, "weight")


def test_removing_spectral_norm_keeps_the_function():
    layer = spectral_norm(nn.Conv2d(2, 3, 2))
    x = batch(1, 2, 3, 3)
    layer(x)
    expected = layer.eval()(x).data
    assert remove_spectral_norm(layer.train()) is layer
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-6)
    assert set(layer.named_parameters()) == {"weight", "bias"}
    assert layer.named_buffers() == {}
    assert layer.training
    with pytest.raises(OptionError, match="has none on 'weight'"):
        remove_spectral_norm(layer)


def test_spectral_norm_refuses_what_has_no_such_matrix():
    with pytest.raises(OptionError, match="ReLU has no matrix 'weight'"):
        spectral_norm(nn.ReLU())
    with pytest.raises(OptionError, match="no matrix 'bias'"):
        spectral_norm(nn.Linear(2, 2), "bias")
    with pytest.raises(OptionError, match="1 or more"):
        spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    twice = spectral_norm(nn.Linear(2, 2))
    with pytest.raises(OptionError, match="no matrix 'weight'"):
        spectral_norm(twice)


def test_a_copy_of_a_normalised_layer_has_weights_of_its_own():
    layer = spectral_norm(nn.Linear(3, 3))
    twin = copy.deepcopy(layer).eval()
    x = batch(2, 3)
    before = twin(x).data
    layer.weight_orig.assign_(layer.weight_orig.data[::-1].copy())
    np.testing.assert_array_equal(twin(x).data, before)


def test_derivatives_hold_u_and_v_constant():
    with random.using(random.Streams(0)):  # a sigma near 0 would saturate the check's tanh
        layer = spectral_norm(nn.Conv2d(2, 2, 2, dtype=np.float64)).eval()

    def fn(bias, w, x):
        return nn.functional_call(layer, {"bias": bias, "weight_orig": w}, x)

    x = np.random.default_rng(3).normal(size=(1, 2, 3, 3))
    check_grads(fn, [layer.bias.data, layer.weight_orig.data, x], order=2)


# --- one graph over several forwards ---


def discriminator():
    return nn.Sequential(
        spectral_norm(nn.Conv2d(1, 4, 4, 2, 1, dtype=np.float64)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.ConvTranspose2d(4, 4, 3, 1, 1, dtype=np.float64)),
        nn.BatchNorm2d(4, dtype=np.float64),
        nn.Flatten(),
        spectral_norm(nn.Linear(64, 1, dtype=np.float64)),
    )


REAL, FAKE = batch(3, 1, 8, 8, dtype=np.float64), batch(3, 1, 8, 8, dtype=np.float64)


def test_two_forwards_in_training_mode_and_one_backward():
    D = discriminator()
    first, second = copy.deepcopy(D), copy.deepcopy(D)
    gw = grad(D(REAL).sum() - D(FAKE).sum(), D.parameters())

    real = grad(first(REAL).sum(), first.parameters())
    second.load_state_dict(first.state_dict())  # u and v as the first forward left them
    fake = grad(second(FAKE).sum(), second.parameters())
    for together, a, b in zip(gw, real, fake, strict=True):
        np.testing.assert_allclose(together.data, a.data - b.data, rtol=1e-9, atol=1e-12)
    for key, value in second.state_dict().items():
        np.testing.assert_array_equal(value, D.state_dict()[key])


def test_backward_goes_through_after_later_forwards_of_every_mode():
    D = discriminator()
    x = Tensor(REAL.data, requires_grad=True)
    D.eval()
    evaluated = D(x).sum()
    D.train()
    trained = D(x).sum()
    expected = [grad(y, x, retain_graph=True).data for y in (evaluated, trained)]
    D(FAKE)
    with no_grad():
        D(FAKE)
    D.eval()
    D(FAKE)
    nn.functional_call(D, dict(D.named_parameters()), FAKE)
    for y, gx in zip((evaluated, trained), expected, strict=True):
        np.testing.assert_array_equal(grad(y, x).data, gx)


def test_a_gradient_penalty_goes_through_after_another_forward():
    D = discriminator()
    x = Tensor(REAL.data, requires_grad=True)
    (gx,) = grad(D(x).sum(), [x], create_graph=True)
    D(FAKE)
    penalty = (gx * gx).sum()
    assert all(np.isfinite(g.data).all() for g in grad(penalty, D.parameters()))
