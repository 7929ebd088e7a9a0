"""What an erratum is, and the decorator that tags the test which computes it.

Numbers: E, a claim of teaching material; B, an example in code that doesn't do what it says;
T, a trap in published reference code. A test's docstring is the derivation; the page quotes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_F = TypeVar("_F", bound=Callable[..., None])


@dataclass(frozen=True)
class Erratum:
    """One wrong claim and its correction.

    Attributes:
        number: E, B or T and a number.
        claim: what is commonly said or written, in a line.
        correct: what holds, in a line.
        sources: arXiv identifiers, or other citations.
        title: of the page's section; a test's is made of its name.
        why: the derivation of one that has no test; a test's is its docstring.
        untested: why there is no test.
    """

    number: str
    claim: str
    correct: str
    sources: tuple[str, ...]
    title: str = ""
    why: str = ""
    untested: str = ""


def erratum(number: str, *, claim: str, correct: str, sources: tuple[str, ...]) -> Callable:
    """Tag the test that shows ``claim`` to fail and ``correct`` to hold."""

    def _tag(test: _F) -> _F:
        test.erratum = Erratum(number, claim, correct, sources)
        return test

    return _tag
