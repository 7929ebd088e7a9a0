"""Checkpoints that a crash at any moment, a full disk or a flipped bit can't take away.

A checkpoint is the folder ``checkpoints/step-000123`` of a run: ``tensors.safetensors``,
``state.json`` and ``SHA256SUMS`` (``sha256sum -c SHA256SUMS`` checks it by hand). It is written as
``step-000123.tmp``, every file is flushed to the disk, the folder is renamed and its parent is
flushed. Only then is the text file ``latest`` replaced: the folder's name and the SHA-256 of its
``SHA256SUMS``. So ``latest`` never names a half-written checkpoint, and a checkpoint that
``latest`` does not name is still found.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CheckpointError, SaveError
from .files import (
    Array,
    PathLike,
    decode_tensors,
    encode_tensors,
    json_text,
    parse_json,
    read_bytes,
    sync_directory,
    write_synced,
    write_text,
)

_TENSORS, _STATE, _SUMS = "tensors.safetensors", "state.json", "SHA256SUMS"
_NAME = re.compile(r"step-(\d{6,})(\.old)?")
_SPARE = 1 << 20  # free bytes to leave for logs and metrics


class Checkpoint(NamedTuple):
    """What ``load_checkpoint`` found; ``notice`` is a line for the user, or None."""

    step: int
    tensors: dict[str, Array]
    state: dict[str, Any]
    notice: str | None


def save_checkpoint(
    directory: PathLike,
    step: int,
    tensors: Mapping[str, Array],
    state: Mapping[str, Any],
    *,
    keep: int = 2,
    best: int | None = None,
) -> Path:
    """Write the checkpoint of a step, make it the latest, and drop the ones no longer needed.

    When this returns, the checkpoint is on the disk. Checkpoints of later steps, left by a run
    that was taken back, are dropped as well.

    Args:
        directory: the run directory.
        step: the number of steps done.
        tensors: arrays by name; they come back with their values, dtypes and memory order.
        state: numbers, strings, lists and dicts that JSON can hold (a tuple comes back a list).
        keep: how many checkpoints to keep, at least 1.
        best: the step of a checkpoint to keep besides.

    Returns:
        The folder of the checkpoint.

    Raises:
        SaveError: it could not be written (the disk is full); the former ones are intact, so
            training can go on.
    """
    root = Path(directory) / "checkpoints"
    final = root / f"step-{step:06d}"
    temporary = root / f"{final.name}.tmp"
    pieces: dict[str, list[bytes | memoryview]] = {
        _TENSORS: encode_tensors(tensors),
        _STATE: [json_text({"step": step, "state": dict(state)}, final / _STATE).encode()],
    }
    try:
        root.mkdir(parents=True, exist_ok=True)
        remove_stale(directory)
        _check_space(root, sum(len(chunk) for chunks in pieces.values() for chunk in chunks))
        temporary.mkdir()
        sums = {name: write_synced(temporary / name, chunks) for name, chunks in pieces.items()}
        anchor = write_synced(temporary / _SUMS, [_sums_text(sums)])
        sync_directory(temporary)
        _rename_over(temporary, final)
        sync_directory(root)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise SaveError(f"{final}: cannot be saved: {error.strerror or error}") from None
    write_text(Path(directory) / "latest", f"{final.name} {anchor}\n")
    _prune(root, step, keep, best)
    return final


def load_checkpoint(directory: PathLike, *, step: int | None = None) -> Checkpoint:
    """Read the latest whole checkpoint of a run, or the one of a step.

    Every byte is checked. If the latest checkpoint is damaged, the one before it is taken, and
    ``notice`` says so in one line.

    Args:
        directory: the run directory.
        step: whose checkpoint to read, and no other.

    Raises:
        CheckpointError: there is no whole checkpoint; the message says what is wrong.
    """
    root = Path(directory) / "checkpoints"
    if step is not None:
        if f"step-{step:06d}" not in _checkpoints(root):
            kept = ", ".join(sorted(_checkpoints(root))) or "none"
            raise CheckpointError(f"{root}: no checkpoint of step {step}; kept are {kept}")
        return Checkpoint(*_read(root / f"step-{step:06d}", None), None)
    problems: list[str] = []
    try:
        name, anchor = _read_latest(directory)
    except CheckpointError as error:
        name, anchor = "", ""
        problems.append(str(error))
    names = sorted(_checkpoints(root), key=_age)
    others: list[tuple[str, str | None]] = [(other, None) for other in names if other != name]
    if name and name not in names:
        problems.append(f"{root / name}: is missing")
    elif name:  # without its anchor only if nothing else is left
        others = [(name, anchor), *others, (name, None)]
    for candidate, expected in others:
        try:
            step, tensors, state = _read(root / candidate, expected)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        notice = f"{problems[0]}; going on from {candidate}" if problems else None
        return Checkpoint(step, tensors, state, notice)
    if not names:
        raise CheckpointError(f"{Path(directory)}: holds no checkpoint to go on from")
    raise CheckpointError(f"no whole checkpoint is left: {'; '.join(dict.fromkeys(problems))}")


def has_checkpoint(directory: PathLike) -> bool:
    """Tell whether a run directory holds a checkpoint, whole or not."""
    return bool(_checkpoints(Path(directory) / "checkpoints"))


def remove_stale(directory: PathLike) -> None:
    """Remove what an interrupted save left; call it when no other process saves to this run."""
    for path in (Path(directory) / "checkpoints").glob("step-*.tmp"):
        shutil.rmtree(path, ignore_errors=True)
    for path in Path(directory).glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


# -- one checkpoint ----------------------------------------------------------------------------


def _read(folder: Path, anchor: str | None) -> tuple[int, dict[str, Array], dict[str, Any]]:
    sums_data = read_bytes(folder / _SUMS)
    if anchor is not None and hashlib.sha256(sums_data).hexdigest() != anchor:
        raise CheckpointError(f"{folder / _SUMS}: damaged: not the file that latest names")
    pairs = [line.split("  ") for line in sums_data.decode("ascii", "replace").splitlines()]
    sums = {pair[-1]: pair[0] for pair in pairs}
    if list(sums) != [_TENSORS, _STATE] or _sums_text(sums) != sums_data:
        raise CheckpointError(f"{folder / _SUMS}: damaged: not a list of two checksums")
    state_data = read_bytes(folder / _STATE)
    if hashlib.sha256(state_data).hexdigest() != sums[_STATE]:
        raise CheckpointError(f"{folder / _STATE}: damaged: its SHA-256 differs")
    content = parse_json(state_data, folder / _STATE)
    match = _NAME.fullmatch(folder.name)
    if match is None or content["step"] != int(match[1]):
        raise CheckpointError(f"{folder}: its name is not that of its step, {content['step']}")
    path = folder / _TENSORS
    tensors, _ = decode_tensors(read_bytes(path), path, sha256=sums[_TENSORS])
    return content["step"], tensors, content["state"]


def _sums_text(sums: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode(
        "ascii", "replace"
    )


def _rename_over(temporary: Path, final: Path) -> None:
    """Rename a folder; one that has its name is set aside as ``.old`` until ``_prune`` drops it."""
    old = final.with_name(f"{final.name}.old")
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final, old)
    os.rename(temporary, final)


def _check_space(root: Path, needed: int) -> None:
    free = shutil.disk_usage(root).free
    if free < needed + _SPARE:
        raise OSError(0, f"it needs {needed >> 20} MB, {free >> 20} MB are free")


# -- all checkpoints of a run ------------------------------------------------------------------


def _checkpoints(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return [path.name for path in root.iterdir() if _NAME.fullmatch(path.name)]


def _age(name: str) -> tuple[int, bool]:
    """Sort key: the latest step first, and a set-aside folder behind its successor."""
    match = _NAME.fullmatch(name)
    return (-int(match[1]), match[2] is not None) if match else (0, True)


def _read_latest(directory: PathLike) -> tuple[str, str]:
    path = Path(directory) / "latest"
    data = read_bytes(path)
    match = re.fullmatch(rb"(step-\d{6,}) ([0-9a-f]{64})\n", data)
    if match is None:
        raise CheckpointError(f"{path}: damaged: it names no checkpoint")
    return match[1].decode(), match[2].decode()


def _prune(root: Path, step: int, keep: int, best: int | None) -> None:
    """Remove all but the newest ``keep`` up to ``step`` and ``best``; failures do not matter."""
    names = sorted(_checkpoints(root), key=_age)
    past = [name for name in names if -_age(name)[0] <= step and not name.endswith(".old")]
    kept = {*past[: max(keep, 1)], f"step-{best or 0:06d}" if best is not None else ""}
    for name in set(names) - kept:
        with contextlib.suppress(OSError):  # renamed first: half removed, it must not be found
            os.rename(root / name, root / f"{name}.tmp")
        shutil.rmtree(root / f"{name}.tmp", ignore_errors=True)
