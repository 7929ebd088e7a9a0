"""Every error that tinygan raises on purpose: one line that names the thing and what would fit.

All derive from ``TinyganError``, and from the built-in exception that a Python user would expect
in its place, so that ``except ValueError`` keeps working around a tinygan call.
"""

from __future__ import annotations


class TinyganError(Exception):
    """Base class of every error that tinygan raises on purpose."""


class ShapeError(TinyganError, ValueError):
    """Operand shapes do not fit the op; the message names every shape involved."""


class DtypeError(TinyganError, TypeError):
    """Operand dtypes do not fit the op."""


class DeviceError(TinyganError, RuntimeError):
    """The device asked for is absent, or operands lie on different devices."""


class OptionError(TinyganError, ValueError):
    """An argument, flag or name has a value that is not among those that fit."""


class NoKernelError(TinyganError, RuntimeError):
    """No registered kernel accepts this call; the message lists every kernel with its reason."""


class CompileError(TinyganError, RuntimeError):
    """A kernel's source does not compile, or there is no compiler for it."""


class LaunchError(TinyganError, RuntimeError):
    """A CUDA kernel can't be launched like this, or did what a GPU leaves undefined."""


class CaptureError(TinyganError, RuntimeError):
    """A training step can't be captured as one graph; the message says at what, and why."""


class NotDifferentiableError(TinyganError, RuntimeError):
    """A derivative was asked for through an op that has none; the message names op and path."""


class GraphError(TinyganError, RuntimeError):
    """The recorded graph can't answer: it was freed, or a tensor that it saved has changed."""


class GradientCheckError(TinyganError, AssertionError):
    """An analytic derivative differs from its finite difference."""


class ConformanceError(TinyganError, AssertionError):
    """A kernel breaks the rules that every kernel keeps; the message says which, and on what.

    Attributes:
        reproducer: what ``tinygan check --repro`` runs again; empty where there is nothing to run.
    """

    def __init__(self, message: str, reproducer: str = "") -> None:
        super().__init__(message)
        self.reproducer = reproducer


class DataError(TinyganError, ValueError):
    """A data file is missing, corrupt or of an unknown kind."""


class CheckpointError(TinyganError, ValueError):
    """A checkpoint or weights file is missing, corrupt or does not fit the model."""


class StateError(CheckpointError):
    """A state dict does not fit the module; every misfit is listed."""


class SaveError(CheckpointError):
    """A file could not be written (disk full, no permission); what was there before is intact."""


class DivergedError(TinyganError, FloatingPointError):
    """Training produced a value that is not finite; the message names where and at which step."""
