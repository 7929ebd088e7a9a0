"""Make ``docs/claims.md``, and what ``tinygan recipes`` prints, of the measured claims.

    python bench/claims/table.py [--check]

Every script of the folder with a tuple ``CLAIMS`` is read; a claim without a measurement says so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
from pathlib import Path

import tournament
from common import Claim, Row, figure, read, read_lines

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "claims.md"
MEASURED = ROOT / "tinygan" / "recipes" / "claims.json"
HEAD = """# Claims

What the papers say, and what tinygan measured. A figure is the mean over the seeds with its
standard error; each threshold was written into its script before it was measured. Rows are in
`bench/results/claims.jsonl`; `python bench/claims/SCRIPT.py NAME` measures one again, and
`python bench/claims/table.py` makes this page.
"""


def claims() -> dict[str, tuple[Claim, ...]]:
    """Return the claims of each script, by its name."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        if "CLAIMS" in path.read_text() and path.stem not in ("common", "table"):
            found[path.stem] = importlib.import_module(path.stem).CLAIMS
    return found


def measured(claim: Claim, rows: list[Row]) -> str:
    """Write what was measured: the figure, its unit and its seeds."""
    if not rows:
        return "not measured"
    seeds = f" ({len(rows)} seeds)" if len(rows) > 1 else " (1 seed)"
    return f"{figure([row[claim.quantity] for row in rows])} {claim.unit}{seeds}"


def verdict(claim: Claim, rows: list[Row]) -> str:
    """Say whether the claim holds."""
    if not rows:
        return "-"
    return "yes" if claim.holds([row[claim.quantity] for row in rows]) else "**no**"


def escaped(text: str) -> str:
    """Write a cell so that its bars are no bars of the table."""
    return text.replace("|", "\\|")


def page(scripts: dict[str, tuple[Claim, ...]], rows: dict[str, list[Row]]) -> str:
    """Write the page: a table for each script."""
    parts = [HEAD]
    for script, found in scripts.items():
        doc = (sys.modules[script].__doc__ or "").strip().splitlines()[0]
        parts.append(f"\n## `{script}.py`\n\n{doc}\n")
        parts.append("| claim | recipe | paper | ours | threshold | holds | budget | CPU |")
        parts.append("|---|---|---|---|---|---|---|---|")
        notes = []
        for claim in found:
            its = rows.get(claim.name, [])
            cpu = f"{statistics.mean(r['cpu_seconds'] for r in its):.0f} s" if its else "-"
            cells = (
                f"`{claim.name}`: {claim.says}",
                claim.recipe or "-",
                claim.paper,
                measured(claim, its),
                f"{claim.sense} {claim.threshold:g}",
                verdict(claim, its),
                claim.budget,
                cpu,
            )
            parts.append(f"| {' | '.join(map(escaped, cells))} |")
            if claim.note:
                notes.append(f"- `{claim.name}`: {claim.note}")
        parts += ["", *notes] if notes else []
    return "\n".join(parts) + "\n"


def all_pairs(rows: list[Row]) -> str:
    """Write the section of the tournament, which has no thresholds."""
    doc = (tournament.__doc__ or "").strip().splitlines()
    body = "\n".join(line for line in doc[3:] if not line.startswith("    python"))
    return f"\n## `tournament.py`\n\n{doc[0]}\n{body}\n\n{tournament.table(rows)}\n"


def of_recipes(scripts: dict[str, tuple[Claim, ...]], rows: dict[str, list[Row]]) -> str:
    """Write the first claim of each recipe as it was measured, for ``tinygan recipes``."""
    found: dict[str, str] = {}
    for claim in (claim for script in scripts.values() for claim in script):
        its = rows.get(claim.name, [])
        if claim.recipe and its and claim.recipe not in found:
            missed = (
                "" if verdict(claim, its) == "yes" else f", not {claim.sense} {claim.threshold:g}"
            )
            found[claim.recipe] = f"{measured(claim, its)}{missed}"
    return json.dumps(dict(sorted(found.items())), indent=1) + "\n"


def files() -> dict[Path, str]:
    """Return what both files hold when they are fresh."""
    scripts, rows, pairs = claims(), read(), read_lines(tournament.RESULTS)
    return {PAGE: page(scripts, rows) + all_pairs(pairs), MEASURED: of_recipes(scripts, rows)}


def main() -> None:
    """Write both files; with ``--check`` say whether they are what would be written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    for path, text in files().items():
        if not args.check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is stale: run python bench/claims/table.py")


if __name__ == "__main__":
    main()
