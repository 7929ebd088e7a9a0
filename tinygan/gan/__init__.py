"""What all GANs share: the game, its field and its loop, penalties, averaging, replay, networks."""

from .diagnostics import Watch, spectral_norms
from .ema import EMA
from .field import game_field, game_jacobian, game_jvp, game_vjp
from .game import Game
from .judge import judge_both, why_apart
from .loop import Recipe, Source, advance, alternating, fit, new_game
from .noise import instance_noise
from .penalties import dragan, gradient_penalty, r1, r2
from .replay import ReplayPool
from .snapshot import Snapshot
from .spectrum import FieldAt, arnoldi, field_at, path_angles, rotation_share

__all__ = [
    "EMA",
    "FieldAt",
    "Game",
    "Recipe",
    "ReplayPool",
    "Snapshot",
    "Source",
    "Watch",
    "advance",
    "alternating",
    "arnoldi",
    "dragan",
    "field_at",
    "fit",
    "game_field",
    "game_jacobian",
    "game_jvp",
    "game_vjp",
    "gradient_penalty",
    "instance_noise",
    "judge_both",
    "new_game",
    "path_angles",
    "r1",
    "r2",
    "rotation_share",
    "spectral_norms",
    "why_apart",
]
