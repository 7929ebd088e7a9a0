"""Layer 3, public: gradient checks of any order, the adjoint identity, and the case table."""

from .cases import CASES, Case
from .gradcheck import adjoint_identity, check_grads

__all__ = ["CASES", "Case", "adjoint_identity", "check_grads"]
