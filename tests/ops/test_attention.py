"""Attention against its definition, written as loops, and against PyTorch."""

import math

import numpy as np
import pytest
from kernel_checks import no_float64

import tinygan
from tinygan import Tensor, grad, ops
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.random import Stream
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)
INF = np.inf


def normal(*shape):
    return RNG.normal(size=shape)


def attend(q, k, v, hidden=lambda i, j: 0.0, scale=None):
    """One head, query by query; ``hidden`` is what is added to a score."""
    scale = 1 / math.sqrt(q.shape[1]) if scale is None else scale
    out, weights = np.zeros((len(q), v.shape[1])), np.zeros((len(q), len(k)))
    for i, query in enumerate(q):
        scores = [scale * float(query @ key) + hidden(i, j) for j, key in enumerate(k)]
        total = sum(math.exp(s) for s in scores)
        for j, s in enumerate(scores):
            weights[i, j] = math.exp(s) / total if total else 0.0
            out[i] += weights[i, j] * v[j]
    return out, weights


def test_attention_follows_its_definition():
    q, k, v = normal(3, 4), normal(5, 4), normal(5, 2)
    out, weights = attend(q, k, v)
    np.testing.assert_allclose(ops.scaled_dot_product_attention(q, k, v).data, out, rtol=1e-12)
    np.testing.assert_allclose(ops.attention_weights(q, k).data, weights, rtol=1e-12)
    out, _ = attend(q, k, v, scale=1.0)
    found = ops.scaled_dot_product_attention(q, k, v, scale=1.0)
    np.testing.assert_allclose(found.data, out, rtol=1e-12)


def test_masks_of_booleans_and_of_floats_and_causality():
    q, k, v = normal(4, 3), normal(5, 3), normal(5, 2)
    keep = RNG.random((4, 5)) < 0.5
    keep[2] = False  # a query that may attend to nothing
    added = normal(4, 5)

    def close(found, hidden):
        np.testing.assert_allclose(found.data, attend(q, k, v, hidden)[0], rtol=1e-12, atol=1e-15)

    attention = ops.scaled_dot_product_attention
    close(attention(q, k, v, attn_mask=keep), lambda i, j: 0.0 if keep[i, j] else -INF)
    close(attention(q, k, v, attn_mask=added), lambda i, j: added[i, j])
    close(attention(q, k, v, is_causal=True), lambda i, j: -INF if j > i else 0.0)
    close(
        attention(q, k, v, is_causal=True, attn_mask=added),
        lambda i, j: -INF if j > i else added[i, j],
    )
    assert (attention(q, k, v, attn_mask=keep).data[2] == 0).all()


def test_a_query_that_may_attend_to_nothing_has_gradients_of_zero():
    q, k, v = (Tensor(normal(3, 4), requires_grad=True) for _ in range(3))
    keep = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    for mask in (keep, np.where(keep, 0.0, -INF)):
        y = ops.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        gq, gk, gv = grad((y * y).sum(), (q, k, v), create_graph=True)
        assert all(np.isfinite(g.data).all() for g in (gq, gk, gv))
        assert (gq.data[1] == 0).all()
        second = grad((gq * gq).sum() + (gk * gk).sum(), (q, k, v))
        assert all(np.isfinite(g.data).all() for g in second)


def test_large_scores_do_not_overflow_and_nan_is_not_hidden():
    q = np.full((1, 2), 3e19, np.float32)
    k = np.array([[1, 0], [1e-3, 0]], np.float32)
    mask = np.zeros((1, 2), np.float32)
    for options in ({}, {"attn_mask": mask}):
        np.testing.assert_array_equal(ops.attention_weights(q, k, **options).data, [[1, 0]])
        nan = ops.attention_weights(q, k * np.float32(np.nan), **options).data
        assert np.isnan(nan).all()


def test_leading_axes_broadcast():
    q, k, v = normal(2, 3, 4, 5), normal(3, 6, 5), normal(2, 1, 6, 7)
    y = ops.scaled_dot_product_attention(q, k, v).data
    for n in range(2):
        for h in range(3):
            out, _ = attend(q[n, h], k[h], v[n, 0])
            np.testing.assert_allclose(y[n, h], out, rtol=1e-12)
    assert ops.scaled_dot_product_attention(q[:0], k, v[:0]).shape == (0, 3, 4, 7)
    assert ops.scaled_dot_product_attention(q[..., :0, :], k, v).shape == (2, 3, 0, 7)


