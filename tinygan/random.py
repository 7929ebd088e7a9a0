"""Random numbers as a pure function of (seed, stream, step, index): Philox4x32-10 counters.

There is no global generator and no hidden state. A ``Stream`` is a position in a fixed sequence
that its seed, its name and its step determine; two streams never share a number, and a training
run that restarts at step 1000 draws what the uninterrupted run drew there. CPU and GPU give the
same bits (kernels/philox says how).

Counter: (index // 4 low, index // 4 high, step, crc32 of the stream's name), key: the seed. Every
float32 takes one 32-bit word of the sequence, every float64 and every integer two.

    >>> Stream(0, "init").normal((2, 3)).shape
    (2, 3)
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import erf, prod, sqrt
from typing import Any, SupportsIndex

import numpy as np

from .errors import DtypeError, OptionError
from .kernels.arrays import Array, Shape
from .kernels.philox import filler, normal_from_uniform, speller

_HOST_CHUNK = 1 << 16  # words a pass: its temporaries stay in the L2 cache
_DEVICE_CHUNK = 1 << 24

Convert = Callable[[Array], Array]


def stream_id(name: str) -> int:
    """Return the 32-bit id under which a stream's name enters the counter."""
    return zlib.crc32(name.encode())


def _word_range(what: str, value: SupportsIndex, bits: int) -> int:
    number: int = operator.index(value)
    if not 0 <= number < 1 << bits:
        raise OptionError(f"{what} {number} is out of range: use 0 to 2**{bits} - 1")
    return number


def _shape(shape: Shape | int) -> Shape:
    if not isinstance(shape, tuple):  # first: asking for a protocol takes long
        shape = (shape,) if isinstance(shape, SupportsIndex) else tuple(shape)
    dims: Shape = shape
    if any(d < 0 for d in dims):
        raise OptionError(f"random shape {dims} has a negative extent")
    return dims


def _words_per_float(dtype: Any) -> int:
    name = np.dtype(dtype).name
    if name not in ("float32", "float64"):
        raise DtypeError(f"random numbers of dtype {name}: use float32 or float64")
    return 1 if name == "float32" else 2


def _uniform(w: Array) -> Array:
    """Map words (n, 1 or 2) to [0, 1): 24 bits of one word, 53 of two."""
    if w.shape[1] == 1:
        return (w[:, 0] >> 8).astype("float32") * 2.0**-24
    return ((w[:, 0] >> 5 << 26) | (w[:, 1] >> 6)).astype("float64") * 2.0**-53


def _middle(w: Array) -> Array:
    """Map words (n, 1 or 2) to the middles of cells of 2**-32, 2**-52. Shapes: -> (n,) float64."""
    if w.shape[1] == 1:
        return (w[:, 0] + 0.5) * 2.0**-32
    return (((w[:, 0] << 20) | (w[:, 1] >> 12)) + 0.5) * 2.0**-52


def _normal(w: Array) -> Array:
    """Map words (n, 1 or 2) to N(0, 1) in float32 or float64."""
    z: Array = normal_from_uniform(_middle(w))
    return z.astype("float32") if w.shape[1] == 1 else z


