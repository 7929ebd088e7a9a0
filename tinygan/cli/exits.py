"""Errors as the user meets them: one line each, and an exit code that a script can act on."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

from .. import errors

OK, FAILED, USAGE, BAD_DATA, DIVERGED, NO_ROOM = 0, 1, 2, 3, 4, 5
INTERRUPTED = 130


class UsageError(errors.OptionError):
    """The command line itself is wrong."""


def explain_error(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an error, and the one line to print."""
    code = exit_code(error)
    text = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        text = "interrupted"
    elif isinstance(error, MemoryError):
        text = f"out of memory: {text or 'no more is to be had'}; try a smaller --batch"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif code == FAILED and not isinstance(error, errors.TinyganError):
        text = f"unexpected {type(error).__name__}: {text} (--traceback shows where)"
    return code, f"tinygan: {text}"


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
        return NO_ROOM if full else USAGE
    codes: tuple[tuple[type[BaseException], int], ...] = (
        (KeyboardInterrupt, INTERRUPTED),
        (errors.SaveError, NO_ROOM),  # before CheckpointError, which it derives from
        (MemoryError, NO_ROOM),
        (errors.DivergedError, DIVERGED),
        (errors.DataError, BAD_DATA),
        (errors.CheckpointError, BAD_DATA),
        (errors.GradientCheckError, FAILED),
        (errors.ConformanceError, FAILED),
        (errors.NotDifferentiableError, FAILED),
        (errors.GraphError, FAILED),
        (errors.TinyganError, USAGE),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), FAILED)


def perhaps(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that isn't known: the nearest one, or all."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"perhaps you meant {near[0]}" if near else f"use one of {' '.join(names)}"