def test_gradients_are_right_to_third_order(backend):
    q, k, v, mask = normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), normal(3, 4)
    keep = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)
    attention = ops.scaled_dot_product_attention
    with tinygan.kernels.use_backend(backend, "numpy"):
        check_grads(lambda q, k, v, m: attention(q, k, v, attn_mask=m), [q, k, v, mask])
        check_grads(lambda q, k, v: attention(q, k, v, attn_mask=keep), [q, k, v])
        check_grads(lambda q, k, v: attention(q, k, v, is_causal=True, scale=0.7), [q, k, v])


def test_dropout_drops_weights_and_scales_the_rest():
    q, k = normal(6, 4), normal(50, 4)
    v = np.eye(50)  # so that outputs are weights
    y = ops.scaled_dot_product_attention(
        q, k, v, dropout_p=0.25, mask_stream=Stream(0, "dropout")
    ).data
    weights, dropped = ops.attention_weights(q, k).data, y == 0
    np.testing.assert_allclose(y[~dropped], weights[~dropped] / 0.75, rtol=1e-12)
    assert 0.15 < dropped.mean() < 0.35


@no_float64()
def test_float32_stays_float32():
    q, k, v = (Tensor(normal(2, 4).astype(np.float32), requires_grad=True) for _ in range(3))
    keep = np.array([[True, False], [False, False]])
    for options in ({}, {"attn_mask": keep}, {"attn_mask": np.zeros((2, 2), np.float32)},
                    {"is_causal": True}):  # fmt: skip
        y = ops.scaled_dot_product_attention(q, k, v, **options)
        first = grad(y.sum(), (q, k, v), create_graph=True)
        second = grad(sum((g * g).sum() for g in first), (q, k, v))
        assert {t.dtype for t in (y, *first, *second)} == {np.dtype("float32")}


def test_misfits_are_named():
    q, k, v = normal(3, 4), normal(5, 4), normal(5, 2)
    attention = ops.scaled_dot_product_attention
    with pytest.raises(ShapeError, match=r"q \(3, 4\), k \(5, 3\), v \(5, 2\) do not fit"):
        attention(q, k[:, :3], v)
    with pytest.raises(ShapeError, match="do not fit"):
        attention(q, k, v[:4])
    with pytest.raises(ShapeError, match="S and E at least 1"):
        attention(q, k[:0], v[:0])
    with pytest.raises(ShapeError, match="do not broadcast"):
        attention(normal(2, 3, 4), normal(3, 5, 4), v)
    with pytest.raises(ShapeError, match=r"attn_mask \(2, 5\) does not fit scores \(3, 5\)"):
        attention(q, k, v, attn_mask=np.ones((2, 5), bool))
    with pytest.raises(ShapeError, match=r"attn_mask \(2, 3, 5\)"):
        attention(q, k, v, attn_mask=np.ones((2, 3, 5), bool))
    with pytest.raises(DtypeError, match="int64; booleans or floats"):
        attention(q, k, v, attn_mask=np.ones((3, 5), np.int64))
    with pytest.raises(DtypeError, match="float64, float32"):
        ops.attention_weights(q, k.astype(np.float32))
    with pytest.raises(OptionError, match="needs a stream"):
        attention(q, k, v, dropout_p=0.1)


@pytest.mark.parametrize("case", ["plain", "bool", "float", "causal", "scale", "nothing left"])
def test_against_torch(case):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is missing")
    q, k, v = normal(2, 3, 4, 6), normal(2, 3, 5, 6), normal(2, 3, 5, 7)
    keep = RNG.random((2, 1, 4, 5)) < 0.7
    keep[..., 0] = True
    if case == "nothing left":
        keep[0, 0, 1] = False
    options = {
        "plain": {},
        "bool": {"attn_mask": keep},
        "float": {"attn_mask": normal(4, 5)},
        "causal": {"is_causal": True},
        "scale": {"scale": 1.3},
        "nothing left": {"attn_mask": keep},
    }[case]
    xs = [Tensor(a, requires_grad=True) for a in (q, k, v)]
    ts = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    y = ops.scaled_dot_product_attention(*xs, **options)
    given = {n: torch.tensor(o) if n == "attn_mask" else o for n, o in options.items()}
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        expected = torch.nn.functional.scaled_dot_product_attention(*ts, **given)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-10, atol=1e-14)
    g = normal(*y.shape)
    found = grad(y, xs, Tensor(g))
    for a, b in zip(found, torch.autograd.grad(expected, ts, torch.tensor(g)), strict=True):
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-10, atol=1e-13)
