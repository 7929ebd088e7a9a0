"""What all GANs share: the game, its field and its loop, penalties, averaging, replay, networks."""

from .augment import ADA, DiffAugment, parse_augment
from .balance import balanced
from .curriculum import Blur, diffuse, with_curriculum
from .diagnostics import Watch, spectral_norms
from .ema import EMA
from .field import game_field, game_jacobian, game_jvp, game_vjp
from .game import Game
from .jitter import jitter
from .judge import judge_both, why_apart
from .labelled import alternating_labelled, check_classes
from .loop import Alternating, Recipe, advance, alternating, fit, new_game
from .losses import LOSSES, NamedLoss, get_loss
from .mixture import Mixture
from .noise import instance_noise
from .objective import objective_warnings, with_objective
from .penalties import dragan, gradient_penalty, r1, r2
from .procedures import procedure_warnings, with_procedures
from .regularisers import KINDS as REGULARISERS
from .regularisers import LeCam, Regulariser, adversarial, orthogonal, parse_regularisers
from .replay import ReplayPool
from .snapshot import Snapshot
from .source import Source
from .spectrum import FieldAt, arnoldi, field_at, path_angles, rotation_share
from .transfer import freeze_layers, start_from, with_frozen
from .translation import Translation, between_channels, domain_shapes, l1, translate

__all__ = [
    "ADA",
    "EMA",
    "LOSSES",
    "REGULARISERS",
    "Alternating",
    "Blur",
    "DiffAugment",
    "FieldAt",
    "Game",
    "LeCam",
    "Mixture",
    "NamedLoss",
    "Recipe",
    "Regulariser",
    "ReplayPool",
    "Snapshot",
    "Source",
    "Translation",
    "Watch",
    "advance",
    "adversarial",
    "alternating",
    "alternating_labelled",
    "arnoldi",
    "balanced",
    "between_channels",
    "check_classes",
    "diffuse",
    "domain_shapes",
    "dragan",
    "field_at",
    "fit",
    "freeze_layers",
    "game_field",
    "game_jacobian",
    "game_jvp",
    "game_vjp",
    "get_loss",
    "gradient_penalty",
    "instance_noise",
    "jitter",
    "judge_both",
    "l1",
    "new_game",
    "objective_warnings",
    "orthogonal",
    "parse_augment",
    "parse_regularisers",
    "path_angles",
    "procedure_warnings",
    "r1",
    "r2",
    "rotation_share",
    "spectral_norms",
    "start_from",
    "translate",
    "why_apart",
    "with_curriculum",
    "with_frozen",
    "with_objective",
    "with_procedures",
]
