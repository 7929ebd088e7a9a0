"""The pictures that ``tinygan metrics RUN --sheets`` leaves in a run's folder."""

from __future__ import annotations

from pathlib import Path

from ..errors import OptionError
from ..metrics.pair import Pair
from ..metrics.sheets import blind_sheet, neighbour_sheet, template_sheet
from ..runs.files import write_json
from ..runs.grids import save_png

QUERIES, CELLS = 10, 50


def write_sheets(folder: Path, pair: Pair, *, seed: int) -> list[Path]:
    """Write the sheets that suit the samples; return their paths.

    ``sheet-nearest.png`` shows fakes beside their nearest training images,
    ``sheet-templates.png`` each class's mean beside the fakes nearest to it, ``sheet-blind.png``
    numbered reals and fakes for people to tell apart, with the answers in ``sheet-blind-key.json``.

    Raises:
        OptionError: the samples are points, or of another size than the data.
        SaveError: a file could not be written.
    """
    real, fake = pair.real, pair.fake
    if fake.samples.ndim != 4:
        raise OptionError("--sheets shows images, and these samples are points")
    sheets = {
        "sheet-nearest.png": neighbour_sheet(
            fake.samples[:QUERIES],
            real.samples,
            query_features=fake.features[:QUERIES],
            point_features=real.features,
        )
    }
    if real.labels is not None:
        sheets["sheet-templates.png"] = template_sheet(
            real.samples,
            real.labels,
            fake.samples,
            k=min(8, len(fake)),
            real_features=real.features,
            fake_features=fake.features,
        )
    shown = pair.held_out or real  # a person, too, may know the training images
    count = min(CELLS, 2 * min(len(shown), len(fake)))
    blind = blind_sheet(shown.samples, fake.samples, count=count, seed=seed)
    sheets["sheet-blind.png"] = blind.picture
    for name, picture in sheets.items():
        save_png(folder / name, picture.transpose(2, 0, 1) / 255.0)
    key = {"seed": seed, "fake": [i + 1 for i, is_fake in enumerate(blind.is_fake) if is_fake]}
    write_json(folder / "sheet-blind-key.json", key)
    return [folder / name for name in sheets]
