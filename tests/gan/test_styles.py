"""Styles as arrays: truncation, crossing, SeFa, walks; and the projection that finds w again."""

import numpy as np
import pytest

from tinygan import Tensor, nn, ops, random
from tinygan.autograd import grad
from tinygan.errors import OptionError, ShapeError
from tinygan.gan.game import evaluating
from tinygan.gan.networks import StyleGAN2Generator, StyleGANGenerator
from tinygan.gan.project import project, roughness
from tinygan.gan.styles import crossed, projected, render, sefa, spread, styles_of, walked

KINDS = [StyleGANGenerator, StyleGAN2Generator]


def normal(*shape, name="x"):
    return random.Stream(0, name).normal(shape)


def generator(kind=StyleGAN2Generator, shape=(1, 16, 16), **changes):
    return kind(5, shape, **{"nw": 6, "mapping_layers": 2, "nf": 2, "nf_max": 4} | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_rendered_styles_are_what_g_makes_of_z(kind):
    G, z = generator(kind), normal(70, 5)  # more than a batch
    before = G.w_avg.data.copy()
    images = render(G, styles_of(G, z))
    np.testing.assert_array_equal(G.w_avg.data, before)
    assert all(m.training for m in G.modules())
    G.eval()
    np.testing.assert_allclose(images, G(Tensor(z)).data, atol=1e-5)
    half = render(G, styles_of(G, z, psi=0.5))
    np.testing.assert_allclose(half, G(Tensor(z), psi=0.5).data, atol=1e-5)


def test_crossing_at_a_layer_takes_the_columns_styles_from_it_on():
    rows, columns = normal(2, 4, 3, name="r"), normal(3, 4, 3, name="c")
    for layer in range(5):
        grid = crossed(rows, columns, layer=layer).reshape(2, 3, 4, 3)
        for i in range(2):
            for j in range(3):
                np.testing.assert_array_equal(grid[i, j, :layer], rows[i, :layer])
                np.testing.assert_array_equal(grid[i, j, layer:], columns[j, layer:])
    with pytest.raises(OptionError, match="layer 5: 0 to 4 fits"):
        crossed(rows, columns, layer=5)
    with pytest.raises(ShapeError, match="both fit"):
        crossed(rows, columns[:, :3], layer=1)


# --- SeFa ---


@pytest.mark.parametrize("kind", KINDS)
def test_directions_are_orthonormal_and_no_unit_vector_changes_styles_more(kind):
    G = generator(kind)
    values, directions = sefa(G)
    np.testing.assert_allclose(directions @ directions.T, np.eye(6), atol=1e-12)
    assert (np.diff(values) <= 0).all()
    a = np.concatenate([layer.weight.data for group in G.affines() for layer in group])
    np.testing.assert_allclose(((a @ directions.T) ** 2).sum(0), values, rtol=1e-5)
    others = normal(500, 6, name="n").astype(np.float64)
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert ((a @ others.T) ** 2).sum(0).max() <= values[0] * (1 + 1e-6)
    rest = others - others @ directions[:1].T @ directions[:1]  # orthogonal to the first
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    assert ((a @ rest.T) ** 2).sum(0).max() <= values[1] * (1 + 1e-6)
    assert (directions[np.arange(6), np.abs(directions).argmax(1)] > 0).all()


def test_directions_of_some_layers_are_of_their_maps_alone():
    G = generator()
    affine = G.affines()
    assert [len(group) for group in affine] == [1, 2, 1, 2, 1, 1]
    a = np.concatenate([affine[i][j].weight.data for i, j in ((1, 0), (1, 1), (2, 0))])
    values, directions = sefa(G, layers=[1, 2])
    np.testing.assert_allclose(
        (a.T @ a) @ directions[0], values[0] * directions[0], rtol=1e-4, atol=1e-4
    )
    for layers in ([], [6], [-1]):
        with pytest.raises(OptionError, match=r"sefa: layers .* 0 to 5 fit"):
            sefa(G, layers=layers)


@pytest.mark.parametrize("kind", KINDS)
def test_every_affine_map_of_a_generator_belongs_to_one_style(kind):
    G = generator(kind)
    named = [m for m in G.modules() if isinstance(m, nn.AdaIN | nn.ModulatedConv2d)]
    listed = [layer for group in G.affines() for layer in group]
    assert len(G.affines()) == G.num_styles
    assert {id(m.style) for m in named} == {id(layer) for layer in listed}
    ws = Tensor(normal(1, G.num_styles, 6), requires_grad=True)
    for i, group in enumerate(G.affines()):  # the slope at style i runs through these maps alone
        cut = [layer.weight.data.copy() for layer in group]
        for layer in group:
            layer.weight.assign_(0 * layer.weight.data)
        slope = grad(ops.sum(ops.square(G.eval().synthesis(ws))), ws).data
        assert not slope[:, i].any()
        assert all(slope[:, k].any() for k in range(G.num_styles) if k != i)
        for layer, weight in zip(group, cut, strict=True):
            layer.weight.assign_(weight)


def test_a_walk_moves_the_chosen_layers_alone_and_passes_its_start():
    ws, ways = normal(4, 3), np.eye(3)[:2]
    found = walked(ws, ways, np.array([-1.0, 0.0, 2.0]), layers=[1, 3]).reshape(2, 3, 4, 3)
    np.testing.assert_array_equal(found[:, 1], np.stack([ws, ws]))
    np.testing.assert_array_equal(found[:, :, [0, 2]], np.tile(ws[[0, 2]], (2, 3, 1, 1)))
    np.testing.assert_allclose(found[1, 2, 3] - ws[3], [0, 2, 0], atol=1e-6)
    everywhere = walked(ws, ways, np.array([1.0]))
    np.testing.assert_allclose(everywhere[0] - ws, np.tile([1, 0, 0], (4, 1)), atol=1e-6)
    assert found.dtype == np.float32


def test_the_spread_of_w_is_its_mean_and_root_of_the_mean_variance():
    G = generator()
    middle, deviation = spread(G, n=500)
    w = G.mapping(Tensor(random.Stream(0, "w_spread").normal((500, 5)))).data.astype(np.float64)
    np.testing.assert_allclose(middle, w.mean(0), atol=1e-5)
    assert deviation == pytest.approx(np.sqrt(w.var(0).mean()), rel=1e-4)


# --- projection ---


def pixels(x, y):
    return ops.mean(ops.square(x - y), (1, 2, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_image_is_found_again(kind):
    G = generator(kind, (1, 8, 8), nf=8, nf_max=8)
    state = {k: a.copy() for k, a in G.state_dict().items()}
    with evaluating(G):
        middle = Tensor(spread(G)[0])
        ws = middle + 0.5 * (G.styles(Tensor(normal(3, 5))) - middle)
        x = G.synthesis(ws).data  # not clipped: untrained G goes far
    # from the mean, half way is near: from a far w descent may end in another valley
    first, *_, last = project(G, x, pixels, steps=150, noise_weight=0.0)
    assert (last.distance < 0.01 * first.distance).all(), (first.distance, last.distance)
    assert last.noises == ()
    for key, value in G.state_dict().items():  # G is left as it was
        np.testing.assert_array_equal(value, state[key])


def test_noise_maps_are_fitted_and_stay_of_mean_0_and_variance_1():
    G = generator()
    for layer in G.noise_layers():
        layer.weight.assign_(layer.weight.data + np.float32(0.2))
    x = render(G, styles_of(G, normal(2, 5)))
    steps = list(project(G, x, pixels, steps=8, noise_weight=10.0))
    assert [state.step for state in steps] == list(range(1, 9))
    sides = [4, 8, 8, 16, 16]
    assert [m.shape for m in steps[-1].noises] == [(2, 1, s, s) for s in sides]
    for first, last in zip(steps[0].noises, steps[-1].noises, strict=True):
        assert not np.allclose(first, last)
        np.testing.assert_allclose(last.mean((1, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(last.std((1, 2, 3)), 1, rtol=1e-3)
    made = projected(G, steps[-1].w, steps[-1].noises)
    assert made.shape == x.shape


def test_a_projection_is_the_same_for_the_same_seed_and_another_for_another():
    G = generator()
    x = render(G, styles_of(G, normal(2, 5)))
    a, b, c = (list(project(G, x, pixels, steps=3, seed=s))[-1].w for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_roughness_is_the_squared_correlation_of_neighbours_at_each_scale():
    maps = [normal(2, 1, 16, 16), normal(2, 1, 8, 8, name="y")]
    total = 0.0
    for x in maps:
        x = x.astype(np.float64)
        while True:
            for axis in (2, 3):
                total += ((x * np.roll(x, 1, axis)).mean((1, 2, 3)) ** 2).sum()
            if x.shape[2] <= 8:
                break
            x = 2 * x.reshape(2, 1, x.shape[2] // 2, 2, -1, 2).mean((3, 5))
    found = float(roughness([nn.Parameter(x) for x in maps]))
    assert found == pytest.approx(total, rel=1e-4)
    smooth = np.linspace(-1, 1, 16, dtype=np.float32) * np.ones((1, 1, 16, 1), np.float32)
    assert float(roughness([nn.Parameter(smooth / smooth.std())])) > 10 * found


def test_numbers_and_images_that_do_not_fit_are_refused():
    G, x = generator(), normal(2, 1, 16, 16)
    for flags in ({"steps": 0}, {"lr": 0.0}, {"noise_weight": -1.0}, {"lr": float("nan")}):
        with pytest.raises(OptionError, match=r"project: .* fit"):
            next(project(G, x, pixels, **flags))
    with pytest.raises(ShapeError, match=r"\(2, 1, 8, 8\): \(N, 1, 16, 16\) fit"):
        next(project(G, x[:, :, :8, :8], pixels))
