"""The protocol card: what must be said beside a metric before its number means anything.

One name, FID, covers a range of 2.4 in published tables because of resize, split, number of
samples and choice of checkpoint. So no number leaves tinygan without its card, and each row of a
``metric-*.jsonl`` holds both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .weights import published

LEAST_SAMPLES = 2048  # below the 2,048 dimensions of Inception a covariance is rank-deficient


@dataclass(frozen=True, kw_only=True)
class Card:
    """How a number was measured.

    Attributes:
        net: name of the feature net, or ``""`` where none is used.
        sha256: of its weights.
        resize: how images came to its size.
        protocol: arithmetic and input of the metric, e.g. ``pytorch-fid``.
        n_real: real samples; None where statistics from a file don't say.
        n_fake: samples that were judged; None likewise.
        split: part of the data that the real samples are.
        weights: ``averaged (EMA)`` or ``last``, of a generator; ``""`` for other samples.
        step: of the checkpoint; None for other samples.
        which: ``last`` or ``best`` checkpoint, and by what it is the best.
        seed: of samples and estimators.
        more: what one metric alone has, e.g. the number of scales.
    """

    net: str = ""
    sha256: str = ""
    resize: str = ""
    protocol: str = ""
    n_real: int | None = None
    n_fake: int | None = None
    split: str = ""
    weights: str = ""
    step: int | None = None
    which: str = ""
    seed: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return the card as a table that JSON can hold; what is empty is left out."""
        table = asdict(self)
        more = table.pop("more")
        return {key: value for key, value in (table | more).items() if value not in ("", None)}

    def text(self) -> str:
        """Return the card in one line, as it is printed under a number."""
        sha = f" (SHA-256 {self.sha256[:12]})" if self.sha256 else ""
        parts = [
            f"{self.net}{sha}" if self.net else "",
            self.resize,
            self.protocol,
            f"n_real {_count(self.n_real)}, n_fake {_count(self.n_fake)}",
            self.split and f"split {self.split}",
            self.weights and f"weights {self.weights}",
            "" if self.step is None else f"step {self.step}",
            self.which,
            *(f"{key} {value}" for key, value in self.more.items()),
            f"seed {self.seed}",
        ]
        return "; ".join(part for part in parts if part)

    def warnings(self) -> list[str]:
        """Return what a reader must know: too few samples, or weights that are not FID's."""
        lines = []
        counts = [n for n in (self.n_real, self.n_fake) if n is not None]
        if self.net and counts and min(counts) < LEAST_SAMPLES:
            lines.append(
                f"warning: {min(counts)} samples; Frechet distances of fewer than {LEAST_SAMPLES} "
                "are biased upwards and compare only at equal n (--bias-curve shows by how much)"
            )
        if self.net == "inception" and self.sha256 != published("inception").sha256:
            lines.append(
                "warning: these are not the published weights of FID's Inception, so the number "
                "compares with none that is published"
            )
        return lines


def _count(n: int | None) -> str:
    return "unknown" if n is None else str(n)
