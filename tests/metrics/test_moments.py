"""Moments: those of the whole set, however it was cut, and files that others read and write."""

import numpy as np
import pytest

from tinygan.errors import DataError, OptionError, SaveError, ShapeError
from tinygan.metrics.checks import BLOCK_BYTES
from tinygan.metrics.moments import Moments

RNG = np.random.default_rng(1)
X = RNG.normal(size=(500, 7)) * np.arange(1, 8) + 5


def assert_same(moments, x, rtol=1e-12):
    assert moments.count == len(x)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=rtol)
    np.testing.assert_allclose(moments.covariance(), np.cov(x, rowvar=False), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("step", [1, 3, 64, 499, 500])
def test_batches_of_any_size_give_the_moments_of_the_whole(step):
    moments = Moments()
    for begin in range(0, len(X), step):
        moments.update(X[begin : begin + step])
    assert_same(moments, X)


def test_shards_sum_in_any_order():
    shards = [Moments.of(part) for part in np.split(X, [10, 11, 200, 350])]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [1, 0, 4, 3, 2]):
        total = Moments()
        for i in order:
            total.merge(shards[i])
        assert_same(total, X)
    assert_same((shards[0] + shards[1]) + ((shards[2] + shards[3]) + shards[4]), X)


def test_a_sum_leaves_its_terms_as_they_were():
    a, b = Moments.of(X[:100]), Moments.of(X[100:])
    assert_same(a + b, X)
    assert_same(a, X[:100])
    assert_same(b, X[100:])


def test_features_far_from_zero_lose_no_digits():
    # E x^2 - (E x)^2 would lose all 16 of them
    far = RNG.normal(size=(1000, 3)) + 1e8
    moments = Moments.of(far[:300]) + Moments.of(far[300:])
    centred = far - 1e8  # exact: Sterbenz
    np.testing.assert_allclose(moments.covariance(), np.cov(centred, rowvar=False), atol=1e-7)


def test_float32_features_are_summed_in_float64():
    # a float32 sum of 200,000 numbers near 1 is wrong in its fifth digit
    x = (1 + 0.1 * RNG.random(size=(200_000, 2))).astype(np.float32)
    moments = Moments.of(x)
    np.testing.assert_allclose(moments.mean, x.astype(np.longdouble).mean(axis=0), rtol=1e-12)


