"""Winograd's convolutions: the matrices, the algorithm in NumPy, the C++ kernels, their choice."""

import itertools
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from kernel_checks import native_or_skip

from tinygan import kernels
from tinygan.errors import OptionError, ShapeError
from tinygan.kernels.conv2d import ConvSpec, use_winograd, winograd_mode
from tinygan.kernels.conv2d.winograd import POINTS, Tiling, refusal, toom_cook
from tinygan.testing.bounds import bound_of

HEADER = Path(__file__).resolve().parents[2] / "csrc" / "conv2d" / "winograd_matrices.hpp"
OPS = ("conv2d", "conv2d_dgrad", "conv2d_wgrad")
VARIANTS = {"winograd_f4": 4, "winograd_f2": 2}
KERNELS = [k for op in OPS for k in kernels.kernels(op) if k.variant in VARIANTS]
KERNEL_SIZES = ((2, 1), (3, 1), (3, 2), (4, 2), (5, 2), (6, 2))  # (R, stride)
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.key)
every_algorithm = pytest.mark.parametrize(("m", "r"), POINTS)


class Problem:
    """A convolution, its operands x, w, gy, and the calls of the three ops."""

    def __init__(self, rng, spec, x, w, dtype=np.float32, draw=None):
        draw = draw or rng.standard_normal
        self.spec, shapes = spec, {"x": x, "w": w, "gy": spec.out_shape(x, w)}
        self.x, self.w, self.gy = (draw(shape).astype(dtype) for shape in shapes.values())

    def call(self, op):
        """Return operands and parameters of one of the three."""
        return {
            "conv2d": ((self.x, self.w), {}),
            "conv2d_dgrad": ((self.gy, self.w), {"x_shape": self.x.shape}),
            "conv2d_wgrad": ((self.x, self.gy), {"w_shape": self.w.shape}),
        }[op]

    def run(self, kernel):
        """Run a kernel."""
        operands, shapes = self.call(kernel.op)
        return kernel.fn(*operands, spec=self.spec, **shapes)

    def exact(self, op):
        """Run the reference in float64."""
        operands, shapes = self.call(op)
        with kernels.use_backend("numpy"):
            wide = [a.astype(np.float64) for a in operands]
            return kernels.call(op, *wide, spec=self.spec, **shapes)

    def bound(self, kernel):
        """Return how far a kernel may be off."""
        operands, shapes = self.call(kernel.op)
        wide = [a.astype(np.float64) for a in operands]
        return bound_of(kernel, np.float32, *wide, spec=self.spec, **shapes)[0]


def problems(rng, count, **how):
    """Draw geometries that Winograd takes, with channels around the widths of vectors."""
    found = 0
    while found < count:
        side, stride = KERNEL_SIZES[found % len(KERNEL_SIZES)]
        spec = ConvSpec.of(stride=stride, padding=tuple(rng.integers(0, 5, 2).tolist()))
        c, o = (int(v) for v in rng.choice([1, 3, 8, 15, 16, 17, 33, 64, 70], 2))
        x = (int(rng.choice([1, 2, 3, 7])), c, *rng.integers(1, 30, 2).tolist())
        try:
            yield Problem(rng, spec, x, (o, c, side, side), **how)
        except ShapeError:
            continue
        found += 1


@every_algorithm
def test_the_matrices_give_the_correlation_exactly(m, r):
    a, b, g = toom_cook(m, r)
    t, rng = m + r - 1, np.random.default_rng(m * 10 + r)
    d, taps = ([Fraction(int(v), 7) for v in rng.integers(-9, 9, n)] for n in (t, r))
    points = [
        sum(b[i][k] * d[i] for i in range(t)) * sum(g[k][j] * taps[j] for j in range(r))
        for k in range(t)
    ]
    y = [sum(a[k][i] * points[k] for k in range(t)) for i in range(m)]
    assert y == [sum(d[i + j] * taps[j] for j in range(r)) for i in range(m)]


