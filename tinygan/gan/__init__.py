"""What all GANs share: the game, its field and its loop, penalties, averaging, replay, networks."""

from .ema import EMA
from .field import game_field, game_jacobian, game_jvp, game_vjp
from .game import Game
from .judge import judge_both, why_apart
from .labelled import alternating_labelled, check_classes
from .loop import Recipe, Source, advance, alternating, fit, new_game
from .noise import instance_noise
from .penalties import dragan, gradient_penalty, r1, r2
from .replay import ReplayPool
from .snapshot import Snapshot

__all__ = [
    "EMA",
    "Game",
    "Recipe",
    "ReplayPool",
    "Snapshot",
    "Source",
    "advance",
    "alternating",
    "alternating_labelled",
    "check_classes",
    "dragan",
    "fit",
    "game_field",
    "game_jacobian",
    "game_jvp",
    "game_vjp",
    "gradient_penalty",
    "instance_noise",
    "judge_both",
    "new_game",
    "r1",
    "r2",
    "why_apart",
]
