"""Claims about how samples are judged."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant
from tinygan import ops
from tinygan.data import load
from tinygan.metrics import frechet_distance, gaussian_statistics


def distances(a, b):
    return np.sqrt(((a[:, None] - b) ** 2).sum(axis=-1))


def covered(points, of, k=3):
    """Share of ``points`` inside a ball around one of ``of`` that reaches its k-th neighbour."""
    radius = np.sort(distances(of, of), axis=1)[:, k]  # column 0 is the point itself
    return (distances(points, of) <= radius).any(axis=1).mean()


def coverage(real, fake, k=5):
    """Share of the reals whose ball, out to the k-th real neighbour, holds a fake."""
    radius = np.sort(distances(real, real), axis=1)[:, k]
    return (distances(real, fake).min(axis=1) <= radius).mean()


def inception_score(logits):
    """exp E_x KL(p(y|x) || p(y))."""
    p = ops.softmax(constant(logits), 1).data
    return np.exp((p * np.log(p / p.mean(axis=0))).sum(axis=1).mean())


@erratum(
    "E8",
    claim="Precision is the share of unique samples; FID below 50 and an Inception Score above 7 "
    "are good; a collapsed generator shows by a low Inception Score with a high coverage.",
    correct="Precision is the share of fakes inside the data's neighbourhoods; FID's scale is that "
    "of its features and sample size; one image a class can have the highest Inception Score, with "
    "next to no recall and a low coverage.",
    sources=("arXiv:1904.06991", "arXiv:2002.09797", "arXiv:1706.08500", "arXiv:1801.01973"),
)
def test_precision_is_not_uniqueness_and_no_score_is_good_by_itself():
    """Precision and uniqueness. Let B be the union of balls around the real samples, each of the
    distance to the third neighbour. Precision is the share of fakes in B, recall the share of reals
    in the B that is made of the fakes. Far-away noise is unique (share 1) with precision 0; copies
    of one real sample have precision 1, and next to no uniqueness and recall.

    Inception Score. A classifier gives each sample x a law of labels p(y|x), whose mean is p(y).
    With H(y) the entropy of p(y) and H(y|x) the mean entropy of p(y|x), the score is

        exp E KL(p(y|x), p(y)) = exp(H(y) - H(y|x)):

    it rewards labels of all kinds and sure single predictions. A G that emits one image for each of
    K classes has H(y) = log K and H(y|x) near 0, so the score is near K, its maximum, with collapse
    inside each class.
    Diverse and less sure samples of all classes score lower. Coverage, the share of reals whose
    ball (to the fifth neighbour) holds a fake, is what falls with such a collapse.

    FID is the distance of two Gaussians with the means and covariances of the features. Features
    times s have a distance times s^2, so 50 means something in one feature space alone. And it is
    biased: two sets of n samples from one law have a distance above 0, that falls as n grows.
    """
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 4))
    noise, copies = rng.normal(size=(300, 4)) + 50.0, np.repeat(real[:1], 300, axis=0)

    def unique(x):
        return len(np.unique(x, axis=0)) / len(x)

    assert (unique(noise), covered(noise, real)) == (1.0, 0.0)
    assert (unique(copies), covered(copies, real)) == (1 / 300, 1.0)
    assert covered(real, copies) < 0.02  # recall
    held_out = rng.normal(size=(300, 4))
    assert min(covered(held_out, real), covered(real, held_out)) > 0.8

    centres = 9.0 * np.eye(10)
    labels = np.arange(1000) % 10
    diverse = centres[labels] + 3.0 * rng.normal(size=(1000, 10))
    one_each = centres[labels]  # the same ten samples, again and again
    assert inception_score(one_each) == pytest.approx(10.0, rel=0.02)
    assert inception_score(diverse) < 9
    assert covered(diverse, one_each) < 0.02  # recall
    assert coverage(diverse, one_each) < 0.35
    afresh = centres[labels] + 3.0 * rng.normal(size=(1000, 10))
    assert coverage(diverse, afresh) > 0.9

    a, b = rng.normal(size=(500, 8)), rng.normal(size=(500, 8)) + 1.0
    fid = frechet_distance(*gaussian_statistics(a), *gaussian_statistics(b))
    scaled = frechet_distance(*gaussian_statistics(3 * a), *gaussian_statistics(3 * b))
    assert fid < 50 < scaled
    assert scaled == pytest.approx(9 * fid)

    def of_one_law(n):
        one, two = (gaussian_statistics(rng.normal(size=(n, 32))) for _ in range(2))
        return frechet_distance(*one, *two)

    assert of_one_law(60) > 8 * of_one_law(2000) > 0


def similarity(x, y):
    """SSIM of images in [-1, 1] on windows of 4 x 4, at two scales, multiplied. -> (N,)."""
    product = 1.0
    for _ in range(2):
        mean_x, mean_y = (ops.avg_pool2d(v, 4, 1) for v in (x, y))
        var_x, var_y, cov = (
            ops.avg_pool2d(a * b, 4, 1) - ma * mb
            for a, b, ma, mb in (
                (x, x, mean_x, mean_x), (y, y, mean_y, mean_y), (x, y, mean_x, mean_y)
            )
        )  # fmt: skip
        c1, c2 = 0.02**2, 0.06**2  # (0.01 L)^2 and (0.03 L)^2 with the range L = 2
        structure = (2.0 * cov + c2) / (var_x + var_y + c2)
        luminance = (2.0 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        product = product * ops.mean(structure * luminance, (1, 2, 3))
        x, y = ops.avg_pool2d(x, 2), ops.avg_pool2d(y, 2)
    return product.data


@erratum(
    "E17",
    claim="The MS-SSIM diversity of N samples is the mean over all N^2 pairs, 1/N^2 times the sum "
    "over i and j.",
    correct="It is the mean over pairs of different samples, i != j.",
    sources=("arXiv:1610.09585",),
)
def test_ms_ssim_diversity_leaves_out_a_sample_beside_itself():
    """A sample's similarity to itself is 1, and N of the N^2 pairs are such. So

        mean over all pairs = 1/N + (1 - 1/N) * mean over i != j,

    which is too high (that is: shows too little diversity) by (1 - mean over i != j) / N, an amount
    that depends on N. Two sets of one law, of 4 and 32 samples, get different scores. The mean over
    i != j is an unbiased estimate of E s(x, x') for independent x, x', whatever N.

    Of the similarity s this uses s(x, x) = 1 and no more. The test's is a small relative of
    MS-SSIM: SSIM at two scales, multiplied.
    """
    digits = load("digits:16").arrays[:64].astype(np.float64)
    n = len(digits)
    i, j = np.divmod(np.arange(n * n), n)
    s = similarity(constant(digits[i]), constant(digits[j])).reshape(n, n)
    np.testing.assert_allclose(np.diag(s), 1.0, rtol=1e-9)

    def scores(part):
        off = ~np.eye(len(part), dtype=bool)
        return part.mean(), part[off].mean()

    def average_over(size):
        return np.mean([scores(s[a : a + size, a : a + size]) for a in range(0, n, size)], axis=0)

    for size in (4, 32):
        claimed, correct = average_over(size)
        assert claimed == pytest.approx(1 / size + (1 - 1 / size) * correct)
        assert claimed > correct + 0.9 * (1 - correct) / size
    (claimed_4, correct_4), (claimed_32, correct_32) = average_over(4), average_over(32)
    assert claimed_4 - claimed_32 > 0.1
    assert abs(correct_4 - correct_32) < 0.05