@every_algorithm
def test_the_header_of_the_kernels_has_these_matrices(m, r):
    body = re.search(rf"struct Winograd<{m}, {r}> {{(.*?)\n}};", HEADER.read_text(), re.DOTALL)[1]
    for name, matrix in zip("abg", toom_cook(m, r), strict=True):
        text = re.search(rf"float {name}\[.*?\]\[.*?\] = (.*?);", body, re.DOTALL)[1]
        rows = [row.split(",") for row in re.findall(r"{([^{}]*)}", text)]
        found = [[_fraction(v) for v in row] for row in rows]
        assert found == matrix, name


def _fraction(text):
    numerator, _, divisor = text.strip().removesuffix("f").partition("/")
    return Fraction(numerator.strip().rstrip(".")) / Fraction(divisor.strip(" .") or 1)


def test_f2_has_binary_fractions_and_f4_has_not():
    for (m, r), _ in POINTS.items():
        entries = [v for matrix in toom_cook(m, r) for row in matrix for v in row]
        binary = all(v.denominator & (v.denominator - 1) == 0 for v in entries)
        assert binary == (m == 2)


@pytest.mark.parametrize("m", [2, 4])
def test_the_algorithm_in_numpy_gives_all_three_convolutions(m):
    for problem in problems(np.random.default_rng(m), 60, dtype=np.float64):
        tiling = Tiling(problem.spec, problem.x.shape, problem.w.shape, m=m)
        for op in OPS:
            out = getattr(tiling, op)(*problem.call(op)[0])
            np.testing.assert_allclose(out, problem.exact(op), rtol=0, atol=1e-10)


@every_kernel
def test_kernels_stay_within_the_bound_of_their_algorithm(kernel):
    native_or_skip()
    for problem in problems(np.random.default_rng(1), 30):
        error = abs(problem.run(kernel) - problem.exact(kernel.op))
        assert np.all(error <= problem.bound(kernel)), problem.call(kernel.op)[1]


@pytest.mark.parametrize("kernel", [k for k in KERNELS if k.exact], ids=lambda k: k.key)
def test_f2_is_exact_on_small_integers(kernel):
    native_or_skip()
    rng = np.random.default_rng(2)
    for problem in problems(rng, 30, draw=lambda shape: rng.integers(-3, 4, shape)):
        np.testing.assert_array_equal(problem.run(kernel), problem.exact(kernel.op))


LARGE = {
    "several stages": (ConvSpec.of(stride=2, padding=1), (40, 64, 32, 32), (96, 64, 4, 4)),
    "several blocks an image": (ConvSpec.of(padding=1), (2, 48, 50, 37), (80, 48, 3, 3)),
    "many channels": (ConvSpec.of(stride=2, padding=1), (5, 200, 8, 8), (260, 200, 4, 4)),
    "gradients of pixels that nothing sees": (
        ConvSpec.of(stride=2),
        (3, 20, 9, 14),
        (33, 20, 4, 4),
    ),
    "padding wider than the kernel": (ConvSpec.of(padding=6), (3, 17, 5, 6), (20, 17, 3, 3)),
}


@every_kernel
@pytest.mark.parametrize("name", LARGE)
def test_large_and_odd_problems_stay_within_the_bound_on_any_number_of_threads(kernel, name):
    native, outs = native_or_skip(), []
    problem, count = Problem(np.random.default_rng(3), *LARGE[name]), native.num_threads()
    try:
        for threads in (1, 2, 3, 8):
            native.set_num_threads(threads)
            outs.append(problem.run(kernel))
    finally:
        native.set_num_threads(count)
    assert np.all(abs(outs[0] - problem.exact(kernel.op)) <= problem.bound(kernel))
    for out in outs[1:]:
        np.testing.assert_array_equal(out, outs[0])


@every_kernel
def test_an_empty_sum_is_zero(kernel):
    native_or_skip()
    spec = ConvSpec.of(padding=1)
    for x, w in (((0, 3, 5, 5), (4, 3, 3, 3)), ((2, 0, 5, 5), (4, 0, 3, 3)),
                 ((2, 3, 5, 5), (0, 3, 3, 3))):  # fmt: skip
        problem = Problem(np.random.default_rng(4), spec, x, w)
        expected = problem.exact(kernel.op)
        np.testing.assert_array_equal(problem.run(kernel), expected)
        assert not expected.any()


