"""The game at one point, on demand: eigenvalues of its Jacobian, rotation, and the path to it.

With the field v = (grad_theta L_G, grad_phi L_D) and its Jacobian J (see ``field``), S the
symmetric and A the antisymmetric half of J:

    leading eigenvalues   of J, by Arnoldi's method on products J u: for an orthonormal basis Q of
                          span(u, J u, ..., J^(k-1) u), the eigenvalues of Q^T J Q tend to those of
                          J of the largest modulus (Saad 1992, chapter 6)
    rotation share        ||A||_F^2 / (||A||_F^2 + ||S||_F^2): 0 for a potential game, all of whose
                          eigenvalues are real; 1 for a Hamiltonian one, which turns without end
                          (arXiv:1802.05642). Estimated by ||A u||^2 and ||S u||^2, u ~ N(0, 1)
    path angle            c(alpha) = cos(w' - w, -v(w + alpha (w' - w))), from w to w', the end. It
                          falls from 1 to -1 through alpha = 1 where the end attracts, and has a
                          bump there where the game turns around it (arXiv:1906.04848)

*Deviation*: the paper's v is the direction of the update, ours the gradient: hence the minus.

The field is of the losses that an ``alternating`` recipe descends, on one batch and with players in
training mode. D's loss cuts the graph at the fakes, yet J needs d(grad_phi L_D)/dtheta. So D's loss
is given the fakes as a leaf x that survives the cut, and the chain rule is put together here:
J's D rows are d(grad_phi L_D)/dphi and d(grad_phi L_D)/dx dG/dtheta. What a loss takes from the
fakes' arrays alone (the x_hat of WGAN-GP) stays a constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import nn, random
from ..autograd import Tensor, grad
from ..autograd.jvp import pushforward
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array, xp_of
from ..random import Stream
from .game import Game
from .loop import Alternating, Recipe
from .snapshot import Snapshot

Product = Callable[[Array], Array]


class _Kept(Tensor):
    """A leaf whose ``detach`` keeps the graph: the fakes, where D's loss would cut them off."""

    __slots__ = ()

    def detach(self) -> Tensor:
        """Return the tensor itself."""
        return self


class _Given(nn.Module):
    """A generator that returns what it was given."""

    def __init__(self, x: Tensor) -> None:
        self._x = (x,)  # in a tuple: it is no child

    def forward(self, z: Tensor) -> Tensor:
        """Return x, whatever z is."""
        return self._x[0]


@dataclass(frozen=True, eq=False)
class FieldAt:
    """The field of a game at one point, and products with its Jacobian.

    Vectors are float64 and flat: G's parameters, then D's.

    Attributes:
        v: the field, (P,).
        loss_g: L_G there.
        loss_d: L_D there.
        size_g: parameters of G; the others are D's.
    """

    v: Array
    loss_g: float
    loss_d: float
    size_g: int
    _theta: list[Tensor] = field(repr=False)
    _phi: list[Tensor] = field(repr=False)
    _outer: tuple[Tensor, Tensor] = field(repr=False)  # G(z) on its graph, and the leaf x
    _slopes: tuple[list[Tensor], list[Tensor]] = field(repr=False)  # of G and of D, on the graph

    def jvp(self, u: Array) -> Array:
        """Multiply with the Jacobian: J u. Shapes: u (P,) -> (P,)."""
        flat = [*self._theta, *self._phi]
        tangents = _split(u, flat)
        made, x = self._outer
        of_theta = tangents[: len(self._theta)]
        (moved,) = pushforward([made], self._theta, of_theta)
        g_rows = pushforward(self._slopes[0], flat, tangents)
        inputs, given = [*self._phi, x], [*tangents[len(self._theta) :], moved]
        return _joined([*g_rows, *pushforward(self._slopes[1], inputs, given)])

    def vjp(self, w: Array) -> Array:
        """Multiply with the transposed Jacobian: J^T w. Shapes: w (P,) -> (P,)."""
        flat = [*self._theta, *self._phi]
        parts = _split(w, flat)
        made, x = self._outer
        of_g, of_d = parts[: len(self._theta)], parts[len(self._theta) :]
        pulled = list(grad(self._slopes[0], flat, of_g, retain_graph=True))
        *by_phi, by_x = grad(self._slopes[1], [*self._phi, x], of_d, retain_graph=True)
        by_theta = grad(made, self._theta, by_x, retain_graph=True)
        return _joined(pulled) + _joined([*by_theta, *by_phi])


