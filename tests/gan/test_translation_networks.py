"""U-Net, PatchGAN, the residual generator and jitter: sizes, fields, noise, published counts."""

import numpy as np
import pytest

from tinygan import ops, random
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.errors import OptionError, ShapeError
from tinygan.gan import domain_shapes, jitter, new_game, translate
from tinygan.gan.game import evaluating
from tinygan.gan.networks import (
    PatchDiscriminator,
    ResidualBlock,
    ResidualGenerator,
    UNetGenerator,
)
from tinygan.recipes import get

RNG = np.random.default_rng(8)


def images(*shape):
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def count(net):
    return sum(p.size for p in net.parameters())


# --- PatchGAN ---


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_sees_a_patch_of_the_papers_size(layers, field):
    side = 2 * field
    D = PatchDiscriminator((1, side, side), ndf=2, layers=layers)
    assert D.receptive_field == field
    # by definition: which pixels the middle logit depends on, through the convolutions alone, as
    # an instance norm looks at the whole image
    seen = [m for m in D.main if not type(m).__name__.startswith("Instance")]
    x = Tensor(images(1, 1, side, side), requires_grad=True)
    y = x
    for module in seen:
        y = module(y)
    p, q = (n // 2 for n in y.shape[2:])
    (slope,) = grad(y[0, 0, p, q], [x])
    rows = np.flatnonzero(np.abs(slope.data[0, 0]).sum(axis=1))
    columns = np.flatnonzero(np.abs(slope.data[0, 0]).sum(axis=0))
    assert rows.max() - rows.min() + 1 == field
    assert columns.max() - columns.min() + 1 == field


def test_at_256_pixels_there_are_30_by_30_patches():
    D = PatchDiscriminator((3, 256, 256), ndf=1)
    with no_grad():
        assert D(Tensor(images(1, 3, 256, 256))).shape == (1, 1, 30, 30)


def test_images_too_small_for_the_patches_are_refused():
    with pytest.raises(OptionError, match=r"PatchGAN of 3 layers takes images .* of 24 pixels"):
        PatchDiscriminator((3, 16, 16), layers=3)
    assert PatchDiscriminator((3, 24, 24), ndf=2, layers=3)(Tensor(images(1, 3, 24, 24))).size == 1


# --- U-Net ---


@pytest.mark.parametrize(("side", "depth"), [(8, 0), (16, 0), (24, 0), (28, 2), (64, 4)])
def test_a_unet_keeps_the_size_and_a_state_dict_has_a_layer_for_each_halving(side, depth):
    G = UNetGenerator((1, side, side), 3, ngf=2, depth=depth)
    with no_grad():
        y = G(Tensor(images(2, 1, side, side)))
    assert y.shape == (2, 3, side, side)
    assert np.abs(y.data).max() <= 1
    assert len(G.down) == len(G.up) == G.depth


def test_without_depth_the_image_is_halved_down_to_an_odd_side():
    assert UNetGenerator((1, 64, 64), 3, ngf=1).depth == 6
    assert UNetGenerator((1, 24, 24), 3, ngf=1).depth == 3
    assert UNetGenerator((1, 32, 48), 3, ngf=1).depth == 4


def test_noise_stays_on_in_evaluation_mode_and_a_seed_determines_it():
    G = UNetGenerator((1, 16, 16), 1, ngf=4)
    x = images(2, 1, 16, 16)
    with evaluating(G):
        one, again, other = (translate(G, x, random.Streams(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3
    G = UNetGenerator((1, 16, 16), 1, ngf=4, dropout=0.0)
    np.testing.assert_array_equal(*(translate(G, x, random.Streams(seed)) for seed in (1, 2)))


def test_what_is_alike_passes_beside_the_bottleneck():
    # cut the bottleneck: with its weights at 0 the output still depends on x, by the skips
    G = UNetGenerator((1, 16, 16), 1, ngf=4, dropout=0.0)
    last = list(G.down)[-1]
    for p in last.parameters():
        p.assign_(np.zeros_like(p.data))
    one, other = (translate(G, images(1, 1, 16, 16), random.Streams(0)) for _ in range(2))
    assert np.abs(one - other).max() > 1e-3


def test_a_unet_takes_other_sizes_that_fit_and_refuses_the_rest():
    G = UNetGenerator((1, 16, 16), 1, ngf=2)
    assert G(Tensor(images(1, 1, 32, 48))).shape == (1, 1, 32, 48)
    with pytest.raises(ShapeError, match="sides that are multiples of 16 fit"):
        G(Tensor(images(1, 1, 24, 32)))
    with pytest.raises(OptionError, match="whose sides are multiples of 4"):
        UNetGenerator((1, 14, 14), 1)
    with pytest.raises(OptionError, match=r"dropout 1\.0"):
        UNetGenerator((1, 16, 16), 1, dropout=1.0)


# --- residual generator ---


def test_a_block_whose_last_norm_gives_nothing_is_the_identity():
    block = ResidualBlock(2)
    block.n2.forward = lambda x: x * 0.0
    x = Tensor(images(1, 2, 6, 6))
    np.testing.assert_array_equal(block(x).data, x.data)


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (32, 20)])
def test_a_residual_generator_keeps_the_size(shape):
    G = ResidualGenerator((1, *shape), 3, ngf=2, blocks=1)
    y = G(Tensor(images(1, 1, *shape)))
    assert y.shape == (1, 3, *shape)
    assert np.abs(y.data).max() <= 1


def test_borders_are_mirrored_so_a_constant_stays_constant_inside():
    # zeros around the image would show in the first layer; mirror images of a constant don't
    G = ResidualGenerator((1, 16, 16), 1, ngf=2, blocks=1)
    first = next(iter(G.main))
    y = first(Tensor(np.full((1, 1, 16, 16), 0.5, np.float32))).data
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :, 8:9, 8:9], y.shape), rtol=1e-5, atol=1e-7)


