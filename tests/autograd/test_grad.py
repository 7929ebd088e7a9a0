"""The reverse pass: what grad returns, what it refuses, and what it keeps and frees."""

import gc
import weakref

import numpy as np
import pytest

from tinygan import Tensor, enable_grad, grad, no_grad, ops
from tinygan.autograd import Op
from tinygan.errors import DtypeError, GraphError, NotDifferentiableError, ShapeError


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype=dtype), requires_grad=True)


def test_grad_gives_a_tensor_for_a_tensor_and_a_tuple_for_a_sequence():
    x = leaf(2.0, 3.0)
    assert isinstance(grad((x * x).sum(), x), Tensor)
    (g,) = grad((x * x).sum(), [x])
    np.testing.assert_array_equal(g.data, [4.0, 6.0])


def test_an_unused_input_gets_zeros():
    x, unused = leaf(2.0), leaf(1.0, 2.0)
    gx, g0 = grad(x * 3.0, (x, unused))
    assert float(gx) == 3.0
    np.testing.assert_array_equal(g0.data, [0.0, 0.0])


def test_derivatives_of_a_polynomial_are_right_to_fifth_order():
    x = leaf(2.0)
    y = x**5
    for expected in (80.0, 160.0, 240.0, 240.0, 120.0):
        y = grad(y, x, create_graph=True)
        assert float(y) == pytest.approx(expected, rel=1e-13)


def test_a_tensor_used_twice_collects_both_cotangents():
    x = leaf(3.0)
    assert float(grad(x * x + x, x)) == 7.0


def test_grad_with_respect_to_an_inner_tensor_and_a_leaf_together():
    x = leaf(3.0)
    h = x * x
    gh, gx = grad(h * h, (h, x))
    assert float(gh) == 18.0
    assert float(gx) == 108.0


def test_several_outputs_with_cotangents_add_up():
    x = leaf(1.0, 2.0)
    g = grad((x * 2.0, x * x), x, (Tensor(np.ones(2)), Tensor(np.array([1.0, 10.0]))))
    np.testing.assert_array_equal(g.data, [4.0, 42.0])


def test_a_missing_cotangent_means_that_the_output_does_not_count():
    x = leaf(1.0, 2.0)
    g = grad((x * 2.0, x * x), x, (Tensor(np.ones(2)), None))
    np.testing.assert_array_equal(g.data, [2.0, 2.0])


def test_grad_of_an_array_needs_grad_outputs():
    with pytest.raises(ShapeError, match=r"outputs\[0\] has shape \(2,\)"):
        grad(leaf(1.0, 2.0) * 2.0, leaf(1.0))


def test_grad_outputs_must_fit():
    x = leaf(1.0, 2.0)
    with pytest.raises(ShapeError, match="grad_outputs"):
        grad(x * 2.0, x, Tensor(np.ones(3)))


def test_an_input_that_does_not_require_grad_is_refused():
    x = Tensor(np.ones(2))
    with pytest.raises(NotDifferentiableError, match=r"inputs\[0\]"):
        grad(leaf(1.0), x)


def test_integers_can_not_require_grad():
    with pytest.raises(DtypeError, match="int64"):
        Tensor(np.arange(3), requires_grad=True)


def test_a_second_pass_through_a_released_graph_raises():
    x = leaf(2.0)
    y = x * x
    grad(y, x)
    with pytest.raises(GraphError, match="retain_graph=True"):
        grad(y, x)


def test_retain_graph_allows_a_second_pass_and_create_graph_implies_it():
    x = leaf(2.0)
    y = x * x
    assert float(grad(y, x, retain_graph=True)) == 4.0
    assert float(grad(y, x, create_graph=True)) == 4.0
    assert float(grad(y, x)) == 4.0


def test_create_graph_without_retain_graph_frees_the_forward_graph():
    x = leaf(2.0)
    y = x * x
    grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(GraphError):
        grad(y, x)


def test_without_create_graph_the_result_is_a_constant():
    x = leaf(2.0)
    assert not grad(x * x, x).requires_grad


