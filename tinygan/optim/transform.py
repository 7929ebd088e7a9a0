"""Transforms: optimizers that change how another one moves; each is an optimizer itself.

``Transform`` shares the parameters, the learning rate and the counts of the optimizer inside, so
that schedules, checkpoints and recipes see one optimizer, and transforms can be stacked.

What they are for is rotation. In min_x max_y x y both players' gradients turn around the
equilibrium; written as z = x + i y, a step of size h multiplies z by a number lambda:

    gradient descent   lambda = 1 + i h                                   |lambda| > 1: it diverges
    Extragradient      lambda = 1 - h^2 + i h
    Optimistic         lambda = (1 + 2 i h + sqrt(1 - 4 h^2)) / 2         h < 1/2
    Lookahead          lambda = 1 - alpha + alpha (1 + i h)^k             every k steps
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..autograd import Tensor
from ..errors import OptionError, StateError
from ..kernels.arrays import Array, xp_of
from .adam import Adam
from .base import Gradients, Move, Optimizer, check_number


class Transform(Optimizer):
    """An optimizer around another one, whose parameters, rate, counts and state it shares.

    Args:
        inner: the optimizer that makes the moves.
        slots: names of the arrays that the transform keeps for each parameter; zero at first.

    Raises:
        OptionError: ``inner`` is no optimizer, or has slots of that name.
    """

    def __init__(self, inner: Optimizer, slots: Sequence[str] = ()) -> None:
        kind = type(self).__name__
        if not isinstance(inner, Optimizer):
            raise OptionError(f"{kind}: {type(inner).__name__} is no optimizer: SGD(...) fits")
        if not inner.slots.keys().isdisjoint(slots):
            raise OptionError(f"{kind}: {type(inner).__name__} has it inside: once is enough")
        self.inner, self.params = inner, inner.params
        self.slots = inner.slots | {
            name: [xp_of(p.data).zeros_like(p.data) for p in self.params] for name in slots
        }

    @property
    def lr(self) -> float:
        """Learning rate of the optimizer inside."""
        return self.inner.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.inner.lr = value

    @property
    def base_lr(self) -> float:
        """Learning rate at construction."""
        return self.inner.base_lr

    @base_lr.setter
    def base_lr(self, value: float) -> None:
        self.inner.base_lr = value

    @property
    def steps(self) -> list[int]:
        """Steps that each parameter took."""
        return self.inner.steps

    @steps.setter
    def steps(self, value: list[int]) -> None:
        self.inner.steps = value

    @property
    def step_count(self) -> int:
        """Steps taken."""
        return self.inner.step_count

    @step_count.setter
    def step_count(self, value: int) -> None:
        self.inner.step_count = value

    def _update(self, moves: list[Move]) -> None:
        self.inner._update(moves)


class Extragradient(Transform):
    """Look where a step leads, then step from the start along the gradient found there.

        w'  = w - move(gradient at w)            extrapolate(grads)
        w  <- w - move(gradient at w')           step(grads)

    Both moves are the inner optimizer's and update its moments, as in the paper's algorithm 4, so
    a step counts twice. In a game all players extrapolate before one of them steps. The state
    between the two halves is not saved. Source: Korpelevich 1976; arXiv:1802.10551, section 3.2.

    Around ``Lookahead``, whose k counts both halves, it is LA-ExtraGrad (arXiv:2006.14567).

    Args:
        inner: the optimizer that makes the moves.

    Raises:
        OptionError: ``inner`` is no optimizer.
    """

    def __init__(self, inner: Optimizer) -> None:
        super().__init__(inner)
        self._start: dict[int, Array] | None = None

    def extrapolate(self, grads: Gradients | None = None) -> None:
        """Move to w'; the next ``step`` starts from where the parameters are now.

        Args:
            grads: as in ``step``.

        Raises:
            ShapeError: another number of gradients, or one of another shape.
            DtypeError: a gradient of another dtype.
        """
        found = self._gradients(grads)
        moving = [i for i, g in enumerate(found) if g is not None]
        self._start = {i: self.params[i].data.copy(order="K") for i in moving}
        super().step(found)

    def step(self, grads: Gradients | None = None) -> None:
        """Go back to w and move along the gradient at w'.

        Raises:
            StateError: ``extrapolate`` did not come before.
            ShapeError: another number of gradients, or one of another shape.
            DtypeError: a gradient of another dtype.
        """
        found = self._gradients(grads)
        if self._start is None:
            raise StateError(f"{type(self).__name__}: step without extrapolate before it")
        start, self._start = self._start, None
        for i, data in start.items():
            self.params[i].assign_(data)
        super().step(found)


class Optimistic(Transform):
    """Step twice as far and take the last move back: the next gradient is guessed to be this one.

        w_t = w_{t-1} - 2 d_t + d_{t-1},    d_t the inner optimizer's move, d_0 = 0

    It is the extragradient method with one gradient a step, from the past. In float32 a move is
    known to the rounding of the parameter. Source: arXiv:1711.00141, equation 6 and algorithm 1.

    Args:
        inner: the optimizer that makes the moves.

    Raises:
        OptionError: ``inner`` is no optimizer, or is optimistic.
    """

    def __init__(self, inner: Optimizer) -> None:
        super().__init__(inner, ("last_move",))

    def _update(self, moves: list[Move]) -> None:
        before = [move.p.copy(order="K") for move in moves]
        self.inner._update(moves)
        for (i, p, _), start in zip(moves, before, strict=True):
            last, move = self.slots["last_move"][i], start - p
            p += last - move
            last[...] = move


class Lookahead(Transform):
    """Every k steps go back to a share alpha of the way that they made.

        slow <- slow + alpha (fast - slow),   fast <- slow

    Two players that step at the same time, k the same for both, make the Lookahead-minmax of
    arXiv:2006.14567. Source: arXiv:1907.08610, algorithm 1.

    Args:
        inner: the optimizer of the fast weights; its moments stay as they are.
        k: steps between two returns, at least 1.
        alpha: share of the way that is kept, in (0, 1]; 1 is the inner optimizer.

    Raises:
        OptionError: a number is out of range, or ``inner`` is no optimizer or looks ahead.
    """

    def __init__(self, inner: Optimizer, *, k: int = 5, alpha: float = 0.5) -> None:
        super().__init__(inner, ("slow",))
        check_number("k", k, 1)
        if not 0.0 < alpha <= 1.0:
            raise OptionError(f"alpha {alpha}: a number above 0 and at most 1 fits")
        self.k, self.alpha = k, alpha

    def _update(self, moves: list[Move]) -> None:
        slow = self.slots["slow"]
        for i, p, _ in moves:
            if (self.steps[i] - 1) % self.k == 0:  # after a return fast is slow
                slow[i][...] = p
        self.inner._update(moves)
        for i, p, _ in moves:
            if self.steps[i] % self.k == 0:
                p[...] = slow[i] + self.alpha * (p - slow[i])


class ExtraAdam(Extragradient):
    """Extragradient around Adam. Source: arXiv:1802.10551, algorithm 4.

    Arguments and errors: as ``Adam``; both halves update the moments and count for their bias.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(Adam(params, lr, betas=betas, eps=eps, weight_decay=weight_decay))


class OptimisticAdam(Optimistic):
    """Optimistic steps around Adam. Source: arXiv:1711.00141, algorithm 1.

    Arguments and errors: as ``Adam``.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(Adam(params, lr, betas=betas, eps=eps, weight_decay=weight_decay))
