"""``dataset.json``: the labels of stylegan's data sets.

``{"labels": [[name, label], ...]}``, as NVlabs' ``dataset_tool.py`` writes it, each name that of an
image, relative, with ``/`` between folders, and each label an integer; ``"labels": null`` means
that there are none.

Source: StyleGAN2-ADA, arXiv:2006.06676 (its published data set format).
"""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import DataError
from ..kernels.arrays import Array
from ._guard import MAX_LABEL, checked_labels, reading

LABELS = "dataset.json"
MAX_BYTES = 128 << 20  # of the file: over a million images


def parse_labels(data: bytes, names: list[str], path: Path) -> Array | None:
    """Read the labels of images from a ``dataset.json``. Shapes: -> (len(names),) int64 or None.

    Args:
        data: the file's bytes.
        names: the images, in the order in which labels are wanted.
        path: what the file is called in messages.

    Raises:
        DataError: it is no such file, or its names are not those of the images.
    """
    fits = '{"labels": [[name, integer], ...]} or {"labels": null} is needed'
    with reading(path, fits):
        root = json.loads(data)
        if not isinstance(root, dict) or "labels" not in root:
            raise DataError(f"{path}: has no labels; {fits}")
        pairs = root["labels"]
        if pairs is None:
            return None
        if not isinstance(pairs, list) or any(
            not isinstance(p, list) or len(p) != 2 or not isinstance(p[0], str) for p in pairs
        ):
            raise DataError(f"{path}: labels are no list of pairs; {fits}")
        labels = {name.replace("\\", "/"): label for name, label in pairs}
    if len(labels) != len(pairs):
        raise DataError(f"{path}: labels one image twice; {fits}")
    odd = labels.keys() ^ set(names)
    if odd:
        name = min(odd)
        how = "is an image without a label" if name not in labels else "has a label but no image"
        raise DataError(f"{path}: {name[:80]!a} {how}; {fits}")
    return checked_labels([labels[name] for name in names], len(names), MAX_LABEL, path)
