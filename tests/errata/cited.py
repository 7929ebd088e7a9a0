"""Errata without a test: what was published, which no computation can decide."""

from .record import Erratum

_HISTORY = "it says what was published, which no computation can decide; the sources do."

CITED = (
    Erratum(
        "E12",
        claim="DCGAN's discriminator shrinks its images by max-pooling.",
        correct="DCGAN removes all pooling; strided convolutions learn to shrink.",
        sources=("arXiv:1511.06434, section 3",),
        title="DCGAN has no pooling",
        why="The first of the paper's guidelines is to replace pooling layers by strided "
        "convolutions in D and by fractionally strided ones in G, so that both learn their own "
        "resampling. D's gradient then reaches every pixel, and not only the largest of each "
        "window.",
        untested=_HISTORY,
    ),
    Erratum(
        "E13",
        claim="SRGAN is built on a feature pyramid network and a pretrained discriminator.",
        correct="Neither is in SRGAN: its generator is a residual network with pixel shuffle, its "
        "discriminator is trained from scratch. What is pretrained is the VGG network of the "
        "perceptual loss, and G itself, on the mean squared error.",
        sources=("arXiv:1609.04802", "arXiv:1612.03144"),
        title="SRGAN has neither a feature pyramid nor a pretrained discriminator",
        why="Feature pyramids come from object detection, where they join maps of several scales. "
        "SRGAN starts from the weights of SRResNet, a generator trained on squared error, so that "
        "the adversarial phase doesn't begin in a bad local optimum; D begins at random.",
        untested=_HISTORY,
    ),
    Erratum(
        "E15",
        claim="StyleGAN has no latent vector z.",
        correct="z feeds the mapping network, w = f(z); what starts from a learned constant "
        "instead of z is the synthesis network.",
        sources=("arXiv:1812.04948, section 2",),
        title="StyleGAN does have a latent vector",
        why="z is drawn and normalised, eight dense layers take it to w, and w sets the style of "
        "every layer of the synthesis network, whose first input is a learned 4 x 4 constant. "
        "Without z every image would be the same up to the noise inputs.",
        untested=_HISTORY,
    ),
    Erratum(
        "E16",
        claim="The Wasserstein distance replaces the Kullback-Leibler divergence of the original "
        "GAN, and removes mode collapse.",
        correct="It replaces the Jensen-Shannon divergence. It may make collapse rarer; nothing "
        "shows that it removes it.",
        sources=("arXiv:1406.2661", "arXiv:1701.07875", "arXiv:1701.04862", "arXiv:2206.09479"),
        title="The Wasserstein GAN replaces Jensen-Shannon, and does not end collapse",
        why="With the best D, the original game's value is 2 JS(p, q) - 2 log 2 (E1 computes it). "
        "(With the non-saturating loss G descends, beside that D, another mixture: "
        "KL(q, p) - 2 JS(p, q).) The paper of the Wasserstein GAN reports that it saw no collapse "
        "in its own experiments, and has no theorem that excludes it. In StudioGAN's benchmark on "
        "CIFAR-10 the GAN with clipped weights has an FID of 107.7, against 48.3 for a DCGAN in "
        "the same frame. FID rises with lost modes and with bad images alike, so this doesn't tell "
        "which; it isn't the figure of a cure.",
        untested=_HISTORY,
    ),
    Erratum(
        "E20",
        claim="The cycle-consistency loss is CycleGAN's alone.",
        correct="DiscoGAN and DualGAN published it in the same spring.",
        sources=("arXiv:1703.10593", "arXiv:1703.05192", "arXiv:1704.02510"),
        title="Three papers of one spring have a cycle loss",
        why="All three train two generators, x -> y and y -> x, each with a discriminator, and ask "
        "that going there and back restores the image: DiscoGAN by a reconstruction loss, DualGAN "
        "(after dual learning in translation) and CycleGAN by an L1 norm.",
        untested=_HISTORY,
    ),
    Erratum(
        "B19",
        claim="Training loops of CycleGAN, SRGAN, TimeGAN or a WGAN in a dozen lines.",
        correct="These are skeletons: names that are never defined or imported, calls to a `fit` "
        "that nothing provides, and no step for one of the players.",
        sources=("arXiv:1703.10593", "arXiv:1609.04802"),
        title="A loop in a dozen lines is a skeleton",
        why="A step of a GAN needs, for each player, a loss, the gradient with respect to that "
        "player alone, and an update; and data, noise, networks and optimizers that exist. The "
        "recipes of this repository are complete, at most 150 lines each, and run.",
        untested="they don't run, so there is nothing to compute.",
    ),
)
