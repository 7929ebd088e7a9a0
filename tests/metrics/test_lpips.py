"""LPIPS against PyTorch with the same weights, its derivatives, and what it says of real photos."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch_trunks import torch_trunk

from tinygan import Tensor, grad, nn
from tinygan.errors import CheckpointError, ShapeError
from tinygan.metrics.lpips import LPIPS, load_linear
from tinygan.metrics.squeezenet_h5 import squeezenet_from_h5
from tinygan.metrics.trunks import Trunk, make_trunk
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)
SQUEEZE = [64, 128, 256, 384, 384, 512, 512]


def images(n=2, side=32, channels=3):
    return RNG.uniform(-1, 1, (n, channels, side, side)).astype(np.float32)


@pytest.fixture(scope="module")
def squeeze():
    """Give LPIPS on a random SqueezeNet with random linear weights."""
    linear = [RNG.uniform(0, 1, c).astype(np.float32) for c in SQUEEZE]
    return LPIPS(make_trunk("squeeze"), linear)


@pytest.mark.parametrize("name", ["alex", "vgg", "squeeze"])
def test_distances_agree_with_pytorch(real_data, name):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of LPIPS, is absent")
    path = real_data / f"weights/lpips/{name}.pth"
    trunk = make_trunk(name)
    x, y = images(3, 40), images(3, 40)
    y[2] = np.clip(x[2] + 0.05 * y[2], -1, 1)
    run = torch_trunk(torch, name, trunk.state_dict())
    linear = list(torch.load(path, map_location="cpu", weights_only=True).values())
    expected = 0.0
    with torch.no_grad():
        for f, g, w in zip(run(torch.tensor(x)), run(torch.tensor(y)), linear, strict=True):
            u, v = (t / (t.square().sum(1, keepdim=True).sqrt() + 1e-10) for t in (f, g))
            expected += torch.nn.functional.conv2d((u - v) ** 2, w).mean(dim=(1, 2, 3)).numpy()
    found = LPIPS(trunk, load_linear(path))(Tensor(x), Tensor(y)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # the project's bound


def test_distance_to_itself_is_zero_and_the_order_does_not_matter(squeeze):
    x, y = images(), images()
    np.testing.assert_array_equal(squeeze.distance(x, x), 0.0)
    np.testing.assert_array_equal(squeeze.distance(x, y), squeeze.distance(y, x))
    assert (squeeze.distance(x, y) > 0.0).all()


def test_linear_weights_weigh_the_taps(squeeze):
    x, y = images(), images()
    parts = 0.0
    for tap in range(7):
        alone = [w * (i == tap) for i, w in enumerate(squeeze.linear)]
        parts = parts + LPIPS(squeeze.trunk, alone).distance(x, y)
    np.testing.assert_allclose(parts, squeeze.distance(x, y), rtol=1e-5)


def test_batches_do_not_change_the_distances(squeeze):
    x, y = images(18, 17), images(18, 17)
    one_by_one = [squeeze.distance(x[i : i + 1], y[i : i + 1])[0] for i in range(18)]
    np.testing.assert_allclose(squeeze.distance(x, y), one_by_one, rtol=1e-4)


def smooth_trunk():
    """Give a trunk of two taps without kinks, since finite differences can't cross those."""
    conv1, conv2 = nn.Conv2d(3, 4, 3, dtype=np.float64), nn.Conv2d(4, 3, 3, dtype=np.float64)
    return Trunk("smooth", [conv1, nn.Softplus(), conv2, nn.Softplus()], (1, 3), smallest=5)


def test_derivatives_are_right_to_third_order():
    lpips = LPIPS(smooth_trunk(), [RNG.uniform(0, 1, 4), RNG.uniform(0, 1, 3)])
    x, y = RNG.uniform(-1, 1, (2, 1, 3, 6, 6))
    check_grads(lpips, [x, y], order=3)


