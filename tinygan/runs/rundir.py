"""The directory of a run: ``runs/00000-digits-dcgan``.

It holds ``config.json`` (all that is needed to resume), ``env.json``, ``log.txt``,
``metrics.jsonl`` and other ``*.jsonl`` (a JSON object a line, each with its ``step``),
``reals.png``, ``fakes_init.png``, ``fakes000010.png`` (the number is the count of **steps** done),
``samples.gif``, ``curves.png``, ``report.html``, and what ``checkpoint`` writes.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, SaveError
from .environment import collect_environment
from .files import PathLike, json_text, read_json, write_json, write_text

_RUN = re.compile(r"(\d{5,})-.+")


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run; ``create`` makes a new one, ``open`` finds an old one."""

    path: Path

    @classmethod
    def create(
        cls, outdir: PathLike, data_name: str, recipe_name: str, desc: str | None = None
    ) -> RunDirectory:
        """Make the folder ``NUMBER-data-recipe[-desc]`` with the next free number.

        Runs started at the same moment get numbers of their own.

        Raises:
            SaveError: the folder could not be made.
        """
        parts = [_slug(part) for part in (data_name, recipe_name, desc or "")]
        name = "-".join(part for part in parts if part)
        try:
            return cls(_claim(Path(outdir), name))
        except OSError as error:
            raise SaveError(f"{outdir}: no run folder can be made: {error.strerror}") from None

    @classmethod
    def open(cls, path: PathLike) -> RunDirectory:
        """Find a run by its folder or by the start of its name: ``runs/00000``.

        Raises:
            CheckpointError: no run, or more than one, has that name; the message lists them.
        """
        path = Path(path)
        if path.is_dir() and _RUN.fullmatch(path.resolve().name):
            return cls(path)
        runs = _runs(path.parent)
        found = [run for run in runs if run.startswith(path.name)] if path.name else []
        if len(found) == 1:
            return cls(path.parent / found[0])
        if found:
            raise CheckpointError(f"{path}: fits several runs: {_listed(found)}")
        there = f"{path.parent} has {_listed(runs)}" if runs else f"{path.parent} has none"
        raise CheckpointError(f"{path}: no such run; {there}")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from training in this folder until the ``with`` block ends.

        The claim is a lock of the system's, which ends with the process however that ends. Where
        the system or the file system has none, two runs are not kept apart.

        Raises:
            CheckpointError: another process, or another part of this one, trains in the folder.
        """
        with _lock_file(self.path / ".lock") as held:
            if not held:
                raise CheckpointError(f"{self.path}: another process is training in this run")
            yield

    # -- configuration and environment -----------------------------------------------------

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write all that a later resume needs; raises ``SaveError``."""
        write_json(self.path / "config.json", dict(config))

    def read_config(self) -> dict[str, Any]:
        """Read the configuration back; raises ``CheckpointError`` if it is missing or damaged."""
        config = read_json(self.path / "config.json")
        if not isinstance(config, dict):
            raise CheckpointError(f"{self.path / 'config.json'}: damaged: not a table")
        return config

    def write_environment(self, **more: object) -> None:
        """Write what the run ran on, with facts that only the caller knows (backend, device)."""
        write_json(self.path / "env.json", {**collect_environment(), **more})

    def add_environment(self, **more: object) -> None:
        """Add facts that were not known when the run began; raises ``SaveError``."""
        try:
            known = read_json(self.path / "env.json")
        except CheckpointError:  # lost or damaged: what can still be said is said
            known = None
        write_json(self.path / "env.json", {**(known if isinstance(known, dict) else {}), **more})

    # -- log and metrics -------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Append to ``log.txt``, with the time (UTC) before each line; raises ``SaveError``."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for line in text.splitlines():
            _append(self.path / "log.txt", f"{now} {line}")

    def append_row(self, row: Mapping[str, Any], name: str = "metrics") -> None:
        """Append one JSON object to ``NAME.jsonl``.

        Numbers that are not finite become null, since JSON has none.

        Args:
            row: numbers and strings; ``step`` must be among them.
            name: ``metrics``, ``metric-fid``, ``alarms``, ...

        Raises:
            SaveError: it could not be written.
        """
        path = self.path / f"{name}.jsonl"
        _append(path, json.dumps(_finite(json.loads(json_text(dict(row), path))), allow_nan=False))

    def read_rows(self, name: str = "metrics") -> list[dict[str, Any]]:
        """Return the rows of ``NAME.jsonl``; a line cut short by a crash is passed over."""
        return [row for row in map(_parsed, _lines(self.path / f"{name}.jsonl")) if row is not None]

    def truncate_after(self, step: int) -> None:
        """Drop the rows of every ``*.jsonl`` that come after a step, before it is run again.

        Raises:
            SaveError: a file could not be written; it is then as it was.
        """
        for path in self.path.glob("*.jsonl"):
            lines = _lines(path)
            rows = ((line, _parsed(line)) for line in lines)
            kept = [line for line, row in rows if row is not None and _step_of(row) <= step]
            if kept != lines:
                write_text(path, "".join(f"{line}\n" for line in kept))

    def row_names(self) -> list[str]:
        """Return the names of all ``*.jsonl`` files, without the ending."""
        return sorted(path.stem for path in self.path.glob("*.jsonl"))

    # -- pictures ----------------------------------------------------------------------------

    def fakes_path(self, step: int | None) -> Path:
        """Return where the samples of a step belong; None is the untrained generator."""
        return self.path / ("fakes_init.png" if step is None else f"fakes{step:06d}.png")

    def fakes(self) -> list[Path]:
        """Return the sample pictures that exist, in the order of their steps."""
        numbered = {path: re.fullmatch(r"fakes(\d+)\.png", path.name) for path in self._pictures()}
        steps = {path: int(match[1]) for path, match in numbered.items() if match}
        first = [path for path in self._pictures() if path.name == "fakes_init.png"]
        return first + sorted(steps, key=lambda path: steps[path])

    def _pictures(self) -> list[Path]:
        return list(self.path.glob("fakes*.png"))


