"""Philox against the published vectors, a scalar oracle that NumPy's Philox confirms, and erfc."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from kernel_checks import native_or_skip

from tinygan import kernels
from tinygan.kernels import philox
from tinygan.kernels.cuda import cusim
from tinygan.kernels.philox import log, normal_from_uniform, philox4x32, words
from tinygan.kernels.philox.reference import M0, M1, W0, W1
from tinygan.random import Stream

# Random123's kat_vectors, rows "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = [
    ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def _hex(text):
    return [int(word, 16) for word in text.split()]


def _scalar_philox(counter, key, bits, multipliers, weyl):
    """Philox4x(bits)-10 in Python integers, written from the paper's permuted form."""
    top = (1 << bits) - 1
    r0, l0, r1, l1 = counter
    for turn in range(10):
        keys = [(k + turn * w) & top for k, w in zip(key, weyl, strict=True)]
        high0, low0 = divmod(multipliers[0] * r0, 1 << bits)
        high1, low1 = divmod(multipliers[1] * r1, 1 << bits)
        r0, l0, r1, l1 = high1 ^ keys[0] ^ l0, low1, high0 ^ keys[1] ^ l1, low0
    return [r0, l0, r1, l1]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_published_vectors_come_out(counter, key, answer):
    block = tuple(np.array([c], dtype=np.uint64) for c in _hex(counter))
    assert [int(w[0]) for w in philox4x32(block, tuple(_hex(key)))] == _hex(answer)


def test_scalar_oracle_at_64_bits_is_numpys_philox():
    key, counter = [123456789, 987654321], [5, 6, 7, 8]
    multipliers = [0xD2E7470EE14C6C93, 0xCA5A826395121157]
    weyl = [0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B]
    numpys = np.random.Philox(key=key, counter=[4, 6, 7, 8]).random_raw(4)  # it counts first
    assert _scalar_philox(counter, key, 64, multipliers, weyl) == [int(w) for w in numpys]


def test_words_equal_the_scalar_oracle_at_any_offset():
    seed, stream, step = 0xFEDCBA9876543210, 0xDEADBEEF, 0xFFFFFFFF
    for start, count in [(0, 9), (3, 2), (6, 11), ((1 << 36) + 1, 5), (2, 0)]:
        got = words(np, seed=seed, stream=stream, step=step, start=start, count=count)
        expected = []
        for index in range(start, start + count):
            block = index // 4
            counter = [block & 0xFFFFFFFF, block >> 32, step, stream]
            key = [seed & 0xFFFFFFFF, seed >> 32]
            weyl, multipliers = [0x9E3779B9, 0xBB67AE85], [0xD2511F53, 0xCD9E8D57]
            expected.append(_scalar_philox(counter, key, 32, multipliers, weyl)[index % 4])
        assert got.dtype == np.uint64
        assert got.tolist() == expected


def test_log_is_within_four_ulps():
    x = np.concatenate([np.logspace(-300, 300, 4001), np.linspace(0.5, 2.0, 4001)])
    exact = np.array([math.log(v) for v in x])
    assert np.all(np.abs(log(x) - exact) <= 4 * np.spacing(np.abs(exact)) + 1e-17)


def test_quantile_inverts_the_distribution_function():
    p = np.concatenate([np.logspace(-16, -1, 500), np.linspace(0.1, 0.5, 200)])
    z = normal_from_uniform(p)
    back = np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in z])
    assert np.max(np.abs(back / p - 1.0)) < 1e-13


def test_quantile_is_odd_and_agrees_with_the_standard_library():
    p = np.arange(1, 2**10) / 2**10
    z = normal_from_uniform(p)
    np.testing.assert_array_equal(z, -z[::-1])
    expected = [NormalDist().inv_cdf(v) for v in p]
    np.testing.assert_allclose(z, expected, rtol=1e-14, atol=1e-16)


class _OnlyElementary:
    """The functions of an array library that the kernels may use; each is exact everywhere."""

    allowed = frozenset(
        ("arange", "full", "stack", "uint64", "frexp", "where", "sqrt", "nonzero", "abs", "minimum")
    )

    def __getattr__(self, name):
        assert name in self.allowed, f"np.{name} is not known to be bit-equal on CPU and GPU"
        return getattr(np, name)


