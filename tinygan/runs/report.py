"""``report.html``: one page that shows a run and needs nothing else to be shown.

Pictures are in the page as base64; every text that comes from the run is escaped. There is no
script and no link to anywhere.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .curves import curves_png
from .files import read_json, write_text
from .rundir import RunDirectory

_MAX_PICTURES = 12
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #222;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
figure { display: inline-block; margin: 0 .6rem .8rem 0; vertical-align: top; }
figure img { image-rendering: pixelated; max-width: 18rem; } figcaption { color: #666; }
img { max-width: 100%; } table { border-collapse: collapse; }
td, th { border: 1px solid #ddd; padding: .2rem .6rem; text-align: left; }
.alarm { background: #fdecea; border-left: 4px solid #c0392b; padding: .4rem .8rem; }
""".strip()


def write_report(run: RunDirectory) -> Path:
    """Write ``report.html`` from what the run directory holds; what is missing is left out.

    Alarms are the rows of ``alarms.jsonl`` (``step``, ``message``), metrics the rows of
    ``metric-*.jsonl``, each row a protocol card of its own.

    Returns:
        The page.

    Raises:
        SaveError: it could not be written.
    """
    path = run.path / "report.html"
    write_text(path, report_html(run))
    return path


def report_html(run: RunDirectory) -> str:
    """Return the page of ``write_report``."""
    title = html.escape(run.path.resolve().name)
    rows = run.read_rows()
    curves = _picture_of(curves_png(rows), "curves over steps") if rows else ""
    parts = [
        f"<h1>{title}</h1>",
        "".join(_alarm(row) for row in run.read_rows("alarms")),
        _section("Samples over time", _samples(run)),
        _section("Curves", curves),
        _section("Last values", _table(rows[-1]) if rows else ""),
        *[
            _section(name, _rows_table(run.read_rows(name)))
            for name in run.row_names()
            if name.startswith("metric-")
        ],
        _section("Configuration", _json_table(run.path / "config.json")),
        _section("Environment", _json_table(run.path / "env.json")),
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _section(title: str, content: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n{content}" if content else ""


def _alarm(row: Mapping[str, Any]) -> str:
    text = f"step {row.get('step')}: {row.get('message', '')}"
    return f'<p class="alarm">{html.escape(text)}</p>\n'


def _samples(run: RunDirectory) -> str:
    """Show the real images, then at most ``_MAX_PICTURES`` of the samples, evenly chosen."""
    fakes = run.fakes()
    last = len(fakes) - 1
    chosen = sorted({round(i * last / (_MAX_PICTURES - 1)) for i in range(_MAX_PICTURES)})
    paths = [run.path / "reals.png", *(fakes[index] for index in chosen if fakes)]
    return "".join(_figure(path) for path in paths if path.is_file())


def _figure(path: Path) -> str:
    try:
        return f"<figure>{_picture_of(path.read_bytes(), path.stem)}" + (
            f"<figcaption>{html.escape(path.stem)}</figcaption></figure>\n"
        )
    except OSError:
        return ""


def _picture_of(data: bytes, text: str) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{encoded}">'


def _table(items: Mapping[str, Any]) -> str:
    lines = (
        f"<tr><th>{html.escape(str(key))}</th><td>{_cell(value)}</td></tr>"
        for key, value in items.items()
    )
    return f"<table>{''.join(lines)}</table>"


def _rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{html.escape(key)}</th>" for key in keys)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(key, ''))}</td>" for key in keys) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return _table(value) if value else ""
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _json_table(path: Path) -> str:
    try:
        value = read_json(path)
    except CheckpointError:
        return ""
    return _table(value) if isinstance(value, dict) else ""
