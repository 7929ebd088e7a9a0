"""Run directories: checkpoints, logs, pictures and reports that survive whatever happens.

The rooms: ``files`` (atomic writes, tensor files), ``checkpoint`` (save, load, fall back),
``rundir`` (the folder of a run and its log), ``environment`` (what it ran on), ``signals``
(stopping gracefully), ``grids`` (pictures), ``curves`` and ``report`` (what became of it).
"""
