"""SNGAN's ResNet pair: sizes, counts by hand, blocks against their definition, a training step."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops, optim, random
from tinygan.errors import OptionError
from tinygan.gan.networks import ResNetDiscriminator, ResNetGenerator
from tinygan.gan.networks.resnet import DownBlock, UpBlock

RNG = np.random.default_rng(0)


def count(module):
    return sum(p.size for p in module.parameters())


def conv3(n, c):
    return 9 * n * c + n


def in_float64(module):
    return {k: Tensor(v.astype("float64")) for k, v in module.state_dict().items() if v.ndim}


def below(tensors, name):
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}


def test_networks_have_the_sizes_of_table_3():
    G, D = ResNetGenerator(128, (3, 32, 32)), ResNetDiscriminator((3, 32, 32))
    skip, norms = 256 * 256 + 256, 4 * 256  # 1 x 1 convolution; two batch norms
    block = 2 * conv3(256, 256) + skip + norms
    dense, last = 129 * 4 * 4 * 256, 2 * 256 + conv3(3, 256)
    assert count(G) == dense + 3 * block + last == 4_276_739
    first = conv3(128, 3) + conv3(128, 128) + (3 * 128 + 128)
    down, same = 2 * conv3(128, 128) + (128 * 128 + 128), 2 * conv3(128, 128)
    assert count(D) == first + down + 2 * same + 128 == 1_053_824


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 48, 48)])
def test_images_come_out_in_range_and_get_one_logit_each(shape):
    G, D = ResNetGenerator(5, shape, ngf=4), ResNetDiscriminator(shape, ndf=4)
    images = G(Tensor(RNG.normal(size=(3, 5)).astype(np.float32)))
    assert images.shape == (3, *shape)
    assert np.abs(images.data).max() <= 1
    assert D(images).shape == (3,)


def test_an_up_block_is_its_definition():
    with random.using(random.Streams(1)):
        block = UpBlock(3, 4)
    w, x = in_float64(block), RNG.normal(size=(2, 3, 4, 6))
    got = nn.functional_call(block, w, Tensor(x))

    def up_conv(h, layer, padding):
        twice = ops.upsample_nearest(h, 2)
        return ops.conv2d(twice, w[f"{layer}.weight"], w[f"{layer}.bias"], padding=padding)

    def normed(h, layer):
        return ops.relu(ops.batch_norm(h, w[f"{layer}.weight"], w[f"{layer}.bias"], eps=2e-5))

    h = up_conv(normed(x, "b1"), "c1", 1)
    h = ops.conv2d(normed(h, "b2"), w["c2.weight"], w["c2.bias"], padding=1)
    np.testing.assert_allclose(got.data, (h + up_conv(x, "c_sc", 0)).data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("down", [False, True])
def test_a_down_block_is_its_definition(first, down):
    with random.using(random.Streams(1)):
        block = DownBlock(3, 4 if down else 3, down=down, first=first)
    for name, p in block.named_parameters().items():
        if name.endswith("bias"):  # they start at 0, where nobody would miss them
            nn.init.normal_(p, stream=random.Streams(2).stream(name))
    w, x = in_float64(block), RNG.normal(size=(2, 3, 4, 6))
    got = nn.functional_call(block, w, Tensor(x))

    def conv(h, layer, padding=1):
        return ops.conv2d(h, w[f"{layer}.weight"], w[f"{layer}.bias"], padding=padding)

    def pooled(h):
        return ops.avg_pool2d(h, 2) if down else h

    h = pooled(conv(ops.relu(conv(x if first else ops.relu(x), "c1")), "c2"))
    skip = pooled(conv(x, "c_sc", 0)) if down else x
    np.testing.assert_allclose(got.data, (h + skip).data, rtol=1e-12, atol=1e-12)


def test_blocks_follow_each_other_and_end_in_the_heads_of_table_3():
    with random.using(random.Streams(4)):
        G = ResNetGenerator(5, (2, 16, 16), ngf=3)
        D = ResNetDiscriminator((2, 16, 16), ndf=3, spectral_norm=False)
    w, z = in_float64(G), RNG.normal(size=(4, 5))
    h = Tensor((z @ w["l1.weight"].data.T + w["l1.bias"].data).reshape(4, 3, 2, 2))
    for name in ("block2", "block3", "block4"):
        h = nn.functional_call(vars(G)[name], below(w, name), h)
    h = ops.relu(ops.batch_norm(h, w["b5.weight"], w["b5.bias"], eps=2e-5))
    images = ops.tanh(ops.conv2d(h, w["c5.weight"], w["c5.bias"], padding=1))
    got = nn.functional_call(G, w, Tensor(z))
    np.testing.assert_allclose(got.data, images.data, rtol=1e-12, atol=1e-12)

    w, h = in_float64(D), images
    for name in ("block1", "block2", "block3", "block4"):
        h = nn.functional_call(vars(D)[name], below(w, name), h)
    logits = np.maximum(h.data, 0).sum((2, 3)) @ w["l5.weight"].data[0]
    got = nn.functional_call(D, w, images)
    np.testing.assert_allclose(got.data, logits, rtol=1e-12, atol=1e-12)


def test_weights_start_as_the_authors_draw_them():
    with random.using(random.Streams(0)):
        G = ResNetGenerator(128, (3, 32, 32), ngf=32)
        D = ResNetDiscriminator((3, 32, 32), ndf=32, spectral_norm=False)
    bounds = {
        "block2.c1": np.sqrt(2 * 6 / (2 * 32 * 9)),
        "block2.c2": np.sqrt(2 * 6 / (2 * 32 * 9)),
        "block2.c_sc": np.sqrt(6 / 64),
        "l1": np.sqrt(6 / (128 + 512)),
        "c5": np.sqrt(6 / (9 * 35)),
    }
    for name, bound in bounds.items():
        largest = np.abs(G.state_dict()[f"{name}.weight"]).max()
        assert 0.95 * bound < largest <= np.float32(bound), name
        assert not G.state_dict()[f"{name}.bias"].any()
    for name, bound in {
        "block1.c1": np.sqrt(2 * 6 / (9 * 35)),
        "block2.c2": np.sqrt(2 * 6 / (2 * 32 * 9)),
        "block2.c_sc": np.sqrt(6 / 64),
        "l5": np.sqrt(6 / 33),
    }.items():
        largest = np.abs(D.state_dict()[f"{name}.weight"]).max()
        assert 0.9 * bound < largest <= np.float32(bound), name


def test_spectral_norm_holds_every_layer_of_d_and_divides_the_3_x_3_weight():
    D = ResNetDiscriminator((3, 32, 32), ndf=4)
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 11  # 3 of block 1 and 2, 2 of block 3 and 4, l5
    state = D.state_dict()
    assert {k for k in state if k.endswith(("weight", "bias_orig"))} == set()
    assert sum(k.endswith("weight_u") for k in state) == 11
    assert state["block2.c2.weight_orig"].shape == (4, 4, 3, 3)
    assert state["block2.c2.weight_v"].shape == (36,)
    free = ResNetDiscriminator((3, 32, 32), ndf=4, spectral_norm=False)
    assert not any("weight_u" in k for k in free.state_dict())


def test_a_hinge_step_moves_both_players_by_finite_gradients():
    with random.using(random.Streams(0)):
        G, D = ResNetGenerator(6, (3, 16, 16), ngf=8), ResNetDiscriminator((3, 16, 16), ndf=8)
    real = Tensor(RNG.uniform(-1, 1, size=(4, 3, 16, 16)).astype(np.float32))
    z = Tensor(RNG.normal(size=(4, 6)).astype(np.float32))
    for player, loss in (
        (D, lambda: ops.hinge_d_loss(D(real), D(G(z).detach()))),
        (G, lambda: ops.hinge_g_loss(D(G(z)))),
    ):
        params = player.parameters()
        grads = grad(loss(), params)
        assert all(np.isfinite(g.data).all() for g in grads)
        assert all(g.data.any() for g in grads)
        assert all(g.dtype == np.float32 for g in grads)
        D.eval()  # u and v stand still, or two losses would be of two functions
        before = loss()
        optim.Adam(params, 2e-4, betas=(0.0, 0.9)).step(grad(before, params))
        assert float(loss()) < float(before)
        D.train()


def test_images_that_do_not_fit_are_named():
    for shape in ((3, 32, 28), (32, 32), (3, 30, 30)):
        with pytest.raises(OptionError, match="square images"):
            ResNetGenerator(8, shape)
        with pytest.raises(OptionError, match="square images"):
            ResNetDiscriminator(shape)
