"""Initialisers: their distributions, their sources of numbers, and the layers' defaults."""

import math

import numpy as np
import pytest

from tinygan import nn, random
from tinygan.autograd import Tensor
from tinygan.errors import OptionError, ShapeError
from tinygan.nn import init
from tinygan.random import Stream, Streams


def weight(*shape, dtype=np.float32):
    return Tensor(np.zeros(shape, dtype))


def is_uniform(values, bound):
    """Tell whether values fill [-bound, bound) evenly: extremes, mean, deviation, quartiles."""
    v, n = values.ravel().astype(np.float64) / bound, values.size
    return (
        np.abs(v).max() <= 1 + 2.0**-24  # the bound itself, rounded to float32
        and np.abs(v).max() > 1 - 20 / n
        and abs(v.mean()) < 5 / math.sqrt(3 * n)
        and abs(v.std() - 1 / math.sqrt(3)) < 5 / math.sqrt(n)
        and abs((np.abs(v) < 0.5).mean() - 0.5) < 2.5 / math.sqrt(n)
    )


def is_normal(values, std):
    """Tell whether values are N(0, std^2): mean, deviation, share within one deviation."""
    v, n = values.ravel().astype(np.float64) / std, values.size
    return (
        abs(v.mean()) < 5 / math.sqrt(n)
        and abs(v.std() - 1) < 5 / math.sqrt(2 * n)
        and abs((np.abs(v) < 1).mean() - 0.682689) < 2.5 / math.sqrt(n)
    )


def test_the_two_judges_tell_the_distributions_apart():
    rng = np.random.default_rng(0)
    assert is_uniform(rng.uniform(-2, 2, 10000), 2)
    assert not is_uniform(rng.uniform(-2, 2, 10000), 2.1)
    assert not is_uniform(rng.normal(0, 2 / math.sqrt(3), 10000), 2)
    assert is_normal(rng.normal(0, 3, 10000), 3)
    assert not is_normal(rng.normal(0, 3, 10000), 3.3)
    assert not is_normal(rng.uniform(-math.sqrt(3), math.sqrt(3), 10000), 1)


SHAPE = (64, 32, 3, 3)  # fan in 32 * 9 = 288, fan out 64 * 9 = 576
UNIFORM = {
    "uniform_": (lambda w: init.uniform_(w, -0.3, 0.3), 0.3),
    "kaiming_uniform_": (init.kaiming_uniform_, math.sqrt(6 / 288)),
    "kaiming_uniform_ fan_out relu": (
        lambda w: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
        math.sqrt(6 / 576),
    ),
    "kaiming_uniform_ a": (lambda w: init.kaiming_uniform_(w, a=0.2), math.sqrt(6 / 1.04 / 288)),
    "xavier_uniform_": (init.xavier_uniform_, math.sqrt(6 / 864)),
    "xavier_uniform_ gain": (lambda w: init.xavier_uniform_(w, 2.0), 2 * math.sqrt(6 / 864)),
}
NORMAL = {
    "normal_": (lambda w: init.normal_(w, 0.0, 0.02), 0.02),
    "kaiming_normal_": (init.kaiming_normal_, math.sqrt(2 / 288)),
    "kaiming_normal_ tanh": (
        lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"),
        5 / 3 / math.sqrt(576),
    ),
    "xavier_normal_": (init.xavier_normal_, math.sqrt(2 / 864)),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_a_uniform_initialiser_has_its_bound(name):
    fill, bound = UNIFORM[name]
    w = weight(*SHAPE)
    assert fill(w) is w
    assert w.dtype == np.float32
    assert is_uniform(w.data, bound)


@pytest.mark.parametrize("name", NORMAL)
def test_a_normal_initialiser_has_its_deviation(name):
    fill, std = NORMAL[name]
    w = weight(*SHAPE)
    assert fill(w) is w
    assert w.dtype == np.float32
    assert is_normal(w.data, std)


def test_normal_has_its_mean():
    w = init.normal_(weight(100, 100), 1.0, 0.02)  # DCGAN's batch norm weights
    assert is_normal(w.data - 1, 0.02)


def test_constants():
    assert (init.ones_(weight(2, 3)).data == 1).all()
    assert (init.zeros_(init.ones_(weight(2, 3))).data == 0).all()
    assert (init.constant_(weight(2), 0.25).data == 0.25).all()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 4, 2, 2), (20, 2, 3, 3)])
