"""Look through a data set before training on it: what it holds, and every file that is odd."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError, OptionError
from . import cifar, folder, idx, npz, parquet, zip_images
from ._guard import reading
from ._zip import opened_zip
from .catalog import is_built_in, load, plain_parts, split_prefix, split_size
from .dataset import Dataset
from .gather import ImageFile
from .kinds import kind_of
from .pairs import partnerless, sides_of
from .pixels import Facts, Rules, examine, read_bytes, refusal

_ANY_SIZE = 32  # pixels, where images of several sizes are loaded to see whether they can be


@dataclass
class Report:
    """What ``check`` found.

    Attributes:
        path: what was looked at.
        kind: what ``kind_of`` calls it, or ``"unknown"``.
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


def check(spec: str | Path) -> Report:
    """Read everything below a path and report what is there and what is wrong with it.

    Raises nothing for bad data: a problem is a line of the report.

    Args:
        spec: a path; or a name, or sets made of others, as ``load`` takes them: then each path in
            it is looked through, and the whole is loaded.
    """
    text = str(spec)
    report = Report(Path(text).expanduser())
    try:
        if split_prefix(text)[0] or is_built_in(text):
            _check_made(report, text)
        else:
            report.kind = kind_of(report.path)
            _CHECKS[report.kind](report)
    except (DataError, OptionError) as error:
        report.problems.append(str(error))
    return report


def _check_made(report: Report, spec: str) -> None:
    """Report on a set by name, or one that is made of others."""
    prefix, rest = split_prefix(spec)
    report.kind = "made of others" if prefix else "built in"
    for part in dict.fromkeys(plain_parts(spec)):
        if not is_built_in(part):
            found = check(split_size(part)[0])
            report.facts += [f"{part}: {line}" for line in found.facts]
            report.notes += [f"{part}: {line}" for line in found.notes]
            report.problems += found.problems
    if prefix == "pairs":
        report.problems += partnerless(sides_of(rest))
    if report.problems:
        return
    try:
        whole = load(spec)
    except DataError as why:
        try:  # perhaps sizes differ, and nothing else is wrong
            whole = load(spec, size=_ANY_SIZE)
        except (DataError, OptionError):
            raise why from None
        report.notes.append(f"sizes differ: state a size to load them; here {_ANY_SIZE}")
    report.count = len(whole)
    shape = " x ".join(map(str, whole.shape))
    report.facts.append(f"{_counted(len(whole), 'sample')} of {shape}")
    for domain, name in zip(whole.domains or (), "AB", strict=False):
        report.facts.append(f"{name}: {_counted(len(domain), 'image')} of {domain.name}")
    _describe_labels(report, whole.labels, whole.classes)


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


def _check_splits(
    report: Report, splits: Iterable[str], read: Callable[[Path, str], Dataset]
) -> None:
    """Describe each split of a source that has several."""
    for split in splits:
        try:
            found = read(report.path, split)
        except DataError as error:
            report.problems.append(str(error))
        else:
            _describe(report, found.stored, found.labels, f"{split}: ")


def _check_idx_folder(report: Report) -> None:
    _check_splits(report, idx.PREFIXES, idx.load_folder)


def _check_cifar_folder(report: Report) -> None:
    _check_splits(report, cifar.splits(report.path), cifar.load_folder)


def _check_cifar_archive(report: Report) -> None:
    _check_splits(report, cifar.SPLITS, cifar.load_archive)


def _check_cifar(report: Report) -> None:
    found = cifar.load_file(report.path)
    _describe(report, found.stored, found.labels, "")


def _check_idx(report: Report) -> None:
    found = idx.load_file(report.path)
    _describe(report, found.stored, found.labels, "")


def _check_npz(report: Report) -> None:
    for name, array in npz.read_npz(report.path).items():
        report.facts.append(f"array {name}: {array.shape} {array.dtype}")
    found = npz.load_npz(report.path, "train")
    _describe(report, found.stored, found.labels, "")


def _examined(report: Report, files: Iterable[ImageFile]) -> Iterator[tuple[str, str, Facts]]:
    """Yield (name, digest, facts) of each readable file; the others become problems."""
    for path, read in files:
        try:
            data = read()
            facts = examine(data, path)[1]
        except DataError as error:
            report.problems.append(str(error))
        else:
            yield str(path.relative_to(report.path)), hashlib.sha256(data).hexdigest(), facts


def _check_images(report: Report, files: Iterable[ImageFile]) -> None:
    """Report on image files of any container."""
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
    if _compare(report, sizes, "sizes"):
        report.notes.append("sizes differ: state a size to load them")
    if _compare(report, {n: f"{c}" for n, c in channels.items()}, "channels"):
        report.problems.append(f"{report.path}: channels differ; state channels=1 or channels=3")


def _describe_labels(report: Report, labels: np.ndarray | None, classes: tuple[str, ...]) -> None:
    if labels is not None:
        counter = Counter(classes[label] for label in labels.tolist())
        report.facts.append(_spread(counter, "classes"))


def _check_image_folder(report: Report) -> None:
    files = folder.image_files(report.path)
    _check_images(report, ((path, partial(read_bytes, path)) for path in files))
    _describe_labels(report, *folder.labels_of(report.path, files))


def _check_zip(report: Report) -> None:
    path = report.path
    with reading(path, zip_images.ZIP_FITS), opened_zip(path) as archive:
        parts = {s: zip_images.contents(archive, path, s) for s in ("train", "test")}
        if parts["train"].names == parts["test"].names:
            del parts["test"]  # the zip has no splits
        for found in parts.values():
            _check_images(report, zip_images.image_files(archive, path, found.names))
            _describe_labels(report, found.labels, found.classes)


def _check_parquet(report: Report) -> None:
    is_folder = report.path.is_dir()
    splits = parquet.splits(report.path) if is_folder else ("",)
    for split in splits:
        rows = parquet.Shards(parquet.shards(report.path, split) if is_folder else [report.path])
        _check_images(report, rows.images())
        _describe_labels(report, *rows.checked_labels())


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
    "image folder": _check_image_folder,
    "image zip": _check_zip,
    "idx folder": _check_idx_folder,
    "idx": _check_idx,
    "cifar folder": _check_cifar_folder,
    "cifar archive": _check_cifar_archive,
    "cifar": _check_cifar,
    "parquet": _check_parquet,
    "parquet folder": _check_parquet,
    "npz": _check_npz,
}
