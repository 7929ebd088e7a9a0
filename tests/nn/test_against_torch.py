"""Layers, initialisers and optimizers against PyTorch, where PyTorch is installed."""

import math

import numpy as np
import pytest

from tinygan import nn, optim
from tinygan.autograd import Tensor, grad
from tinygan.errors import StateError
from tinygan.nn import init
from tinygan.nn.utils import clip_grad_norm_, spectral_norm

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this file, is not installed")

RNG = np.random.default_rng(0)
LAYERS = {
    "linear": (lambda m: m.Linear(5, 3), (4, 5)),
    "linear 3d": (lambda m: m.Linear(5, 3, bias=False), (2, 4, 5)),
    "conv": (lambda m: m.Conv2d(3, 6, 4, 2, 1), (2, 3, 9, 8)),
    "conv dilated groups": (
        lambda m: m.Conv2d(4, 6, (3, 2), (2, 1), (2, 0), dilation=2, groups=2),
        (2, 4, 9, 8),
    ),
    "deconv": (lambda m: m.ConvTranspose2d(3, 6, 4, 2, 1), (2, 3, 5, 4)),
    "deconv all": (
        lambda m: m.ConvTranspose2d(
            4, 6, 3, 3, 1, output_padding=2, dilation=2, groups=2, bias=False
        ),
        (2, 4, 5, 4),
    ),
    "conv valid": (lambda m: m.Conv2d(3, 4, 3, 2, "valid"), (2, 3, 7, 6)),
    "conv same": (lambda m: m.Conv2d(3, 4, (4, 3), padding="same", dilation=(2, 1)), (2, 3, 7, 6)),
    "conv reflect": (
        lambda m: m.Conv2d(3, 4, 3, 2, (2, 1), padding_mode="reflect"),
        (2, 3, 7, 6),
    ),
    "conv same circular": (
        lambda m: m.Conv2d(4, 4, (2, 5), padding="same", padding_mode="circular", groups=2),
        (2, 4, 7, 6),
    ),
    "conv1d same": (lambda m: m.Conv1d(3, 4, 5, padding="same"), (2, 3, 7)),
    "conv3d replicate": (
        lambda m: m.Conv3d(2, 3, 3, padding=(0, 1, 2), padding_mode="replicate", bias=False),
        (2, 2, 4, 3, 3),
    ),
    "conv1d": (lambda m: m.Conv1d(4, 6, 3, 2, 1, dilation=2, groups=2), (2, 4, 9)),
    "conv3d": (lambda m: m.Conv3d(2, 4, (2, 3, 2), (1, 2, 1), (0, 1, 1)), (2, 2, 4, 5, 4)),
    "conv3d grouped": (
        lambda m: m.Conv3d(4, 4, 2, dilation=(2, 1, 1), groups=2, bias=False),
        (1, 4, 4, 3, 3),
    ),
    "deconv1d": (
        lambda m: m.ConvTranspose1d(4, 6, 3, 2, 1, output_padding=1, groups=2),
        (2, 4, 5),
    ),
    "deconv3d": (
        lambda m: m.ConvTranspose3d(4, 2, (3, 4, 2), 2, 1, output_padding=(1, 0, 1), groups=2),
        (2, 4, 3, 2, 4),
    ),
    "batch_norm1d": (lambda m: m.BatchNorm1d(3), (6, 3)),
    "batch_norm1d long": (lambda m: m.BatchNorm1d(3), (6, 3, 4)),
    "batch_norm2d": (lambda m: m.BatchNorm2d(3, eps=0.8, momentum=0.3), (4, 3, 5, 5)),
    "batch_norm2d average": (lambda m: m.BatchNorm2d(3, momentum=None), (4, 3, 5, 5)),
    "batch_norm2d bare": (lambda m: m.BatchNorm2d(3, affine=False), (4, 3, 5, 5)),
    "relu": (lambda m: m.ReLU(), (4, 5)),
    "leaky_relu": (lambda m: m.LeakyReLU(), (4, 5)),
    "prelu": (lambda m: m.PReLU(3), (4, 3, 2)),
    "elu": (lambda m: m.ELU(0.7), (4, 5)),
    "tanh": (lambda m: m.Tanh(), (4, 5)),
    "sigmoid": (lambda m: m.Sigmoid(), (4, 5)),
    "softplus": (lambda m: m.Softplus(), (4, 5)),
    "silu": (lambda m: m.SiLU(), (4, 5)),
    "softmax": (lambda m: m.Softmax(dim=1), (4, 5)),
    "log_softmax": (lambda m: m.LogSoftmax(dim=1), (4, 5)),
    "max_pool": (lambda m: m.MaxPool2d(3, 2, 1), (2, 3, 7, 8)),
    "avg_pool": (lambda m: m.AvgPool2d(3, 2, 1), (2, 3, 7, 8)),
    "avg_pool inner": (lambda m: m.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 8)),
    "upsample": (lambda m: m.Upsample(scale_factor=2), (2, 3, 4, 3)),
    "upsample size": (lambda m: m.Upsample((3, 5)), (2, 3, 4, 3)),
    "upsample bilinear": (
        lambda m: m.Upsample(scale_factor=(1.5, 2), mode="bilinear", align_corners=True),
        (2, 3, 4, 3),
    ),
    "upsample bicubic": (lambda m: m.Upsample((7, 2), mode="bicubic"), (2, 3, 4, 3)),
    "unfold": (lambda m: m.Unfold((3, 2), padding=1, stride=2), (2, 3, 5, 4)),
    "fold": (lambda m: m.Fold((5, 4), (3, 2), padding=1, stride=2), (2, 12, 9)),
    "zero pad": (lambda m: m.ZeroPad2d((1, 0, 2, 3)), (2, 3, 4, 3)),
    "reflection pad": (lambda m: m.ReflectionPad2d(2), (2, 3, 4, 3)),
    "replication pad": (lambda m: m.ReplicationPad2d((1, 0, 2, 5)), (2, 3, 4, 3)),
    "circular pad": (lambda m: m.CircularPad2d((3, 1, 2, 0)), (2, 3, 4, 3)),
    "pixel_shuffle": (lambda m: m.PixelShuffle(2), (2, 8, 4, 3)),
    "flatten": (lambda m: m.Flatten(), (2, 3, 4)),
    "unflatten": (lambda m: m.Unflatten(1, (3, 4)), (2, 12)),
}


