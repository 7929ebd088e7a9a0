"""Styles, equalised layers and weight norm; and what all layers of style and norm owe."""

import numpy as np
import pytest
from kernel_checks import no_float64

from tinygan import Tensor, grad, kernels, nn, ops, optim, random
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.nn.utils import remove_weight_norm, weight_norm
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)
F64 = {"dtype": np.float64}


def batch(*shape, dtype=np.float64):
    return Tensor(RNG.normal(0.5, 2.0, shape).astype(dtype))


# --- styles ---


def test_adain_gives_each_channel_the_statistics_of_the_style():
    x, scale, shift = batch(3, 2, 6, 5), batch(3, 2), batch(3, 2)
    y = ops.adain(x, scale, shift, eps=0.0).data
    np.testing.assert_allclose(y.mean((2, 3)), shift.data, rtol=1e-10)
    np.testing.assert_allclose(y.std((2, 3)), np.abs(scale.data), rtol=1e-10)


def test_a_fresh_adain_is_instance_norm_for_the_style_0():
    layer, x = nn.AdaIN(3, 4, **F64), batch(2, 3, 3, 3)
    y = layer(x, Tensor(np.zeros((2, 4))))
    np.testing.assert_allclose(y.data, nn.InstanceNorm2d(3)(x).data, rtol=1e-12, atol=1e-14)
    assert list(layer.state_dict()) == ["style.weight", "style.bias"]


def loop_of_modulated_conv(x, w, style, stride, padding, demodulate, transposed, eps=1e-8):
    """Give equations 1 to 3 of arXiv:1912.04958 by loops over samples and taps."""
    y = []
    for n in range(len(x)):
        mine = w * style[n][None, :, None, None]
        if demodulate:
            mine = mine / np.sqrt((mine**2).sum((1, 2, 3), keepdims=True) + eps)
        y.append(
            spread(x[n], mine, stride, padding)
            if transposed
            else gather(x[n], mine, stride, padding)
        )
    return np.stack(y)


