"""``tinygan diagnose RUN``: the game at a run's last checkpoint: eigenvalues, rotation, path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ..gan import arnoldi, field_at, path_angles, rotation_share
from ..gan.spectrum import Spectrum, parameters_of, set_parameters
from ..kernels.arrays import Array
from ..random import Stream
from ..runs.curves import save_curves
from ..runs.device import choose_device, computing
from ..runs.files import write_json
from ..runs.setup import load_data, load_game, make_game, read_settings
from ..runs.spectrum_plot import save_spectrum
from .arguments import parse
from .exits import OK, UsageError
from .opening import open_run

ALPHAS = tuple(float(a) for a in np.linspace(0.6, 1.4, 17))
SHOWN = 5


@dataclass(frozen=True)
class Options:
    """Which run, how many samples, how many eigenvalues.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        batch: real samples, and fakes, that the two losses are taken over.
        k: products with the Jacobian for the eigenvalues; the leading ones are exact first.
        probes: random directions for the share of rotation.
        seed: of the samples and of the directions.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    batch: int = 64
    k: int = 20
    probes: int = 4
    seed: int = 0


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan diagnose", Options, args)
    for name in ("batch", "k", "probes"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} {getattr(options, name)}: use 1 or more")
    found, recipe = open_run(options.run)
    settings, config, shape = read_settings(found, recipe)
    dataset = load_data(settings)
    game, notice = load_game(found, recipe)
    if notice:
        print(notice)
    start = make_game(recipe, shape, settings, config, choose_device("cpu"))
    rows = Stream(options.seed, "diagnose").permutation(len(dataset))[: options.batch]
    real = dataset.take(rows)

    def _field(w: Array) -> Array:
        set_parameters(game, w)
        return field_at(recipe, game, real, seed=options.seed).v

    with computing(settings.backend):
        end = parameters_of(game)
        at = field_at(recipe, game, real, seed=options.seed)  # says why, if there is no field
        spectrum = arnoldi(at.jvp, at.v.size, k=options.k, seed=options.seed)
        share = rotation_share(at, probes=options.probes, seed=options.seed)
        cosines, norms = path_angles(_field, parameters_of(start), end, ALPHAS)
    print(f"step {game.step}: L_G {at.loss_g:.4g}, L_D {at.loss_d:.4g}, on {len(real)} samples")
    print(f"||v||           {np.linalg.norm(at.v):.4g} (of {at.v.size} parameters)")
    _say_spectrum(spectrum)
    print(
        f"rotation        {100 * share:.1f} % of the Jacobian, the rest is attraction or its lack"
    )
    _say_path(cosines)
    folder = found.path
    path = [
        {"step": alpha, "path angle": float(c), "||v||": float(n)}
        for alpha, c, n in zip(ALPHAS, cosines, norms, strict=True)
    ]
    save_spectrum(folder / "spectrum.png", spectrum.values)
    save_curves(folder / "path-angle.png", path)
    _write_numbers(folder / "diagnosis.json", game.step, options, spectrum, share, path)
    for name in ("spectrum.png", "path-angle.png", "diagnosis.json"):
        print(folder / name)
    return OK


def _say_spectrum(spectrum: Spectrum) -> None:
    print("eigenvalues     of the largest modulus, +- a bound by the residual:")
    for value, residual in list(zip(spectrum.values, spectrum.residuals, strict=True))[:SHOWN]:
        print(f"                {value.real:+.4g} {value.imag:+.4g}i  +- {residual:.1g}")
    values = spectrum.values
    negative = int((values.real < 0.0).sum())
    print(f"                {negative} of {len(values)} have a negative real part: ", end="")
    print("descent leaves this point" if negative else "none of these drives descent away")
    if not negative and values.size:
        bound = float(np.min(2.0 * values.real / np.maximum(np.abs(values) ** 2, 1e-300)))
        print(
            f"                plain descent is stable near it for learning rates below {bound:.3g}"
        )


def _say_path(cosines: Array) -> None:
    inside = cosines[np.array(ALPHAS) < 1.0]
    outside = cosines[np.array(ALPHAS) > 1.0]
    at_end = float(cosines[int(np.argmin(np.abs(np.array(ALPHAS) - 1.0)))])
    turns = float(np.nanmean(inside)) > 0.0 > float(np.nanmean(outside))
    what = "changes sign at the end: it attracts" if turns else "does not change sign at the end"
    print(
        f"path angle      {at_end:+.3f} at the end of the straight path from the start; it {what}"
    )


def _write_numbers(
    path: Path,
    step: int,
    options: Options,
    spectrum: Spectrum,
    share: float,
    along: list[dict[str, float]],
) -> None:
    values = [
        {"real": float(v.real), "imag": float(v.imag), "residual": float(r)}
        for v, r in zip(spectrum.values, spectrum.residuals, strict=True)
    ]
    known = None if math.isnan(share) else share
    told = {"batch": options.batch, "k": options.k, "seed": options.seed}
    path_rows = [
        {"alpha": row["step"]} | {k: v for k, v in row.items() if k != "step" and v == v}
        for row in along
    ]
    numbers = {"step": step, **told, "rotation_share": known, "eigenvalues": values}
    write_json(path, numbers | {"path": path_rows})
