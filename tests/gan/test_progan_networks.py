"""ProGAN's networks: what each growth computes, against the definition and the stages beside it."""

import numpy as np
import pytest

from tinygan import Tensor, nn, ops, random
from tinygan.autograd import grad
from tinygan.errors import OptionError
from tinygan.gan import why_apart
from tinygan.gan.networks import ProGANDiscriminator, ProGANGenerator
from tinygan.testing import check_grads

SHAPE = (1, 16, 16)


def normal(*shape):
    return Tensor(random.Stream(0, "x").normal(shape))


def players(shape=SHAPE, nf=2, nz=5, growth=None):
    G, D = ProGANGenerator(nz, shape, nf=nf, nf_max=6), ProGANDiscriminator(shape, nf=nf, nf_max=6)
    for player in (G, D):
        player.grow(player.last if growth is None else growth)
    return G, D


def blocks_of(x, side):
    """Average blocks of pixels: the slow definition."""
    r = x.shape[-1] // side
    return x.reshape(*x.shape[:2], side, r, side, r).mean((3, 5))


def repeated(x, r=2):
    return x.repeat(r, axis=2).repeat(r, axis=3)


@pytest.mark.parametrize(("size", "base", "last"), [(8, 4, 1), (16, 4, 2), (28, 7, 2), (32, 4, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_growth_makes_and_judges_images_of_the_full_side(size, base, last, channels):
    G, D = players((channels, size, size))
    assert (G.base, G.last) == (D.base, D.last) == (base, last)
    for growth in np.arange(0.0, last + 0.01, 0.5):
        G.grow(growth)
        D.grow(growth)
        assert G.at_stage(normal(4, 5)).shape == (4, channels, G.side(), G.side())
        image = G(normal(4, 5))
        assert image.shape == (4, channels, size, size)
        assert D(image).shape == (4,)


def test_widths_double_with_every_halving_up_to_the_most():
    assert players()[0].widths == [6, 4, 2]
    assert ProGANGenerator(5, (1, 32, 32)).widths == [128, 128, 64, 32]


def test_an_image_below_the_full_side_repeats_its_pixels():
    G, D = players(growth=1)
    z = normal(4, 5)
    small = G.at_stage(z)
    assert small.shape == (4, 1, 8, 8)
    np.testing.assert_array_equal(G(z).data, repeated(small.data))
    # an average of equal numbers, by powers of two, is that number
    np.testing.assert_array_equal(D(G(z)).data, D(small).data)


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_a_block_that_fades_in_is_a_blend_of_the_sides_below_and_above(alpha):
    G, _ = players(growth=1)
    z = normal(4, 5)
    low = G.at_stage(z).data
    G.grow(2)
    high = G.at_stage(z).data
    G.grow(1 + alpha)
    expected = (1 - alpha) * repeated(low) + alpha * high
    np.testing.assert_allclose(G.at_stage(z).data, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_d_blends_features_of_the_image_and_of_the_smaller_image(alpha):
    _, D = players(growth=1 + alpha)
    x = normal(4, 1, 16, 16)
    high = D.blocks[2](D.rgb[2](x))
    low = D.rgb[1](Tensor(blocks_of(x.data, 8)))
    expected = D.blocks[0](D.blocks[1](high * alpha + low * (1 - alpha))).reshape(-1)
    np.testing.assert_allclose(D(x).data, expected.data, rtol=1e-4, atol=1e-5)


def test_the_game_goes_on_smoothly_where_a_block_begins_to_fade_in():
    G, D = players()
    z, x = normal(4, 5), normal(4, 1, 16, 16)
    seen = []
    for growth in (1.0, 1.0 + 1e-6):
        G.grow(growth)
        D.grow(growth)
        seen.append((G(z).data, D(D.at_stage(x)).data))
    for before, after in zip(*seen, strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_reals_are_averaged_down_and_as_sharp_as_the_blend(alpha):
    _, D = players((3, 16, 16))
    x = normal(4, 3, 16, 16)
    np.testing.assert_array_equal(D.at_stage(x).data, x.data)
    D.grow(0)
    np.testing.assert_allclose(D.at_stage(x).data, blocks_of(x.data, 4), atol=1e-6)
    D.grow(alpha)
    at_8 = blocks_of(x.data, 8)
    expected = alpha * at_8 + (1 - alpha) * repeated(blocks_of(x.data, 4))
    np.testing.assert_allclose(D.at_stage(x).data, expected, atol=1e-6)


@pytest.mark.parametrize("growth", [0, 0.5, 1, 1.25, 2])
def test_the_layers_of_the_stage_have_slopes_and_no_others(growth):
    k = int(np.ceil(growth))
    faded_in = {f"rgb.{i}" for i in range(k - (growth < k), k + 1)}
    expected = {f"blocks.{i}" for i in range(k + 1)} | faded_in
    G, D = players(growth=growth)
    for player, out in ((G, G.at_stage(normal(8, 5))), (D, D(normal(8, 1, 16, 16)))):
        named = player.named_parameters()
        slopes = grad(ops.sum(ops.square(out)), list(named.values()))
        moved = {
            ".".join(name.split(".")[:2])
            for name, g in zip(named, slopes, strict=True)
            if np.any(g.data)
        }
        assert moved == expected


def test_features_of_g_have_length_one_and_the_length_of_z_does_not_matter():
    G, _ = players()
    z = normal(4, 5)
    h = G.blocks[1](G.blocks[0](z)).data
    np.testing.assert_allclose((h**2).mean(1), 1.0, atol=1e-3)
    # a power of two changes no rounding but that of pixel norm's eps
    np.testing.assert_allclose(G(z).data, G(z * 8.0).data, atol=1e-4)


def test_weights_start_from_the_standard_normal_at_every_fan_in():
    G, D = players((1, 32, 32), nf=16)
    for player in (G, D):
        for name, p in player.named_parameters().items():
            if p.size > 2000:
                assert p.data.std() == pytest.approx(1.0, rel=0.1), name
            elif name.endswith("bias"):
                assert not p.data.any()


def test_images_are_clipped_outside_training_alone():
    G, _ = players()
    for p in G.parameters():
        p.assign_(p.data * 3)
    z = normal(16, 5)
    free = G(z).data
    assert np.abs(free).max() > 1
    np.testing.assert_array_equal(G.eval()(z).data, free.clip(-1, 1))


def test_d_compares_the_samples_of_a_group_and_so_judges_reals_and_fakes_apart():
    _, D = players()
    x = normal(4, 1, 16, 16)
    assert "may look at the batch" in why_apart(D, x, x)
    alike = ops.concatenate([x[:1]] * 4)
    assert not np.allclose(D(alike).data[0], D(x).data[0], atol=1e-4)


def test_growth_is_saved_with_the_weights():
    G, _ = players(growth=0.75)
    other, _ = players()
    other.load_state_dict(G.state_dict())
    z = normal(4, 5)
    np.testing.assert_array_equal(other(z).data, G(z).data)
    assert not any(isinstance(p, nn.Buffer) for p in G.parameters())


@pytest.mark.parametrize("growth", [0, 0.5])
def test_the_slope_of_d_can_be_differentiated_again_while_a_block_fades_in(growth):
    D = ProGANDiscriminator((1, 8, 8), nf=2)
    D.grow(growth)
    weights = {k: Tensor(p.data.astype(np.float64)) for k, p in D.named_parameters().items()}
    x = normal(2, 1, 8, 8).data.astype(np.float64)
    check_grads(lambda x: ops.sum(ops.tanh(nn.functional_call(D, weights, x))), [x], order=2)


def test_sides_that_do_not_come_from_4_to_7_pixels_are_refused():
    for shape in ((2,), (1, 16, 8), (1, 18, 18), (1, 4, 4)):
        with pytest.raises(OptionError, match="ProGAN"):
            ProGANGenerator(4, shape)
