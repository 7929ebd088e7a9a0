"""Transfer: start from players that were trained on other data, and leave D's first layers alone.

    theta_G, theta_D <- a trained pair's,    and of D's layers 1 .. L only those after the N-th move

Few images teach D by heart before they teach it to see. A D that was trained on many has seen
already, and what its first layers look for (edges, strokes) fits the new data too: FreezeD leaves
them as they are. Mo, Cho & Shin, arXiv:2002.10964, section 3; N = 0 is plain fine-tuning
(arXiv:1805.01677).

A layer is a convolution or a dense layer, counted from D's input in the order in which D defines
them; norms that follow a frozen layer are frozen with it. Their running statistics still follow
the data, as in the paper's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

from .. import nn
from ..errors import OptionError, StateError
from ..kernels.arrays import Array, Shape
from ..nn.module import tensors
from .ema import EMA
from .game import Game
from .loop import Recipe
from .networks.spectral import WEIGHTED

_SHOWN = 4  # misfits that an error lists


def freeze_layers(game: Game, layers: int) -> None:
    """Leave the parameters of D's first ``layers`` layers out of D's optimizer.

    Args:
        game: at step 0, or restored from one that was frozen alike.
        layers: N, 0 to one less than D has; 0 changes nothing.

    Raises:
        OptionError: D has not more layers than that.
    """
    if not layers:
        return
    modules = game.D.modules()
    places = [i for i, module in enumerate(modules) if isinstance(module, WEIGHTED)]
    if not 0 < layers < len(places):
        raise OptionError(f"freeze_d={layers}: D has {len(places)} layers; leave one to train")
    frozen = modules[: places[layers]]
    game.opt_d.leave_out(p for module in frozen for p in _own_parameters(module))


def with_frozen(recipe: Recipe, layers: int) -> Recipe:
    """Return a recipe whose games have D's first layers frozen; see ``freeze_layers``.

    It takes part in ``setup``, so a run that is resumed freezes the same layers again.
    """
    if not layers:
        return recipe

    @wraps(recipe.setup)
    def _setup(config: Any, data_shape: Shape) -> Game:
        game = recipe.setup(config, data_shape)
        freeze_layers(game, layers)
        return game

    return replace(recipe, setup=_setup)


def start_from(game: Game, given: Mapping[str, Array], *, num_classes: int = 0) -> list[str]:
    """Give the players, and further networks of the game, weights that were trained elsewhere.

    Optimizers, pools and the step stay as they are. Without an average among the weights G's own
    are taken for it. A network that is not among them starts from its own random weights, and so
    do tensors whose shape is another because there are other classes.

    Args:
        game: at step 0.
        given: arrays by part and name, ``G.main.0.weight``, as ``Game.state`` returns them; others
            than those of networks are passed over.
        num_classes: of the labels that they were trained with; 0 for none.

    Returns:
        What starts from random weights, a line each.

    Raises:
        StateError: there is no G among them, or a network does not fit; nothing has changed.
    """
    found: dict[str, dict[str, Array]] = {}
    for name, value in given.items():
        part, _, key = name.partition(".")
        found.setdefault(part, {})[key] = value
    if "G" not in found:
        raise StateError("the weights have no generator, whose names start with G.")
    found.setdefault("ema", found["G"])
    change = getattr(game.config, "num_classes", 0) - num_classes
    notices, problems = [], []
    fitting: list[tuple[nn.Module, dict[str, Array]]] = []
    for part, owner in game.parts().items():
        module = owner.module if isinstance(owner, EMA) else owner
        if not isinstance(module, nn.Module):
            continue
        if part not in found:
            notices.append(f"{part} starts from random weights: there are no trained ones")
            continue
        own = {name: t.shape for name, t in tensors(module)}
        fresh = [key for key in own if _of_classes(own[key], found[part].get(key), change)]
        problems += _misfits(part, own, found[part], fresh)
        fitting.append((module, {k: v for k, v in found[part].items() if k not in fresh}))
        if fresh:
            names = ", ".join(f"{part}.{key}" for key in fresh)
            notices.append(f"{names} start from random weights: the classes are others")
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise StateError(f"the players do not fit: {'; '.join(problems[:_SHOWN])}{more}")
    for module, state in fitting:
        module.load_state_dict(state, strict=False)
    return notices


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    return [value for value in vars(module).values() if isinstance(value, nn.Parameter)]


def _of_classes(shape: Shape, value: Array | None, change: int) -> bool:
    """Tell whether a tensor misfits by as much as there are more classes, on one axis."""
    if value is None or value.ndim != len(shape):
        return False
    off = [mine - theirs for mine, theirs in zip(shape, value.shape, strict=True) if mine != theirs]
    return off == [change]


def _misfits(
    part: str, own: dict[str, Shape], given: dict[str, Array], fresh: list[str]
) -> list[str]:
    """Describe what a network has in another shape, lacks, or does not know."""
    lines = [
        f"{part}.{key} is {shape} here but {given[key].shape} there"
        for key, shape in own.items()
        if key in given and key not in fresh and given[key].shape != shape
    ]
    lines += [f"missing {part}.{key}" for key in own if key not in given]
    return lines + [f"unexpected {part}.{key}" for key in given if key not in own]
