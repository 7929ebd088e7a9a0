"""Every recipe: its shape as a file, what it trains on, and that it resumes bit for bit."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_recipes import ON, OWN, SIDE, SMALL

from tinygan import data, kernels, recipes
from tinygan.errors import OptionError
from tinygan.gan import fit, new_game, with_procedures
from tinygan.gan.settings import check_settings
from tinygan.recipes import RECIPES
from tinygan.runs.judge import judged
from tinygan.runs.setup import with_data

IMAGES_ONLY = {
    "dcgan", "began", "ebgan", "projection", "sagan", "biggan", "progan", "stylegan", "stylegan2",
    "srgan", "esrgan", "cogan", "stargan",
}  # fmt: skip


def run(name, steps, on=None, resume=None, cursor=None, procedures=(), **changes):
    """Train a small game; return it, and the batches."""
    recipe = with_procedures(recipes.get(name), **dict(procedures))
    config = recipe.config(**SMALL[name] | changes)
    dataset = data.load(on or ON[name])
    config = with_data(recipe, config, dataset)
    batches = data.Batches(dataset, config.batch, seed=11)
    if cursor is not None:
        batches.restore(cursor)
    shape = dataset.shape
    game = new_game(recipe, shape, config=config, seed=3)
    served = batches.with_labels() if recipe.labelled else batches
    for game in fit(  # noqa: B007 - the last one is asked for
        recipe, served, steps=steps, seed=3, config=config, resume=resume, data_shape=shape
    ):
        pass
    return game, batches


def assert_same_bits(a, b):
    (tensors, scalars), (others, more) = a, b
    assert scalars == more
    assert tensors.keys() == others.keys()
    for name in tensors:
        assert tensors[name].tobytes() == others[name].tobytes(), name


def assert_resumes(name, steps):
    straight, _ = run(name, steps, half_life_kimg=1.0)
    half, batches = run(name, steps // 2, half_life_kimg=1.0)
    state, cursor = half.state(), batches.state()
    del half, batches
    resumed, _ = run(name, steps, half_life_kimg=1.0, resume=state, cursor=cursor)
    assert_same_bits(straight.state(), resumed.state())


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("backend", ["numpy", "cpp"], indirect=True)
def test_a_run_in_two_halves_ends_in_the_same_bits(name, backend):
    with kernels.use_backend(backend, "numpy"):
        assert_resumes(name, 12)


# whose D judges pairs or packs, is an autoencoder, or compares what it must see as it is
UNAUGMENTED = {
    "pix2pix",
    "cyclegan",
    "pacgan",
    "veegan",
    "bigan",
    "began",
    "ebgan",
    "vae",
    "vae_gan",
    "semi_supervised",
    "video",
}


@pytest.mark.parametrize("name", RECIPES)
def test_d_judges_augmented_images_of_any_recipe_or_the_reason_is_given(name):
    spec = OWN.get(name, "digits:{}").format(SIDE.get(name, 8))
    on = {"name": name, "steps": 3, "on": spec}  # of which two are pretraining, where there is some
    if name in UNAUGMENTED:
        with pytest.raises(OptionError, match=r"autoencoder|one by one|does not suit|logits"):
            run(**on, procedures={"augment": "diff"})
        return
    plain, augmented = run(**on)[0], run(**on, procedures={"augment": "diff"})[0]
    tensors = plain.state()[0]
    assert tensors.keys() == augmented.state()[0].keys()
    assert any(x.tobytes() != augmented.state()[0][name].tobytes() for name, x in tensors.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_hundred_steps_are_fifty_and_fifty_more_bit_for_bit(name):
    assert_resumes(name, 100)


@pytest.mark.parametrize("name", RECIPES)
def test_the_second_half_depends_on_every_part_of_the_state(name):
    # the test above would pass emptily if the parts had no influence on what follows
    half, batches = run(name, 3)
    tensors, scalars = half.state()
    reference, _ = run(name, 6, resume=(tensors, scalars), cursor=batches.state())
    for part in ("opt_g.", "opt_d."):
        changed = {
            key: a + 0.5 if key.startswith(part) and a.dtype.kind == "f" else a
            for key, a in tensors.items()
        }
        other, _ = run(name, 6, resume=(changed, scalars), cursor=batches.state())
        player = "G" if part == "opt_g." else "D"
        ours, theirs = (g.parts()[player].state_dict() for g in (reference, other))
        assert any((ours[k] != theirs[k]).any() for k in ours), part


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("on", ["ring", "digits:16"])
def test_recipes_train_on_points_and_on_images(name, on):
    if name in (*IMAGES_ONLY, *OWN) and on == "ring":
        pytest.skip(f"{name} makes images")
    if name in OWN:
        on = OWN[name].format(16)
    game, _ = run(name, 2, on=on)
    game.dataset = data.load(on)  # for a G that takes images
    assert {"loss_d", "loss_g"} <= game.metrics.keys()
    samples = game.sample(5)
    assert samples.shape == (5, *judged(data.load(on)).shape)
    assert samples.dtype == np.float32
    if samples.ndim == 4:
        assert np.abs(samples).max() <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_stays_in_float32(name):
    game, _ = run(name, 2, half_life_kimg=1.0)
    tensors, _ = game.state()
    assert {a.dtype.name for a in tensors.values()} <= {"float32", "int64"}


@pytest.mark.parametrize("name", RECIPES)
def test_settings_are_frozen_documented_and_keyword_only(name):
    config = RECIPES[name].config
    names = [f.name for f in dataclasses.fields(config)]
    for field in names:
        assert f"\n        {field}: " in f"\n    {config.__doc__}", f"{field} is not documented"
    own = "source_channels" if RECIPES[name].domains else "pretrain" if name in SIDE else "nz"
    assert {"batch", own} <= set(names)
    with pytest.raises(TypeError):
        config(64)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().batch = 3


@pytest.mark.parametrize("name", [name for name, r in RECIPES.items() if r.presets])
def test_presets_are_settings_of_the_recipe_that_can_be_used(name):
    recipe = RECIPES[name]
    for preset in recipe.presets.values():
        assert type(preset) is recipe.config
        check_settings(name, preset)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_file_is_a_page(name):
    path = Path(recipes.__file__).with_name(f"{name}.py")
    text = path.read_text()
    assert len(text.splitlines()) <= 150
    doc = ast.get_docstring(ast.parse(text))
    assert "arXiv:" in doc
    assert "Deviations" in doc
    assert RECIPES[name].paper in doc
    assert "L_D" in doc or "v(theta" in doc
    assert RECIPES[name].name == name
    assert RECIPES[name].summary == doc.splitlines()[0]


def test_names_are_forgiving_about_hyphens_and_case():
    assert recipes.get("WGAN-GP") is RECIPES["wgan_gp"]


def test_an_unknown_recipe_gets_a_suggestion():
    with pytest.raises(OptionError, match="perhaps you meant dcgan"):
        recipes.get("dcgn")
    with pytest.raises(OptionError, match="there are gan, dcgan"):
        recipes.get("zzzzzz")


def test_dcgan_has_the_keys_and_shapes_of_pytorchs_example():
    game = new_game(recipes.get("dcgan"), (3, 64, 64))
    g, d = game.G.state_dict(), game.D.state_dict()
    assert [k for k in g if k.endswith("weight")] == [
        f"main.{i}.weight" for i in (0, 1, 3, 4, 6, 7, 9, 10, 12)
    ]
    assert g["main.0.weight"].shape == (100, 512, 4, 4)
    assert g["main.12.weight"].shape == (64, 3, 4, 4)
    assert [k for k in d if k.endswith("weight")] == [
        f"main.{i}.weight" for i in (0, 2, 3, 5, 6, 8, 9, 11)
    ]
    assert d["main.0.weight"].shape == (64, 3, 4, 4)
    assert d["main.11.weight"].shape == (1, 512, 4, 4)
    assert sum(a.size for k, a in g.items() if "running" not in k and "num_b" not in k) == 3576704
    assert sum(a.size for k, a in d.items() if "running" not in k and "num_b" not in k) == 2765568


def test_dcgan_starts_from_the_papers_weights():
    game = new_game(recipes.get("dcgan"), (1, 16, 16))
    for net in (game.G, game.D):
        for key, a in net.state_dict().items():
            if key.endswith("weight") and a.ndim == 4:
                assert a.std() == pytest.approx(0.02, rel=0.1)
            elif key.endswith("weight"):
                assert a.mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("size", [8, 16, 28, 32, 48, 64, 128])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_dcgan_fits_its_stages_to_the_size(size, channels):
    config = recipes.get("dcgan").config(ngf=2, ndf=2, nz=3)
    game = new_game(recipes.get("dcgan"), (channels, size, size), config=config)
    z = game.latent(2)
    assert game.G(z).shape == (2, channels, size, size)
    assert game.G(z.reshape(2, 3, 1, 1)).shape == (2, channels, size, size)
    assert game.D(game.G(z)).shape == (2,)


@pytest.mark.parametrize("shape", [(2,), (1, 16, 8), (1, 17, 17), (1, 4, 4), (1, 18, 18)])
def test_dcgan_refuses_what_it_cannot_make(shape):
    with pytest.raises(OptionError, match="DCGAN"):
        new_game(recipes.get("dcgan"), shape)


def test_the_critic_of_wgan_gp_has_no_batch_norm():
    game = new_game(recipes.get("wgan_gp"), (1, 16, 16))
    assert not any("running" in key for key in game.D.state_dict())
    assert any("running" in key for key in game.G.state_dict())