def test_orthogonal_rows_or_columns(shape):
    w = init.orthogonal_(weight(*shape), gain=2.0).data.reshape(shape[0], -1).astype(np.float64)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(min(w.shape)), atol=2e-6)


def test_orthogonal_matrices_have_no_preferred_sign():
    corners = [init.orthogonal_(weight(3, 3)).data[0, 0] for _ in range(200)]
    assert 60 < sum(c > 0 for c in corners) < 140


def test_gains():
    assert init.calculate_gain("linear") == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    assert init.calculate_gain("selu") == 0.75
    with pytest.raises(OptionError, match="use one of linear"):
        init.calculate_gain("reul")


def test_an_unknown_mode_is_refused():
    with pytest.raises(OptionError, match="fan_in or fan_out"):
        init.kaiming_normal_(weight(2, 2), mode="fan")


def test_a_vector_has_no_fans():
    for fill in (init.kaiming_normal_, init.xavier_uniform_, init.orthogonal_):
        with pytest.raises(ShapeError, match=r"\(3,\)"):
            fill(weight(3))


def test_filling_moves_the_version_on():
    w = weight(2, 2)
    init.normal_(w)
    assert w.version == 1


def test_numbers_come_from_the_stream_given():
    first = init.normal_(weight(4, 4), stream=Stream(9, "mine")).data
    again = init.normal_(weight(4, 4), stream=Stream(9, "mine")).data
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, Stream(9, "mine").normal((4, 4)))


def test_layers_draw_from_the_ambient_streams():
    def build(seed):
        with random.using(Streams(seed)):
            return nn.Sequential(nn.Linear(3, 4), nn.Conv2d(1, 2, 3)).state_dict()

    one, same, other = build(1), build(1), build(2)
    for key, value in one.items():
        np.testing.assert_array_equal(value, same[key])
        assert not np.array_equal(value, other[key])


def test_two_layers_made_one_after_the_other_differ():
    assert not np.array_equal(nn.Linear(3, 3).weight.data, nn.Linear(3, 3).weight.data)


LAYERS = {
    "linear": (lambda: nn.Linear(400, 100), 400),
    "conv": (lambda: nn.Conv2d(32, 64, 3), 32 * 9),
    "grouped conv": (lambda: nn.Conv2d(32, 64, 3, groups=4), 8 * 9),
    "deconv": (lambda: nn.ConvTranspose2d(32, 64, 4), 64 * 16),  # PyTorch's fan in is w.shape[1]'s
    "grouped deconv": (lambda: nn.ConvTranspose2d(32, 64, 4, groups=4), 16 * 16),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_starts_uniform_within_one_over_root_fan_in(name):
    make, fan_in = LAYERS[name]
    layer, bound = make(), 1 / math.sqrt(fan_in)
    assert is_uniform(layer.weight.data, bound)
    assert np.abs(layer.bias.data).max() <= bound
    assert np.abs(layer.bias.data).max() > 0.8 * bound
    assert layer.bias.data.min() < 0 < layer.bias.data.max()


def test_an_embedding_starts_normal_and_a_norm_as_the_identity():
    assert is_normal(nn.Embedding(100, 64).weight.data, 1)
    norm = nn.BatchNorm2d(5)
    assert (norm.weight.data == 1).all()
    assert (norm.bias.data == 0).all()


def test_layers_take_a_dtype():
    for layer in (
        nn.Linear(2, 2, dtype=np.float64),
        nn.Conv2d(2, 2, 1, dtype=np.float64),
        nn.ConvTranspose2d(2, 2, 1, dtype=np.float64),
        nn.Embedding(2, 2, dtype=np.float64),
        nn.PReLU(dtype=np.float64),
        nn.BatchNorm1d(2, dtype=np.float64),
    ):
        assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float64)}
