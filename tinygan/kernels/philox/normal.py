"""Normal deviates from uniforms, by + - * / sqrt and integer operations alone.

Those operations are correctly rounded on every processor, while ``log`` and ``cos`` are not. So
this inverse of the normal distribution function, with a logarithm of its own, has the same bits on
CPU and GPU (as long as nobody contracts a product and a sum into one rounding).

Source of the inverse: Wichura, "Algorithm AS 241: the percentage points of the normal
distribution", Applied Statistics 37 (1988) 477, routine PPND16: relative error about 1e-16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array, xp_of

LN2 = 0.6931471805599453
SQRT_HALF = 0.7071067811865476
SPLIT_CENTRE, SPLIT_TAIL = 0.425, 5.0  # AS 241: |p - 1/2| and sqrt(-log p) where the branches meet

# AS 241, lowest degree first. Central branch, in 0.180625 - (p - 1/2)^2:
A = (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
     1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
     3.3430575583588128105e4, 2.5090809287301226727e3)  # fmt: skip
B = (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
     5.2264952788528545610e3)  # fmt: skip
# Tail, in sqrt(-log p) - 1.6:
C = (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
     3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
     2.27238449892691845833e-2, 7.74545014278341407640e-4)  # fmt: skip
D = (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9)  # fmt: skip
# Far tail, in sqrt(-log p) - 5:
E = (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
     2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7)  # fmt: skip
F = (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15)  # fmt: skip


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Evaluate a polynomial, lowest degree first, by Horner's rule."""
    out = x * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        out += coefficient
        out *= x
    out += coefficients[0]
    return out


def log(x: Array) -> Array:
    """Return the natural logarithm of positive normal float64 numbers.

    x = m * 2**e with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(s), s = (m - 1)/(m + 1), by
    artanh's Taylor series: s^2 < 0.0295, so eleven terms leave less than 1e-17.

    Shapes: x (...), float64 -> (...). Differentiable: no.
    """
    xp = xp_of(x)
    mantissa, exponent = xp.frexp(x)
    low = mantissa < SQRT_HALF
    mantissa = xp.where(low, 2.0 * mantissa, mantissa)
    exponent = (exponent - low).astype(x.dtype)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = _polynomial([1.0 / (2 * k + 1) for k in range(11)], s * s)
    out: Array = exponent * LN2 + 2.0 * s * series
    return out


def _tail(p: Array) -> Array:
    """Return minus the quantile of small p."""
    xp = xp_of(p)
    r = xp.sqrt(-log(p))
    near, far = r - 1.6, r - 5.0
    out: Array = xp.where(
        r <= SPLIT_TAIL,
        _polynomial(C, near) / _polynomial(D, near),
        _polynomial(E, far) / _polynomial(F, far),
    )
    return out


def normal_from_uniform(p: Array) -> Array:
    """Return the standard normal quantile of p.

    Shapes: p (n,), float64 in (0, 1) -> (n,) float64. Differentiable: no.
    """
    xp: Any = xp_of(p)
    q = p - 0.5
    r = 0.180625 - q * q
    z: Array = q * _polynomial(A, r) / _polynomial(B, r)
    (tail,) = xp.nonzero(xp.abs(q) > SPLIT_CENTRE)
    size = _tail(xp.minimum(p[tail], 1.0 - p[tail]))
    z[tail] = xp.where(q[tail] < 0.0, -size, size)
    return z
