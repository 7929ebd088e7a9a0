"""``tinygan resume RUN``: go on with a run from its last checkpoint, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ..runs.train import resume
from .arguments import parse
from .exits import UsageError
from .opening import open_run
from .watch import watch


@dataclass(frozen=True)
class Options:
    """Which run, and how far.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        steps: number of the last step, counted from the beginning; by default as before.
        device: auto, cpu or cuda; by default the one that the run was started on.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    steps: int | None = None
    device: str | None = None


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan resume", Options, args)
    if options.steps is not None and options.steps < 1:
        raise UsageError(f"--steps {options.steps}: use 1 or more")
    found, recipe = open_run(options.run)
    return watch(resume(found, recipe, steps=options.steps, device=options.device))
