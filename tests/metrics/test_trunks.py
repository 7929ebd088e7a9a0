"""LPIPS' trunks against PyTorch with the same weights, and files that are no trunk's."""

import numpy as np
import pytest
from torch_trunks import torch_layers, torch_trunk

from tinygan import Tensor, random
from tinygan.errors import CheckpointError, OptionError, ShapeError
from tinygan.metrics.trunks import load_trunk, make_trunk

RNG = np.random.default_rng(0)
CHANNELS = {
    "alex": [64, 192, 384, 256, 256],
    "vgg": [64, 128, 256, 512, 512],
    "squeeze": [64, 128, 256, 384, 384, 512, 512],
}
SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}


@pytest.fixture(scope="module")
def torch():
    """Give PyTorch, the oracle; skip where it is absent."""
    return pytest.importorskip("torch", reason="PyTorch, the oracle of the trunks, is absent")


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("side", [32, 45])
def test_taps_agree_with_pytorch(torch, name, side):
    trunk = make_trunk(name)
    x = RNG.uniform(-1, 1, (2, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        expected = torch_trunk(torch, name, trunk.state_dict())(torch.tensor(x))
    found = trunk(Tensor(x))
    assert [t.shape[1] for t in found] == CHANNELS[name]
    for ours, theirs in zip(found, expected, strict=True):
        gap = np.abs(ours.numpy() - theirs.numpy()).max()
        assert gap <= 1e-4 * np.abs(theirs.numpy()).max()  # the project's bound for feature taps


@pytest.mark.parametrize("name", CHANNELS)
def test_the_smallest_image_passes_and_a_smaller_one_is_refused(name):
    trunk, side = make_trunk(name), SMALLEST[name]
    assert len(trunk(Tensor(np.zeros((1, 3, side, side), np.float32)))) == len(CHANNELS[name])
    with pytest.raises(ShapeError, match=f"{side} pixels"):
        trunk(Tensor(np.zeros((1, 3, side, side - 1), np.float32)))


def test_grey_is_three_equal_channels():
    trunk = make_trunk("squeeze")
    grey = RNG.uniform(-1, 1, (1, 1, 20, 20)).astype(np.float32)
    colour = np.repeat(grey, 3, axis=1)
    for a, b in zip(trunk(Tensor(grey)), trunk(Tensor(colour)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_trunk_is_frozen_and_leaves_the_random_streams_alone():
    with random.using(random.Streams(5)) as streams:
        trunk = make_trunk("squeeze")
        assert streams.stream("init").index == 0
    assert not any(p.requires_grad for p in trunk.parameters())
    other = make_trunk("squeeze").state_dict()
    np.testing.assert_array_equal(
        trunk.state_dict()["features.0.weight"], other["features.0.weight"]
    )


def test_weights_of_torchvision_load_with_their_classifier(torch, tmp_path):
    layers, _ = torch_layers(torch, "squeeze")
    model = torch.nn.Module()
    model.features = torch.nn.Sequential(*layers)
    model.classifier = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Conv2d(512, 10, 1))
    torch.save(model.state_dict(), tmp_path / "squeezenet1_1.pth")
    state = load_trunk("squeeze", tmp_path / "squeezenet1_1.pth").state_dict()
    theirs = {k: v.numpy() for k, v in model.state_dict().items() if k.startswith("features")}
    assert state.keys() == theirs.keys()
    for key in state:
        np.testing.assert_array_equal(state[key], theirs[key])


def test_wrong_files_are_refused_in_one_line(real_data, tmp_path):
    for path in (
        real_data / "weights/lpips/alex.pth",
        real_data / "weights/dcgan-mnist/generator.pth",
    ):
        with pytest.raises(CheckpointError, match="not the weights of trunk alex") as caught:
            load_trunk("alex", path)
        assert path.name in str(caught.value)
        assert len(str(caught.value)) < 300
    with pytest.raises(CheckpointError, match="no such file"):
        load_trunk("vgg", tmp_path / "vgg16.pth")
    with pytest.raises(OptionError, match="alex, vgg, squeeze"):
        make_trunk("resnet")
