"""Make docs/errata.md of the tests' tags and docstrings: ``make errata``.

Each section has the claim, what holds, the derivation (the docstring), the test and the sources.
"""

import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .cited import CITED
from .record import Erratum

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "errata.md"

INTRO = """\
# Errata: common claims about GANs that don't hold

Each of these claims is found in teaching material, in examples or in published code. Each has the
statement that holds, its derivation, and a test that computes both: that the claim fails in a
concrete case, and that the correction holds there. What only a source can decide is cited, and says
so.

This page is made from the tests by `make errata`; `make test` checks that it is up to date. The
tests alone: `.venv/bin/python -m pytest tests/errata`.

**Notation**

- x is a real sample with the law p; G(z) is a fake, made of noise z, with the law q; E is a mean
  over samples.
- D(x) is a *logit* l, a number of any size, unless a sigmoid is written; sigmoid(l) = 1 / (1 +
  exp(-l)) is D's probability of "real". A Wasserstein GAN's D is called a critic, f.
- softplus(l) = log(1 + exp(l)), so -log sigmoid(l) = softplus(-l) and -log(1 - sigmoid(l)) =
  softplus(l).
- KL(p, q) = E_p log(p / q); JS(p, q) = KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2; W1 is the
  Wasserstein distance (E2 defines it).
- theta are G's weights, psi are D's; `lr` and h are step sizes; "descent" and "a step" mean
  theta - lr * gradient.
"""

GROUPS = {
    "E": "Claims of teaching material",
    "B": "Examples in code that don't do what they say",
    "T": "Traps in published code",
}

# Words of a test's name that are written otherwise in a title.
SPELLING = {
    "d": "D", "g": "G", "r1": "R1", "gan": "GAN", "timegan": "TimeGAN", "nash": "Nash",
    "wasserstein": "Wasserstein", "jacobian": "Jacobian", "ms": "MS-SSIM", "ssim": "",
    "linspace": "`linspace`",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A section of the page: an erratum, and its test if it has one."""

    erratum: Erratum
    title: str
    why: str
    test: Callable[[], None] | None = None


def tests() -> Iterator[Callable[[], None]]:
    """Yield the tagged tests of this folder."""
    for file in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f"{__package__}.{file.stem}")
        yield from (f for f in vars(module).values() if hasattr(f, "erratum"))


def entries() -> list[Entry]:
    """List the errata in the order of their numbers: E, then B, then T."""
    found = [Entry(e, e.title, textwrap.fill(e.why, 100)) for e in CITED]
    for test in tests():
        found.append(Entry(test.erratum, title_of(test.__name__), inspect.getdoc(test), test))
    order = list(GROUPS)
    return sorted(
        found, key=lambda e: (order.index(e.erratum.number[0]), int(e.erratum.number[1:]))
    )


def title_of(test_name: str) -> str:
    """Turn test_detach_blocks_g into "Detach blocks G"."""
    words = test_name.removeprefix("test_").split("_")
    title = " ".join(w for w in (SPELLING.get(word, word) for word in words) if w)
    return title[0].upper() + title[1:]


def linked(source: str) -> str:
    """Link the arXiv number of a source."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", source)


def section(entry: Entry) -> str:
    """Write one erratum."""
    e = entry.erratum
    if entry.test is None:
        proof = f"**Not tested**: {e.untested}"
    else:
        file = Path(inspect.getfile(entry.test)).name
        proof = f"**Test**: `{entry.test.__name__}` in [{file}](../tests/errata/{file})"
    return "\n\n".join(
        (
            f'### <a id="{e.number}"></a>{e.number}. {entry.title}',
            f"**A common claim**: {e.claim}",
            f"**What holds**: {e.correct}",
            entry.why,
            proof,
            f"**Sources**: {'; '.join(map(linked, e.sources))}",
        )
    )


def render() -> str:
    """Write the whole page."""
    parts, found = [INTRO], entries()
    for letter, heading in GROUPS.items():
        mine = [e for e in found if e.erratum.number[0] == letter]
        lines = [f"- [{e.erratum.number}](#{e.erratum.number}) {e.title}" for e in mine]
        parts.append(f"**{heading}**\n\n" + "\n".join(lines) + "\n")
    for letter, heading in GROUPS.items():
        parts.append(f"## {heading}\n")
        parts += [section(e) + "\n" for e in found if e.erratum.number[0] == letter]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
