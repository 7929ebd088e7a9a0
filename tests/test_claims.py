"""The scripts of the papers' claims: their rows, what they refuse, and the page made of them."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tinygan.recipes import RECIPES

CLAIMS = Path(__file__).parents[1] / "bench" / "claims"


@pytest.fixture(scope="module")
def claims():
    """Import scripts, which have their own folder on the path as when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(CLAIMS), str(CLAIMS.parent), *sys.path])
        yield importlib.import_module


@pytest.fixture
def claim(claims):
    """Give a claim about nothing, whose measurement is its seed."""
    common = claims("common")
    return common.Claim(
        name="seed", recipe="gan", says="seeds grow", quantity="it", unit="of 9", sense=">=",
        threshold=1.5, paper="3", budget="none", measure=lambda seed: {"it": float(seed)},
    )  # fmt: skip


def test_a_seed_gives_the_same_counts_again(claims):
    toys = claims("toys")
    tiny = {"hidden": 8, "batch": 8}
    one, again, other = (toys.modes_of("bigan", "grid", steps=3, seed=s, **tiny) for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_each_measurement_is_a_line_and_the_last_of_a_seed_counts(claims, claim, tmp_path, capsys):
    common, out = claims("common"), tmp_path / "rows.jsonl"
    common.main([claim], ["--seeds", "2", "--first", "1", "--json", str(out)])
    assert "seed: 1.50 +- 0.50 of 9 (>= 1.5): holds" in capsys.readouterr().out
    common.append({"claim": "seed", "seed": 2, "it": 7.0}, out)
    assert [(r["seed"], r["it"]) for r in common.read(out)["seed"]] == [(1, 1.0), (2, 7.0)]


@pytest.mark.parametrize(
    ("sense", "values", "holds"),
    [(">=", [1, 2], True), (">=", [1, 1.9], False), ("<=", [1, 2], True), ("<=", [2, 2], False)],
)
def test_a_claim_holds_where_the_mean_reaches_the_threshold(claim, sense, values, holds):
    assert replace(claim, sense=sense).holds(values) is holds


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([7], "7"),
        ([5, 7], "6.0 +- 1.0"),
        ([0.51, 0.53], "0.520 +- 0.010"),
        ([8, 8], "8.00 +- 0.00"),
        ([1e-9, 3e-9], "2e-09 +- 1e-09"),
        ([1e9, 3e9], "2e+09 +- 1e+09"),
    ],
)
def test_a_figure_is_the_mean_and_its_standard_error(claims, values, text):
    assert claims("common").figure(values) == text


def test_a_claim_that_is_not_there_is_one_line(claims, claim, capsys):
    with pytest.raises(SystemExit) as caught:
        claims("common").main([claim], ["speed"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("no claim 'speed': one of seed fits")


def test_claims_have_names_of_their_own_and_recipes_that_there_are(claims):
    found = [claim for script in claims("table").claims().values() for claim in script]
    assert len({claim.name for claim in found}) == len(found)
    assert {claim.recipe for claim in found} <= {"", *RECIPES}


def test_every_measurement_is_of_a_claim_and_has_its_quantity(claims):
    known = {c.name: c for script in claims("table").claims().values() for c in script}
    for name, rows in claims("common").read().items():
        assert all(known[name].quantity in row for row in rows)


def test_the_page_and_the_list_of_recipes_are_made_of_the_rows(claims):
    for path, text in claims("table").files().items():
        assert path.read_text() == text, "run bench/claims/table.py"


def test_the_tournament_tells_last_and_best_and_what_diverged(claims):
    rows = [
        {"loss": "hinge", "reg": "sn", "seed": s, "fd": [9.0, last], "cpu_seconds": 1.0}
        for s, last in enumerate((10.0, 12.0))
    ]
    rows += [{"loss": "minimax", "reg": "sn", "seed": 0, "fd": [], "diverged": "NaN"}]
    text = claims("tournament").table(rows)
    assert "**11.0 +- 1.0** (9.00 +- 0.00) |" in text
    assert "all 1 diverged" in text


def test_a_pair_of_the_tournament_is_repeatable(claims):
    play = claims("tournament").play
    one, again = (play("hinge", "r1:1", 3, steps=2, every=1) for _ in range(2))
    assert one | {"cpu_seconds": 0} == again | {"cpu_seconds": 0}
    assert len(one["fd"]) == 2


def test_the_page_says_what_holds_what_does_not_and_what_was_not_measured(claims, claim):
    table = claims("table")
    assert "| not measured | >= 1.5 | - |" in table.page({"toys": (claim,)}, {})
    for value, said in ((1.5, "| yes |"), (1.4, "| **no** |")):
        rows = {"seed": [{"it": value, "cpu_seconds": 60.0}]}
        assert said in table.page({"toys": (claim,)}, rows)
    assert json.loads(table.of_recipes({"toys": (claim,)}, rows)) == {
        "gan": "1.4 of 9 (1 seed), not >= 1.5"
    }
