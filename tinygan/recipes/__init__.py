"""Layer 5: one file per GAN variant, each read from top to bottom; none imports another."""

from __future__ import annotations

import difflib

from ..errors import OptionError
from ..gan import Recipe
from . import (
    acgan,
    age_editing,
    began,
    bigan,
    biggan,
    cgan,
    cogan,
    consensus,
    cyclegan,
    dcgan,
    dragan,
    ebgan,
    esrgan,
    extragradient,
    feature_matching,
    gan,
    infogan,
    lsgan,
    minibatch,
    pacgan,
    pix2pix,
    progan,
    projection,
    relativistic,
    sagan,
    semi_supervised,
    sngan,
    srgan,
    stargan,
    stylegan,
    stylegan2,
    text_to_image,
    unrolled,
    vae,
    vae_gan,
    veegan,
    video,
    wgan,
    wgan_gp,
)

RECIPES: dict[str, Recipe] = {
    module.RECIPE.name: module.RECIPE
    for module in (
        gan,
        dcgan,
        lsgan,
        wgan,
        wgan_gp,
        dragan,
        sngan,
        sagan,
        began,
        ebgan,
        relativistic,
        minibatch,
        feature_matching,
        cgan,
        acgan,
        projection,
        biggan,
        unrolled,
        consensus,
        extragradient,
        pacgan,
        veegan,
        bigan,
        infogan,
        semi_supervised,
        vae,
        vae_gan,
        progan,
        stylegan,
        stylegan2,
        pix2pix,
        cyclegan,
        srgan,
        esrgan,
        cogan,
        stargan,
        age_editing,
        text_to_image,
        video,
    )
}

__all__ = ["RECIPES", "get"]


def get(name: str) -> Recipe:
    """Return the recipe of that name; ``-`` and ``_`` mean the same.

    Raises:
        OptionError: there is none; the message has the nearest name.
    """
    key = name.replace("-", "_").lower()
    if key in RECIPES:
        return RECIPES[key]
    near = difflib.get_close_matches(key, RECIPES, n=1, cutoff=0.5)
    hint = f"perhaps you meant {near[0]}" if near else f"there are {', '.join(RECIPES)}"
    raise OptionError(f"no recipe {name!r}: {hint}")