def twins(make):
    """Return the layer of both libraries in float64, with the weights of torch's."""
    theirs, ours = make(torch.nn).double(), make(nn)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    assert list(state) == list(ours.state_dict())
    wide = {k: nn.Parameter(v) if v.dtype.kind == "f" else None for k, v in state.items()}
    for name in state:
        owner = ours
        *path, key = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        if wide[name] is not None:
            is_buffer = isinstance(getattr(owner, key), nn.Buffer)
            setattr(owner, key, nn.Buffer(state[name]) if is_buffer else wide[name])
    return theirs, ours


def close(ours, theirs, rtol=1e-9):
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(getattr(ours, "data", ours), expected, rtol=rtol, atol=1e-11)


def compare_step(theirs, ours, x, cotangent=None):
    """Compare output, gradients and, after them, the state of both."""
    tx, ox = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    ty, oy = theirs(tx), ours(ox)
    close(oy, ty)
    g = RNG.normal(size=oy.shape)
    own = ours.named_parameters()
    found = grad(oy, [ox, *own.values()], Tensor(g))
    expected = torch.autograd.grad(ty, [tx, *theirs.parameters()], torch.tensor(g))
    close(found[0], expected[0])
    by_name = dict(zip((n for n, _ in theirs.named_parameters()), expected[1:], strict=True))
    for name, gp in zip(own, found[1:], strict=True):
        close(gp, by_name[name])
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_equals_its_twin_in_output_gradients_and_state(name):
    make, shape = LAYERS[name]
    theirs, ours = twins(make)
    for _ in range(3):
        compare_step(theirs, ours, RNG.normal(size=shape))
    theirs.eval()
    ours.eval()
    compare_step(theirs, ours, RNG.normal(size=shape))


