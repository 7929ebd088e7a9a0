"""Metrics: distances and judges of samples, each named for the features that it is made of.

A feature net turns images into vectors (``features``, ``inception``, ``house_nets``); a metric is a
function of two sets of them (``fid``, ``kid``, ``prdc`` ...), of images (``ms_ssim``, ``lpips``,
``psnr``, ``sliced_wasserstein``), of points (``modes``) or of a generator (``path_length``).
``suite`` runs them by name on a ``Pair``, with bootstrap intervals; ``card`` says what a number's
protocol is. ``perceptual`` has the nets of perceptual losses.
Functions that have their module's name are imported from there: ``from tinygan.metrics.prdc import
prdc``.
"""

from .c2st import nearest_neighbour_test
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
from .interval import Interval, bootstrap, bootstrap_all
from .kid import kernel_distance, mmd, polynomial_mmd
from .lpips import LPIPS, load_linear
from .measures import MEASURES
from .memorisation import copying_by_cell, copying_test, memorisation_gap
from .modes import recovered_interval, stacked_digit_modes, toy_modes
from .moments import Moments
from .ms_ssim import ms_ssim_diversity
from .ndb import cluster_density
from .neighbours import nearest
from .pair import Pair, Side, side
from .path_length import perceptual_path_length
from .probe import fit_probe, linear_probe_accuracy, nearest_neighbour_accuracy
from .psnr import ssim
from .sequence_scores import discriminative_score, predictive_score
from .sheets import blind_sheet, neighbour_sheet, score_answers, template_sheet
from .sliced_wasserstein import laplacian_swd
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
    "classification_accuracy_score",
    "cluster_density",
    "copying_by_cell",
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
    "kernel_distance",
    "laplacian_swd",
    "linear_probe_accuracy",
    "load_linear",
    "load_trunk",
    "make_trunk",
    "measure",
    "memorisation_gap",
    "metric_name",
    "mmd",
    "ms_ssim_diversity",
    "nearest",
    "nearest_neighbour_accuracy",
    "nearest_neighbour_test",
    "neighbour_sheet",
    "per_class_frechet",
    "perceptual_path_length",
    "polynomial_mmd",
    "predictive_score",
    "recovered_interval",
    "score_answers",
    "side",
    "ssim",
    "stacked_digit_modes",
    "template_sheet",
    "toy_modes",
    "train_classifier",
]