def field_at(recipe: Recipe, game: Game, real: Array, *, seed: int = 0) -> FieldAt:
    """Evaluate the field of a recipe's losses at the game's parameters, on one batch.

    The game is left as it was, running statistics included.

    Shapes: real (N, ...).

    Args:
        recipe: one whose step ``alternating`` made.
        game: its players.
        real: real samples; there are as many fakes.
        seed: of z, and of all that the losses draw.

    Raises:
        OptionError: the recipe has a step of its own, so its two losses can't be told, or G's
            loss sees the reals.
        NotDifferentiableError: a loss has no second derivative.
    """
    step = recipe.step
    if not isinstance(step, Alternating):
        raise OptionError(f"{recipe.name} has a step of its own: no pair of losses to diagnose")
    if step.g_sees_real:  # D's opinion of the reals is a constant there: J would lack its slope
        raise OptionError(f"{recipe.name}: G's loss sees the reals, so its Jacobian can't be told")
    theta, phi = game.opt_g.params, game.opt_d.params
    before, streams = Snapshot(), game.streams
    before.take(game)
    generator = game.G
    try:
        game.streams = random.Streams(seed, streams.xp)
        with random.using(game.streams):
            z = game.latent(len(real))
            made = generator(z)
            x = _Kept(made.data, requires_grad=True)
            loss_g = step.g_loss(game, z)
            game.forget_fake()
            game.G = _Given(x)
            loss_d = step.d_loss(game, Tensor(real), z)
            slopes_g = list(grad(loss_g, theta, create_graph=True))
            slopes_d = list(grad(loss_d, phi, create_graph=True))
    finally:
        game.G, game.streams = generator, streams
        _restore(before, game)
    v = _joined([*slopes_g, *slopes_d])
    size = sum(p.size for p in theta)
    sides = (theta, phi, (made, x), (slopes_g, slopes_d))
    return FieldAt(v, float(loss_g), float(loss_d), size, *sides)


