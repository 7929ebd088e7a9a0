"""``tinygan recipes``: one recipe a line, its name first, with the claim that was measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

from ..recipes import RECIPES
from .arguments import parse
from .exits import OK

_ROW = "{:16} {:17} {:24} {:24} {:24} {}"


@dataclass(frozen=True)
class Options:
    """Nothing to choose."""


def run(args: list[str]) -> int:
    """Run the verb."""
    parse("tinygan recipes", Options, args)
    claims = json.loads((resources.files("tinygan.recipes") / "claims.json").read_text("utf-8"))
    for name, recipe in RECIPES.items():
        claim = claims.get(name, "not measured")
        print(_ROW.format(name, recipe.paper, recipe.loss, recipe.reg, recipe.data, claim))
    return OK
