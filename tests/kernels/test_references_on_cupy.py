"""Every reference runs on CuPy: shown on an array type with CuPy's restrictions (strict_arrays)."""

import numpy as np
import pytest
import strict_arrays
from kernel_checks import lay_out, normal
from strict_arrays import strictcupy as xp
from strict_arrays import to_numpy, to_strict

from tinygan import kernels
from tinygan.kernels.bias_act.spec import ACTS
from tinygan.kernels.conv2d.spec import ConvSpec
from tinygan.kernels.elementwise.spec import BINARY, UNARY
from tinygan.kernels.gan_loss.spec import KINDS
from tinygan.kernels.resize2d import ResizeSpec
from tinygan.kernels.unfold import UnfoldSpec
from tinygan.kernels.upfirdn2d import UpfirdnSpec

X = (2, 4, 5, 6)
WINDOW = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0)}
SPEC = ConvSpec(stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
W = (6, 2, 3, 2)
Y = SPEC.out_shape(X, W)
UNFOLD = UnfoldSpec((2, 3), ConvSpec.of(stride=(2, 1), padding=(1, 0), dilation=(1, 2)))
UPFIRDN = UpfirdnSpec((2, 3), (1, 2), ((2, -1), (-2, 3)))
RESIZES = [
    ResizeSpec(X[2:], (7, 4)),
    ResizeSpec(X[2:], (3, 8), "bicubic", antialias=True),
    ResizeSpec(X[2:], (2, 9), "nearest"),  # pixels that no output sees
    ResizeSpec(X[2:], (3, 4), "area"),
]


def a(*shape, seed=0):
    return normal(seed, shape, np.float64)


def index():
    return np.random.default_rng(3).integers(0, 30, (2, 4, 3, 3))


def act_cases():
    for act in ACTS:
        for clamp in (None, 0.7):
            for x in (a(*X), a(5, 4), a(4)):
                slope = a(4, seed=2) if act == "prelu" else None
                yield (x, a(4, seed=1), slope), {"act": act, "alpha": 0.2, "clamp": clamp}


def act_vjp_cases():
    for (x, b, slope), params in act_cases():
        gy = a(*x.shape, seed=5)
        yield ((x, b, gy) if slope is None else (x, b, slope, gy)), params
    yield (a(5, 4), None, a(1), a(5, 4, seed=1)), {"act": "prelu"}
    yield (a(5, 4), a(5, 4, seed=1)), {"act": "tanh", "clamp": 0.5}


def adam_cases():
    base = {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "eps": 1e-8, "step": 3}
    for decay, decoupled in ((0.0, False), (0.1, False), (0.1, True)):
        arrays = (a(3, 4), a(3, 4, seed=1), a(3, 4, seed=2), a(3, 4, seed=3) ** 2)
        yield arrays, {**base, "weight_decay": decay, "decoupled": decoupled}


def loss_cases():
    return [((a(3, 1, 2),), {"kind": kind, "target": 1.0}) for kind in KINDS]


def reduce_cases():
    axes = ((), (0,), (1, -1), (0, 1, 2, 3))
    return [((a(*X),), {"axis": ax, "keepdims": keep}) for ax in axes for keep in (False, True)]


def along_cases():
    return [((a(*X),), {"axis": axis}) for axis in (0, 1, -1)]


def resize_cases(adjoint):
    return [((a(*X[:2], *(s.out if adjoint else s.size)),), {"spec": s}) for s in RESIZES]


NORM = (a(*X), a(4, seed=1), a(4, seed=2))
STATISTICS = (a(2, 4, seed=4).astype("float64"), abs(a(2, 4, seed=5)).astype("float64"))
LAYER = [[a(*X[first:], seed=k) for k in (1, 2)] for first in (1, 3)]
PAIRS = [(a(3, 4), a(3, 4, seed=1), a(5), a(5, seed=1))]
HEADS = (a(2, 3, 4), a(2, 5, 4, seed=1), a(2, 5, 6, seed=2))
CASES = {
    "adam": adam_cases(),
    "attention": [(HEADS, {"scale": 0.5})],
    "attention_vjp": [((*HEADS, a(2, 3, 6, seed=3)), {"scale": 0.5})],
    "avg_pool2d": [((a(*X),), {**WINDOW, "count_include_pad": pad}) for pad in (False, True)],
    "avg_pool2d_adjoint": [
        ((a(2, 4, 3, 5),), {**WINDOW, "count_include_pad": pad, "x_shape": X})
        for pad in (False, True)
    ],
    "batch_norm": [
        ((*NORM, *STATISTICS), {"eps": 1e-5}),
        ((*NORM, *STATISTICS), {"eps": 1e-5, "negative_slope": 0.0}),
        ((a(8, 4), *NORM[1:], *STATISTICS), {"eps": 1e-5, "negative_slope": 0.2}),
    ],
    "batch_norm_stats": [((a(*X),), {"segments": segments}) for segments in (1, 2)],
    "batch_norm_vjp": [((*NORM, a(*X, seed=3), *STATISTICS), {"eps": 1e-5, "negative_slope": 0.2})],
    "bias_act": act_cases(),
    "bias_act_vjp": act_vjp_cases(),
    "conv2d": [((a(*X), a(*W)), {"spec": SPEC})],
    "conv2d_dgrad": [((a(*Y), a(*W)), {"spec": SPEC, "x_shape": X})],
    "conv2d_wgrad": [((a(*X), a(*Y)), {"spec": SPEC, "w_shape": W})],
    "elementwise": [
        *[((abs(a(*X)) + 0.5,), {"fn": fn}) for fn in UNARY],
        *[((abs(a(*X)) + 0.5, abs(a(4, 1, 1, seed=1)) + 0.5), {"fn": fn}) for fn in BINARY],
    ],
    "fold": [((a(*UNFOLD.cols_shape("unfold", X)),), {"spec": UNFOLD, "x_shape": X})],
    "gan_loss": loss_cases(),
    "gan_loss_vjp": [((x, np.array(2.0)), params) for (x,), params in loss_cases()],
    "gather2d": [((a(*X), index()), {})],
    "group_norm": [(NORM, {"eps": 1e-5, "num_groups": n}) for n in (1, 2, 4)],
    "group_norm_vjp": [((*NORM, a(*X, seed=3)), {"eps": 1e-5, "num_groups": 2})],
    "layer_norm": [((a(*X), *layer), {"eps": 1e-5}) for layer in LAYER],
    "layer_norm_vjp": [((a(*X), *layer, a(*X, seed=3)), {"eps": 1e-5}) for layer in LAYER],
    "linear": [((a(4, 3), a(5, 3, seed=1), a(5)), {})],
    "logsumexp": along_cases(),
    "matmul": [((a(4, 3), a(3, 5, seed=1)), {}), ((a(2, 4, 3), a(3, 5, seed=1)), {})],
    "max": reduce_cases(),
    "max_pool2d": [((a(*X),), WINDOW)],
    "min": reduce_cases(),
    "pixel_shuffle": [((a(*X),), {"factor": 2})],
    "pixel_unshuffle": [((a(2, 3, 4, 6),), {"factor": 2})],
    "power_iteration": [((a(3, 2, 2), a(3)), {"steps": 2, "eps": 1e-12})],
    "resize2d": resize_cases(adjoint=False),
    "resize2d_adjoint": resize_cases(adjoint=True),
    "scatter2d": [((a(2, 4, 3, 3), index()), {"x_shape": X})],
    "softmax": along_cases(),
    "softmax_vjp": [((x, a(*X, seed=1)), params) for (x,), params in along_cases()],
    "spectral_norm": [((a(3, 2, 2), a(3), a(4)), {})],
    "spectral_norm_vjp": [((a(3, 2, 2), a(3), a(4), a(3, 2, 2, seed=1)), {})],
    "rmsprop": [
        (
            tuple(a(3, 4, seed=k) ** 2 for k in range(3 + bool(momentum) + centered)),
            {
                "lr": 0.1,
                "alpha": 0.9,
                "eps": 0.1,
                "weight_decay": 0.1,
                "momentum": momentum,
                "centered": centered,
            },
        )
        for momentum in (0.0, 0.5)
        for centered in (False, True)
    ],
    "sgd": [
        (
            tuple(a(3, 4, seed=k) for k in range(3)),
            {
                "lr": 0.1,
                "momentum": 0.9,
                "dampening": 0.1,
                "weight_decay": 0.1,
                "nesterov": nesterov,
                "first": nesterov,
            },
        )
        for nesterov in (False, True)
    ],
    "state_average": [(PAIRS[0], {"beta": 0.9})],
    "state_copy": [(PAIRS[0], {})],
    "state_finite": [(PAIRS[0], {}), ((a(3), np.array([1.0, np.inf])), {})],
    "sum": reduce_cases(),
    "unfold": [((a(*X),), {"spec": UNFOLD})],
    "upfirdn2d": [((a(*X), a(4, 3)), {"spec": UPFIRDN})],
    "upfirdn2d_fgrad": [
        ((a(*X), a(*UPFIRDN.out_shape(X, (4, 3)))), {"spec": UPFIRDN, "f_shape": (4, 3)})
    ],
}
CASES = {op: list(cases) for op, cases in CASES.items()}
ON_CUPY = sorted({kernel.op for kernel in kernels.kernels() if kernel.backend == "cupy"})


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


WIDE = {"batch_norm": (3, 4), "batch_norm_vjp": (4, 5)}  # operands that are always float64


def prepare(op, arrays, narrow, layout):
    """Copy the operands in this dtype and layout; indices stay integers."""
    out = []
    for i, array in enumerate(arrays):
        dtype = np.float64 if i in WIDE.get(op, ()) else narrow
        if array is None or array.ndim == 0:
            out.append(None if array is None else array.astype(dtype))
        else:
            kept = array.dtype if array.dtype.kind == "i" else dtype
            out.append(lay_out(array.astype(kept), layout))
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["c", "channels_last", "strided"])
@pytest.mark.parametrize("op", ON_CUPY)
def test_reference_gives_on_cupy_what_it_gives_on_numpy(op, layout, dtype):
    assert op in CASES, f"{op} has a reference on CuPy and no case here"
    rtol = 2e-6 if dtype == np.float32 else 1e-12  # sums may run in another order
    for arrays, params in CASES[op]:
        plain, strict = (prepare(op, arrays, dtype, layout) for _ in range(2))
        with kernels.use_backend("numpy"):
            want = as_tuple(kernels.call(op, *plain, **params))
        with kernels.use_backend("cupy"):
            got = as_tuple(kernels.call(op, *to_strict(strict), **params))
        assert len(got) == len(want)
        for x, y in zip((*to_numpy(got), *strict), (*want, *plain), strict=True):
            if y is None:
                assert x is None
                continue
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


