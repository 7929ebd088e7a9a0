"""``Game``: the state of one training run between two steps, and how to save it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .. import nn, optim, random
from ..autograd import Tensor, no_grad
from ..data import Dataset
from ..errors import OptionError, StateError
from ..kernels.arrays import Array, Shape, xp_of
from .ema import EMA
from .translation import Translation, translate

Metrics = dict[str, float]
State = tuple[dict[str, Array], dict[str, Any]]  # (arrays, plain numbers and text)

_SAMPLE_BATCH = 256  # samples made at once


class Stateful(Protocol):
    """What a game can save: modules, optimizers, EMA and replay pools."""

    def state_dict(self) -> dict[str, Any]:
        """Return copies of arrays (NumPy), and plain numbers or text, by name."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take back what ``state_dict`` returned."""


@dataclass(eq=False)
class Game:
    """One training run between two steps.

    Attributes:
        G: generator, z -> samples; where there is a ``translation``, images -> images.
        D: discriminator or critic, samples -> logits.
        opt_g: optimizer of G's parameters.
        opt_d: optimizer of D's parameters.
        nz: length of the latent vector.
        config: the recipe's configuration; ``setup`` may set one that it has completed.
        ema: average of G over the steps, or None.
        extra: further players, optimizers or pools by name; saved with the rest.
        schedules: optimizers with the schedules of their learning rates, applied before a step.
        translation: what G is given, where it takes images; see there.
        dataset: where such a game draws images to show from; ``fit`` takes that of its batches.
        streams: the random streams of the run.
        step: steps taken.
        metrics: losses and averages of the last step.
        notes: lines that the user of a run should see at its start.
    """

    G: nn.Module
    D: nn.Module
    opt_g: optim.Optimizer
    opt_d: optim.Optimizer
    nz: int
    config: Any = None
    ema: EMA | None = None
    extra: dict[str, Stateful] = field(default_factory=dict)
    schedules: list[tuple[optim.Optimizer, optim.Schedule]] = field(default_factory=list)
    translation: Translation | None = None
    dataset: Dataset | None = field(default=None, repr=False)
    streams: random.Streams = field(default_factory=random.current)
    step: int = 0
    metrics: Metrics = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    _fake: tuple[Tensor, list[int], Tensor] | None = field(default=None, repr=False)

    def latent(self, n: int) -> Tensor:
        """Draw z from N(0, 1). Shapes: -> (n, nz)."""
        return Tensor(self.streams.stream("z").normal((n, self.nz)))

    def fake(self, z: Tensor) -> Tensor:
        """Return G(z): for the same z and an unchanged G the same tensor, graph and all.

        So a recipe whose players share z (``alternating(..., share_z=True)``) runs G once a step.
        """
        versions = [p.version for p in self.opt_g.params]
        if self._fake is None or self._fake[0] is not z or self._fake[1] != versions:
            self.forget_fake()  # first: there is no need for memory for two graphs of G
            self._fake = z, versions, self.G(z)
        return self._fake[2]

    def forget_fake(self) -> None:
        """Let go of the last ``fake``, and of its graph."""
        self._fake = None

    @contextmanager
    def posing(self, z: Tensor, fakes: Tensor) -> Iterator[None]:
        """Let ``fakes`` stand for G(z) and ``fake(z)`` until the ``with`` block ends.

        What ``fake`` kept before is there again afterwards, graph and all.
        """
        own, kept = self.G.forward, self._fake
        changed = "forward" in vars(self.G)  # by a curriculum, say

        def _forward(given: Any, *args: Any) -> Any:
            return fakes if given is z else own(given, *args)

        self.G.forward = _forward
        self._fake = z, [p.version for p in self.opt_g.params], fakes
        try:
            yield
        finally:
            self.G.forward = own
            if not changed:
                del self.G.forward  # the class's own is back
            self._fake = kept

    def observe(self, real_logit: Tensor, fake_logit: Tensor) -> None:
        """Note the means of D(x) and D(G(z)), after a sigmoid, among this step's metrics."""
        for name, logit in (("d_real", real_logit), ("d_fake", fake_logit)):
            mean = (0.5 + 0.5 * xp_of(logit.data).tanh(0.5 * logit.data)).mean()
            self.metrics[name] = float(Tensor(mean))

    def sample(
        self,
        n: int,
        *,
        labels: Array | None = None,
        ema: bool = True,
        seed: int | None = None,
        truncation: float | None = None,
    ) -> Array:
        """Make n samples in evaluation mode, from random numbers that training doesn't use.

        A G that takes images gets those of the data set that ``draw`` chooses.

        Shapes: -> (n, C, H, W) or (n, 2), NumPy.

        Args:
            n: number of samples.
            labels: (n,) classes to make, of a conditional game alone; None: as G has it.
            ema: use the averaged generator where there is one.
            seed: another seed gives other samples; None gives the same z at every call.
            truncation: bound of |z| for every entry, above 0: less makes samples better and more
                alike (arXiv:1809.11096, section 3.1); None bounds nothing.

        Raises:
            OptionError: the truncation is not above 0, or bounds a z that G does not take.
            StateError: G takes images, and there is no data set to draw them from.
        """
        net = self.generator(ema=ema)
        streams = random.Streams(self.streams.seed if seed is None else seed, self.streams.xp)
        if self.translation is not None:
            if truncation is not None or labels is not None:
                raise OptionError("this game's G takes images: no truncation, no labels")
            with evaluating(net):
                return translate(net, self.translation.source(self.draw(n, seed=seed)), streams)
        z = draw_latent(streams.stream("sample"), (n, self.nz), truncation)
        given = [] if labels is None else [self.streams.xp.asarray(labels)]
        with random.using(streams), no_grad(), evaluating(net):
            parts = [
                net(Tensor(z[i : i + _SAMPLE_BATCH]), *(y[i : i + _SAMPLE_BATCH] for y in given))
                for i in range(0, n, _SAMPLE_BATCH)
            ]
        return np.concatenate([part.numpy() for part in parts])

    def generator(self, *, ema: bool = True) -> nn.Module:
        """Return the averaged G where there is one and ``ema`` asks for it, else G."""
        return self.ema.module if ema and self.ema is not None else self.G

    def cut(self, samples: Any) -> tuple[Any, Any]:
        """Return sources and targets of samples, arrays or tensors, of a game that translates.

        Raises:
            OptionError: G takes no images.
        """
        if self.translation is None:
            raise OptionError("this game's G takes no images")
        return self.translation.source(samples), self.translation.target(samples)

    def draw(self, n: int, *, seed: int | None = None) -> Array:
        """Draw n samples of the data set, over again where it has fewer, on the game's device.

        Shapes: -> (n, *data_shape).

        Args:
            n: how many.
            seed: another seed draws others; None draws the same at every call.

        Raises:
            StateError: there is no data set.
        """
        if self.dataset is None:
            raise StateError("this game's G takes images: set game.dataset to draw them from")
        stream = random.Stream(self.streams.seed if seed is None else seed, "sample")
        rows = np.resize(stream.permutation(len(self.dataset)), n)
        return self.dataset.take(rows, self.streams.xp)

    # --- state ---

    def parts(self) -> dict[str, Stateful]:
        """Return everything that has state, by the name under which it is saved."""
        named: dict[str, Stateful] = {"G": self.G, "D": self.D}
        named |= {"opt_g": self.opt_g, "opt_d": self.opt_d}
        if self.ema is not None:
            named["ema"] = self.ema
        return named | self.extra

    def state(self) -> State:
        """Return copies of all that the coming steps depend on: arrays, and plain values."""
        tensors: dict[str, Array] = {}
        scalars: dict[str, Any] = {"step": self.step}
        for part, owner in self.parts().items():
            for key, value in owner.state_dict().items():
                (tensors if hasattr(value, "shape") else scalars)[f"{part}.{key}"] = value
        return tensors, scalars

    def restore(self, tensors: Mapping[str, Array], scalars: Mapping[str, Any]) -> None:
        """Take back a ``state``.

        Raises:
            StateError: it has parts that this game lacks, or the other way round.
        """
        parts = self.parts()
        saved: dict[str, dict[str, Any]] = {name: {} for name in parts}
        for key, value in (*tensors.items(), *scalars.items()):
            part, _, name = key.partition(".")
            if name:
                saved.setdefault(part, {})[name] = value
        unknown = sorted(set(saved) - set(parts))
        if unknown or "step" not in scalars:
            what = f"parts {', '.join(unknown)} are unknown" if unknown else "it has no step"
            raise StateError(f"this state doesn't fit: {what}; the game has {', '.join(parts)}")
        for part, owner in parts.items():
            owner.load_state_dict(saved[part])
        self.step = int(scalars["step"])
        self.forget_fake()


def draw_latent(stream: random.Stream, shape: Shape, truncation: float | None) -> Array:
    """Draw z from N(0, 1), or within [-truncation, truncation] of it.

    Raises:
        OptionError: the truncation is not above 0.
    """
    if truncation is None:
        return stream.normal(shape)
    return stream.truncated_normal(shape, truncation)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """Put a module in evaluation mode until the ``with`` block ends."""
    was = [(m, m.training) for m in module.modules()]
    try:
        yield module.eval()
    finally:
        for m, training in was:
            m.training = training
