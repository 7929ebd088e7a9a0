"""Norms inside a sample and weight norm against PyTorch: values, gradients, state, interchange."""

import numpy as np
import pytest

from tinygan import Tensor, grad, kernels, nn, ops
from tinygan.nn.utils import remove_weight_norm, weight_norm

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this file, is not installed")
F = torch.nn.functional

RNG = np.random.default_rng(0)
LAYERS = {
    "instance 1d": (lambda m, **k: m.InstanceNorm1d(3, **k), (4, 3, 5)),
    "instance 2d": (lambda m, **k: m.InstanceNorm2d(3, eps=0.1, **k), (4, 3, 5, 2)),
    "instance affine": (lambda m, **k: m.InstanceNorm2d(3, affine=True, **k), (4, 3, 5, 2)),
    "instance tracking": (
        lambda m, **k: m.InstanceNorm2d(
            3, affine=True, track_running_stats=True, momentum=0.3, **k
        ),
        (4, 3, 5, 2),
    ),
    "instance 3d": (
        lambda m, **k: m.InstanceNorm3d(3, affine=True, bias=False, **k),
        (2, 3, 2, 3, 2),
    ),
    "instance untracked": (
        lambda m, **k: m.InstanceNorm2d(3, momentum=None, track_running_stats=True, **k),
        (4, 3, 5, 2),
    ),
    "batch 3d": (lambda m, **k: m.BatchNorm3d(3, **k), (2, 3, 2, 3, 2)),
    "batch without bias": (lambda m, **k: m.BatchNorm2d(3, bias=False, **k), (4, 3, 5, 2)),
    "group without bias": (lambda m, **k: m.GroupNorm(2, 6, bias=False, **k), (4, 6, 5)),
    "group": (lambda m, **k: m.GroupNorm(2, 6, **k), (4, 6, 5, 2)),
    "group vectors": (lambda m, **k: m.GroupNorm(2, 6, eps=0.1, **k), (4, 6)),
    "group bare": (lambda m, **k: m.GroupNorm(6, 6, affine=False, **k), (4, 6, 5)),
    "layer": (lambda m, **k: m.LayerNorm(5, **k), (4, 3, 5)),
    "layer image": (lambda m, **k: m.LayerNorm((3, 4, 5), eps=0.1, **k), (2, 3, 4, 5)),
    "layer bare": (lambda m, **k: m.LayerNorm([5], elementwise_affine=False, **k), (4, 5)),
    "layer without bias": (lambda m, **k: m.LayerNorm([5], bias=False, **k), (4, 5)),
}


def twins(make):
    """Return both libraries' layer in float64, with weights drawn here."""
    theirs, ours = make(torch.nn, dtype=torch.float64), make(nn, dtype=np.float64)
    state = {
        k: RNG.normal(1, 0.3, v.shape) if v.dtype.is_floating_point else v.numpy()
        for k, v in theirs.state_dict().items()
    }
    assert list(state) == list(ours.state_dict())
    theirs.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()})
    ours.load_state_dict(state)
    return theirs, ours


def close(ours, theirs):
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(getattr(ours, "data", ours), expected, rtol=1e-9, atol=1e-11)


def compare(theirs, ours, x):
    """Compare output, gradients, gradients of a gradient penalty, and the state after them."""
    tx, ox = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    ty, oy = theirs(tx), ours(ox)
    close(oy, ty)
    g = RNG.normal(size=oy.shape)
    own, other = ours.named_parameters(), dict(theirs.named_parameters())
    assert list(own) == list(other)
    (gx,) = grad((oy * g).sum(), [ox], create_graph=True)
    (hx,) = torch.autograd.grad((ty * torch.tensor(g)).sum(), [tx], create_graph=True)
    close(gx, hx)
    first = grad((oy * g).sum(), list(own.values()), retain_graph=True)
    expected = torch.autograd.grad(
        (ty * torch.tensor(g)).sum(), list(other.values()), retain_graph=True
    ) if other else ()  # fmt: skip
    for a, b in zip(first, expected, strict=True):
        close(a, b)
    weight = [t for t in own if t.startswith("weight")]
    second = grad((gx * gx).sum(), [ox, *(own[k] for k in weight)])
    expected = torch.autograd.grad(
        (hx * hx).sum(), [tx, *(other[k] for k in weight)], materialize_grads=True
    )
    for a, b in zip(second, expected, strict=True):
        close(a, b)
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_equals_its_twin_in_output_gradients_and_state(name):
    make, shape = LAYERS[name]
    theirs, ours = twins(make)
    for _ in range(3):
        compare(theirs, ours, RNG.normal(1, 2, shape))
    theirs.eval()
    ours.eval()
    compare(theirs, ours, RNG.normal(1, 2, shape))


@pytest.mark.parametrize("name", LAYERS)
def test_fresh_layers_have_the_same_state(name):
    make, _ = LAYERS[name]
    theirs = make(torch.nn).state_dict()
    ours = make(nn).state_dict()
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert str(ours[key].dtype) == str(value.numpy().dtype)
        np.testing.assert_array_equal(ours[key], value.numpy())


def test_instance_norm_with_running_statistics_is_the_functional_one():
    x, mean, w, b = RNG.normal(size=(2, 3, 4)), *RNG.normal(size=(3, 3))
    var = RNG.uniform(0.5, 2, 3)
    expected = F.instance_norm(
        *map(torch.tensor, (x, mean, var, w, b)), use_input_stats=False, eps=0.1
    )
    close(ops.instance_norm(x, mean, var, w, b, use_input_stats=False, eps=0.1), expected)


