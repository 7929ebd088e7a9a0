"""The metrics of the suite, each a function of a pair of sample sets that returns numbers by name.

A number's name here is short (``fd``); ``suite.metric_name`` adds the feature net.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data import Dataset
from ..kernels.arrays import Array
from ..random import Stream
from .c2st import c2st, nearest_neighbour_test
from .cas import classification_accuracy_score
from .fid import fid_infinity, frechet_distance_of_features, per_class_frechet
from .inception_score import inception_score
from .kid import kernel_distance, mmd
from .memorisation import copying_test, memorisation_gap
from .modes import stacked_digit_modes, toy_modes
from .moments import Moments
from .ms_ssim import WINDOW, ms_ssim_diversity
from .ndb import cluster_density, ndb
from .pair import Pair, Side
from .path_length import perceptual_path_length
from .prdc import prdc
from .probe import linear_probe_accuracy, nearest_neighbour_accuracy
from .sliced_wasserstein import laplacian_swd, sliced_wasserstein

Values = dict[str, float]
PATHS = 1000  # of the path length; published numbers take 100,000
LPIPS_PAIRS = 500
MMD_ROWS = 1000


@dataclass(frozen=True)
class Measure:
    """A metric of the suite.

    Attributes:
        run: a pair to numbers by name.
        what: a line for ``--help`` and error messages.
        refuse: why a pair does not suit it, or None.
        on_pixels: whether it sees the samples themselves, so that its name carries no net.
        resampled: whether a bootstrap means something; a test has its p-value instead.
        replicates: of a bootstrap, at most: fewer where one takes seconds.
    """

    run: Callable[[Pair], Values]
    what: str
    refuse: Callable[[Pair], str | None] = lambda pair: None
    on_pixels: bool = False
    resampled: bool = True
    replicates: int = 10_000


def _fd(pair: Pair) -> Values:
    return {"fd": frechet_distance_of_features(pair.real.features, pair.fake.features)}


def _fd_infinity(pair: Pair) -> Values:
    found = fid_infinity(Moments.of(pair.real.features), pair.fake.features, seed=pair.seed)
    return {"fd_infinity": found.value}


def _kid(pair: Pair) -> Values:
    real, fake = pair.real.features, pair.fake.features
    size = min(1000, len(real), len(fake))
    found = kernel_distance(real, fake, subsets=pair.subsets, subset_size=size, seed=pair.seed)
    return {"kid": found.mean, "kid_std": found.std}


def _is(pair: Pair) -> Values:
    found = inception_score(pair.fake.embedding.probabilities, seed=pair.seed)
    return {"is": found.mean, "is_std": found.std}


def _prdc(pair: Pair) -> Values:
    found = prdc(pair.real.features, pair.fake.features)
    both = found.precision + found.recall
    return {
        "precision": found.precision,
        "recall": found.recall,
        "f_score": 2.0 * found.precision * found.recall / both if both else 0.0,
        "density": found.density,
        "coverage": found.coverage,
    }


def _mmd(pair: Pair) -> Values:
    # of at most so many samples a side: its cost is their square
    real, fake = pair.real.features[:MMD_ROWS], pair.fake.features[:MMD_ROWS]
    return {"mmd": mmd(real, fake, seed=pair.seed).value}


def _swd(pair: Pair) -> Values:
    real, fake = pair.real.samples, pair.fake.samples
    if real.ndim == 2:
        return {"swd": sliced_wasserstein(real, fake, seed=pair.seed)}
    found = laplacian_swd(real, fake, projections=pair.projections, seed=pair.seed)
    mean = found.pop("mean")
    return {"swd": mean, **{f"swd_{height}": value for height, value in found.items()}}


def _ms_ssim(pair: Pair) -> Values:
    found = ms_ssim_diversity(pair.fake.samples, seed=pair.seed)
    return {"ms_ssim": found.value, "ms_ssim_scales": found.scales}


def _ndb(pair: Pair) -> Values:
    bins = min(100, len(pair.real) // 2)
    found = ndb(pair.real.features, pair.fake.features, bins=bins, seed=pair.seed)
    return {"ndb": found.share, "ndb_bins": bins, "ndb_js": found.js}


def _clusters(pair: Pair) -> Values:
    found = cluster_density(pair.real.features, pair.fake.features, seed=pair.seed)
    return {"kmeans_entropy": found.entropy, "kmeans_coverage": found.coverage}


def _memorisation(pair: Pair) -> Values:
    assert pair.held_out is not None  # refused before
    sets = pair.real.features, pair.held_out.features, pair.fake.features
    test = copying_test(*sets)
    gap = memorisation_gap(*sets, seed=pair.seed).gap
    return {"nn_gap": gap, "copying_z": test.z, "copying_p": test.p_value}


def _c2st(pair: Pair) -> Values:
    found = c2st(pair.real.features, pair.fake.features, seed=pair.seed)
    return {
        "c2st": found.accuracy,
        "c2st_p": found.p_value,
        "c2st_low": found.low,
        "c2st_high": found.high,
    }


def _one_nn(pair: Pair) -> Values:
    found = nearest_neighbour_test(pair.real.features, pair.fake.features, seed=pair.seed)
    return {"one_nn": found.accuracy, "one_nn_real": found.real, "one_nn_fake": found.fake}


def _ifid(pair: Pair) -> Values:
    assert pair.real.labels is not None
    assert pair.fake.labels is not None
    sides = (pair.real.features, pair.real.labels, pair.fake.features, pair.fake.labels)
    found = per_class_frechet(*sides)
    return {"fd_class_mean": found.mean, **{f"fd_class_{k}": v for k, v in found.classes.items()}}


def _agreement(pair: Pair) -> Values:
    """Share of fakes in which the net sees the class that was asked for."""
    assert pair.fake.labels is not None
    told = pair.fake.embedding.probabilities.argmax(1)
    return {"agreement": float((told == pair.fake.labels).mean())}


def _cas(pair: Pair) -> Values:
    sides = [_dataset(side) for side in (pair.fake, pair.real, pair.held_out) if side is not None]
    found = classification_accuracy_score(*sides, seed=pair.seed)
    return {"cas": found.fake, "cas_real": found.real}


def _probe(pair: Pair) -> Values:
    fake, held = pair.fake, pair.held_out
    assert held is not None
    assert fake.labels is not None
    assert held.labels is not None
    sets = fake.features, fake.labels, held.features, held.labels
    return {"probe": linear_probe_accuracy(*sets), "probe_1nn": nearest_neighbour_accuracy(*sets)}


def _dataset(side: Side) -> Dataset:
    assert side.labels is not None
    classes = tuple(str(k) for k in range(int(side.labels.max()) + 1))
    return Dataset("samples", side.samples.transpose(0, 2, 3, 1), side.labels, classes)


def _ppl(pair: Pair) -> Values:
    assert pair.generate is not None
    distance = pair.distance or _feature_distance(pair)
    found = perceptual_path_length(
        pair.generate, distance, nz=pair.nz, samples=PATHS, seed=pair.seed
    )
    name = f"ppl_{pair.distance_name or pair.net_name}"
    return {name: found.mean, f"{name}_std": found.std}


def _feature_distance(pair: Pair) -> Callable[[Array, Array], Array]:
    """Return the squared distance of features: not LPIPS, and named after the net."""
    net = pair.net
    assert net is not None

    def _distance(a: Array, b: Array) -> Array:
        # as they are: rounding to 8 bits would drown a step of 1e-4
        one, other = (net.embed(np.clip(x, -1.0, 1.0)).features for x in (a, b))
        out: Array = np.square(one.astype(np.float64) - other).sum(axis=1)
        return out

    return _distance


def _lpips(pair: Pair) -> Values:
    assert pair.distance is not None
    n = min(len(pair.fake) // 2, LPIPS_PAIRS)
    order = Stream(pair.seed, "lpips").permutation(len(pair.fake))
    a, b = pair.fake.samples[order[:n]], pair.fake.samples[order[n : 2 * n]]
    return {pair.distance_name: float(np.mean(pair.distance(a, b)))}


def _stacked(pair: Pair) -> Values:
    assert pair.net is not None
    net = pair.net
    found = stacked_digit_modes(pair.fake.samples, lambda x: net.embed(x).probabilities)
    return {"stacked_modes": found.recovered, "stacked_kl": found.kl}


def _modes(pair: Pair) -> Values:
    assert pair.toy is not None
    found = toy_modes(pair.fake.samples, pair.toy.centres, sigma=pair.toy.sigma)
    return {"modes": found.recovered, "high_quality": found.high_quality, "mode_kl": found.kl}


def _needs_classes(pair: Pair) -> str | None:
    empty = pair.fake.embedding.probabilities.shape[1] == 0
    return f"{pair.net_name} gives no class probabilities" if empty else None


def _needs_windows(pair: Pair) -> str | None:
    shape = pair.fake.samples.shape
    fits = len(shape) == 4 and min(shape[2:]) >= WINDOW and shape[0] >= 2
    return None if fits else f"it takes two images or more, of {WINDOW} pixels or more"


def _needs_16_pixels(pair: Pair) -> str | None:
    shape = pair.real.samples.shape
    if len(shape) == 4 and (shape[1:] != pair.fake.samples.shape[1:] or min(shape[2:]) < 16):
        return "it takes real and fake images of one size, of 16 pixels or more"
    return None


def _needs_generator(pair: Pair) -> str | None:
    if pair.net is None or pair.generate is None:
        return "it needs the generator of a run, and images"
    return None


def _needs_held_out_labels(pair: Pair) -> str | None:
    held = pair.held_out
    if held is None or held.labels is None or pair.fake.samples.ndim != 4:
        return "it needs labelled images that were held out"
    return _needs_labels(pair)


def _needs_digits(pair: Pair) -> str | None:
    fits = pair.net is not None and pair.net.name in ("digits_lenet", "mnist_lenet")
    if fits and pair.fake.samples.shape[1] == 3:
        return None
    return "it needs images of three stacked digits, and a net of digits"


def _needs_told_labels(pair: Pair) -> str | None:
    if pair.fake.labels is None:
        return "it needs the classes that the fakes were asked for"
    told, known = pair.fake.embedding.probabilities.shape[1], int(pair.fake.labels.max()) + 1
    return None if told >= known else f"{pair.net_name} tells {told} classes of {known}"


def _needs_labels(pair: Pair) -> str | None:
    known = pair.real.labels is not None and pair.fake.labels is not None
    return None if known else "it needs classes of the real and of the fake samples"


MEASURES = {
    "fd": Measure(_fd, "Frechet distance; in Inception's features, FID"),
    "fd_infinity": Measure(_fd_infinity, "Frechet distance extrapolated to infinitely many fakes"),
    "kid": Measure(_kid, "kernel distance, mean and standard deviation over subsets"),
    "is": Measure(_is, "inception score of the net's class probabilities", _needs_classes),
    "prdc": Measure(_prdc, "precision, recall (k = 3), density, coverage (k = 5)"),
    "mmd": Measure(_mmd, "maximum mean discrepancy of 1,000 samples, mixture of Gaussian kernels"),
    "swd": Measure(
        _swd, "sliced Wasserstein distance", _needs_16_pixels, on_pixels=True, replicates=20
    ),
    "ms_ssim": Measure(_ms_ssim, "mean MS-SSIM of pairs of fakes", _needs_windows, on_pixels=True),
    "ndb": Measure(_ndb, "share of k-means cells with too many or too few fakes"),
    "kmeans": Measure(_clusters, "how evenly fakes fill the real clusters"),
    "memorisation": Measure(
        _memorisation,
        "nearest-neighbour distance to training against held-out samples",
        lambda pair: None if pair.held_out is not None else "the data have no held-out part",
        replicates=20,
    ),
    "c2st": Measure(_c2st, "accuracy of a classifier of real against fake", resampled=False),
    "one_nn": Measure(_one_nn, "leave-one-out 1-NN accuracy", resampled=False),
    "ifid": Measure(_ifid, "Frechet distance of each class, and its mean", _needs_labels),
    "agreement": Measure(
        _agreement,
        "share of fakes in which the net sees the class that was asked for",
        _needs_told_labels,
    ),
    "cas": Measure(
        _cas,
        "classification accuracy score: trained on fakes, tested on held-out reals",
        _needs_held_out_labels,
        on_pixels=True,
        resampled=False,
    ),
    "probe": Measure(
        _probe,
        "linear probe and 1-NN trained on features of fakes, tested on held-out reals",
        _needs_held_out_labels,
        resampled=False,
    ),
    "ppl": Measure(
        _ppl, "perceptual path length in z", _needs_generator, on_pixels=True, resampled=False
    ),
    "lpips": Measure(
        _lpips,
        "mean LPIPS of pairs of fakes",
        lambda pair: None if pair.distance else "it needs LPIPS weights (--lpips TRUNK,LINEAR)",
        on_pixels=True,
    ),
    "stacked": Measure(_stacked, "modes of three stacked digits, and KL", _needs_digits),
    "modes": Measure(
        _modes,
        "modes recovered, share of samples within 3 sigma, KL from uniform",
        lambda p: None if p.toy and len(p.toy.centres) else "it needs a toy with known modes",
        on_pixels=True,
    ),
}
