"""Run the C++ kernels under the sanitizers of GCC, and the emulated CUDA kernels under ASan.

``make sanitize`` copies the package and its tests to build/sanitize/<kind>, builds the extension
there with the sanitizer, and runs the kernel tests from there: the module that everybody else uses
stays as it is, and the product needs no switch. Each instruction set of this CPU runs on one thread
and on four. Exits 1 if anything is reported or a test fails.

    python tests/sanitize/run.py [address] [leak] [thread] [cusim] [--calls 10000]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "sanitize"
COPIED = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "csrc", "tests", "tinygan")

# float-cast-overflow is no part of `undefined`; a division by zero is IEEE arithmetic, not an error
CHECKS = {
    "address": "-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all",
    "thread": "-fsanitize=thread",
}
COMMON = "-O1 -g -fno-omit-frame-pointer"
RUNTIMES = {"address": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}

KERNEL_TESTS = ("tests/kernels", "tests/test_gradients.py", "tests/test_training_step.py")
# Of other backends, of builds and compilers; hostile calls run apart.
NOT_OURS = "not numba and not numpy and not install and not fatal and not hostile"
THREADED = ["threads", "conv2d", "winograd", "reduce", "batch_norm", "matmul", "philox", "pool2d"]
THREADED += ["pixel_shuffle", "softmax", "attention_kernel", "memory_abuse", "memory_runs"]
THREAD_TESTS = tuple(f"tests/kernels/test_{name}.py" for name in THREADED)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - a command line


def prepare(kind: str) -> Path:
    """Copy the sources of package and tests and build the extension in the copy; return it."""
    tree = BUILD / kind
    for name in COPIED:
        source, target = ROOT / name, tree / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            ignored = shutil.ignore_patterns("__pycache__", "_native*.so")
            shutil.copytree(source, target, ignore=ignored)
        else:
            tree.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    say(f"{kind}: building in {tree.relative_to(ROOT)}")
    env = {**os.environ, "TINYGAN_REQUIRE_CPP": "1", "TINYGAN_CXXFLAGS": f"{COMMON} {CHECKS[kind]}"}
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{kind}: not built\n{done.stdout}{done.stderr}")
    return tree


def compiler_file(name: str) -> str:
    """Return the path of one of the compiler's libraries."""
    command = [*os.environ.get("CXX", "g++").split(), f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def environment(kind: str, tree: Path, logs: Path, **more: str) -> dict[str, str]:
    """Return the environment in which Python runs the instrumented module."""
    # the C++ library goes with it: else the runtime does not find __cxa_throw when it starts
    preload = " ".join(map(compiler_file, (*RUNTIMES[kind], "libstdc++.so.6")))
    # Python itself leaks, so leaks are looked for apart (leak()); a workspace beyond all memory is
    # refused by malloc as it is elsewhere
    asan = "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096"
    return {
        **os.environ,
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": f"{asan}:log_path={logs}/asan",
        "UBSAN_OPTIONS": "print_stacktrace=1",  # beside ASan it obeys no log_path
        "TSAN_OPTIONS": f"halt_on_error=0:exitcode=0:log_path={logs}/tsan",
        "PYTHONMALLOC": "malloc",  # or Python's pools hide small buffers
        "PYTHONPATH": os.pathsep.join([str(tree), str(tree / "tests")]),
        "OPENBLAS_NUM_THREADS": "1",
        **more,
    }


def ask(expression: str, tree: Path, env: dict[str, str]) -> list[str]:
    """Return the words that an expression of the instrumented module ``n`` gives."""
    code = f"from tinygan.kernels import native as door; n = door.native; print(*{expression})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


INSTRUCTION_SETS = "door.ISAS[door.ISAS.index(n.best_isa):]"  # those of this CPU
BINDINGS = "[f for f in dir(n) if f[0] != '_' and callable(getattr(n, f))]"


class Tally:
    """What ran, and what was reported."""

    def __init__(self, kind: str) -> None:
        self.kind, self.logs = kind, BUILD / f"{kind}-logs"
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.passed = self.failed = self.runs = 0

    def add(self, name: str, command: list[str], tree: Path, env: dict[str, str]) -> None:
        """Run pytest and count its tests."""
        done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)
        summary = (done.stdout.strip().splitlines() or ["no output"])[-1]
        if not re.search(r"passed|failed|error", summary):
            summary = f"died with exit status {done.returncode}"
        self.runs += 1
        self.passed += sum(map(int, re.findall(r"(\d+) passed", summary)))
        bad = sum(map(int, re.findall(r"(\d+) (?:failed|error)", summary)))
        self.failed += bad or done.returncode != 0
        if ": runtime error: " in done.stderr:
            number = len(list(self.logs.iterdir()))
            (self.logs / f"ubsan.{number}").write_text(done.stderr)
        say(f"{self.kind}: {name}: {summary}")
        if done.returncode:
            say("\n".join((done.stdout + done.stderr).splitlines()[-40:]))

    def reports(self) -> list[str]:
        """Return the first lines of what the sanitizers wrote."""
        return [path.read_text(errors="replace") for path in sorted(self.logs.iterdir())]

    def close(self) -> bool:
        """Print the sum; tell whether all is well."""
        found = self.reports()
        for text in found[:5]:
            say("\n".join(text.splitlines()[:30]))
        say(f"{self.kind}: {self.runs} runs, {self.passed} tests passed, {self.failed} failed, "
            f"{len(found)} reports")  # fmt: skip
        return not found and not self.failed and self.passed > 0


