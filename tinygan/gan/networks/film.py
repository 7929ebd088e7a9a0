"""Players of films: what is in them from one z, how it moves from a recurrent net (MoCoGAN).

    z = [z_C, h_0, eps_1 .. eps_T]     m_t = GRU(m_{t-1}, eps_t),  m_0 = h_0
    frame t of G(z) = G_I([z_C, m_t])  G_I: DCGAN's generator
    D(x) = D_V(x) + D_I(x_t)           D_V: conv3d over the film;  D_I: DCGAN's, over one frame

A film is (N, T, H, W), its frames in the place of channels; see ``data/moving.py``. One z_C for all
frames holds the content fast, D_I asks for frames that look real, and D_V for motion that does.

Tulyakov et al., arXiv:1707.04993, sections 3 and 3.1; layers of D_V in their appendix A.
"""

from __future__ import annotations

from ... import nn, ops, random
from ...autograd import Tensor
from ...errors import OptionError
from ...kernels.arrays import Shape
from .conditional import one_hot
from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init, stages

_SLOPE = 0.2  # of LeakyReLU
MIN_FRAMES = 4


def check_film(data_shape: Shape) -> Shape:
    """Return the shape of one frame, (1, H, W).

    Raises:
        OptionError: the samples are no films of 4 frames or more.
    """
    if len(data_shape) != 3 or data_shape[0] < MIN_FRAMES:
        raise OptionError(
            f"video makes films (T, H, W) of {MIN_FRAMES} frames or more, the data have "
            f"{data_shape}; --data moving:digits fits"
        )
    return (1, *data_shape[1:])


class FilmGenerator(nn.Module):
    """Content and motion to films. Shapes: z (N, nz) -> (N, T, S, S) in [-1, 1].

    Args:
        film_shape: (T, S, S).
        content: numbers of z_C.
        motion: numbers of eps_t, and of m_t.
        ngf: channels of the last hidden layer of G_I.

    Raises:
        OptionError: the samples are no such films.
    """

    def __init__(self, film_shape: Shape, *, content: int, motion: int, ngf: int) -> None:
        super().__init__()
        frame = check_film(film_shape)
        self.shape, self.content, self.motion = film_shape, content, motion
        self.cell = nn.GRU(motion, motion)
        self.image = DCGANGenerator(content + motion, frame, ngf=ngf)

    @property
    def nz(self) -> int:
        """How many numbers make a film: content, the first state, noise for each frame."""
        return self.content + self.motion * (1 + self.shape[0])

    def forward(self, z: Tensor) -> Tensor:
        """Make films."""
        n, frames = z.shape[0], self.shape[0]
        content, moves = z[:, : self.content], z[:, self.content :]
        steps = ops.transpose(moves.reshape(n, frames + 1, self.motion), (1, 0, 2))
        path, _ = self.cell(steps[1:], steps[:1])
        still = ops.broadcast_to(content, (frames, *content.shape))
        codes = ops.transpose(ops.concatenate([still, path], 2), (1, 0, 2))  # (N, T, both)
        images = self.image(codes.reshape(n * frames, -1))
        film: Tensor = images.reshape(n, *self.shape)
        return film


class FilmDiscriminator(nn.Module):
    """Films to logits, the sum of both judges'. Shapes: x (N, T, S, S) -> (N,).

    Args:
        film_shape: (T, S, S).
        ndf: channels of both judges' first hidden layer.

    Raises:
        OptionError: the samples are no such films.
    """

    def __init__(self, film_shape: Shape, *, ndf: int) -> None:
        super().__init__()
        frame = check_film(film_shape)
        self.image = DCGANDiscriminator(frame, ndf=ndf)
        base, k = stages(frame)
        frames, channels = film_shape[0], 1
        layers: list[nn.Module] = []
        for i in range(k):
            shrinks = frames >= MIN_FRAMES  # in time; afterwards in space alone
            time = (4, 2, 1) if shrinks else (1, 1, 0)
            frames = frames // 2 if shrinks else frames
            kernel, stride, padding = (
                (step, side, side) for step, side in zip(time, (4, 2, 1), strict=True)
            )
            width = ndf * 2**i
            layers.append(nn.Conv3d(channels, width, kernel, stride, padding, bias=False))
            layers += [nn.BatchNorm3d(width)] if i else []
            layers.append(nn.LeakyReLU(_SLOPE))
            channels = width
        self.film = nn.Sequential(*layers, nn.Conv3d(channels, 1, (frames, base, base), bias=False))
        self.film.apply(_film_init)

    def forward(self, x: Tensor) -> Tensor:
        """Judge films, by all their frames and by one at random."""
        of_film, of_frame = self.both(x)
        return of_film + of_frame

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return D_V(x) and D_I(x_t), t drawn for each film from the ambient stream "frame"."""
        n, frames = x.shape[:2]
        of_film: Tensor = self.film(x.reshape(n, 1, *x.shape[1:]))
        t = random.current().stream("frame").integers(n, 0, frames)
        chosen = one_hot(t, frames, x).reshape(n, frames, 1, 1)
        return of_film.reshape(-1), self.image(ops.sum(x * chosen, 1, True))


def _film_init(module: nn.Module) -> None:
    """Draw convolutions of films as DCGAN does those of images."""
    if isinstance(module, nn.Conv3d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    dcgan_init(module)
