"""The MLP GAN's training step in JAX: one jitted function, Adam included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Params = list[tuple[jax.Array, jax.Array]]
LR, BETA1, BETA2, EPS = 2e-4, 0.5, 0.999, 1e-8


def layers(state: dict[str, np.ndarray]) -> Params:
    """Return (weight (out, in), bias) of every layer of a state dict of tinygan's."""
    arrays = [jnp.asarray(a) for a in state.values()]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def forward(params: Params, x: jax.Array) -> jax.Array:
    """Run linear layers with LeakyReLU between them."""
    for i, (w, b) in enumerate(params):
        x = x @ w.T + b
        x = x if i == len(params) - 1 else jax.nn.leaky_relu(x, 0.2)
    return x


def adam(params: Any, grads: Any, moments: Any, step: jax.Array) -> tuple[Any, Any]:
    """Take one step of Adam; moments are (first, second), shaped like the parameters."""
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, moments[0], grads)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, moments[1], grads)
    scale = LR / (1 - BETA1**step)
    root = jnp.sqrt(1 - BETA2**step)
    moved = jax.tree.map(
        lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + EPS), params, first, second
    )
    return moved, (first, second)


def d_loss(D: Params, fake: jax.Array, real: jax.Array) -> jax.Array:
    """E softplus(-D(x)) + E softplus(D(G(z)))."""
    return jax.nn.softplus(-forward(D, real)).mean() + jax.nn.softplus(forward(D, fake)).mean()


def g_loss(G: Params, D: Params, z: jax.Array) -> jax.Array:
    """E softplus(-D(G(z)))."""
    return jax.nn.softplus(-forward(D, jnp.tanh(forward(G, z)))).mean()


def mlp_step(states: tuple[dict[str, np.ndarray], ...], images: np.ndarray) -> Callable[[], float]:
    """Return the step from these weights of G and D, on a batch of images."""
    real = jnp.asarray(np.ascontiguousarray(images).reshape(len(images), -1))
    nz = states[0]["main.0.weight"].shape[1]

    @jax.jit
    def update(G, D, moments_g, moments_d, key, step):
        key, draw = jax.random.split(key)
        z = jax.random.normal(draw, (len(images), nz))
        loss_d, grads = jax.value_and_grad(d_loss)(D, jnp.tanh(forward(G, z)), real)
        D, moments_d = adam(D, grads, moments_d, step)
        loss_g, grads = jax.value_and_grad(g_loss)(G, D, z)
        G, moments_g = adam(G, grads, moments_g, step)
        return G, D, moments_g, moments_d, key, step + 1, loss_d + loss_g

    G, D = (layers(state) for state in states)
    zeros = [jax.tree.map(jnp.zeros_like, player) for player in (G, D)]
    held = [(G, D, (zeros[0],) * 2, (zeros[1],) * 2, jax.random.key(0), jnp.float32(1))]

    def step() -> float:
        *state, loss = update(*held[0])
        held[0] = tuple(state)
        return float(loss)

    step()
    return step
