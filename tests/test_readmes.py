"""The Python blocks of every README run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "tinygan").rglob("README.md"))]]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_code_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared = {"__name__": page.stem}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, str(page), "exec"), shared)  # later blocks may use earlier names


def test_every_kernel_has_a_page():
    folders = [p for p in (ROOT / "tinygan/kernels").iterdir() if (p / "__init__.py").exists()]
    assert not [f.name for f in folders if not (f / "README.md").exists()]
