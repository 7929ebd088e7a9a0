"""Metrics: distances and judges of samples, each named for the features that it is made of.

A feature net turns images into vectors (``features``, ``inception``, ``house_nets``); a metric is a
function of two sets of them (``fid``, ``kid``, ``prdc`` ...), of images (``ms_ssim``, ``lpips``,
``sliced_wasserstein``), of points (``modes``) or of a generator (``path_length``). ``suite`` runs
them by name on a ``Pair``, with bootstrap intervals; ``card`` says what a number's protocol is.
"""

from .c2st import c2st, nearest_neighbour_test
from .card import Card
from .cas import classification_accuracy_score
from .classifier import Classifier, digit_classifier, digit_fidelity, train_classifier
from .features import Embedding, FeatureNet
from .fid import (
    fid_infinity,
    frechet_distance,
    frechet_distance_of_features,
    frechet_distance_of_moments,
    gaussian_statistics,
    per_class_frechet,
)
from .house_nets import HOUSE_NETS, house_net
from .inception import inception_net
from .inception_score import inception_score
from .interval import Interval, bootstrap, bootstrap_all
from .kid import kernel_distance, mmd, polynomial_mmd
from .lpips import LPIPS, load_linear
from .measures import MEASURES
from .memorisation import copying_test, memorisation_gap
from .modes import recovered_interval, stacked_digit_modes, toy_modes
from .moments import Moments
from .ms_ssim import ms_ssim, ms_ssim_diversity
from .ndb import cluster_density, ndb
from .neighbours import nearest
from .pair import Pair, Side, side
from .path_length import perceptual_path_length
from .prdc import prdc
from .probe import fit_probe
from .sequence_scores import discriminative_score, predictive_score
from .sheets import blind_sheet, neighbour_sheet, score_answers, template_sheet
from .sliced_wasserstein import laplacian_swd, sliced_wasserstein
from .suite import measure, metric_name
from .trunks import load_trunk, make_trunk
from .weights import download, find_weights

__all__ = [
    "HOUSE_NETS",
    "LPIPS",
    "MEASURES",
    "Card",
    "Classifier",
    "Embedding",
    "FeatureNet",
    "Interval",
    "Moments",
    "Pair",
    "Side",
    "blind_sheet",
    "bootstrap",
    "bootstrap_all",
    "c2st",
    "classification_accuracy_score",
    "cluster_density",
    "copying_test",
    "digit_classifier",
    "digit_fidelity",
    "discriminative_score",
    "download",
    "fid_infinity",
    "find_weights",
    "fit_probe",
    "frechet_distance",
    "frechet_distance_of_features",
    "frechet_distance_of_moments",
    "gaussian_statistics",
    "house_net",
    "inception_net",
    "inception_score",
    "kernel_distance",
    "laplacian_swd",
    "load_linear",
    "load_trunk",
    "make_trunk",
    "measure",
    "memorisation_gap",
    "metric_name",
    "mmd",
    "ms_ssim",
    "ms_ssim_diversity",
    "ndb",
    "nearest",
    "nearest_neighbour_test",
    "neighbour_sheet",
    "per_class_frechet",
    "perceptual_path_length",
    "polynomial_mmd",
    "prdc",
    "predictive_score",
    "recovered_interval",
    "score_answers",
    "side",
    "sliced_wasserstein",
    "stacked_digit_modes",
    "template_sheet",
    "toy_modes",
    "train_classifier",
]
