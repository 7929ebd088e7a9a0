"""``tinygan edit RUN IMAGE --label K``: give images other traits and keep the rest of them.

For each image of trait K the z is found for which an ``age_editing`` run makes it
(``gan/editing.py``); then G makes it with every trait. The picture has a column for each image:
the image, then G with trait 0, 1 ...; the z are in an ``.npz`` beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ..autograd import Tensor
from ..data.catalog import plain_parts, short_name
from ..gan.editing import Features
from ..metrics.perceptual import perceptual_net
from ..recipes.age_editing import latent_of
from ..runs.device import computing
from ..runs.judge import OF_DATA
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_trained
from .project import check_files, found, read, write
from .sample import only


@dataclass(frozen=True)
class Options:
    """Which run, which images, what to keep.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        image: image files, or folders of them; the middle square is resized to the run's size.
        label: number of the trait that all of them have, from 0.
        steps: of Adam; 0 takes what the run's encoder says.
        lr: its learning rate.
        net: whose features are kept: digits_lenet, mnist_lenet, fashion_lenet, vgg19:FILE,
            squeeze:FILE, none (pixels alone), or auto: the one that knows such data, if any.
        lambda_x: weight of the squared error of pixels, beside the features.
        lambda_z: weight of z^2, which keeps z where G was trained.
        ema: use the averaged weights, where there are some.
        out: the .png to write, beside the .npz of the same name; by default edit-IMAGE.png in the
            run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    image: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")]
    label: int = -1
    steps: int = 200
    lr: float = 0.05
    net: str = "auto"
    lambda_x: float = 1.0
    lambda_z: float = 0.01
    ema: bool = True
    out: str = ""


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan edit", Options, args)
    check_files("edit", options.image, options.out)
    if not options.lr > 0 or not options.lambda_x >= 0 or not options.lambda_z >= 0:
        raise UsageError("--lr, --lambda-x, --lambda-z: above 0, 0 or more, 0 or more fit")
    trained = open_trained(options.run, ema=options.ema)
    if trained.recipe.name != "age_editing" or len(trained.shape) != 3:
        raise UsageError(f"edit: {trained.recipe.name}: a run of age_editing on images fits")
    files = found(options.image)
    if options.label == -1:
        last = trained.classes - 1
        raise UsageError(f"--label -1: say which trait the images have, 0 to {last}")
    labels = only(trained, options.label, len(files))
    x = np.stack([read(file, trained.shape) for file in files])
    features, what = features_for(options, trained)
    print(f"kept: {what}; images: {len(files)}", flush=True)
    with computing(trained.backend):
        z = latent_of(
            trained.game,
            Tensor(x),
            labels,
            features,
            ema=options.ema,
            steps=options.steps,
            lr=options.lr,
            lambda_x=options.lambda_x,
            lambda_z=options.lambda_z,
        ).numpy()
    made = [trained(z, np.full_like(labels, trait)) for trait in range(trained.classes)]
    out = Path(options.out or trained.run.path / f"edit-{files[0].stem}.png")
    write(out, [x, *made], {"z": z})
    error = float(np.sqrt(np.mean((made[options.label] - x) ** 2)))
    print(
        f"{trained.classes} traits, trait {options.label} with a root mean square error of pixels "
        f"in [-1, 1] of {error:.4f}: {out}, {out.stem}.npz"
    )
    return OK


def features_for(options: Options, trained: Trained) -> tuple[Features, str]:
    """Return what makes an image what it is, and its name.

    Raises:
        OptionError: no net has that name.
        CheckpointError: the weights are missing, damaged or of another net.
    """
    known = OF_DATA.get(short_name(plain_parts(trained.settings.data)[-1]), "none")
    name = known if options.net == "auto" else options.net
    if name == "none":
        return (lambda x: x), "pixels"
    net = perceptual_net(name)
    return (lambda x: net(x, activated=True)), f"features of {net.name}"
