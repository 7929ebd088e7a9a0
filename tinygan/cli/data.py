"""``tinygan data check PATH``: look through a data set before training on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ..data import check
from .arguments import parse
from .exits import BAD_DATA, OK, UsageError, perhaps


@dataclass(frozen=True)
class Options:
    """What to look at.

    Attributes:
        path: an IDX file or a folder of them, an .npz, CIFAR's batches or archives, a folder or a
            zip of images, or parquet files of images; or all else that --data takes, pairs:FOLDER
            say.
    """

    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]


def run(args: list[str]) -> int:
    """Run the verb; exit 3 if there is a problem."""
    if args and args[0] in ("-h", "--help"):
        args = ["check", *args]
    if not args or args[0] != "check":
        said = f"no verb {args[0]!r}" if args else "a verb is missing"
        raise UsageError(f"data: {said}: {perhaps(args[0] if args else '', ['check'])}")
    options = parse("tinygan data check", Options, args[1:])
    report = check(options.path)
    print(f"{report.path}: {report.kind}")
    for line in report.lines:
        print(f"  {line}")
    print("ok" if report.ok else f"{len(report.problems)} problem(s)")
    return OK if report.ok else BAD_DATA