class Stream:
    """One named sequence of random numbers; every draw advances ``index``.

    Splitting a draw changes nothing: ``normal(5)`` is ``normal(2)`` followed by ``normal(3)``.

    Args:
        seed: 0 to 2**64 - 1.
        name: any text; another name is another sequence.
        step: 0 to 2**32 - 1; another step is another sequence.
        xp: the array library of the results, ``numpy`` or ``cupy``.

    Raises:
        OptionError: seed, step or an argument of a draw is out of range.
        DtypeError: a draw of floats in another dtype than float32 or float64.
    """

    def __init__(self, seed: int, name: str, step: int = 0, xp: Any = np) -> None:
        self.seed = _word_range("seed", seed, 64)
        self.name = name
        self.xp = xp
        self.restart(step)

    def __repr__(self) -> str:
        return f"Stream({self.seed}, {self.name!r}, step={self.step})  # at word {self.index}"

    def restart(self, step: int) -> None:
        """Go to the beginning of a step's sequence."""
        self.step = _word_range("step", step, 32)
        self.index = 0

    def words(self, count: int) -> Array:
        """Return the next 32-bit words. Shapes: -> (count,) uint64."""
        start, self.index = self.index, self.index + count
        place = {"seed": self.seed, "stream": stream_id(self.name), "step": self.step}
        out: Array = speller(self.xp)(self.xp, **place, start=start, count=count)
        return out

    def _fill(self, shape: Shape | int, dtype: Any, per_value: int, convert: Convert) -> Array:
        """Draw an array; ``convert`` maps words (n, per_value) to n values."""
        shape = _shape(shape)
        out: Array = self.xp.empty(prod(shape), dtype=dtype)
        chunk = (_HOST_CHUNK if self.xp is np else _DEVICE_CHUNK) // per_value
        for begin in range(0, out.size, chunk):
            part = out[begin : begin + chunk]
            part[...] = convert(self.words(part.size * per_value).reshape(-1, per_value))
        return out.reshape(shape)

    def _draw(self, draw: str, shape: Shape | int, dtype: Any, convert: Convert) -> Array:
        """Draw floats, in C++ or CUDA where those are there: the bits are the same."""
        per_value = _words_per_float(dtype)
        compiled = filler(self.xp, dtype)
        if compiled is None:
            return self._fill(shape, dtype, per_value, convert)
        out: Array = self.xp.empty(_shape(shape), dtype=dtype)
        start, self.index = self.index, self.index + out.size * per_value
        place = {"seed": self.seed, "stream": stream_id(self.name), "step": self.step}
        compiled.fill_with(draw, out, **place, start=start)
        return out

    def uniform(
        self, shape: Shape | int, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """Draw from [low, high); where ``low`` isn't 0, rounding may reach ``high`` itself."""
        out = self._draw("uniform", shape, dtype, _uniform)
        if (low, high) != (0.0, 1.0):
            out *= float(high - low)
            out += float(low)
        return out

    def normal(
        self, shape: Shape | int, dtype: Any = np.float32, mean: float = 0.0, std: float = 1.0
    ) -> Array:
        """Draw from N(mean, std**2), by the inverse of the distribution function."""
        out = self._draw("normal", shape, dtype, _normal)
        if (mean, std) != (0.0, 1.0):
            out *= float(std)
            out += float(mean)
        return out

    def truncated_normal(self, shape: Shape | int, psi: float, dtype: Any = np.float32) -> Array:
        """Draw from N(0, 1) within [-psi, psi]: as if what lies beyond were drawn again.

        Each value is the quantile of 1/2 + (p - 1/2) P(|z| <= psi) where ``normal`` gives that of
        p: one word a value however small psi is, signs and order of the normal ones, and the same
        bits where psi is so large that it cuts nothing off.

        Args:
            shape: of the result.
            psi: bound, above 0.
            dtype: float32 or float64.

        Raises:
            OptionError: psi is not above 0.

        Source: Brock et al., arXiv:1809.11096, section 3.1 (the truncation trick).
        """
        if not psi > 0:
            raise OptionError(f"truncation {psi}: a bound above 0 fits")
        inside = erf(psi / sqrt(2.0))

        def _convert(w: Array) -> Array:
            p = 0.5 + (_middle(w) - 0.5) * inside
            z: Array = self.xp.clip(normal_from_uniform(p), -psi, psi).astype(dtype)
            return z

        return self._fill(shape, dtype, _words_per_float(dtype), _convert)

    def integers(self, shape: Shape | int, low: int, high: int) -> Array:
        """Draw int64 from low .. high - 1, by the high half of a 64-bit word times the span.

        No probability is off by more than 2**-64, so no draw is rejected.
        """
        span = high - low
        if not 0 < span < 1 << 32:
            raise OptionError(f"integers from {low} to {high}: the span must be 1 to 2**32 - 1")

        def _scale(w: Array) -> Array:
            high_half: Array = (w[:, 0] * span + (w[:, 1] * span >> 32)) >> 32
            return high_half

        out = self._fill(shape, "int64", 2, _scale)
        out += low
        return out

    def bernoulli(self, shape: Shape | int, p: float) -> Array:
        """Draw booleans that are true with probability ``p``, to within 2**-32."""
        if not 0.0 <= p <= 1.0:
            raise OptionError(f"bernoulli probability {p}: use 0 to 1")
        return self._fill(shape, "bool", 1, lambda w: w[:, 0] < round(p * 2.0**32))

    def permutation(self, n: int) -> Array:
        """Draw a permutation of 0 .. n - 1 (int64), as the order of n 64-bit words.

        Equal words keep their order; that two are equal has probability n**2 / 2**65.
        """
        keys = self._fill(n, "uint64", 2, lambda w: (w[:, 0] << 32) | w[:, 1])
        order: Array = self.xp.argsort(keys, kind="stable").astype("int64")
        return order


class Streams:
    """The streams of one run, by name; setting ``step`` restarts every one of them.

    Args:
        seed: 0 to 2**64 - 1.
        xp: the array library of the results.

    Raises:
        OptionError: seed or step is out of range, or two names have the same crc32.
    """

    def __init__(self, seed: int, xp: Any = np) -> None:
        self.seed = _word_range("seed", seed, 64)
        self.xp = xp
        self._step = 0
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Return the stream of that name, the same object each time."""
        if name not in self._streams:
            self._refuse_twins(name)
            self._streams[name] = Stream(self.seed, name, self._step, self.xp)
        return self._streams[name]

    def _refuse_twins(self, name: str) -> None:
        for other in self._streams:
            if stream_id(other) == stream_id(name):
                raise OptionError(f"streams {other!r} and {name!r} have one crc32: rename one")

    @property
    def step(self) -> int:
        """The step whose numbers the streams give."""
        return self._step

    @step.setter
    def step(self, value: int) -> None:
        """Set it: every stream starts again at the first number of that step."""
        self._step = _word_range("step", value, 32)
        for stream in self._streams.values():
            stream.restart(value)


_AMBIENT: ContextVar[Streams | None] = ContextVar("ambient_streams", default=None)


@contextmanager
def using(streams: Streams) -> Iterator[Streams]:
    """Let layers draw from ``streams`` until the ``with`` block ends. Per thread."""
    token = _AMBIENT.set(streams)
    try:
        yield streams
    finally:
        _AMBIENT.reset(token)


def current() -> Streams:
    """Return the streams that layers draw from: those of ``using``, else ``Streams(0)``.

    Stream "init" gives initial values, "dropout" masks. The default lasts as long as the thread,
    so two layers made one after the other differ, and a script run twice gives the same numbers.
    """
    streams = _AMBIENT.get()
    if streams is None:
        streams = Streams(0)
        _AMBIENT.set(streams)
    return streams
