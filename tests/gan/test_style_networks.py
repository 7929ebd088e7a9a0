"""StyleGAN's and StyleGAN2's networks: against slow definitions, and which layer takes which w."""

import numpy as np
import pytest

from tinygan import Tensor, nn, ops, random
from tinygan.autograd import grad
from tinygan.errors import OptionError, ShapeError
from tinygan.gan import why_apart
from tinygan.gan.networks import (
    StyleGAN2Discriminator,
    StyleGAN2Generator,
    StyleGANDiscriminator,
    StyleGANGenerator,
)
from tinygan.gan.networks.stylegan2 import StyledConv2d
from tinygan.testing import check_grads

GENERATORS = [StyleGANGenerator, StyleGAN2Generator]
DISCRIMINATORS = [StyleGANDiscriminator, StyleGAN2Discriminator]
SMALL = {"nw": 6, "mapping_layers": 2, "nf": 2, "nf_max": 4}


def normal(*shape, name="x"):
    return Tensor(random.Stream(0, name).normal(shape))


def generator(kind, shape=(1, 16, 16), **changes):
    return kind(5, shape, **SMALL | changes)


def noisy(G):
    """Give every noise layer a scale, which is 0 at first."""
    for layer in G.noise_layers():
        layer.weight.assign_(layer.weight.data + np.float32(0.7))
    return G


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 64, 64)])
def test_images_of_any_power_of_two_are_made_and_judged(kind, shape):
    G, D = generator(GENERATORS[kind], shape), DISCRIMINATORS[kind](shape, nf=2, nf_max=4)
    image = G(normal(4, 5))
    assert image.shape == (4, *shape)
    assert D(image).shape == (4,)
    assert np.isfinite(D(image).data).all()


@pytest.mark.parametrize(
    ("kind", "nf", "of_g", "of_d"),
    [
        # the printed sums of the papers' code, 26,219,627 and 23,087,249, hold a layer to and from
        # RGB for each of the other eight sides: 3 w + 3 and 3 w + w numbers for widths w
        (0, 16, 26_219_627 - 3 * 2528 - 8 * 3, 23_087_249 - 4 * 2528),
        (1, 32, 30_370_060, 29_012_513),
    ],
)
def test_the_papers_networks_at_1024_pixels_have_as_many_parameters(kind, nf, of_g, of_d):
    assert 2528 == 4 * 512 + 256 + 128 + 64 + 32
    shape, sizes = (3, 1024, 1024), {"nf": nf, "nf_max": 512}
    G = GENERATORS[kind](512, shape, nw=512, **sizes)
    assert sum(p.size for p in G.parameters()) == of_g
    assert G.num_styles == 18
    del G
    D = DISCRIMINATORS[kind](shape, **sizes)
    assert sum(p.size for p in D.parameters()) == of_d


@pytest.mark.parametrize("kind", GENERATORS)
def test_noise_has_scale_0_at_first_so_that_g_is_deterministic(kind):
    G = generator(kind, mixing=0.0)
    z = normal(4, 5)
    np.testing.assert_array_equal(G(z).data, G(z).data)
    noisy(G)
    assert not np.allclose(G(z).data, G(z).data)  # fresh noise in training mode
    G.eval()
    np.testing.assert_array_equal(G(z).data, G(z).data)


@pytest.mark.parametrize("kind", GENERATORS)
def test_psi_0_is_the_mean_image_for_all_z_and_psi_1_is_untruncated(kind):
    G = generator(kind)
    for step in range(3):  # w_avg moves away from 0
        G(normal(8, 5, name=f"z{step}"))
    G.eval()
    z = normal(4, 5)
    mean = G(z, psi=0.0).data
    np.testing.assert_array_equal(mean, mean[:1].repeat(4, 0))
    styles = np.tile(G.w_avg.data, (1, G.num_styles, 1))
    np.testing.assert_allclose(mean[:1], G.synthesis(Tensor(styles)).data.clip(-1, 1), atol=1e-6)
    np.testing.assert_array_equal(G(z).data, G(z, psi=1.0).data)
    w, half = G.styles(z).data, G.styles(z, psi=0.5).data
    np.testing.assert_allclose(half, (w + G.w_avg.data) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", GENERATORS)
def test_w_avg_is_a_running_mean_of_w_in_training_mode_alone(kind):
    G = generator(kind)
    z, expected = [normal(8, 5, name=f"z{k}") for k in range(3)], np.zeros(6)
    for batch in z:
        expected = 0.995 * expected + 0.005 * G.mapping(batch).data.astype(np.float64).mean(0)
        G(batch)
    np.testing.assert_allclose(G.w_avg.data, expected, rtol=1e-5)
    before = G.w_avg.data.copy()
    G.eval()(z[0])
    np.testing.assert_array_equal(G.w_avg.data, before)


@pytest.mark.parametrize("kind", GENERATORS)
def test_w_does_not_depend_on_the_length_of_z(kind):
    G, z = generator(kind), normal(4, 5)
    np.testing.assert_allclose(G.mapping(z).data, G.mapping(z * 9.0).data, atol=1e-5)


@pytest.mark.parametrize("kind", GENERATORS)
def test_mixing_takes_styles_of_a_second_z_from_some_layer_on(kind):
    G, z = generator(kind, mixing=1.0), normal(64, 5)
    with random.using(random.Streams(7)) as streams:
        ws = G.styles(z).data
        stream = random.Stream(7, "mixing")
        other = G.mapping(Tensor(stream.normal(z.shape))).data
        assert streams.stream("mixing").index > z.size
    own, starts = G.mapping(z).data, []
    for i in range(64):
        second = [np.array_equal(ws[i, k], other[i]) for k in range(G.num_styles)]
        first = [np.array_equal(ws[i, k], own[i]) for k in range(G.num_styles)]
        k = second.index(True)
        assert second == [False] * k + [True] * (G.num_styles - k)
        assert first == [True] * k + [False] * (G.num_styles - k)
        starts.append(k)
    assert set(starts) == set(range(1, G.num_styles))


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_share_of_mixed_images_is_mixing(kind):
    G, z = generator(kind, mixing=0.25), normal(2000, 5)
    ws = G.styles(z).data
    share = (ws[:, 0] != ws[:, -1]).any(1).mean()
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)
    plain = generator(kind, mixing=0.0).styles(z).data
    assert (plain == plain[:, :1]).all()


