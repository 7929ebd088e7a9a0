"""Layers that surround images (N, C, H, W) with something; none has weights.

Each takes one width for all sides or (left, right, top, bottom), as PyTorch does, and raises
``OptionError`` for anything else, ``ShapeError`` for images that it does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError
from .module import Module

Sides = int | tuple[int, int, int, int]


class _Pad2d(Module):
    """What the paddings share; ``op`` says which one it is."""

    op: ClassVar[Callable[..., Tensor]]

    def __init__(self, padding: Sides) -> None:
        sides = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * 4
        if len(sides) != 4 or any(not isinstance(n, int) or n < 0 for n in sides):
            raise OptionError(
                f"{type(self).__name__}: padding {padding!r}: use an int or "
                "(left, right, top, bottom), at least 0"
            )
        self.padding = sides

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return type(self).op(x, self.padding)

    def extra_repr(self) -> str:
        """Return the widths."""
        return str(self.padding)


class ZeroPad2d(_Pad2d):
    """Zeros.

    Shapes: (N, C, H, W) -> (N, C, top+H+bottom, left+W+right). Differentiable: any order.
    """

    op = staticmethod(ops.zero_pad2d)


class ReflectionPad2d(_Pad2d):
    """The mirror image about the border pixel, which is not repeated.

    Shapes: (N, C, H, W) -> (N, C, top+H+bottom, left+W+right). Differentiable: any order.
    """

    op = staticmethod(ops.reflection_pad2d)


class ReplicationPad2d(_Pad2d):
    """The border pixels.

    Shapes: (N, C, H, W) -> (N, C, top+H+bottom, left+W+right). Differentiable: any order.
    """

    op = staticmethod(ops.replication_pad2d)


class CircularPad2d(_Pad2d):
    """The other side, as on a torus.

    Shapes: (N, C, H, W) -> (N, C, top+H+bottom, left+W+right). Differentiable: any order.
    """

    op = staticmethod(ops.circular_pad2d)
