"""BigGAN's G against its definition: the shared class vector, chunks of z, orthogonal weights."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops, random
from tinygan.errors import OptionError
from tinygan.gan import orthogonal
from tinygan.gan.networks import BigGANGenerator, ProjectionDiscriminator, orthogonal_init
from tinygan.gan.networks.spectral import WEIGHTED, has_spectral_norm, raw_weight

RNG = np.random.default_rng(0)
SHAPE, NZ, K, NGF, SHARED = (2, 16, 16), 8, 3, 4, 5
BLOCKS = ("block2", "block3", "block4")


@pytest.fixture
def G():
    with random.using(random.Streams(1)):
        return BigGANGenerator(NZ, SHAPE, num_classes=K, ngf=NGF, shared=SHARED)


def normalised(G):
    """Return G's tensors in float64, each weight divided by u^T W v as it stands."""
    w = {k: v.astype("float64") for k, v in G.state_dict().items()}
    for key in [k for k in w if k.endswith("weight_orig")]:
        name, matrix = key.removesuffix("_orig"), w[key].reshape(len(w[key]), -1)
        w[name] = w[key] / (w[f"{name}_u"] @ matrix @ w[f"{name}_v"])
    return w


def in_words(w, z, y):
    """G(z, y) by its definition, with running statistics, from plain arrays."""

    def norm(h, name, c):
        h = (h - w[f"{name}.running_mean"][:, None, None]) / np.sqrt(
            w[f"{name}.running_var"][:, None, None] + 2e-5
        )
        gain, bias = 1 + c @ w[f"{name}.scale.weight"].T, c @ w[f"{name}.shift.weight"].T
        return gain[:, :, None, None] * h + bias[:, :, None, None]

    def conv(h, name, padding):
        return ops.conv2d(Tensor(h), w[f"{name}.weight"], w[f"{name}.bias"], padding=padding).data

    def twice(h):
        return h.repeat(2, axis=2).repeat(2, axis=3)

    parts, e = np.split(z, 4, axis=1), w["shared.weight"][y]
    h = (parts[0] @ w["l1.weight"].T + w["l1.bias"]).reshape(-1, NGF, 2, 2)
    for block, part in zip(BLOCKS, parts[1:], strict=True):
        c = np.concatenate([e, part], 1)
        r = conv(twice(np.maximum(norm(h, f"{block}.b1", c), 0)), f"{block}.c1", 1)
        r = conv(np.maximum(norm(r, f"{block}.b2", c), 0), f"{block}.c2", 1)
        h = r + conv(twice(h), f"{block}.c_sc", 0)
    h = (h - w["b5.running_mean"][:, None, None]) / np.sqrt(
        w["b5.running_var"][:, None, None] + 2e-5
    )
    h = h * w["b5.weight"][:, None, None] + w["b5.bias"][:, None, None]
    return np.tanh(conv(np.maximum(h, 0), "c5", 1))


def test_g_is_its_definition(G):
    z, y = RNG.normal(size=(3, NZ)), np.array([2, 0, 2])
    for _ in range(3):  # running statistics away from 0 and 1
        G(Tensor(RNG.normal(size=(8, NZ)).astype("float32")))
    G.eval()
    images = G(Tensor(z.astype("float32")), y).data
    np.testing.assert_allclose(images, in_words(normalised(G), z, y), rtol=1e-3, atol=1e-5)


def test_each_block_has_a_chunk_of_z_of_its_own(G):
    seen = {}
    for name in BLOCKS:
        block = vars(G)[name]
        vars(G)[name] = lambda h, c, name=name, b=block: seen.update({name: c.data}) or b(h, c)
    z, y = RNG.normal(size=(3, NZ)).astype("float32"), np.array([1, 0, 2])
    G(Tensor(z), y)
    table = G.shared.weight.data
    for i, name in enumerate(BLOCKS, 1):
        np.testing.assert_array_equal(seen[name][:, :SHARED], table[y])
        np.testing.assert_array_equal(seen[name][:, SHARED:], z[:, 2 * i : 2 * i + 2])


def test_one_class_vector_serves_all_norms(G):
    z = Tensor(RNG.normal(size=(4, NZ)).astype("float32"))
    images = G(z, np.array([0, 0, 2, 2]))
    slope = grad(ops.sum(ops.square(images)), G.shared.weight).data
    assert (np.abs(slope[[0, 2]]).max(1) > 0).all()
    assert (slope[1] == 0).all()  # a class that was not asked for
    tables = [n for n, p in G.named_parameters().items() if p.shape[0] == K]
    assert tables == ["shared.weight"]


def test_weights_are_orthogonal_at_first_and_normalised(G):
    layers = [m for m in G.modules() if isinstance(m, WEIGHTED)]
    assert len(layers) == 2 + 3 * 3 + 3 * 4  # first and last; convolutions; scale and shift
    assert all(has_spectral_norm(m) for m in layers)
    with random.using(random.Streams(2)):
        D = orthogonal_init(ProjectionDiscriminator(SHAPE, num_classes=K, ndf=4))
    for layer in [*layers, G.shared, *(m for m in D.modules() if isinstance(m, WEIGHTED)), D.l_y]:
        matrix = raw_weight(layer).data
        matrix = matrix.reshape(len(matrix), -1)
        gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)


def test_the_penalty_is_nothing_for_orthogonal_rows_and_grows_from_there():
    with random.using(random.Streams(1)):
        layer = orthogonal_init(nn.Linear(6, 4))
    assert float(orthogonal(layer)) == pytest.approx(0, abs=1e-9)
    layer.weight.assign_(layer.weight.data + layer.weight.data[[1, 0, 2, 3]])
    assert float(orthogonal(layer)) == pytest.approx(2 * 4, rel=1e-4)  # rows 0 and 1 are equal


@pytest.mark.parametrize("nz", [2, 6, 0])
def test_z_that_cannot_be_cut_in_four_is_refused(nz):
    with pytest.raises(OptionError, match=f"nz {nz}: a multiple of 4 fits"):
        BigGANGenerator(nz, SHAPE, num_classes=K)
