"""Two domains of images, A and B, for games that translate one into the other.

``pairs:`` means that image i of A and image i of B belong together:

    pairs:FOLDER     with folders A/ and B/ whose files have the same names but for the ending,
                     or of images that hold A and B side by side, A left
    pairs:A,B        two folders of the same names, or two sets of as many images

``unpaired:`` means that they don't, and there may be more of one:

    unpaired:FOLDER  a set of exactly two classes, as a folder of the folders A/ and B/ is
    unpaired:A,B     any two sets

A and B are names or paths as ``data.load`` takes them. A sample is one array whose channels are
those of A and then those of B, so that whatever moves batches needs to know nothing of domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import DataError, OptionError
from .dataset import Dataset
from .folder import image_files
from .kinds import kind_of

Load = Callable[..., Dataset]  # load(spec), load(spec, half="left")
_FOLDER = "a folder with folders A and B, or of images with A and B side by side, fits"


def join(a: Dataset, b: Dataset, *, matched: bool, name: str = "") -> Dataset:
    """Return the set whose samples are an image of A and one of B, channels one after the other.

    Shapes: images (N, C, H, W) and (M, D, H, W) -> (N, C + D, H, W).

    Args:
        a: domain A, images.
        b: domain B, images of the same size.
        matched: the images of one index belong together, so N = M.
        name: of the result; by default the names of both.

    Raises:
        DataError: one holds no images, the sizes differ, or matched sets are not equally large.
    """
    for domain in (a, b):
        if len(domain.shape) != 3:
            raise DataError(f"{domain.name}: two domains of images fit; this is {domain!r}")
    if a.shape[1:] != b.shape[1:]:
        sizes = " and ".join(f"{d.name} is {d.shape[2]} x {d.shape[1]}" for d in (a, b))
        raise DataError(f"{sizes}: state a size for both")
    if matched and len(a) != len(b):
        counts = " and ".join(f"{d.name} has {len(d)}" for d in (a, b))
        raise DataError(f"{counts} images: pairs need as many of both")
    joined = replace(a, name=name or f"{a.name}-{b.name}", labels=None, classes=(), toy=None)
    sources = "; ".join(dict.fromkeys((a.source, b.source)))
    notes = (*a.notes, *b.notes)
    return replace(joined, source=sources, notes=notes, domains=(a, b), matched=matched)


def load_pairs(spec: str, load: Load) -> Dataset:
    """Load what stands behind ``pairs:``.

    Raises:
        DataError: images don't match; the message names the first one without a partner.
    """
    sides, folder = sides_of(spec), Path(spec).expanduser()
    if len(sides) == 1:
        if not folder.is_dir():
            raise DataError(f"pairs:{spec}: {_FOLDER}")
        halves = (load(spec, half=half) for half in ("left", "right"))
        return join(*halves, matched=True, name=folder.name)
    for line in partnerless(sides):
        raise DataError(line)
    return join(*map(load, sides), matched=True, name=folder.name if folder.is_dir() else "")


def sides_of(spec: str) -> list[str]:
    """Return A and B of what stands behind ``pairs:``; one, where images hold both.

    Raises:
        OptionError: there are more than two.
    """
    sides, folder = parts_of(spec), Path(spec).expanduser()
    if len(sides) == 1 and all((folder / side).is_dir() for side in "AB"):
        return [str(folder / side) for side in "AB"]
    return sides


def partnerless(sides: list[str]) -> Iterator[str]:
    """Yield a line for each file of a folder that has none of its name in the other."""
    paths = [Path(side).expanduser() for side in sides]
    if len(paths) < 2 or not all(p.is_dir() and kind_of(p) == "image folder" for p in paths):
        return
    of_a, of_b = (
        {path.relative_to(folder).with_suffix(""): path for path in image_files(folder)}
        for folder in paths
    )
    for mine, theirs, other in ((of_a, of_b, paths[1]), (of_b, of_a, paths[0])):
        for stem in sorted(mine.keys() - theirs.keys()):
            yield f"{mine[stem]}: has no partner in {other}; {stem}.* fits"


def load_domains(spec: str, load: Load) -> Dataset:
    """Load what stands behind ``unpaired:``.

    Raises:
        DataError: one set was given, and it has not exactly two classes.
    """
    sides = parts_of(spec)
    if len(sides) == 2:
        return join(*map(load, sides), matched=False)
    both = load(spec)
    labels = both.labels
    if labels is None or len(both.classes) != 2:
        raise DataError(
            f"unpaired:{spec}: a set of exactly two classes fits, or two sets with a comma "
            f"between; this is {both!r}"
        )
    rows = [np.flatnonzero(labels == k) for k in (0, 1)]
    a, b = (
        replace(both, name=name, stored=both.stored[own], labels=None, classes=())
        for name, own in zip(both.classes, rows, strict=True)
    )
    return join(a, b, matched=False, name=both.name)


def parts_of(spec: str) -> list[str]:
    """Split ``A,B`` into both; a path that exists, commas or not, is one.

    Raises:
        OptionError: there are more than two.
    """
    parts = [spec] if Path(spec).expanduser().exists() else spec.split(",")
    if len(parts) > 2 or not all(parts):
        raise OptionError(f"{spec}: one folder, or two sets with a comma between, fit")
    return parts
