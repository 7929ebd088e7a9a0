"""Players of several domains, of captions and of films: shapes, what is shared, what is refused."""

import numpy as np
import pytest

from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.data.captions import CAPTIONS
from tinygan.errors import OptionError, ShapeError
from tinygan.gan.editing import find_latent
from tinygan.gan.networks import (
    CaptionDiscriminator,
    CaptionGenerator,
    ConditionalGenerator,
    CoupledDiscriminator,
    CoupledGenerator,
    FilmDiscriminator,
    FilmGenerator,
    StarDiscriminator,
    StarGenerator,
)
from tinygan.gan.networks.conditional import with_planes
from tinygan.gan.networks.coupled import choose


@pytest.fixture(autouse=True)
def streams():
    with random.using(random.Streams(5)):
        yield


def normal(*shape):
    return Tensor(random.current().stream("test").normal(shape))


# --- coupled ---


def test_each_row_is_of_the_candidate_that_its_label_names():
    candidates = [Tensor(np.full((4, 2), k, np.float32)) for k in range(3)]
    assert choose(candidates, np.array([2, 0, 1, 2])).data[:, 0].tolist() == [2, 0, 1, 2]


def test_coupled_generators_share_all_but_their_last_layers():
    G = CoupledGenerator(4, (1, 8, 8), domains=3, ngf=2).eval()
    z = normal(3, 4)
    made = [G(z, np.full(3, k)).data for k in range(3)]
    h = G.trunk(z.reshape(3, 4, 1, 1))
    for k, images in enumerate(made):
        assert np.array_equal(images, ops.tanh(G.heads[k](h)).data)
    of_first = grad(ops.sum(G(z, np.zeros(3, np.int64))), [head.weight for head in G.heads])
    assert [bool(np.any(g.data)) for g in of_first] == [True, False, False]


def test_without_labels_neighbours_show_one_z_in_all_domains():
    G = CoupledGenerator(4, (1, 8, 8), domains=2, ngf=2).eval()
    z = normal(5, 4)
    made = G(z).data
    for i in range(5):
        own = z[i // 2 * 2 : i // 2 * 2 + 1]
        assert np.allclose(made[i], G(own, np.array([i % 2])).data[0], atol=1e-6)  # batches differ


def test_a_coupled_discriminator_judges_by_the_stem_of_the_domain():
    D = CoupledDiscriminator((1, 8, 8), domains=2, ndf=2).eval()
    x = normal(4, 1, 8, 8)
    y = np.array([0, 1, 1, 0])
    both = np.stack([D.trunk(stem(x)).data.reshape(-1) for stem in D.stems])
    assert np.array_equal(D(x, y).data, both[y, np.arange(4)])


# --- StarGAN ---


@pytest.mark.parametrize("size", [(8, 8), (16, 12), (32, 32)])
def test_stargan_keeps_the_size_and_its_d_tells_score_and_domain(size):
    G = StarGenerator((3, *size), num_classes=4, ngf=2, blocks=1)
    D = StarDiscriminator((3, *size), num_classes=4, ndf=2)
    x = normal(5, 3, *size)
    changed = G(x, np.arange(5) % 4)
    assert changed.shape == x.shape
    score, domain = D(changed)
    assert (score.shape, domain.shape) == ((5,), (5, 4))


def test_the_domain_gets_past_the_first_layer():
    # an instance norm behind it would take constant planes away, but for the border
    G = StarGenerator((1, 32, 32), num_classes=2, ngf=4, blocks=1)
    x = normal(2, 1, 32, 32)
    first = nn.Sequential(*list(G.main)[:2])
    one, other = (first(with_planes(x, np.full(2, k), 2)).data for k in (0, 1))
    middle = abs(one - other)[:, :, 8:-8, 8:-8].mean()
    assert middle > 0.1 * abs(one).mean()


def test_stargan_of_no_domain_makes_all_in_turn():
    G = StarGenerator((1, 8, 8), num_classes=3, ngf=2, blocks=1)
    x = normal(4, 1, 8, 8)
    assert np.array_equal(G(x).data, G(x, np.array([0, 1, 2, 0])).data)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 10, 8)])
def test_stargan_refuses_sides_that_it_would_not_get_back_to(shape):
    with pytest.raises(OptionError, match="multiples of 4"):
        StarGenerator(shape, num_classes=2, ngf=2, blocks=1)


# --- captions ---


@pytest.mark.parametrize("shape", [(3, 8, 24), (3, 16, 48), (1, 28, 28)])
def test_captions_become_images_of_any_width_that_fits(shape):
    text = {"features": 3, "hidden": 4}
    G = CaptionGenerator(5, shape, ngf=2, **text)
    D = CaptionDiscriminator(shape, ndf=2, **text)
    y = np.array([0, 47, 119, 5])
    images = G(normal(4, 5), y)
    assert images.shape == (4, *shape)
    own, other = D(images, y, y[::-1].copy())
    assert own.shape == other.shape == (4,)
    assert G.num_classes == len(CAPTIONS)


def test_the_order_of_words_matters_to_the_encoder():
    text = CaptionGenerator(5, (3, 8, 24), ngf=2, features=3, hidden=4).text
    three_ones, one_three = CAPTIONS.index("three red ones"), CAPTIONS.index("one red three")
    a, b = text(np.array([three_ones, one_three])).data
    assert not np.allclose(a, b)


