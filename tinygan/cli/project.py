"""``tinygan project RUN IMAGE``: find the style w, and the noise, for which a run makes an image.

It writes a picture, targets above and projections below, and ``w`` (N, nw) with the noise maps in
an ``.npz`` beside it. ``gan/project.py`` says how; the distance is that of pixels plus that of the
features of an in-house net (``metrics/house_distance.py``), where one knows such data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from .. import ops
from ..autograd import Tensor
from ..data.folder import image_files
from ..data.pixels import Rules, decode, read_bytes
from ..errors import DataError
from ..gan.project import project
from ..gan.styles import projected
from ..kernels.arrays import Array
from ..metrics.house_distance import HouseDistance
from ..metrics.house_nets import HOUSE_NETS
from ..runs.device import computing
from ..runs.files import write_npz
from ..runs.grids import make_grid, save_png
from ..runs.judge import OF_DATA
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_trained
from .styles import style_net

Distance = Callable[[Tensor, Tensor], Tensor]
LINES = 10  # of progress


@dataclass(frozen=True)
class Options:
    """Which run, which images, how long.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        image: image files, or folders of them; the middle square is resized to the run's size.
        steps: of Adam.
        lr: its learning rate.
        net: in-house net of the distance: digits_lenet, mnist_lenet, fashion_lenet, none (pixels
            alone), or auto: the one that knows such data, if any.
        noise_weight: weight of the noise's regulariser; 0 leaves the noise as it is.
        seed: of the search.
        ema: use the averaged weights, where there are some.
        out: the .png to write, beside the .npz of the same name; by default projection-IMAGE.png
            in the run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    image: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")]
    steps: int = 1000
    lr: float = 0.1
    net: str = "auto"
    noise_weight: float = 1e5
    seed: int = 0
    ema: bool = True
    out: str = ""


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan project", Options, args)
    check_files("project", options.image, options.out)
    trained = open_trained(options.run, ema=options.ema)
    net = style_net(trained, "project")
    files = found(options.image)
    target = np.stack([read(file, trained.shape) for file in files])
    distance, what = distance_for(options.net, trained)
    print(f"distance of {what}; images: {len(files)}", flush=True)
    with computing(trained.backend):
        for state in project(
            net,
            target,
            distance,
            steps=options.steps,
            lr=options.lr,
            noise_weight=options.noise_weight,
            seed=options.seed,
        ):
            if state.step % max(1, options.steps // LINES) == 0 or state.step == options.steps:
                print(f"step {state.step}/{options.steps}  {state.distance.mean():.5f}", flush=True)
        made = projected(net, state.w, state.noises)
    out = Path(options.out or trained.run.path / f"projection-{files[0].stem}.png")
    maps = {f"noise{i}": noise for i, noise in enumerate(state.noises)}
    write(out, [target, made], {"w": state.w} | maps)
    error = float(np.sqrt(np.mean((made - target) ** 2)))
    print(f"root mean square error of pixels in [-1, 1]: {error:.4f}; {out}, {out.stem}.npz")
    return OK


def check_files(verb: str, image: tuple[str, ...], out: str) -> None:
    """See that a verb has images to look for, and a picture to write; raises ``UsageError``."""
    if not image:
        raise UsageError(f"{verb}: IMAGE is missing; see tinygan {verb} --help")
    if out and Path(out).suffix != ".png":
        raise UsageError(f"--out {out}: the ending .png fits")


def found(given: tuple[str, ...]) -> list[Path]:
    """Return the image files that arguments name, those of folders among them.

    Raises:
        DataError: there is no such file.
    """
    files = []
    for text in given:
        path = Path(text).expanduser()
        if not path.exists():
            raise DataError(f"{text}: no such image or folder")
        files += image_files(path) if path.is_dir() else [path]
    return files


def read(file: Path, shape: tuple[int, ...]) -> Array:
    """Read an image at the size of a run; raises ``DataError``. Shapes: -> (C, S, S)."""
    pixels = decode(read_bytes(file), file, Rules(size=shape[1], channels=shape[0]))
    return pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def distance_for(net: str, trained: Trained) -> tuple[Distance, str]:
    """Return the distance and its name.

    Raises:
        UsageError: no net has that name.
    """
    if net not in ("auto", "none", *HOUSE_NETS):
        raise UsageError(f"--net {net}: auto, none or {', '.join(HOUSE_NETS)} fits")
    name = OF_DATA.get(trained.data_name, "none") if net == "auto" else net
    if name == "none":
        return of_pixels, "pixels"
    features = HouseDistance(name)
    return (lambda x, y: features(x, y) + of_pixels(x, y)), f"{name} and pixels"


def of_pixels(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference. Shapes: (N, C, H, W) twice -> (N,)."""
    return ops.mean(ops.square(x - y), (1, 2, 3))


def write(out: Path, rows: list[Array], arrays: dict[str, Array]) -> None:
    """Write the picture and the archive; raises ``SaveError``. Shapes: rows of (N, C, H, W)."""
    save_png(out, make_grid(np.concatenate(rows), nrow=len(rows[0])))
    write_npz(out.with_suffix(".npz"), arrays)