def _restore(before: Snapshot, game: Game) -> None:
    """Put back what a forward moves: buffers, for the graph still needs the parameters."""
    for name, t in before.tensors.items():
        was = before.was(name)
        if was is not None and isinstance(t, nn.Buffer):
            t.assign_(was.copy(order="K"))
    game.forget_fake()


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of the largest modulus that Arnoldi's method found.

    Attributes:
        values: Ritz values, complex, the largest modulus first, (k,).
        residuals: ||J y - lambda y|| of each, y the unit Ritz vector: J + E has the eigenvalue
            exactly, for an E of that norm, (k,).
    """

    values: Array
    residuals: Array


def arnoldi(product: Product, size: int, *, k: int = 20, seed: int = 0) -> Spectrum:
    """Find the leading eigenvalues of a matrix that is known by its products alone.

    Shapes: product (size,) -> (size,).

    Args:
        product: J u.
        size: of the vectors.
        k: products to take, at least 1; no more than ``size`` are needed.
        seed: of the first vector.

    Raises:
        OptionError: k or size is below 1.
        ShapeError: a product has another shape.

    Source: W. E. Arnoldi 1951; with every vector orthogonalised twice, which is enough (Giraud et
    al. 2005).
    """
    if k < 1 or size < 1:
        raise OptionError(f"arnoldi: k={k}, size={size}: 1 or more fit")
    start = Stream(seed, "arnoldi").normal(size, dtype=np.float64)
    basis, h = [start / np.linalg.norm(start)], np.zeros((min(k, size) + 1, min(k, size)))
    used = 0
    for j in range(h.shape[1]):
        w = np.asarray(product(basis[j]), np.float64)
        if w.shape != (size,):
            raise ShapeError(f"arnoldi: a product of shape {w.shape}: ({size},) fits")
        scale = float(np.linalg.norm(w))
        rows = np.stack(basis)
        for _ in range(2):
            along = rows @ w
            w = w - along @ rows
            h[: j + 1, j] += along
        h[j + 1, j], used = float(np.linalg.norm(w)), j + 1
        if h[j + 1, j] <= 1e-12 * scale:  # the space is invariant: these eigenvalues are exact
            h[j + 1, j] = 0.0
            break
        basis.append(w / h[j + 1, j])
    values, vectors = np.linalg.eig(h[:used, :used])
    residuals = h[used, used - 1] * np.abs(vectors[-1])
    order = np.argsort(-np.abs(values), kind="stable")
    return Spectrum(values[order].astype(complex), residuals[order])


def rotation_share(at: FieldAt, *, probes: int = 4, seed: int = 0) -> float:
    """Estimate ||A||^2 / (||A||^2 + ||S||^2), the share of rotation in the Jacobian: 0 to 1.

    Args:
        at: the field.
        probes: random directions, at least 1; each costs a product with J and one with J^T.
        seed: of the directions.

    Returns:
        NaN where the Jacobian vanishes.

    Raises:
        OptionError: ``probes`` is below 1.

    Source: arXiv:1802.05642, section 2.2.
    """
    if probes < 1:
        raise OptionError(f"rotation_share: probes={probes}: 1 or more fit")
    stream, turning, pulling = Stream(seed, "rotation"), 0.0, 0.0
    for _ in range(probes):
        u = stream.normal(at.v.size, dtype=np.float64)
        forth, back = at.jvp(u), at.vjp(u)
        turning += float(np.sum((forth - back) ** 2))
        pulling += float(np.sum((forth + back) ** 2))
    return turning / (turning + pulling) if turning + pulling else math.nan


def path_angles(
    v: Product, start: Array, end: Array, alphas: Sequence[float]
) -> tuple[Array, Array]:
    """Measure the angle between the straight path and the descent, and the field's norm, along it.

    Shapes: start and end (P,), v (P,) -> (P,); -> (len(alphas),) twice.

    Args:
        v: the field at a point.
        start: parameters at alpha = 0.
        end: parameters at alpha = 1.
        alphas: where to look, beyond 1 too.

    Returns:
        c(alpha), NaN where the field vanishes, and ||v||.

    Raises:
        ShapeError: start and end differ in shape.
        OptionError: start and end are one point.

    Source: arXiv:1906.04848, section 4.
    """
    if start.shape != end.shape:
        raise ShapeError(f"path_angles: start {start.shape} and end {end.shape} differ")
    way = end - start
    length = float(np.linalg.norm(way))
    if not length:
        raise OptionError("path_angles: start and end are one point, so there is no path")
    cosines, norms = [], []
    for alpha in alphas:
        slope = v(start + alpha * way)
        norm = float(np.linalg.norm(slope))
        cosines.append(-float(slope @ way) / (norm * length) if norm else math.nan)
        norms.append(norm)
    return np.array(cosines), np.array(norms)


def parameters_of(game: Game) -> Array:
    """Return the parameters of both players as one vector. Shapes: -> (P,) float64."""
    return _joined([*game.opt_g.params, *game.opt_d.params])


def set_parameters(game: Game, w: Array) -> None:
    """Give both players the parameters of a vector. Shapes: w (P,)."""
    flat = [*game.opt_g.params, *game.opt_d.params]
    for p, part in zip(flat, _split(w, flat), strict=True):
        p.assign_(part.data)


def _joined(parts: Sequence[Tensor]) -> Array:
    return np.concatenate([t.numpy().reshape(-1) for t in parts]).astype(np.float64)


def _split(u: Array, like: Sequence[Any]) -> list[Tensor]:
    """Cut a flat vector into tensors of the shapes and dtypes of others."""
    if u.shape != (sum(t.size for t in like),):
        raise ShapeError(f"a direction of shape {u.shape}: ({sum(t.size for t in like)},) fits")
    found, at = [], 0
    for t in like:
        part = u[at : at + t.size].reshape(t.shape).astype(t.dtype)
        found.append(Tensor(xp_of(t.data).asarray(part)))
        at += t.size
    return found
