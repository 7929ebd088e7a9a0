"""``tinygan diagnose``: numbers of a finished run, and what it says where there are none."""

import json

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import main
from tinygan.errors import ShapeError
from tinygan.recipes import get
from tinygan.runs.setup import Settings
from tinygan.runs.spectrum_plot import save_spectrum
from tinygan.runs.train import train


def trained(tmp_path, name="gan", **config):
    recipe = get(name)
    settings = Settings(data="ring", steps=3, diagnose_every=0)
    run = train(recipe, settings, recipe.config(batch=16, **config), outdir=tmp_path)
    for _ in run:
        pass
    return run.run.path


def test_the_game_of_a_run_is_diagnosed(tmp_path, capsys):
    path = trained(tmp_path, hidden_g=6, hidden_d=6, layers=2, nz=3)
    before = (path / "latest").read_bytes() if (path / "latest").is_file() else b""
    assert main(["diagnose", str(path), "--batch", "16", "--k", "6"]) == 0
    said = capsys.readouterr().out
    assert "step 3" in said
    assert "rotation" in said
    assert "at the end of the straight path" in said
    numbers = json.loads((path / "diagnosis.json").read_text())
    assert len(numbers["eigenvalues"]) == 6
    assert 0.0 <= numbers["rotation_share"] <= 1.0
    assert all(-1.0 <= row["path angle"] <= 1.0 for row in numbers["path"])
    for name in ("spectrum.png", "path-angle.png"):
        with Image.open(path / name) as picture:
            picture.verify()
    assert before == ((path / "latest").read_bytes() if (path / "latest").is_file() else b"")


def test_a_recipe_without_a_pair_of_losses_is_refused_in_a_line(tmp_path, capsys):
    path = trained(tmp_path, "consensus")
    assert main(["diagnose", str(path)]) == 2
    assert "consensus has a step of its own" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--batch", "--k", "--probes"])
def test_numbers_below_one_are_refused(flag, tmp_path, capsys):
    assert main(["diagnose", str(tmp_path), flag, "0"]) == 2
    assert f"{flag} 0" in capsys.readouterr().err


def test_eigenvalues_left_of_the_axis_are_red(tmp_path):
    def colours(values):
        save_spectrum(tmp_path / "a.png", np.array(values))
        with Image.open(tmp_path / "a.png") as picture:
            return {colour for _, colour in picture.getcolors(10_000)}

    blue, red = (0x1F, 0x6F, 0xB4), (0xC0, 0x39, 0x2B)
    assert blue in colours([1 + 2j, 1 - 2j])
    assert red not in colours([1 + 2j, 1 - 2j])
    assert {blue, red} <= colours([1 + 2j, -0.5])
    assert colours([0.0, np.inf])  # nothing to scale by, and one that has no place
    with pytest.raises(ShapeError, match="k >= 1"):
        save_spectrum(tmp_path / "a.png", np.array([]))