@contextmanager
def _lock_file(path: Path) -> Iterator[bool]:
    """Yield whether the lock was free; it is given back at the end of the ``with`` block."""
    try:
        import fcntl

        file = path.open("a")
    except (ImportError, OSError):  # not a POSIX system, or a folder that can't be written
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # this file system has no locks
            pass
        yield True


def _claim(outdir: Path, name: str) -> Path:
    """Make a run folder whose number no other run has, also when several start at once."""
    outdir.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        taken = [int(run.split("-")[0]) for run in _runs(outdir)]
        number = max([number, *(n + 1 for n in taken)])
        claim = outdir / f".{number:05d}"
        try:
            claim.mkdir()  # only one process can hold the claim of a number
        except FileExistsError:
            number += 1
            continue
        if any(int(run.split("-")[0]) == number for run in _runs(outdir)):
            claim.rmdir()  # it was given away between the look and the claim
            continue
        final = outdir / f"{number:05d}-{name}"
        os.rename(claim, final)
        return final


def _runs(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _RUN.fullmatch(path.name))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")


def _listed(names: list[str]) -> str:
    return ", ".join(names[-5:]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _append(path: Path, line: str) -> None:
    """Append a line in one write, on a line of its own even if the last one was cut short."""
    try:
        with open(path, "a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            start = b"" if end == 0 or file.read(1) == b"\n" else b"\n"
            data = start + line.encode() + b"\n"
            if file.write(data) != len(data):
                raise SaveError(f"{path}: cannot be written: the disk is full")
    except OSError as error:
        raise SaveError(f"{path}: cannot be written: {error.strerror}") from None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from None


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _step_of(row: Mapping[str, Any]) -> float:
    step = row.get("step")
    return step if isinstance(step, int | float) else 0


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