def pytest_command(*arguments: str) -> list[str]:
    """Return a command that runs pytest in this process alone."""
    # sys: what the runtimes write to the process's stderr passes by pytest
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "--capture=sys")
    return [sys.executable, "-m", "pytest", *options, *arguments]


def address(calls: int) -> bool:
    """Run kernel tests and hostile calls under AddressSanitizer and UBSan."""
    tree, tally = prepare("address"), Tally("address")
    isas = ask(INSTRUCTION_SETS, tree, environment("address", tree, tally.logs))
    for isa in isas:
        for threads in ("1", "4"):
            settings = {"TINYGAN_ISA": isa, "TINYGAN_NUM_THREADS": threads}
            env = environment("address", tree, tally.logs, **settings)
            tally.add(f"{isa}, {threads} threads, kernel tests",
                      pytest_command(*KERNEL_TESTS, "-k", NOT_OURS), tree, env)  # fmt: skip
        # what refuses a call is one for all instruction sets: a tenth tries their kernels
        count = calls if isa == isas[0] else max(calls // 10, 100)
        tally.add(f"{isa}, {count} hostile calls a binding",
                  pytest_command("tests/kernels/test_hostile_calls.py"), tree,
                  {**env, "TINYGAN_HOSTILE_CALLS": str(count)})  # fmt: skip
    return tally.close()


def leak() -> bool:
    """Run right and hostile calls in a loop under LeakSanitizer; count leaks through csrc/."""
    tree, tally = prepare("address"), Tally("leak")
    env = environment("address", tree, tally.logs)
    names = ask(BINDINGS, tree, env)
    env["ASAN_OPTIONS"] = env["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")
    env["LSAN_OPTIONS"] = "exitcode=0:max_leaks=0"
    for name in names:
        command = [sys.executable, "-m", "hostile", name, "0", "300"]
        done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)
        tally.runs, tally.passed = tally.runs + 1, tally.passed + (done.returncode == 0)
        tally.failed += done.returncode != 0
    blocks = [block for text in tally.reports() for block in text.split("\n\n")]
    ours = [block for block in blocks if "leak of" in block and "/csrc/" in block]
    for block in ours[:5]:
        say(block)
    say(f"leak: {len(names)} bindings, 300 calls each, {tally.failed} failed, "
        f"{len(ours)} leaks through csrc/")  # fmt: skip
    return bool(names) and not ours and not tally.failed


def thread(_calls: int = 0) -> bool:
    """Run the tests of threads under ThreadSanitizer, on four workers."""
    tree, tally = prepare("thread"), Tally("thread")
    env = environment("thread", tree, tally.logs, TINYGAN_NUM_THREADS="4")
    # a forked child of many threads has a runtime that does not know it
    tally.add("4 threads", pytest_command(*THREAD_TESTS, "-k", "not fork and not numba"), tree, env)
    return tally.close()


def cusim() -> bool:
    """Run the tests of the CUDA kernels in the emulator, compiled with AddressSanitizer."""
    tree, tally = prepare("address"), Tally("cusim")
    flags = f"{COMMON} -fsanitize=address"
    settings = {"TINYGAN_CUSIM_FLAGS": flags, "TINYGAN_CACHE": str(tree / "cache")}
    tests = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("tests/kernels/test_*cusim.py"))
    env = environment("address", tree, tally.logs, **settings)
    tally.add("CUDA kernels", pytest_command(*tests), tree, env)
    return tally.close()


def main() -> int:
    """Run the sanitizers that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=["address", "leak", "thread", "cusim"])
    parser.add_argument("--calls", type=int, default=10_000, help="hostile calls a binding")
    options = parser.parse_args()
    runners = {
        "address": lambda: address(options.calls),
        "leak": leak,
        "thread": thread,
        "cusim": cusim,
    }
    return 0 if all([runners[kind]() for kind in options.kinds]) else 1


if __name__ == "__main__":
    sys.exit(main())