def test_d_judges_the_same_with_one_caption_or_with_two():
    D = CaptionDiscriminator((3, 8, 24), ndf=2, features=3, hidden=4).eval()
    x, y = normal(4, 3, 8, 24), np.array([3, 1, 4, 1])
    own, other = D(x, y, y + 1)
    assert np.array_equal(own.data, D(x, y).data)
    assert np.array_equal(other.data, D(x, y + 1).data)


@pytest.mark.parametrize("shape", [(2,), (3, 16, 45)])
def test_captions_refuse_what_they_cannot_describe(shape):
    with pytest.raises(OptionError, match=r"captions describe images|no multiple of 4"):
        CaptionGenerator(5, shape, ngf=2, features=3, hidden=4)


# --- films ---


@pytest.mark.parametrize("shape", [(4, 8, 8), (8, 16, 16), (6, 28, 28), (16, 64, 64)])
def test_films_fit_their_judges(shape):
    G = FilmGenerator(shape, content=3, motion=2, ngf=1)
    D = FilmDiscriminator(shape, ndf=1)
    assert G.nz == 3 + 2 * (1 + shape[0])
    films = G(normal(2, G.nz))
    assert films.shape == (2, *shape)
    assert D(films).shape == (2,)


def test_frames_differ_by_motion_alone():
    G = FilmGenerator((4, 8, 8), content=3, motion=2, ngf=2).eval()
    z = normal(1, G.nz)
    changed = z.data.copy()
    changed[0, -2:] += 1  # the noise of the last frame
    one, other = G(z).data[0], G(Tensor(changed)).data[0]
    assert np.array_equal(one[:3], other[:3])  # motion comes from what was before
    assert not np.array_equal(one[3], other[3])


def test_the_motion_is_a_gru_over_the_noise():
    G = FilmGenerator((4, 8, 8), content=3, motion=2, ngf=2).eval()
    z = normal(2, G.nz)
    content, state = z[:, :3], z[:, 3:5]
    weights = [G.cell.weight_ih_l0, G.cell.weight_hh_l0, G.cell.bias_ih_l0, G.cell.bias_hh_l0]
    films = G(z).data
    for t in range(4):
        state = ops.gru_cell(z[:, 5 + 2 * t : 7 + 2 * t], state, *weights)
        frame = G.image(ops.concatenate([content, state], 1)).data[:, 0]
        assert np.allclose(films[:, t], frame, atol=1e-6)  # sums of other lengths


def test_the_judge_of_frames_sees_one_frame_of_each_film():
    D = FilmDiscriminator((4, 8, 8), ndf=2).eval()
    x = normal(6, 4, 8, 8)
    t = random.Streams(5).stream("frame").integers(6, 0, 4)
    of_film, of_frame = D.both(x)
    expected = D.image(Tensor(x.data[np.arange(6), t][:, None])).data
    assert np.array_equal(of_frame.data, expected)
    assert of_film.shape == (6,)


@pytest.mark.parametrize("shape", [(2,), (3, 8, 8), (1, 8, 8)])
def test_images_are_no_films(shape):
    with pytest.raises(OptionError, match="--data moving:digits fits"):
        FilmGenerator(shape, content=3, motion=2, ngf=2)


# --- editing ---


def linear_game():
    """Return G(z, y) = A z + b_y on vectors, whose best z is known."""
    matrix = normal(3, 6).data
    shift = normal(2, 6).data

    class Linear(nn.Module):
        """G."""

        def forward(self, z, y):
            return z @ Tensor(matrix) + Tensor(shift[y])

    return Linear(), matrix, shift


def test_the_latent_found_has_the_features_of_the_sample():
    G, matrix, shift = linear_game()
    y = np.array([0, 1, 1])
    z = normal(3, 3).data
    x = Tensor(z @ matrix + shift[y])
    start = Tensor(np.zeros((3, 3), np.float32))
    found = find_latent(G, x, y, start, features=lambda v: v, steps=800, lr=0.05)
    assert np.allclose(found.data, z, atol=1e-3)


def test_features_decide_what_is_kept():
    G, _, _ = linear_game()
    y, seen = np.array([0]), Tensor(normal(6, 2).data)
    x = normal(1, 6)  # out of G's reach
    start = Tensor(np.zeros((1, 3), np.float32))
    found = find_latent(G, x, y, start, features=lambda v: v @ seen, steps=1500, lr=0.05)
    # two features and three numbers of z: all features can be met, which pixels cannot
    assert np.allclose(G(found, y).data @ seen.data, x.data @ seen.data, atol=1e-2)
    assert not np.allclose(G(found, y).data, x.data, atol=1e-1)


def test_each_sample_is_searched_by_itself():
    G = ConditionalGenerator((1, 8, 8), num_classes=2, nz=3, ngf=2, hidden=4)
    y, x, start = np.array([0, 1]), normal(2, 1, 8, 8), normal(2, 3)
    both = find_latent(G, x, y, start, features=lambda v: v, steps=5)
    alone = find_latent(G, x[:1], y[:1], start[:1], features=lambda v: v, steps=5)
    assert np.allclose(both.data[:1], alone.data, atol=1e-5)  # kernels of other batch sizes
    assert G.training


def test_what_does_not_belong_together_is_refused():
    G, _, _ = linear_game()
    x, start = normal(2, 6), normal(3, 3)
    with pytest.raises(ShapeError, match="2 samples, 2 traits, 3 z"):
        find_latent(G, x, np.zeros(2, np.int64), start, features=lambda v: v)
    with pytest.raises(OptionError, match="use 0 or more"):
        find_latent(G, x, np.zeros(2, np.int64), start[:2], features=lambda v: v, steps=-1)
