"""Layers against plain loops and formulas; names, shapes, layout, errors and gradients."""

import itertools

import numpy as np
import pytest

from tinygan import nn, ops, random
from tinygan.autograd import Tensor
from tinygan.errors import OptionError, ShapeError
from tinygan.kernels.arrays import as_channels_last, is_channels_last
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)


def images(*shape, dtype=np.float32):
    return as_channels_last(RNG.normal(size=shape).astype(dtype))


# --- values ---


def naive_conv(x, w, b, stride, padding, groups):
    """Cross-correlate by the definition, one output at a time."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    n, _, h, width = x.shape
    o, cg, r, s = w.shape
    y = np.zeros((n, o, (h - r) // stride + 1, (width - s) // stride + 1))
    for i, j, p, q in np.ndindex(y.shape):
        first = j // (o // groups) * cg
        rows, columns = slice(p * stride, p * stride + r), slice(q * stride, q * stride + s)
        y[i, j, p, q] = (x[i, first : first + cg, rows, columns] * w[j]).sum() + b[j]
    return y


def naive_conv_transpose(x, w, b, stride, padding, output_padding):
    """Stamp each pixel of x times the filter into y, then cut the padding off."""
    n, _, h, width = x.shape
    _, o, r, s = w.shape
    y = np.zeros(
        (n, o, (h - 1) * stride + r + output_padding, (width - 1) * stride + s + output_padding)
    )
    for i, j, p, q in np.ndindex(x.shape):
        rows, columns = slice(p * stride, p * stride + r), slice(q * stride, q * stride + s)
        y[i, :, rows, columns] += x[i, j, p, q] * w[j]
    end_h, end_w = y.shape[2] - padding, y.shape[3] - padding
    return y[:, :, padding:end_h, padding:end_w] + b.reshape(1, -1, 1, 1)


def test_linear_is_x_times_w_transposed_plus_b():
    layer = nn.Linear(3, 2)
    x = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    expected = x @ layer.weight.data.T + layer.bias.data
    np.testing.assert_allclose(layer(Tensor(x)).data, expected, rtol=1e-5, atol=1e-6)
    assert nn.Linear(3, 2, bias=False).bias is None


@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 1, 1), (2, 2, 2)])
def test_conv2d_is_cross_correlation(stride, padding, groups):
    layer = nn.Conv2d(4, 6, 3, stride, padding, groups=groups)
    x = images(2, 4, 7, 8)
    expected = naive_conv(x, layer.weight.data, layer.bias.data, stride, padding, groups)
    np.testing.assert_allclose(layer(Tensor(x)).data, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("stride", "padding", "extra"), [(1, 0, 0), (2, 1, 0), (3, 1, 2)])
def test_conv_transpose2d_stamps_filters(stride, padding, extra):
    layer = nn.ConvTranspose2d(3, 2, 4, stride, padding, output_padding=extra)
    x = images(2, 3, 5, 4)
    expected = naive_conv_transpose(x, layer.weight.data, layer.bias.data, stride, padding, extra)
    np.testing.assert_allclose(layer(Tensor(x)).data, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("taps", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_same_padding_keeps_the_size_and_surrounds_by_the_mode(mode, taps):
    layer = nn.Conv2d(2, 3, taps, padding="same", padding_mode=mode, dilation=2)
    x = images(2, 2, 7, 8)
    before = taps - 1  # dilation * (taps - 1) in all, which is even
    sides = [(0, 0), (0, 0), (before, before), (before, before)]
    padded = ops.pad(x, sides, mode="constant" if mode == "zeros" else mode)
    y = layer(Tensor(x))
    assert y.shape == (2, 3, 7, 8)
    want = ops.conv2d(padded, layer.weight, layer.bias, dilation=2)
    np.testing.assert_allclose(y.data, want.data, atol=1e-6)


def test_the_one_more_of_same_padding_comes_last():
    layer = nn.Conv1d(1, 1, 2, padding="same", bias=False)
    layer.weight.assign_(np.array([[[1.0, 10.0]]], np.float32))
    y = layer(Tensor(np.array([[[1.0, 2.0, 3.0]]], np.float32)))
    assert y.data.tolist() == [[[21.0, 32.0, 3.0]]]


def test_padding_mode_is_read_at_every_call():
    layer = nn.EqualConv2d(2, 3, 3, padding=1, padding_mode="reflect")
    x = Tensor(images(1, 2, 4, 5))
    y = layer(x)
    layer.padding_mode = "circular"
    assert np.abs(layer(x).data - y.data).max() > 1e-3
    assert "padding_mode='circular'" in repr(layer)
    with pytest.raises(ShapeError, match="conv2d"):
        layer(x[0])


def test_upsample_takes_lists_as_pairs():
    x = Tensor(images(1, 2, 3, 4))
    assert nn.Upsample([5, 6])(x).shape == (1, 2, 5, 6)
    assert nn.Upsample(scale_factor=[2, 3.0])(x).shape == (1, 2, 6, 12)


def test_convolutions_take_pairs():
    y = nn.Conv2d(1, 1, (3, 1), (2, 1), (1, 0), dilation=(1, 1))(Tensor(images(1, 1, 8, 5)))
    assert y.shape == (1, 1, 4, 5)
    y = nn.ConvTranspose2d(1, 1, (4, 1), (2, 1), (1, 0))(Tensor(images(1, 1, 4, 5)))
    assert y.shape == (1, 1, 8, 5)


def test_embedding_looks_rows_up():
    layer = nn.Embedding(5, 3)
    index = np.array([[4, 0], [4, 1]])
    np.testing.assert_array_equal(layer(Tensor(index)).data, layer.weight.data[index])


X = np.array([[-30.0, -1.5, -0.0, 0.5, 40.0]])
FORMULAS = {
    "relu": (nn.ReLU(), np.maximum(X, 0)),
    "leaky_relu": (nn.LeakyReLU(0.2), np.where(X > 0, X, 0.2 * X)),
    "leaky_relu default": (nn.LeakyReLU(), np.where(X > 0, X, 0.01 * X)),
    "prelu": (nn.PReLU(dtype=np.float64), np.where(X > 0, X, 0.25 * X)),
    "elu": (nn.ELU(0.7), np.where(X > 0, X, 0.7 * np.expm1(np.minimum(X, 0)))),
    "tanh": (nn.Tanh(), np.tanh(X)),
    "sigmoid": (nn.Sigmoid(), 1 / (1 + np.exp(-X))),
    "softplus": (nn.Softplus(), np.log1p(np.exp(X))),
    "silu": (nn.SiLU(), X / (1 + np.exp(-X))),
    "softmax": (nn.Softmax(1), np.exp(X) / np.exp(X).sum()),
    "log_softmax": (nn.LogSoftmax(1), X - np.log(np.exp(X).sum())),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_its_formula(name):
    layer, expected = FORMULAS[name]
    np.testing.assert_allclose(layer(Tensor(X)).data, expected, rtol=1e-9, atol=1e-15)


def test_prelu_has_a_slope_a_channel():
    layer = nn.PReLU(3, init=0.5)
    layer.weight.assign_(np.array([0.1, 0.2, 0.3], np.float32))
    y = layer(Tensor(-np.ones((1, 3, 2, 2), np.float32)))
    np.testing.assert_allclose(y.data[0, :, 0, 0], [-0.1, -0.2, -0.3])


@pytest.mark.parametrize("layer", [nn.ReLU(inplace=True), nn.LeakyReLU(0.2, inplace=True)])
def test_inplace_changes_nothing(layer):
    x = np.array([-1.0, 2.0], np.float32)
    layer(Tensor(x))
    np.testing.assert_array_equal(x, [-1, 2])


def test_pools_reduce_windows():
    x = images(2, 3, 7, 6)
    windows = [
        x[:, :, 2 * p : 2 * p + 3, 2 * q : 2 * q + 3]
        for p, q in itertools.product(range(3), [0, 1])
    ]
    largest = np.stack([w.max((2, 3)) for w in windows], -1).reshape(2, 3, 3, 2)
    average = np.stack([w.mean((2, 3)) for w in windows], -1).reshape(2, 3, 3, 2)
    np.testing.assert_array_equal(nn.MaxPool2d(3, 2)(Tensor(x)).data, largest)
    np.testing.assert_allclose(nn.AvgPool2d(3, 2)(Tensor(x)).data, average, rtol=1e-5, atol=1e-6)


def test_the_stride_of_a_pool_is_its_window_and_padding_counts_in_the_mean():
    ones = np.ones((1, 1, 4, 4), np.float32)
    assert nn.MaxPool2d(2)(Tensor(ones)).shape == (1, 1, 2, 2)
    padded = nn.AvgPool2d(2, padding=1)(Tensor(ones)).data[0, 0]
    np.testing.assert_allclose(padded, [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
    bare = nn.AvgPool2d(2, padding=1, count_include_pad=False)(Tensor(ones))
    np.testing.assert_allclose(bare.data, np.ones((1, 1, 3, 3)))


def test_upsample_repeats_pixels():
    x = images(1, 2, 2, 3)
    np.testing.assert_array_equal(
        nn.Upsample(scale_factor=2)(Tensor(x)).data, x.repeat(2, 2).repeat(2, 3)
    )


def test_pixel_shuffle_spreads_channels():
    x = images(1, 8, 2, 3)
    y = nn.PixelShuffle(2)(Tensor(x)).data
    for c, h, w, i, j in np.ndindex(2, 2, 3, 2, 2):
        assert y[0, c, 2 * h + i, 2 * w + j] == x[0, 4 * c + 2 * i + j, h, w]


def test_flatten_and_unflatten_undo_each_other():
    x = Tensor(RNG.normal(size=(2, 3, 4, 5)).astype(np.float32))
    flat = nn.Flatten()(x)
    assert flat.shape == (2, 60)
    np.testing.assert_array_equal(flat.data, x.data.reshape(2, 60))
    np.testing.assert_array_equal(nn.Unflatten(1, (3, 4, 5))(flat).data, x.data)
    assert nn.Unflatten(1, (3, -1, 5))(flat).shape == (2, 3, 4, 5)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)


def test_flatten_counts_channels_first_whatever_lies_in_memory():
    x = images(2, 3, 4, 5)
    np.testing.assert_array_equal(nn.Flatten()(Tensor(x)).data, x.copy().reshape(2, 60))


def test_identity_ignores_its_arguments():
    x = Tensor(1.0)
    assert nn.Identity(54, unused=True)(x) is x


# --- dropout ---


def test_dropout_zeroes_a_share_and_keeps_the_mean():
    layer = nn.Dropout(0.25)
    with random.using(random.Streams(3)):
        y = layer(Tensor(np.ones(20000, np.float32))).data
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 20000)


def test_dropout_does_nothing_in_eval_mode():
    x = Tensor(np.ones(5, np.float32))
    assert nn.Dropout(0.9).eval()(x) is x


def test_dropout_masks_follow_seed_and_step():
    layer, x = nn.Dropout(), Tensor(np.ones(64, np.float32))

    def mask(seed, step):
        streams = random.Streams(seed)
        streams.step = step
        with random.using(streams):
            return layer(x).data

    np.testing.assert_array_equal(mask(1, 7), mask(1, 7))
    assert not np.array_equal(mask(1, 7), mask(1, 8))
    assert not np.array_equal(mask(1, 7), mask(2, 7))


# --- PyTorch's names and shapes ---

SHAPES = {
    "linear": (nn.Linear(3, 5), {"weight": (5, 3), "bias": (5,)}),
    "linear bare": (nn.Linear(3, 5, bias=False), {"weight": (5, 3)}),
    "conv": (nn.Conv2d(4, 6, 3, groups=2), {"weight": (6, 2, 3, 3), "bias": (6,)}),
    "conv rectangle": (nn.Conv2d(4, 6, (3, 1), bias=False), {"weight": (6, 4, 3, 1)}),
    "deconv": (nn.ConvTranspose2d(4, 6, 3, groups=2), {"weight": (4, 3, 3, 3), "bias": (6,)}),
    "embedding": (nn.Embedding(10, 3), {"weight": (10, 3)}),
    "prelu": (nn.PReLU(7), {"weight": (7,)}),
    "batch norm": (
        nn.BatchNorm2d(4),
        {
            "weight": (4,),
            "bias": (4,),
            "running_mean": (4,),
            "running_var": (4,),
            "num_batches_tracked": (),
        },
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_keys_and_shapes_are_those_of_pytorch(name):
    layer, expected = SHAPES[name]
    state = layer.state_dict()
    assert {key: value.shape for key, value in state.items()} == expected
    assert list(state) == list(expected)
    kinds = {key: value.dtype for key, value in state.items()}
    assert kinds.pop("num_batches_tracked", np.int64) == np.int64
    assert set(kinds.values()) == {np.dtype(np.float32)}


# --- layout ---

IMAGE_LAYERS = [
    nn.Conv2d(4, 8, 4, 2, 1),
    nn.Conv2d(4, 8, 3, 1, 1, groups=2),
    nn.ConvTranspose2d(4, 8, 4, 2, 1),
    nn.BatchNorm2d(4),
    nn.BatchNorm2d(4).eval(),
    nn.ReLU(),
    nn.LeakyReLU(0.2),
    nn.PReLU(4),
    nn.ELU(),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.Softplus(),
    nn.SiLU(),
    nn.Dropout(),
    nn.MaxPool2d(2),
    nn.AvgPool2d(2),
    nn.Upsample(scale_factor=2),
    nn.PixelShuffle(2),
]


@pytest.mark.parametrize("layer", IMAGE_LAYERS, ids=lambda layer: repr(layer))
def test_a_layer_keeps_images_channels_last(layer):
    x = images(2, 4, 6, 6)
    y = layer(Tensor(x))
    assert y.dtype == np.float32
    assert is_channels_last(y.data)


# --- errors ---


def test_linear_names_the_width_that_it_takes():
    with pytest.raises(ShapeError, match=r"Linear takes x \(\.\.\., 3\), got \(2, 4\)"):
        nn.Linear(3, 2)(Tensor(np.zeros((2, 4), np.float32)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        lambda: nn.Conv2d(4, 3, 3, groups=2),
        lambda: nn.Conv2d(3, 4, 0),
        lambda: nn.Conv2d(3, 4, (3, 3, 3)),
        lambda: nn.Conv2d(0, 4, 3),
        lambda: nn.Conv2d(3, 4, 2.5),
        lambda: nn.Conv2d(3, 4, 3, 0),
        lambda: nn.Conv2d(3, 4, 3, 2, "same"),
        lambda: nn.Conv2d(3, 4, 3, 1, "full"),
        lambda: nn.Conv2d(3, 4, 3, 1, -1),
        lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"),
        lambda: nn.ConvTranspose2d(3, 4, 3, 1, "same"),
        lambda: nn.Conv1d(3, 4, 3, dilation=(1, 1)),
        lambda: nn.Linear(0, 4),
        lambda: nn.Dropout(1.0),
        lambda: nn.Dropout(-0.1),
        lambda: nn.Upsample(scale_factor=-1.5),
        lambda: nn.Upsample(scale_factor=2, mode="trilinear"),
        lambda: nn.Upsample(2, 2),
        lambda: nn.Upsample("4"),
        lambda: nn.Upsample((2, 2, 2)),
        lambda: nn.ReflectionPad2d((1, 2)),
        lambda: nn.Blur((1, -1)),
        lambda: nn.Blur(up=2, down=2),
        lambda: nn.Blur(up=(2, 1)),
        lambda: nn.Blur(up=1.5),
        lambda: nn.Conv1d(3, 4, (3, 3)),
        lambda: nn.Conv3d(3, 4, (3, 3)),
    ],
)
def test_a_layer_that_can_not_be_is_refused_when_it_is_made(make):
    with pytest.raises(OptionError):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: nn.Conv2d(3, 4, 3)(x),
        lambda x: nn.ConvTranspose2d(3, 4, 3)(x),
        lambda x: nn.Unflatten(1, (3, 3))(x),
        lambda x: nn.Unflatten(9, (3, 3))(x),
        lambda x: nn.BatchNorm2d(3)(x),
        lambda x: nn.BatchNorm1d(4)(x),
    ],
)
def test_an_input_that_does_not_fit_is_refused(call):
    with pytest.raises(ShapeError):
        call(Tensor(np.zeros((2, 4, 5, 5), np.float32)))


def test_hyper_parameters_of_norms_are_keywords():
    with pytest.raises(TypeError):
        nn.BatchNorm2d(3, 0.8)


# --- gradients ---

F64 = {"dtype": np.float64}
GRADIENTS = {
    "linear": (nn.Linear(3, 2, **F64), (2, 3)),
    "conv2d": (nn.Conv2d(2, 4, 3, 2, 1, groups=2, **F64), (2, 2, 4, 5)),
    "conv_transpose2d": (nn.ConvTranspose2d(2, 2, 3, 2, 1, output_padding=1, **F64), (1, 2, 3, 2)),
    "batch_norm1d": (nn.BatchNorm1d(2, **F64), (5, 2)),
    "batch_norm2d": (nn.BatchNorm2d(2, **F64), (2, 2, 2, 3)),
    "batch_norm2d eval": (nn.BatchNorm2d(2, **F64).eval(), (2, 2, 2, 2)),
    "batch_norm2d bare": (nn.BatchNorm2d(2, affine=False, **F64), (2, 2, 2, 2)),
    "relu": (nn.ReLU(), (3, 4)),
    "leaky_relu": (nn.LeakyReLU(0.2), (3, 4)),
    "prelu": (nn.PReLU(3, **F64), (2, 3, 2, 2)),
    "elu": (nn.ELU(), (3, 4)),
    "tanh": (nn.Tanh(), (3, 4)),
    "sigmoid": (nn.Sigmoid(), (3, 4)),
    "softplus": (nn.Softplus(), (3, 4)),
    "silu": (nn.SiLU(), (3, 4)),
    "softmax": (nn.Softmax(1), (2, 3)),
    "log_softmax": (nn.LogSoftmax(1), (2, 3)),
    "max_pool2d": (nn.MaxPool2d(2), (1, 2, 4, 4)),
    "avg_pool2d": (nn.AvgPool2d(3, 2, 1), (1, 2, 4, 4)),
    "upsample": (nn.Upsample(scale_factor=2), (1, 2, 2, 3)),
    "pixel_shuffle": (nn.PixelShuffle(2), (1, 4, 2, 2)),
    "flatten": (nn.Flatten(), (2, 2, 3)),
    "unflatten": (nn.Unflatten(1, (2, 3)), (2, 6)),
}


def check_layer(layer, *arrays):
    """Check the derivatives of a layer to order 2, in its parameters and its inputs."""
    own = layer.named_parameters()

    def fn(*xs):
        return nn.functional_call(layer, dict(zip(own, xs, strict=False)), *xs[len(own) :])

    check_grads(fn, [*(p.data for p in own.values()), *arrays], order=2)


@pytest.mark.parametrize("name", GRADIENTS)
def test_derivatives_to_order_2(name):
    layer, shape = GRADIENTS[name]
    check_layer(layer, np.random.default_rng(1).normal(size=shape))


def test_derivatives_of_an_embedding():
    check_layer(nn.Embedding(4, 3, **F64), np.array([1, 3, 1]))


def test_derivatives_of_dropout_under_one_mask():
    def fn(x):
        with random.using(random.Streams(5)):
            return nn.Dropout(0.5)(x)

    check_grads(fn, [np.random.default_rng(2).normal(size=(3, 4))], order=2)
