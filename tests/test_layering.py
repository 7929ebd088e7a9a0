"""Each layer imports only from the layers below it: the order is the architecture."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "tinygan"
LAYERS = [
    {"errors"},
    {"pickle_vm"},
    {"kernels"},
    {"random"},
    {"autograd"},
    {"ops"},
    {"testing", "nn", "optim", "data"},
    {"gan", "metrics"},
    {"recipes", "runs"},
    {"cli"},
]
RANK = {room: i for i, layer in enumerate(LAYERS) for room in layer}


def rooms_imported(path):
    """Yield the tinygan rooms that a file imports, relatively or absolutely."""
    package = ["tinygan", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = [*base, *(node.module.split(".") if node.module else [])]
            if full[:1] == ["tinygan"]:
                yield from [full[1]] if len(full) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from [n[1] for n in names if n[0] == "tinygan" and len(n) > 1]


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room.startswith("__"):  # the package's front door and `python -m tinygan` see everything
        return
    for other in set(rooms_imported(path)) & RANK.keys() - {room}:
        below = RANK[other] < RANK[room]
        same_layer = RANK[other] == RANK[room]
        assert below or same_layer, f"{room} must not import {other}: it lies above"
        assert below or room in ("gan", "runs", "optim", "recipes"), f"{room} imports {other} aside"


def test_every_room_has_a_layer():
    rooms = {p.relative_to(ROOT).parts[0].removesuffix(".py") for p in FILES}
    assert {r for r in rooms if not r.startswith("__")} == RANK.keys()


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.py")), ids=lambda p: p.stem)
def test_a_recipe_never_imports_a_recipe(path):
    if path.stem.startswith("_"):
        return
    siblings = {p.stem for p in path.parent.glob("*.py")}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            named = {(node.module or "").split(".")[0], *(a.name for a in node.names)}
            assert not named & siblings, f"{path.stem} imports {named & siblings}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_below_runs_need_numpy_alone_at_import(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if RANK.get(room, 99) >= RANK["runs"] and not room.startswith("__"):
        return
    outside = {"PIL", "rich", "tyro", "safetensors", "matplotlib", "cupy", "numba", "torch", "jax"}
    outside |= {"pyarrow"}
    for node in ast.parse(path.read_text()).body:  # the top level alone, outside try and def
        names = []
        if isinstance(node, ast.Import):
            names = [a.name.split(".")[0] for a in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [(node.module or "").split(".")[0]]
        assert not set(names) & outside, f"{path.name} imports {names} at its top level"
