"""What a graph keeps alive: the values that rules read, and of others the shape alone."""

import weakref

import numpy as np
import pytest

from tinygan import Tensor, grad, kernels, ops
from tinygan.autograd import Op, outline
from tinygan.autograd.linear import transpose
from tinygan.autograd.op import watching
from tinygan.errors import GraphError
from tinygan.kernels.conv2d import ConvSpec

EDGES = np.array([-np.inf, -2.0, -1e-45, -0.0, 0.0, 1e-45, 3.0, np.inf, np.nan], np.float32)


def leaf(*shape):
    rng = np.random.default_rng(sum(shape))
    return Tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True)


def watch(*tensors):
    """Return a function that says which of the arrays are still alive."""
    refs = [weakref.ref(t.data) for t in tensors]
    return lambda: [ref() is not None for ref in refs]


def test_a_layer_keeps_its_input_and_its_output_and_nothing_between():
    x, w, b = leaf(2, 3, 5, 5), leaf(4, 3, 3, 3), leaf(4)
    product = ops.conv2d(x, w)
    shifted = ops.bias_act(product, b)
    y = ops.leaky_relu(shifted)
    alive = watch(product, shifted, y)
    loss = (y * y).sum()
    expected = 2 * y.data * np.where(shifted.data > 0, 1, 0.01).astype(np.float32)
    del product, shifted, y
    assert alive() == [False, False, True]
    gb, gw = grad(loss, [b, w])
    np.testing.assert_allclose(gb.data, expected.sum((0, 2, 3)), rtol=1e-5)
    exact = kernels.call("conv2d_wgrad", x.data, expected, spec=ConvSpec(), w_shape=w.shape)
    np.testing.assert_allclose(gw.data, exact, 1e-5)
    assert alive() == [False, False, False]


def test_a_graph_through_sums_alone_holds_no_values():
    x = leaf(3, 4)
    h = x + 1.0
    t = transpose(h)
    alive = watch(h)
    y = (t - 2.0).sum()
    del h, t
    assert alive() == [False]
    np.testing.assert_array_equal(grad(y, x).data, np.ones((3, 4)))


def test_outputs_that_a_rule_reads_are_kept_by_its_own_node():
    for fn, slope in ((ops.exp, np.exp), (ops.sqrt, lambda v: 0.5 / np.sqrt(v))):
        x = Tensor(np.array([1.0, 4.0]), requires_grad=True)
        h = x * 1.0
        y = fn(h)
        alive = watch(h, y)
        loss = y.sum()
        del h, y
        assert alive() == [False, True]
        first = grad(loss, x, create_graph=True)
        np.testing.assert_allclose(first.data, slope(x.data))
        second = (slope(x.data + 1e-5) - slope(x.data - 1e-5)) / 2e-5
        np.testing.assert_allclose(grad(first.sum(), x).data, second, 1e-5)
        del first, loss
        assert alive() == [False, False]


def test_an_intermediate_can_be_asked_for_though_its_consumers_keep_an_outline():
    x = leaf(3)
    h = x * x
    y = (h + 1.0).sum()
    gh, gx = grad(y, [h, x])
    np.testing.assert_array_equal(gh.data, np.ones(3))
    np.testing.assert_array_equal(gx.data, 2 * x.data)


def test_small_arrays_are_kept_whole(monkeypatch):
    monkeypatch.setattr(outline, "LEAST", 100)
    for size, kept in ((25, True), (26, False)):  # 100 and 104 bytes
        h = leaf(size) * 2.0
        alive = watch(h)
        y = h + 1.0
        del h
        assert alive() == [kept]
        del y


def test_a_rule_that_reads_what_it_said_it_does_not_is_told():
    cube = Op("cube", lambda x: x**3, reads="shapes")
    x = leaf(3)
    for rule in (
        lambda g, y, xs, needs: (g[0] * xs[0] * xs[0] * 3.0,),
        lambda g, y, xs, needs: (Tensor(g[0].data * xs[0].data),),
        lambda g, y, xs, needs: (Tensor(xs[0].data.copy()),),
        lambda g, y, xs, needs: (Tensor(np.zeros(xs[0].data.strides)),),
    ):
        cube.defvjp(rule)
        with pytest.raises(GraphError, match=r"values of shape \(3,\) .*reads"):
            grad(cube(x * 1.0).sum(), x)


def test_only_what_is_read_must_not_change():
    x, b = leaf(2, 3), leaf(3)
    h = x * 1.0
    y = ops.relu(h)
    shifted = ops.bias_act(y, b)
    h.assign_(h.data)  # relu reads its output
    b.assign_(b.data)  # a bias reads nothing
    grad(shifted.sum(), x, retain_graph=True)
    y.assign_(y.data)
    with pytest.raises(GraphError, match=r"'bias_act' saved an output .*changed since"):
        grad(shifted.sum(), x)


def test_of_where_the_condition_alone_is_read():
    a, b = leaf(4), leaf(4)
    p, q = a * 1.0, b * 1.0
    alive = watch(p, q)
    y = ops.where(a.data > 0, p, q).sum()
    p.assign_(p.data)
    del p, q
    assert alive() == [False, False]
    ga, gb = grad(y, [a, b])
    np.testing.assert_array_equal(ga.data, a.data > 0)
    np.testing.assert_array_equal(gb.data, a.data <= 0)


@pytest.mark.parametrize("act", ["relu", "leaky_relu"])
@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0, -0.5])
@pytest.mark.parametrize("gain", [1.0, 1.5, 1e-3])
@pytest.mark.parametrize("bias", [None, np.array([0.5], np.float32)])
def test_the_slope_by_the_output_has_the_bits_of_the_slope_by_the_input(
    backend, act, alpha, gain, bias
):
    data = np.concatenate([EDGES, EDGES - np.float32(0.5)]).reshape(-1, 1)
    params = {"act": act, "alpha": alpha, "gain": gain, "clamp": None}
    x = Tensor(data, requires_grad=True)
    given = [x] if bias is None else [x, Tensor(bias, requires_grad=True)]
    gy = np.linspace(-3, 4, data.size, dtype=np.float32).reshape(data.shape)
    with kernels.use_backend(backend), np.errstate(all="ignore"):
        y = ops.bias_act(*given, **{k: v for k, v in params.items() if k != "clamp"})
        found = grad(y, given, Tensor(gy))
        exact = kernels.call("bias_act_vjp", data, *([] if bias is None else [bias]), gy, **params)
    for f, e in zip(found, exact, strict=True):
        np.testing.assert_array_equal(f.data, e)


def test_the_graph_of_a_gradient_penalty_holds_no_cotangent_between_two_layers():
    x, w = leaf(2, 3), leaf(3, 3)
    h = x @ w
    y = ops.leaky_relu(h) @ w
    made = []

    def note(op, _, ys):
        if op.name == "matmul":
            made.append(watch(ys[0]))  # a cotangent, before the slope

    with watching(note):
        gx = grad(y.sum(), x, create_graph=True)
    assert made[0]() == [False]  # what the slope made of it is kept, for w
    assert grad((gx * gx).sum(), w).shape == (3, 3)
