"""Build the optional extension ``tinygan._native`` from csrc/.

Kernel files ``csrc/<op>/*.cpp`` are compiled once for each instruction set (why, says
csrc/common/dispatch.hpp), everything else once. Objects are kept in build/native under a digest of
their inputs, so that a second build compiles what changed. Without a compiler the install succeeds
and tinygan runs on Numba or NumPy; ``TINYGAN_REQUIRE_CPP=1`` makes that fatal. ``CXX`` names a
compiler and ``TINYGAN_CXXFLAGS`` adds flags, e.g. ``-fsanitize=address``.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
OBJECTS = ROOT / "build" / "native"

FLAGS = "-std=c++17 -O3 -fPIC -fvisibility=hidden -ffp-contract=fast -pthread -Wall -Wno-psabi"
BINDING_FLAGS = "-O1"  # bindings only check and forward: -O3 would double their compile time
FOLDER_FLAGS = {"philox": "-ffp-contract=off"}  # its bits are those of NumPy
ISA_FLAGS = {"base": ""}
if platform.machine().lower() in ("x86_64", "amd64"):
    ISA_FLAGS["avx2"] = "-mavx2 -mfma"
    ISA_FLAGS["avx512"] = (
        "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512"
    )


class BuildError(Exception):
    """The extension can't be built; the message is the reason, one line."""


def find_compiler() -> list[str]:
    """Return the C++ compiler as a command, or raise BuildError."""
    named = os.environ.get("CXX")
    for command in [named] if named else [sysconfig.get_config_var("CXX"), "g++", "c++", "clang++"]:
        words = shlex.split(command or "")
        if words and shutil.which(words[0]):
            return words
    raise BuildError(f"no {named or 'g++'}")


def run(command: list[str]) -> None:
    """Run the compiler; on failure raise BuildError with its first error line."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stderr:
        print(done.stderr, file=sys.stderr)
    if done.returncode:
        lines = done.stderr.splitlines() or [f"exit status {done.returncode}"]
        raise BuildError(next((line for line in lines if "error" in line), lines[-1]))


def units() -> list[tuple[Path, str]]:
    """List (source, instruction set) for every object; the slow ones first."""
    shared = [*sorted(ROOT.glob("csrc/*/bind.cpp")), ROOT / "csrc" / "module.cpp"]
    plain = sorted(ROOT.glob("csrc/common/*.cpp"))
    done = {*shared, *plain, *ROOT.glob("csrc/cusim/*.cpp")}
    kernels = [path for path in sorted(ROOT.glob("csrc/*/*.cpp")) if path not in done]
    per_isa = [(path, isa) for path in kernels for isa in reversed(ISA_FLAGS)]
    return [*per_isa, *((path, "") for path in shared + plain)]


def compile_command(cxx: list[str], source: Path, isa: str, includes: list[str]) -> list[str]:
    """Return the command that compiles one source, without its output name."""
    flags = FLAGS.split()
    if isa:
        flags += [f"-DTG_ISA=tg_{isa}", *ISA_FLAGS[isa].split()]
    elif source.parent.name != "common":
        flags += BINDING_FLAGS.split()
    flags += FOLDER_FLAGS.get(source.parent.name, "").split()
    flags += shlex.split(os.environ.get("TINYGAN_CXXFLAGS", ""))
    return [*cxx, *flags, *(f"-I{path}" for path in includes), "-c", str(source)]


def compile_unit(command: list[str], source: Path, isa: str, headers: bytes) -> Path:
    """Compile one source unless an object of the same inputs exists; return the object."""
    # where the sources lie doesn't count: a copy of the tree finds the objects that it was copied with
    described = repr([*command[:-1], source.relative_to(ROOT).as_posix()]).encode()
    digest = hashlib.sha256(described + headers + source.read_bytes()).hexdigest()[:16]
    stem = f"{source.parent.name}-{source.stem}{'-' if isa else ''}{isa}"
    target = OBJECTS / f"{stem}@{digest}.o"
    if not target.exists():
        part = target.with_suffix(f".{os.getpid()}.part")
        run([*command, "-o", str(part)])
        for stale in OBJECTS.glob(f"{stem}@*.o"):
            stale.unlink(missing_ok=True)
        part.replace(target)
    return target


def build(target: Path) -> None:
    """Compile and link the extension to ``target``."""
    cxx = find_compiler()
    try:
        import pybind11
    except ImportError:
        raise BuildError("pybind11 is not installed") from None
    includes = [sysconfig.get_path("include"), pybind11.get_include()]
    headers = b"".join(path.read_bytes() for path in sorted(ROOT.glob("csrc/*/*.hpp")))
    OBJECTS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        jobs = [
            pool.submit(compile_unit, compile_command(cxx, src, isa, includes), src, isa, headers)
            for src, isa in units()
        ]
        objects = [str(job.result()) for job in jobs]
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")
    link = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    extra = shlex.split(os.environ.get("TINYGAN_CXXFLAGS", ""))
    run([*cxx, *link, *extra, "-pthread", *objects, "-o", str(part)])
    part.replace(target)  # at once: a process that has the old one loaded keeps it


class OptionalBuild(build_ext):
    """build_ext that says why the extension is missing instead of failing the install."""

    def build_extension(self, ext: Extension) -> None:
        """Build ``ext``, or print one line and go on."""
        try:
            build(Path(self.get_ext_fullpath(ext.name)).resolve())
        except (BuildError, OSError) as error:
            if os.environ.get("TINYGAN_REQUIRE_CPP") == "1":
                raise SystemExit(f"tinygan: C++ kernels not built: {error}") from None
            print(f"tinygan: C++ kernels not built ({error}): using Numba or NumPy instead")

    def copy_extensions_to_source(self) -> None:
        """Copy the extension next to the Python files (editable installs), if it was built."""
        if any(Path(path).exists() for path in super().get_outputs()):
            super().copy_extensions_to_source()

    def get_outputs(self) -> list[str]:
        """List the files that exist: an extension that was not built is none."""
        return [path for path in super().get_outputs() if Path(path).exists()]


NATIVE = Extension(  # the lists are for source distributions; OptionalBuild finds the files itself
    "tinygan._native",
    sorted({str(path.relative_to(ROOT)) for path, _ in units()}),
    depends=sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("csrc/*/*.hpp")),
)


class WithCudaSources(build_py):
    """Copy the CUDA sources, and the emulator's, into the package: they are compiled when used."""

    def run(self) -> None:
        """Copy the modules, then the sources to ``tinygan/csrc``."""
        super().run()
        if self.editable_mode:
            return  # a checkout has them beside the package
        for path in sorted((ROOT / "csrc").rglob("*")):
            if path.suffix in (".cu", ".cuh", ".hpp"):
                target = Path(self.build_lib, "tinygan", path.relative_to(ROOT))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


setup(ext_modules=[NATIVE], cmdclass={"build_ext": OptionalBuild, "build_py": WithCudaSources})
