"""What holds for the settings of every recipe, checked once: before a game is set up."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from ..errors import OptionError

# Fields that count something of which there is one at least, unless a recipe's own default is 0:
# then it chooses itself. Of other fields, 0 may mean "none".
_COUNTS = frozenset(
    {"batch", "g_batch", "n_critic", "n_critic_burst", "nz", "ngf", "ndf", "nf"}
    | {"hidden", "hidden_g", "hidden_d"}
)


def check_settings(name: str, config: Any) -> None:
    """Refuse numbers that no recipe can use, in the words of the command line.

    Args:
        name: of the recipe.
        config: a dataclass, an instance of the recipe's.

    Raises:
        OptionError: a number is not finite, or a whole number is below 0 (of a size: below 1).
    """
    for field in fields(config):
        value, flag = getattr(config, field.name), f"--{field.name.replace('_', '-')}"
        if isinstance(value, float) and not math.isfinite(value):
            raise OptionError(f"{name}: {flag} {value}: a finite number fits")
        least = int(field.name in _COUNTS and field.default != 0)
        if isinstance(value, int) and value < least:
            raise OptionError(f"{name}: {flag} {value}: {least} or more fits")
