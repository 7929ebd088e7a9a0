"""Find a data set by name or path and load it.

Names: ``digits`` (shipped with tinygan), ``fashion-mnist`` (from Debian's package), and the toys
``ring grid swiss_roll moons``. ``NAME:32`` is ``NAME`` at 32 pixels. A word of ``DERIVED`` before
any of them makes another set of it: ``stacked:digits``, ``painted:PATH``, ``moving:digits:16``.
Anything else is a path: an IDX file or a folder of them, an ``.npz``; a folder of CIFAR's batches,
binary or pickled, one of them, or their ``tar.gz``; a folder of images, a zip of them with or
without stylegan's ``dataset.json``; a parquet file of Hugging Face or a folder of its shards. A
file's kind is told from its first bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..errors import DataError, OptionError
from ..random import Stream
from . import cifar, domains, folder, idx, npz, parquet, zip_images
from .captions import captioned
from .dataset import Dataset, check_size
from .digits import load_digits
from .kinds import kind_of
from .moving import moving
from .painted import painted
from .pixels import Colour, OnBad, Rules, parse_colour
from .stacked import stack
from .toys import TOYS

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_SOURCE = "Fashion-MNIST, (c) 2017 Zalando SE, MIT licence, arXiv:1708.07747"
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
TOY_SAMPLES = 10_000
Split = Literal["train", "test"]
DERIVED: dict[str, Callable[[Dataset], Dataset]] = {
    "stacked": stack,
    "painted": painted,
    "captioned": captioned,
    "moving": moving,
    "slanted": domains.slanted,
    "half-edges": lambda dataset: domains.two_domains(dataset, "edges", domains.edges),
    "half-negative": lambda dataset: domains.two_domains(dataset, "negative", domains.negative),
}


def _toy(name: str) -> Dataset:
    toy = TOYS[name]
    points, labels = toy.sample(TOY_SAMPLES, Stream(0, f"toy/{name}"))
    classes = tuple(str(k) for k in range(toy.parts))
    return Dataset(name, points, labels, classes, "generated", toy=toy)


def _fashion(split: Split) -> Dataset:
    if not FASHION_FOLDER.is_dir():
        raise DataError(
            f"fashion-mnist: {FASHION_FOLDER} is absent; install the Debian package "
            "dataset-fashion-mnist, or give the folder of its IDX files"
        )
    found = idx.load_folder(FASHION_FOLDER, split)
    return replace(found, classes=FASHION_CLASSES, source=FASHION_SOURCE)


def _built_in(name: str, split: Split) -> Callable[[], Dataset] | None:
    if name in TOYS:
        return lambda: _toy(name)
    return {"digits": load_digits, "fashion-mnist": lambda: _fashion(split)}.get(name)


def _split_size(spec: str) -> tuple[str, int | None]:
    """Split ``digits:32`` into name and size; a path that exists is left whole."""
    name, colon, size = spec.rpartition(":")
    if colon and size.isdecimal() and not Path(spec).exists():
        return name, int(size)
    return spec, None


def split_derived(spec: str) -> tuple[str, str]:
    """Split ``painted:digits:16`` into a word of ``DERIVED`` and the rest; ``""`` for none."""
    word, colon, rest = spec.partition(":")
    return (word, rest) if colon and word in DERIVED else ("", spec)


def _check(split: str, on_bad: str, channels: int | None) -> None:
    if split not in idx.PREFIXES:
        raise OptionError(f"split {split!r}: use train or test")
    if on_bad not in ("error", "skip", "convert"):
        raise OptionError(f"on_bad {on_bad!r}: use error, skip or convert")
    if channels not in (None, 1, 3):
        raise OptionError(f"channels={channels}: use 1 (grey) or 3 (RGB)")


def load(
    spec: str | Path,
    *,
    size: int | None = None,
    channels: int | None = None,
    split: Split = "train",
    on_bad: OnBad = "error",
    background: str | Colour | None = None,
    value_range: npz.ValueRange | None = None,
) -> Dataset:
    """Load a data set by name or path.

    Args:
        spec: a name, a name with a size (``"digits:32"``), or a path.
        size: side in pixels of the square images to make: the middle square of each, resized
            (image files bicubic, arrays bilinear, both antialiased). None keeps their own size.
        channels: 1 or 3; None keeps what the data have.
        split: ``"train"`` or ``"test"``, where the source has both.
        on_bad: what to do with image files that don't fit: ``"error"``, ``"skip"`` (and note it)
            or ``"convert"`` (CMYK, palettes, first frame of animations).
        background: colour behind transparent pixels: a name, ``"#rrggbb"`` or three bytes.
        value_range: (low, high) that float images in an ``.npz`` span; it is never guessed.

    Raises:
        DataError: the data are missing, corrupt, too large or of an unknown kind.
        OptionError: an argument has a value that isn't among those that fit.
    """
    _check(split, on_bad, channels)
    word, rest = split_derived(str(spec))
    if word:
        plain = load(
            rest,
            size=size,
            split=split,
            on_bad=on_bad,
            background=background,
            value_range=value_range,
        )
        return DERIVED[word](plain)
    name, named_size = _split_size(str(spec))
    size = named_size if size is None else size
    if size is not None:
        check_size(size)
    built_in = _built_in(name, split)
    if built_in is not None:
        return built_in().fitted(size, channels)
    path = Path(name).expanduser()
    kind = kind_of(path)
    if kind in ("image folder", "image zip", "parquet", "parquet folder"):
        colour = None if background is None else parse_colour(background)
        rules = Rules(size, channels, on_bad == "convert", colour)
        return _load_images(kind, path, split, rules, on_bad)
    return _load_arrays(kind, path, split, value_range).fitted(size, channels)


def _load_images(kind: str, path: Path, split: Split, rules: Rules, on_bad: OnBad) -> Dataset:
    """Load image files of a folder, a zip or parquet."""
    match kind:
        case "image folder":
            return folder.load_folder(path, rules, on_bad)
        case "image zip":
            return zip_images.load_zip(path, split, rules, on_bad)
        case "parquet":
            return parquet.load_files([path], rules, on_bad, path)
        case _:
            return parquet.load_folder(path, split, rules, on_bad)


def _load_arrays(
    kind: str, path: Path, split: Split, value_range: npz.ValueRange | None
) -> Dataset:
    """Load arrays: IDX, CIFAR's batches, .npz."""
    match kind:
        case "idx folder":
            return idx.load_folder(path, split)
        case "idx":
            return idx.load_file(path)
        case "cifar folder":
            return cifar.load_folder(path, split)
        case "cifar archive":
            return cifar.load_archive(path, split)
        case "cifar":
            return cifar.load_file(path)
        case _:
            return npz.load_npz(path, split, value_range)
