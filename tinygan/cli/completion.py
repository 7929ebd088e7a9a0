"""``tinygan completion bash|zsh``: print a script that completes verbs, recipes and flags.

    eval "$(tinygan completion bash)"

The words are fixed when the script is made, so that completing does not start Python.
"""

from __future__ import annotations

import importlib
from dataclasses import fields
from typing import Any

from ..recipes import RECIPES
from . import VERBS
from .exits import OK, UsageError, perhaps

SHELLS = ("bash", "zsh")

_SCRIPT = """\
_tinygan() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{verbs}"
    else
        case "$verb ${{COMP_WORDS[2]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _tinygan tinygan"""


def run(args: list[str]) -> int:
    """Run the verb."""
    if len(args) != 1 or args[0] not in SHELLS:
        given = " ".join(args)
        raise UsageError(f"completion: {given or 'a shell is missing'}: {perhaps(given, SHELLS)}")
    if args[0] == "zsh":
        print("autoload -U +X bashcompinit && bashcompinit")
    print(script())
    return OK


def script() -> str:
    """Return the completion function for bash, which zsh takes too."""
    train = _flags(_options("train"))
    cases = [
        _case(f"train {name}", [*train, *_flags(recipe.config)]) for name, recipe in RECIPES.items()
    ]
    cases.append(_case("train *", RECIPES))
    cases += [_case("completion *", SHELLS), _case("data *", ["check"])]
    own = [verb for verb in VERBS if verb not in ("train", "completion", "data")]
    cases += [_case(f"{verb} *", _flags(_options(verb))) for verb in own]
    return _SCRIPT.format(verbs=" ".join(VERBS), cases="\n".join(cases))


def _case(pattern: str, words: Any) -> str:
    quoted = pattern.replace(" ", "\\ ")
    return f'        {quoted}) words="{" ".join(words)}" ;;'


def _options(verb: str) -> Any:
    return getattr(importlib.import_module(f".{verb}", __package__), "Options", None)


def _flags(kind: Any) -> list[str]:
    """Return the flags that a dataclass makes."""
    named = [f"--{field.name.replace('_', '-')}" for field in fields(kind)] if kind else []
    return [*named, "--help", "--traceback"]
