"""SAGAN's players: what attention changes at the start (nothing) and what D can see with it."""

import numpy as np
import pytest

from tinygan import Tensor, nn, random
from tinygan.errors import OptionError
from tinygan.gan import fit, why_apart
from tinygan.gan.networks import SAGANDiscriminator, SAGANGenerator
from tinygan.gan.networks.spectral import WEIGHTED, has_spectral_norm
from tinygan.recipes import sagan

RNG = np.random.default_rng(0)
ATTENTION = (  # queries and keys of C / 8 channels, values of C / 2
    ("theta", (2, 16, 1, 1)), ("phi", (2, 16, 1, 1)), ("g", (8, 16, 1, 1)), ("o", (16, 8, 1, 1)),
)  # fmt: skip


def made(make, *args, **kwargs):
    """Make a network from the same random numbers each time, in evaluation mode."""
    with random.using(random.Streams(1)):
        return make(*args, **kwargs).eval()


def in_float64(module):
    return {k: Tensor(v.astype("float64")) for k, v in module.state_dict().items() if v.ndim}


def interaction(D, side, patch):
    """D's second difference in the contents of two opposite corners, over D's own size."""
    blank, a, b = np.zeros((1, 1, side, side)), *(RNG.normal(size=(2, 1, 1, patch, patch)))
    images = np.concatenate([blank] * 4)
    images[1::2, :, :patch, :patch] = a
    images[2:, :, -patch:, -patch:] = b
    weights = in_float64(D)
    if "attention.gamma" in D.state_dict():
        weights["attention.gamma"] = Tensor(np.array(0.5))
    none, first, second, both = nn.functional_call(D, weights, Tensor(images)).data
    return abs(both - first - second + none) / max(abs(first - none), abs(second - none))


@pytest.mark.parametrize(("side", "sees"), [(56, False), (52, True)])
def test_without_attention_d_sees_no_relation_between_things_more_than_48_pixels_apart(side, sees):
    # at a side of 56 corners of 4 pixels are 48 apart, and no cell of D's last map sees both
    D = made(SAGANDiscriminator, (1, side, side), ndf=8, attention=False)
    assert bool(interaction(D, side, 4) > 0) is sees


def test_with_attention_d_sees_a_relation_between_opposite_corners():
    D = made(SAGANDiscriminator, (1, 56, 56), ndf=8)
    assert interaction(D, 56, 4) > 1e-6


def test_attention_adds_nothing_at_first():
    x, z = RNG.normal(size=(3, 1, 16, 16)), RNG.normal(size=(3, 5))
    for make, args, given in (
        (SAGANDiscriminator, ((1, 16, 16),), x),
        (SAGANGenerator, (5, (1, 16, 16)), z),
    ):
        width = {"ndf" if make is SAGANDiscriminator else "ngf": 8}
        given = Tensor(given.astype("float32"))
        plain = made(make, *args, **width, attention=False)
        attending = made(make, *args, **width)
        own = attending.state_dict()
        assert own["attention.gamma"] == 0
        attending.load_state_dict(plain.state_dict(), strict=False)
        np.testing.assert_array_equal(attending(given).data, plain(given).data)
        attending.load_state_dict({"attention.gamma": np.float32(1)}, strict=False)
        assert np.abs(attending(given).data - plain(given).data).max() > 1e-4


def test_attention_lies_at_half_the_side_and_has_the_channels_of_the_authors_code():
    G, D = (
        made(SAGANGenerator, 5, (3, 32, 32), ngf=16),
        made(SAGANDiscriminator, (3, 32, 32), ndf=16),
    )
    for net, given in ((G, RNG.normal(size=(2, 5))), (D, RNG.normal(size=(2, 3, 32, 32)))):
        seen = []
        layer = net.attention
        net.attention = lambda x, layer=layer, seen=seen: seen.append(x.shape) or layer(x)
        net(Tensor(given.astype("float32")))
        assert seen == [(2, 16, 16, 16)]
        for name, shape in ATTENTION:
            assert vars(layer)[name].state_dict()["weight_orig"].shape == shape


def test_every_layer_of_both_players_has_spectral_norm():
    for net in (SAGANGenerator(5, (1, 16, 16), ngf=8), SAGANDiscriminator((1, 16, 16), ndf=8)):
        layers = [m for m in net.modules() if isinstance(m, WEIGHTED)]
        assert len(layers) > 10
        assert all(has_spectral_norm(m) for m in layers)


def test_d_judges_each_sample_alone():
    D = made(SAGANDiscriminator, (1, 16, 16), ndf=8)
    x = Tensor(np.zeros((2, 1, 16, 16), np.float32))
    assert why_apart(D, x, x) is None
    assert "spectral norm" in why_apart(D.train(), x, x)


def test_what_does_not_fit_is_refused_in_a_line():
    with pytest.raises(OptionError, match="multiple of 8"):
        SAGANGenerator(5, (1, 28, 28), ngf=8)
    with pytest.raises(OptionError, match="multiple of 4"):
        SAGANDiscriminator((2,), ndf=8)
    with pytest.raises(OptionError, match="4 channels, divided by 8"):
        SAGANDiscriminator((1, 16, 16), ndf=4)


@pytest.mark.parametrize("attention", [False, True])
def test_a_step_moves_the_gains_of_attention_and_notes_them(attention):
    batch = RNG.uniform(-1, 1, (4, 1, 8, 8)).astype("float32")
    config = sagan.Config(batch=4, nz=4, ngf=8, ndf=8, attention=attention)
    (game,) = fit(sagan.RECIPE, iter([batch]), steps=1, config=config)
    noted = {name for name in game.metrics if name.startswith("gamma")}
    assert noted == ({"gamma_g", "gamma_d"} if attention else set())
    for player, rate in ((game.G, 1e-4), (game.D, 4e-4)):
        gain = player.named_parameters().get("attention.gamma")
        if attention:  # Adam's first step is the learning rate, whatever the gradient
            assert abs(float(gain)) == pytest.approx(rate, rel=1e-3)
