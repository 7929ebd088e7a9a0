"""The public names: what __all__ promises exists, and what scripts outside rely on stays."""

import importlib
import subprocess
import sys

import pytest

import tinygan

ROOMS = [
    "tinygan", "tinygan.kernels", "tinygan.autograd", "tinygan.ops", "tinygan.testing",
    "tinygan.nn", "tinygan.optim", "tinygan.data", "tinygan.gan", "tinygan.metrics",
    "tinygan.recipes", "tinygan.runs",
]  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_everything_in_all_exists(room):
    module = importlib.import_module(room)
    assert module.__all__ == sorted(set(module.__all__), key=module.__all__.index)
    for name in module.__all__:
        assert getattr(module, name) is not None


RELIED_ON = {
    "tinygan": ["Tensor", "grad", "no_grad", "ops", "nn", "optim"],
    "tinygan.ops": [
        "conv2d", "conv_transpose2d", "batch_norm", "spectral_norm", "relu", "leaky_relu", "tanh",
        "sigmoid", "softplus",
    ],
    "tinygan.nn": ["functional_call", "Linear", "Conv2d", "ConvTranspose2d", "BatchNorm2d"],
    "tinygan.optim": ["SGD", "Adam", "AdamW", "RMSprop"],
    "tinygan.metrics.fid": ["frechet_distance"],
    "tinygan.testing": ["check_grads"],
    "tinygan.kernels": ["explain", "use_backend"],
}  # fmt: skip


@pytest.mark.parametrize("room", RELIED_ON)
def test_names_that_others_rely_on_are_there(room):
    module = importlib.import_module(room)
    missing = [name for name in RELIED_ON[room] if not hasattr(module, name)]
    assert not missing


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="no_such_room"):
        _ = tinygan.no_such_room


def test_import_tinygan_loads_nothing_beyond_numpy():
    code = (
        "import sys, tinygan; "
        "heavy = {'PIL', 'rich', 'tyro', 'safetensors', 'matplotlib', 'numba'} & set(sys.modules); "
        "sys.exit(f'import tinygan loads {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
