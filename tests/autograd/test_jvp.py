"""jvp and hvp: closed forms, the adjoint of vjp, central differences, PyTorch, refusals."""

import numpy as np
import pytest
from kernel_checks import no_float64

import tinygan
from tinygan import Tensor, grad, hvp, jvp, no_grad, ops
from tinygan.errors import DtypeError, NotDifferentiableError, OptionError, ShapeError
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def test_the_jvp_of_a_matrix_is_its_product():
    a, x, u = normal(4, 3), normal(3), normal(3)
    y, ty = jvp(lambda x: Tensor(a) @ x, x, u)
    np.testing.assert_allclose(y.data, a @ x, rtol=1e-14)
    np.testing.assert_allclose(ty.data, a @ u, rtol=1e-14)


def test_the_jvp_of_a_product_follows_the_product_rule():
    a, b, ta, tb = normal(4, 5)
    (y, s), (ty, ts) = jvp(lambda a, b: (a * b, ops.sin(a)), (a, b), (ta, tb))
    np.testing.assert_allclose(y.data, a * b)
    np.testing.assert_allclose(ty.data, ta * b + a * tb, rtol=1e-13)
    np.testing.assert_allclose(s.data, np.sin(a))
    np.testing.assert_allclose(ts.data, np.cos(a) * ta, rtol=1e-13)


def test_results_have_the_form_that_fn_returns():
    y, ty = jvp(lambda x: (x,), [normal(2)], [normal(2)])
    assert type(y) is tuple
    assert type(ty) is tuple
    y, ty = jvp(ops.tanh, (normal(2),), (normal(2),))
    assert isinstance(y, Tensor)
    assert isinstance(ty, Tensor)


def test_the_hvp_of_a_quadratic_is_its_matrix_made_symmetric():
    a, x, v = normal(4, 4), normal(4), normal(4)
    value, found = hvp(lambda x: (x * (Tensor(a) @ x)).sum(), x, v)
    assert float(value) == pytest.approx(x @ a @ x)
    np.testing.assert_allclose(found.data, (a + a.T) @ v, rtol=1e-13)


def test_the_hvp_of_two_inputs_has_the_mixed_blocks():
    x, y, u, w = normal(4, 3)
    value, (hx, hy) = hvp(lambda x, y: (x * x * y).sum(), (x, y), (u, w))
    assert float(value) == pytest.approx((x * x * y).sum())
    np.testing.assert_allclose(hx.data, 2 * y * u + 2 * x * w, rtol=1e-13)
    np.testing.assert_allclose(hy.data, 2 * x * u, rtol=1e-13)


NETS = {
    "conv and norm": (
        lambda x, w: ops.tanh(ops.batch_norm(ops.conv2d(x, w), np.ones(2), np.zeros(2))),
        [(2, 3, 4, 4), (2, 3, 3, 3)],
    ),
    "softmax": (lambda x, w: ops.softmax(ops.matmul(x, w)), [(4, 3), (3, 5)]),
    "two outputs": (lambda x, w: (ops.exp(x * w), ops.sum(x, 0)), [(4, 3), (3,)]),
    "spectral norm": (
        lambda w, u: ops.spectral_norm(w, u, np.array([0.6, 0.8])),
        [(3, 2), (3,)],
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_jvp_and_vjp_are_adjoint(name, backend):
    fn, shapes = NETS[name]
    xs, us = [normal(*s) for s in shapes], [normal(*s) for s in shapes]
    with tinygan.kernels.use_backend(backend, "numpy"):
        ys, moved = jvp(fn, xs, us)
        moved = moved if isinstance(moved, tuple) else (moved,)
        gs = [normal(*t.shape) for t in moved]
        leaves = [Tensor(x, requires_grad=True) for x in xs]
        outputs = fn(*leaves)
        pulled = grad(outputs, leaves, [Tensor(g) for g in gs])
    left = sum(float((g * t.data).sum()) for g, t in zip(gs, moved, strict=True))
    right = sum(float((p.data * u).sum()) for p, u in zip(pulled, us, strict=True))
    assert left == pytest.approx(right, rel=1e-11)
    assert not any(t.requires_grad for t in moved)
    assert not any(y.requires_grad for y in (ys if isinstance(ys, tuple) else (ys,)))


@pytest.mark.parametrize("name", NETS)
def test_jvp_agrees_with_central_differences(name):
    fn, shapes = NETS[name]
    xs, us = [normal(*s) for s in shapes], [normal(*s) for s in shapes]
    _, moved = jvp(fn, xs, us)
    h = 1e-5
    ahead, behind = (
        fn(*(Tensor(x + sign * h * u) for x, u in zip(xs, us, strict=True))) for sign in (1, -1)
    )
    for t, a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (moved, ahead, behind)),
                       strict=True):  # fmt: skip
        np.testing.assert_allclose(t.data, (a.data - b.data) / (2 * h), rtol=1e-6, atol=1e-8)


def test_jvp_is_differentiable_to_third_order_in_primals_and_tangents(backend):
    def moved(x, u):
        y, ty = jvp(lambda x: ops.tanh(x) * ops.softmax(x), x, u, create_graph=True)
        return y, ty

    with tinygan.kernels.use_backend(backend, "numpy"):
        check_grads(moved, [normal(2, 3), normal(2, 3)], order=3)


def test_hvp_is_differentiable_to_third_order(backend):
    def product(x, v):
        return hvp(lambda x: ops.sum(ops.exp(ops.sin(x))), x, v, create_graph=True)

    with tinygan.kernels.use_backend(backend, "numpy"):
        check_grads(product, [normal(4), normal(4)], order=3)


