"""Metrics: distances and judges of samples, each named for the features that it is made of."""

from .classifier import Classifier, digit_classifier, digit_fidelity, train_classifier
from .fid import frechet_distance, gaussian_statistics

__all__ = [
    "Classifier",
    "digit_classifier",
    "digit_fidelity",
    "frechet_distance",
    "gaussian_statistics",
    "train_classifier",
]
