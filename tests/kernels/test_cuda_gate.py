"""The compile gate: every CUDA kernel, on every architecture, keeps what its row promises.

It needs NVRTC and nvdisasm (both wheels of the ``dev`` extra) and no GPU. Where they must be
there, as in continuous integration, ``TINYGAN_REQUIRE_NVRTC`` turns a skip into a failure.
"""

import functools
import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest

from tinygan.kernels.cuda import TABLE, nvrtc, sources

ROWS = [(row.entry, arch) for row in TABLE.values() for arch in row.archs]
LOCAL_MEMORY = re.compile(r"\b(LDL|STL)\b")


def tool():
    """Return the path of nvdisasm, of its wheel."""
    spec = importlib.util.find_spec("nvidia.cu13") if importlib.util.find_spec("nvidia") else None
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, "bin", "nvdisasm")).exists():
            return path
    return None


def need(found, what):
    if found:
        return
    if os.environ.get("TINYGAN_REQUIRE_NVRTC"):
        pytest.fail(f"{what} is missing, and TINYGAN_REQUIRE_NVRTC is set")
    pytest.skip(f"{what} is not installed")


@functools.cache
def assembly(file, arch, options, folder):
    """Return the instructions of every kernel of a source, by its name."""
    path = folder / f"{file.replace('/', '-')}.{arch}.cubin"
    path.write_bytes(nvrtc.cubin(file, arch, options)[0])
    done = subprocess.run([tool(), "-c", path], capture_output=True, text=True, check=True)
    parts = re.split(r"^\.text\.(\w+):", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cubins")


@pytest.mark.parametrize(("entry", "arch"), ROWS)
def test_a_kernel_compiles_to_what_its_row_promises(entry, arch, folder):
    need(nvrtc.why_not() is None, "NVRTC")
    row = TABLE[entry]
    found = nvrtc.resources(nvrtc.cubin(row.file, arch, row.options)[1])[entry]
    assert found.spills == 0
    assert found.registers <= row.registers
    assert row.local or found.stack == 0
    need(tool(), "nvdisasm")
    text = assembly(row.file, arch, row.options, folder)[entry]
    assert not [opcode for opcode in row.opcodes if opcode not in text]
    assert row.local or not LOCAL_MEMORY.search(text)


def test_every_kernel_of_every_source_has_a_row():
    files = [p.relative_to(sources.root()).as_posix() for p in sources.root().rglob("*.cu")]
    written = {(file, entry) for file in files for entry in sources.kernels_of(file)}
    assert written == {(row.file, row.entry) for row in TABLE.values()}


def test_a_row_s_grid_and_shared_memory_take_the_kernel_s_own_scalars():
    for row in TABLE.values():
        scalars = {p.name: 64 for p in row.parameters if not p.pointer and not p.struct}
        assert len(row.grid(**scalars)) == 3
        assert row.shared is None or row.shared(**scalars) > 0


def test_the_cubin_s_name_changes_with_any_header(monkeypatch, tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common/tg_device.cuh").write_text("// one\n")
    (tmp_path / "k.cu").write_text('#include "common/tg_device.cuh"\n')
    monkeypatch.setattr(sources, "root", lambda: tmp_path)
    for cached in (sources.text, sources.files_of, sources.digest):
        monkeypatch.setattr(sources, cached.__name__, cached.__wrapped__)
    before = sources.digest("k.cu", "sm_90")
    assert before != sources.digest("k.cu", "sm_80")
    (tmp_path / "common/tg_device.cuh").write_text("// two\n")
    assert before != sources.digest("k.cu", "sm_90")


def test_the_page_lists_every_kernel():
    page = (Path(__file__).parents[2] / "docs" / "cuda.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| `([\w/.]+)` \|", page, re.MULTILINE)
    assert listed == [(row.entry, row.file) for row in TABLE.values()]  # else: bench/gpu/gate.py
