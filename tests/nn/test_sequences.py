"""Attention and recurrent layers: shapes, states, options, spectral norm, what they refuse."""

import numpy as np
import pytest
from kernel_checks import no_float64
from strict_arrays import strictcupy, to_numpy, to_strict

from tinygan import Tensor, grad, nn, ops, random
from tinygan.errors import DtypeError, OptionError, ShapeError
from tinygan.nn.utils import spectral_norm
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def test_self_attention_is_the_identity_until_gamma_moves():
    layer = nn.SelfAttention2d(16, dtype=np.float64)
    x = Tensor(normal(2, 16, 4, 6))
    np.testing.assert_array_equal(layer(x).data, x.data)
    assert list(layer.state_dict()) == [
        "gamma", "theta.weight", "phi.weight", "g.weight", "o.weight",
    ]  # fmt: skip
    assert layer.theta.weight.shape == layer.phi.weight.shape == (2, 16, 1, 1)
    assert layer.g.weight.shape == (8, 16, 1, 1)
    assert layer.o.weight.shape == (16, 8, 1, 1)
    assert layer.gamma.shape == ()


@pytest.mark.parametrize("pool", [True, False])
def test_self_attention_follows_its_definition(pool):
    layer = nn.SelfAttention2d(4, reduction=2, value_reduction=4, pool=pool, dtype=np.float64)
    layer.gamma.assign_(np.array(0.7))
    x = normal(2, 4, 3, 5)
    theta, phi, g, o = (w[:, :, 0, 0] for w in list(layer.state_dict().values())[1:])
    expected = x.copy()
    for n in range(2):
        keys, values = (np.einsum("oc,chw->ohw", w, x[n]) for w in (phi, g))
        if pool:  # 3x5 pixels make 1x2 windows
            keys, values = (
                np.stack([t[:, :2, 2 * j : 2 * j + 2].max((1, 2)) for j in range(2)], 1)[:, None]
                for t in (keys, values)
            )
        keys, values = keys.reshape(len(keys), -1), values.reshape(len(values), -1)
        for i in range(3):
            for j in range(5):
                scores = (theta @ x[n, :, i, j]) @ keys
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                expected[n, :, i, j] += 0.7 * o @ (values @ weights)
    np.testing.assert_allclose(layer(Tensor(x)).data, expected, rtol=1e-11, atol=1e-13)


def test_self_attention_takes_spectral_norm_and_gradients_to_second_order(backend):
    with random.using(random.Streams(0)):
        layer = nn.SelfAttention2d(4, reduction=2, dtype=np.float64)
        layer.gamma.assign_(np.array(0.5))
        for conv in layer.children():
            spectral_norm(conv)
    layer.eval()
    names = list(layer.named_parameters())
    assert "theta.weight_orig" in names

    def fn(x, *parameters):
        return nn.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    args = [normal(2, 4, 2, 3), *(p.data for p in layer.parameters())]
    check_grads(fn, args, order=2)


def test_multihead_attention_with_one_head_and_unit_weights_is_attention():
    layer = nn.MultiheadAttention(3, 1, batch_first=True, dtype=np.float64)
    unit = np.eye(3)
    layer.load_state_dict(
        {
            "in_proj_weight": np.concatenate([unit] * 3),
            "in_proj_bias": np.zeros(9),
            "out_proj.weight": unit,
            "out_proj.bias": np.zeros(3),
        }
    )
    q, k, v = normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 3)
    y, weights = layer(Tensor(q), Tensor(k), Tensor(v))
    expected = ops.scaled_dot_product_attention(q, k, v).data
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    np.testing.assert_allclose(weights.data, ops.attention_weights(q, k).data, rtol=1e-12)


def test_a_query_with_every_key_hidden_gets_the_bias_of_the_output():
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=np.float64)
    layer.out_proj.bias.assign_(normal(4))
    x = Tensor(normal(2, 3, 4), requires_grad=True)
    hidden = np.array([[True] * 3, [False] * 3])
    y, weights = layer(x, x, x, key_padding_mask=hidden)
    np.testing.assert_array_equal(weights.data[0], 0)
    np.testing.assert_array_equal(y.data[0], np.broadcast_to(layer.out_proj.bias.data, (3, 4)))
    assert np.isfinite(grad(y.sum(), x).data).all()


