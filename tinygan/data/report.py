"""Look through a data set before training on it: what it holds, and every file that is odd."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from . import folder, idx, npz
from .catalog import kind_of
from .pixels import Facts, Rules, examine, read_bytes, refusal


@dataclass
class Report:
    """What ``check`` found.

    Attributes:
        path: what was looked at.
        kind: ``"image folder"``, ``"idx folder"``, ``"idx"``, ``"npz"`` or ``"unknown"``.
        count: samples that can be read.
        facts: lines on counts, shapes, channels and classes.
        problems: one line for each thing that ``load`` refuses, whatever the size asked for.
        notes: one line for each thing that is odd but accepted.
    """

    path: Path
    kind: str = "unknown"
    count: int = 0
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Tell whether there is no problem."""
        return not self.problems

    @property
    def lines(self) -> list[str]:
        """The whole report: facts, then notes, then problems."""
        problems = [f"problem: {line}" for line in self.problems]
        return [*self.facts, *(f"note: {line}" for line in self.notes), *problems]


def check(path: str | Path) -> Report:
    """Read everything below a path and report what is there and what is wrong with it.

    Raises nothing for bad data: a problem is a line of the report.
    """
    report = Report(Path(path).expanduser())
    try:
        report.kind = kind_of(report.path)
        _CHECKS[report.kind](report)
    except DataError as error:
        report.problems.append(str(error))
    return report


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _spread(counter: Counter[str], noun: str) -> str:
    common = ", ".join(f"{what} ({n:,})" for what, n in counter.most_common(4))
    more = len(counter) - 4
    return f"{noun}: {common}" + (f" and {more} more" if more > 0 else "")


def _describe(report: Report, images: np.ndarray, labels: np.ndarray | None, what: str) -> None:
    n, h, w, c = images.shape
    report.count += n
    report.facts.append(f"{what}{_counted(n, 'image')} of {w} x {h}, {c} channels, {images.dtype}")
    if labels is not None:
        counts = np.bincount(labels)
        report.facts.append(f"{what}{len(counts)} classes of {counts.min():,} to {counts.max():,}")
    flat = images.reshape(n, -1)
    distinct = len({hashlib.sha256(np.ascontiguousarray(row).data).digest() for row in flat})
    if distinct < n:
        report.notes.append(f"{what}{_counted(n - distinct, 'image')} equal to an earlier one")


def _check_idx_folder(report: Report) -> None:
    for split in idx.PREFIXES:
        try:
            found = idx.load_folder(report.path, split)
        except DataError as error:
            report.problems.append(str(error))
        else:
            _describe(report, found.stored, found.labels, f"{split}: ")


def _check_idx(report: Report) -> None:
    found = idx.load_file(report.path)
    _describe(report, found.stored, found.labels, "")


def _check_npz(report: Report) -> None:
    for name, array in npz.read_npz(report.path).items():
        report.facts.append(f"array {name}: {array.shape} {array.dtype}")
    found = npz.load_npz(report.path, "train")
    _describe(report, found.stored, found.labels, "")


def _examined(report: Report, files: list[Path]) -> Iterator[tuple[str, str, Facts]]:
    """Yield (name, digest, facts) of each readable file; the others become problems."""
    for path in files:
        try:
            data = read_bytes(path)
            facts = examine(data, path)[1]
        except DataError as error:
            report.problems.append(str(error))
        else:
            yield str(path.relative_to(report.path)), hashlib.sha256(data).hexdigest(), facts


def _check_images(report: Report) -> None:
    files = folder.image_files(report.path)
    seen: dict[str, str] = {}
    sizes: dict[str, str] = {}
    channels: dict[str, int] = {}
    for name, digest, facts in _examined(report, files):
        report.count += 1
        sizes[name] = f"{facts.size[0]} x {facts.size[1]}"
        channels[name] = facts.channels
        why = refusal(facts, Rules())
        if why:
            report.problems.append(f"{report.path / name}: {why}")
        report.notes += [f"{name}: {remark}" for remark in facts.remarks]
        if digest in seen:
            report.notes.append(f"{name}: the same bytes as {seen[digest]}")
        seen.setdefault(digest, name)
    report.facts.append(_counted(report.count, "readable image"))
    classes = folder.class_names(report.path, files)
    if classes:
        report.facts.append(_spread(Counter(_top(report.path, f) for f in files), "classes"))
    if _compare(report, sizes, "sizes"):
        report.notes.append("sizes differ: state a size to load them")
    if _compare(report, {n: f"{c}" for n, c in channels.items()}, "channels"):
        report.problems.append(f"{report.path}: channels differ; state channels=1 or channels=3")


def _top(root: Path, file: Path) -> str:
    return file.relative_to(root).parts[0]


def _compare(report: Report, values: dict[str, str], noun: str) -> bool:
    """Report how a property is spread, name the files that stand out; tell whether it differs."""
    counter = Counter(values.values())
    if counter:
        report.facts.append(_spread(counter, noun))
    if len(counter) < 2:
        return False
    usual = counter.most_common(1)[0][0]
    rest = [name for name, value in values.items() if value != usual]
    if len(rest) <= max(1, len(values) // 10):  # otherwise nothing is usual
        report.notes += [f"{name}: {noun} {values[name]}, not {usual}" for name in rest]
    return True


_CHECKS: dict[str, Callable[[Report], None]] = {
    "image folder": _check_images,
    "idx folder": _check_idx_folder,
    "idx": _check_idx,
    "npz": _check_npz,
}
