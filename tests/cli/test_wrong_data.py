"""Every recipe on data that it may not take, and with numbers out of range: one line, or it trains.

Data of a size that a network can't make are resized, with a notice; what can't be used at all ends
with exit code 2 or 3 and one line that names it. Nothing shows a traceback.
"""

from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from tinygan.cli.train import Options
from tinygan.errors import OptionError
from tinygan.gan import new_game
from tinygan.gan.settings import check_settings
from tinygan.recipes import RECIPES

SMALL = {
    "batch": 8, "g_batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "nf": 2, "hidden": 8, "hidden_g": 8,
    "hidden_d": 8, "n_critic": 1, "n_critic_burst": 1, "code": 5, "distances": 3, "kernel_dims": 2,
}  # fmt: skip
WIDER = {"sagan": {"ngf": 8, "ndf": 8}}  # attention divides its channels by 8
SHAPES = {"flat": (7, 9, 3), "dots": (2, 2, 1)}


@pytest.fixture
def trained(said, tmp_path, monkeypatch):
    """Take one step on the command line; returns (code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # most of the time of such a run
    monkeypatch.setattr("tinygan.runs.pictures.write_summary", lambda run: None)

    def call(recipe, data, *more):
        size = small(recipe)
        flags = [part for k, v in size.items() for part in (f"--{k.replace('_', '-')}", str(v))]
        return said("train", recipe, "--steps", 1, "--data", data, *flags, *more)

    return call


def names_of(recipe):
    return {f.name for f in fields(RECIPES[recipe].config)}


def small(recipe):
    """Return settings with which a step of the recipe takes no time."""
    return {k: v for k, v in (SMALL | WIDER.get(recipe, {})).items() if k in names_of(recipe)}


def archive(path, shape, labelled=True):
    pixels = np.random.default_rng(0).integers(0, 256, (24, *shape)).astype(np.uint8)
    np.savez(path, images=pixels, **({"labels": np.arange(24) % 3} if labelled else {}))
    return path


def is_one_line(code, err):
    return code in (2, 3) and len(err) == 1 and err[0].startswith("tinygan: ")


@pytest.mark.parametrize("recipe", RECIPES)
def test_points_train_or_are_refused_in_a_line(recipe, trained):
    code, _, err = trained(recipe, "ring")
    assert (code == 0 and not err) or is_one_line(code, err), err
    assert (code == 0) == ("points" in RECIPES[recipe].data)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_images_of_any_size_train_perhaps_after_a_resize_with_a_notice(
    recipe, shape, trained, tmp_path
):
    code, out, err = trained(recipe, archive(tmp_path / f"{shape}.npz", SHAPES[shape]))
    height, width, _ = SHAPES[shape]
    if code == 0:
        assert not err
        resized = f"{recipe} does not take {width} x {height} images: resized to 16 x 16"
        taken = any(line.startswith(resized) for line in out)
        assert taken or f"{height}, {width})" in " ".join(out)
    else:
        assert not any(kind.endswith("images") for kind in RECIPES[recipe].data.split(", "))
        assert is_one_line(code, err)


@pytest.mark.parametrize("recipe", [name for name, recipe in RECIPES.items() if recipe.labelled])
def test_a_conditional_recipe_without_labels_or_with_one_class_is_one_line(
    recipe, trained, tmp_path
):
    code, _, err = trained(recipe, archive(tmp_path / "bare.npz", (8, 8, 1), labelled=False))
    assert code == 3
    assert is_one_line(code, err)
    assert f"{recipe} needs labels, which bare has none of" in err[0]
    code, _, err = trained(recipe, "digits:8", "--num-classes", "3")
    assert code == 2
    assert is_one_line(code, err)
    assert "--num-classes 3: digits has 10 classes" in err[0]


def test_a_picture_of_one_pixel_is_resized_and_trains(trained, tmp_path):
    folder = tmp_path / "pixels"
    folder.mkdir()
    for i in range(10):
        Image.new("RGB", (1, 1), (25 * i, 9, 200)).save(folder / f"{i}.png")
    code, out, err = trained("dcgan", folder)
    assert code == 0, err
    assert any("does not take 1 x 1 images: resized to 16 x 16" in line for line in out)


def test_a_size_that_was_asked_for_and_cannot_be_made_is_one_line(trained):
    code, _, err = trained("dcgan", "digits", "--size", "17")
    assert is_one_line(code, err)
    assert "17" in err[0]


@pytest.mark.parametrize("recipe", RECIPES)
def test_settings_out_of_range_are_refused_before_anything_is_made(recipe):
    shape = (1, 8, 8)
    fitting = small(recipe) | ({"num_classes": 3} if RECIPES[recipe].labelled else {})
    canonical = {"num_classes": 3} if RECIPES[recipe].labelled else {}
    for settings in (fitting, canonical):
        check_settings(recipe, RECIPES[recipe].config(**settings))
    for field in fields(RECIPES[recipe].config):
        values = {int: [-1], float: [np.nan, np.inf], str: ["zzz"]}.get(type(field.default), [])
        counted = field.name in ("batch", "nz", "n_critic") and field.default
        for value in [*values, *([0] if counted else [])]:
            config = RECIPES[recipe].config(**fitting | {field.name: value})
            with pytest.raises(OptionError, match=str(value)):
                new_game(RECIPES[recipe], shape, config=config)


def test_a_number_out_of_range_is_one_line_and_leaves_no_run(trained, tmp_path):
    code, _, err = trained("wgan_gp", "digits:8", "--n-critic", "0")
    assert code == 2
    assert is_one_line(code, err)
    assert "wgan_gp: --n-critic 0: 1 or more fits" in err[0]
    assert not (tmp_path / "runs").exists()


def test_no_setting_of_a_recipe_has_the_name_of_a_flag_of_the_verb():
    # two flags of one name can't be told apart, and the recipe could not be trained at all
    own = {f.name for f in fields(Options)}
    clashes = {name: own & names_of(name) for name in RECIPES}
    assert not {name: found for name, found in clashes.items() if found}