def test_embedding_equals_its_twin():
    theirs, ours = twins(lambda m: m.Embedding(6, 3))
    index = np.array([[0, 5], [5, 2]])
    ty, oy = theirs(torch.tensor(index)), ours(Tensor(index))
    close(oy, ty)
    g = RNG.normal(size=oy.shape)
    (expected,) = torch.autograd.grad(ty, [theirs.weight], torch.tensor(g))
    close(grad(oy, ours.weight, Tensor(g)), expected)


SPECTRAL = {
    "linear": (lambda m: m.Linear(5, 3), (2, 5)),
    "conv": (lambda m: m.Conv2d(3, 4, 3), (2, 3, 5, 5)),
    "deconv": (lambda m: m.ConvTranspose2d(3, 4, 3), (2, 3, 5, 5)),
}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*")
def test_spectral_norm_equals_its_twin(name, steps):
    make, shape = SPECTRAL[name]

    def normed(m):
        norm = spectral_norm if m is nn else torch.nn.utils.spectral_norm
        return norm(make(m), n_power_iterations=steps)

    theirs, ours = twins(normed)
    for _ in range(3):
        compare_step(theirs, ours, RNG.normal(size=shape))
    theirs.eval()
    ours.eval()
    compare_step(theirs, ours, RNG.normal(size=shape))


@pytest.mark.parametrize("kind", ["spectral_norm", "weight_norm"])
@pytest.mark.parametrize("name", SPECTRAL)
def test_the_state_of_a_parametrization_loads_by_its_own_names(name, kind):
    make, shape = SPECTRAL[name]
    theirs = getattr(torch.nn.utils.parametrizations, kind)(make(torch.nn))
    ours = getattr(nn.utils, kind)(make(nn))
    with torch.no_grad():
        theirs(torch.ones(shape))
    ours.load_state_dict(theirs.state_dict())
    x = RNG.normal(size=shape).astype(np.float32)
    y = theirs.eval()(torch.tensor(x))
    np.testing.assert_allclose(ours.eval()(Tensor(x)).data, y.detach().numpy(), atol=1e-5)


def test_parameters_load_as_they_are_and_bfloat16_is_named():
    theirs, ours = torch.nn.Linear(3, 2), nn.Linear(3, 2)
    ours.load_state_dict(dict(theirs.named_parameters()))
    np.testing.assert_array_equal(ours.weight.data, theirs.weight.detach().numpy())
    with pytest.raises(StateError, match="'weight' can't be read as an array"):
        ours.load_state_dict(theirs.bfloat16().state_dict())


def moments(values):
    v = np.asarray(values, np.float64).ravel()
    return np.array([v.mean(), v.std(), np.abs(v).max(), np.median(np.abs(v))])


DEFAULTS = {
    "linear": lambda m: m.Linear(300, 200),
    "conv": lambda m: m.Conv2d(40, 60, 5),
    "grouped conv": lambda m: m.Conv2d(40, 60, 5, groups=4),
    "deconv": lambda m: m.ConvTranspose2d(40, 60, 5),
    "grouped deconv": lambda m: m.ConvTranspose2d(40, 60, 5, groups=4),
    "conv1d": lambda m: m.Conv1d(40, 60, 5),
    "conv3d": lambda m: m.Conv3d(10, 20, 5),
    "deconv3d": lambda m: m.ConvTranspose3d(10, 20, 5),
    "embedding": lambda m: m.Embedding(200, 200),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_layer_starts_from_the_same_distribution(name):
    torch.manual_seed(0)
    theirs, ours = DEFAULTS[name](torch.nn), DEFAULTS[name](nn)
    expected, found = moments(theirs.weight.detach()), moments(ours.weight.data)
    scale = expected[1]
    assert np.abs(found - expected)[[0, 1, 3]].max() < 6 * scale / math.sqrt(ours.weight.size)
    assert abs(found[2] - expected[2]) < (0.5 if name == "embedding" else 1e-3) * scale
    if name != "embedding":
        bounds = moments(ours.bias.data)[2], moments(theirs.bias.detach())[2]
        assert bounds[0] == pytest.approx(bounds[1], rel=0.1)


INITIALISERS = {
    "kaiming_uniform_": {"a": 0.2, "mode": "fan_out"},
    "kaiming_normal_": {"nonlinearity": "relu"},
    "xavier_uniform_": {"gain": 1.5},
    "xavier_normal_": {},
    "normal_": {"mean": 1.0, "std": 0.02},
    "uniform_": {"a": -1.0, "b": 3.0},
    "orthogonal_": {"gain": 0.5},
}


@pytest.mark.parametrize("name", INITIALISERS)
def test_an_initialiser_draws_from_the_same_distribution(name):
    torch.manual_seed(0)
    shape, kwargs = (100, 50, 3, 3), INITIALISERS[name]
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), **kwargs).numpy()
    ours = getattr(init, name)(Tensor(np.zeros(shape, np.float32)), **kwargs).data
    expected, found = moments(theirs), moments(ours)
    assert np.abs(found - expected)[[0, 1, 3]].max() < 6 * theirs.std() / math.sqrt(theirs.size)