@pytest.mark.parametrize("kind", GENERATORS)
def test_every_style_and_every_parameter_changes_the_image(kind):
    G = noisy(generator(kind)).eval()
    ws = normal(2, G.num_styles, 6)
    base = G.synthesis(ws).data
    for k in range(G.num_styles):
        moved = ws.data.copy()
        moved[:, k] += 0.5
        assert not np.allclose(G.synthesis(Tensor(moved)).data, base, atol=1e-6), k
    named = G.named_parameters()
    slopes = grad(ops.sum(ops.square(G(normal(2, 5)))), list(named.values()))
    assert all(np.any(g.data) for g in slopes)


def slow_upfirdn(x, pad, gain=1.0, up=1, down=1):
    """Filter by 1 3 3 1 in both axes, in loops over taps."""
    taps = np.array([1, 3, 3, 1]) / 8
    n, c, h, w = x.shape
    stuffed = np.zeros((n, c, h * up, w * up))
    stuffed[:, :, ::up, ::up] = x
    before, after = pad
    padded = np.pad(stuffed, ((0, 0), (0, 0), (before, after), (before, after)))
    p, q = padded.shape[2] - 3, padded.shape[3] - 3
    y = np.zeros((n, c, p, q))
    for i in range(4):
        for j in range(4):
            y += taps[i] * taps[j] * padded[:, :, i : i + p, j : j + q]
    return gain * y[:, :, ::down, ::down]


def slow_styled(layer, x, w, noise, up):
    """Modulate, demodulate, convolve each sample by its own filters; noise, bias, LeakyReLU."""
    o, i, r, s = layer.conv.weight.shape
    weight = layer.conv.weight.data / np.sqrt(i * r * s)
    style = w @ layer.conv.style.weight.data.T / np.sqrt(w.shape[1]) + layer.conv.style.bias.data
    out = []
    for n in range(len(x)):
        f = weight * style[n][None, :, None, None]
        f = f / np.sqrt((f**2).sum((1, 2, 3), keepdims=True) + 1e-8)
        side = x.shape[2]
        size = 2 * side + 1 if up else side
        y = np.zeros((o, size, size))
        padded = np.pad(x[n], ((0, 0), (1, 1), (1, 1)))
        for a in range(r):
            for b in range(s):
                if up:  # each pixel paints its window, two pixels from the next one's
                    painted = np.einsum("oi,ihw->ohw", f[:, :, a, b], x[n])
                    y[:, a : a + 2 * side - 1 : 2, b : b + 2 * side - 1 : 2] += painted
                else:
                    y += np.einsum(
                        "oi,ihw->ohw", f[:, :, a, b], padded[:, a : a + side, b : b + side]
                    )
        out.append(y)
    y = np.stack(out)
    if up:
        y = slow_upfirdn(y, (1, 1), gain=4.0)
    y = y + noise * layer.noise.weight.data + layer.bias.data[:, None, None]
    return np.sqrt(2) * np.where(y > 0, y, 0.2 * y)


@pytest.mark.parametrize("up", [False, True])
def test_a_styled_convolution_is_its_slow_definition(up):
    layer = StyledConv2d(3, 4, 8 if up else 4, 6, up=up).eval()
    layer.noise.weight.assign_(np.float32([0.3]))
    layer.bias.assign_(np.float32([0.1, -0.2, 0.3, 0.4]))
    x, w = normal(2, 3, 4, 4), normal(2, 6, name="w")
    noise = normal(2, 1, *[8 if up else 4] * 2, name="noise")
    expected = slow_styled(layer, *(t.data.astype(np.float64) for t in (x, w, noise)), up)
    np.testing.assert_allclose(layer(x, w, noise).data, expected, rtol=1e-4, atol=1e-5)


