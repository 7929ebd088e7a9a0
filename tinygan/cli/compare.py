"""``tinygan compare RUN RUN ...``: the metrics of several runs side by side, last and best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from ..errors import OptionError
from ..runs.judge import best_step, is_frechet, names_of
from ..runs.rundir import RunDirectory
from .arguments import parse
from .exits import OK

USUAL = ("fid", "fd", "kid", "is", "precision", "recall", "modes", "high_quality")
PROTOCOL = ("net", "sha256", "resize", "protocol", "n_real", "n_fake", "split")


@dataclass(frozen=True)
class Options:
    """Which runs.

    Attributes:
        runs: the runs' folders, or the starts of their names.
        metrics: full names with commas between, e.g. fd_digits_lenet,coverage_digits_lenet, or
            all; by default the usual ones that every run has.
    """

    runs: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN RUN ...")
    ] = ()
    metrics: str = ""


@dataclass(frozen=True)
class Found:
    """The measurements of one run.

    Attributes:
        name: of its folder.
        steps: numbers by name, by step; a later row of a step replaces an earlier one.
        protocol: what the card of the last Frechet distance says of how it was measured.
        key: the Frechet distance that tells the best step.
    """

    name: str
    steps: dict[int, dict[str, Any]]
    protocol: dict[str, Any]
    key: str


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan compare", Options, args)
    if not options.runs:
        raise OptionError("compare: a run is missing; tinygan compare RUN RUN ...")
    found = [read(RunDirectory.open(path)) for path in options.runs]
    keys = _keys(options, found)
    print("\n".join(table(found, keys)))
    for line in differences(found):
        print(line)
    return OK


def read(run: RunDirectory) -> Found:
    """Gather the rows of all metrics of a run.

    Raises:
        OptionError: nothing was measured.
    """
    steps: dict[int, dict[str, Any]] = {}
    key, protocol = "", {}
    for name in run.row_names():
        if not name.startswith("metric-"):
            continue
        full = name.removeprefix("metric-")
        for row in run.read_rows(name):
            step = row.get("step")
            if not isinstance(step, int):
                continue
            steps.setdefault(step, {}).update(row)
            if is_frechet(full) and full in row:
                key, protocol = full, {part: row[part] for part in PROTOCOL if part in row}
    if not steps:
        raise OptionError(f"{run.path}: nothing was measured; tinygan metrics {run.path}")
    return Found(run.path.resolve().name, steps, protocol, key)


def table(found: list[Found], keys: list[str]) -> list[str]:
    """Return the lines of the table."""
    nets = _nets(found)  # what all names end with is said once, above the table
    net = nets.pop() if len(nets) == 1 else ""
    rows = [["run", "", "step", *(key.removesuffix(net) if net else key for key in keys)]]
    for each in found:
        last = max(each.steps)
        measured = [{"step": step, **values} for step, values in each.steps.items()]
        best = best_step(measured, each.key)
        for which, step in (("last", last), ("best", best)):
            if step is not None:
                cells = [_cell(each.steps[step], key) for key in keys]
                rows.append([each.name if which == "last" else "", which, str(step), *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    title = [f"in the features of {net[1:]}"] if net else []
    return title + [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def differences(found: list[Found]) -> list[str]:
    """Say which parts of the protocol differ, since then the numbers don't compare."""
    lines = []
    for part in PROTOCOL:
        values = {str(each.protocol.get(part, "none")) for each in found}
        if len(values) > 1:
            lines.append(f"warning: {part} differs: {', '.join(sorted(values))}; don't compare")
    return lines


def _keys(options: Options, found: list[Found]) -> list[str]:
    numbers = [
        [
            key
            for row in each.steps.values()
            for key, value in row.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        for each in found
    ]
    card = {*PROTOCOL, "step", "seed"}
    shared = [key for key in dict.fromkeys(numbers[0]) if all(key in other for other in numbers)]
    plain = [k for k in shared if k not in card and not k.endswith(("_low", "_high", "_std"))]
    if options.metrics == "all":
        return plain
    asked = names_of(options.metrics)
    for name in asked:
        if name not in plain:
            raise OptionError(f"no metric {name} that all runs have: {', '.join(plain) or 'none'}")
    if not (asked or plain):
        raise OptionError("the runs share no metric; measure them in one way: tinygan metrics RUN")
    usual = {f"{name}{net}" for name in USUAL for net in ("", *_nets(found))}
    return asked or [key for key in plain if key in usual] or plain


def _nets(found: list[Found]) -> set[str]:
    return {f"_{each.protocol['net']}" for each in found if "net" in each.protocol}


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, int | float):
        return "-"
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    ends = f" [{low:.4g}, {high:.4g}]" if low is not None and high is not None else ""
    return f"{value:.4g}{ends}"
