"""check_grads must catch what it is there to catch: planted faults, each order by its own."""

import numpy as np
import pytest

from tinygan import Tensor, ops
from tinygan.autograd import Op, grad
from tinygan.autograd.op import kernel_op
from tinygan.autograd.tensor import is_recording, recording
from tinygan.errors import GradientCheckError, GraphError, OptionError
from tinygan.ops.sample_norm import _layer_norm_composite
from tinygan.testing import adjoint_identity, check_grads

RNG = np.random.default_rng(0)


def op(forward, rule, name="planted"):
    made = Op(name, forward)
    made.defvjp(rule)
    return made


def test_a_right_rule_passes():
    check_grads(lambda x: x * ops.tanh(x), [RNG.normal(size=(2, 3))])


def test_a_wrong_factor_fails_at_order_1_and_the_entry_is_named():
    square = op(lambda x: x * x, lambda g, y, xs, needs: (g[0] * xs[0],))
    with pytest.raises(GradientCheckError, match=r"order 1, input 0 \(3,\).*worst entry"):
        check_grads(square, [RNG.normal(size=3)])


def test_a_detached_factor_fails_at_order_2_only():
    square = op(lambda x: x * x, lambda g, y, xs, needs: (g[0] * xs[0].detach() * 2.0,))
    check_grads(square, [RNG.normal(size=3)], order=1)
    with pytest.raises(GradientCheckError, match="order 2"):
        check_grads(square, [RNG.normal(size=3)], order=2)


def check_inputs_alone(fn):
    for seed in range(8):  # each asks for the derivative by one of the two inputs alone
        check_grads(fn, [RNG.normal(size=3), RNG.normal(size=3)], order=1, seed=seed)


def test_a_rule_that_asks_for_the_wrong_input_is_found():
    product = op(
        lambda a, b: a * b,
        lambda g, y, xs, needs: (
            g[0] * xs[1] if needs[1] else None,
            g[0] * xs[0] if needs[1] else None,
        ),
    )
    with pytest.raises((GradientCheckError, GraphError)):
        check_inputs_alone(product)


def test_a_rule_that_forgets_a_term_when_one_input_is_asked_for_is_found():
    product = op(
        lambda a, b: a * b,
        lambda g, y, xs, needs: (g[0] * xs[1] * (1.0 if needs[1] else 2.0), g[0] * xs[0]),
    )
    with pytest.raises(GradientCheckError, match="by it alone"):
        check_inputs_alone(product)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_derivative_that_is_tiny_beside_the_value_is_judged_by_what_differences_can_tell(factor):
    # with f of size 1 a central difference of step 6e-6 knows 1e-7 cos(x) to 2e-11
    tiny = op(
        lambda x: 1.0 + 1e-7 * np.sin(x),
        lambda g, y, xs, needs: (g[0] * ops.cos(xs[0]) * (1e-7 * factor),),
    )
    right = factor == 1.0
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(1, 3))
        if right:
            check_grads(tiny, [x], order=1, seed=seed)
        else:
            with pytest.raises(GradientCheckError, match="order 1"):
                check_grads(tiny, [x], order=1, seed=seed)


def test_a_fault_at_order_3_is_found_there():
    def rule(g, y, xs, needs):
        return (g[0] * slope(xs[0]),)

    slope = op(lambda x: 3 * x * x, lambda g, y, xs, needs: (g[0] * xs[0].detach() * 6.0,))
    cube = op(lambda x: x * x * x, rule)
    check_grads(cube, [RNG.normal(size=3)], order=2)
    with pytest.raises(GradientCheckError, match="order 3"):
        check_grads(cube, [RNG.normal(size=3)], order=3)


def test_a_total_derivative_for_a_partial_one_passes_bare_and_fails_entangled():
    # the fault that design rule 8 is about: fused() without fresh aliases of its inputs
    fused_op, vjp = kernel_op("layer_norm"), kernel_op("layer_norm_vjp")
    fused_op.defvjp(lambda g, y, xs, needs, **params: vjp.outputs(*xs, g[0], **params))

    @vjp.defvjp
    def _(g, y, xs, needs, **params):
        *inputs, gy = xs
        with recording(True):
            first = grad(_layer_norm_composite(*inputs, **params), inputs, gy, create_graph=True)
        asked = [x for x, needed in zip(xs, needs, strict=True) if needed]
        found = iter(grad(first, asked, g, create_graph=is_recording(), retain_graph=True))
        return tuple(next(found) if needed else None for needed in needs)

    def fn(x, weight, bias):
        return fused_op(x, weight, bias, eps=1e-5)

    args = [RNG.normal(size=(5, 2)), RNG.normal(size=2), RNG.normal(size=2)]
    check_grads(fn, args, order=2, entangled=False)
    with pytest.raises(GradientCheckError, match="entangled"):
        check_grads(fn, args, order=2)


def test_a_wrong_cotangent_with_respect_to_the_incoming_one_is_found():
    def rule(g, y, xs, needs):
        return (g[0].detach() * 2.0,)

    with pytest.raises(GradientCheckError, match="order 2"):
        check_grads(op(lambda x: 2 * x, rule), [RNG.normal(size=3)], order=2)


def test_nan_is_not_a_match():
    broken = op(lambda x: x * 1.0, lambda g, y, xs, needs: (g[0] * float("nan"),))
    with pytest.raises(GradientCheckError):
        check_grads(broken, [RNG.normal(size=3)], order=1)


def test_several_outputs_are_checked_each():
    check_grads(lambda a, b: (a * b, ops.tanh(a)), [RNG.normal(size=2), RNG.normal(size=2)])

    def rule(g, y, xs, needs):
        return (g[0],)  # forgets the second output

    twice = Op("twice", lambda x: (x * 1.0, x * 2.0))
    twice.defvjp(rule)
    with pytest.raises(GradientCheckError, match="order 1"):
        check_grads(twice.outputs, [RNG.normal(size=2)])


def test_integer_operands_pass_through():
    check_grads(lambda i, w: ops.embedding(i, w), [np.array([1, 1, 0]), RNG.normal(size=(2, 3))])


def test_order_0_is_refused():
    with pytest.raises(OptionError, match="order"):
        check_grads(ops.tanh, [np.ones(2)], order=0)


def test_the_adjoint_identity_holds_for_a_matrix_and_fails_for_its_inverse():
    a = Tensor(RNG.normal(size=(3, 3)))
    inverse = Tensor(np.linalg.inv(a.data))
    adjoint_identity(lambda x: a @ x, lambda g: a.T @ g, RNG.normal(size=3))
    with pytest.raises(GradientCheckError, match="A x"):
        adjoint_identity(lambda x: a @ x, lambda g: inverse @ g, RNG.normal(size=3))
