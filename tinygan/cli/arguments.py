"""Flags from dataclasses: each field is a flag, its line in the docstring the help text.

tyro parses; this adds errors of one line. A verb's flags are one dataclass, the recipe's
configuration another, and the user sees their fields side by side.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import MISSING, field, fields, make_dataclass
from typing import Any, TypeVar, cast

import tyro

from .exits import UsageError, perhaps

First = TypeVar("First")

_FRAME = " │╭╮╰╯─-"  # without the curves where the terminal has ASCII alone
_HELP = ("-h", "--help")
_OWN = ("--help", "--traceback")  # of every verb


def parse(command: str, kind: type[First], args: Sequence[str]) -> First:
    """Parse the arguments of a command into its dataclass.

    Raises:
        UsageError: an argument does not fit; one line, with the nearest flag.
        SystemExit: ``--help`` was asked for and printed.
    """
    return cast(First, _parse(command, kind, [kind], args))


def parse_both(
    command: str, kind: type[First], config: Any, args: Sequence[str], about: str = ""
) -> tuple[First, Any]:
    """Parse arguments into a verb's dataclass and a recipe's configuration; see ``parse``.

    Args:
        command: for messages.
        kind: the verb's dataclass.
        config: the recipe's, an instance: what is not among the arguments stays as it has it.
        args: the arguments.
        about: what ``--help`` begins with.
    """
    flags = make_dataclass(
        "Flags",
        [
            ("training", kind, field(default_factory=kind)),
            ("recipe", type(config), field(default=config)),
        ],
    )
    both = _parse(command, flags, [kind, type(config)], args, about)
    return both.training, both.recipe


def _parse(command: str, kind: Any, parts: list[Any], args: Sequence[str], about: str = "") -> Any:
    _refuse_unknown(command, parts, args)
    said = io.StringIO()
    try:
        with contextlib.ExitStack() as stack:
            if not set(_HELP) & set(args):
                stack.enter_context(contextlib.redirect_stderr(said))
            return tyro.cli(
                kind,
                prog=command,
                description=about or None,
                args=list(args),
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        said_line = _first_paragraph(said.getvalue())
        if said_line.startswith("Missing from"):
            missing = " ".join(name.upper() for name in _required(kind))
            said_line = f"{missing} is missing; see {command} --help"
        raise UsageError(f"{_verb(command)}: {said_line}") from None


def _flags(kind: Any) -> list[str]:
    names = [f.name.replace("_", "-") for f in fields(kind)]
    booleans = [f.name.replace("_", "-") for f in fields(kind) if isinstance(f.default, bool)]
    return [f"--{name}" for name in names] + [f"--no-{name}" for name in booleans]


def _refuse_unknown(command: str, parts: list[Any], args: Sequence[str]) -> None:
    known = [*_OWN, *(flag for part in parts for flag in _flags(part))]
    for arg in args:
        flag = arg.split("=")[0].replace("_", "-")
        if flag.startswith("--") and flag not in known:
            raise UsageError(f"{_verb(command)}: no flag {flag}: {perhaps(flag, known)}")


def _required(kind: Any) -> list[str]:
    """Return the names of the fields that have no default."""
    bare = [f for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return [f.name for f in bare]


def _verb(command: str) -> str:
    return command.removeprefix("tinygan ")


def _first_paragraph(box: str) -> str:
    """Turn a box of lines into one line, without its title and its advice."""
    kept: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip(_FRAME)
        if not text and kept:
            break
        kept += [text] if text else []
    return " ".join(kept) or "the arguments don't fit; see --help"