def test_gains_are_the_same():
    for name in ("linear", "conv2d", "conv_transpose2d", "sigmoid", "tanh", "relu", "selu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    theirs = torch.nn.init.calculate_gain("leaky_relu", 0.3)
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(theirs)


OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "SGD nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop all": (
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ),
    "Adam": ("Adam", {}),
    "Adam all": ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    "AdamW": ("AdamW", {}),
    "AdamW all": ("AdamW", {"lr": 0.1, "betas": (0.0, 0.9), "weight_decay": 0.5}),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_follows_its_twin_over_20_steps(name, dtype):
    kind, kwargs = OPTIMIZERS[name]
    starts = [RNG.normal(size=s).astype(dtype) for s in [(3, 4), (5,), ()]]
    theirs = [torch.tensor(a, requires_grad=True) for a in starts]
    ours = [nn.Parameter(a) for a in starts]
    their_opt = getattr(torch.optim, kind)(theirs, **kwargs)
    our_opt = getattr(optim, kind)(ours, **kwargs)
    for t in range(20):
        gs = [None if (t + i) % 5 == 0 else RNG.normal(size=a.shape) for i, a in enumerate(starts)]
        gs = [g if g is None else np.asarray(g, dtype) for g in gs]
        for p, g in zip(theirs, gs, strict=True):
            p.grad = None if g is None else torch.tensor(g)
        their_opt.step()
        our_opt.step([None if g is None else Tensor(g) for g in gs])
    for p, q in zip(ours, theirs, strict=True):
        close(p, q, rtol=1e-11 if dtype == "float64" else 2e-5)


def test_clipping_equals_its_twin():
    starts = [RNG.normal(size=(3, 4)), RNG.normal(size=5)]
    theirs = [torch.tensor(a, requires_grad=True) for a in starts]
    for p, a in zip(theirs, starts, strict=True):
        p.grad = torch.tensor(a * 2)
    ours = [Tensor(a * 2) for a in starts]
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.5)
    assert clip_grad_norm_(ours, 1.5) == pytest.approx(float(expected))
    for g, p in zip(ours, theirs, strict=True):
        close(g, p.grad)


def test_a_training_step_of_dcgan_equals_its_twin():
    def build(m):
        return m.Sequential(
            m.Conv2d(1, 4, 4, 2, 1, bias=False),
            m.LeakyReLU(0.2),
            m.Conv2d(4, 8, 4, 2, 1, bias=False),
            m.BatchNorm2d(8),
            m.LeakyReLU(0.2),
            m.Conv2d(8, 1, 2, 1, 0, bias=False),
        )

    theirs, ours = twins(build)
    their_opt = torch.optim.Adam(theirs.parameters(), 2e-4, betas=(0.5, 0.999))
    our_opt = optim.Adam(ours.parameters(), 2e-4, betas=(0.5, 0.999))
    for _ in range(5):
        real, fake = RNG.normal(size=(2, 6, 1, 8, 8))
        their_opt.zero_grad()
        loss = (theirs(torch.tensor(real)) - theirs(torch.tensor(fake)).sigmoid()).mean()
        loss.backward()
        their_opt.step()
        mine = (ours(Tensor(real)) - nn.Sigmoid()(ours(Tensor(fake)))).mean()
        our_opt.step(grad(mine, ours.parameters()))
        close(mine, loss)
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value, rtol=1e-8)
