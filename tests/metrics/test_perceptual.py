"""Nets of perceptual losses: what phi is, that it has slopes, its identity, and what is refused."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops
from tinygan.errors import CheckpointError, OptionError, ShapeError, StateError
from tinygan.metrics.house_nets import load_house_net
from tinygan.metrics.perceptual import perceptual_net
from tinygan.metrics.squeezenet_h5 import squeezenet_from_h5
from tinygan.metrics.trunks import make_trunk

RNG = np.random.default_rng(0)


def images(n=2, channels=3, side=33):
    return RNG.uniform(-1, 1, (n, channels, side, side)).astype(np.float32)


@pytest.fixture(scope="module")
def h5(real_data):
    """Give the path of Keras' SqueezeNet; skip where it or h5py is absent."""
    pytest.importorskip("h5py", reason="h5py, which reads Keras' weights, is absent")
    return real_data / "weights/squeezenet/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"


def test_squeezenets_phi_behind_the_relu_is_its_last_tap(h5):
    net, x = perceptual_net(f"squeeze:{h5}"), Tensor(images())
    activated = net(x, activated=True).numpy()
    np.testing.assert_array_equal(activated, squeezenet_from_h5(h5)(x)[-1].numpy())
    before = net(x, activated=False).numpy()
    assert before.min() < 0
    np.testing.assert_array_equal(np.maximum(before, 0), activated)
    assert (net.name, net.spec) == ("squeeze_caffe", f"squeeze:{h5.resolve()}")


@pytest.mark.parametrize("channels", [1, 3])
def test_an_in_house_nets_phi_is_its_second_convolution_of_each_channel(channels):
    x = images(channels=channels, side=20)
    body, net = load_house_net("mnist_lenet").body, perceptual_net("mnist_lenet")
    found = net(Tensor(x), activated=False).numpy()
    for c in range(channels):
        h = Tensor(x[:, c : c + 1])
        for i in range(4):
            h = body[i](h)
        # sums of 144 products of order 1 in float32; batches of another size may add otherwise
        np.testing.assert_allclose(found[:, 32 * c : 32 * c + 32], h.numpy(), atol=1e-5)
    assert found.shape == (2, 32 * channels, 10, 10)
    assert net(Tensor(x), activated=True).numpy().min() == 0


def test_vgg19_has_torchvisions_shapes_and_its_phi_is_conv_5_4():
    trunk = make_trunk("vgg19")
    shapes = {k: v.shape for k, v in trunk.state_dict().items()}
    assert shapes["features.34.weight"] == (512, 512, 3, 3)  # torchvision's name of conv 5_4
    assert sum(k.endswith("weight") for k in shapes) == 16
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 20_024_384  # without classifier
    assert isinstance(list(trunk.features)[-1], nn.Conv2d)
    (found,) = trunk(Tensor(images(1, 3, 32)))
    assert found.shape == (1, 512, 2, 2)


def test_vgg19s_weights_load_by_torchvisions_names(tmp_path, monkeypatch):
    trunk = make_trunk("vgg19")
    state = trunk.state_dict() | {"classifier.0.weight": np.zeros((3, 2), np.float32)}
    path = tmp_path / "vgg19.pth"
    path.write_bytes(b"stands for a pickle")
    monkeypatch.setattr("tinygan.metrics.trunks.nn.load_pth", lambda _: state)
    net, x = perceptual_net(f"vgg19:{path}"), Tensor(images(1, 3, 16))
    np.testing.assert_array_equal(net(x, activated=False).numpy(), trunk(x)[0].numpy())
    assert net.name == "vgg19"


def test_phi_has_slopes_with_respect_to_images_and_none_to_its_weights():
    net = perceptual_net("digits_lenet")
    x = Tensor(images(1, 3, 8), requires_grad=True)
    loss = ops.mean(ops.square(net(x, activated=True)))
    (slope,) = grad(loss, [x])
    assert np.abs(slope.numpy()).max() > 0
    assert not any(p.requires_grad for p in net._layers.parameters())


def test_a_checkpoint_of_another_net_is_refused():
    one, other = perceptual_net("digits_lenet"), perceptual_net("mnist_lenet")
    one.load_state_dict(one.state_dict())
    with pytest.raises(StateError, match=r"saved with digits_lenet .* this one is mnist_lenet"):
        other.load_state_dict(one.state_dict())


@pytest.mark.parametrize("spec", ["resnet", "digits_lenet:file", "", "VGG19"])
def test_unknown_nets_are_refused_with_what_fits(spec):
    with pytest.raises(OptionError, match="vgg19:FILE, squeeze:FILE, digits_lenet"):
        perceptual_net(spec)


def test_missing_weights_are_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.metrics.weights.cache_root", lambda: tmp_path)
    with pytest.raises(CheckpointError, match=r"vgg19: no weights at .*vgg19-dcbb9e9d.pth"):
        perceptual_net("vgg19")
    with pytest.raises(CheckpointError, match=r"none.pth: there is no such file"):
        perceptual_net(f"squeeze:{tmp_path / 'none.pth'}")


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ShapeError, match="2 pixels"):
        perceptual_net("digits_lenet")(Tensor(images(1, 3, 1)), activated=True)
