"""6. Every random number is a function of (seed, stream, step, index): resuming loses nothing.

A run that stops and goes on ends in the same bits as one that never stopped, because no generator
has a hidden state: step 7 draws what step 7 draws. Here with WGAN-GP, whose critic takes several
batches, latent vectors and interpolation weights a step.
"""

from tinygan import random
from tinygan.data import Batches, load
from tinygan.gan import fit
from tinygan.recipes import get

recipe = get("wgan_gp")
config = recipe.config(batch=16, n_critic=2, hidden=32)
moons = load("moons")


def train(steps, resume=None, cursor=None):
    """Train on; return the game's state, and where the data is."""
    batches = Batches(moons, config.batch, seed=3)
    if cursor is not None:
        batches.restore(cursor)
    *_, game = fit(recipe, batches, steps=steps, seed=7, config=config, resume=resume)
    return game.state(), batches.state()


straight, _ = train(steps=20)
half, cursor = train(steps=10)
resumed, _ = train(steps=20, resume=half, cursor=cursor)

tensors, again = straight[0], resumed[0]
assert tensors.keys() == again.keys()
assert all((tensors[name] == again[name]).all() for name in tensors)
print(f"20 steps, and 10 + 10: all {len(tensors)} arrays agree in every bit")

# The streams themselves: no state to save, none to lose.
streams = random.Streams(seed=7)
streams.step = 1000
first = streams.stream("z").normal((2,))
streams.step = 5  # wander off ...
streams.stream("z").normal((100,))
streams.step = 1000  # ... and come back
assert (streams.stream("z").normal((2,)) == first).all()
print("stream z of step 1000 begins with", first)