def test_dropout_acts_in_training_alone():
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    x = Tensor(normal(6, 2, 8).astype(np.float32))
    _, weights = layer(x, x, x, average_attn_weights=False)
    assert 0.2 < (weights.data == 0).mean() < 0.8
    layer.eval()
    _, weights = layer(x, x, x, average_attn_weights=False)
    assert (weights.data > 0).all()
    rnn = nn.GRU(3, 5, 2, dropout=0.5)
    x = Tensor(normal(4, 2, 3).astype(np.float32))
    assert (rnn(x)[0].data != rnn(x)[0].data).any()
    rnn.eval()
    assert (rnn(x)[0].data == rnn(x)[0].data).all()


def test_a_sequence_is_its_cells():
    with random.using(random.Streams(0)):
        layer, cell = nn.LSTM(3, 2, dtype=np.float64), nn.LSTMCell(3, 2, dtype=np.float64)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x, state, outputs = Tensor(normal(4, 5, 3)), None, []
    for t in range(4):
        state = cell(x[t], state)
        outputs.append(state[0].data)
    y, (h, c) = layer(x)
    np.testing.assert_allclose(y.data, outputs, rtol=1e-12)
    np.testing.assert_allclose(h.data[0], state[0].data, rtol=1e-12)
    np.testing.assert_allclose(c.data[0], state[1].data, rtol=1e-12)


def test_recurrent_layers_take_spectral_norm_and_gradients_to_second_order(backend):
    with random.using(random.Streams(0)):
        layer = spectral_norm(nn.GRU(2, 2, bidirectional=True, dtype=np.float64), "weight_hh_l0")
    layer.eval()
    names = list(layer.named_parameters())
    assert "weight_hh_l0_orig" in names

    def fn(x, *parameters):
        return nn.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    check_grads(fn, [normal(2, 1, 2), *(p.data for p in layer.parameters())], order=2)


