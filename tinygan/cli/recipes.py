"""``tinygan recipes``: one recipe a line, its name first."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipes import RECIPES
from .arguments import parse
from .exits import OK


@dataclass(frozen=True)
class Options:
    """Nothing to choose."""


def run(args: list[str]) -> int:
    """Run the verb."""
    parse("tinygan recipes", Options, args)
    for name, recipe in RECIPES.items():
        print(f"{name:16} {recipe.paper:18} {recipe.summary}")
    return OK