KEEP_CHANNELS_LAST = [
    "avg_pool2d", "batch_norm", "bias_act", "conv2d", "fold", "gather2d", "resize2d", "upfirdn2d",
]  # fmt: skip


@pytest.mark.parametrize("op", KEEP_CHANNELS_LAST)
def test_activations_stay_channels_last_on_cupy(op):
    arrays, params = CASES[op][0]
    with kernels.use_backend("cupy"):
        operands = to_strict(prepare(op, arrays, np.float32, "channels_last"))
        y = kernels.call(op, *operands, **params)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_every_case_belongs_to_an_op():
    assert sorted(CASES) == ON_CUPY


STRICT = to_strict(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    "misuse",
    [
        lambda x: np.asarray(x),
        lambda x: np.array([x, x]),
        lambda x: np.exp(x),
        lambda x: np.sum(x),
        lambda x: np.add(np.ones(3), x),
        lambda x: x + np.ones(3),
        lambda x: np.ones(3) * x,
        lambda x: x.__iadd__(np.ones(3)),
        lambda x: x.__setitem__(0, np.ones(3)),
        lambda x: x[np.array([0, 1])],
        lambda x: xp.where(x > 0, x, np.zeros(3)),
        lambda x: xp.concatenate([x, np.ones((2, 3))]),
        lambda x: xp.add(x, x, where=x > 0),
        lambda x: xp.add([1, 2, 3], x),
        lambda x: x.sum(initial=1.0),
        lambda x: xp.max(x, where=x > 0, initial=0.0),
        lambda x: xp.lib.stride_tricks.as_strided(x, (2,), (8,), writeable=False),
        lambda x: xp.add.at(x.astype(xp.int64), 0, 1),
        lambda x: float(x),
    ],
)
def test_strict_arrays_refuse_what_cupy_refuses(misuse):
    with pytest.raises(TypeError):
        misuse(STRICT)


