"""Attention layers: between sequences, as ``torch.nn`` has it, and within an image, as in SAGAN."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops, random
from ..autograd import Tensor
from ..autograd.linear import as_tensor
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.arrays import Array, xp_of
from . import init
from .conv import Conv2d
from .layers import Linear, empty
from .module import Module, Parameter


class MultiheadAttention(Module):
    """Attention of ``num_heads`` kinds at once, each in a learned subspace of E / num_heads axes.

        head_i = attention(Q W_i^q, K W_i^k, V W_i^v),   y = [head_1, ..., head_h] W^o + b

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> (L, N, E), weights (N, L, S);
    with ``batch_first`` the batch leads; without a batch, two axes each. Parameters have PyTorch's
    names: in_proj_weight (3E, E), or q_, k_ and v_proj_weight if a size differs, in_proj_bias,
    out_proj.weight, out_proj.bias.

    Args:
        embed_dim: E.
        num_heads: a divisor of E.
        dropout: probability of dropping a weight, in training mode; stream "dropout".
        bias: add biases.
        kdim: size of a key; None: E.
        vdim: size of a value; None: E.
        batch_first: N is axis 0, else axis 1.
        dtype: of the weights.

    Raises:
        OptionError: the heads don't divide E, or dropout is no probability.

    Differentiable: any order. Source: arXiv:1706.03762, section 3.2.2. Deviation from PyTorch: a
    query that may attend to nothing gets weights 0, not NaN; ``is_causal`` needs no mask beside it.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise OptionError(
                f"MultiheadAttention: embed_dim {embed_dim} does not fall into {num_heads} heads"
            )
        if not 0.0 <= dropout < 1.0:
            raise OptionError(f"MultiheadAttention: dropout {dropout} is not in [0, 1)")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.batch_first = batch_first
        self._packed = self.kdim == self.vdim == embed_dim
        if self._packed:
            self.in_proj_weight = Parameter(empty((3 * embed_dim, embed_dim), dtype))
        else:
            self.q_proj_weight = Parameter(empty((embed_dim, embed_dim), dtype))
            self.k_proj_weight = Parameter(empty((embed_dim, self.kdim), dtype))
            self.v_proj_weight = Parameter(empty((embed_dim, self.vdim), dtype))
        self.in_proj_bias = Parameter(empty(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the input projections by Xavier's uniform distribution; zero the biases."""
        for weight in self._projections() if not self._packed else (self.in_proj_weight,):
            init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Apply the layer.

        Args:
            query: what asks.
            key: what is compared to.
            value: what is averaged.
            key_padding_mask: (N, S); true (or -inf, of floats that are added) hides a key.
            need_weights: return the weights too, else None.
            attn_mask: (L, S) or (N * num_heads, L, S); true hides a key from a query. Note that
                this is PyTorch's sense here, and the opposite of ``ops.attention_weights``'s.
            average_attn_weights: return the mean over the heads, else (N, num_heads, L, S).
            is_causal: hide the keys after i from query i.

        Raises:
            ShapeError: an operand or a mask does not fit, or there is no key.
            DtypeError: a mask is neither boolean nor of floats.
        """
        query, key, value = map(as_tensor, (query, key, value))
        self._check(query, key, value)
        batched = query.ndim == 3
        q, k, v = (self._batch_first(t, batched) for t in (query, key, value))
        mask = _sum(
            self._padding_mask(key_padding_mask, k, batched), self._attention_mask(attn_mask, q, k)
        )
        q, k, v = self._heads(q, k, v)
        weights = ops.attention_weights(q, k, attn_mask=mask, is_causal=is_causal)
        if self.training and self.dropout:
            stream = random.current().stream("dropout")
            weights = ops.dropout(weights, self.dropout, mask_stream=stream)
        heads = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))  # (N, L, heads, E / heads)
        y = self.out_proj(ops.flatten(heads, 2))
        if average_attn_weights and need_weights:
            weights = ops.mean(weights, 1)
        if not batched:
            y, weights = y[0], weights[0]
        elif not self.batch_first:
            y = ops.transpose(y, (1, 0, 2))
        return y, weights if need_weights else None

    def _batch_first(self, x: Tensor, batched: bool) -> Tensor:
        """Return x as (N, length, size)."""
        if not batched:
            return ops.expand_dims(x, 0)
        return x if self.batch_first else ops.transpose(x, (1, 0, 2))

    def _check(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        sizes = self.embed_dim, self.kdim, self.vdim
        fits = q.ndim in (2, 3) and q.ndim == k.ndim == v.ndim
        fits = fits and (q.shape[-1], k.shape[-1], v.shape[-1]) == sizes
        if fits and q.ndim == 3:
            batch = 0 if self.batch_first else 1
            fits = q.shape[batch] == k.shape[batch] == v.shape[batch]
        if not fits or k.shape[:-1] != v.shape[:-1]:
            lead = "(N, " if self.batch_first else "("
            tail = "" if self.batch_first else "N, "
            wanted = ", ".join(
                f"{lead}{length}, {tail}{size})" for length, size in zip("LSS", sizes, strict=True)
            )
            raise ShapeError(
                f"MultiheadAttention: query {q.shape}, key {k.shape} and value {v.shape} do not "
                f"fit {wanted}, or all without N"
            )

    def _projections(self) -> tuple[Tensor, Tensor, Tensor]:
        if self._packed:
            q, k, v = ops.split(self.in_proj_weight, 3)
            return q, k, v
        return self.q_proj_weight, self.k_proj_weight, self.v_proj_weight

    def _heads(self, *operands: Tensor) -> list[Tensor]:
        """Project query, key and value and return them as (N, heads, length, E / heads)."""
        biases = ops.split(self.in_proj_bias, 3) if self.in_proj_bias is not None else (None,) * 3
        found = []
        for x, weight, bias in zip(operands, self._projections(), biases, strict=True):
            y = ops.linear(x, weight, bias)
            split = (*y.shape[:2], self.num_heads, self.embed_dim // self.num_heads)
            found.append(ops.transpose(ops.reshape(y, split), (0, 2, 1, 3)))
        return found

    def _padding_mask(self, mask: Any, k: Tensor, batched: bool) -> Tensor | None:
        if mask is None:
            return None
        added, wanted = _additive(mask, k), k.shape[: 1 + batched] if batched else k.shape[1:2]
        if added.shape != wanted:
            raise ShapeError(
                f"MultiheadAttention: key_padding_mask {added.shape} is not {wanted}, one a key"
            )
        return ops.reshape(added, (k.shape[0], 1, 1, k.shape[1]))

    def _attention_mask(self, mask: Any, q: Tensor, k: Tensor) -> Tensor | None:
        if mask is None:
            return None
        added, (n, rows), columns = _additive(mask, k), q.shape[:2], k.shape[1]
        if added.shape == (rows, columns):
            return added
        if added.shape != (n * self.num_heads, rows, columns):
            raise ShapeError(
                f"MultiheadAttention: attn_mask {added.shape} is neither {(rows, columns)} nor "
                f"{(n * self.num_heads, rows, columns)}"
            )
        return ops.reshape(added, (n, self.num_heads, rows, columns))

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}"


def _additive(mask: Any, like: Tensor) -> Tensor:
    """Turn a mask whose true entries hide keys into floats to add: -inf there."""
    t = mask if isinstance(mask, Tensor) else Tensor(mask)
    if t.dtype.kind == "f":
        return ops.astype(t, like.dtype)
    if t.dtype.kind != "b":
        raise DtypeError(f"MultiheadAttention: a mask of {t.dtype}; booleans or floats fit")
    xp = xp_of(t.data)
    added: Array = xp.zeros(t.shape, like.dtype)
    added[t.data] = -xp.inf
    return Tensor(added)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


class SelfAttention2d(Module):
    """Let every pixel of an image take from all others, and add that to it: SAGAN's layer.

        y = x + gamma * o(attention(theta(x), phi(x), g(x)))      gamma starts at 0: y = x

    theta, phi, g and o are 1x1 convolutions without bias. The scores are not scaled. The paper
    calls theta(x_j), the queries, g; phi(x_i), the keys, f; the values h; and o, v.

    Shapes: (N, C, H, W) -> the same.

    Args:
        channels: C.
        reduction: queries and keys have C / reduction channels.
        value_reduction: values have C / value_reduction channels.
        pool: keys and values are max-pooled 2x2 (an odd last row or column is left out), which
            quarters the work and memory.
        dtype: of the weights.

    Raises:
        OptionError: a reduction leaves no channel.
        ShapeError: x does not fit, or is one pixel high or wide and pooled.

    Differentiable: any order, off ties of the pool. Source: arXiv:1805.08318, section 3. The
    defaults are those of its authors' code (and of BigGAN's, whose names these are); the paper's
    text has ``pool=False, value_reduction=8``. Both put spectral norm on all four convolutions:
    ``for conv in layer.children(): nn.utils.spectral_norm(conv)``.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 8,
        value_reduction: int = 2,
        pool: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        if min(reduction, value_reduction) < 1 or channels < max(reduction, value_reduction):
            raise OptionError(
                f"SelfAttention2d: {channels} channels, divided by {reduction} and by "
                f"{value_reduction}, must leave one at least"
            )
        inner, values = channels // reduction, channels // value_reduction
        self.channels, self.pool = channels, pool
        self.theta = Conv2d(channels, inner, 1, bias=False, dtype=dtype)
        self.phi = Conv2d(channels, inner, 1, bias=False, dtype=dtype)
        self.g = Conv2d(channels, values, 1, bias=False, dtype=dtype)
        self.o = Conv2d(values, channels, 1, bias=False, dtype=dtype)
        self.gamma = Parameter(random.current().xp.zeros((), dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ShapeError(f"SelfAttention2d takes x (N, {self.channels}, H, W), got {x.shape}")
        n, _, h, w = x.shape
        if self.pool and min(h, w) < 2:
            raise ShapeError(f"SelfAttention2d: x {x.shape} is too small to pool: 2x2 pixels fit")
        keys, values = self.phi(x), self.g(x)
        if self.pool:
            keys, values = ops.max_pool2d(keys, 2), ops.max_pool2d(values, 2)
        y = ops.scaled_dot_product_attention(
            _pixels(self.theta(x)), _pixels(keys), _pixels(values), scale=1.0
        )
        image = ops.transpose(ops.reshape(y, (n, h, w, y.shape[2])), (0, 3, 1, 2))
        found: Tensor = x + self.gamma * self.o(image)
        return found

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.channels}, pool={self.pool}"


def _pixels(x: Tensor) -> Tensor:
    """Return an image as a sequence of pixels (N, H*W, C); channels last makes it a view."""
    return ops.flatten(ops.transpose(x, (0, 2, 3, 1)), 1, 2)
