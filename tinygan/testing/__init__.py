"""Layer 3, public: gradient checks of any order, and families of random cases of every op."""

from .cases import CASES
from .choices import Choices
from .families import FAMILIES, Case, Drawn, Family, family
from .gradcheck import adjoint_identity, check_grads

__all__ = [
    "CASES",
    "FAMILIES",
    "Case",
    "Choices",
    "Drawn",
    "Family",
    "adjoint_identity",
    "check_grads",
    "family",
]
