"""Watch a run for what goes wrong silently, and raise alarms that carry their evidence.

    frozen player    no bit of a player's parameters changed between three looks; G may stand
                     still while D gets a head start (``--pretrain-d``)
    saturated        G's loss lets less than 1 % of D's slope through (``slope_g``) at three looks
                     running, where D gives fakes less than 5 %; or nothing at all
    mode collapse    at three measurements running, one of these:
        support      fakes are alike (birthday paradox) 50 times as often as as many real samples,
                     and no less often than at the measurement before
        cells        k-means cells with half of the real samples get less than a tenth of their
                     share (each by NDB's z-test at 1e-4), though 30 % of the fakes are plausible,
                     and no fewer than at the measurement before; 400 real samples and more
        recall       recall is below half of the best that this run had, and that was above 0.2
        modes        of a toy's modes at most half are recovered (upper end of a 95 % interval),
                     though half of the points are of high quality
    overfitting      at three measurements running, fakes lie nearer to the training set than
                     held-out data: z < -5 in the data-copying test, and 10 % in the median

Looks are ``diagnose_every`` steps apart, measurements ``metrics_every``. Each kind is raised once a
run. Thresholds are conventions of ours, judged in ``bench/claims/alarms.py`` on planted faults and
on healthy runs. An untrained generator makes one thing, too, but soon makes more: that is what the
guards are for. What the coming looks depend on are the fields of ``Alarms``, which a checkpoint
holds, so a resumed run raises what the uninterrupted one would have raised.

Sources: arXiv:1706.08224 (support), arXiv:1805.12462 (cells), arXiv:1904.06991 (recall),
arXiv:1712.04086 (modes), arXiv:2004.05675 (copying), arXiv:1701.04862 (saturation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..gan import Game
from ..gan.diagnostics import fingerprint
from ..metrics.birthday import compare_support
from ..metrics.memorisation import copying_test
from ..metrics.modes import recovered_interval, toy_modes
from ..metrics.ndb import ndb
from ..metrics.pair import Pair
from ..metrics.prdc import prdc

LOOKS, SATURATED_LOOKS, MEASUREMENTS = 2, 3, 3  # in a row, before an alarm is raised
SLOPE, SURE = 0.01, 0.05
ALIKE_RATIO = 50.0
DROPPED, CELL_SHARE, CELL_ALPHA, PLAUSIBLE = 0.5, 0.1, 1e-4, 0.3
RECALL, RECALL_DROP = 0.2, 0.5
HIGH_QUALITY, MODE_SHARE = 0.5, 0.5
GAP = -0.1
CELLS, LEAST_CELLS, POINTS_A_CELL = 50, 20, 20
GROWTH, SHRINKAGE = 1.5, 0.05
MOST = 1e300  # stands for an infinite support, which JSON lacks
LEAST = 40  # samples a side for a measurement to say something


@dataclass(frozen=True)
class Alarm:
    """Something that goes wrong.

    Attributes:
        kind: ``frozen D``, ``saturated``, ``mode collapse``, ``overfitting``.
        step: at which it was noticed.
        message: a line that says what and why.
        evidence: the numbers.
    """

    kind: str
    step: int
    message: str
    evidence: Mapping[str, Any]

    def row(self) -> dict[str, Any]:
        """Return the row of ``alarms.jsonl``."""
        return {"step": self.step, "alarm": self.kind, "message": self.message} | {
            "evidence": dict(self.evidence)
        }


@dataclass
class Alarms:
    """What is known so far; plain values alone, so that JSON can hold it.

    Attributes:
        raised: kinds that were raised.
        streaks: by test, looks or measurements in a row that it found something.
        fingerprints: checksum of each player's parameters at the last look, and its step.
        best_recall: the highest that was measured.
        before: support of the fakes and mass of the empty cells at the measurement before.
    """

    raised: list[str] = field(default_factory=list)
    streaks: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, int] = field(default_factory=dict)
    best_recall: float = 0.0
    before: dict[str, float] = field(default_factory=dict)

    def look(self, game: Game, seen: Mapping[str, Any]) -> Iterator[Alarm]:
        """Look at a game after a step that was watched.

        Args:
            game: after the step.
            seen: what ``Watch.report`` and the step's metrics say.
        """
        waiting = "G" if "pretraining" in seen else ""  # while D gets a head start
        for name, player in (("G", game.G), ("D", game.D)):
            if name == waiting:
                continue
            now = fingerprint(player)
            looks = self._streak(f"frozen {name}", self.fingerprints.get(name) == now)
            self.fingerprints[name] = now
            if looks >= LOOKS:
                yield from self._raise(
                    f"frozen {name}",
                    game.step,
                    f"{name} is frozen: no parameter of it changed at {looks + 1} looks in a row; "
                    f"its last gradient had the norm {_figure(seen, f'grad_norm_{name.lower()}')}",
                    {"looks": looks + 1, "checksum": now},
                )
        slope, opinion = seen.get("slope_g", 1.0), seen.get("d_fake_before", 1.0)
        vanished = slope == 0.0 or (slope < SLOPE and opinion < SURE)
        looks = self._streak("saturated", vanished)
        if looks >= SATURATED_LOOKS:
            yield from self._raise(
                "saturated",
                game.step,
                f"D is saturated: G's loss lets {100 * slope:.2g} % of D's slope through "
                f"(gradient norm {_figure(seen, 'grad_norm_g')}, "
                f"D(G(z)) {_figure(seen, 'd_fake_before')}); "
                "a non-saturating or Wasserstein loss has no such end",
                {key: seen.get(key) for key in ("slope_g", "grad_norm_g", "d_fake_before")},
            )

    def measure(self, step: int, pair: Pair) -> Iterator[Alarm]:
        """Look at samples that were drawn to be measured.

        Args:
            step: of the generator.
            pair: the samples; with fewer than 40 of a kind nothing is said.
        """
        if min(len(pair.real), len(pair.fake)) < LEAST:
            return
        signs = self._signs_of_collapse(pair)
        for name in ("support", "cells", "recall", "modes"):
            self._streak(name, name in signs)
        sure = [name for name in signs if self.streaks[name] >= MEASUREMENTS]
        if sure:
            texts = "; ".join(signs[name][0] for name in sure)
            evidence = {name: signs[name][1] for name in sure}
            yield from self._raise("mode collapse", step, f"mode collapse: {texts}", evidence)
        yield from self._copies(step, pair)

    def _signs_of_collapse(self, pair: Pair) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return what each test that finds something says, and its numbers."""
        quality = prdc(pair.real.features, pair.fake.features)
        found = [self._recall(quality.recall)]
        if pair.toy is not None and len(pair.toy.centres):
            found.append(_lost_modes(pair))
        else:  # in the plane a sharper mode, too, would bring points together
            found.append(self._small_support(pair))
        bins = min(CELLS, len(pair.real) // POINTS_A_CELL)
        if quality.precision >= PLAUSIBLE and bins >= LEAST_CELLS:
            found.append(self._empty_cells(pair, bins))
        return {name: (text, numbers) for name, text, numbers in found if text}

    def _recall(self, recall: float) -> tuple[str, str, dict[str, Any]]:
        best, self.best_recall = self.best_recall, max(self.best_recall, recall)
        fell = best > RECALL and recall < RECALL_DROP * best
        text = f"recall fell from {best:.2f} to {recall:.2f}" if fell else ""
        return "recall", text, {"recall": recall, "best": best}

    def _small_support(self, pair: Pair) -> tuple[str, str, dict[str, Any]]:
        real, fake = compare_support(pair.real.features, pair.fake.features)
        grows = fake.size > GROWTH * self.before.get("support", fake.size)
        few = fake.high < real.size / ALIKE_RATIO and not grows
        self.before["support"] = min(fake.size, MOST)
        text = (
            f"of {fake.samples} fakes {fake.alike} pairs are alike, of as many real samples "
            f"{real.alike}: a support of {fake.size:.3g} [{fake.low:.3g}, {fake.high:.3g}] "
            f"against {real.size:.3g}"
        )
        return "support", text if few else "", {"alike": fake.alike, "support": fake.size}

    def _empty_cells(self, pair: Pair, bins: int) -> tuple[str, str, dict[str, Any]]:
        found = ndb(
            pair.real.features,
            pair.fake.features,
            bins=bins,
            alpha=CELL_ALPHA,
            seed=pair.seed,
        )
        empty = found.significant & (found.fake_share < CELL_SHARE * found.real_share)
        mass = float(found.real_share[empty].sum())
        shrinks = mass < self.before.get("cells", mass) - SHRINKAGE
        self.before["cells"] = mass
        text = (
            f"{int(empty.sum())} of {len(empty)} cells, with {100 * mass:.0f} % of the real "
            f"samples, get hardly any fakes (z up to {float(found.z.max()):.1f})"
        )
        numbers = {"cells": int(empty.sum()), "mass": mass, "z": float(found.z.max())}
        return "cells", text if mass >= DROPPED and not shrinks else "", numbers

    def _copies(self, step: int, pair: Pair) -> Iterator[Alarm]:
        if pair.held_out is None or len(pair.held_out) < LEAST:
            return
        sets = pair.real.features, pair.held_out.features, pair.fake.features
        test = copying_test(*sets)
        usual = test.held_out_distance
        gap = test.fake_distance / usual - 1.0 if usual else 0.0
        if self._streak("overfitting", test.copied and gap < GAP) >= MEASUREMENTS:
            yield from self._raise(
                "overfitting",
                step,
                f"overfitting: fakes lie {-100 * gap:.0f} % nearer to the training set than "
                f"held-out data do (z = {test.z:.1f})",
                {"gap": gap, "z": test.z, "p": test.p_value},
            )

    def _streak(self, name: str, found: bool) -> int:
        self.streaks[name] = self.streaks.get(name, 0) + 1 if found else 0
        return self.streaks[name]

    def _raise(
        self, kind: str, step: int, message: str, evidence: Mapping[str, Any]
    ) -> Iterator[Alarm]:
        if kind not in self.raised:
            self.raised.append(kind)
            yield Alarm(kind, step, message, evidence)


def _lost_modes(pair: Pair) -> tuple[str, str, dict[str, Any]]:
    assert pair.toy is not None
    found = toy_modes(pair.fake.samples, pair.toy.centres, sigma=pair.toy.sigma)
    low, high = recovered_interval(found, resamples=200, seed=pair.seed)
    lost = high <= MODE_SHARE * found.total and found.high_quality >= HIGH_QUALITY
    text = (
        f"{found.recovered} [{low:.3g}, {high:.3g}] of {found.total} modes are recovered by "
        f"{found.samples} points, {100 * found.high_quality:.0f} % of them of high quality"
    )
    numbers = {"modes": found.recovered, "low": low, "high": high, "total": found.total}
    return "modes", text if lost else "", numbers


def _figure(seen: Mapping[str, Any], key: str) -> str:
    return f"{seen[key]:.3g}" if isinstance(seen.get(key), float) else "unknown"