WEIGHTS = {
    "linear": (lambda m, **k: m.Linear(5, 3, **k), (2, 5)),
    "conv": (lambda m, **k: m.Conv2d(3, 4, 3, **k), (2, 3, 5, 5)),
    "deconv": (lambda m, **k: m.ConvTranspose2d(3, 4, 3, **k), (2, 3, 5, 5)),
}


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
def test_weight_norm_equals_its_twin(name, dim):
    make, shape = WEIGHTS[name]

    def normed(m, **options):
        norm = weight_norm if m is nn else torch.nn.utils.weight_norm
        return norm(make(m, **options), dim=dim)

    theirs, ours = twins(normed)
    compare(theirs, ours, RNG.normal(size=shape))
    torch.nn.utils.remove_weight_norm(theirs)
    remove_weight_norm(ours)
    close(ours.weight, theirs.weight)


def test_weight_norm_has_the_second_derivatives_of_torchs_small_ops():
    # PyTorch's own weight_norm takes ||v|| for a constant in its second backward (2.13)
    v, g, c, u = (RNG.normal(size=shape) for shape in ((4, 3), (4, 1), (4, 3), (4, 3)))
    tv, tg = (torch.tensor(a, requires_grad=True) for a in (v, g))
    ov, og = (Tensor(a, requires_grad=True) for a in (v, g))
    tw = tv * (tg / torch.linalg.vector_norm(tv, dim=1, keepdim=True))
    ow = ops.weight_norm(ov, og)
    (ts,) = torch.autograd.grad((tw.tanh() * torch.tensor(c)).sum(), [tv], create_graph=True)
    (os,) = grad((ops.tanh(ow) * Tensor(c)).sum(), [ov], create_graph=True)
    theirs = torch.autograd.grad((ts * torch.tensor(u)).sum(), [tv, tg])
    ours = grad((os * Tensor(u)).sum(), [ov, og])
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
def test_weight_norm_starts_as_its_twin(dim):
    theirs, ours = torch.nn.Linear(5, 3), nn.Linear(5, 3)
    ours.weight.assign_(theirs.weight.detach().numpy())
    theirs, ours = torch.nn.utils.weight_norm(theirs, dim=dim), weight_norm(ours, dim=dim)
    np.testing.assert_allclose(ours.weight_g.data, theirs.weight_g.detach().numpy(), rtol=1e-6)
    assert ours.weight_g.shape == tuple(theirs.weight_g.shape)
    np.testing.assert_array_equal(ours.weight_v.data, theirs.weight_v.detach().numpy())


def stylegan2(x, weight, styles, padding, up):
    """Give StyleGAN2's convolution in torch's ops: scale, convolve, scale back."""
    w = weight.unsqueeze(0) * styles[:, None, :, None, None]
    d = (w.square().sum(dim=[2, 3, 4]) + 1e-8).rsqrt()
    x = x * styles[:, :, None, None]
    if up > 1:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=up, padding=padding)
    else:
        x = F.conv2d(x, weight, padding=padding)
    return x * d[:, :, None, None]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("up", [1, 2])
def test_modulated_conv_and_its_penalty_equal_torch(up, grouped):
    operands = [RNG.normal(size=s) for s in ((3, 4, 5, 6), (2, 4, 3, 3), (3, 4))]
    ts = [torch.tensor(a, requires_grad=True) for a in operands]
    xs = [Tensor(a, requires_grad=True) for a in operands]
    ty = stylegan2(*ts, padding=1, up=up)
    y = ops.modulated_conv2d(*xs, padding=1, stride=up, transposed=up > 1, grouped=grouped)
    close(y, ty)
    g = RNG.normal(size=y.shape)
    found = grad((y * g).sum(), xs, create_graph=True)
    expected = torch.autograd.grad((ty * torch.tensor(g)).sum(), ts, create_graph=True)
    for a, b in zip(found, expected, strict=True):
        close(a, b)
    second = grad(sum(((a * a).sum() for a in found), Tensor(0.0)), xs)
    expected = torch.autograd.grad(sum((a * a).sum() for a in expected), ts)
    for a, b in zip(second, expected, strict=True):
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("memory_format", ["contiguous_format", "channels_last"])
def test_float32_kernels_are_as_close_as_torchs_own(memory_format, backend):
    x = RNG.normal(3, 2, (4, 6, 7, 5)).astype(np.float32)
    t = torch.tensor(x).to(memory_format=getattr(torch, memory_format))
    view = t.numpy()  # in torch's own memory layout
    wide = torch.tensor(x, dtype=torch.float64)
    cases = [
        (lambda v: ops.group_norm(v, 3), lambda v: F.group_norm(v, 3)),
        (lambda v: ops.instance_norm(v), lambda v: F.instance_norm(v)),
        (lambda v: ops.layer_norm(v, (6, 7, 5)), lambda v: F.layer_norm(v, (6, 7, 5))),
    ]
    for ours, theirs in cases:
        exact = theirs(wide).numpy()
        with kernels.use_backend(backend, "numpy"):
            off = np.abs(ours(view).data - exact).max()
        assert off <= max(np.abs(theirs(t).numpy() - exact).max(), 3e-7)
