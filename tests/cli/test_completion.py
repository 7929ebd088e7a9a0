"""The completion script, as bash itself uses it."""

import shutil
import subprocess

import pytest

from tinygan.cli import VERBS, main
from tinygan.recipes import RECIPES


def complete(script, *words):
    """Return what bash offers for the last of ``words``."""
    line = f"""
    {script}
    COMP_WORDS=({" ".join(f'"{w}"' for w in words)}); COMP_CWORD={len(words) - 1}
    _tinygan; echo "${{COMPREPLY[@]}}"
    """
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def script(capsys):
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


def test_verbs_recipes_and_flags_are_completed(script):
    assert complete(script, "tinygan", "").split() == list(VERBS)
    assert complete(script, "tinygan", "tr").split() == ["train"]
    assert set(RECIPES) <= set(complete(script, "tinygan", "train", "").split())
    assert complete(script, "tinygan", "train", "dcgan", "--ng").split() == ["--ngf"]
    assert complete(script, "tinygan", "train", "wgan_gp", "--n-c").split() == ["--n-critic"]
    assert complete(script, "tinygan", "resume", "run", "--st").split() == ["--steps"]
    assert complete(script, "tinygan", "data", "").split() == ["check"]


def test_another_shell_is_refused_in_one_line(capsys):
    assert main(["completion", "fish"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "tinygan: completion: fish: perhaps you meant zsh"
    ]
    assert main(["completion"]) == 2
