"""Kernel conformance: what every kernel of an op owes, checked on recorded calls.

    agreement    within the derived bound of the reference in float64 (``bounds``, ``running``)
    exactness    kernels declared ``exact`` agree with it in every bit on small integers
    inputs       are left as they are; an optimizer changes only what it is documented to change
    bands        nothing outside an operand is written, or read so that it shows
    repeat       kernels declared ``deterministic`` give the same bits again, on more threads too
    NaN, Inf     planted in an operand reach the outputs that they touch (``locality``); no other
    layouts      are accepted, or refused with a reason; never misread

A kernel that refuses every call fails too. A result that is mostly zeros is checked, but counts as
*mistrusted*, as in benchdnn: agreement on zeros says little. (Zeros that the op leaves whatever its
operands are, between the strides of a transposed convolution, are not held against it.)

"In every bit" leaves out the sign of zero, which depends on the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ConformanceError, OptionError
from ...kernels.arrays import Array
from ...kernels.native import use_threads
from ...kernels.registry import Kernel
from ..bounds import bound_of, reference
from ..layouts import LAYOUTS, lay_out_array
from .calls import Call, changed_by, is_float
from .locality import SHARED, reach
from .placing import HUGE, NAN, Placed, place, same_bits

Results = tuple["Array | None", ...]

_FIRM = 1024  # an entry counts in ``ulps`` if its bound is at most so many eps of it


@dataclass(frozen=True)
class Found:
    """What a conforming call showed.

    Attributes:
        refusal: why the kernel refused the call, or None; the rest means nothing then.
        mistrusted: the result is empty or mostly zeros, so that the call does not count.
        integers: it agreed with the reference in every bit, as an exact kernel must here.
        ulps: the largest distance from the exact result in units in the last place, where rounding
            may cost no more than ten bits: sums that cancel have no last place to speak of.
        ratio: the largest error as a fraction of its bound.
    """

    refusal: str | None = None
    mistrusted: bool = False
    integers: bool = False
    ulps: float = 0.0
    ratio: float = 0.0


def conform(kernel: Kernel, call: Call) -> Found:
    """Check everything that a kernel owes on one call.

    Raises:
        ConformanceError: it breaks a rule; the message names kernel, rule and operands.
    """
    checker = _Checker(kernel, call)
    try:
        with np.errstate(all="ignore"):
            return checker.run()
    except (ConformanceError, OptionError):
        raise
    except Exception as error:
        raise checker.broken("runs", f"{type(error).__name__}: {error}") from error


def reproducer(kernel: Kernel, call: Call) -> str:
    """Return the line that makes this check again."""
    numbers = ".".join(map(str, call.choices))
    return f"kernel {kernel.key} {call.source} {call.mode} {call.index} {numbers}"


class _Checker:
    """One kernel on one call: a method a rule."""

    def __init__(self, kernel: Kernel, call: Call) -> None:
        self.kernel, self.call = kernel, call
        self.changes = changed_by(call)

    def broken(self, rule: str, what: str) -> ConformanceError:
        """Return the error that says which rule is broken, on what, and how to see it again."""
        text = f"{self.kernel.key} breaks {rule!r}: {what}; operands {self.call.describe()}"
        return ConformanceError(" ".join(text.split()), reproducer(self.kernel, self.call))

    def run(self) -> Found:
        """Check every rule; return what was found, or why the kernel refuses the call.

        Raises:
            ConformanceError: a rule is broken.
        """
        refusal = self.refusal(self.call.arrays)
        if refusal is not None:
            return Found(refusal)
        plain = self.guarded(self.call.arrays, NAN)
        if plain is None:
            raise self.broken("bands", "refuses the same operands between guard bands")
        found = self.agreement(self.call.arrays, plain, "agreement")
        self.repeat(plain)
        self.planted(np.nan)
        self.planted(np.inf)
        self.layouts()
        return found

    def refusal(self, arrays: Sequence[Any]) -> str | None:
        """Return why the kernel refuses, or None; a reason is one line."""
        reason = self.kernel.refusal(*arrays, **self.call.params)
        if reason is not None and (not reason.strip() or "\n" in reason):
            raise self.broken("layouts", f"refuses without a one-line reason: {reason!r}")
        return reason

    def results(self, fn: Callable[..., Any], arrays: Sequence[Any]) -> Results:
        """Run a function; return its results, or the operands that it changes in place."""
        out = fn(*arrays, **self.call.params)
        if self.changes:
            return tuple(arrays[i] for i in self.changes)
        return out if isinstance(out, tuple) else (out,)

    def guarded(
        self, arrays: Sequence[Any], fill: int, *, unaligned: bool = False
    ) -> Results | None:
        """Run the kernel on operands between guard bands, unless it refuses: then return None.

        Bands and inputs stay as they are.
        """
        placed = [None if a is None else place(a, fill, unaligned=unaligned) for a in arrays]
        views = [p and p.array for p in placed]
        if self.refusal(views) is not None:
            return None
        before = [self._bytes(i, p) for i, p in enumerate(placed)]
        out = self.results(self.kernel.fn, views)
        for i, p in enumerate(placed):
            if p is not None and self._bytes(i, p) != before[i]:
                rule = "bands" if i in self.changes else "inputs"
                raise self.broken(rule, f"operand {i} or the memory around it was written to")
        # what is returned must not be a view of an operand, or of memory that goes away with it
        return tuple(None if a is None else np.array(a) for a in out)

    def _bytes(self, i: int, p: Placed | None) -> bytes | None:
        if p is None:
            return None
        return p.surroundings() if i in self.changes else p.snapshot()

    def agreement(self, arrays: Sequence[Any], got: Results, rule: str) -> Found:
        """Hold results against the reference in float64, within the bounds of both."""
        kernel, oracle, params = self.kernel, reference(self.call.op), self.call.params
        wide = [_widened(a) for a in arrays]
        alike = self.results(oracle.fn, [None if a is None else np.array(a) for a in arrays])
        exact = self.results(oracle.fn, [None if a is None else a.copy() for a in wide])
        own = bound_of(kernel, self.call.dtype, *wide, **params)
        its = bound_of(oracle, np.float64, *wide, **params)
        whole = kernel.exact and self._is_whole(oracle, wide, exact)
        if len(got) != len(alike):
            raise self.broken(rule, f"{len(got)} results, the reference has {len(alike)}")
        ulps = ratio = 0.0
        for i, (a, like, e) in enumerate(zip(got, alike, exact, strict=True)):
            self._check_kind(rule, i, a, like)
            if a is None or e is None:
                continue
            allowed, slack = own[i], its[i]
            limit = np.zeros(e.shape)
            if allowed is not None and slack is not None and not whole:
                limit = allowed + slack
            far, share = self._check_values(rule, i, a, e, limit)
            ulps, ratio = max(ulps, far), max(ratio, share)
        return Found(None, self._is_mistrusted(oracle, wide, exact), whole, ulps, ratio)

    def _check_kind(self, rule: str, i: int, a: Array | None, like: Array | None) -> None:
        kinds = [None if x is None else (x.dtype.str, x.shape) for x in (a, like)]
        if kinds[0] != kinds[1]:
            raise self.broken(rule, f"result {i} is {kinds[0]}, the reference's is {kinds[1]}")

    def _check_values(
        self, rule: str, i: int, a: Array, exact: Array, limit: Array
    ) -> tuple[float, float]:
        if a.dtype.kind != "f":
            if not np.array_equal(a, exact):
                raise self.broken(rule, f"result {i} {_where(a != exact, a, exact)}")
            return 0.0, 0.0
        self._check_specials(rule, i, a, exact)
        sure = np.isfinite(exact) & np.isfinite(a)
        error = np.where(sure, abs(a.astype(np.float64) - exact), 0.0)
        wrong = sure & (error > limit)  # no bound (NaN, inf) claims nothing
        if wrong.any():
            at = _where(wrong, a, exact)
            raise self.broken(rule, f"result {i} {at}, {_worst(error, limit)} times its bound")
        firm = sure & (abs(exact) > 0) & (limit <= _FIRM * np.finfo(a.dtype).eps * abs(exact))
        ulps = np.max(error / np.spacing(abs(a) + np.finfo(a.dtype).tiny), initial=0, where=firm)
        bounded = sure & (limit > 0) & np.isfinite(limit)
        return float(ulps), float(np.max(error / np.where(bounded, limit, 1), initial=0))

    def _check_specials(self, rule: str, i: int, a: Array, exact: Array) -> None:
        """Check where NaN and Inf are: where the reference has them; signs of Inf agree."""
        lost = ~np.isfinite(exact) & np.isfinite(a)
        made = np.isfinite(exact) & ~np.isfinite(a)
        lost |= np.isinf(exact) & np.isinf(a) & (np.sign(exact) != np.sign(a))
        if self.kernel.exact:  # Inf may turn into NaN where formulas in other orders are as good
            lost |= np.isnan(exact) != np.isnan(a)
        if (lost | made).any():
            raise self.broken(rule, f"result {i} {_where(lost | made, a, exact)}")

    def _is_whole(self, oracle: Kernel, wide: Sequence[Any], exact: Results) -> bool:
        """Tell whether every sum of absolute products is a whole number that the dtype holds."""
        if not all(_are_whole(a) for a in (*wide, *exact)):
            return False
        sizes = self.results(oracle.fn, [np.asarray(abs(a)) if is_float(a) else a for a in wide])
        most = 1 / np.finfo(self.call.dtype).eps  # 2^23 for float32: half of what it holds
        return all(s is None or np.max(abs(s), initial=0) < most for s in sizes)

    def _is_mistrusted(self, oracle: Kernel, wide: Sequence[Any], exact: Results) -> bool:
        """Tell whether at most half of the entries that could differ from 0 do so."""
        filled, room = _nonzeros(exact), sum(a.size for a in exact if a is not None)
        if room and 2 * filled <= room:
            ones = [np.asarray(abs(a) + 1) if is_float(a) else a for a in wide]
            room = _nonzeros(self.results(oracle.fn, ones))
        return 2 * filled <= room

    def repeat(self, first: Results) -> None:
        """Run twice more, on more threads among other guard bands, and again: the same bits."""
        for fill in (HUGE, NAN):
            with use_threads(3 if fill == HUGE else None):
                again = self.guarded(self.call.arrays, fill)
            if again is None:
                raise self.broken("repeat", "refuses what it ran before")
            if not self.kernel.deterministic:
                self.agreement(self.call.arrays, again, "bands")
            elif not all(map(same_bits, first, again)):
                rule, how = "repeat", "again"
                if fill == HUGE:
                    rule, how = "bands", "between other guard bands, or on three threads"
                raise self.broken(rule, f"the same operands gave other bits {how}")

    def planted(self, value: float) -> None:
        """Plant NaN or Inf in one entry of one operand, and compare where it shows."""
        stream = self.call.stream(f"plant {value}")
        able = [i for i, a in enumerate(self.call.arrays) if is_float(a) and a.size]
        if not able:
            return
        chosen = able[int(stream.integers((), 0, len(able)))]
        arrays = list(self.call.arrays)
        spread = 0 in arrays[chosen].strides  # one entry in memory is many of the operand
        apart = arrays[chosen].copy() if spread else arrays[chosen]
        arrays[chosen] = place(apart, NAN).array
        at = tuple(int(stream.integers((), 0, n)) for n in arrays[chosen].shape)
        arrays[chosen][at] = value
        rule, got = f"{value} at {at} of operand {chosen}", self.guarded(arrays, HUGE)
        if got is None:
            return
        if self.call.op not in SHARED:
            self.agreement(arrays, got, rule)
            return
        y = np.asarray(got[0])
        must, may = reach(self.kernel, self.call, chosen, at)
        wrong = (~np.isfinite(y) & ~may) | (np.isfinite(y) & must)
        if wrong.any():
            raise self.broken(rule, f"the result {_where(wrong, y, np.where(must, value, 0.0))}")

    def layouts(self) -> None:
        """Lay every operand out in another way: same values, or a refusal."""
        stream = self.call.stream("layouts")
        names = (*LAYOUTS, "broadcast")
        picked = [names[int(stream.integers((), 0, len(names)))] for _ in self.call.arrays]
        arrays = [
            a if a is None or i in self.changes else _laid_out(a, name)
            for i, (a, name) in enumerate(zip(self.call.arrays, picked, strict=True))
        ]
        unaligned = bool(stream.bernoulli((), 0.5))
        got = self.guarded(arrays, NAN, unaligned=unaligned)
        if got is not None:
            text = ", ".join(picked) + ", one byte off" * unaligned
            self.agreement(arrays, got, f"layouts: {text}")


def _laid_out(a: Array, name: str) -> Array:
    if name != "broadcast":
        return lay_out_array(a, name)
    return np.broadcast_to(a[:1], a.shape) if a.ndim and a.size and is_float(a) else a


def _widened(a: Any) -> Any:
    if a is None:
        return None
    return np.array(a, dtype=np.float64 if is_float(a) else a.dtype)


def _are_whole(a: Any) -> bool:
    return a is None or bool(np.all(np.isfinite(a)) and np.all(a == np.rint(a)))


def _nonzeros(results: Results) -> int:
    return sum(int(np.count_nonzero(a)) for a in results if a is not None)


def _where(wrong: Array, a: Array, exact: Array) -> str:
    at = tuple(int(k) for k in np.argwhere(wrong)[0])
    count = int(np.count_nonzero(wrong))
    return f"is {a[at]!s} at {at}, exactly {exact[at]!s} ({count} of {a.size} entries are wrong)"


def _worst(error: Array, limit: Array) -> str:
    with np.errstate(all="ignore"):
        return f"{np.nanmax(error / limit):.3g}"
