"""Plant each bug of ``planted.py`` in a copy of the tree: its test must pass clean and fail there.

    make mutants                        all of them, and writes docs/mutants.md
    python tests/mutants/run.py padding only those whose name holds a word

A test that errs at collection, or is skipped, has not caught anything.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from planted import MUTANTS, page

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "mutants.md"
PASSED, FAILED = 0, 1  # pytest's exit codes
PATIENCE = 600  # seconds for one test; a mutant that hangs is not caught by a named check


class Copy:
    """A copy of the tree that a bug may be planted in, with its own build of the C++ kernels."""

    def __init__(self, folder):
        self.folder = folder
        every = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.check_output(every, cwd=ROOT, text=True)
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        if (ROOT / "build").is_dir():  # compiled objects, found again by their digests
            shutil.copytree(ROOT / "build" / "native", folder / "build" / "native")
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TINYGAN_REQUIRE_CPP": "1",
            "NUMBA_CACHE_DIR": str(folder / "numba"),
        }
        self.build()

    def build(self):
        """Compile what has changed."""
        done = self.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"])
        if done.returncode:
            sys.exit(f"the C++ kernels don't compile: {done.stderr[-2000:]}")

    def run(self, command, **options):
        """Run a command in the copy, and return what came of it."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            **options,
        )

    def test(self, node):
        """Run one test; return the exit code, below 0 of a crash, or None if it skipped or hung."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            *node.split(),
        ]
        try:
            done = self.run(command, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return None
        counts = done.stdout.strip().splitlines()[-1:] or [""]
        told = " passed" in counts[0] or " failed" in counts[0]
        return done.returncode if told or done.returncode < 0 else None

    def plant(self, mutant):
        """Put the bug in; return a function that takes it out again."""
        path = self.folder / mutant.path
        clean = path.read_text()
        path.write_text(mutant.applied_to(clean))
        native = path.suffix in (".cpp", ".hpp")
        if native:
            self.build()

        def take_out():
            path.write_text(clean)
            if native:
                self.build()

        return take_out


def judge(copy, mutant, clean):
    """Return the verdict on one mutant: ``caught``, or what is wrong."""
    if clean[mutant.test] != PASSED:
        return "its test does not pass on clean sources"
    take_out = copy.plant(mutant)
    try:
        code = copy.test(mutant.test)
    finally:
        take_out()
    if code == FAILED or code < 0:  # a bug in C++ may kill the process: that fails a suite as well
        return "caught"
    return "NOT CAUGHT" if code == PASSED else "its test neither passed nor failed"


def campaign(mutants, jobs):
    """Yield (mutant, verdict, seconds) in the order of the table."""
    with tempfile.TemporaryDirectory(prefix="tinygan-mutants-") as place:
        copies = queue.Queue()
        for i in range(jobs):
            folder = Path(place) / str(i)
            folder.mkdir()
            copies.put(Copy(folder))

        def in_a_copy(work, *args):
            copy, start = copies.get(), time.monotonic()
            try:
                return work(copy, *args), time.monotonic() - start
            finally:
                copies.put(copy)

        nodes = list(dict.fromkeys(m.test for m in mutants))
        with ThreadPoolExecutor(jobs) as pool:
            codes = pool.map(lambda node: in_a_copy(Copy.test, node)[0], nodes)
            clean = dict(zip(nodes, codes, strict=True))
            verdicts = pool.map(lambda m: in_a_copy(judge, m, clean), mutants)
            for mutant, (verdict, seconds) in zip(mutants, verdicts, strict=True):
                yield mutant, verdict, seconds


def main(words):
    """Judge the mutants whose name holds one of the words (all, if there are none)."""
    chosen = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    missed = 0
    for mutant, verdict, seconds in campaign(chosen, jobs=os.cpu_count() or 1):
        missed += verdict != "caught"
        print(f"{verdict:12} {seconds:5.1f} s  {mutant.name}  [{mutant.test}]", flush=True)  # noqa: T201
    print(f"{len(chosen) - missed} of {len(chosen)} caught")  # noqa: T201
    if not words and not missed:
        PAGE.write_text(page())
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