def test_a_jvp_of_a_jvp_is_the_second_derivative_along_both():
    x, u, w = normal(3, 4)
    _, second = jvp(lambda x: jvp(ops.sin, x, u, create_graph=True)[1], x, w)
    np.testing.assert_allclose(second.data, -np.sin(x) * u * w, rtol=1e-13)


def test_what_fn_closes_over_is_differentiated_with_create_graph():
    w = Tensor(normal(3), requires_grad=True)
    x, u = normal(3), normal(3)
    _, ty = jvp(lambda x: w * x * x, x, u, create_graph=True)
    np.testing.assert_allclose(grad(ty.sum(), w).data, 2 * x * u, rtol=1e-13)


def test_primals_on_a_graph_are_differentiated_through():
    z = Tensor(normal(3), requires_grad=True)
    u = normal(3)
    _, ty = jvp(lambda x: x * x, z * 3.0, u, create_graph=True)
    np.testing.assert_allclose(grad(ty.sum(), z).data, 2 * u * 3, rtol=1e-13)


def test_one_tensor_given_twice_counts_as_two_primals():
    x = Tensor(normal(3), requires_grad=True)
    _, ty = jvp(lambda a, b: a * b, (x, x), (np.ones(3), np.zeros(3)), create_graph=True)
    np.testing.assert_array_equal(ty.data, x.data)


def test_it_works_where_recording_is_off():
    with no_grad():
        _, ty = jvp(ops.sin, np.array([0.0]), np.array([2.0]))
    assert ty.data.tolist() == [2.0]


def test_an_output_that_does_not_depend_on_the_primals_does_not_move():
    (_, c), (_, tc) = jvp(lambda x: (x, Tensor(np.ones(4))), normal(2), normal(2))
    np.testing.assert_array_equal(c.data, np.ones(4))
    np.testing.assert_array_equal(tc.data, np.zeros(4))


def test_a_primal_that_fn_does_not_use_moves_nothing():
    x, u = normal(2), normal(2)
    _, ty = jvp(lambda x, unused: 3.0 * x, (x, normal(4)), (u, normal(4)))
    np.testing.assert_allclose(ty.data, 3 * u, rtol=1e-15)
    _, (hx, h0) = hvp(lambda x, unused: (x * x).sum(), (x, normal(4)), (u, normal(4)))
    np.testing.assert_allclose(hx.data, 2 * u, rtol=1e-15)
    np.testing.assert_array_equal(h0.data, 0)


@no_float64()
def test_float32_stays_float32():
    x, u = (normal(3).astype(np.float32) for _ in range(2))
    y, ty = jvp(lambda x: ops.softplus(x) * 2.0, x, u)
    value, hv = hvp(lambda x: ops.sum(ops.softplus(x)), x, u)
    assert {t.dtype for t in (y, ty, value, hv)} == {np.dtype("float32")}


def test_misfits_are_named():
    with pytest.raises(ShapeError, match=r"jvp: 2 primals but 1 tangents"):
        jvp(ops.add, (normal(2), normal(2)), (normal(2),))
    with pytest.raises(ShapeError, match=r"jvp: primals\[0\] is \(2,\) but tangents\[0\] is \(3,"):
        jvp(ops.tanh, normal(2), normal(3))
    with pytest.raises(DtypeError, match=r"primals\[0\] is int64"):
        jvp(ops.tanh, np.arange(2), np.arange(2))
    with pytest.raises(DtypeError, match=r"primals\[0\] is float64 but tangents\[0\] is float32"):
        jvp(ops.tanh, normal(2), normal(2).astype(np.float32))
    with pytest.raises(DtypeError, match=r"outputs\[0\] is int64"):
        jvp(ops.argmax, normal(2), normal(2))
    with pytest.raises(NotDifferentiableError, match="floor"):
        jvp(ops.floor, normal(2), normal(2))
    with pytest.raises(ShapeError, match=r"one number, got \(2,\)"):
        hvp(ops.tanh, normal(2), normal(2))
    with pytest.raises(ShapeError, match=r"hvp: inputs\[0\] is \(2,\) but v\[0\] is \(3,\)"):
        hvp(ops.sum, normal(2), normal(3))
    for other, kind in ((None, "NoneType"), ({"y": 1}, "dict")):
        with pytest.raises(OptionError, match=f"jvp: fn must return .* got {kind}"):
            jvp(lambda x, other=other: other, normal(2), normal(2))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_against_torch():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is missing")
    x, w, u, v = normal(4, 3), normal(3, 5), normal(4, 3), normal(3, 5)
    ours = jvp(lambda x, w: ops.log_softmax(ops.sin(x) @ w), (x, w), (u, v))
    theirs = torch.func.jvp(
        lambda x, w: torch.log_softmax(torch.sin(x) @ w, -1),
        (torch.tensor(x), torch.tensor(w)),
        (torch.tensor(u), torch.tensor(v)),
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-11, atol=1e-12)
    value, (hx, hw) = hvp(lambda x, w: ops.logsumexp(ops.flatten(x @ w, 0)), (x, w), (u, v))
    expected, (ex, ew) = torch.autograd.functional.hvp(
        lambda x, w: torch.logsumexp((x @ w).flatten(), 0),
        (torch.tensor(x), torch.tensor(w)),
        (torch.tensor(u), torch.tensor(v)),
    )
    assert float(value) == pytest.approx(float(expected))
    np.testing.assert_allclose(hx.data, ex.numpy(), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(hw.data, ew.numpy(), rtol=1e-11, atol=1e-12)
