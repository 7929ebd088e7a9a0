"""Statistics across a batch: by hand, by loops, and to third order."""

import math

import numpy as np
import pytest
from kernel_checks import no_float64

import tinygan
from tinygan import Tensor, grad, nn, ops, random
from tinygan.errors import OptionError, ShapeError
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def test_two_samples_by_hand():
    f = np.array([[1.0, 2.0], [3.0, -1.0]])
    # T_1 = rows (1, 0), (0, 1): M_1 = f; T_2 sums the features into one entry
    weight = np.array([[[1.0, 0.0], [0.5, 0.0]], [[0.0, 1.0], [0.5, 0.0]]])
    y = ops.minibatch_discrimination(f, weight).data
    near = [math.exp(-(2 + 3)), math.exp(-abs(1.5 - 1.0))]
    np.testing.assert_allclose(y, [[1, 2, *near], [3, -1, *near]], rtol=1e-14)


def test_minibatch_discrimination_follows_its_definition():
    f, weight = normal(5, 4), normal(4, 3, 2)
    y = ops.minibatch_discrimination(f, weight).data
    np.testing.assert_array_equal(y[:, :4], f)
    for i in range(5):
        for b in range(3):
            total = 0.0
            for j in range(5):
                if j != i:
                    gap = sum(abs((f[i] - f[j]) @ weight[:, b, c]) for c in range(2))
                    total += math.exp(-gap)
            assert y[i, 4 + b] == pytest.approx(total, rel=1e-12)


def test_a_small_closeness_keeps_its_digits():
    # summing j = i too and taking 1 away again would leave nothing of 1e-9 in float32
    f = np.array([[0.0], [20.0]], np.float32)
    y = ops.minibatch_discrimination(f, np.ones((1, 1, 1), np.float32))
    np.testing.assert_allclose(y.data[:, 1], math.exp(-20), rtol=1e-5)


def test_a_batch_of_one_is_close_to_nothing_and_an_empty_batch_stays_empty():
    weight = normal(3, 2, 2)
    np.testing.assert_array_equal(ops.minibatch_discrimination(normal(1, 3), weight).data[:, 3:], 0)
    assert ops.minibatch_discrimination(normal(0, 3), weight).shape == (0, 5)


def test_equal_samples_have_finite_gradients():
    f = Tensor(np.ones((3, 2)), requires_grad=True)
    y = ops.minibatch_discrimination(f, normal(2, 2, 2))
    np.testing.assert_allclose(y.data[:, 2:], 2.0)
    np.testing.assert_array_equal(grad(y[:, 2:].sum(), f).data, 0)


@pytest.mark.parametrize(("n", "group", "f"), [(4, 4, 1), (6, 3, 2), (4, 2, 4), (2, 4, 1),
                                               (5, None, 1), (3, 1, 2)])  # fmt: skip
def test_minibatch_std_follows_its_definition(n, group, f):
    x = normal(n, 4, 2, 3)
    y = ops.minibatch_std(x, group_size=group, num_channels=f, eps=1e-3).data
    assert y.shape == (n, 4 + f, 2, 3)
    np.testing.assert_array_equal(y[:, :4], x)
    g = n if group is None else min(group, n)
    groups = n // g
    for i in range(n):
        members = [x[j] for j in range(n) if j % groups == i % groups]
        assert len(members) == g
        deviation = np.sqrt(np.var(members, axis=0) + 1e-3)
        for c in range(f):
            expected = deviation[c * 4 // f : (c + 1) * 4 // f].mean()
            np.testing.assert_allclose(y[i, 4 + c], expected, rtol=1e-12)


def test_minibatch_std_keeps_channels_last():
    x = normal(4, 5, 6, 3).transpose(0, 3, 1, 2)
    y = ops.minibatch_std(x, num_channels=3).data
    assert tinygan.kernels.arrays.is_channels_last(y)


def test_gradients_are_right_to_third_order(backend):
    f, weight = normal(3, 2), normal(2, 2, 2)
    with tinygan.kernels.use_backend(backend, "numpy"):
        check_grads(ops.minibatch_discrimination, [f, weight])
        check_grads(
            lambda x: ops.minibatch_std(x, group_size=2, num_channels=2), [normal(4, 2, 2, 1)]
        )


@no_float64()
def test_float32_stays_float32():
    for fn, shapes in [
        (ops.minibatch_discrimination, [(3, 2), (2, 2, 2)]),
        (ops.minibatch_std, [(4, 2, 3, 3)]),
    ]:
        xs = [Tensor(normal(*s).astype(np.float32), requires_grad=True) for s in shapes]
        y = fn(*xs)
        assert {t.dtype for t in (y, *grad((y * y).sum(), xs))} == {np.dtype("float32")}


def test_layers_apply_the_ops():
    with random.using(random.Streams(3)):
        layer = nn.MinibatchDiscrimination(6, 4, 3, dtype=np.float64)
        wide = nn.MinibatchDiscrimination(50)
    x = normal(5, 6)
    expected = ops.minibatch_discrimination(x, layer.weight).data
    np.testing.assert_array_equal(layer(Tensor(x)).data, expected)
    assert list(layer.state_dict()) == ["weight"]
    assert wide.weight.shape == (50, 100, 5)
    assert wide.weight.data.std() == pytest.approx(0.05, rel=0.02)
    image = normal(6, 4, 2, 2)
    found = nn.MinibatchStd(group_size=3, num_channels=2)(Tensor(image)).data
    np.testing.assert_array_equal(
        found, ops.minibatch_std(image, group_size=3, num_channels=2).data
    )
    assert "50, 100, 5" in repr(wide)
    assert "group_size=4" in repr(nn.MinibatchStd())


def test_misfits_are_named():
    with pytest.raises(ShapeError, match=r"f \(3, 2\) and weight \(3, 2, 2\)"):
        ops.minibatch_discrimination(normal(3, 2), normal(3, 2, 2))
    with pytest.raises(ShapeError, match="groups of 4 samples"):
        ops.minibatch_std(normal(6, 4, 2, 2))
    with pytest.raises(ShapeError, match="3 parts of the channels"):
        ops.minibatch_std(normal(4, 4, 2, 2), num_channels=3)
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        ops.minibatch_std(normal(4, 4))
    with pytest.raises(OptionError, match="group_size 0"):
        ops.minibatch_std(normal(4, 4, 2, 2), group_size=0)
    with pytest.raises(OptionError, match="num_channels 0"):
        nn.MinibatchStd(num_channels=0)
    with pytest.raises(OptionError, match="holds nothing"):
        nn.MinibatchDiscrimination(0)


def test_minibatch_std_equals_the_published_code():
    # StyleGAN2-ADA's MinibatchStdLayer.forward, its tensor operations written in torch's
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is missing")
    x = normal(8, 6, 3, 2)
    t = torch.tensor(x)
    g, f, c = 4, 2, 3
    y = t.reshape(g, -1, f, c, 3, 2)
    y = y - y.mean(dim=0)
    y = (y.square().mean(dim=0) + 1e-8).sqrt().mean(dim=[2, 3, 4])
    y = y.reshape(-1, f, 1, 1).repeat(g, 1, 3, 2)
    expected = torch.cat([t, y], dim=1).numpy()
    found = ops.minibatch_std(x, group_size=4, num_channels=2).data
    np.testing.assert_allclose(found, expected, rtol=1e-12)
