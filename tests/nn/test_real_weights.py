"""Networks that others trained with PyTorch, loaded by name and judged on real digits."""

import gzip

import numpy as np
import pytest
from PIL import Image

from tinygan import nn, ops
from tinygan.autograd import Tensor, no_grad
from tinygan.errors import StateError
from tinygan.kernels.arrays import as_channels_last
from tinygan.random import Stream


class LeNet(nn.Module):
    """LeNet-5: x (N, 1, 32, 32) in [0, 1] -> log probabilities (N, 10)."""

    def __init__(self):
        self.convnet = nn.Sequential(
            {
                "c1": nn.Conv2d(1, 6, 5),
                "relu1": nn.ReLU(),
                "s2": nn.MaxPool2d(2),
                "c3": nn.Conv2d(6, 16, 5),
                "relu3": nn.ReLU(),
                "s4": nn.MaxPool2d(2),
                "c5": nn.Conv2d(16, 120, 5),
                "relu5": nn.ReLU(),
            }
        )
        self.fc = nn.Sequential(
            {
                "f6": nn.Linear(120, 84),
                "relu6": nn.ReLU(),
                "f7": nn.Linear(84, 10),
                "sig7": nn.LogSoftmax(),
            }
        )

    def forward(self, x):
        return self.fc(nn.Flatten()(self.convnet(x)))


class ConditionalGenerator(nn.Module):
    """z (N, 10) and labels (N,) -> images (N, 1, 28, 28)."""

    def __init__(self):
        self.label_emb = nn.Embedding(10, 10)
        self.l1 = nn.Sequential(nn.Linear(20, 128 * 7 * 7))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, 1, 1),
            nn.BatchNorm2d(128, eps=0.8),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, 1, 1),
            nn.BatchNorm2d(64, eps=0.8),
            nn.ReLU(),
            nn.Conv2d(64, 1, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z, labels):
        x = self.l1(ops.concatenate([z, self.label_emb(labels)], axis=1))
        return self.conv_blocks(nn.Unflatten(1, (128, 7, 7))(x))


def dcgan_generator():
    """z (N, 64, 1, 1) -> images (N, 1, 28, 28), as the ``gen`` of its module."""

    def block(inputs, outputs, kernel_size, stride):
        up = nn.ConvTranspose2d(inputs, outputs, kernel_size, stride)
        return nn.Sequential(up, nn.BatchNorm2d(outputs), nn.ReLU())

    net = nn.Module()
    net.gen = nn.Sequential(
        block(64, 256, 3, 2),
        block(256, 128, 4, 1),
        block(128, 64, 3, 2),
        nn.Sequential(nn.ConvTranspose2d(64, 1, 4, 2), nn.Tanh()),
    )
    return net


def mlp_generator():
    """z (N, 64) -> flat images (N, 784)."""
    return nn.Sequential(
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 784),
        nn.Tanh(),
    )


def dcgan_discriminator():
    """Images (N, 1, 28, 28) -> probabilities (N, 1, 1, 1)."""
    net = nn.Module()
    net.main = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(128, 256, 4, 2, 1, bias=False),
        nn.BatchNorm2d(256),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(256, 1, 4, 2, 1, bias=False),
        nn.Sigmoid(),
    )
    return net


def load(net, path):
    net.load_state_dict(nn.load_pth(path))
    return net.eval()


@pytest.fixture(scope="module")
def weights(real_data):
    return real_data / "weights"


@pytest.fixture(scope="module")
def digits(real_data):
    """Give MNIST's test images (10000, 28, 28) uint8 and labels."""
    folder = real_data / "mnist"
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )


