"""Find a data set by name or path and load it.

Names: ``digits`` (shipped with tinygan), ``fashion-mnist`` (from Debian's package), and the toys
``ring grid swiss_roll moons``. ``NAME:32`` is ``NAME`` at 32 pixels. A prefix makes a set of
others: ``stacked:digits`` puts three grey images into the channels of one, ``inverted: coloured:
edges:`` are told in ``derived``, ``half-inverted: half-edges: slanted:`` in ``domains``, ``painted:
captioned: moving:`` in the modules of those names, ``pairs:A,B`` and ``unpaired:A,B``, two domains
of images, in ``pairs``. Anything else is a path: an IDX file or a folder of them, an ``.npz``; a
folder of CIFAR's batches, binary or pickled, one of them, or their ``tar.gz``; a folder of images,
a zip of them with or without stylegan's ``dataset.json``; a parquet file of Hugging Face or a
folder of its shards. A file's kind is told from its first bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import DataError, OptionError
from ..random import Stream
from . import cifar, folder, idx, npz, parquet, zip_images
from .captions import captioned
from .dataset import Dataset, check_size
from .derived import colour, edge_pairs, invert
from .digits import load_digits
from .domains import half_edges, half_inverted, slanted
from .kinds import kind_of
from .moving import moving
from .painted import painted
from .pairs import load_domains, load_pairs, parts_of
from .pixels import Colour, Half, OnBad, Rules, parse_colour
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
JOINS = {"pairs": load_pairs, "unpaired": load_domains}  # of a spec, by how to load a part
MADE: dict[str, Callable[[Dataset], Dataset]] = {
    "stacked": stack,
    "painted": painted,
    "captioned": captioned,
    "moving": moving,
    "slanted": slanted,
    "inverted": invert,
    "coloured": colour,
    "edges": edge_pairs,
    "half-edges": half_edges,
    "half-inverted": half_inverted,
}
OF_GREY = (
    "stacked",
    "painted",
    "captioned",
    "moving",
    "slanted",
)  # whatever channels are asked for


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


def is_built_in(spec: str) -> bool:
    """Tell whether a spec without prefix names a set that comes without files: ``digits:16``."""
    return _built_in(split_size(spec)[0], "train") is not None


def split_size(spec: str) -> tuple[str, int | None]:
    """Split ``digits:32`` into name and size; a path that exists is left whole."""
    name, colon, size = spec.rpartition(":")
    if colon and size.isdecimal() and not Path(spec).exists():
        return name, int(size)
    return spec, None


@dataclass(frozen=True, kw_only=True)
class _How:
    """The arguments of ``load``, for the parts of what is made of others."""

    size: int | None
    channels: int | None
    split: Split
    on_bad: OnBad
    background: str | Colour | None
    value_range: npz.ValueRange | None
    crop: int | None
    mirror: bool
    half: Half = ""

    def __post_init__(self) -> None:
        if self.split not in idx.PREFIXES:
            raise OptionError(f"split {self.split!r}: use train or test")
        if self.on_bad not in ("error", "skip", "convert"):
            raise OptionError(f"on_bad {self.on_bad!r}: use error, skip or convert")
        if self.channels not in (None, 1, 3):
            raise OptionError(f"channels={self.channels}: use 1 (grey) or 3 (RGB)")
        if self.crop is not None:
            check_size(self.crop)

    def rules(self) -> Rules:
        """Return how image files become arrays."""
        behind = None if self.background is None else parse_colour(self.background)
        convert = self.on_bad == "convert"
        return Rules(self.size, self.channels, convert, behind, self.half, self.crop, self.mirror)


def load(
    spec: str | Path,
    *,
    size: int | None = None,
    channels: int | None = None,
    crop: int | None = None,
    mirror: bool = True,
    split: Split = "train",
    on_bad: OnBad = "error",
    background: str | Colour | None = None,
    value_range: npz.ValueRange | None = None,
) -> Dataset:
    """Load a data set by name or path.

    Args:
        spec: a name, a name with a size (``"digits:32"``), a path, or one of them, or two, behind
            a prefix.
        size: side in pixels of the square images to make: the middle square of each, resized
            (image files bicubic, arrays bilinear, both antialiased). None keeps their own size.
        channels: 1 or 3; None keeps what the data have.
        crop: side in pixels of the random parts that batches take of larger images, whose sizes may
            differ; image files only, and in place of ``size``. See ``Crops``.
        mirror: of ``crop``: mirror the parts at random.
        split: ``"train"`` or ``"test"``, where the source has both.
        on_bad: what to do with image files that don't fit: ``"error"``, ``"skip"`` (and note it)
            or ``"convert"`` (CMYK, palettes, first frame of animations).
        background: colour behind transparent pixels: a name, ``"#rrggbb"`` or three bytes.
        value_range: (low, high) that float images in an ``.npz`` span; it is never guessed.

    Raises:
        DataError: the data are missing, corrupt, too large or of an unknown kind.
        OptionError: an argument has a value that isn't among those that fit.
    """
    how = _How(
        size=size,
        channels=channels,
        split=split,
        on_bad=on_bad,
        background=background,
        value_range=value_range,
        crop=crop,
        mirror=mirror,
    )
    return _load(str(spec), how)


def _load(spec: str, how: _How) -> Dataset:
    prefix, rest = split_prefix(spec)
    if prefix:
        _refuse_crop(spec, how)
    if prefix in JOINS:
        if how.on_bad == "skip":
            raise OptionError(f"{spec}: on_bad='skip' would leave images without a partner")
        return JOINS[prefix](rest, lambda part, half="": _load(part, replace(how, half=half)))
    if prefix:
        grey = prefix in OF_GREY
        return MADE[prefix](_load(rest, replace(how, channels=None) if grey else how))
    name, named_size = split_size(spec)
    how = how if how.size is not None else replace(how, size=named_size)
    if how.size is not None:
        check_size(how.size)
        if how.crop is not None:
            raise OptionError(f"{spec}: size {how.size} and crop {how.crop}: one of the two fits")
    built_in = _built_in(name, how.split)
    if built_in is not None:
        _refuse_crop(spec, how)
        return built_in().fitted(how.size, how.channels)
    path = Path(name).expanduser()
    kind = kind_of(path)
    if kind in ("image folder", "image zip", "parquet", "parquet folder"):
        return _load_images(kind, path, how.split, how.rules(), how.on_bad)
    _refuse_crop(spec, how)
    return _load_arrays(kind, path, how.split, how.value_range).fitted(how.size, how.channels)


def split_prefix(spec: str) -> tuple[str, str]:
    """Split ``stacked:digits`` into prefix and rest; the prefix is "" where there is none."""
    head, _, rest = spec.partition(":")
    return (head, rest) if head in (*JOINS, *MADE) and rest else ("", spec)


def short_name(spec: str) -> str:
    """Return a spec's name without folders, size and ending; of two domains that of B."""
    prefix, rest = split_prefix(spec)
    if prefix in JOINS:
        return short_name(parts_of(rest)[-1])
    return Path(spec.partition(":")[0]).stem


def plain_parts(spec: str) -> list[str]:
    """Return the plain names and paths in a spec: digits:16, of slanted:digits:16."""
    prefix, rest = split_prefix(spec)
    if not prefix:
        return [spec]
    parts = parts_of(rest) if prefix in JOINS else [rest]
    return [plain for part in parts for plain in plain_parts(part)]


def map_parts(spec: str, change: Callable[[str], str]) -> str:
    """Apply a function to each plain name and path in a spec, whatever prefixes stand before."""
    prefix, rest = split_prefix(spec)
    if not prefix:
        return change(spec)
    parts = parts_of(rest) if prefix in JOINS else [rest]
    return f"{prefix}:{','.join(map_parts(part, change) for part in parts)}"


def _refuse_crop(spec: str, how: _How) -> None:
    if how.crop is not None:
        raise OptionError(
            f"{spec}: crop {how.crop}: a folder, a zip or parquet of image files can be cropped"
        )


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
