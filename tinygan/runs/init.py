"""What a run's players start from, where not from random weights: ``tinygan train R --init WHAT``.

runs/00000                              the last whole checkpoint of a run
runs/00000/checkpoints/step-000500      that one, the best for instance
g_ema.safetensors                       a generator alone; D starts from random weights
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..gan import Game, start_from
from ..kernels.arrays import Array
from .checkpoint import load_checkpoint
from .files import decode_tensors, read_bytes
from .rundir import RunDirectory

_STEP = re.compile(r"step-(\d{6,})")


def start_players(game: Game, spec: str) -> list[str]:
    """Give the players of a game the weights of others; see ``gan.start_from``.

    Args:
        game: at step 0.
        spec: a run, one of its checkpoints, or a generator's safetensors.

    Returns:
        Lines that the user should see.

    Raises:
        CheckpointError: there is no such thing, it is damaged, or its weights do not fit.
    """
    tensors, config, notices = _read(Path(spec))
    try:
        fresh = start_from(game, tensors, num_classes=_classes(config))
    except CheckpointError as error:
        raise CheckpointError(f"--init {spec}: {error}") from None
    return [*notices, f"starting from the weights of {spec}", *fresh]


def _read(path: Path) -> tuple[dict[str, Array], Any, list[str]]:
    """Return weights by part and name, the configuration they were trained with, and notices."""
    if path.is_file():
        weights, facts = decode_tensors(read_bytes(path), path)
        try:
            config = json.loads(facts.get("config", "{}"))
        except ValueError:
            raise CheckpointError(f"{path}: damaged: its configuration is no JSON") from None
        return {f"G.{name}": value for name, value in weights.items()}, config, []
    step = _STEP.fullmatch(path.name)
    if step is not None and path.parent.name == "checkpoints":
        run, number = RunDirectory.open(path.parents[1]), int(step[1])
        found = load_checkpoint(run.path, step=number)
    else:
        run = RunDirectory.open(path)
        found = load_checkpoint(run.path)
    notices = [found.notice] if found.notice else []
    return found.tensors, run.read_config().get("config", {}), notices


def _classes(config: Any) -> int:
    count = config.get("num_classes", 0) if isinstance(config, dict) else 0
    return count if isinstance(count, int) else 0
