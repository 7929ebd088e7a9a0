"""8. A conditional GAN: G(z, y) makes what it is asked for, and z what is left to chance.

The ring again, but now both players are told which of the eight Gaussians a point is from. A GAN
without labels may drop modes unseen by D; with them, D looks for each in its turn. What is measured
is whether a sample lies where its label says. Then one class is made rare, and filled up again.
"""

from dataclasses import replace

import numpy as np

from tinygan import Tensor, no_grad
from tinygan.data import Batches, load
from tinygan.gan import balanced, fit
from tinygan.recipes import get

ring = load("ring")
centres, classes = ring.toy.centres, len(ring.classes)
recipe = get("cgan")
config = recipe.config(batch=64, lr=1e-3, nz=4, hidden=32, num_classes=classes)


def agreement(points, labels):
    """Return the share of points whose nearest centre is that of their label."""
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
    return (nearest == labels).mean()


assert agreement(ring.arrays, ring.labels) > 0.99  # the labels are the modes

asked = np.arange(800) % classes
batches = Batches(ring, config.batch, seed=0).with_labels()  # (points, labels)
for game in fit(recipe, batches, steps=600, seed=0, config=config):
    if game.step in (1, 100, 300, 600):
        share = agreement(game.sample(800, labels=asked), asked)
        print(f"step {game.step}: {share:.0%} of the samples lie at the mode they were asked for")

# One z and every class: y alone moves the point around the ring. Every z and one class: a mode.
with no_grad():
    around = game.G(Tensor(np.zeros((classes, game.nz), np.float32)), np.arange(classes)).numpy()
print("one z, all classes: ", *(f"({x:+.1f}, {y:+.1f})" for x, y in around))
cloud = game.sample(500, labels=np.full(500, 2))
print(f"all z, class 2:      mean {cloud.mean(0).round(2)}, spread {cloud.std(0).round(3)}")
print(f"the data's class 2:  mean {centres[2].round(2)}, spread {ring.toy.sigma}")

# A set in which class 5 is rare, and the same with samples of G in the place of what is missing.
rows = np.concatenate([np.flatnonzero(ring.labels == k)[: 3 if k == 5 else 40] for k in range(8)])
few = replace(ring, stored=ring.stored[rows], labels=ring.labels[rows])
full = balanced(few, game)
print("points of each class:", np.bincount(few.labels), "->", np.bincount(full.labels))
print(full.notes[-1])
