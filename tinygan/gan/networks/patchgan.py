"""PatchGAN: a discriminator that judges overlapping patches of an image, one logit each.

    conv 4 stride 2, LeakyReLU
    (conv 4 stride 2, norm, LeakyReLU) x (layers - 1)      twice the channels, at most 8 ndf
    conv 4 stride 1, norm, LeakyReLU;  conv 4 stride 1     one channel: the logits

With 1, 2, 3, 5 layers the patches are 16, 34, 70 and 286 pixels wide (``receptive_field``). What
each logit sees is the same anywhere, so a loss is the mean over samples and patches.

Isola, Zhu, Zhou & Efros, arXiv:1611.07004, section 3.2.2 and appendix 6.1.2: C64-C128-C256-C512,
LeakyReLU 0.2, weights N(0, 0.02); also CycleGAN's, arXiv:1703.10593, section 7.2. As in their code
the last two convolutions have stride 1 and all have padding 1.

*Deviation*: pix2pix has batch norm at batch size 1, which is instance norm with a learned scale and
shift; so it is here, at any batch size (``affine``). CycleGAN's is plain.
"""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Shape
from .dcgan import dcgan_init

SLOPE = 0.2  # of LeakyReLU
_WIDEST = 8  # channels over ndf


class PatchDiscriminator(nn.Module):
    """Images to a logit for each patch. Shapes: x (N, C, H, W) -> (N, 1, P, Q).

    Args:
        image_shape: (C, H, W).
        ndf: channels of the first layer.
        layers: layers of stride 2, 1 or more; 3 for patches of 70 pixels.
        affine: learn a scale and a shift after each norm.

    Raises:
        OptionError: there is no layer, or the images are too small for as many.
    """

    per_sample = True  # see gan/judge.py

    def __init__(
        self, image_shape: Shape, *, ndf: int = 64, layers: int = 3, affine: bool = True
    ) -> None:
        super().__init__()
        self.layers = layers
        if layers < 1 or len(image_shape) != 3 or min(image_shape[1:]) < 3 * 2**layers:
            raise OptionError(
                f"PatchGAN of {layers} layers takes images (C, H, W) of {3 * 2 ** max(layers, 1)} "
                f"pixels a side or more, 1 layer or more; the data have {tuple(image_shape)}"
            )
        modules: list[nn.Module] = [nn.Conv2d(image_shape[0], ndf, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        width = ndf
        for k in range(1, layers + 1):
            before, width = width, ndf * min(2**k, _WIDEST)
            modules += [
                nn.Conv2d(before, width, 4, 2 if k < layers else 1, 1, bias=not affine),
                nn.InstanceNorm2d(width, affine=affine),
                nn.LeakyReLU(SLOPE),
            ]
        self.main = nn.Sequential(*modules, nn.Conv2d(width, 1, 4, 1, 1))
        self.apply(translation_init)

    def forward(self, x: Tensor) -> Tensor:
        """Judge images."""
        logits: Tensor = self.main(x)
        return logits

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the patch that a logit depends on."""
        field, strides = 1, (1, 1, *(2,) * self.layers)  # from the logits back
        for stride in strides:
            field = (field - 1) * stride + 4
        return field


def translation_init(module: nn.Module) -> None:
    """Draw a layer's weights as pix2pix and CycleGAN do: N(0, 0.02), of a learned norm N(1, 0.02).

    Source: arXiv:1611.07004, appendix 6.2.
    """
    dcgan_init(module)
    if isinstance(module, nn.InstanceNorm2d) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)
