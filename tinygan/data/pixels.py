"""One image file, decoded by Pillow and brought to grey or RGB bytes, with a name for each oddity.

Grey stays one channel and colour three. A 16-bit grey value is divided by 257 (Pillow's own
``convert("L")`` saturates instead). A rotation that the camera noted in EXIF is applied. Images
with transparency need a background colour, since pixels under alpha 0 have no meaning. CMYK,
palette and animated files are *odd*: refused unless the caller asks for conversion.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..errors import DataError, OptionError
from ..kernels.arrays import Array
from ._guard import reading

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm")
FITS = "a whole PNG, JPEG, WebP, BMP or PPM image is needed"
MAX_PIXELS = 64 * 10**6
MAX_FILE_BYTES = 1 << 30
_EXIF_ORIENTATION = 0x0112

Half: TypeAlias = Literal["", "left", "right"]
OnBad: TypeAlias = Literal["error", "skip", "convert"]
Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Rules:
    """How image files become arrays.

    Attributes:
        size: side of the square results in pixels, or None for the images' own size.
        channels: 1, 3, or None for what each image has.
        convert: accept odd images (CMYK, palette, animated: the first frame).
        background: what lies behind transparent pixels, or None to refuse them.
        half: take the left or the right half of an image alone, "" for all of it.
    """

    size: int | None = None
    channels: int | None = None
    convert: bool = False
    background: Colour | None = None
    half: Half = ""


@dataclass(frozen=True)
class Facts:
    """What an image file turned out to be.

    Attributes:
        size: (width, height) as stored.
        channels: 1 or 3 after decoding.
        odd: properties that only conversion accepts: ``CMYK``, ``palette``, ``transparent`` ...
        remarks: properties that are dealt with silently: ``16-bit``, ``EXIF-rotated``.
    """

    size: tuple[int, int]
    channels: int
    odd: tuple[str, ...]
    remarks: tuple[str, ...]


def parse_colour(colour: str | Colour) -> Colour:
    """Return a colour given by name, as ``#rrggbb`` or as three bytes.

    Raises:
        OptionError: it is none of these.
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else colour
    except ValueError:
        red = green = blue = -1
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise OptionError(f"background {colour!r}: use a name, '#rrggbb' or three bytes")
    return red, green, blue


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's remarks on odd metadata from the user; a bomb is refused by our own cap."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_bytes(path: Path) -> bytes:
    """Read a file that may be an image.

    Raises:
        DataError: it is missing, empty or over 1 GiB.
    """
    with reading(path, FITS):
        size = path.stat().st_size
        if not 0 < size <= MAX_FILE_BYTES:
            raise DataError(f"{path}: {'over 1 GiB' if size else 'zero bytes'}; {FITS}")
        return path.read_bytes()


def _open(data: bytes, path: Path) -> Image:
    """Open and decode; PNG's checksums are checked, since decoding accepts a file cut in them."""
    from PIL import Image

    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise DataError(f"{path}: {image.width} x {image.height} pixels; at most 64 million fit")
    if image.format == "PNG":
        image.verify()
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    image.load()
    return image


def _oddities(image: Image) -> tuple[str, ...]:
    names = {"CMYK": "CMYK", "P": "palette", "LAB": "Lab", "HSV": "HSV", "F": "float"}
    odd = [names[image.mode]] if image.mode in names else []
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        odd.append("transparent")
    if getattr(image, "n_frames", 1) > 1:
        odd.append("animated")
    return tuple(odd)


def _is_wide(image: Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def examine(data: bytes, path: Path) -> tuple[Image, Facts]:
    """Decode a file's bytes and name what is special about it.

    Raises:
        DataError: the bytes are not a whole image of a known format, or over 64 million pixels.
    """
    with reading(path, FITS), _quiet():
        image = _open(data, path)
        rotated = image.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1)
        wide = ["16-bit"] if _is_wide(image) else []
        grey = image.mode in ("1", "L", "LA", "La", "F") or bool(wide)
        remarks = (*wide, *(["EXIF-rotated"] if rotated else []))
        return image, Facts(image.size, 1 if grey else 3, _oddities(image), remarks)


def refusal(facts: Facts, rules: Rules) -> str | None:
    """Return why the rules don't accept an image and what would, or None."""
    if "float" in facts.odd:
        return "float pixels have no stated range; save it with integers"
    if "transparent" in facts.odd and rules.background is None:
        return "has transparency; state a background"
    odd = [name for name in facts.odd if name != "transparent"]
    if odd and not rules.convert:
        return f"{' '.join(odd)} image; on_bad='convert' accepts it"
    return None


def _flatten(image: Image, facts: Facts, rules: Rules) -> Image:
    """Bring an accepted image to mode L or RGB."""
    from PIL import Image

    if _is_wide(image):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
    if "transparent" in facts.odd:
        assert rules.background is not None  # refusal() has seen to it
        behind = Image.new("RGBA", image.size, (*rules.background, 255))
        image = Image.alpha_composite(behind, image.convert("RGBA"))
        if len(set(rules.background)) > 1:
            return image.convert("RGB")
    return image.convert("L" if facts.channels == 1 else "RGB")


def decode(data: bytes, path: Path, rules: Rules) -> Array:
    """Decode the bytes of one image file. Shapes: -> (H, W, C), uint8, C 1 or 3.

    With ``rules.size`` the middle square is resized to it, bicubic with antialiasing.

    Args:
        data: the file's bytes.
        path: what the file is called in messages.
        rules: size, channels and conversion.

    Raises:
        DataError: the file is unreadable, or odd in a way that the rules don't accept.
    """
    from PIL import Image, ImageOps

    image, facts = examine(data, path)
    why = refusal(facts, rules)
    if why:
        raise DataError(f"{path}: {why}")
    with reading(path, FITS), _quiet():
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        flat = _flatten(image, facts, rules)
        if orientation not in (0, 1):
            flat.getexif()[_EXIF_ORIENTATION] = orientation  # flattening may have lost it
            flat = ImageOps.exif_transpose(flat)
        if rules.channels is not None:
            flat = flat.convert("L" if rules.channels == 1 else "RGB")
        if rules.half:
            flat = _half(flat, rules.half, path)
        if rules.size is not None:
            flat = _middle_square(flat, rules.size, Image.Resampling.BICUBIC)
        pixels = np.asarray(flat)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _half(image: Image, half: Half, path: Path) -> Image:
    middle, odd = divmod(image.width, 2)
    if odd or not middle:
        raise DataError(f"{path}: {image.width} pixels wide: two halves side by side need an even")
    left = middle if half == "right" else 0
    return image.crop((left, 0, left + middle, image.height))


def _middle_square(image: Image, size: int, resample: int) -> Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    return middle if side == size else middle.resize((size, size), resample)
