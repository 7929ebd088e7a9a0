"""Every recipe so small that a step of it takes no time, and data for it."""

from tinygan.data.captions import CAPTIONS
from tinygan.recipes import RECIPES

PLAIN = {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "hidden": 8}
SMALL = {
    "gan": {"batch": 16, "nz": 4, "hidden_g": 16, "hidden_d": 8},
    "dcgan": {"batch": 16, "nz": 4, "ngf": 4, "ndf": 4},
    "wgan_gp": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "hidden": 8, "n_critic": 2},
    "unrolled": {"batch": 8, "nz": 4, "hidden": 8, "unrolling": 2},
    "consensus": {"batch": 8, "nz": 4, "hidden": 8},
    "lsgan": PLAIN,
    "wgan": PLAIN | {"n_critic": 2, "n_critic_burst": 3, "warm_up": 1, "burst_every": 4},
    "dragan": PLAIN,
    "sngan": PLAIN | {"n_critic": 1, "g_batch": 12, "decay_steps": 20},
    "sagan": {"batch": 8, "nz": 4, "ngf": 8, "ndf": 8},
    "began": {"batch": 8, "nz": 4, "nf": 2},
    "ebgan": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "code": 5},
    "relativistic": PLAIN,
    "minibatch": PLAIN | {"distances": 3, "kernel_dims": 2},
    "feature_matching": PLAIN,
    "cgan": PLAIN | {"num_classes": 10},
    "acgan": PLAIN | {"num_classes": 10},
    "projection": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "n_critic": 1, "num_classes": 10},
    "biggan": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "n_critic": 1, "num_classes": 10},
    "extragradient": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "hidden": 8},
    "pacgan": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "hidden_g": 8, "hidden_d": 8},
    "veegan": {"batch": 8, "nz": 4, "hidden": 8},
    "bigan": {"batch": 8, "nz": 4, "hidden": 8},
    "infogan": PLAIN | {"categories": 3},
    "semi_supervised": {"batch": 8, "nz": 4, "hidden_g": 8, "hidden_d": 8, "num_classes": 10},
    "vae": PLAIN,
    "vae_gan": PLAIN,
    "progan": {"batch": 8, "nz": 4, "nf": 2, "stage_kimg": 0.008, "fade_kimg": 0.048},
    "stylegan": {"batch": 8, "nz": 4, "nw": 6, "mapping_layers": 2, "nf": 2, "nf_max": 4},
    "stylegan2": {"batch": 8, "nz": 4, "nw": 6, "mapping_layers": 2, "nf": 2, "nf_max": 4},
    "pix2pix": {"batch": 2, "ngf": 2, "ndf": 2, "layers": 1, "jitter": 2},
    "cyclegan": {
        "batch": 2,
        "ngf": 2,
        "ndf": 2,
        "layers": 1,
        "blocks": 1,
        "replay": 3,
        "jitter": 2,
    },
    "srgan": {"batch": 8, "ngf": 4, "ndf": 2, "blocks": 1, "pretrain": 2, "decay_at": 3},
    "esrgan": {"batch": 8, "ngf": 4, "growth": 2, "ndf": 2, "blocks": 1, "pretrain": 2},
    "cogan": {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2, "num_classes": 10},
    "stargan": {"batch": 4, "ngf": 2, "ndf": 2, "blocks": 1, "n_critic": 1, "num_classes": 10},
    "age_editing": PLAIN | {"num_classes": 10},
    "text_to_image": {
        "batch": 8,
        "nz": 4,
        "ngf": 2,
        "ndf": 2,
        "features": 3,
        "hidden": 3,
        "num_classes": len(CAPTIONS),
    },
    "video": {"batch": 4, "nz": 3, "motion": 2, "ngf": 2, "ndf": 2},
}
OWN = {  # what recipes train on that take no plain images, of images so large
    "pix2pix": "edges:digits:{}",
    "cyclegan": "unpaired:digits:{0},inverted:digits:{0}",
    "text_to_image": "captioned:digits:{}",
    "video": "moving:digits:{}",
}
SIDE = {"srgan": 16, "esrgan": 16}  # whose D halves it four times; of others 8
ON = {name: "digits:8" for name in RECIPES} | {"unrolled": "ring", "consensus": "ring"}
ON |= {name: spec.format(8) for name, spec in OWN.items()}
ON |= {name: f"digits:{side}" for name, side in SIDE.items()}
