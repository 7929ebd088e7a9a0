"""Philox4x32-10: ten rounds of multiply, swap and xor turn a counter into four random words.

One round, on four 32-bit words c and two key words k, with (hi, lo) the halves of a product::

    c0', c1' = hi(M1 * c2) ^ c1 ^ k0,  lo(M1 * c2)
    c2', c3' = hi(M0 * c0) ^ c3 ^ k1,  lo(M0 * c0)
    k0', k1' = k0 + W0, k1 + W1        (mod 2**32)

Paper: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011),
doi:10.1145/2063384.2063405; it passes BigCrush with ten rounds.

Deviation: words are carried in uint64 arrays, since neither NumPy nor CuPy has a 32-bit multiply
that keeps the high half.

The op takes no array, so there is nothing for the kernel registry to choose by: callers name the
library with ``xp`` and call this function directly.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array

M0, M1 = 0xD2511F53, 0xCD9E8D57  # multipliers, section 4.3 of the paper
W0, W1 = 0x9E3779B9, 0xBB67AE85  # Weyl increments: golden ratio, sqrt(3) - 1
ROUNDS = 10
LOW = 0xFFFFFFFF

Block = tuple[Array, Array, Array, Array]


def philox4x32(counter: Block, key: tuple[int, int]) -> Block:
    """Encrypt counters under a key.

    Shapes: four broadcastable uint64 arrays, each holding 32-bit words -> four of the same kind.
    Differentiable: no.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = c0 * M0, c2 * M1
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


def words(xp: Any, *, seed: int, stream: int, step: int, start: int, count: int) -> Array:
    """Return the random words ``start .. start + count - 1`` of one (seed, stream, step).

    Word i is word i % 4 of the block whose counter is (i // 4 low, i // 4 high, step, stream).

    Args:
        xp: the array library, ``numpy`` or ``cupy``.
        seed: the key, 64 bits.
        stream: 32 bits.
        step: 32 bits.
        start: first word, below 2**62.
        count: how many words.

    Shapes: -> (count,) uint64, each below 2**32. Differentiable: no.
    """
    first, last = start // 4, (start + count + 3) // 4
    index = xp.arange(first, last, dtype=xp.uint64)
    rest = [xp.full(1, word, dtype=xp.uint64) for word in (step, stream)]
    block = philox4x32((index & LOW, index >> 32, *rest), (seed & LOW, seed >> 32))
    out: Array = xp.stack(block, axis=1).reshape(-1)
    return out[start - 4 * first : start - 4 * first + count]
