"""Right calls of every binding, drawn at random, with what they must give.

A new binding needs an entry here: a function of a NumPy generator that returns a ``Call``. What is
expected comes from the reference kernels, which other tests hold against independent oracles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygan.kernels import use_backend
from tinygan.kernels.adam import reference as adam_reference
from tinygan.kernels.batch_norm import reference as batch_norm_reference
from tinygan.kernels.bias_act import reference as bias_act_reference
from tinygan.kernels.bias_act.spec import ACTS
from tinygan.kernels.descent import reference as descent_reference
from tinygan.kernels.descent.spec import rmsprop_roles, sgd_roles
from tinygan.kernels.gan_loss import reference as gan_loss_reference
from tinygan.kernels.gan_loss.spec import KINDS
from tinygan.kernels.group_norm import reference as group_norm_reference
from tinygan.kernels.layer_norm import reference as layer_norm_reference
from tinygan.kernels.native import native
from tinygan.kernels.spectral_norm import reference as spectral_norm_reference
from tinygan.kernels.state import reference as state_reference


@dataclass
class Call:
    """Arguments by position; which of them are written; what these then hold.

    ``outputs`` are positions, or a function that gives them from the arguments;
    ``expected(*args)`` gives an array for each, from the arguments as they were before.
    """

    args: list[Any]
    outputs: tuple[int, ...] | Callable[..., tuple[int, ...]]
    expected: Callable[..., tuple[Any, ...]]

    def written(self):
        """Return the positions of the arguments that the call writes."""
        return self.outputs(*self.args) if callable(self.outputs) else self.outputs


BINDINGS: dict[str, Callable[[np.random.Generator], Call]] = {}


def binding(name):
    """Register the drawer of right calls of one binding."""

    def _add(draw):
        BINDINGS[name] = draw
        return draw

    return _add


def drawer(rng):
    """Return a function that draws a normal array of a shape, all of one dtype."""
    dtype = (np.float32, np.float64)[rng.integers(2)]
    return lambda *shape: rng.standard_normal(shape).astype(dtype)


def matrix_shape(rng):
    """Draw rows and channels."""
    return int(rng.integers(1, 40)), int(rng.choice([1, 2, 3, 5, 8, 16, 17, 33, 65]))


def plain(arg):
    """Return the memory that a kernel sees: no mask, no matrix product in place of ``*``."""
    if isinstance(arg, tuple):
        return tuple(map(plain, arg))
    return arg.view(np.ndarray) if isinstance(arg, np.ndarray) else arg


def expect(call):
    """Return what the outputs of the call must hold after it."""
    with use_backend("numpy"), np.errstate(all="ignore"):
        return call.expected(*map(plain, call.args))


@binding("num_threads")
def _num_threads(_rng):
    return Call([], (), lambda: ())


@binding("set_num_threads")
def _set_num_threads(rng):
    return Call([int(rng.integers(1, 5))], (), lambda _n: ())


@binding("set_memory_handler")
def _set_memory_handler(_rng):
    return Call([native.memory_handler], (), lambda _handler: ())


@binding("memory_stats")
@binding("trim_memory")
@binding("reset_peak_memory")
def _memory(_rng):
    return Call([], (), lambda: ())


def _float64(rng):
    return lambda *shape: rng.normal(size=shape)


def _slope(rng):
    return float(rng.choice([1.0, 0.0, 0.2]))


@binding("batch_norm_stats")
def _batch_norm_stats(rng):
    a, wide, segments, (n, c) = drawer(rng), _float64(rng), rng.integers(1, 3), matrix_shape(rng)

    def expected(x, mean, _var):
        return batch_norm_reference.batch_norm_stats(x, segments=len(mean))

    return Call([a(segments * n, c), wide(segments, c), wide(segments, c)], (1, 2), expected)


@binding("batch_norm")
def _batch_norm(rng):
    a, wide, segments, (n, c) = drawer(rng), _float64(rng), rng.integers(1, 3), matrix_shape(rng)

    def expected(x, weight, bias, mean, var, eps, slope, _y):
        options = {"eps": eps, "negative_slope": slope}
        return (batch_norm_reference.batch_norm(x, weight, bias, mean, var, **options),)

    x, statistics = a(segments * n, c), (wide(segments, c), abs(wide(segments, c)))
    return Call([x, a(c), a(c), *statistics, 0.1, _slope(rng), a(segments * n, c)], (7,), expected)


@binding("batch_norm_vjp")
def _batch_norm_vjp(rng):
    a, wide, segments, (n, c) = drawer(rng), _float64(rng), rng.integers(1, 3), matrix_shape(rng)

    def expected(x, weight, bias, gy, mean, var, eps, slope, *_outputs):
        operands, options = (x, weight, bias, gy, mean, var), {"eps": eps, "negative_slope": slope}
        return batch_norm_reference.batch_norm_vjp(*operands, **options)

    x, gy, gx = (a(segments * n, c) for _ in range(3))
    statistics = wide(segments, c), abs(wide(segments, c))
    operands = [x, a(c), a(c), gy, *statistics, 0.1, _slope(rng), gx, a(c), a(c)]
    return Call(operands, (8, 9, 10), expected)


def _bias_act_options(rng):
    clamp = None if rng.integers(2) else float(rng.uniform(0.5, 2))
    return [int(rng.integers(len(ACTS))), 0.2, float(rng.uniform(0.5, 2)), clamp]


def _named_options(act, alpha, gain, clamp):
    return {"act": ACTS[act], "alpha": alpha, "gain": gain, "clamp": clamp}


@binding("group_norm")
def _group_norm(rng):
    a, (n, c), groups = drawer(rng), matrix_shape(rng), int(rng.integers(1, 4))

    def expected(x, weight, bias, num_groups, eps, _y):
        x = x.transpose(0, 2, 1)  # (samples, channels, rows)
        y = group_norm_reference.group_norm(x, weight, bias, num_groups=num_groups, eps=eps)
        return (y.transpose(0, 2, 1),)

    x, c = a(int(rng.integers(1, 4)), n, c * groups), c * groups
    return Call([x, a(c), a(c), groups, 0.1, a(*x.shape)], (5,), expected)


@binding("group_norm_vjp")
def _group_norm_vjp(rng):
    a, (n, c), groups = drawer(rng), matrix_shape(rng), int(rng.integers(1, 4))

    def expected(x, weight, gy, num_groups, eps, *_outputs):
        x, gy = x.transpose(0, 2, 1), gy.transpose(0, 2, 1)
        gx, *rest = group_norm_reference.group_norm_vjp(
            x, weight, weight, gy, num_groups=num_groups, eps=eps
        )
        return gx.transpose(0, 2, 1), *rest

    x, c = a(int(rng.integers(1, 4)), n, c * groups), c * groups
    return Call([x, a(c), a(*x.shape), groups, 0.1, a(*x.shape), a(c), a(c)], (5, 6, 7), expected)


@binding("layer_norm")
def _layer_norm(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)

    def expected(x, weight, bias, eps, _y):
        return (layer_norm_reference.layer_norm(x, weight, bias, eps=eps),)

    return Call([a(n, c), a(c), a(c), 0.1, a(n, c)], (4,), expected)


@binding("layer_norm_vjp")
def _layer_norm_vjp(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)

    def expected(x, weight, gy, eps, *_outputs):
        return layer_norm_reference.layer_norm_vjp(x, weight, weight, gy, eps=eps)

    return Call([a(n, c), a(c), a(n, c), 0.1, a(n, c), a(c), a(c)], (4, 5, 6), expected)


@binding("bias_act")
def _bias_act(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)
    options = _bias_act_options(rng)
    slope = a(c) if ACTS[options[0]] == "prelu" else None

    def expected(x, b, slope, *rest):
        return (bias_act_reference.bias_act(x, b, slope, **_named_options(*rest[:4])),)

    return Call([a(n, c), a(c) if rng.integers(2) else None, slope, *options, a(n, c)],
                (7,), expected)  # fmt: skip


@binding("bias_act_vjp")
def _bias_act_vjp(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)
    options = _bias_act_options(rng)
    prelu = ACTS[options[0]] == "prelu"
    b, slope = a(c), a(c) if prelu else None

    def expected(x, b, slope, gy, *rest):
        b = np.zeros_like(gy[0]) if b is None else b  # its cotangent is there all the same
        operands = (x, b) if slope is None else (x, b, slope)
        out = bias_act_reference.bias_act_vjp(*operands, gy, **_named_options(*rest[:4]))
        return out if prelu else out[:2]

    args = [a(n, c), b, slope, a(n, c), *options, a(n, c), a(c), a(c) if prelu else None]
    return Call(args, (8, 9, 10) if prelu else (8, 9), expected)


@binding("spectral_norm")
def _spectral_norm(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)
    return Call([_positive(a(n, c)), _positive(a(n)), _positive(a(c)), a(n, c)], (3,),
                lambda w, u, v, _y: (spectral_norm_reference.spectral_norm(w, u, v),))  # fmt: skip


@binding("spectral_norm_vjp")
def _spectral_norm_vjp(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)

    def expected(w, u, v, gy, *_outputs):
        return spectral_norm_reference.spectral_norm_vjp(w, u, v, gy)

    operands = [_positive(a(n, c)), _positive(a(n)), _positive(a(c)), a(n, c)]
    return Call([*operands, a(n, c), a(n), a(c)], (4, 5, 6), expected)


def _positive(a):
    """Keep away from zero, so that u^T W v is no difference of like numbers."""
    return np.abs(a) + a.dtype.type(0.1)


@binding("power_iteration")
def _power_iteration(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)

    def expected(w, steps, eps, u, _v):
        return spectral_norm_reference.power_iteration(w, u, steps=steps, eps=eps)

    return Call([_positive(a(n, c)), int(rng.integers(1, 4)), 1e-12, _positive(a(n)), a(c)],
                (3, 4), expected)  # fmt: skip


@binding("gan_loss")
def _gan_loss(rng):
    a, n = drawer(rng), int(rng.integers(1, 100))

    def expected(logit, kind, target, _y):
        return (gan_loss_reference.gan_loss(logit, kind=KINDS[kind], target=target),)

    return Call([a(n), int(rng.integers(len(KINDS))), 1.0, a()], (3,), expected)


@binding("gan_loss_vjp")
def _gan_loss_vjp(rng):
    a, n = drawer(rng), int(rng.integers(1, 100))

    def expected(logit, gy, kind, target, _glogit):
        return gan_loss_reference.gan_loss_vjp(logit, gy, kind=KINDS[kind], target=target)

    return Call([a(n), a(), int(rng.integers(len(KINDS))), 1.0, a(n)], (4,), expected)


def _arrays(rng, width):
    """Draw arrays of a few parameters, so many of each, all of one dtype."""
    a, arrays = drawer(rng), []
    for _ in range(int(rng.integers(1, 4))):
        shape = (int(rng.integers(1, 100)),) if rng.integers(2) else matrix_shape(rng)
        arrays += [a(*shape) for _ in range(width)]
    return arrays


@binding("adam")
def _adam(rng):
    arrays = _arrays(rng, 4)
    for second in arrays[3::4]:
        second[...] = _positive(second)

    def expected(lr, beta1, beta2, eps, weight_decay, decoupled, step, *arrays):
        moved = [a.copy() for a in arrays]
        adam_reference.adam(
            *moved, lr=lr, beta1=beta1, beta2=beta2, eps=eps,
            weight_decay=weight_decay, decoupled=decoupled, step=step,
        )  # fmt: skip
        return tuple(a for i, a in enumerate(moved) if i % 4 != 1)

    options = [0.1, 0.5, 0.9, 1e-8, 0.01, bool(rng.integers(2)), int(rng.integers(1, 1000))]

    def outputs(*args):
        return tuple(i for i in range(len(options), len(args)) if (i - len(options)) % 4 != 1)

    return Call([*options, *arrays], outputs, expected)


def _descent(rng, reference, roles_of, params):
    width = len(roles_of(*params.values()))
    arrays = _arrays(rng, width)
    for a in arrays:
        a[...] = _positive(a)

    def expected(*args):
        moved = [a.copy() for a in args[len(params) :]]
        reference(*moved, **dict(zip(params, args, strict=False)))
        return tuple(a for i, a in enumerate(moved) if i % width != 1)

    def outputs(*args):
        given, of_each = range(len(params), len(args)), len(roles_of(*args))
        return tuple(i for i in given if (i - len(params)) % of_each != 1)

    return Call([*params.values(), *arrays], outputs, expected)


@binding("sgd")
def _sgd(rng):
    params = {"lr": 0.1, "momentum": float(rng.choice([0.0, 0.9])), "dampening": 0.1}
    params |= {"weight_decay": 0.01, "nesterov": False, "first": bool(rng.integers(2))}
    return _descent(rng, descent_reference.sgd, lambda *args: sgd_roles(args[1]), params)


@binding("rmsprop")
def _rmsprop(rng):
    params = {"lr": 0.1, "alpha": 0.9, "eps": 0.1, "weight_decay": 0.01}
    params |= {"momentum": float(rng.choice([0.0, 0.9])), "centered": bool(rng.integers(2))}
    return _descent(
        rng, descent_reference.rmsprop, lambda *args: rmsprop_roles(args[4], args[5]), params
    )


@binding("state_copy")
def _state_copy(rng):
    arrays = _arrays(rng, 2)

    def outputs(*args):
        return tuple(range(0, len(args), 2))

    return Call(arrays, outputs, lambda *arrays: tuple(a.copy() for a in arrays[1::2]))


@binding("state_average")
def _state_average(rng):
    arrays = _arrays(rng, 2)

    def expected(beta, *arrays):
        moved = [a.copy() for a in arrays]
        state_reference.state_average(*moved, beta=beta)
        return tuple(moved[::2])

    return Call([0.9, *arrays], lambda *args: tuple(range(1, len(args), 2)), expected)


@binding("state_finite")
def _state_finite(rng):
    return Call(_arrays(rng, 1), (), lambda *_arrays: ())


@binding("reduce")
def _reduce(rng):
    a, (n, c) = drawer(rng), matrix_shape(rng)

    def expected(x, kind, _y):
        return ((np.sum, np.max, np.min)[kind](x, axis=1),)

    x = a(n, c, int(rng.choice([1, 1, 2, 3, 20])))
    return Call([x, int(rng.integers(3)), a(n, x.shape[2])], (2,), expected)


@binding("probe_fma")
def _probe_fma(rng):
    return Call([int(rng.integers(0, 20))], (), lambda _rounds: ())


@binding("probe_copy")
def _probe_copy(rng):
    x = rng.standard_normal(int(rng.integers(1, 100))).astype(np.float32)
    return Call([x, np.zeros_like(x)], (1,), lambda x, _to: (x,))
