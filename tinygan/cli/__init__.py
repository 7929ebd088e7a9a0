"""The command line: one file a verb, imported when the verb is chosen.

``main`` picks the verb and turns every error into one line and an exit code; ``python -m tinygan``
and the ``tinygan`` command both come here. Nothing heavy is imported before a verb asks for it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from .. import kernels
from .exits import USAGE, explain_error, perhaps

VERBS = {
    "train": "train a recipe on a data set",
    "resume": "go on with a run from its last checkpoint, bit for bit",
    "sample": "make a grid of samples from a run",
    "interpolate": "walk from sample to sample in latent space, as a grid or an animation",
    "project": "find the style for which a StyleGAN run makes an image",
    "edit": "give images another trait, by an age_editing run, and keep the rest of them",
    "export": "write a run's generator as safetensors, with a sample grid",
    "fid": "Frechet distance between two sets of images, with its protocol",
    "metrics": "measure the samples of a run by many metrics",
    "compare": "the metrics of several runs side by side, last and best",
    "diagnose": "the game at a run's last checkpoint: eigenvalues, rotation, path angle",
    "recipes": "list the recipes",
    "data": "data check PATH: look through a data set before training on it",
    "explain": "say which kernel runs an op, and why the others don't",
    "check": "check gradients and kernels on this machine",
    "doctor": "show what tinygan runs on here",
    "completion": "print a script that completes verbs, recipes and flags in bash or zsh",
    "demo": "train a DCGAN on the embedded digits and judge its samples",
}

EPILOG = """\
`tinygan VERB --help` has the flags of a verb, `tinygan train RECIPE --help` those of a recipe.
--traceback shows where an error came from.

exit codes: 0 ok, 1 a check failed, 2 usage, 3 bad data or checkpoint, 4 diverged,
            5 out of memory or disk, 75 pre-empted and saved, 130 interrupted and saved"""


def help_text() -> str:
    """Return what ``tinygan --help`` prints."""
    verbs = "\n".join(f"  {verb:12} {what}" for verb, what in VERBS.items())
    return f"usage: tinygan VERB [flags]\n\n{verbs}\n\n{EPILOG}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments; None takes those of the process.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    show_traceback = "--traceback" in args
    args = [arg for arg in args if arg != "--traceback"]
    try:
        code = dispatch(args)
        sys.stdout.flush()
    except SystemExit as end:  # tyro has printed the help of a verb
        return end.code if isinstance(end.code, int) else 0
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if show_traceback:
            import traceback

            traceback.print_exc()
        code, line = explain_error(error)
        print(line, file=sys.stderr)
    return code


def dispatch(args: list[str]) -> int:
    """Run the verb that the arguments begin with."""
    verb = args[0] if args else ""
    if verb in ("--help", "-h", "help"):
        print(help_text())
        return 0
    if verb in ("--version", "-V"):
        from .. import __version__

        print(f"tinygan {__version__}")
        return 0
    if verb not in VERBS:
        hint = perhaps(verb, VERBS) if verb else f"use one of {' '.join(VERBS)}"
        said = f"no verb {verb!r}" if verb else "a verb is missing"
        print(f"tinygan: {said}: {hint}", file=sys.stderr)
        return USAGE
    kernels.check_variables()  # before a run has a folder
    run = importlib.import_module(f".{verb}", __name__).run
    code: int = run(args[1:])
    return code
