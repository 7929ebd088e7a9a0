"""Streams: purity, independence, ranges and the distributions themselves."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from tinygan.errors import DtypeError, OptionError
from tinygan.random import Stream, Streams

N = 200_000


def _ks_distance(values, cdf):
    """Kolmogorov-Smirnov distance between a sample and a distribution function."""
    ordered = np.sort(values.astype(np.float64))
    steps = np.arange(values.size + 1) / values.size
    expected = cdf(ordered)
    return max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))


def _normal_cdf(x):
    return np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in x])


def test_same_coordinates_give_the_same_numbers():
    a, b = Stream(7, "z", step=3), Stream(7, "z", step=3)
    np.testing.assert_array_equal(a.normal((4, 5)), b.normal((4, 5)))


@pytest.mark.parametrize("other", [(8, "z", 3), (7, "y", 3), (7, "z", 4), (7 + (1 << 32), "z", 3)])
def test_any_other_coordinate_gives_other_numbers(other):
    drawn, unrelated = Stream(7, "z", 3).words(1000), Stream(*other).words(1000)
    assert np.count_nonzero(drawn == unrelated) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_splitting_a_draw_changes_nothing(draw, dtype):
    whole = getattr(Stream(1, "s"), draw)(200_001, dtype=dtype)
    stream = Stream(1, "s")
    parts = [getattr(stream, draw)(n, dtype=dtype) for n in (1, 2, 70_000, 129_998)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


class _Device:
    """Stands for another array library: drawn in one pass, with functions that CuPy has."""

    __name__ = "device"
    allowed = frozenset(
        ("arange", "full", "stack", "uint64", "empty", "argsort", "clip", "frexp", "where", "sqrt")
    )

    def __getattr__(self, name):
        assert name in self.allowed, f"np.{name} is not among the functions agreed on"
        return getattr(np, name)


OTHER_ARGUMENTS = {  # those after the shape
    "normal": (), "uniform": (), "permutation": (),
    "integers": (-5, 1000), "bernoulli": (0.3,), "truncated_normal": (0.7,),
}  # fmt: skip


@pytest.mark.parametrize("draw", OTHER_ARGUMENTS)
def test_another_library_draws_the_same_numbers(draw):
    arguments = OTHER_ARGUMENTS[draw]
    host = getattr(Stream(1, "s"), draw)(100_001, *arguments)
    device = getattr(Stream(1, "s", xp=_Device()), draw)(100_001, *arguments)
    np.testing.assert_array_equal(host, device)


def test_setting_the_step_restarts_every_stream():
    streams = Streams(5)
    z, alpha = streams.stream("z"), streams.stream("alpha")
    first = z.normal(10)
    alpha.uniform(3)
    streams.step = 1
    assert (z.index, alpha.index, z.step) == (0, 0, 1)
    assert not np.array_equal(z.normal(10), first)
    streams.step = 0
    np.testing.assert_array_equal(z.normal(10), first)


def test_a_stream_is_one_object_and_equals_the_standalone_one():
    streams = Streams(5)
    streams.step = 9
    assert streams.stream("z") is streams.stream("z")
    np.testing.assert_array_equal(streams.stream("z").words(7), Stream(5, "z", 9).words(7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_has_the_moments_and_the_law_of_a_normal(dtype):
    x = Stream(0, "z").normal(N, dtype=dtype)
    assert x.dtype == dtype
    moments = [np.mean(x.astype(np.float64) ** k) for k in (1, 2, 3, 4)]
    deviations = [1.0, 2.0**0.5, 15.0**0.5, 96.0**0.5]  # of z**k
    for found, expected, deviation in zip(moments, (0, 1, 0, 3), deviations, strict=True):
        assert abs(found - expected) < 4 * deviation / N**0.5
    assert _ks_distance(x, _normal_cdf) < 1.63 / N**0.5  # the 1 % point


def test_normals_are_the_quantiles_of_all_the_bits_of_their_words():
    words = [int(w) for w in Stream(0, "z").words(4000)]
    expected = [NormalDist().inv_cdf((w + 0.5) / 2**32) for w in words]
    np.testing.assert_array_equal(Stream(0, "z").normal(4000), np.float32(expected))
    pairs = zip(words[::2], words[1::2], strict=True)
    expected = [NormalDist().inv_cdf(((hi << 20 | lo >> 12) + 0.5) / 2**52) for hi, lo in pairs]
    np.testing.assert_allclose(Stream(0, "z").normal(2000, np.float64), expected, rtol=1e-13)


def test_normal_reaches_both_tails():
    x = Stream(0, "z").normal(2_000_000)
    assert 4.5 < x.max() < 6.5
    assert -6.5 < x.min() < -4.5


def test_normal_scales_without_leaving_float32():
    x = Stream(0, "z").normal(1000, mean=2.0, std=0.02)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, Stream(0, "z").normal(1000) * np.float32(0.02) + 2)


@pytest.mark.parametrize("psi", [0.01, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_truncated_normal_stays_inside_and_has_its_closed_form(psi, dtype):
    z = Stream(0, "z").truncated_normal(N, psi, dtype)
    assert z.dtype == dtype
    assert np.abs(z).max() <= psi  # a float beside an array takes its precision
    normal = NormalDist()
    inside = 2 * normal.cdf(psi) - 1
    variance = 1 - 2 * psi * normal.pdf(psi) / inside  # E z^2; z^4 <= psi^4 bounds its error
    squares = z.astype(np.float64) ** 2
    assert abs(squares.mean() - variance) < 4 * squares.std() / N**0.5
    assert abs(z.astype(np.float64).mean()) < 4 * (variance / N) ** 0.5
    law = lambda v: (_normal_cdf(v) - normal.cdf(-psi)) / inside  # noqa: E731
    assert _ks_distance(z, law) < 1.63 / N**0.5  # the 1 % point


def test_truncation_keeps_signs_and_order_and_takes_as_many_words():
    stream, other = Stream(0, "z"), Stream(0, "z")
    z, cut = stream.normal(1000), other.truncated_normal(1000, 0.5)
    assert stream.index == other.index
    np.testing.assert_array_equal(np.sign(z), np.sign(cut))
    assert (np.diff(cut[np.argsort(z)]) >= 0).all()
    for dtype in ("float32", "float64"):
        whole = Stream(0, "z").normal(1000, dtype)
        np.testing.assert_array_equal(Stream(0, "z").truncated_normal(1000, 9.0, dtype), whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_is_uniform_in_the_half_open_interval(dtype):
    u = Stream(0, "u").uniform(N, dtype=dtype)
    assert u.dtype == dtype
    assert u.min() >= 0
    assert u.max() < 1
    assert _ks_distance(u, lambda v: v) < 1.63 / N**0.5


def test_uniform_has_24_bits_in_float32_and_53_in_float64():
    u32, u64 = Stream(0, "u").uniform(N), Stream(0, "u").uniform(N, dtype=np.float64)
    for u, bits in ((u32, 24), (u64, 53)):
        scaled = u.astype(np.float64) * 2.0**bits
        assert np.all(scaled == np.floor(scaled))
        assert abs(np.mean(scaled % 2) - 0.5) < 4 * 0.5 / N**0.5  # the last bit is alive


def test_uniform_takes_bounds():
    u = Stream(0, "u").uniform((100, 3), low=-2.0, high=3.0)
    assert u.shape == (100, 3)
    assert -2 <= u.min() < -1.5
    assert 2.5 < u.max() < 3


def test_integers_cover_their_range_evenly():
    k = Stream(0, "k").integers((N,), -3, 7)
    assert k.dtype == np.int64
    counts = np.bincount(k + 3, minlength=10)
    chi2 = np.sum((counts - N / 10) ** 2 / (N / 10))
    assert counts.size == 10
    assert chi2 < 21.67  # the 1 % point with 9 degrees of freedom


def test_integers_of_a_wide_span_use_all_its_bits():
    k = Stream(0, "k").integers(N, 0, (1 << 32) - 1)
    assert k.min() >= 0
    assert 0 <= (1 << 32) - 1 - k.max() < 1 << 20
    assert abs(np.mean(k & 1) - 0.5) < 4 * 0.5 / N**0.5


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bernoulli_has_its_probability(p):
    hits = Stream(0, "b").bernoulli(N, p)
    assert hits.dtype == np.bool_
    assert abs(hits.mean() - p) <= 4 * (p * (1 - p) / N) ** 0.5


def test_permutation_is_one_and_all_orders_are_as_likely():
    np.testing.assert_array_equal(np.sort(Stream(0, "p").permutation(1000)), np.arange(1000))
    stream = Stream(0, "p")
    orders = [tuple(stream.permutation(3).tolist()) for _ in range(6000)]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert counts.size == 6
    assert np.sum((counts - 1000) ** 2 / 1000) < 15.09  # 1 %, 5 degrees of freedom


@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_empty_and_scalar_shapes_work(draw):
    stream = Stream(0, "s")
    assert getattr(stream, draw)((0, 3)).shape == (0, 3)
    assert stream.index == 0
    assert getattr(stream, draw)(()).shape == ()
    assert stream.index == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Stream(-1, "s"), "seed -1"),
        (lambda: Stream(1 << 64, "s"), r"2\*\*64"),
        (lambda: Stream(0, "s", step=1 << 32), r"2\*\*32"),
        (lambda: Stream(0, "s").integers(3, 4, 4), "span"),
        (lambda: Stream(0, "s").bernoulli(3, 1.5), "0 to 1"),
        (lambda: Stream(0, "s").normal((-1,)), "negative"),
        (lambda: Stream(0, "s").truncated_normal(3, 0.0), "truncation 0.0: a bound above 0"),
        (lambda: Stream(0, "s").truncated_normal(3, float("nan")), "truncation nan"),
    ],
)
def test_out_of_range_arguments_are_named(wrong, says):
    with pytest.raises(OptionError, match=says):
        wrong()


def test_other_float_types_are_refused():
    with pytest.raises(DtypeError, match="float16"):
        Stream(0, "s").normal(3, dtype=np.float16)


def test_a_dtype_may_be_named_in_any_of_numpys_ways():
    for dtype in ("float64", np.float64, np.dtype(np.float64)):
        assert Stream(0, "s").normal(3, dtype=dtype).dtype == np.float64


def test_names_with_one_crc32_are_refused():
    streams = Streams(0)
    streams.stream("plumless")
    with pytest.raises(OptionError, match="crc32"):
        streams.stream("buckeroo")  # a well-known pair
