"""The UCI handwritten digits, shipped inside the package.

E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
Repository (1998), doi:10.24432/C50P49, licence CC BY 4.0: the 1,797 images of its test part, 8 x 8
pixels of 0 to 16 (how many of 4 x 4 pixels of a bitmap were on), written by 13 people.

``digits.npz`` holds ``images`` (1797, 8, 8) uint8 and ``labels`` (1797,) uint8, made from
``sklearn/datasets/data/digits.csv.gz`` of scikit-learn 1.9.1, a copy of that test part. SHA-256 of
that file: 09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22; of the bytes of images,
then labels: ``SHA256`` below, which is checked at every load.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..errors import DataError
from .dataset import Dataset
from .npz import read_npz

SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
SOURCE = (
    "Optical Recognition of Handwritten Digits (test part), E. Alpaydin and C. Kaynak, "
    "UCI Machine Learning Repository 1998, doi:10.24432/C50P49, CC BY 4.0"
)
_PATH = Path(__file__).with_name("digits.npz")


def load_digits() -> Dataset:
    """Load the digits: 1,797 grey images of 8 x 8, pixel 0 to 16 becomes -1 to 1.

    Raises:
        DataError: the installed file is not the one that was shipped.
    """
    arrays = read_npz(_PATH)
    pixels, labels = arrays["images"], arrays["labels"]
    if hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest() != SHA256:
        raise DataError(f"{_PATH}: not the digits that tinygan ships; install it again")
    stored = (pixels[..., None] / 8.0 - 1.0).astype(np.float32)
    names = tuple(str(k) for k in range(10))
    return Dataset("digits", stored, labels.astype(np.int64), names, SOURCE)
