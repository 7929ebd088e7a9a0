"""Autoencoders as discriminators, hidden features, players by the data: against definitions."""

import numpy as np
import pytest

from tinygan import Tensor, nn, random
from tinygan.errors import OptionError
from tinygan.gan import why_apart
from tinygan.gan.networks import (
    BEGANDecoder,
    BEGANDiscriminator,
    DCGANDiscriminator,
    DCGANGenerator,
    EBGANDiscriminator,
    MinibatchDiscriminator,
    MLPDiscriminator,
    MLPGenerator,
    hidden_features,
    players_for,
)


def images(n, c, size):
    return Tensor(random.Stream(0, "x").normal((n, c, size, size)).clip(-1, 1))


@pytest.mark.parametrize("size", [8, 16, 28, 32, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_energies_are_mean_errors_of_the_reconstruction(size, channels):
    x, shape = images(3, channels, size), (channels, size, size)
    eb, be = EBGANDiscriminator(shape, ndf=2, code=5), BEGANDiscriminator(shape, nf=2, code=5)
    energy, code = eb.energy_and_code(x)
    assert code.shape == (3, 5)
    squared = ((eb.decoder(eb.encoder(x)).data - x.data) ** 2).reshape(3, -1).mean(1)
    np.testing.assert_allclose(energy.data, squared, rtol=1e-5)
    np.testing.assert_array_equal(eb(x).data, energy.data)
    absolute = np.abs(be.decoder(be.encoder(x)).data - x.data).reshape(3, -1).mean(1)
    np.testing.assert_allclose(be(x).data, absolute, rtol=1e-5)
    assert BEGANDecoder(4, shape, nf=2)(Tensor(np.ones((3, 4), np.float32))).shape == x.shape


def test_began_has_the_layers_of_its_figure_at_64_pixels():
    D = BEGANDiscriminator((3, 64, 64), nf=4, code=6)
    convolutions = [m for m in D.encoder if isinstance(m, nn.Conv2d)]
    widths = [m.weight.shape[0] for m in convolutions]
    n = 4
    assert widths == [n, n, n, 2 * n, 2 * n, 2 * n, 3 * n, 3 * n, 3 * n, 4 * n, 4 * n, 4 * n]
    assert D.encoder[-1].weight.shape == (6, 8 * 8 * 4 * n)
    decoder = [m for m in D.decoder.main if isinstance(m, nn.Conv2d)]
    assert [m.weight.shape[0] for m in decoder] == [n] * 8 + [3]
    assert sum(isinstance(m, nn.Upsample) for m in D.decoder.main) == 3


@pytest.mark.parametrize("shape", [(2,), (1, 16, 8), (1, 17, 17), (1, 3, 3), (1, 18, 18)])
def test_began_refuses_what_it_cannot_make(shape):
    with pytest.raises(OptionError, match="4 to 8 times a power of 2"):
        BEGANDecoder(4, shape)


def test_autoencoders_judge_a_sample_by_itself_and_minibatches_do_not():
    x, shape = images(2, 1, 8), (1, 8, 8)
    assert why_apart(EBGANDiscriminator(shape, ndf=2), x, x) is None
    assert why_apart(BEGANDiscriminator(shape, nf=2), x, x) is None
    D = MinibatchDiscriminator(DCGANDiscriminator(shape, ndf=2))
    assert "may look at the batch" in why_apart(D, x, x)


def test_the_head_on_the_last_hidden_features_is_d_itself():
    x = images(4, 1, 16)
    D = DCGANDiscriminator((1, 16, 16), ndf=4)
    hidden = hidden_features(D, x)
    assert [h.shape for h in hidden] == [(4, 4, 8, 8), (4, 8, 4, 4)]
    np.testing.assert_allclose(D.main[-1](hidden[-1]).data.ravel(), D(x).data, rtol=1e-5, atol=1e-6)
    assert (hidden[0].data < 0).any()  # of a LeakyReLU

    points = Tensor(random.Stream(1, "x").normal((4, 2)))
    D = MLPDiscriminator((2,), hidden=(5, 6, 7))
    hidden = hidden_features(D, points)
    assert [h.shape for h in hidden] == [(4, 5), (4, 6), (4, 7)]
    assert all((h.data >= 0).all() for h in hidden)
    np.testing.assert_allclose(D.main[-1](hidden[-1]).data.ravel(), D(points).data, rtol=1e-5)


def test_a_minibatch_discriminator_depends_on_the_other_samples():
    x = images(3, 1, 8)
    D = MinibatchDiscriminator(DCGANDiscriminator((1, 8, 8), ndf=2, batch_norm=False))
    nn.init.normal_(D.minibatch.weight, 0.0, 0.5)
    alone, among = D(x[:1]), D(x)
    assert abs(float(alone[0]) - float(among[0])) > 1e-4
    order = np.array([2, 0, 1])
    np.testing.assert_allclose(D(Tensor(x.data[order])).data, among.data[order], rtol=1e-5)


def test_players_fit_the_data():
    sizes = {"nz": 3, "ngf": 2, "ndf": 2, "hidden": 5}
    G, D = players_for((1, 8, 8), **sizes, batch_norm=False)
    assert isinstance(G, DCGANGenerator)
    assert isinstance(D, DCGANDiscriminator)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())
    G, D = players_for((2,), **sizes)
    assert isinstance(G, MLPGenerator)
    assert [m.weight.shape[0] for m in D.main if isinstance(m, nn.Linear)] == [5, 5, 5, 1]
