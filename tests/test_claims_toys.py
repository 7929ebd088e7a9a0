"""The script of the toys' claims: its rows, its repeatability, and what it refuses."""

import json
import sys
from pathlib import Path

import pytest

CLAIMS = Path(__file__).parents[1] / "bench" / "claims"
TINY = ["hidden=8", "batch=8"]


@pytest.fixture
def toys(monkeypatch):
    """Import the script, which puts the folder of the benchmarks on the path."""
    monkeypatch.setattr(sys, "path", [str(CLAIMS), *sys.path])
    monkeypatch.delitem(sys.modules, "toys", raising=False)
    import toys

    return toys


def test_a_seed_gives_the_same_counts_again(toys):
    settings = {"hidden": 8, "batch": 8}
    rows = [toys.train("bigan", "grid", steps=3, seed=s, settings=settings) for s in (1, 1, 2)]
    for row in rows:
        row.pop("cpu_seconds")
    assert rows[0] == rows[1]
    assert rows[1] | {"seed": 2} != rows[2]
    assert rows[0]["of"] == 25


def test_each_training_is_a_line_of_the_file(toys, monkeypatch, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    given = ["--recipe", "bigan", "--on", "ring", "--seeds", "2", "--steps", "2"]
    monkeypatch.setattr(sys, "argv", ["toys.py", *given, "--set", *TINY, "--json", str(out)])
    toys.main()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["recipe"], row["toy"], row["seed"], row["steps"]) for row in rows] == [
        ("bigan", "ring", 0, 2),
        ("bigan", "ring", 1, 2),
    ]
    assert rows[0]["settings"] == {"hidden": 8, "batch": 8}
    assert "modes of 8" in capsys.readouterr().out


def test_a_summary_is_the_mean_and_its_standard_error(toys):
    rows = [{"of": 8, "modes": m, "high_quality": q, "kl": 0.5} for m, q in ((5, 0.9), (7, 1.0))]
    assert toys.summary(rows) == "modes of 8: 6.00 +- 1.00, 95.00 +- 5.00 % good, 0.50 +- 0.00 KL"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--recipe", "pacgann"], "perhaps you meant pacgan"),
        (["--recipe", "pacgan", "--on", "moons"], "no toy 'moons': one of ring, grid fits"),
        (["--recipe", "pacgan", "--set", "packs=2"], "no setting 'packs'"),
        (["--recipe", "pacgan", "--set", "pack"], "name=value fits"),
        (["--recipe", "pacgan", "--set", "pack=two"], "a number fits"),
        (["--recipe", "pacgan", "--seeds", "0"], "1 or more fit"),
    ],
)
def test_what_does_not_fit_is_one_line(toys, capsys, given, said):
    with pytest.raises(SystemExit) as caught:
        toys.arguments(given)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