def test_demodulated_features_keep_their_size_whatever_the_style():
    layer = StyledConv2d(64, 64, 16, 6)
    x = normal(2, 64, 16, 16)
    sizes = [layer.conv(x, normal(2, 6, name="w") * s).data.std() for s in (0.1, 1.0, 30.0)]
    # each output is a sum of 576 products with unit energy; borders see fewer
    assert all(0.85 < size < 1.05 for size in sizes), sizes


def test_the_image_of_stylegan2_is_the_sum_of_every_blocks_enlarged():
    G = generator(StyleGAN2Generator, (3, 16, 16)).eval()
    ws = normal(2, G.num_styles, 6)
    x = G.convs[0](
        G.start.reshape(1, *G.start.shape) + Tensor(np.zeros((2, 1, 1, 1), np.float32)),
        ws[:, 0],
        None,
    )
    total = G.to_rgb[0](x, ws[:, 1]).data.astype(np.float64)
    for k in (1, 2):
        x = G.convs[2 * k - 1](x, ws[:, 2 * k - 1], None)
        x = G.convs[2 * k](x, ws[:, 2 * k], None)
        total = slow_upfirdn(total, (2, 1), gain=4.0, up=2) + G.to_rgb[k](x, ws[:, 2 * k + 1]).data
    np.testing.assert_allclose(G.synthesis(ws).data, total, rtol=1e-4, atol=1e-5)


def test_features_of_stylegan_have_the_mean_and_spread_of_their_style():
    G = generator(StyleGANGenerator).eval()
    x, w = normal(3, G.widths[0], 8, 8) * 4.0 + 2.0, normal(3, 6, name="w")
    layer = G.epilogues[0]
    y = layer(x, w, normal(1, 1, 8, 8)).data
    style = layer.norm.style(w).data
    c = G.widths[0]
    np.testing.assert_allclose(y.mean((2, 3)), style[:, c:], atol=1e-4)
    np.testing.assert_allclose(y.std((2, 3)), np.abs(style[:, :c]), rtol=1e-3)


def test_d_of_stylegan2_halves_by_filters_and_adds_a_branch_of_one_convolution():
    D = StyleGAN2Discriminator((1, 16, 16), nf=2, nf_max=4)
    block = D.main[2]
    x = normal(2, 2, 16, 16)
    low = slow_upfirdn(x.data, (1, 1), down=2)
    weight = block.skip[1].weight.data[:, :, 0, 0] / np.sqrt(2)
    skip = np.einsum("oi,nihw->nohw", weight, low)
    down = block.main[2]
    hidden = block.main[1](block.main[0](x)).data
    padded = np.pad(hidden, ((0, 0), (0, 0), (2, 2), (2, 2)))
    filtered = slow_upfirdn(padded, (0, 0))
    plain = ops.conv2d(
        Tensor(filtered.astype(np.float32)),
        Tensor(down.weight.data * np.float32(np.sqrt(2 / (2 * 9)))),
        down.bias,
        stride=2,
    ).data
    main = np.where(plain > 0, plain, 0.2 * plain)
    np.testing.assert_allclose(block(x).data, (main + skip) / np.sqrt(2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_d_compares_the_samples_of_a_group(kind):
    D, x = kind((1, 16, 16), nf=2, nf_max=4), normal(4, 1, 16, 16)
    assert "may look at the batch" in why_apart(D, x, x)
    alike = ops.concatenate([x[:1]] * 4)
    assert not np.allclose(D(alike).data[0], D(x).data[0], atol=1e-4)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_the_slope_of_d_can_be_differentiated_again(kind):
    D = kind((1, 8, 8), nf=2, nf_max=2)
    named = D.named_parameters() | D.named_buffers()
    weights = {k: Tensor(p.data.astype(np.float64)) for k, p in named.items()}
    x = normal(2, 1, 8, 8).data.astype(np.float64)
    check_grads(lambda x: ops.sum(ops.tanh(nn.functional_call(D, weights, x))), [x], order=2)


@pytest.mark.parametrize("kind", GENERATORS)
def test_g_s_images_are_clipped_outside_training_alone(kind):
    G, z = generator(kind, mixing=0.0), normal(16, 5)
    for p in G.parameters():
        p.assign_(p.data * 3)
    free = G(z).data
    assert np.abs(free).max() > 1
    assert np.abs(G.eval()(z).data).max() <= 1


@pytest.mark.parametrize("kind", GENERATORS)
def test_what_does_not_fit_is_refused(kind):
    for shape in ((2,), (1, 16, 8), (1, 18, 18), (1, 4, 4)):
        with pytest.raises(OptionError, match="StyleGAN"):
            generator(kind, shape)
    for changes in ({"mixing": 1.5}, {"mapping_layers": 0}, {"nw": 0}):
        with pytest.raises(OptionError, match=r"mixing .* fit"):
            generator(kind, **changes)
    G = generator(kind)
    with pytest.raises(ShapeError, match=r"styles \(2, 5, 6\) .* fit"):
        G.synthesis(normal(2, 5, 6))
    with pytest.raises(ShapeError, match="1 noises"):
        G.synthesis(normal(2, G.num_styles, 6), [None])
