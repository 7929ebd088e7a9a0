"""Attention and recurrent layers against PyTorch's, where PyTorch is installed."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, random

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this file, is not installed")

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def twins(kind, *args, **kwargs):
    """Return the layer of both libraries in float64, with the weights of torch's."""
    theirs = getattr(torch.nn, kind)(*args, **kwargs).double()
    sizes = args[:3] if kind in ("GRU", "LSTM") else args
    ours = getattr(nn, kind)(*sizes, **kwargs, dtype=np.float64)
    with torch.no_grad():
        for p in theirs.parameters():  # torch starts some biases at 0, which would hide them
            p.copy_(torch.tensor(normal(*p.shape) * 0.5))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return theirs, ours


def close(ours, theirs):
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours.data, expected, rtol=1e-9, atol=1e-11)


def compare(theirs, ours, their_ys, our_ys, their_xs, our_xs):
    """Compare outputs, and the gradients with respect to inputs and parameters."""
    gs = [normal(*y.shape) for y in our_ys]
    for a, b in zip(our_ys, their_ys, strict=True):
        close(a, b)
    found = grad(our_ys, [*our_xs, *ours.parameters()], [Tensor(g) for g in gs])
    expected = torch.autograd.grad(
        their_ys, [*their_xs, *theirs.parameters()], [torch.tensor(g) for g in gs]
    )
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        close(a, b)


def both(*arrays):
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    return [torch.tensor(a, requires_grad=True) for a in arrays], ours


RNNS = {
    "plain": {},
    "no bias": {"bias": False},
    "two layers": {"num_layers": 2},
    "both ways": {"bidirectional": True},
    "three layers both ways, batch first": {
        "num_layers": 3,
        "bidirectional": True,
        "batch_first": True,
    },
}


@pytest.mark.parametrize("given", ["states", "no states", "no batch"])
@pytest.mark.parametrize("name", RNNS)
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_recurrent_layers_equal_their_twins(kind, name, given):
    options = RNNS[name]
    theirs, ours = twins(kind, 3, 4, **options)
    batch = () if given == "no batch" else (2,)
    shape = (2, 5, 3) if options.get("batch_first") and batch else (5, *batch, 3)
    rows = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    states = [] if given == "no states" else [normal(rows, *batch, 4)] * (1 + (kind == "LSTM"))
    (tx, *ts), (ox, *os) = both(normal(*shape), *states)
    hx = [(tuple(s) if kind == "LSTM" else s[0]) if s else None for s in (ts, os)]
    t_out, t_last = theirs(tx, hx[0])
    o_out, o_last = ours(ox, hx[1])
    t_ys, o_ys = ([out, *last] if kind == "LSTM" else [out, last]
                  for out, last in ((t_out, t_last), (o_out, o_last)))  # fmt: skip
    compare(theirs, ours, t_ys, o_ys, [tx, *ts], [ox, *os])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["GRUCell", "LSTMCell"])
def test_cells_equal_their_twins(kind, bias):
    theirs, ours = twins(kind, 3, 4, bias=bias)
    (tx, *ts), (ox, *os) = both(normal(2, 3), *[normal(2, 4)] * (1 + (kind == "LSTMCell")))
    pair = kind == "LSTMCell"
    ty, oy = theirs(tx, tuple(ts) if pair else ts[0]), ours(ox, tuple(os) if pair else os[0])
    t_ys, o_ys = (list(y) if pair else [y] for y in (ty, oy))
    compare(theirs, ours, t_ys, o_ys, [tx, *ts], [ox, *os])
    bare_t, bare_o = theirs(tx[0]), ours(ox[0])
    close(bare_o[0] if pair else bare_o, bare_t[0] if pair else bare_t)


