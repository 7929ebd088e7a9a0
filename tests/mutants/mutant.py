"""What a planted bug is, and how the campaigns' tests are named."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A bug: in ``path`` the text ``old``, which occurs once, becomes ``new``.

    ``test`` is a pytest node without shell characters; it must fail by an assertion.
    """

    name: str
    path: str
    old: str
    new: str
    test: str

    def applied_to(self, source):
        """Return the source with the bug in it."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: {self.old!r} occurs {found} times in {self.path}")
        return source.replace(self.old, self.new)


def gradients(op, backend="numpy"):
    """Name the property test of an op's derivatives on a backend."""
    return f"tests/test_properties.py::test_derivatives_of_random_cases_are_right[{op}-{backend}]"


def conformance(op):
    """Name the test that holds all kernels of an op to its reference."""
    return f"tests/test_conformance.py::test_every_kernel_conforms[{op}]"