LAYERS = {
    "mha": (lambda: nn.MultiheadAttention(4, 2), lambda m, x: m(x, x, x)[0], (3, 2, 4)),
    "mha masked": (
        lambda: nn.MultiheadAttention(4, 2),
        lambda m, x: m(x, x, x, attn_mask=np.tri(3) == 0)[0],
        (3, 2, 4),
    ),
    "self attention": (lambda: nn.SelfAttention2d(8), lambda m, x: m(x), (2, 8, 4, 4)),
    "gru": (lambda: nn.GRU(3, 2, 2, bidirectional=True), lambda m, x: m(x)[0], (3, 2, 3)),
    "lstm": (lambda: nn.LSTM(3, 2, 2, bidirectional=True), lambda m, x: m(x)[1][1], (3, 2, 3)),
    "gru cell": (lambda: nn.GRUCell(3, 2), lambda m, x: m(x), (2, 3)),
    "lstm cell": (lambda: nn.LSTMCell(3, 2), lambda m, x: m(x)[1], (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
@no_float64()
def test_float32_stays_float32(name):
    make, run, shape = LAYERS[name]
    layer = make()
    x = Tensor(normal(*shape).astype(np.float32), requires_grad=True)
    y = run(layer, x)
    found = grad((y * y).sum(), [x, *layer.parameters()])
    assert {t.dtype for t in (y, *found)} == {np.dtype("float32")}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_run_on_cupy_and_agree_with_numpy(name):
    make, run, shape = LAYERS[name]
    x = normal(*shape).astype(np.float32)
    found = []
    for xp, place in ((np, np.asarray), (strictcupy, to_strict)):
        with random.using(random.Streams(0, xp)):
            layer = make()
        if name == "mha masked":
            hidden = place(np.tri(3) == 0)
            y = layer(*[Tensor(place(x))] * 3, attn_mask=hidden)[0]
        else:
            y = run(layer, Tensor(place(x)))
        gs = grad(ops.sum(y * y), layer.parameters())
        found.append([to_numpy(t.data) if xp is strictcupy else t.data for t in (y, *gs)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_misfits_are_named():
    with pytest.raises(OptionError, match="embed_dim 5 does not fall into 2 heads"):
        nn.MultiheadAttention(5, 2)
    with pytest.raises(OptionError, match=r"dropout 1.0"):
        nn.MultiheadAttention(4, 2, dropout=1.0)
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    x = Tensor(normal(2, 3, 4).astype(np.float32))
    with pytest.raises(ShapeError, match=r"do not fit \(N, L, 4\), \(N, S, 4\)"):
        layer(x, x, x[..., :3])
    with pytest.raises(ShapeError, match=r"key \(3, 4\) and value \(2, 3, 4\) do not"):
        layer(x, x[0], x)
    with pytest.raises(ShapeError, match=r"MultiheadAttention: .* value \(2, 2, 4\) do not fit"):
        layer(x, x, x[:, :2])
    with pytest.raises(ShapeError, match=r"key_padding_mask \(2, 4\) is not \(2, 3\)"):
        layer(x, x, x, key_padding_mask=np.zeros((2, 4), bool))
    with pytest.raises(ShapeError, match=r"attn_mask \(3, 4\) is neither \(3, 3\) nor \(4, 3, 3\)"):
        layer(x, x, x, attn_mask=np.zeros((3, 4), bool))
    with pytest.raises(DtypeError, match="a mask of int64"):
        layer(x, x, x, attn_mask=np.zeros((3, 3), np.int64))
    with pytest.raises(OptionError, match="must leave one"):
        nn.SelfAttention2d(4)
    with pytest.raises(ShapeError, match=r"SelfAttention2d takes x \(N, 8, H, W\)"):
        nn.SelfAttention2d(8)(x)
    with pytest.raises(ShapeError, match=r"SelfAttention2d: x \(1, 8, 1, 4\) is too small to pool"):
        nn.SelfAttention2d(8)(Tensor(np.ones((1, 8, 1, 4), np.float32)))
    with pytest.raises(OptionError, match="sizes 0, 2"):
        nn.GRUCell(0, 2)
    with pytest.raises(OptionError, match="num_layers 0"):
        nn.LSTM(3, 2, 0)
    with pytest.raises(ShapeError, match=r"GRUCell takes x \(N, 3\)"):
        nn.GRUCell(3, 2)(x)
    with pytest.raises(ShapeError, match=r"LSTM takes x \(L, N, 3\)"):
        nn.LSTM(3, 2)(x)
    rnn = nn.GRU(4, 2, bidirectional=True)
    with pytest.raises(ShapeError, match=r"states \(1, 3, 2\) do not fit"):
        rnn(x, Tensor(np.zeros((1, 3, 2), np.float32)))
    h = Tensor(np.zeros((2, 3, 2), np.float32))
    with pytest.raises(OptionError, match="GRU: hx is 2 states: one tensor h fits"):
        rnn(x, (h, h))
    with pytest.raises(OptionError, match=r"LSTM: hx is one tensor: a pair \(h, c\) fits"):
        nn.LSTM(4, 2, bidirectional=True)(x, h)
    with pytest.raises(DtypeError, match="got NoneType"):
        ops.gru_cell(x, h, None, h)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "GRUCell", "LSTMCell"])
def test_recurrent_layers_take_arrays_as_other_layers_do(kind):
    layer = getattr(nn, kind)(3, 2)
    x = normal(5, 4, 3).astype(np.float32)
    x = x[0] if kind.endswith("Cell") else x
    h = np.zeros((4, 2) if kind.endswith("Cell") else (1, 4, 2), np.float32)
    hx = (h, h) if "LSTM" in kind else h
    for given in (None, hx):
        ours, theirs = layer(x, given), layer(Tensor(x), given)
        ours, theirs = (y[0] if isinstance(y, tuple) else y for y in (ours, theirs))
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_layers_print_their_sizes():
    assert repr(nn.GRU(3, 4, 2)) == "GRU(3, 4, num_layers=2, bidirectional=False)"
    assert repr(nn.LSTMCell(3, 4)) == "LSTMCell(3, 4, bias=True)"
    assert "8, pool=True" in repr(nn.SelfAttention2d(8))
    assert "4, 2, dropout=0.0" in repr(nn.MultiheadAttention(4, 2))
