"""The convolutions: the reference against loops, every other kernel against the reference."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import require

from tinygan import kernels
from tinygan.errors import OptionError, ShapeError
from tinygan.kernels.conv2d import ConvSpec
from tinygan.kernels.native import native, why_not
from tinygan.testing.bounds import bound_of

OPS = ("conv2d", "conv2d_dgrad", "conv2d_wgrad")
FAST = [
    k
    for op in OPS
    for k in kernels.kernels(op)
    if k.backend in ("cpp", "numba") and "winograd" not in k.variant  # see test_winograd.py
]
REFERENCE = {op: next(k for k in kernels.kernels(op) if k.backend == "numpy") for op in OPS}
needs_cpp = pytest.mark.skipif(native is None, reason=f"C++ kernels {why_not()}")
every_fast = pytest.mark.parametrize("kernel", FAST, ids=lambda k: k.key)


class Problem:
    """One geometry with its three operands x, w and gy, and the calls of the three ops."""

    def __init__(self, rng, spec, x, w, dtype=np.float64, draw=None):
        draw = draw or (lambda shape: rng.choice([-3, -2, -1, 1, 2, 3], shape))
        self.spec = spec
        self.x, self.w = draw(x).astype(dtype), draw(w).astype(dtype)
        self.gy = draw(spec.out_shape(x, w)).astype(dtype)

    def operands(self, op):
        pairs = {"conv2d": "x w", "conv2d_dgrad": "gy w", "conv2d_wgrad": "x gy"}
        return [getattr(self, name) for name in pairs[op].split()]

    def params(self, op):
        shapes = {
            "conv2d_dgrad": {"x_shape": self.x.shape},
            "conv2d_wgrad": {"w_shape": self.w.shape},
        }
        return {"spec": self.spec, **shapes.get(op, {})}

    def run(self, kernel, *operands):
        operands = operands or self.operands(kernel.op)
        refusal = kernel.refusal(*operands, **self.params(kernel.op))
        if refusal:
            pytest.skip(refusal)
        return kernel.fn(*operands, **self.params(kernel.op))

    def __repr__(self):
        return f"Problem(ConvSpec{self.spec}, x={self.x.shape}, w={self.w.shape}, {self.x.dtype})"


def random_problem(rng, *, largest=12, dtype=np.float64, draw=None):
    """Draw a geometry that has an output: kernels 1-7, strides 1-4, groups, odd sizes."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        inner, outer = (groups * int(rng.choice([1, 2, 3, 5, 16, 17, 33])) for _ in "co")
        taps, size = rng.integers(1, 8, 2).tolist(), rng.integers(1, largest, 2).tolist()
        ranges = ([1, 1, 2, 2, 3, 4], range(5), range(1, 4))
        pairs = (tuple(rng.choice(values, 2).tolist()) for values in ranges)
        spec, batch = ConvSpec(*pairs, groups), int(rng.choice([1, 2, 5]))
        try:
            return Problem(
                rng, spec, (batch, inner, *size), (outer, inner // groups, *taps), dtype, draw
            )
        except ShapeError:
            continue


def naive(problem):
    """Return y, gx and gw of the trilinear form sum x w g, by seven loops over its terms."""
    x, w, gy, spec = problem.x, problem.w, problem.gy, problem.spec
    y, gx, gw = np.zeros_like(gy), np.zeros_like(x), np.zeros_like(w)
    per_group = w.shape[0] // spec.groups
    for n, o, p, q in itertools.product(*map(range, gy.shape)):
        for c, r, s in itertools.product(*map(range, w.shape[1:])):
            h = p * spec.stride[0] - spec.padding[0] + r * spec.dilation[0]
            v = q * spec.stride[1] - spec.padding[1] + s * spec.dilation[1]
            if not (0 <= h < x.shape[2] and 0 <= v < x.shape[3]):
                continue
            at = n, o // per_group * w.shape[1] + c, h, v
            y[n, o, p, q] += x[at] * w[o, c, r, s]
            gx[at] += gy[n, o, p, q] * w[o, c, r, s]
            gw[o, c, r, s] += gy[n, o, p, q] * x[at]
    return {"conv2d": y, "conv2d_dgrad": gx, "conv2d_wgrad": gw}


GEOMETRIES = {
    "4x4 stride 2": (ConvSpec.of(stride=2, padding=1), (2, 3, 8, 8), (4, 3, 4, 4)),
    "stride beyond the kernel": (ConvSpec.of(stride=(3, 4)), (1, 2, 8, 9), (3, 2, 2, 1)),
    "rectangular, dilated": (
        ConvSpec.of(padding=(2, 1), dilation=(2, 3)),
        (2, 2, 6, 7),
        (3, 2, 3, 2),
    ),
    "groups": (ConvSpec.of(stride=2, padding=2, groups=3), (2, 6, 5, 4), (3, 2, 3, 3)),
    "depthwise": (ConvSpec.of(padding=1, groups=4), (1, 4, 5, 5), (8, 1, 3, 3)),
    "rows that no tap sees": (ConvSpec.of(stride=2), (1, 1, 6, 6), (1, 1, 1, 1)),
    "taps in the padding alone": (ConvSpec.of(padding=4, dilation=4), (1, 2, 2, 2), (2, 2, 3, 3)),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_reference_equals_seven_loops(name):
    problem = Problem(np.random.default_rng(1), *GEOMETRIES[name])
    for op, expected in naive(problem).items():
        np.testing.assert_array_equal(problem.run(REFERENCE[op]), expected)


@every_fast
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_kernels_match_the_reference_bit_for_bit_on_integers(kernel, dtype):
    rng, nonzero, size = np.random.default_rng(2), 0, 0
    for _ in range(120):
        problem = random_problem(rng, dtype=dtype)
        out, expected = problem.run(kernel), problem.run(REFERENCE[kernel.op])
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, expected, err_msg=repr(problem))
        nonzero, size = nonzero + np.count_nonzero(expected), size + expected.size
    assert nonzero > size / 2, "mostly zeros, which any kernel gets right"


def bound(kernel, problem):
    """Return the derived bound on the error of each output, for the accumulator declared."""
    wide = [a.astype(np.float64) for a in problem.operands(kernel.op)]
    (limit,) = bound_of(kernel, problem.x.dtype, *wide, **problem.params(kernel.op))
    return limit


@every_fast
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_stay_within_the_bound_of_the_declared_accumulator(kernel, dtype):
    rng = np.random.default_rng(3)
    for _ in range(25):
        problem = random_problem(rng, dtype=dtype, draw=rng.standard_normal)
        exact = [a.astype(np.longdouble) for a in problem.operands(kernel.op)]
        error = np.abs(problem.run(kernel) - problem.run(REFERENCE[kernel.op], *exact))
        assert np.all(error <= bound(kernel, problem)), problem


@every_fast
def test_dcgan_layers_stay_within_the_bound(kernel):
    rng = np.random.default_rng(4)
    if kernel.variant == "direct":
        pytest.skip("the plain loops take too long on whole layers")
    for c, o, size in ((3, 64, 32), (64, 128, 16), (100, 40, 8)):
        spec, shapes = ConvSpec.of(stride=2, padding=1), ((8, c, size, size), (o, c, 4, 4))
        problem = Problem(rng, spec, *shapes, np.float32, rng.standard_normal)
        exact = [a.astype(np.float64) for a in problem.operands(kernel.op)]
        error = np.abs(problem.run(kernel) - problem.run(REFERENCE[kernel.op], *exact))
        assert np.all(error <= bound(kernel, problem)), problem


@pytest.mark.parametrize("backend", ["cpp", "numba", "numpy"])
def test_the_three_are_adjoint_to_each_other(backend):
    rng = np.random.default_rng(5)
    by_op = {op: [k for k in FAST if (k.op, k.backend) == (op, backend)] for op in OPS}
    if backend == "numpy":
        by_op = {op: [REFERENCE[op]] for op in OPS}
    for conv, dgrad, wgrad in zip(*by_op.values(), strict=True):
        for _ in range(10):
            problem = random_problem(rng, draw=rng.standard_normal)
            form = np.vdot(problem.gy, problem.run(conv))
            scale = np.abs(problem.gy).sum() * np.abs(problem.x).max() * np.abs(problem.w).sum()
            assert abs(np.vdot(problem.run(dgrad), problem.x) - form) < 1e-13 * scale
            assert abs(np.vdot(problem.run(wgrad), problem.w) - form) < 1e-13 * scale


def layouts(a):
    """Yield the array in other layouts: channels last, reversed, sliced, transposed, unaligned."""
    yield a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    yield np.ascontiguousarray(a[:, ::-1, ::-1, ::-1])[:, ::-1, ::-1, ::-1]
    wide = np.zeros([2 * extent for extent in a.shape], a.dtype)
    wide[::2, ::2, 1::2, ::2] = a
    yield wide[::2, ::2, 1::2, ::2]
    yield a.T.copy().T
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    yield raw


@every_fast
def test_layout_of_the_operands_does_not_change_a_bit(kernel):
    rng = np.random.default_rng(6)
    problem = Problem(
        rng, ConvSpec.of(stride=2, padding=1), (3, 5, 6, 7), (4, 5, 3, 4), np.float32,
        rng.standard_normal,
    )  # fmt: skip
    first, second = problem.operands(kernel.op)
    expected = problem.run(kernel)
    for a, b in itertools.product(layouts(first), layouts(second)):
        np.testing.assert_array_equal(problem.run(kernel, a, b), expected)
    flat = np.broadcast_to(first[:1, :1, :1, :1], first.shape)
    np.testing.assert_array_equal(
        problem.run(kernel, flat, second), problem.run(kernel, flat.copy(), second)
    )


@every_fast
def test_outputs_are_channels_last_and_inputs_untouched(kernel):
    problem = random_problem(np.random.default_rng(7))
    operands = problem.operands(kernel.op)
    before = [a.copy() for a in operands]
    for a in operands:
        a.flags.writeable = False
    out = problem.run(kernel)
    for a, b in zip(operands, before, strict=True):
        np.testing.assert_array_equal(a, b)
    memory_order = out if kernel.op == "conv2d_wgrad" else out.transpose(0, 2, 3, 1)
    assert memory_order.flags.c_contiguous


@every_fast
def test_empty_batch_gives_empty_images_and_zero_weights(kernel):
    problem = Problem(np.random.default_rng(8), ConvSpec.of(padding=1), (0, 3, 5, 5), (4, 3, 3, 3))
    expected = problem.run(REFERENCE[kernel.op])
    np.testing.assert_array_equal(problem.run(kernel), expected)
    assert not expected.any()


@pytest.mark.parametrize("kernel", [k for k in FAST if k.op == "conv2d"], ids=lambda k: k.key)
def test_nan_reaches_the_outputs_that_see_it_and_no_other(kernel):
    rng = np.random.default_rng(9)
    for _ in range(20):
        problem = random_problem(rng, dtype=np.float32)
        problem.x[tuple(rng.integers(0, extent) for extent in problem.x.shape)] = np.nan
        expected = np.isnan(problem.run(REFERENCE["conv2d"]))
        np.testing.assert_array_equal(np.isnan(problem.run(kernel)), expected)


@pytest.mark.parametrize("op", OPS)
def test_the_reference_keeps_nan_times_zero_where_a_matrix_is_one_by_one(op):
    # NumPy's dot scales by a 1 x 1 matrix through BLAS's axpy, which skips a factor of 0
    shapes = (1, 1, 1, 2), (1, 1, 1, 1)
    problem = Problem(np.random.default_rng(0), ConvSpec(), *shapes, np.float32)
    for nan, zero in ((0, 1), (1, 0)):
        operands = problem.operands(op)
        operands[nan][...], operands[zero][...] = np.nan, 0
        assert np.isnan(problem.run(REFERENCE[op], *operands)).all()


@needs_cpp
@pytest.mark.parametrize("kernel", [k for k in FAST if k.deterministic], ids=lambda k: k.key)
def test_threads_do_not_change_a_bit(kernel):
    rng, count = np.random.default_rng(10), native.num_threads()
    shapes = (((6, 3, 12, 12), (70, 3, 4, 4)), ((6, 40, 9, 9), (3, 40, 4, 4)))
    try:
        for x, w in shapes:
            problem = Problem(
                rng, ConvSpec.of(stride=2, padding=1), x, w, np.float32, rng.standard_normal
            )
            outs = []
            for threads in (1, 2, 4, 1):
                native.set_num_threads(threads)
                outs.append(problem.run(kernel))
            for out in outs[1:]:
                np.testing.assert_array_equal(out, outs[0])
    finally:
        native.set_num_threads(count)


@every_fast
def test_eight_threads_at_once_each_get_what_one_gets_alone(kernel):
    rng = np.random.default_rng(11)
    problems = [random_problem(rng, largest=20, dtype=np.float32) for _ in range(8)]
    alone = [p.run(kernel) for p in problems]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = pool.map(lambda p: p.run(kernel), problems)
            for out, expected in zip(together, alone, strict=True):
                np.testing.assert_array_equal(out, expected)


@every_fast
def test_kernels_refuse_other_dtypes_with_a_reason(kernel):
    require(kernel.backend)  # an absent one refuses everything, for another reason
    problem = random_problem(np.random.default_rng(12), dtype=np.float16)
    a, b = problem.operands(kernel.op)
    assert "float16" in kernel.refusal(a, b, **problem.params(kernel.op))
    assert "float64" in kernel.refusal(a.astype("f4"), b.astype("f8"), **problem.params(kernel.op))


def test_transposed_shape_inverts_out_shape():
    rng = np.random.default_rng(13)
    for _ in range(200):
        problem = random_problem(rng)
        spec, gy, w = problem.spec, problem.gy.shape, problem.w.shape
        extra = tuple(int(rng.integers(0, stride)) for stride in spec.stride)
        try:
            x = spec.transposed_shape(gy, w, extra)
        except ShapeError:
            continue  # more padding than the kernel reaches: no output is left
        assert spec.out_shape(x, w) == gy
        assert x[:2] == problem.x.shape[:2]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.out_shape((1, 3, 8, 8), (4, 2, 3, 3)), ["(1, 3, 8, 8)", "(4, 2, 3, 3)"]),
        (lambda s: s.out_shape((1, 3, 2, 8), (4, 3, 3, 3)), ["spans 3", "padding >= 1"]),
        (lambda s: s.out_shape((3, 8, 8), (4, 3, 3, 3)), ["(3, 8, 8)", "(N, C, H, W)"]),
        (lambda s: s.check_dgrad((1, 4, 5, 6), (4, 3, 3, 3), (1, 3, 8, 8)), ["(1, 4, 6, 6)"]),
        (lambda s: s.check_wgrad((1, 3, 8, 8), (2, 4, 6, 6), (4, 3, 3, 3)), ["(2, 4, 6, 6)"]),
        (lambda s: s.transposed_shape((1, 5, 4, 4), (4, 3, 3, 3)), ["(1, 5, 4, 4)", "(N, 4,"]),
        (lambda s: s.transposed_shape((1, 4, 0, 4), (4, 3, 3, 3)), ["no output"]),
    ],
)
def test_misfits_name_the_shapes_and_what_would_fit(call, words):
    with pytest.raises(ShapeError) as error:
        call(ConvSpec())
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "bad",
    [{"stride": 0}, {"padding": -1}, {"dilation": (1, 0)}, {"stride": 1.5}, {"groups": 0},
     {"padding": (1, 2, 3)}, {"stride": "2"}, {"dilation": True}],
)  # fmt: skip
def test_bad_parameters_are_refused(bad):
    with pytest.raises(OptionError, match=next(iter(bad))):
        ConvSpec.of(**bad)


