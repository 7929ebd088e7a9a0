"""Layer 3, public: gradients of any order, kernels, and families of random cases of every op."""

from .bounds import bound
from .choices import Choices
from .conform.suite import conform_kernel, conformance
from .families import FAMILIES, Case, Drawn, Family, family
from .gradcheck import adjoint_identity, check_grads

__all__ = [
    "FAMILIES",
    "Case",
    "Choices",
    "Drawn",
    "Family",
    "adjoint_identity",
    "bound",
    "check_grads",
    "conform_kernel",
    "conformance",
    "family",
]
