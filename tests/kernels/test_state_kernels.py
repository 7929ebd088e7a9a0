"""Copies, averages and finite checks of many arrays in one call."""

import numpy as np
import pytest
from kernel_checks import assert_bit_equal_for_all_thread_counts, lay_out, native_or_skip, normal

from tinygan import kernels
from tinygan.errors import DtypeError, ShapeError

SHAPES = [(3,), (50, 1000), (), (0, 2), (1,), (7, 5, 3), (16384,), (17001,)]
DTYPES = [np.float32, np.float64, np.float32]


@pytest.fixture(params=["numpy", "cpp"])
def backend(request):
    if request.param == "cpp":
        native_or_skip()
    with kernels.use_backend(request.param):
        yield request.param


def arrays(seed):
    return [normal(seed + i, shape, DTYPES[i % 3]) for i, shape in enumerate(SHAPES)]


def paired(xs, ys):
    return [a for pair in zip(xs, ys, strict=True) for a in pair]


@pytest.mark.usefixtures("backend")
def test_a_copy_has_every_bit_and_leaves_its_source():
    to, source = arrays(0), arrays(100)
    source[1][3, 7], source[7][-1] = np.nan, -0.0
    kept = [x.tobytes() for x in source]
    assert kernels.call("state_copy", *paired(to, source)) is None
    assert [x.tobytes() for x in to] == kept
    assert [x.tobytes() for x in source] == kept


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("offset", range(17))
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 64, 100])
def test_a_copy_at_any_address_touches_nothing_beside_it(offset, size):
    room = np.zeros(130, np.float32)
    to = room[offset : offset + size]
    kernels.call("state_copy", to, np.arange(1, size + 1, dtype=np.float32))
    np.testing.assert_array_equal(to, np.arange(1, size + 1))
    assert np.count_nonzero(room) == size


@pytest.mark.usefixtures("backend")
def test_an_average_moves_towards_its_pair_by_the_formula():
    averages, xs = arrays(0), arrays(100)
    want = [x.astype("d") + (a.astype("d") - x) * 0.75 for a, x in zip(averages, xs, strict=True)]
    kept = [x.tobytes() for x in xs]
    assert kernels.call("state_average", *paired(averages, xs), beta=0.75) is None
    for a, e in zip(averages, want, strict=True):
        rtol = 4 * np.finfo(a.dtype).eps  # three roundings; sizes are at most 2 (|a| + |x|)
        np.testing.assert_allclose(a, e, rtol=rtol, atol=16 * np.finfo(a.dtype).eps)
    assert [x.tobytes() for x in xs] == kept


@pytest.mark.usefixtures("backend")
def test_the_ends_of_an_average():
    a, x = normal(0, 40, np.float32), normal(1, 40, np.float32)
    moved = a.copy()
    kernels.call("state_average", moved, x, beta=0.0)
    np.testing.assert_array_equal(moved, x)
    kernels.call("state_average", moved, moved, beta=0.5)  # of itself
    np.testing.assert_array_equal(moved, x)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_entry_anywhere_that_is_not_finite_is_found(value):
    xs = arrays(0)
    assert kernels.call("state_finite", *xs)
    for i, x in enumerate(xs):
        for at in {0, 1, x.size // 2, x.size - 16, x.size - 1} if x.size else ():
            if not 0 <= at < x.size:
                continue
            flat = x.reshape(-1)
            kept, flat[at] = flat[at], value
            assert not kernels.call("state_finite", *xs), (i, at)
            flat[at] = kept
    assert kernels.call("state_finite", *xs)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_values_whose_sum_overflows_or_that_cancel_are_told_apart(dtype):
    top = np.full(1000, np.finfo(dtype).max, dtype)
    assert kernels.call("state_finite", top, -top, top)
    assert not kernels.call("state_finite", np.array([np.inf, -np.inf], dtype))
    assert kernels.call("state_finite", np.array([5e-324, -0.0], dtype))


@pytest.mark.usefixtures("backend")
def test_pairs_in_any_dense_order_and_sources_with_gaps():
    x = normal(0, (3, 4, 2, 5), np.float32)
    for to_layout, layout in (
        ("channels_last", "c"),
        ("c", "strided"),
        ("channels_last", "reversed"),
    ):
        to = lay_out(np.zeros_like(x), to_layout)
        kernels.call("state_copy", to, lay_out(x, layout))
        np.testing.assert_array_equal(to, x)


@pytest.mark.usefixtures("backend")
def test_misfits_are_named():
    a = np.zeros(3)
    with pytest.raises(ShapeError, match="groups of to, from, got 3"):
        kernels.call("state_copy", a, a, a)
    with pytest.raises(ShapeError, match=r"x must have the shape of a \(3,\)"):
        kernels.call("state_average", a, np.zeros(4), beta=0.5)
    with kernels.use_backend("numpy"), pytest.raises(DtypeError, match="must agree"):
        kernels.call("state_copy", a, a.astype(np.float32))


def test_bits_do_not_depend_on_threads():
    def call():
        a, x = normal(0, 100_003, np.float32), normal(1, 100_003, np.float32)
        kernels.call("state_average", a, x, beta=0.9)
        to = np.empty_like(a)
        kernels.call("state_copy", to, a)
        return a, to, np.asarray(kernels.call("state_finite", a))

    assert_bit_equal_for_all_thread_counts(call)


def test_bindings_refuse_what_would_corrupt_memory():
    native = native_or_skip()
    a, b = np.zeros(6), np.ones(6)
    wrong = [(a,), (a, a), (a[:4], a[2:]), (a, b[:5]), (a[::2], b[::2]), (a, b.astype("f"))]
    wrong += [(a, list(b)), (a, b, a, b), (a[:3], b[:3], b[2:], a[2:])]
    for arrays in wrong:
        with pytest.raises((ValueError, TypeError)):
            native.state_copy(*arrays)
        with pytest.raises((ValueError, TypeError)):
            native.state_average(0.5, *arrays)
    a.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.state_copy(a, b)
    with pytest.raises(ValueError, match="gaps"):
        native.state_finite(np.broadcast_to(1.0, (5,)))