def test_output_padding_must_stay_below_the_stride():
    with pytest.raises(OptionError, match="output_padding"):
        ConvSpec.of(stride=2).transposed_shape((1, 4, 4, 4), (4, 3, 3, 3), (2, 0))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("inner", "outer"), [(0, 3), (2, 0), (0, 0)])
def test_sums_over_no_channels_are_zeros(op, inner, outer):
    spec = ConvSpec.of(padding=1)
    problem = Problem(np.random.default_rng(5), spec, (2, inner, 4, 5), (outer, inner, 3, 2))
    want = {"conv2d": (2, outer, 4, 6), "conv2d_dgrad": problem.x.shape}.get(op, problem.w.shape)
    for kernel in kernels.kernels(op):
        if kernel.refusal(*problem.operands(op), **problem.params(op)) is None:
            got = problem.run(kernel)
            assert (got.shape, got.any()) == (want, False), kernel.key


@pytest.mark.parametrize(
    ("x", "kernel"),
    [
        ((2, 3, 48, 55), (3, 3)),  # parts of the pixels that are not equal
        ((1, 2, 3, 600), (1, 5)),  # rows longer than a block of pixels
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_many_pixels_are_added_up_exactly(op, x, kernel):
    spec = ConvSpec.of(padding=(kernel[0] // 2, kernel[1] // 2))
    problem = Problem(np.random.default_rng(6), spec, x, (5, x[1], *kernel), np.float32)
    want = problem.run(REFERENCE[op])
    for k in kernels.kernels(op):
        if k.exact and k.refusal(*problem.operands(op), **problem.params(op)) is None:
            np.testing.assert_array_equal(problem.run(k), want, err_msg=k.key)
