"""Nets whose features a perceptual loss compares, by name: VGG19's, SqueezeNet's, or in-house ones.

    name            layer phi                               channels   at 1 pixel in
    vgg19           conv 5_4, arXiv:1409.1556               512        16
    squeeze         fire9, arXiv:1602.07360                 512        16
    digits_lenet    second convolution, of each colour;     32 or 96   2
                    mnist_lenet, fashion_lenet likewise

A loss is a distance of phi(x) and phi(y), taken in front of the last ReLU (ESRGAN,
arXiv:1809.00219, section 3.3) or behind it (SRGAN, arXiv:1609.04802, section 2.2.1). The weights of
the first two are the user's: ``vgg19:FILE`` of torchvision's, ``squeeze:FILE`` of torchvision's or
of Keras' (``.h5``); without a file they are looked for in the user's cache. The in-house nets ship
with tinygan. They are classifiers of small grey pictures, and know nothing of photographs: with
them a loss is a loss on filtered edges, and is to be called by their name. Each channel of a colour
image is a grey picture to them, so that colours count.

A net of these is constant: a game keeps it beside its players, and a checkpoint holds its name and
the SHA-256 of its weights alone, so that a run is never resumed with another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from .. import nn, ops, random
from ..autograd import Tensor
from ..errors import OptionError, ShapeError, StateError
from .house_nets import HOUSE_NETS, house_card, load_house_net
from .squeezenet_h5 import squeezenet_from_h5
from .trunks import Fire, Trunk, load_trunk
from .weights import find_weights, sha256_of

_PUBLISHED = {"vgg19": "vgg19", "squeeze": "squeezenet"}  # and their names in ``weights``
FITS = f"vgg19:FILE, squeeze:FILE, {', '.join(HOUSE_NETS)}"


class PerceptualNet:
    """phi, a frozen net's last convolution, and what identifies it.

    Attributes:
        name: of the net: ``vgg19``, ``squeeze_caffe``, ``mnist_lenet`` ...
        sha256: of the weights' file.
        spec: what ``perceptual_net`` takes to make it again, with a whole path.
    """

    def __init__(self, layers: nn.Module, *, name: str, sha256: str, spec: str) -> None:
        self.name, self.sha256, self.spec = name, sha256, spec
        self._layers = layers.requires_grad_(False).eval()

    def __call__(self, x: Tensor, *, activated: bool) -> Tensor:
        """Compute phi of images.

        Shapes: x (N, 1 or 3, H, W) in [-1, 1] -> (N, K, h, w).

        Args:
            x: images of 17 pixels a side or more; of 2 for an in-house net.
            activated: take the features behind the ReLU.

        Raises:
            ShapeError: the images are no such batch, or too small.

        Differentiable: any order, off the ties of max-pooling and the kinks of ReLU.
        """
        out = self._layers(x)
        features = cast(Tensor, out[-1] if isinstance(out, list) else out)
        return ops.relu(features) if activated else features

    @property
    def note(self) -> str:
        """A line that says which net it is."""
        return f"perceptual loss in the features of {self.name} (SHA-256 {self.sha256[:12]})"

    def state_dict(self) -> dict[str, Any]:
        """Return the name and the weights' SHA-256."""
        return {"net": self.name, "sha256": self.sha256}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See that a checkpoint was made with this net; raises ``StateError``."""
        if dict(state) != self.state_dict():
            raise StateError(
                f"perceptual net: saved with {state.get('net')} of SHA-256 "
                f"{str(state.get('sha256'))[:16]}..., this one is {self.name} of {self.sha256[:16]}"
            )


class _House(nn.Module):
    """The convolutions of an in-house net, up to the second one's output, of each colour channel.

    Shapes: x (N, C, H, W) -> (N, 32 C, H/2, W/2).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers = nn.Sequential(*list(load_house_net(name).body)[:4])

    def forward(self, x: Tensor) -> Tensor:
        """Compute the features."""
        if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < 2:
            raise ShapeError(
                f"perceptual net {self.name}: images {x.shape}: (N, 1 or 3, H, W) of 2 pixels a "
                "side or more fit"
            )
        n, channels, height, width = x.shape
        features: Tensor = self.layers(x.reshape(n * channels, 1, height, width))
        return features.reshape(n, -1, *features.shape[2:])


def perceptual_net(spec: str) -> PerceptualNet:
    """Load a net by name, with its file of weights behind a colon: ``vgg19:FILE``.

    Args:
        spec: ``vgg19``, ``squeeze`` (each with or without ``:FILE``) or an in-house net's name.

    Raises:
        OptionError: no net has that name.
        CheckpointError: the weights are missing, damaged or of another net.
    """
    # streams of its own: the caller's are left where they are
    with random.using(random.Streams(0, random.current().xp)):
        return _loaded(spec)


def _loaded(spec: str) -> PerceptualNet:
    name, _, file = spec.partition(":")
    if name in HOUSE_NETS and not file:
        return PerceptualNet(_House(name), name=name, sha256=house_card(name)["sha256"], spec=spec)
    if name not in _PUBLISHED:
        raise OptionError(f"no perceptual net {spec!r}: {FITS} fit")
    path = find_weights(_PUBLISHED[name], Path(file).expanduser() if file else None).resolve()
    keras = name == "squeeze" and path.suffix in (".h5", ".hdf5")
    trunk = squeezenet_from_h5(path) if keras else load_trunk(name, path)
    return PerceptualNet(
        _at_the_end(trunk), name=trunk.name, sha256=sha256_of(path), spec=f"{name}:{path}"
    )


def _at_the_end(trunk: Trunk) -> Trunk:
    """Let a trunk hand out its last layer alone, in front of that layer's ReLU."""
    last = list(trunk.features)[-1]
    if isinstance(last, Fire):
        last.activated = False
    trunk.taps = (len(trunk.features) - 1,)
    return trunk
