"""A game as a vector field: all players' gradients at once, and products with its Jacobian.

    v(theta, phi) = (grad_theta L_theta, grad_phi L_phi)       simultaneous descent follows -v

             | d^2 L_theta / dtheta^2      d^2 L_theta / dtheta dphi |
    J = v' = |                                                       |
             | d^2 L_phi / dphi dtheta     d^2 L_phi / dphi^2        |

For one player J is a Hessian. For two it is not symmetric, and that is what is new about games:
where the players' interests are opposite, L_phi = -L_theta, each off-diagonal block is minus the
transpose of the other, the eigenvalues of J may be complex, and descent then turns around an
equilibrium. With the eigenvalues lambda of J at an equilibrium, descent with learning rate h
converges near it if |1 - h lambda| < 1 for all of them: real parts must be positive, and h small
where imaginary parts are large.

Deviation from the papers: they write v for the gradients of utilities that players *climb*; here
players descend losses, so v and J have the opposite sign.
Source: arXiv:1705.10461, sections 2 and 3; arXiv:1801.04406, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ..autograd import Tensor, grad
from ..autograd.jvp import pushforward
from ..autograd.linear import concatenate, reshape, stack
from ..autograd.op import Tensors
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.arrays import xp_of
from ..nn.module import Module

Players: TypeAlias = "Sequence[Tensor | Sequence[Tensor]]"


def game_field(
    losses: Sequence[Tensor], players: Players, *, create_graph: bool = False
) -> Tensors:
    """Return every player's gradient of its own loss: v, as a flat tuple.

    Args:
        losses: one number for each player, computed from the players' parameters.
        players: each player's parameters: a tensor, or a sequence of them.
        create_graph: record the pass, so that v can be differentiated again.

    Returns:
        The gradients, player after player, in the order of the parameters. The graph is kept, as
        the players share it.

    Raises:
        ShapeError: losses and players differ in number, or a loss is no single number.
        OptionError: a player is a module.
        NotDifferentiableError: a parameter does not require grad.

    Differentiable: any order, with ``create_graph``.
    """
    if len(losses) != len(players):
        raise ShapeError(f"game_field: {len(losses)} losses for {len(players)} players: one each")
    found: list[Tensor] = []
    for loss, player in zip(losses, players, strict=True):
        found += grad(loss, _of(player), create_graph=create_graph, retain_graph=True)
    return tuple(found)


def game_jvp(
    losses: Sequence[Tensor],
    players: Players,
    tangents: Sequence[Tensor],
    *,
    create_graph: bool = False,
) -> Tensors:
    """Multiply the Jacobian of the field with a direction: J u, how v changes along u.

    Args:
        losses: as in ``game_field``.
        players: as in ``game_field``.
        tangents: u, flat: one tensor for each parameter, player after player.
        create_graph: record the passes, so that J u can be differentiated again.

    Returns:
        J u, flat as u is. The graph of the losses is kept, here and below.

    Raises:
        ShapeError: losses, players or tangents don't fit.
        DtypeError: a tangent has another dtype than its parameter.
        OptionError: a player is a module.

    Differentiable: any order, with ``create_graph``.
    """
    flat = _flat(players)
    _check_tangents("game_jvp", flat, tangents)
    v = game_field(losses, players, create_graph=True)
    return pushforward(v, flat, tangents, create_graph=create_graph)


def game_vjp(
    losses: Sequence[Tensor],
    players: Players,
    cotangents: Sequence[Tensor],
    *,
    create_graph: bool = False,
) -> Tensors:
    """Multiply the transposed Jacobian of the field with a direction: J^T w.

    For w = v it is the gradient of ||v||^2 / 2, consensus optimisation's pull.

    Args:
        losses: as in ``game_field``.
        players: as in ``game_field``.
        cotangents: w, flat: one tensor for each parameter, player after player.
        create_graph: record the passes, so that J^T w can be differentiated again.

    Raises:
        ShapeError: losses, players or cotangents don't fit.
        DtypeError: a cotangent has another dtype than its parameter.
        OptionError: a player is a module.

    Differentiable: any order, with ``create_graph``.
    """
    flat = _flat(players)
    _check_tangents("game_vjp", flat, cotangents)
    v = game_field(losses, players, create_graph=True)
    return grad(v, flat, cotangents, create_graph=create_graph, retain_graph=True)


def game_jacobian(
    losses: Sequence[Tensor], players: Players, *, create_graph: bool = False
) -> Tensor:
    """Return J as a matrix, for games of a few parameters: one reverse pass a row.

        >>> theta, phi = (Tensor(n, requires_grad=True) for n in (0.5, 2.0))
        >>> game_jacobian((theta * phi, -(theta * phi)), (theta, phi)).data.astype(int).tolist()
        [[0, 1], [-1, 0]]

    Shapes: -> (P, P), P entries of all parameters together, player after player.

    Args:
        losses: as in ``game_field``.
        players: as in ``game_field``.
        create_graph: record the passes, so that J can be differentiated again.

    Raises:
        ShapeError: losses and players differ in number, or a loss is no single number.
        OptionError: a player is a module.

    Differentiable: any order, with ``create_graph``.
    """
    flat = _flat(players)
    v = concatenate([reshape(g, (-1,)) for g in game_field(losses, players, create_graph=True)])
    xp, rows = xp_of(v.data), []
    for i in range(v.size):
        unit = Tensor((xp.arange(v.size) == i).astype(v.dtype))
        row = grad(v, flat, unit, create_graph=create_graph, retain_graph=True)
        rows.append(concatenate([reshape(g, (-1,)) for g in row]))
    return stack(rows)


def _of(player: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return the parameters of one player."""
    if isinstance(player, Module):
        kind = type(player).__name__
        raise OptionError(f"a player is its parameters: {kind}.parameters() fits, not the {kind}")
    return [player] if isinstance(player, Tensor) else list(player)


def _flat(players: Players) -> list[Tensor]:
    return [t for p in players for t in _of(p)]


def _check_tangents(op: str, parameters: Sequence[Tensor], tangents: Sequence[Tensor]) -> None:
    shapes, given = [p.shape for p in parameters], [t.shape for t in tangents]
    if shapes != given:
        raise ShapeError(f"{op}: parameters are {shapes}, directions {given}: one of each shape")
    for p, t in zip(parameters, tangents, strict=True):
        if p.dtype != t.dtype:
            raise DtypeError(f"{op}: a parameter is {p.dtype} but its direction {t.dtype}")
