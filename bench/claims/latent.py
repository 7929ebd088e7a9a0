"""Recipes that have an encoder or a code: what the code means, how tight the bound is, how sharp.

Images are the embedded digits at 16 pixels, and judged by the house net ``digits_lenet``, which
none of the recipes has seen. Sides of 16 pixels and narrow networks keep a seed within a minute or
two; the papers train for tens to hundreds of epochs of MNIST or of faces.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from common import Claim, Row, main
from scipy.optimize import linear_sum_assignment
from trainings import DIGITS, TRAININGS, dataset, train

from tinygan import data, nn, optim, random
from tinygan.autograd import Tensor, no_grad
from tinygan.data import Dataset
from tinygan.gan import Game, fit
from tinygan.gan.game import evaluating
from tinygan.metrics.fid import frechet_distance_of_features
from tinygan.metrics.house_nets import house_net
from tinygan.random import Stream
from tinygan.recipes import vae

SAMPLES = 1797  # as many as there are digits
ENTRIES, LATENT, POINTS = 10, 3, 2000  # of the linear toy


def best_map(counts: np.ndarray) -> float:
    """Return the share of samples that the best one-to-one map of rows to columns gets right."""
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / counts.sum())


def codes_are_classes(seed: int) -> Row:
    """Train InfoGAN on digits without labels; see which digit each category makes."""
    *_, game = train("infogan", seed=seed)
    net, classes = house_net("digits_lenet"), game.config.categories
    y = np.arange(2000) % classes
    z = Stream(seed, "claim").normal((len(y), game.nz))
    with no_grad(), evaluating(game.G):
        fakes = game.G(Tensor(z), y).numpy()
    found = net.embed(fakes).probabilities.argmax(1)
    counts = np.zeros((classes, 10))
    np.add.at(counts, (y, found), 1)
    return {
        "accuracy": 100 * best_map(counts),
        "purity": 100 * float(counts.max(1).sum() / counts.sum()),
        "digits": int((counts.max(0) > 0.5 * len(y) / classes).sum()),
        "guessed": 100 * game.metrics["code_accuracy"],
        "steps": game.step,
        "settings": TRAININGS["infogan"].settings,
    }


def frechet(game: Game, digits: Dataset) -> float:
    """Return the Frechet distance of samples to the data, in features of ``digits_lenet``."""
    net = house_net("digits_lenet")
    fakes = net.embed(game.sample(SAMPLES)).features
    return frechet_distance_of_features(net.embed(digits.arrays).features, fakes)


def sharper(seed: int) -> Row:
    """Train VAE and VAE-GAN alike; compare their samples' distances to the data."""
    found = {}
    for name in ("vae", "vae_gan"):
        *_, game = train(name, seed=seed)
        found[name] = frechet(game, dataset(DIGITS))
    return {
        "ratio": found["vae_gan"] / found["vae"],
        **{f"fd_{name}": fd for name, fd in found.items()},
        "steps": game.step,
        "settings": TRAININGS["vae_gan"].settings,
        "sigma": TRAININGS["vae"].settings["sigma"],
    }


def linear_game(config: vae.Config, data_shape: tuple[int, ...]) -> Game:
    """Set up a VAE whose players are linear, so that its best bound is known."""

    class Encoder(nn.Module):
        """x -> mean, and a log variance that is the same for all x."""

        def __init__(self) -> None:
            self.mean = nn.Linear(data_shape[0], config.nz)
            self.log_var = nn.Parameter(np.zeros((1, config.nz), np.float32))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            """Return both."""
            mean: Tensor = self.mean(x)
            return mean, self.log_var + 0.0 * mean

    G, E = nn.Linear(config.nz, data_shape[0]), Encoder()
    players = [optim.Adam(net.parameters(), config.lr) for net in (G, E)]
    return Game(G, E, players[0], players[1], config.nz)


def ppca_log_likelihood(x: np.ndarray, q: int) -> float:
    """Return the greatest mean log-likelihood of probabilistic PCA with q components, in nats.

    Tipping & Bishop (1999), equation 3.10 and the maximum after it: sigma^2 is the mean of the
    eigenvalues of the covariance that are left out.
    """
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    d, sigma2 = len(values), values[q:].mean()
    log_det = np.log(values[:q]).sum() + (d - q) * np.log(sigma2)
    return float(-0.5 * (d * np.log(2 * np.pi) + log_det + d))


def bound_is_tight(seed: int) -> Row:
    """Train a linear VAE on points of a linear model; compare its bound with the likelihood."""
    stream = Stream(seed, "claim")
    basis = stream.normal((LATENT, ENTRIES), np.float64)
    latent = stream.normal((POINTS, LATENT), np.float64)
    x = latent @ basis + 0.3 * stream.normal((POINTS, ENTRIES), np.float64) + 1.0
    dataset = Dataset("linear", x.astype(np.float32))
    recipe = replace(vae.RECIPE, setup=linear_game)
    config = vae.Config(batch=200, nz=LATENT, lr=3e-2)
    for game in fit(recipe, data.Batches(dataset, 200, seed=seed), steps=4000, config=config):
        for optimizer in (game.opt_g, game.opt_d):
            optimizer.lr = 3e-2 * (1 - game.step / 4001)
    points, bounds = Tensor(dataset.arrays), []
    with random.using(random.Streams(seed)), no_grad():
        for _ in range(50):  # draws of z for each point
            recon, kl = vae.bound(game, points)
            bounds.append(-float(recon) - float(kl))
    best, elbo = ppca_log_likelihood(x, LATENT), float(np.mean(bounds))
    return {"gap": best - elbo, "elbo": elbo, "log_likelihood": best, "steps": 4000}


CLAIMS = (
    Claim(
        name="infogan-codes",
        recipe="infogan",
        says="without a label, the categories become the digits",
        quantity="accuracy",
        unit="% of fakes show their category's digit",
        sense=">=",
        threshold=90.0,
        paper="5 % error on MNIST, of Q as a classifier (section 7.2)",
        budget=f"{TRAININGS['infogan'].steps} steps, 1,797 digits at 16 pixels",
        measure=codes_are_classes,
        note="each category makes one digit (see purity), but two or three digits get two and as "
        "many none, which a one-to-one map counts as wrong. Tried, on other seeds: D's rate 2e-4, "
        "8 to 32 channels, lambda_y 0.2, lambda_u 1, and MNIST at 16 pixels for 1,600 "
        "steps: no better",
    ),
    Claim(
        name="vae-ppca",
        recipe="vae",
        says="the bound of a linear VAE climbs to the likelihood of probabilistic PCA",
        quantity="gap",
        unit="nats below the maximum of log p(x)",
        sense="<=",
        threshold=0.05,
        paper="0 at the optimum (arXiv:1911.02469, section 4)",
        budget="4,000 steps of 200 points of 10 numbers",
        measure=bound_is_tight,
    ),
    Claim(
        name="vae_gan-sharp",
        recipe="vae_gan",
        says="samples lie nearer to the data than a VAE's of the same size and budget",
        quantity="ratio",
        unit="of the VAE's Frechet distance",
        sense="<=",
        threshold=0.8,
        paper="no such figure: faces that look less blurred (figure 3)",
        budget=f"{TRAININGS['vae'].steps} steps, 1,797 digits at 16 pixels",
        measure=sharper,
        note="sigma of the VAE is the best of five for another seed; a step of VAE-GAN takes three "
        "times as long",
    ),
)

if __name__ == "__main__":
    main(CLAIMS)
