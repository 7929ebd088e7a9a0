"""``--device cuda`` trains, saves and resumes: shown on an array type with CuPy's restrictions."""

import numpy as np
import pytest
import strict_arrays
from small_recipes import ON, SMALL
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

OTHER = {  # data and settings that show more than those of small_recipes
    "bigan": ("ring", {"stochastic": True}),
    "veegan": ("ring", {}),
    "feature_matching": ("digits:8", {"moments": 2}),
    "cogan": ("half-inverted:digits:8", {"num_classes": 2}),
    "stargan": ("painted:digits:8", {"num_classes": 4}),
    "age_editing": ("slanted:digits:8", {"num_classes": 3}),
}


def small(name):
    """Return what a recipe trains on, and settings for a batch of four at most."""
    on, more = OTHER.get(name, (ON[name], {}))
    return on, SMALL[name] | {"batch": min(4, SMALL[name]["batch"])} | more


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
    data, config = small(name)
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
    recipe, (spec, settings) = get(name), small(name)
    dataset, ran = data.load(spec), set()
    config = with_data(recipe, recipe.config(**settings), dataset)
    batches = data.Batches(dataset, config.batch, seed=1)
    source = Source(batches.with_labels() if recipe.labelled else batches, emulated_gpu)
    with random.using(random.Streams(3, emulated_gpu)):
        game = new_game(recipe, dataset.shape, seed=3, config=config)
        with tracing(lambda kernel, *_: ran.add(kernel.key)):
            advance(recipe, game, source)
    assert all(np.isfinite(x) for x in game.metrics.values())
    assert not [key for key in ran if "/cuda/" not in key]  # none fell back to its reference
