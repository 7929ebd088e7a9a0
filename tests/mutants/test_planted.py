"""The table of planted bugs stays true as the sources move: ``make mutants`` runs it."""

import re
from pathlib import Path

import pytest
from planted import MUTANTS, page

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name.replace(" ", "_"))
def test_a_planted_bug_still_applies_and_its_test_exists(mutant):
    clean = (ROOT / mutant.path).read_text()
    assert mutant.applied_to(clean) != clean
    for node in mutant.test.split():
        path, _, name = node.partition("::")
        source = (ROOT / path).read_text()
        assert re.search(rf"^def {re.escape(name.partition('[')[0])}\(", source, re.MULTILINE)


def test_names_are_unique_and_there_are_enough():
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 25


def test_the_page_lists_what_was_planted_when_it_was_made():
    made = (ROOT / "docs" / "mutants.md").read_text()
    assert made == page(), "make mutants writes docs/mutants.md anew, once every bug is caught"