def test_only_rules_on_a_path_to_an_asked_input_run_and_need_is_told():
    seen = []
    spy = Op("spy", lambda a, b: a * b)

    @spy.defvjp
    def _(g, y, xs, needs):
        seen.append(needs)
        return g[0] * xs[1] if needs[0] else None, g[0] * xs[0] if needs[1] else None

    x, w, v = leaf(2.0), leaf(3.0), leaf(5.0)
    h = spy(x, w)
    y = spy(h, v)
    assert float(grad(y, x)) == 15.0
    assert seen == [(True, False), (True, False)]  # neither w's nor v's cotangent is computed


def test_a_branch_that_leads_nowhere_is_not_visited():
    trap = Op("trap", lambda a: a + 0)  # has no rule: visiting it would raise
    x, other = leaf(2.0), leaf(1.0)
    assert float(grad(x * 2.0 + trap(other), x)) == 2.0


def test_an_op_without_derivative_is_named_with_its_path():
    x = leaf(2.5)
    with pytest.raises(NotDifferentiableError, match=r"'floor'.*add < multiply < floor"):
        grad(ops.floor(x) * 2.0 + 1.0, x)


def test_comparisons_are_constants():
    x = leaf(-1.0, 2.0)
    assert not (x > 0).requires_grad
    g = grad((ops.astype(x > 0, np.float64) * x).sum(), x)
    np.testing.assert_array_equal(g.data, [0.0, 1.0])


def test_deep_graphs_do_not_recurse():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1.0
    assert float(grad(y, x)) == 1.0


def test_nothing_is_recorded_under_no_grad_and_enable_grad_turns_it_on_again():
    x = leaf(2.0)
    with no_grad():
        assert (x * x).node is None
        with enable_grad():
            assert (x * x).node is not None
    assert (x * x).node is not None


def test_detach_blocks_the_cotangent():
    x = leaf(3.0)
    assert float(grad(x.detach() * x, x)) == 3.0


def test_activations_are_freed_while_the_reverse_pass_goes():
    alive = []
    probe = Op("probe", lambda a: a * 1.0)

    @probe.defvjp
    def _(g, y, xs, needs):
        alive.append(sum(ref() is not None for ref in refs))
        return (g[0],)

    x = Tensor(np.ones(8), requires_grad=True)
    h = x
    refs = []
    for _ in range(6):
        h = probe(h)
        refs.append(weakref.ref(h))
    total = h.sum()
    del h
    grad(total, x)
    assert alive == sorted(alive, reverse=True)
    assert alive[-1] <= 2, alive
    gc.collect()
    assert not any(ref() for ref in refs)


def test_the_graph_dies_with_its_outputs_without_the_garbage_collector():
    gc.disable()
    try:
        x = leaf(2.0)
        h = x * x
        ref = weakref.ref(h)
        y = h * 3.0
        del h
        assert ref() is not None
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_backward_fills_grad_and_accumulates():
    x, w = leaf(2.0), leaf(3.0)
    (x * w).backward()
    (x * w).backward()
    assert float(x.grad) == 6.0
    assert float(w.grad) == 4.0


def test_backward_on_a_constant_is_refused():
    with pytest.raises(NotDifferentiableError, match="no tensor that requires grad"):
        Tensor(np.ones(())).backward()


def test_two_players_do_not_share_gradients():
    d, g = leaf(2.0), leaf(3.0)
    fake = g * 1.0
    loss_d, loss_g = d * fake.detach(), -(d * fake)
    assert float(grad(loss_d, d)) == 3.0
    assert float(grad(loss_g, g)) == -2.0


def test_mixed_second_derivative_of_a_bilinear_form():
    x, w = leaf(1.0, 2.0), leaf(3.0, 5.0)
    gx = grad((x * w * x).sum(), x, create_graph=True)  # 2 x w
    gw = grad((gx * gx).sum(), w)  # d/dw of 4 x^2 w^2
    np.testing.assert_allclose(gw.data, 8 * np.array([1.0, 4.0]) * np.array([3.0, 5.0]))
