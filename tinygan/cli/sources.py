"""What ``tinygan fid A B`` compares: a run, a data set, images or statistics, by name or path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from .. import data
from ..data.npz import parse_range
from ..errors import CheckpointError, DataError, OptionError
from ..kernels.arrays import Array
from ..metrics.features import FeatureNet
from ..metrics.moments import Moments
from ..random import Stream
from ..runs.judge import quantised
from .opening import open_trained

BATCH = 250
MOST, FAKES = 50_000, 10_000  # images of a set, samples of a run, unless --n says otherwise


@dataclass(frozen=True)
class Source:
    """One side of a comparison.

    Attributes:
        name: as the user gave it.
        kind: ``run``, ``images`` or ``statistics``.
        count: images; None where statistics don't say.
        facts: for the protocol card: split, step, weights.
        dataset: where the images come from; None for a run and for statistics.
        data_name: short name of the data, for the choice of a feature net; of a run, of what it
            was trained on.
        statistics: mean and covariance that were read.
    """

    name: str
    kind: Literal["run", "images", "statistics"]
    count: int | None
    facts: dict[str, Any] = field(default_factory=dict)
    data_name: str = ""
    dataset: data.Dataset | None = None
    statistics: Moments | None = None
    _trained: Any = None
    _seed: int = 0

    def batches(self) -> Iterator[Array]:
        """Yield the images, rounded to 8 bits. Shapes: -> (B, C, H, W) in [-1, 1]."""
        assert self.count is not None
        if self._trained is not None:
            z = self._trained.inputs(self.count, self._seed)
            for i in range(0, self.count, BATCH):
                yield quantised(self._trained(z[i : i + BATCH]))
            return
        dataset, rows = cast(data.Dataset, self.dataset), self._rows()
        for i in range(0, self.count, BATCH):
            yield quantised(dataset.take(rows[i : i + BATCH]))

    def chosen_labels(self) -> Array | None:
        """Return the classes of the images, in the order of ``batches``, where there are any."""
        known = None if self.dataset is None else self.dataset.labels
        return None if known is None else known[self._rows()]

    def _rows(self) -> Array:
        dataset = cast(data.Dataset, self.dataset)
        return Stream(self._seed, "fid").permutation(len(dataset))[: self.count]

    def moments(self, net: FeatureNet) -> Moments:
        """Return mean and covariance of the features, computed a batch at a time.

        Raises:
            OptionError: the statistics are of another net.
        """
        if self.statistics is not None:
            return self.statistics
        found = Moments(net=net.name, sha256=net.sha256)
        for part in net.stream(self.batches()):
            found.update(part.features)
        return found


@dataclass(frozen=True)
class Asked:
    """Flags that say how a source is opened; see ``cli.fid.Options``."""

    n: int = 0
    split: str = "train"
    size: int | None = None
    channels: int | None = None
    value_range: str = ""
    seed: int = 0
    ema: bool = True


def open_source(name: str, asked: Asked) -> Source:
    """Find what a name stands for.

    Raises:
        DataError: nothing is there, or it can't be read, or it holds fewer than two images.
        CheckpointError: a run has no whole checkpoint.
        OptionError: it holds points, or a flag does not fit.
    """
    if asked.n < 0 or asked.n == 1:
        raise OptionError(f"--n {asked.n}: use 2 or more images, or 0 for all")
    path = Path(name).expanduser()
    if path.suffix == ".npz" and path.is_file() and _is_statistics(path):
        found = Moments.load(path)
        return Source(name, "statistics", found.count, statistics=found)
    if (path / "config.json").is_file():
        return _run(name, asked)
    try:
        dataset = data.load(
            name,
            size=asked.size,
            channels=asked.channels,
            split=cast(Any, asked.split),
            value_range=parse_range(asked.value_range),
        )
    except DataError:
        if path.exists() or not path.parent.is_dir():
            raise
        try:  # runs/00000 is the start of a run's name
            return _run(name, asked)
        except CheckpointError:
            pass
        raise
    if len(dataset.shape) != 3:
        raise OptionError(f"{name}: holds points; tinygan fid compares images")
    count = min(len(dataset), asked.n or MOST)
    if count < 2:
        raise DataError(f"{name}: holds {count} image; a covariance needs two or more")
    if asked.n > count:
        raise DataError(f"{name}: holds {count} images, --n {asked.n} asks for more")
    facts = {"split": asked.split}
    return Source(name, "images", count, facts, dataset.name, dataset, _seed=asked.seed)


def _run(name: str, asked: Asked) -> Source:
    trained = open_trained(name, ema=asked.ema)
    if len(trained.shape) != 3:
        raise OptionError(f"{name}: makes points; tinygan fid compares images")
    averaged = asked.ema and trained.game.ema is not None
    facts = {"step": trained.game.step, "weights": "averaged (EMA)" if averaged else "last"}
    return Source(
        name,
        "run",
        asked.n or FAKES,
        facts | {"which": "last"},
        trained.data_name,
        _trained=trained,
        _seed=asked.seed,
    )


def _is_statistics(path: Path) -> bool:
    """Tell statistics from images by the names in the archive, without reading its arrays."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False  # data.load says what is wrong
    return bool(names & {"mu.npy", "sigma.npy"})