@pytest.fixture(scope="module")
def classify(weights):
    """Give a function from images (N, 28, 28) uint8 to LeNet's probabilities (N, 10)."""
    net = load(LeNet(), weights / "csinva" / "lenet_epoch=12_test_acc=0.991.pth")

    def probabilities(images):
        large = [Image.fromarray(i).resize((32, 32), Image.Resampling.BILINEAR) for i in images]
        x = np.stack([np.asarray(i) for i in large])[:, None].astype(np.float32) / 255
        with no_grad():
            parts = [net(Tensor(part)).data for part in np.split(x, max(len(x) // 500, 1))]
        return np.exp(np.concatenate(parts))

    return probabilities


def as_bytes(images):
    """Turn images in [-1, 1], (N, 1, 28, 28) or (N, 784), into (N, 28, 28) uint8."""
    grey = np.round((images.data.reshape(-1, 28, 28) + 1) * 127.5)
    return grey.clip(0, 255).astype(np.uint8)


def test_lenet_gets_9907_of_10000_digits_right(digits, classify):
    images, labels = digits
    assert int((classify(images).argmax(1) == labels).sum()) == 9907


def test_samples_of_the_dcgan_generator_are_all_ten_digits(weights, classify):
    G = load(dcgan_generator(), weights / "dcgan-mnist" / "generator.pth")
    z = Tensor(Stream(0, "z").normal((500, 64, 1, 1)))
    with no_grad():
        p = classify(as_bytes(G.gen(z)))
    assert p.max(1).mean() == pytest.approx(0.93, abs=0.02)
    assert set(p.argmax(1)) == set(range(10))


def test_samples_of_the_mlp_generator_are_digits_and_a_third_are_ones(weights, classify):
    G = load(mlp_generator(), weights / "csinva" / "G--300.ckpt")
    z = Tensor(Stream(0, "z").normal((1000, 64)))
    with no_grad():
        p = classify(as_bytes(G(z)))
    assert p.max(1).mean() == pytest.approx(0.97, abs=0.02)
    assert (p.argmax(1) == 1).mean() == pytest.approx(1 / 3, abs=0.06)


def test_samples_of_the_conditional_generator_follow_their_labels(weights, classify):
    G = load(ConditionalGenerator(), weights / "cwgangp-mnist" / "generator.pth")
    labels = np.arange(300) % 10
    z = Tensor(Stream(0, "z").normal((300, 10)))
    with no_grad():
        p = classify(as_bytes(G(z, Tensor(labels))))
    assert (p.argmax(1) == labels).mean() == pytest.approx(0.61, abs=0.06)  # 0.1 by chance


def test_the_eps_of_the_conditional_generator_matters(weights):
    G = load(ConditionalGenerator(), weights / "cwgangp-mnist" / "generator.pth")
    z, labels = Tensor(Stream(0, "z").normal((4, 10))), Tensor(np.arange(4))
    with no_grad():
        y = G(z, labels).data
        G.conv_blocks[3].eps = 1e-5
        assert np.abs(G(z, labels).data - y).max() > 0.1


def test_the_dcgan_discriminator_tells_digits_from_noise(weights, digits):
    D = load(dcgan_discriminator(), weights / "csinva" / "netD_epoch_99.pth")
    real = as_channels_last(digits[0][:200, None].astype(np.float32) / 127.5 - 1)
    rng = np.random.default_rng(0)
    with no_grad():
        p_real = D.main(Tensor(real)).data
        p_noise = D.main(Tensor(rng.uniform(-1, 1, real.shape).astype(np.float32))).data
    assert p_real.shape == (200, 1, 1, 1)
    assert p_real.mean() > 0.3  # 0.38 here; D was trained against a strong G
    assert p_noise.mean() < 0.1


def test_counters_of_batches_are_loaded_as_int64(weights):
    state = nn.load_pth(weights / "csinva" / "netD_epoch_99.pth")
    D = load(dcgan_discriminator(), weights / "csinva" / "netD_epoch_99.pth")
    assert D.main[3].num_batches_tracked.dtype == np.int64
    assert int(D.main[3].num_batches_tracked) == int(state["main.3.num_batches_tracked"]) > 1000


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(StateError, match=r"missing '0\.weight'.*unexpected 'main\.0\.weight'"):
        load(mlp_generator(), weights / "csinva" / "netD_epoch_99.pth")