def attention_masks(n, rows, columns, heads):
    hidden = RNG.random((rows, columns)) < 0.4
    hidden[:, 0] = False
    each = RNG.random((n * heads, rows, columns)) < 0.4
    each[..., 0] = False
    padding = np.zeros((n, columns), bool)
    padding[0, -2:] = True
    return {
        "none": {},
        "attn bool": {"attn_mask": hidden},
        "attn float": {"attn_mask": normal(rows, columns)},
        "attn of each head": {"attn_mask": each},
        "attn of each head, floats": {"attn_mask": normal(n * heads, rows, columns)},
        "padding": {"key_padding_mask": padding},
        "padding and attn": {"key_padding_mask": padding, "attn_mask": hidden},
        "padding and attn, floats": {
            "key_padding_mask": np.where(padding, -np.inf, 0.0),
            "attn_mask": normal(rows, columns),
        },
        "heads apart": {"average_attn_weights": False},
        "no weights": {"need_weights": False},
    }


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", attention_masks(2, 3, 4, 2))
@pytest.mark.parametrize("sizes", [{}, {"kdim": 5, "vdim": 3}, {"bias": False}], ids=str)
def test_multihead_attention_equals_its_twin(sizes, name, batch_first):
    theirs, ours = twins("MultiheadAttention", 6, 2, batch_first=batch_first, **sizes)
    options = attention_masks(2, 3, 4, 2)[name]
    shapes = [(2, 3, 6), (2, 4, sizes.get("kdim", 6)), (2, 4, sizes.get("vdim", 6))]
    turned = [s if batch_first else (s[1], s[0], s[2]) for s in shapes]
    t_xs, o_xs = both(*(normal(*s) for s in turned))
    given = {k: torch.tensor(v) if hasattr(v, "shape") else v for k, v in options.items()}
    ty, oy = theirs(*t_xs, **given), ours(*o_xs, **options)
    if name == "no weights":
        assert ty[1] is None
        assert oy[1] is None
        ty, oy = ty[:1], oy[:1]
    compare(theirs, ours, list(ty), list(oy), t_xs, o_xs)


def test_multihead_attention_without_a_batch_equals_its_twin():
    theirs, ours = twins("MultiheadAttention", 6, 2)
    t_xs, o_xs = both(normal(3, 6), normal(4, 6), normal(4, 6))
    hidden, padding = np.triu(np.ones((3, 4), bool), 1), np.array([0, 0, 1, 1], bool)
    ty = theirs(*t_xs, attn_mask=torch.tensor(hidden), key_padding_mask=torch.tensor(padding))
    oy = ours(*o_xs, attn_mask=hidden, key_padding_mask=padding)
    compare(theirs, ours, list(ty), list(oy), t_xs, o_xs)
    causal = ours(*o_xs, is_causal=True)
    expected = theirs(*t_xs, attn_mask=torch.tensor(hidden))
    close(causal[0], expected[0])


KINDS = {
    "GRU": (3, 4, 2),
    "LSTM": (3, 4, 2),
    "GRUCell": (3, 4),
    "LSTMCell": (3, 4),
    "MultiheadAttention": (4, 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_our_state_loads_into_torch(kind):
    ours = getattr(nn, kind)(*KINDS[kind])
    theirs = getattr(torch.nn, kind)(*KINDS[kind])
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    x = normal(2, KINDS[kind][0]).astype(np.float32)
    if kind == "MultiheadAttention":
        found, expected = ours(*[Tensor(x)] * 3)[0], theirs(*[torch.tensor(x)] * 3)[0]
    else:
        found, expected = ours(Tensor(x)), theirs(torch.tensor(x))
        if kind != "GRUCell":
            found, expected = found[0], expected[0]
    np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_start_from_the_same_distribution(kind):
    sizes = (200, 4) if kind == "MultiheadAttention" else (300, 200)
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(*sizes).state_dict()
    with random.using(random.Streams(0)):
        ours = getattr(nn, kind)(*sizes).state_dict()
    for name, value in theirs.items():
        expected, found = value.numpy(), ours[name]
        scale = expected.std()
        if scale == 0:
            assert (found == 0).all()
        else:
            assert abs(found.mean()) < 6 * scale / np.sqrt(found.size)
            assert found.std() == pytest.approx(scale, rel=0.1)
            assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=0.02)
