"""The page is what its script makes of the tests, and nothing is missing from it."""

import ast
import re

from errata import page


def test_the_page_is_up_to_date():
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), "run: make errata"


def test_every_number_is_there_once_and_in_order():
    numbers = [e.erratum.number for e in page.entries()]
    for letter in page.GROUPS:
        mine = [n for n in numbers if n[0] == letter]
        assert mine == [f"{letter}{i + 1}" for i in range(len(mine))]
    assert numbers[20] == "E21"


def test_every_test_but_those_of_the_page_is_an_erratum():
    named = [
        node.name
        for file in page.HERE.glob("test_*.py")
        if file.name != "test_page.py"
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert sorted(named) == sorted(test.__name__ for test in page.tests())


def test_every_erratum_has_a_derivation_and_a_source():
    for entry in page.entries():
        e = entry.erratum
        assert len(entry.why) > 150, e.number
        assert e.sources, e.number
        assert e.claim.endswith((".", '."')), e.number
        assert e.correct.endswith("."), e.number
        assert (entry.test is None) == bool(e.untested), e.number


def test_sources_are_linked():
    linked = page.linked("arXiv:1701.07875, section 3")
    assert linked == "[arXiv:1701.07875](https://arxiv.org/abs/1701.07875), section 3"
    assert not re.search(r"(?<!\[)arXiv:\d", page.render().split("**Sources**")[1].split("\n")[0])


def test_links_lead_somewhere_and_the_markdown_is_sound():
    text = page.render()
    anchors = re.findall(r'<a id="(\w+)"></a>', text)
    assert re.findall(r"\]\(#(\w+)\)", text) == anchors
    for file in set(re.findall(r"\]\((\.\.[^)]*)\)", text)):
        assert (page.PAGE.parent / file).is_file(), file
    for part in text.split("\n\n"):
        if not part.startswith("    "):  # code
            assert part.count("`") % 2 == 0, part
            assert not re.search(r"<(?!a id=|/a>)[A-Za-z/!]", part), part  # HTML by mistake
