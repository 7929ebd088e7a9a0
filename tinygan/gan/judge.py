"""One pass of D for reals and fakes: a batch of 2N in place of two of N, where that is the same.

    D(real), D(fake)   =   the halves of D(cat(real, fake))

holds wherever D judges each sample alone. Batch norm doesn't, so its statistics are taken over
each half (``ops.batch_norm(..., segments=2)``), and its running statistics move twice, for the
reals and then for the fakes, as in two passes. *Not* the same, and so judged in two passes:

- spectral norm in training mode, as a power iteration moves sigma between the passes;
- dropout in training mode, as a mask is drawn a pass; so is an augmentation;
- minibatch statistics, which would compare reals with fakes;
- a module that tinygan doesn't know, unless its class says ``per_sample = True``.

Logits and gradients differ by rounding at most: a weight's gradient is one sum over 2N samples in
place of two sums over N. What is saved is work that doesn't grow with the batch: transformed
weights and the cost of a call; what is added is the copy that joins the batches. So small batches
gain most: a whole step of DCGAN-64 took 0.95 of the time at batch 16, and 0.97 at batch 64 (CPU
seconds of one thread).

Exercise: leave ``_segmented`` out. By how much does D's loss change, and why is it smaller than
with two passes? (arXiv:1606.03498's virtual batch norm is after the same leak.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import nn, ops
from ..autograd import Tensor
from ..nn.norm import BatchNorm
from ..nn.utils import SpectralNorm

# Layers that look at one sample at a time; batch norms are added where segments serve them.
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_PER_SAMPLE: frozenset[type[nn.Module]] = frozenset(
    {
        *_BATCH_NORMS,
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
        *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        *(nn.Linear, nn.EqualConv2d, nn.EqualLinear, nn.SelfAttention2d),
        *(nn.ELU, nn.LeakyReLU, nn.PReLU, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh),
        *(nn.AvgPool2d, nn.MaxPool2d, nn.Blur, nn.PixelShuffle, nn.Upsample),
        *(nn.CircularPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.ZeroPad2d),
        *(nn.GroupNorm, nn.LayerNorm, nn.PixelNorm),
        *(nn.Flatten, nn.Identity, nn.Unflatten, nn.ModuleList, nn.Sequential),
    }
)


def judge_both(D: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return D(real) and D(fake), from one pass of both where that is the same.

    Shapes: real and fake (N, ...) -> D's output for each, of first axis N.

    Args:
        D: discriminator. Each batch norm must run once a pass, or its running statistics take
            their updates in another order than in two passes.
        real: samples of the data.
        fake: samples of G.

    Differentiable: as D, in both. Source: none; exact where ``why_apart`` returns None.
    """
    if why_apart(D, real, fake) is not None:
        return D(real), D(fake)
    with _segmented(D):
        real_out, fake_out = ops.split(D(ops.concatenate([real, fake])), 2)
    return real_out, fake_out


def why_apart(D: nn.Module, real: Tensor, fake: Tensor) -> str | None:
    """Say why D must judge reals and fakes in two passes; None if one does the same."""
    if real.shape != fake.shape or real.dtype != fake.dtype:
        return f"reals {real.shape} {real.dtype} and fakes {fake.shape} {fake.dtype} differ"
    for name, module in D.named_modules().items():
        reason = _why_not_per_sample(module)
        if reason is not None:
            return f"{name or 'D'}: {reason}"
    return None


def _why_not_per_sample(module: nn.Module) -> str | None:
    kind = type(module)
    if module.training and module._inputs:
        return "its input is changed at random, anew a pass"
    if module.training and any(isinstance(c, SpectralNorm) for c in module._computed):
        return "spectral norm takes a power iteration a pass"
    if kind is nn.Dropout:
        return "dropout draws a mask a pass" if module.training and vars(module)["p"] else None
    # of the class itself: a subclass may look at the batch where its parent doesn't
    if kind in _PER_SAMPLE or vars(kind).get("per_sample") is True:
        return None
    return f"{kind.__name__} may look at the batch; per_sample = True on its class says it doesn't"


@contextmanager
def _segmented(D: nn.Module) -> Iterator[None]:
    """Let the batch norms of D take their statistics over each half of a batch."""
    norms = [m for m in D.modules() if isinstance(m, BatchNorm)]
    try:
        for norm in norms:
            norm.segments = 2
        yield
    finally:
        for norm in norms:
            norm.segments = 1