def gather(x, w, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    o, _, r, s = w.shape
    p, q = ((n - k) // stride + 1 for n, k in zip(x.shape[1:], (r, s), strict=True))
    y = np.zeros((o, p, q))
    for k, i, j in np.ndindex(o, p, q):
        y[k, i, j] = (w[k] * x[:, i * stride : i * stride + r, j * stride : j * stride + s]).sum()
    return y


def spread(x, w, stride, padding):
    o, _, r, s = w.shape
    y = np.zeros((o, (x.shape[1] - 1) * stride + r, (x.shape[2] - 1) * stride + s))
    for k, i, j in np.ndindex(*x.shape):
        y[:, i * stride : i * stride + r, j * stride : j * stride + s] += w[:, k] * x[k, i, j]
    return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
def test_modulated_conv_is_its_equations(stride, padding, demodulate, transposed, grouped):
    x, w, style = batch(3, 2, 5, 4), batch(4, 2, 3, 3), batch(3, 2)
    window = {"stride": stride, "padding": padding}
    how = {"demodulate": demodulate, "transposed": transposed}
    y = ops.modulated_conv2d(x, w, style, **window, **how, grouped=grouped)
    expected = loop_of_modulated_conv(x.data, w.data, style.data, **window, **how)
    np.testing.assert_allclose(y.data, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("transposed", [True, False])
def test_both_forms_of_modulated_conv_have_one_gradient(transposed):
    operands = [batch(3, 2, 5, 4), batch(4, 2, 3, 3), batch(3, 2)]
    xs, g, found = [Tensor(a.data, requires_grad=True) for a in operands], None, []
    for grouped in (True, False):
        y = ops.modulated_conv2d(*xs, stride=2, padding=1, transposed=transposed, grouped=grouped)
        g = batch(*y.shape) if g is None else g
        found.append(grad((y * g).sum(), xs))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-9, atol=1e-11)


def test_demodulation_keeps_the_size_of_activations_whatever_the_style():
    x, w = Tensor(RNG.normal(size=(2, 64, 12, 12))), batch(32, 64, 3, 3)
    style = np.exp(RNG.normal(size=(2, 64)))
    small = ops.modulated_conv2d(x, w, style).data
    large = ops.modulated_conv2d(x, w, 1000 * style).data
    np.testing.assert_allclose(small, large, rtol=1e-6)
    assert 0.9 < small.std() < 1.1


def test_modulated_conv_refuses_what_does_not_fit():
    x, w, s = batch(2, 3, 5, 5), batch(4, 3, 3, 3), batch(2, 3)
    for wrong in ((x[0], w, s), (x, w[:, :2], s), (x, w, s[:1]), (x, w[0], s)):
        with pytest.raises(ShapeError, match=r"modulated_conv2d: x .* do not fit"):
            ops.modulated_conv2d(*wrong)
    with pytest.raises(DtypeError, match="style float32"):
        ops.modulated_conv2d(x, w, s.astype(np.float32))
    with pytest.raises(OptionError, match="holds nothing"):
        nn.ModulatedConv2d(3, 0, 3, 4)
    with pytest.raises(OptionError, match="output_padding 1 fits transposed=True alone"):
        ops.modulated_conv2d(x, w, s, output_padding=1)
    with pytest.raises(OptionError, match="output_padding fits transposed=True alone"):
        nn.ModulatedConv2d(3, 2, 3, 4, output_padding=1)
    layer = nn.ModulatedConv2d(3, 2, 3, 4)
    for x, w in ((batch(2, 3, 5, 5), batch(2, 3)), (batch(2, 2, 5, 5), batch(2, 4))):
        with pytest.raises(ShapeError, match=r"ModulatedConv2d takes x \(N, 3, H, W\) and w"):
            layer(x, w)


def test_styles_that_do_not_fit_are_refused_under_the_name_of_the_op():
    x, fits = batch(2, 3, 4, 4), batch(2, 3)
    for op in (ops.film, ops.adain, ops.conditional_batch_norm):
        for styles in ((batch(2, 4), fits), (fits, batch(1, 3))):
            with pytest.raises(ShapeError, match=rf"^{op.__name__}: s.* one a channel and sample"):
                op(x, *styles)
    for image, w in ((x, batch(2, 4)), (x, batch(3, 5)), (batch(2, 4, 4, 4), batch(2, 5))):
        with pytest.raises(ShapeError, match=r"AdaIN takes x \(N, 3, L, ...\) and w \(N, 5\)"):
            nn.AdaIN(3, 5)(image, w)


def test_modulated_conv_layer_scales_filters_by_the_style():
    layer = nn.ModulatedConv2d(3, 4, 3, 5, padding=1, demodulate=False, **F64)
    x, w = batch(2, 3, 5, 5), batch(2, 5)
    shapes = {k: v.shape for k, v in layer.state_dict().items()}
    assert shapes == {"weight": (4, 3, 3, 3), "style.weight": (3, 5), "style.bias": (3,)}
    style = w.data @ layer.style.weight.data.T / np.sqrt(5) + 1
    filters = layer.weight.data / np.sqrt(27)
    expected = loop_of_modulated_conv(x.data, filters, style, 1, 1, False, False)
    np.testing.assert_allclose(layer(x, w).data, expected, rtol=1e-10)


# --- equalised learning rate ---


def test_equal_layers_scale_their_weights_in_each_forward():
    x = batch(3, 8)
    layer = nn.EqualLinear(8, 4, gain=2.0, lr_multiplier=0.1, bias_init=0.5, **F64)
    expected = x.data @ layer.weight.data.T * (2.0 * 0.1 / np.sqrt(8)) + 0.5
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-12)
    np.testing.assert_allclose(layer.bias.data, 5.0)  # 0.5 / lr_multiplier

    image = batch(2, 4, 5, 5)
    conv = nn.EqualConv2d(4, 6, 3, 2, 1, groups=2, gain=1.5, lr_multiplier=0.5, **F64)
    conv.bias.assign_(np.arange(6.0))
    plain = nn.Conv2d(4, 6, 3, 2, 1, groups=2, **F64)
    plain.weight.assign_(conv.weight.data * (1.5 * 0.5 / np.sqrt(2 * 9)))
    plain.bias.assign_(conv.bias.data * 0.5)
    np.testing.assert_allclose(conv(image).data, plain(image).data, rtol=1e-12)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_equal_layers_draw_from_the_normal_distribution(lr_multiplier):
    with random.using(random.Streams(3)):
        layer = nn.EqualLinear(200, 300, lr_multiplier=lr_multiplier)
        conv = nn.EqualConv2d(20, 40, 5, lr_multiplier=lr_multiplier)
    for w in (layer.weight.data, conv.weight.data):
        assert abs(w.mean() * lr_multiplier) < 0.03
        assert abs(w.std() * lr_multiplier - 1) < 0.03
    y = layer(Tensor(RNG.normal(size=(500, 200)).astype(np.float32))).data
    assert abs(y.std() - 1) < 0.05
    assert not layer.bias.data.any()


def test_a_smaller_multiplier_learns_slower_by_as_much():
    moved = []
    for lr_multiplier in (1.0, 0.01):
        layer = nn.EqualLinear(6, 3, bias=False, lr_multiplier=lr_multiplier, **F64)
        before, x = layer(batch_of_ones).data, batch_of_ones
        optimizer = optim.Adam(layer.parameters(), lr=0.1)
        optimizer.step(grad(layer(x).sum(), optimizer.params))
        moved.append(np.abs(layer(x).data - before).max())
    np.testing.assert_allclose(moved[1] / moved[0], 0.01, rtol=1e-5)


batch_of_ones = Tensor(np.ones((1, 6)))


def test_equal_layers_refuse_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"EqualLinear takes x \(..., 8\)"):
        nn.EqualLinear(8, 4)(batch(2, 7))
    with pytest.raises(OptionError, match="lr_multiplier 0"):
        nn.EqualLinear(8, 4, lr_multiplier=0)


