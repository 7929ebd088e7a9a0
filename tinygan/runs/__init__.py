"""Run directories: checkpoints, logs, pictures and reports that survive whatever happens.

The rooms: ``files`` (atomic writes, tensor files), ``checkpoint`` (save, load, fall back),
``rundir`` (the folder of a run and its log), ``environment`` (what it ran on), ``device`` (where it
computes), ``signals`` (stopping gracefully), ``grids`` and ``pictures`` (samples), ``curves`` and
``report`` (what became of it), ``train`` (one run from its first step to its last; import its
functions from there).
"""

from .checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from .files import load_tensors, save_tensors
from .grids import make_grid, save_gif, save_png
from .rundir import RunDirectory
from .signals import graceful_stop

__all__ = [
    "RunDirectory",
    "graceful_stop",
    "has_checkpoint",
    "load_checkpoint",
    "load_tensors",
    "make_grid",
    "save_checkpoint",
    "save_gif",
    "save_png",
    "save_tensors",
]