def test_gradients_are_finite_where_all_channels_are_zero():
    dead = Trunk("dead", [nn.Conv2d(3, 2, 1), nn.ReLU()], (1,), smallest=1)
    for p, value in zip(dead.parameters(), (1.0, -10.0), strict=True):
        p.assign_(np.full(p.shape, value, np.float32))
    x, y = Tensor(images(1, 4), True), Tensor(np.full((1, 3, 4, 4), 1.0, np.float32), True)
    lpips = LPIPS(dead, [np.ones(2)])
    (gx,) = grad(lpips(x, y).sum(), [x], create_graph=True)
    np.testing.assert_array_equal(gx.numpy(), 0.0)
    for _ in range(2):  # and so are those of order 2 and 3
        (gx,) = grad((gx * gx).sum() + lpips(x, y).sum(), [x], create_graph=True)
        np.testing.assert_array_equal(gx.numpy(), 0.0)


def test_a_small_step_along_the_gradient_brings_images_closer(squeeze):
    x, y = Tensor(images(1, 20), True), Tensor(images(1, 20))
    before = squeeze(x, y)
    (gx,) = grad(before.sum(), [x])
    step = 1e-2 / np.abs(gx.numpy()).max()
    after = squeeze(Tensor(x.numpy() - step * gx.numpy()), y)
    assert after.numpy()[0] < before.numpy()[0]


def test_what_does_not_fit_is_refused_in_one_line(squeeze, real_data):
    with pytest.raises(ShapeError, match="differ"):
        squeeze(Tensor(images(2)), Tensor(images(3)))
    with pytest.raises(ShapeError, match="no images"):
        squeeze.distance(images(0), images(0))
    with pytest.raises(ShapeError, match="3 linear weights for a trunk of 7 taps"):
        LPIPS(squeeze.trunk, squeeze.linear[:3])
    with pytest.raises(ShapeError, match=r"\(64,\) fits"):
        LPIPS(squeeze.trunk, squeeze.linear[::-1])(Tensor(images()), Tensor(images()))
    with pytest.raises(CheckpointError, match="no linear weights of LPIPS"):
        load_linear(real_data / "weights/dcgan-mnist/generator.pth")


# --- real weights on real photos ---


@pytest.fixture(scope="module")
def photos(real_data):
    """Give 64-pixel crops of six photos, (6, 3, 64, 64) in [-1, 1]."""
    crops = [
        np.asarray(Image.open(real_data / f"kodak/{i:02d}.png").crop((200, 200, 264, 264)))
        for i in range(1, 7)
    ]
    return (np.stack(crops).transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)


@pytest.fixture(scope="module")
def real_lpips(real_data):
    """Give the distance with SqueezeNet's weights of Caffe; skip where h5py is absent."""
    pytest.importorskip("h5py", reason="h5py, which reads Keras' weights, is absent")
    folder = real_data / "weights"
    name = "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    trunk = squeezenet_from_h5(folder / "squeezenet" / name)
    return LPIPS(trunk, load_linear(folder / "lpips/squeeze.pth"))


def test_its_name_says_whose_weights_they_are(real_lpips):
    assert real_lpips.name == "lpips_squeeze_caffe"


def test_distance_grows_with_noise_and_with_blur_on_every_photo(real_lpips, photos):
    noise = RNG.normal(size=photos.shape)
    noisy = [np.clip(photos + s * noise, -1, 1) for s in (0.0, 0.02, 0.05, 0.1, 0.3)]
    blurred = [gaussian_filter(photos, (0, 0, s, s)) for s in (0.0, 0.5, 1.0, 2.0)]
    for versions in (noisy, blurred):
        d = [real_lpips.distance(photos, v.astype(np.float32)) for v in versions]
        np.testing.assert_array_equal(d[0], 0.0)
        assert (np.diff(d, axis=0) > 0.0).all()


def test_another_photo_is_farther_than_a_darker_one(real_lpips, photos):
    darker = real_lpips.distance(photos, (photos + 1) * 0.9 - 1)
    other = real_lpips.distance(photos, np.roll(photos, 1, axis=0))
    assert darker.max() < other.min()