def test_kernels_use_no_function_whose_rounding_is_free(monkeypatch):
    only = _OnlyElementary()
    monkeypatch.setattr("tinygan.kernels.philox.normal.xp_of", lambda _: only)
    p = (words(only, seed=1, stream=2, step=3, start=0, count=4096) + 0.5) * 2.0**-32
    assert np.isfinite(normal_from_uniform(p)).all()


def drawn(backend, draw, seed, step, index, count, dtype):
    """Return a draw from word ``index`` on, and where the stream stands after it."""
    stream = Stream(seed, "twin", step)
    stream.index = index
    with kernels.use_backend(backend):
        return getattr(stream, draw)(count, dtype=dtype), stream.index


@pytest.mark.parametrize("draw", ["uniform", "normal"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cpp_draws_the_bits_of_the_reference(draw, dtype):
    native_or_skip()
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 5, 255, 256, 257, 1000, 5000, 70_001):
        for index in (0, 3, (1 << 34) - 2, (1 << 61) + 1):  # the block's number fills two words
            place = int(rng.integers(0, 1 << 63)) * 2 + 1, int(rng.integers(0, 1 << 32)), index
            ours, after = drawn("cpp", draw, *place, count, dtype)
            reference, expected = drawn("numpy", draw, *place, count, dtype)
            assert ours.dtype == reference.dtype
            assert after == expected
            np.testing.assert_array_equal(ours, reference)


def counter_of(block, key):
    """Return the counter that Philox4x32-10 turns into these words: its rounds, backwards."""
    c0, c1, c2, c3 = block
    for turn in reversed(range(10)):
        k0, k1 = ((k + turn * w) % 2**32 for k, w in zip(key, (W0, W1), strict=True))
        left, right = c3 * pow(M0, -1, 2**32) % 2**32, c1 * pow(M1, -1, 2**32) % 2**32
        c0, c1, c2, c3 = left, c0 ^ k0 ^ right * M1 >> 32, right, c2 ^ k1 ^ left * M0 >> 32
    return c0, c1, c2, c3


def test_cpp_draws_the_far_tail_as_the_reference_does():
    native_or_skip()
    seed, seen = 0x123456789ABCDEF, 0
    key = seed % 2**32, seed >> 32
    for word in range(200):  # a double in either tail, where w0 = 0 and where it is full
        low, high, step, stream = counter_of((0, word << 20, 2**32 - 1, 2**32 - 1 - word), key)
        start = 4 * (low + (high << 32))
        if start >= 1 << 62:
            continue
        place = {"seed": seed, "stream": stream, "step": step, "start": start}
        out = np.empty(2)
        philox.cpp.fill_with("normal", out, **place)
        w = words(np, count=4, **place)
        assert w[0] == 0
        cells = (w[::2] << 20) | (w[1::2] >> 12)
        np.testing.assert_array_equal(out, normal_from_uniform((cells + 0.5) * 2.0**-52))
        assert out[0] < -6.2
        assert out[1] > 6.2
        seen += 1
    assert seen > 5


def test_cpp_draws_are_the_same_on_any_number_of_threads():
    native = native_or_skip()
    count, outs = native.num_threads(), []
    try:
        for threads in (1, 2, 3, 8):
            native.set_num_threads(threads)
            outs.append(drawn("cpp", "normal", 5, 6, 7, 50_000, np.float32)[0])
    finally:
        native.set_num_threads(count)
    for out in outs[1:]:
        np.testing.assert_array_equal(out, outs[0])


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_the_cuda_kernel_draws_the_bits_of_the_reference(draw):
    if reason := cusim.why_not():
        pytest.skip(reason)
    for count in (1, 2, 5, 257, 5000):
        for index in (0, 3, (1 << 34) - 2, (1 << 61) + 1):  # the block's number fills two words
            place = 0x123456789ABCDEF, 2**32 - 1, index
            ours, after = drawn("cusim", draw, *place, count, np.float32)
            reference, expected = drawn("numpy", draw, *place, count, np.float32)
            np.testing.assert_array_equal(ours, reference)
            assert after == expected


def test_the_cuda_kernel_spells_the_words_of_the_reference():
    if reason := cusim.why_not():
        pytest.skip(reason)
    place = {"seed": 2**64 - 3, "stream": 7, "step": 2**32 - 1}
    for start in (0, 1, 6, (1 << 61) + 3):
        for count in (1, 4, 1001):
            ours = philox.cuda.words(np, **place, start=start, count=count)
            np.testing.assert_array_equal(ours, words(np, **place, start=start, count=count))