@pytest.mark.parametrize(
    ("spec", "w", "words"),
    [
        (ConvSpec.of(groups=2), (4, 2, 3, 3), "groups=2"),
        (ConvSpec.of(dilation=2), (4, 2, 3, 3), "dilation=(2, 2)"),
        (ConvSpec.of(stride=3), (4, 2, 4, 4), "stride (3, 3)"),
        (ConvSpec.of(stride=(1, 2)), (4, 2, 3, 3), "stride (1, 2)"),
        (ConvSpec.of(), (4, 2, 3, 2), "3 x 2"),
        (ConvSpec.of(), (4, 2, 1, 1), "1 x 1"),
        (ConvSpec.of(stride=2), (4, 2, 7, 7), "7 x 7"),
    ],
)
def test_refusals_name_what_is_not_taken(spec, w, words):
    assert words in refusal(spec, w)


@every_kernel
def test_float64_is_refused(kernel):
    native_or_skip()
    problem = Problem(np.random.default_rng(5), ConvSpec(), (1, 3, 8, 8), (3, 3, 3, 3), np.float64)
    operands, shapes = problem.call(kernel.op)
    assert "float64" in kernel.refusal(*operands, spec=problem.spec, **shapes)


# --- the choice ---

WIDE = Problem(np.random.default_rng(6), ConvSpec.of(padding=1), (4, 128, 16, 16), (128, 128, 3, 3))
NARROW = Problem(np.random.default_rng(7), ConvSpec.of(padding=1), (2, 3, 16, 16), (8, 3, 3, 3))


def chosen(problem, op):
    operands, shapes = problem.call(op)
    return kernels.choose(op, *operands, spec=problem.spec, **shapes).variant


@pytest.mark.parametrize("op", OPS)
def test_the_mode_and_the_cost_choose_the_algorithm(op):
    native_or_skip()
    for mode, variant in (
        ("fast", "winograd_f4"), ("accurate", "winograd_f2"), ("off", "implicit_gemm")
    ):  # fmt: skip
        with use_winograd(mode):
            assert winograd_mode() == mode
            assert chosen(WIDE, op) == variant
            assert chosen(NARROW, op) == "implicit_gemm"


def test_explain_prints_what_the_cost_model_predicts():
    native_or_skip()
    lines = kernels.explain("conv2d", WIDE.x, WIDE.w, spec=WIDE.spec).splitlines()
    assert re.search(r"winograd_f4 +ok, predicted to take 0\.\d\d of implicit_gemm's", lines[0])
    assert re.search(r"winograd_f2 +not chosen, as winograd=fast", lines[1])
    lines = kernels.explain("conv2d", NARROW.x, NARROW.w, spec=NARROW.spec).splitlines()
    assert re.search(r"winograd_f4 +predicted to take [1-9]\d*\.\d\d of", lines[0])


def test_a_variant_that_is_named_runs_whether_it_pays_or_not():
    native_or_skip()
    for problem, variant in itertools.product((WIDE, NARROW), VARIANTS):
        with use_winograd("off"), kernels.use_backend(f"cpp/{variant}"):
            assert chosen(problem, "conv2d") == variant
            assert "ok, " in kernels.explain("conv2d", problem.x, problem.w, spec=problem.spec)


def test_the_environment_sets_the_mode_and_the_block_overrules_it(monkeypatch):
    monkeypatch.setenv("TINYGAN_WINOGRAD", "off")
    assert winograd_mode() == "off"
    with use_winograd("accurate"):
        assert winograd_mode() == "accurate"
    monkeypatch.setenv("TINYGAN_WINOGRAD", "quick")
    with pytest.raises(OptionError, match="TINYGAN_WINOGRAD='quick': use one of fast, accurate"):
        winograd_mode()
    with pytest.raises(OptionError, match="use_winograd='on'"), use_winograd("on"):
        pass
