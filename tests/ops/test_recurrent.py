"""Recurrent cells and sequences against their formulas, unit by unit, and PyTorch's functions."""

import math

import numpy as np
import pytest
from kernel_checks import no_float64

import tinygan
from tinygan import Tensor, grad, ops
from tinygan.autograd.op import watching
from tinygan.errors import ShapeError
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def sigmoid(t):
    return 1 / (1 + math.exp(-t))


def gru_by_hand(x, h, wi, wh, bi, bh):
    """One sample, one unit after the other."""
    size, new = len(h), np.zeros(len(h))
    for u in range(size):
        ri, zi, ni = (sum(wi[u + k * size] * x) + bi[u + k * size] for k in range(3))
        rh, zh, nh = (sum(wh[u + k * size] * h) + bh[u + k * size] for k in range(3))
        r, z = sigmoid(ri + rh), sigmoid(zi + zh)
        new[u] = (1 - z) * math.tanh(ni + r * nh) + z * h[u]
    return new


def lstm_by_hand(x, h, c, wi, wh, bi, bh):
    size, new_h, new_c = len(h), np.zeros(len(h)), np.zeros(len(h))
    for u in range(size):
        rows = [u + k * size for k in range(4)]
        i, f, g, o = (sum(wi[r] * x) + bi[r] + sum(wh[r] * h) + bh[r] for r in rows)
        new_c[u] = sigmoid(f) * c[u] + sigmoid(i) * math.tanh(g)
        new_h[u] = sigmoid(o) * math.tanh(new_c[u])
    return new_h, new_c


def weights(gates, inputs=3, size=2):
    return normal(gates * size, inputs), normal(gates * size, size), *normal(2, gates * size)


