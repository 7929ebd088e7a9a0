"""Keras' SqueezeNet: the convention that is folded in, and files that are no such weights."""

import numpy as np
import pytest

from tinygan import Tensor
from tinygan.errors import CheckpointError
from tinygan.metrics.squeezenet_h5 import squeezenet_from_h5
from tinygan.random import Stream

RNG = np.random.default_rng(0)


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