@pytest.mark.parametrize("name", ["errstate", "nditer", "bool8", "dual", "asmatrix"])
def test_strict_arrays_lack_what_cupy_lacks(name):
    with pytest.raises(AttributeError, match="cupy"):
        getattr(xp, name)


def test_strict_arrays_return_c_order_and_arrays():
    x = STRICT.T
    assert not x.flags.c_contiguous
    assert xp.exp(x).flags.c_contiguous
    assert (x * 2).flags.c_contiguous
    assert xp.where(x > 0, x, 0).flags.c_contiguous
    assert isinstance(x.sum(), strict_arrays.StrictArray)
    assert isinstance(x[0, 0], strict_arrays.StrictArray)
    assert float(x[0, 0]) == 0.0
    assert not hasattr(x.flags, "writeable")


def test_strict_arrays_do_what_cupy_does():
    x = xp.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))  # the door from the host
    kept = x
    x += 1
    x *= np.float32(2)
    assert kept is x
    np.testing.assert_array_equal(xp.asnumpy(x), [[2, 4, 6], [8, 10, 12]])
    out = xp.empty_like(x)
    assert xp.add(x, 1, out=out) is out
    x[0, 0][...] = 7  # integers index a view
    assert x[0, 0].item() == 7
    checks = [
        (xp.einsum("ij,kj->ik", x, x), x.get() @ x.get().T),
        (x @ x.T, x.get() @ x.get().T),
        (xp.pad(x, ((1, 0), (0, 2))), np.pad(x.get(), ((1, 0), (0, 2)))),
        (xp.concatenate([x, x], axis=1), np.concatenate([x.get()] * 2, axis=1)),
        (1 - x[:, ::-1], 1 - x.get()[:, ::-1]),
        (xp.take_along_axis(x, xp.argsort(x, axis=1), axis=1), np.sort(x.get(), axis=1)),
        (x[x > 6], x.get()[x.get() > 6]),
        (xp.lib.stride_tricks.sliding_window_view(x, 2, axis=1).sum(axis=-1), [[11, 10], [18, 22]]),
    ]
    for got, want in checks:
        np.testing.assert_array_equal(to_numpy(got), want)