def test_a_gru_cell_follows_its_formulas():
    x, h, w = normal(4, 3), normal(4, 2), weights(3)
    found = ops.gru_cell(x, h, *w).data
    expected = [gru_by_hand(xn, hn, *w) for xn, hn in zip(x, h, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(ops.gru_cell(x[0], h[0], *w).data, expected[0], rtol=1e-12)
    zero = np.zeros(6)
    bare = gru_by_hand(x[0], h[0], *w[:2], zero, zero)
    np.testing.assert_allclose(ops.gru_cell(x[0], h[0], *w[:2]).data, bare, rtol=1e-12)


def test_an_lstm_cell_follows_its_formulas():
    x, h, c, w = normal(4, 3), normal(4, 2), normal(4, 2), weights(4)
    h1, c1 = ops.lstm_cell(x, (h, c), *w)
    for n in range(4):
        eh, ec = lstm_by_hand(x[n], h[n], c[n], *w)
        np.testing.assert_allclose(h1.data[n], eh, rtol=1e-12)
        np.testing.assert_allclose(c1.data[n], ec, rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_sequence_is_its_steps(reverse):
    x, h, c = normal(5, 2, 3), normal(2, 2), normal(2, 2)
    order = range(5)[::-1] if reverse else range(5)
    w = weights(3)
    outputs, last = ops.gru(x, h, *w, reverse=reverse)
    state = h
    for t in order:
        state = np.array([gru_by_hand(x[t, n], state[n], *w) for n in range(2)])
        np.testing.assert_allclose(outputs.data[t], state, rtol=1e-11)
    np.testing.assert_allclose(last.data, state, rtol=1e-11)
    w = weights(4)
    outputs, (lh, lc) = ops.lstm(x, (h, c), *w, reverse=reverse)
    sh, sc = h, c
    for t in order:
        pairs = [lstm_by_hand(x[t, n], sh[n], sc[n], *w) for n in range(2)]
        sh, sc = (np.array([p[k] for p in pairs]) for k in range(2))
        np.testing.assert_allclose(outputs.data[t], sh, rtol=1e-11)
    np.testing.assert_allclose(lh.data, sh, rtol=1e-11)
    np.testing.assert_allclose(lc.data, sc, rtol=1e-11)


def test_gradients_are_right_to_third_order(backend):
    x, h, c = normal(2, 3), normal(2, 2), normal(2, 2)
    with tinygan.kernels.use_backend(backend, "numpy"):
        check_grads(ops.gru_cell, [x, h, *weights(3)])
        check_grads(lambda x, h, c, *w: ops.lstm_cell(x, (h, c), *w), [x, h, c, *weights(4)])
        xs = normal(3, 2, 3)
        check_grads(lambda x, h, *w: ops.gru(x, h, *w, reverse=True), [xs, h, *weights(3)], order=2)

        def lstm(x, h, c, *w):
            y, (h, c) = ops.lstm(x, (h, c), *w)
            return y, h, c

        check_grads(lstm, [xs, h, c, *weights(4)], order=2)


def test_one_reverse_pass_moves_memory_in_proportion_to_the_length():
    # a slice a step, each with a cotangent of the whole sequence's size, would be quadratic
    def cost(steps):
        x, moved = Tensor(normal(steps, 1, 3), requires_grad=True), []
        y, _ = ops.gru(x, np.zeros((1, 2)), *weights(3))
        with watching(lambda op, xs, ys: moved.extend(y.size for y in ys)):
            grad(y.sum(), x)
        return sum(moved)

    assert cost(80) < 2.2 * cost(40)


@no_float64()
def test_float32_stays_float32():
    def leaves(*arrays):
        return [Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]

    x, h, c, *w = leaves(normal(3, 2, 3), normal(2, 2), normal(2, 2), *weights(4))
    y, (lh, lc) = ops.lstm(x, (h, c), *w)
    found = [y, lh, lc, *grad((y * y).sum() + lc.sum(), (x, h, c, *w))]
    x, h, *w = leaves(normal(3, 2, 3), normal(2, 2), *weights(3))
    y, lh = ops.gru(x, h, *w)
    found += [y, lh, *grad((y * y).sum(), (x, h, *w))]
    assert {t.dtype for t in found} == {np.dtype("float32")}


def test_misfits_are_named():
    x, h, w = normal(4, 3), normal(4, 2), weights(3)
    with pytest.raises(ShapeError, match=r"gru_cell: x \(4, 3\), h \(3, 2\)"):
        ops.gru_cell(x, h[:3], *w)
    with pytest.raises(ShapeError, match=r"weight_ih \(6, 2\)"):
        ops.gru_cell(x, h, w[0][:, :2], *w[1:])
    with pytest.raises(ShapeError, match=r"bias_hh \(5,\) do not fit"):
        ops.gru_cell(x, h, *w[:3], w[3][:5])
    with pytest.raises(ShapeError, match=r"weights \(4H, I\) and \(4H, H\)"):
        ops.lstm_cell(x, (h, h), *w)
    with pytest.raises(ShapeError, match=r"gru: x \(0, 4, 3\) has no step"):
        ops.gru(normal(0, 4, 3), h, *w)
    with pytest.raises(ShapeError, match="do not fit"):
        ops.gru(x, h, *w)


def test_against_torch():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is missing")
    x, h, c = normal(4, 3), normal(4, 2), normal(4, 2)
    w = weights(3)
    expected = torch.gru_cell(*map(torch.tensor, (x, h, *w))).numpy()
    np.testing.assert_allclose(ops.gru_cell(x, h, *w).data, expected, rtol=1e-12)
    w = weights(4)
    state = torch.tensor(h), torch.tensor(c)
    eh, ec = torch.lstm_cell(torch.tensor(x), state, *map(torch.tensor, w))
    fh, fc = ops.lstm_cell(x, (h, c), *w)
    np.testing.assert_allclose(fh.data, eh.numpy(), rtol=1e-12)
    np.testing.assert_allclose(fc.data, ec.numpy(), rtol=1e-12)
