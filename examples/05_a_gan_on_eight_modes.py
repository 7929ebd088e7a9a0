"""5. Train a GAN: the loop is yours, a recipe is data plus one step.

Eight Gaussians on a circle; the original GAN of two small dense networks. It finds the modes, but
its samples never quite settle on them: what the later variants are there to mend.
"""

import numpy as np

from tinygan.data import Batches, load
from tinygan.gan import fit
from tinygan.recipes import get

ring = load("ring")
recipe = get("gan")
centres, sigma = ring.toy.centres, ring.toy.sigma


def count_modes(points):
    """Return how many modes have a sample within three sigma, and the share of such samples."""
    distance = np.linalg.norm(points[:, None] - centres, axis=2)
    near = distance.min(1) < 3 * sigma
    return len(np.unique(distance.argmin(1)[near])), near.mean()


def picture(points, width=41, height=17):
    """Draw points in characters."""
    counts, _, _ = np.histogram2d(
        points[:, 1], points[:, 0], bins=(height, width), range=[(-1.5, 1.5), (-1.5, 1.5)]
    )
    shades = np.array(list(" .:*#"))[np.digitize(counts, [1, 3, 8, 20])]
    return "\n".join("".join(row) for row in shades[::-1])


print("real data:\n" + picture(next(Batches(ring, 1000, seed=1))))

batches = Batches(ring, 100, seed=0)
for game in fit(recipe, batches, steps=1500, seed=0):
    if game.step % 500 == 0:
        modes, share = count_modes(game.sample(1000))
        losses = ", ".join(f"{name} {value:.3f}" for name, value in game.metrics.items())
        print(f"step {game.step}: {modes} of 8 modes, {share:.0%} of samples on one; {losses}")

print("generated:\n" + picture(game.sample(1000)))
assert np.isfinite(game.sample(10)).all()
