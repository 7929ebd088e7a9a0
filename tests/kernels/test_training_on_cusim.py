"""Sums, losses and optimizers of the CUDA path where random cases do not reach: long and many."""

import numpy as np
import pytest
from kernel_checks import assert_within, normal

from tinygan import kernels
from tinygan.kernels.cuda import cusim
from tinygan.kernels.cuda.tensors import MOST
from tinygan.testing.bounds import bound_of
from tinygan.testing.conform.suite import kernel_of

pytestmark = pytest.mark.skipif(cusim.why_not() is not None, reason=str(cusim.why_not()))

SUMS = [
    ((70_000,), (0,)),  # several pieces, by blocks
    ((3, 20_000), (1,)),
    ((9000, 3), (0,)),  # a short inner axis: three columns a block
    ((9000, 100), (0,)),
    ((500, 300), (0,)),  # a thread an output, in pieces
    ((2, 700, 5), (1,)),
    ((2000, 7), (1,)),  # short rows
    ((2, 3, 40, 50), (0, 2, 3)),  # channels last: statistics of an image
    ((30, 20, 40), (0, 2)),  # axes apart
]


def three_orders(call):
    """Run in each order of a block's threads; check that all gave the same bits."""
    found = [call() for _ in range(3)]
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    return found[0]


@pytest.mark.parametrize(("shape", "axis"), SUMS)
@pytest.mark.parametrize("op", ["sum", "max", "min"])
def test_long_reductions(op, shape, axis):
    x = normal(1, shape, np.float32)
    if len(shape) == 4:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    with kernels.use_backend("cusim"):
        y = three_orders(lambda: kernels.call(op, x, axis=axis, keepdims=False))
    exact = getattr(x.astype(np.float64), op)(axis=axis)
    kernel = kernel_of(f"{op}/cusim/pieces")
    (bound,) = bound_of(kernel, np.float32, x.astype(np.float64), axis=axis, keepdims=False)
    assert_within(y, exact, 0 if bound is None else bound)


def test_a_nan_in_any_piece_wins():
    for at in (0, 12_345, 69_999):
        x = normal(2, (70_000,), np.float32)
        x[at] = np.nan
        with kernels.use_backend("cusim"):
            for op in ("sum", "max", "min"):
                assert np.isnan(kernels.call(op, x, axis=(0,), keepdims=False))


@pytest.mark.parametrize("n", [1, 255, 4096, 4097, 50_000])
def test_a_loss_of_many_logits(n):
    logit = normal(3, (n,), np.float32)
    params = {"kind": "logistic", "target": 1.0}
    with kernels.use_backend("cusim"):
        y = three_orders(lambda: kernels.call("gan_loss", logit, **params))
    wide = logit.astype(np.float64)
    kernel = kernel_of("gan_loss/cusim/one_pass")
    (bound,) = bound_of(kernel, np.float32, wide, **params)
    assert_within(y, np.logaddexp(0, -wide).mean(), bound)


def groups(sizes, roles, seed=0):
    """Make the arrays of parameters of these shapes, every second one channels last."""
    found = []
    for k, shape in enumerate(sizes):
        for role in range(roles):
            a = np.array(abs(normal(seed + 10 * k + role, shape, np.float32)) + np.float32(0.1))
            if len(shape) == 4 and k % 2:
                a = np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
            found.append(a)
    return found


SIZES = [(3,), (70_001,), (0, 4), (2, 3, 4, 5), (5, 3, 4, 4), (), (1024,)]
ADAM = {
    "lr": 0.1, "beta1": 0.5, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "decoupled": True,
    "step": 3,
}  # fmt: skip
STEPS = {
    "adam": (4, ADAM),
    "sgd": (3, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1,
                "nesterov": True, "first": False}),
    "rmsprop": (5, {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.9,
                    "centered": True}),
    "state_average": (2, {"beta": 0.9}),
    "state_copy": (2, {}),
}  # fmt: skip


@pytest.mark.parametrize("op", STEPS)
def test_more_tensors_than_a_launch_takes_of_all_sizes_and_orders(op):
    roles, params = STEPS[op]
    sizes = SIZES + [(k,) for k in range(1, MOST + 3)]
    ours = groups(sizes, roles)
    wide, before = [a.astype(np.float64) for a in ours], [a.copy() for a in ours]
    (kernel,) = [k for k in kernels.kernels(op) if k.backend == "cusim"]
    bounds = iter(bound_of(kernel, np.float32, *[a.copy() for a in wide], **params))
    with kernels.use_backend("cusim"):
        kernels.call(op, *ours, **params)
    with kernels.use_backend("numpy"):
        kernels.call(op, *wide, **params)
    for k, (a, exact, old) in enumerate(zip(ours, wide, before, strict=True)):
        gradient = k % roles == 1
        if gradient:
            np.testing.assert_array_equal(a, old)
        else:
            bound = next(bounds)
            assert_within(a, exact, 0 if bound is None else bound)
            assert a.size == 0 or op == "state_copy" or not np.array_equal(a, old)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found_anywhere(value):
    arrays = groups(SIZES, 1)
    with kernels.use_backend("cusim"):
        assert kernels.call("state_finite", *arrays)
        for a in arrays:
            if a.size:
                a[(-1,) * a.ndim] = value
                assert not kernels.call("state_finite", *arrays)
                a[(-1,) * a.ndim] = 1
