"""Every op on every backend: derivatives to order 3 of a bare op, and adjoints.

Entangled, in odd layouts and by the thousand, cases are checked in test_properties.py.
"""

import itertools

import numpy as np
import pytest
from conftest import require

from tinygan import Tensor, grad, ops
from tinygan import kernels as tgk
from tinygan.kernels import registry
from tinygan.testing import FAMILIES, Choices, adjoint_identity, check_grads
from tinygan.testing.campaign import backends_of

PAIRS = [(name, b) for name, family in FAMILIES.items() for b in backends_of(family)]


def has_kernel(op, backend):
    return any(k.backend == backend for k in tgk.kernels(op))


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_gradients_are_right_to_third_order(name, backend):
    require(backend)
    family, ran = FAMILIES[name], set()
    own = {op for op in family.kernels if has_kernel(op, backend)}
    # two cases, and more until every kernel of this backend has run
    for seed in itertools.takewhile(lambda n: n < 2 or not own <= ran, range(40)):
        case = family.case(Choices.from_seed(seed))
        trace = registry.tracing(lambda k, *_: ran.add(k.op) if k.backend == backend else None)
        with tgk.use_backend(backend, "numpy"), trace:
            check_grads(case.fn, case.args, order=min(3, family.order), entangled=False)
    assert own <= ran, f"{name} never ran {own - ran} on {backend}"


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_a_vjp_and_the_jvp_made_of_it_are_adjoint(name, backend):
    # <u, J^T g> = <J u, g>, no finite differences: J u is the vjp of the vjp in its cotangent
    require(backend)
    for seed in range(2):
        case = FAMILIES[name].case(Choices.from_seed(seed))
        with tgk.use_backend(backend, "numpy"):
            check_adjoint(case)


def check_adjoint(case):
    xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in case.args]
    x = next(x for x in xs if x.requires_grad)
    shape = case.fn(*xs)[0].shape

    def vjp(g):
        return grad(case.fn(*xs)[0], x, g, create_graph=True)

    def jvp(u):
        g = Tensor(np.zeros(shape), requires_grad=True)
        return grad(vjp(g), g, u)

    adjoint_identity(vjp, jvp, np.random.default_rng(3).normal(size=shape))


LINEAR = {
    "conv2d": ((2, 3, 6, 7), lambda x, w: ops.conv2d(x, w, stride=2, padding=1), (4, 3, 4, 3)),
    "conv2d dilated groups": (
        (1, 4, 6, 7),
        lambda x, w: ops.conv2d(x, w, dilation=2, groups=2, padding=(1, 2)),
        (6, 2, 3, 2),
    ),
    "conv_transpose2d": (
        (2, 3, 3, 4),
        lambda x, w: ops.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
        (3, 4, 3, 3),
    ),
    "linear": ((2, 3, 4), lambda x, w: ops.linear(x, w), (5, 4)),
    "matmul": ((2, 3, 4), lambda x, w: ops.matmul(x, w), (4, 5)),
    "sum": ((2, 3, 4, 5), lambda x, w: ops.sum(x, (0, 2)) * w, (3, 5)),
    "avg_pool2d": ((2, 3, 5, 6), lambda x, w: ops.avg_pool2d(x, 3, 2, 1) * w, (1, 3, 1, 1)),
    "upsample_nearest": ((2, 3, 4, 2), lambda x, w: ops.upsample_nearest(x, 3) * w, (3, 1, 1)),
    "pixel_shuffle": ((2, 8, 2, 3), lambda x, w: ops.pixel_shuffle(x, 2) * w, (2, 1, 1)),
    "pad": ((2, 3), lambda x, w: ops.pad(x, [(1, 0), (0, 2)]) * w, (3, 5)),
    "getitem": ((5, 4), lambda x, w: x[np.array([4, 0, 4]), 1:] * w, (3, 3)),
    "batch_norm in its cotangent": (
        (4, 3),
        lambda g, x: grad(ops.batch_norm(x, ONES, ZEROS), x, g, create_graph=True),
        (4, 3),
    ),
}
ONES, ZEROS = Tensor(np.ones(3)), Tensor(np.zeros(3))


@pytest.mark.parametrize("name", LINEAR)
def test_linear_ops_satisfy_the_adjoint_identity(name, backend):
    x_shape, fn, w_shape = LINEAR[name]
    rng = np.random.default_rng(7)
    x, w = rng.normal(size=x_shape), Tensor(rng.normal(size=w_shape), requires_grad=True)

    def adjoint(g):
        at = Tensor(np.zeros(x_shape), requires_grad=True)
        return grad(fn(at, w), at, g)

    with tgk.use_backend(backend, "numpy"):
        adjoint_identity(lambda v: fn(v, w), adjoint, x)


def test_the_count_of_ops_and_backends_is_what_we_publish(capsys):
    pairs = {
        (op, k.backend)
        for family in FAMILIES.values()
        for op in family.kernels
        for k in tgk.kernels(op)
        if k.backend in registry.HOST_BACKENDS
    }
    with capsys.disabled():
        counted = f"{len(FAMILIES)} ops, {len(pairs)} kernel ops x backends"
        print(f"\ngradients to order 3: {counted}")  # noqa: T201 - the figure we publish
    assert len(FAMILIES) >= 77
    assert len([p for p in pairs if p[1] == "numpy"]) >= 19