def test_a_residual_generator_says_what_fits():
    with pytest.raises(OptionError, match="multiples of 4, 8 or more"):
        ResidualGenerator((1, 18, 18), 1)
    with pytest.raises(OptionError, match="a generator of 0 residual blocks"):
        ResidualGenerator((1, 16, 16), 1, blocks=0)
    with pytest.raises(ShapeError, match="multiples of 4, 8 or more"):
        ResidualGenerator((1, 16, 16), 1, ngf=1, blocks=1)(Tensor(images(1, 1, 18, 16)))


# --- the paper's sizes ---


def test_the_papers_players_have_the_published_numbers_of_parameters():
    # https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix prints them in millions at the start
    config = get("pix2pix").presets["paper"]
    game = new_game(get("pix2pix"), (6, 256, 256), config=config)
    assert game.G.depth == 8
    assert round(count(game.G) / 1e6, 3) == 54.414
    assert round(count(game.D) / 1e6, 3) == 2.769
    assert game.D.receptive_field == 70
    game = new_game(get("cyclegan"), (6, 256, 256), config=get("cyclegan").presets["paper"])
    for player in (game.G, game.extra["F"]):
        assert round(count(player) / 1e6, 3) == 11.378
    for player in (game.D, game.extra["D_A"]):
        assert round(count(player) / 1e6, 3) == 2.765


# --- domains and jitter ---


def test_domains_share_the_channels_of_a_sample():
    assert domain_shapes("r", 1, (4, 8, 8)) == ((1, 8, 8), (3, 8, 8))
    assert domain_shapes("r", 0, (6, 8, 8)) == ((3, 8, 8), (3, 8, 8))
    for source, shape in ((0, (3, 8, 8)), (4, (4, 8, 8)), (0, (2,))):
        with pytest.raises(OptionError, match="translates images of one domain into another"):
            domain_shapes("r", source, shape)


def jittered(x, seed=0, **how):
    with random.using(random.Streams(seed)):
        return jitter(Tensor(x), **how).data


def test_jitter_moves_both_images_of_a_pair_alike():
    a = images(8, 1, 12, 12)
    pair = jittered(np.concatenate([a, a], axis=1), enlarge=4)
    np.testing.assert_array_equal(pair[:, 0], pair[:, 1])
    assert pair.shape == (8, 2, 12, 12)


def test_without_enlargement_images_are_mirrored_or_as_they_were():
    x = images(64, 1, 6, 6)
    turned = 0
    for mine, was in zip(jittered(x, enlarge=0), x, strict=True):
        turned += int((mine == was[:, :, ::-1]).all())
        assert (mine == was).all() or (mine == was[:, :, ::-1]).all()
    assert 16 <= turned <= 48  # four deviations of 64 fair coins
    np.testing.assert_array_equal(jittered(x, enlarge=0, flip=False), x)


def test_each_crop_is_a_window_of_the_enlarged_image_and_all_windows_come():
    x = np.broadcast_to(images(1, 1, 4, 4), (200, 1, 4, 4)).copy()
    large = ops.interpolate(Tensor(x[:1]), (6, 6), mode="bilinear").data[0, 0]
    windows = {large[i : i + 4, j : j + 4].tobytes() for i in range(3) for j in range(3)}
    found = jittered(x, enlarge=2, flip=False)
    assert {np.ascontiguousarray(y[0]).tobytes() for y in found} == windows


def test_jitter_refuses_to_shrink():
    with pytest.raises(OptionError, match="enlarge=-1"):
        jittered(images(1, 1, 4, 4), enlarge=-1)
