"""LPIPS' trunks against PyTorch with the same weights, and files that are no trunk's."""

import numpy as np
import pytest
from torch_trunks import torch_layers, torch_trunk

from tinygan import Tensor, random
from tinygan.errors import CheckpointError, OptionError, ShapeError
from tinygan.metrics.trunks import load_trunk, make_trunk, squeezenet_from_h5
from tinygan.random import Stream

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


# --- Keras' SqueezeNet ---


@pytest.fixture(scope="module")
def h5(real_data):
    """Give the path of Keras' weights; skip where they or h5py are absent."""
    pytest.importorskip("h5py", reason="h5py, which reads Keras' weights, is absent")
    return real_data / "weights/squeezenet/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"


def test_the_fold_is_the_convention_of_caffe(h5):
    import h5py

    x = RNG.uniform(-1, 1, (2, 3, 19, 19))
    with h5py.File(h5) as file:
        kernel, bias = file["conv1/uniform1"][()], file["conv1/conv1_b"][()]
    bgr = (127.5 * (x + 1.0))[:, ::-1].transpose(0, 2, 3, 1) - [103.939, 116.779, 123.68]
    windows = np.lib.stride_tricks.sliding_window_view(bgr, (3, 3), axis=(1, 2))[:, ::2, ::2]
    expected = np.maximum(np.einsum("nhwirs,rsio->nohw", windows, kernel) + bias[:, None, None], 0)
    found = squeezenet_from_h5(h5)(Tensor(x.astype(np.float32)))[0].numpy()
    # float32 sums of 27 products of up to 150 times a weight
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_the_trunk_of_keras_has_its_own_name(h5):
    assert squeezenet_from_h5(h5).name == "squeeze_caffe"


def test_files_that_are_no_keras_weights_are_refused_in_one_line(h5, tmp_path):
    import h5py

    (tmp_path / "noise.h5").write_bytes(Stream(0, "noise").words(64).astype("u1").tobytes())
    (tmp_path / "cut.h5").write_bytes(h5.read_bytes()[:100_000])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["dense/kernel"], file["dense/bias"] = np.zeros((1, 1, 2, 3)), np.zeros(3)
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file["conv1/kernel"] = np.zeros((1, 1, 2, 3))
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("conv1/kernel", (1 << 40,), "f4", chunks=(1024,))
    for name in ("noise", "cut", "other", "half", "huge", "absent"):
        with pytest.raises(CheckpointError, match=f"{name}.h5") as caught:
            squeezenet_from_h5(tmp_path / f"{name}.h5")
        assert "\n" not in str(caught.value)
