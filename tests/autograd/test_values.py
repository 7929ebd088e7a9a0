"""The ops of the engine give NumPy's values: their derivatives can fit, and the function be wrong.

Shapes are rectangular and axes are named from both ends: a transposed or shifted axis shows.
"""

import numpy as np
import pytest

from tinygan import Tensor, grad, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4))
POSITIVE = np.abs(X) + 0.1
INDEX = np.array([[2, -1], [0, 2]])


def check(got, want):
    got = got.data if isinstance(got, Tensor) else got
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-14)


UNARY = {
    "abs": np.abs,
    "cos": np.cos,
    "exp": np.exp,
    "expm1": np.expm1,
    "floor": np.floor,
    "isfinite": np.isfinite,
    "log": np.log,
    "log1p": np.log1p,
    "neg": np.negative,
    "round": np.round,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sign": np.sign,
    "sin": np.sin,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "swish": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(name):
    x = POSITIVE if name in ("log", "log1p", "rsqrt", "sqrt") else X
    check(getattr(ops, name)(x), UNARY[name](x))
    if hasattr(Tensor, name):
        check(getattr(Tensor(x), name)(), UNARY[name](x))


BINARY = {
    "add": np.add,
    "div": np.divide,
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mul": np.multiply,
    "not_equal": np.not_equal,
    "pow": np.power,
    "sub": np.subtract,
}


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays_that_broadcast(name):
    a, b = POSITIVE, RNG.normal(size=(3, 1)) + 2
    b[1] = a[0, 1, 2]  # one pair is equal
    check(getattr(ops, name)(a, b), BINARY[name](a, b))
    check(getattr(ops, name)(b, a), BINARY[name](b, a))


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@pytest.mark.parametrize("sign", OPERATORS)
def test_operators_on_either_side_of_tensors_and_numbers(sign):
    apply, x = OPERATORS[sign], np.array([0.5, 2.0, 3.0])
    check(apply(Tensor(x), Tensor(x[::-1].copy())), apply(x, x[::-1]))
    check(apply(Tensor(x), 2.0), apply(x, 2.0))
    check(apply(2.0, Tensor(x)), apply(2.0, x))


def test_operators_of_one_tensor_and_of_matrices():
    check(-Tensor(X), -X)
    check(abs(Tensor(X)), abs(X))
    check(Tensor(X) @ X[0].T, X @ X[0].T)
    check(X[0].T @ Tensor(X[1]), X[0].T @ X[1])


MOVES = {
    "broadcast_to": (lambda x: ops.broadcast_to(x, (5, 2, 3, 4)), lambda x: np.stack([x] * 5)),
    "clip": (lambda x: ops.clip(x, -0.5, 0.7), lambda x: np.clip(x, -0.5, 0.7)),
    "concatenate": (lambda x: ops.concatenate([x, x], -2), lambda x: np.concatenate([x, x], 1)),
    "expand_dims": (lambda x: ops.expand_dims(x, -2), lambda x: np.expand_dims(x, -2)),
    "flatten": (lambda x: ops.flatten(x, 1), lambda x: x.reshape(2, 12)),
    "flip all": (lambda x: ops.flip(x, None), np.flip),
    "flip one": (lambda x: ops.flip(x, 1), lambda x: np.flip(x, 1)),
    "flip some": (lambda x: ops.flip(x, (0, -1)), lambda x: np.flip(x, (0, -1))),
    "gather": (
        lambda x: ops.gather(x[0], 1, INDEX % 4),
        lambda x: np.take_along_axis(x[0, :2], INDEX % 4, 1),
    ),
    "getitem": (lambda x: x[1, ::-2, None, 1:], lambda x: x[1, ::-2, None, 1:]),
    "getitem arrays": (lambda x: x[:, INDEX, 1], lambda x: x[:, INDEX, 1]),
    "logsumexp": (
        lambda x: ops.logsumexp(x, 1, keepdims=True),
        lambda x: np.log(np.exp(x).sum(1, keepdims=True)),
    ),
    "log_softmax": (
        lambda x: ops.log_softmax(x, 0),
        lambda x: np.log(np.exp(x) / np.exp(x).sum(0)),
    ),
    "matmul of batches": (
        lambda x: ops.matmul(x, ops.transpose(x, 0, 2, 1)),
        lambda x: x @ x.transpose(0, 2, 1),
    ),
    "matmul of vectors": (lambda x: ops.matmul(x[0, 0], x[0, 1]), lambda x: x[0, 0] @ x[0, 1]),
    "max": (lambda x: ops.max(x, (0, -1)), lambda x: x.max((0, 2))),
    "mean": (lambda x: ops.mean(x, -2, keepdims=True), lambda x: x.mean(1, keepdims=True)),
    "min": (lambda x: ops.min(x), np.min),
    "pad": (
        lambda x: ops.pad(x, [(1, 0), (0, 2), (3, 1)], value=0.5),
        lambda x: np.pad(x, [(1, 0), (0, 2), (3, 1)], constant_values=0.5),
    ),
    "reshape": (lambda x: ops.reshape(x, 4, -1), lambda x: x.reshape(4, 6)),
    "softmax": (lambda x: ops.softmax(x, 1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    "split": (lambda x: ops.split(x, 2, -1)[1], lambda x: x[..., 2:]),
    "squeeze": (lambda x: ops.squeeze(x[:, :1], 1), lambda x: x[:, 0]),
    "stack": (lambda x: ops.stack([x, -x], -1), lambda x: np.stack([x, -x], -1)),
    "sum": (lambda x: ops.sum(x, (-1, 0)), lambda x: x.sum((0, 2))),
    "take": (lambda x: ops.take(x, INDEX, -2), lambda x: np.take(x, INDEX, 1)),
    "transpose": (lambda x: ops.transpose(x, 1, -1, 0), lambda x: x.transpose(1, 2, 0)),
    "var": (lambda x: ops.var(x, 1, correction=0), lambda x: x.var(1)),
    "where": (lambda x: ops.where(x > 0, x, 0.25), lambda x: np.where(x > 0, x, 0.25)),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_functions_along_axes(name):
    ours, numpys = MOVES[name]
    check(ours(Tensor(X)), numpys(X))


def test_methods_along_axes():
    x = Tensor(X)
    check(x.reshape(4, 6), X.reshape(4, 6))
    check(x.reshape((4, 6)), X.reshape(4, 6))
    check(x.reshape(np.int64(4), np.int64(6)), X.reshape(4, 6))
    check(x.reshape(np.int64(24)), X.reshape(24))
    check(x[0, 0, 0].reshape(), X[0, 0, 0])
    check(x.flatten(1, 2), X.reshape(2, 12))
    check(x.transpose(2, 0, 1), X.transpose(2, 0, 1))
    check(x[0, 0].transpose(np.int64(0)), X[0, 0])
    check(x.sum(np.int64(1)), X.sum(1))
    check(x.T, X.T)
    check(x.mean(1), X.mean(1))
    check(x.var(1, correction=0), X.var(1))
    check(x.max((0, 1)), X.max((0, 1)))
    check(x.min(2), X.min(2))
    check(x.sum(2, True), X.sum(2, keepdims=True))


def test_numbers_of_numpy_are_numbers_of_axes():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(ops.layer_norm(x, np.int64(4)).data, ops.layer_norm(x, 4).data)
    np.testing.assert_array_equal(ops.softmax(x, np.int64(1)).data, ops.softmax(x, 1).data)
    assert Tensor(x).flatten(np.int64(0), np.int64(1)).shape == (12,)


def test_entries_that_tie_share_the_cotangent_evenly():
    a = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    b = Tensor(np.array([1.0, 3.0, 2.0]), requires_grad=True)
    for op, of_a in ((ops.maximum, [0.5, 0, 1]), (ops.minimum, [0.5, 1, 0])):
        g, h = grad(op(a, b).sum(), [a, b])
        np.testing.assert_array_equal(g.data, of_a)
        np.testing.assert_array_equal(h.data, 1 - np.array(of_a))
    x = Tensor(np.array([[4.0, 1.0, 4.0], [1.0, 2.0, 1.0]]), requires_grad=True)
    np.testing.assert_array_equal(grad(ops.max(x, 1).sum(), x).data, [[0.5, 0, 0.5], [0, 1, 0]])
    np.testing.assert_array_equal(grad(ops.min(x, 1).sum(), x).data, [[0, 1, 0], [0.5, 0, 0.5]])
