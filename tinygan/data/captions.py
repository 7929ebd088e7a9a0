"""Captioned digits: one to three digits of a kind beside each other, and what they are in words.

    "two red sevens"  =  COUNT one two three,  COLOUR red green blue yellow,  DIGIT zero ... nine

    caption(count, colour, digit) -> text,   parse(text) -> number,   CAPTIONS[number] -> text

A caption's number is the label of its images, so all that serves classes serves captions;
``tokens`` turns numbers into words again, for encoders of text. The vocabulary is closed: 24 words,
of which "one" counts or is a digit, by its place.
"""

from __future__ import annotations

import difflib
import itertools

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array, xp_of
from ..random import Stream
from .dataset import Dataset
from .painted import COLOURS, ink_of, paint

COUNTS = ("one", "two", "three")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PER_CAPTION = 100  # images of each caption


def caption(count: int, colour: int, digit: int) -> str:
    """Say in words what an image shows: ``caption(2, 0, 7)`` is "two red sevens".

    Args:
        count: 1 to 3.
        colour: place in ``COLOURS``, from 0.
        digit: 0 to 9.
    """
    ending = "" if count == 1 else "es" if digit == 6 else "s"
    return f"{COUNTS[count - 1]} {list(COLOURS)[colour]} {DIGITS[digit]}{ending}"


PARTS = tuple(itertools.product(range(1, len(COUNTS) + 1), range(len(COLOURS)), range(len(DIGITS))))
CAPTIONS = tuple(caption(*parts) for parts in PARTS)
WORDS = tuple(dict.fromkeys(word for text in CAPTIONS for word in text.split()))
LENGTH = 3  # words of a caption
_TOKENS = np.array([[WORDS.index(word) for word in text.split()] for text in CAPTIONS])


def parse(text: str) -> int:
    """Return the number of a caption, its place in ``CAPTIONS``.

    Raises:
        OptionError: a word is not of the vocabulary, or the words make no caption.
    """
    words = text.lower().split()
    for word in words:
        if word not in WORDS:
            near = difflib.get_close_matches(word, WORDS, n=1)
            known = f"perhaps {near[0]}" if near else f"there are {' '.join(WORDS)}"
            raise OptionError(f"caption {text!r}: no word {word!r}: {known}")
    plain = " ".join(words)
    if plain not in CAPTIONS:
        near = difflib.get_close_matches(plain, CAPTIONS, n=1)
        hint = f"perhaps {near[0]!r}" if near else f"as in {CAPTIONS[47]!r}"
        raise OptionError(f"caption {text!r}: COUNT COLOUR DIGIT fits, {hint}")
    return CAPTIONS.index(plain)


def tokens(numbers: Array) -> Array:
    """Return the words of captions as places in ``WORDS``. Shapes: (N,) -> (N, 3) int64."""
    words: Array = xp_of(numbers).asarray(_TOKENS)[numbers]
    return words


def captioned(dataset: Dataset, *, per_caption: int = PER_CAPTION, seed: int = 0) -> Dataset:
    """Write digits beside each other, from the left, as each caption says.

    Shapes: images (N, 1, H, W) of ten classes -> (120 * per_caption, 3, H, 3 W); labels: the
    number of the caption.

    Args:
        dataset: grey images with labels 0 to 9.
        per_caption: images of each caption.
        seed: determines which images meet.

    Raises:
        DataError: the data are no labelled grey images.
        OptionError: ``per_caption`` is below 1, or a digit has no image.
    """
    ink = ink_of(dataset, "captioned", labelled=True)
    if per_caption < 1 or dataset.labels is None:
        raise OptionError(f"captioned(per_caption={per_caption}): use 1 or more")
    of_digit = [np.flatnonzero(dataset.labels == digit) for digit in range(len(DIGITS))]
    if len(dataset.classes) != len(DIGITS) or not all(map(len, of_digit)):
        raise OptionError(f"captioned:{dataset.name}: images of the ten digits fit, all of them")
    n, height, width = len(CAPTIONS) * per_caption, *ink.shape[1:]
    labels = np.repeat(np.arange(len(CAPTIONS)), per_caption)
    count, colour, digit = np.array(PARTS)[labels].T
    row = np.zeros((n, height, LENGTH, width), np.uint8)
    stream = Stream(seed, "captioned")
    share = stream.uniform((n, LENGTH))
    for k, rows in enumerate(of_digit):
        own = digit == k
        row[own] = ink[rows[(share[own] * len(rows)).astype(np.int64)]].transpose(0, 2, 1, 3)
    row *= (np.arange(LENGTH) < count[:, None])[:, None, :, None]
    stored = paint(row.reshape(n, height, LENGTH * width), colour)
    name = f"captioned-{dataset.name}"
    return Dataset(name, stored, labels, CAPTIONS, dataset.source, dataset.notes)


def mismatched(numbers: Array, stream: Stream) -> Array:
    """Draw a caption for each that is another: half of them differ in one word, half in any.

    Shapes: numbers (N,) -> (N,), on the same array library.

    Args:
        numbers: of captions.
        stream: where the draws come from.
    """
    n = len(numbers)
    sizes = (len(COUNTS), len(COLOURS), len(DIGITS))
    colour_digit = sizes[1] * sizes[2]
    parts = [numbers // colour_digit, numbers // sizes[2] % sizes[1], numbers % sizes[2]]
    which = stream.integers(n, 0, 3)
    near = 0 * numbers
    for k, (part, size) in enumerate(zip(parts, sizes, strict=True)):
        moved = (part + stream.integers(n, 1, size)) % size
        near = near * size + part + (which == k) * (moved - part)
    far = (numbers + stream.integers(n, 1, len(CAPTIONS))) % len(CAPTIONS)
    choice = stream.integers(n, 0, 2)
    other: Array = choice * near + (1 - choice) * far
    return other
