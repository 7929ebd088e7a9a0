"""Every op on every backend: derivatives to order 3, bare and entangled, and adjoints."""

import collections

import numpy as np
import pytest
from conftest import require

from tinygan import Tensor, grad, ops
from tinygan import kernels as tgk
from tinygan.kernels import registry
from tinygan.testing import CASES, adjoint_identity, check_grads

# Kernels that are not differentiable; each has tests of its own in tests/kernels.
NOT_DIFFERENTIABLE = {"adam", "batch_norm_stats", "power_iteration"}


@pytest.fixture
def ran(monkeypatch):
    """Count the kernels that run, by (op, backend)."""
    counts = collections.Counter()
    choose = registry.choose

    def spy(op, *arrays, **params):
        kernel = choose(op, *arrays, **params)
        counts[kernel.op, kernel.backend] += 1
        return kernel

    monkeypatch.setattr(registry, "choose", spy)
    return counts


def has_kernel(op, backend):
    return any(k.backend == backend for k in tgk.kernels(op))


PAIRS = [
    (name, backend)
    for name, case in CASES.items()
    for backend in registry.HOST_BACKENDS
    if backend == "numpy" or any(has_kernel(op, backend) for op in case.kernels)
]


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_gradients_are_right_to_third_order(name, backend, ran):
    require(backend)
    case = CASES[name]
    with tgk.use_backend(backend, "numpy"):
        check_grads(case.fn, case.args(), order=3)
    own = [op for op in case.kernels if has_kernel(op, backend)]
    missed = [op for op in own if not ran[op, backend]]
    assert not missed, f"{name} never ran {missed} on {backend}"


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_a_vjp_and_the_jvp_made_of_it_are_adjoint(name, backend):
    # <u, J^T g> = <J u, g>, no finite differences: J u is the vjp of the vjp in its cotangent
    require(backend)
    case = CASES[name]
    with tgk.use_backend(backend, "numpy"):
        xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in case.args()]
        x = next(x for x in xs if x.requires_grad)

        def vjp(g):
            y = case.fn(*xs)
            return grad(y[0] if isinstance(y, tuple) else y, x, g, create_graph=True)

        y = case.fn(*xs)
        shape = (y[0] if isinstance(y, tuple) else y).shape

        def jvp(u):
            g = Tensor(np.zeros(shape), requires_grad=True)
            return grad(vjp(g), g, u)

        adjoint_identity(vjp, jvp, np.random.default_rng(3).normal(size=shape))


@pytest.mark.parametrize("op", tgk.op_names())
def test_every_kernel_has_a_case(op):
    covered = {k for case in CASES.values() for k in case.kernels} | NOT_DIFFERENTIABLE
    assert op in covered, f"no case in tinygan.testing.CASES names kernel {op}"


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
        for case in CASES.values()
        for op in case.kernels
        for k in tgk.kernels(op)
        if k.backend in registry.HOST_BACKENDS
    }
    with capsys.disabled():
        counted = f"{len(CASES)} cases, {len(pairs)} kernel ops x backends"
        print(f"\ngradients to order 3: {counted}")  # noqa: T201 - the figure we publish
    assert len(CASES) >= 109
    assert len([p for p in pairs if p[1] == "numpy"]) >= 17
