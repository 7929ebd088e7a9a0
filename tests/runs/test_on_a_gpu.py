"""``--device cuda`` trains, saves and resumes: shown on an array type with CuPy's restrictions."""

import numpy as np
import pytest
import strict_arrays
from strict_arrays import strictcupy

from tinygan import data, random
from tinygan.gan import Source, advance, new_game
from tinygan.kernels.registry import tracing
from tinygan.recipes import RECIPES, get
from tinygan.runs import train as module
from tinygan.runs.checkpoint import load_checkpoint
from tinygan.runs.device import Device
from tinygan.runs.setup import Settings, with_data
from tinygan.runs.train import resume, train

TINY = {
    "gan": ("digits:8", {"batch": 4, "hidden_g": 6, "hidden_d": 4, "nz": 4}),
    "dcgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "wgan_gp": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1}),
    "unrolled": ("ring", {"batch": 8, "hidden": 6, "nz": 4, "unrolling": 2}),
    "consensus": ("ring", {"batch": 8, "nz": 4}),
    "lsgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "wgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic_burst": 1}),
    "dragan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "sngan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "g_batch": 4, "n_critic": 1}),
    "sagan": ("digits:8", {"batch": 4, "ngf": 8, "ndf": 8, "nz": 4}),
    "began": ("digits:8", {"batch": 4, "nf": 2, "nz": 4}),
    "ebgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "relativistic": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "minibatch": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "distances": 3}),
    "feature_matching": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "moments": 2}),
    "cgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "acgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "projection": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1}),
    "biggan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1}),
    "extragradient": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "pacgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "veegan": ("ring", {"batch": 4, "hidden": 6, "nz": 4}),
    "bigan": ("ring", {"batch": 4, "hidden": 6, "stochastic": True}),
    "infogan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "semi_supervised": ("digits:8", {"batch": 4, "hidden_g": 4, "hidden_d": 4, "nz": 4}),
    "vae": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "vae_gan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "progan": ("digits:8", {"batch": 4, "nf": 2, "nz": 4, "stage_kimg": 0.004, "fade_kimg": 0.02}),
    "stylegan": ("digits:8", {"batch": 4, "nf": 2, "nz": 4, "nw": 4, "mapping_layers": 1}),
    "stylegan2": ("digits:8", {"batch": 4, "nf": 2, "nz": 4, "nw": 4, "mapping_layers": 1}),
    "pix2pix": ("edges:digits:8", {"batch": 2, "ngf": 2, "ndf": 2, "layers": 1, "jitter": 2}),
    "cyclegan": (
        "unpaired:digits:8,inverted:digits:8",
        {"batch": 2, "ngf": 2, "ndf": 2, "layers": 1, "blocks": 1, "replay": 3, "jitter": 2},
    ),
    "srgan": ("digits:16", {"batch": 4, "ngf": 4, "ndf": 2, "blocks": 1, "pretrain": 2}),
    "esrgan": (
        "digits:16",
        {"batch": 4, "ngf": 4, "growth": 2, "ndf": 2, "blocks": 1, "pretrain": 2},
    ),
    "cogan": ("half-inverted:digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "stargan": ("painted:digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "blocks": 1, "n_critic": 1}),
    "age_editing": ("slanted:digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "text_to_image": (
        "captioned:digits:8",
        {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "features": 3, "hidden": 3},
    ),
    "video": ("moving:digits:4", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 3, "motion": 2}),
}


@pytest.fixture
def on_gpu(monkeypatch):
    """Let every device be a GPU with CuPy's restrictions."""
    device = Device("cuda", strictcupy, "pretended")
    monkeypatch.setattr(module, "choose_device", lambda name: device)


def finish(training):
    for _ in training:
        pass
    return training


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_and_resumes_on_device_arrays(name, on_gpu, tmp_path):
    data, config = TINY[name]
    recipe = get(name)
    settings = Settings(data=data, steps=4, snap=2)
    config = recipe.config(**config, half_life_kimg=0.1)
    first = finish(train(recipe, settings, config, outdir=tmp_path))
    for part in (first.game.G, first.game.D, first.game.ema.module):
        for key, p in part.named_parameters().items():
            assert isinstance(p.data, strict_arrays.StrictArray), key
    again = finish(resume(first.run, recipe, steps=5))
    straight = train(
        recipe, Settings(data=data, steps=5, snap=2), config, outdir=tmp_path / "straight"
    )
    finish(straight)
    one, other = (load_checkpoint(t.run.path).tensors for t in (again, straight))
    assert all(np.array_equal(one[key], other[key]) for key in other)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_runs_on_cuda_kernels_alone(name, emulated_gpu):
    recipe, (spec, settings) = get(name), TINY[name]
    dataset, ran = data.load(spec), set()
    classes = {"num_classes": len(dataset.classes)} if recipe.labelled else {}
    config = with_data(recipe, recipe.config(**classes, **settings), dataset)
    batches = data.Batches(dataset, config.batch, seed=1)
    source = Source(batches.with_labels() if recipe.labelled else batches, emulated_gpu)
    with random.using(random.Streams(3, emulated_gpu)):
        game = new_game(recipe, dataset.shape, seed=3, config=config)
        with tracing(lambda kernel, *_: ran.add(kernel.key)):
            advance(recipe, game, source)
    assert all(np.isfinite(x) for x in game.metrics.values())
    assert not [key for key in ran if "/cuda/" not in key]  # none fell back to its reference