# --- weight norm ---


def test_weight_norm_keeps_the_function_and_parts_length_from_direction():
    layer, x = nn.Conv2d(3, 4, 2, **F64), batch(2, 3, 4, 4)
    before, w = layer(x).data, layer.weight.data.copy()
    # both sums of 12 products and a bias round 13 times, v g / |v| at most 12 times; u = eps / 2
    size = ops.conv2d(abs(x.data), abs(w)).data + abs(layer.bias.data).reshape(-1, 1, 1)
    limit = (2 * 13 + 12) * np.finfo(np.float64).eps / 2 * size
    assert weight_norm(layer) is layer
    assert np.all(abs(layer(x).data - before) <= limit)
    lengths = np.sqrt((w**2).sum((1, 2, 3)))
    np.testing.assert_allclose(layer.weight_g.data.ravel(), lengths, rtol=1e-12)
    assert list(layer.named_parameters()) == ["bias", "weight_g", "weight_v"]
    assert not hasattr(layer, "weight")
    layer.weight_v.assign_(layer.weight_v.data * 3)  # the length of v is nothing
    assert np.all(abs(layer(x).data - before) <= limit)


def test_the_gradient_of_a_direction_is_orthogonal_to_it():
    layer = weight_norm(nn.Linear(5, 3, **F64))
    g_g, g_v = grad((layer(batch(4, 5)) * batch(4, 3)).sum(), [layer.weight_g, layer.weight_v])
    np.testing.assert_allclose((g_v.data * layer.weight_v.data).sum(axis=1), 0, atol=1e-12)
    assert np.abs(g_g.data).min() > 0


def test_removing_weight_norm_keeps_the_function():
    layer, x = weight_norm(nn.Linear(5, 3, **F64), dim=None), batch(2, 5)
    layer.weight_g.assign_(layer.weight_g.data * 2)
    before = layer(x).data
    assert remove_weight_norm(layer) is layer
    np.testing.assert_allclose(layer(x).data, before, rtol=1e-12)
    assert set(layer.named_parameters()) == {"weight", "bias"}
    with pytest.raises(OptionError, match="has none on 'weight'"):
        remove_weight_norm(layer)


def test_weight_norm_refuses_what_does_not_fit():
    with pytest.raises(OptionError, match="ReLU has no parameter 'weight'"):
        weight_norm(nn.ReLU())
    with pytest.raises(OptionError, match="no axis 2"):
        weight_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(ShapeError, match="has no axis"):
        ops.weight_norm(batch(2, 3), batch(2, 1), dim=2)
    with pytest.raises(ShapeError, match="does not fit"):
        ops.weight_norm(batch(2, 3), batch(2), dim=0)


# --- all of them ---


def networks(dtype):
    def latent(layer, dim):
        w = batch(4, dim, dtype=dtype)
        return lambda x: layer(x, w)

    vbn = nn.VirtualBatchNorm2d(3, dtype=dtype)
    with nn.reference_batch(vbn, batch(5, 3, 4, 4, dtype=dtype)):
        pass
    cbn = nn.ConditionalBatchNorm2d(3, 2, dtype=dtype)
    modulated = {"dtype": dtype, "padding": 1, "stride": 2, "transposed": True}
    return {
        "instance": nn.InstanceNorm2d(3, affine=True, track_running_stats=True, dtype=dtype),
        "group": nn.GroupNorm(3, 3, dtype=dtype),
        "layer": nn.LayerNorm((3, 4, 4), dtype=dtype),
        "pixel": nn.PixelNorm(),
        "conditional": lambda x: cbn(x, np.array([0, 1, 1, 0])),
        "vector": latent(nn.ConditionalBatchNorm2d(3, cond_dim=5, dtype=dtype), 5),
        "virtual": vbn,
        "adain": latent(nn.AdaIN(3, 5, dtype=dtype), 5),
        "modulated": latent(nn.ModulatedConv2d(3, 2, 3, 5, **modulated), 5),
        "equal": nn.EqualConv2d(3, 2, 3, dtype=dtype),
        "weight norm": weight_norm(nn.Conv2d(3, 2, 3, dtype=dtype)),
    }


@pytest.mark.parametrize("name", networks(np.float64))
def test_layers_are_differentiable_to_third_order(name, backend):
    layer, x = networks(np.float64)[name], batch(4, 3, 4, 4).data
    with kernels.use_backend(backend, "numpy"):
        check_grads(layer, [x], order=3, bare=False)


@pytest.mark.parametrize("name", networks(np.float32))
@no_float64()
def test_no_float64_appears_in_a_float32_penalty(name):
    layer = networks(np.float32)[name]
    x = Tensor(batch(4, 3, 4, 4, dtype=np.float32).data, requires_grad=True)
    (g,) = grad((layer(x) ** 2).sum(), [x], create_graph=True)
    (gg,) = grad((g * g).sum(), [x])
    assert gg.dtype == np.float32
    assert np.isfinite(gg.data).all()