def test_sets_larger_than_a_block_are_taken_in_blocks():
    tall = RNG.normal(size=(BLOCK_BYTES // 8 // 64 + 5, 64)).astype(np.float32)
    moments = Moments.of(tall)
    np.testing.assert_allclose(moments.mean, tall.mean(axis=0, dtype=np.float64), atol=1e-12)
    assert moments.count == len(tall)


def test_ddof_0_divides_by_n():
    np.testing.assert_allclose(Moments.of(X).covariance(0), np.cov(X, rowvar=False, ddof=0))
    with pytest.raises(OptionError, match="ddof=2"):
        Moments.of(X).covariance(2)


def test_saved_moments_come_back(tmp_path):
    path = tmp_path / "stats.npz"
    saved = Moments.of(X, net="inception", sha256="ab" * 32)
    saved.save(path)
    loaded = Moments.load(path)
    assert (loaded.net, loaded.sha256) == ("inception", "ab" * 32)
    assert_same(loaded, X, rtol=1e-14)
    assert_same(loaded.update(X), np.concatenate([X, X]))
    assert [p.name for p in tmp_path.iterdir()] == ["stats.npz"]


def test_the_file_is_one_that_numpy_reads_without_pickles(tmp_path):
    Moments.of(X, net="net").save(tmp_path / "stats.npz")
    with np.load(tmp_path / "stats.npz") as file:  # as pytorch-fid does
        np.testing.assert_allclose(file["mu"][:], X.mean(axis=0))
        np.testing.assert_allclose(file["sigma"][:], np.cov(X, rowvar=False))
        assert file["n"] == 500


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pytorch_fids_files_load_with_their_count_unknown(tmp_path, dtype):
    mean, cov = X.mean(axis=0), np.cov(X, rowvar=False)
    np.savez(tmp_path / "other.npz", mu=mean.astype(dtype), sigma=cov.astype(dtype))
    loaded = Moments.load(tmp_path / "other.npz")
    assert loaded.count is None
    np.testing.assert_array_equal(loaded.covariance(), cov.astype(dtype))
    assert loaded.mean.dtype == np.float64
    loaded.check_comparable(Moments.of(X, net="inception"))
    for refused in (
        lambda: loaded.covariance(0),
        lambda: Moments.of(X).merge(loaded),
        lambda: loaded + Moments.of(X),
        lambda: loaded.update(X),
    ):
        with pytest.raises(OptionError, match="unknown"):
            refused()
    loaded.save(tmp_path / "again.npz")
    assert Moments.load(tmp_path / "again.npz").count is None


EYE, ZERO = np.eye(3), np.zeros(3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu": ZERO}, "not sigma"),
        ({"images": ZERO}, "holds images, not mu and sigma"),
        ({"mu": ZERO, "sigma": np.eye(3)[:2]}, r"\(2, 3\)"),
        ({"mu": ZERO, "sigma": np.eye(4)}, r"\(4, 4\)"),
        ({"mu": np.zeros((1, 3)), "sigma": EYE}, r"\(1, 3\)"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"\(0,\)"),
        ({"mu": ZERO * np.nan, "sigma": EYE}, "isn't finite"),
        ({"mu": ZERO, "sigma": EYE + np.inf}, "isn't finite"),
        ({"mu": ZERO, "sigma": np.tri(3)}, "isn't symmetric"),
        ({"mu": ZERO, "sigma": -EYE}, "negative"),
        ({"mu": ZERO, "sigma": EYE, "n": np.array(1)}, "n is int64"),
        ({"mu": ZERO, "sigma": EYE, "n": np.array([5])}, r"n is int64 \(1,\)"),
        ({"mu": ZERO, "sigma": EYE, "net": np.array([255], np.uint8)}, "net is uint8"),
        ({"mu": ZERO, "sigma": EYE, "net": np.array([10, 27], np.uint8)}, "printed"),
        ({"mu": ZERO, "sigma": EYE, "net": np.array("inception")}, "<U9"),
    ],
)
def test_a_file_of_no_statistics_is_refused_in_one_line(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        Moments.load(tmp_path / "bad.npz")
    assert "\n" not in str(caught.value)
    assert "bad.npz" in str(caught.value)


def test_a_truncated_file_and_a_missing_one_are_refused(tmp_path):
    path = tmp_path / "stats.npz"
    Moments.of(X).save(path)
    whole = path.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"stats\.npz"):
            Moments.load(path)
    with pytest.raises(DataError, match="missing"):
        Moments.load(tmp_path / "missing.npz")


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "evil.npz", mu=np.array([print], object), sigma=EYE)
    with pytest.raises(DataError, match="object"):
        Moments.load(tmp_path / "evil.npz")


def test_statistics_of_other_nets_or_dimensions_do_not_compare():
    inception = Moments.of(X, net="inception", sha256="a" * 64)
    with pytest.raises(OptionError, match="inception is not mnist_lenet"):
        inception.check_comparable(Moments.of(X, net="mnist_lenet"))
    with pytest.raises(OptionError, match="aaa is not bbb"):
        inception.check_comparable(Moments.of(X, net="inception", sha256="b" * 64))
    with pytest.raises(ShapeError, match=r"d = 7 and .*d = 5"):
        inception.check_comparable(Moments.of(X[:, :5], net="inception"))
    with pytest.raises(OptionError, match="is not"):
        Moments(net="mnist_lenet").merge(inception)
    inception.check_comparable(Moments.of(X))  # a file that names no net is taken at its word


def test_features_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"\(0, 7\)"):
        Moments.of(X[:0])
    with pytest.raises(ShapeError, match=r"\(7,\)"):
        Moments.of(X[0])
    with pytest.raises(ShapeError, match=r"\(500, 5\).*\(N, 7\)"):
        Moments.of(X).update(X[:, :5])
    with pytest.raises(OptionError, match="finite"):
        Moments.of(np.array([[1.0, np.nan]]))
    with pytest.raises(OptionError, match="complex128"):
        Moments.of(X.astype(np.complex128))
    with pytest.raises(ShapeError, match="2 rows or more"):
        Moments.of(X[:1]).covariance()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SaveError, match="cannot be written"):
        Moments.of(X).save(tmp_path / "none" / "stats.npz")
