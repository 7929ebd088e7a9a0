"""Inception-v3 against the public implementations and, block by block, slow definitions."""

import numpy as np
import pytest
from oracle_modules import module_alone

from tinygan import nn, random
from tinygan.autograd import Tensor, no_grad
from tinygan.errors import CheckpointError, OptionError, ShapeError
from tinygan.metrics.inception import InceptionV3, inception_net, load_inception
from tinygan.metrics.inception_blocks import ConvNorm, block_a, block_c, block_e
from tinygan.metrics.resize import prepare
from tinygan.metrics.weights import sha256_of

RNG = np.random.default_rng(0)
SMALLEST = 75  # pixels, for which the last blocks are 1 x 1
CLOSE = 1e-4  # relative, of the norm and of the largest entry: two float32 nets of 94 layers


def noise(side, n=2):
    return RNG.uniform(-1, 1, (n, 3, side, side)).astype(np.float32)


def measured_state(net, images):
    """Draw weights and measure the running statistics on images, so that activations keep a scale.

    Shifts near 1 open most ReLUs: around 0 a random net is chaotic, and rounding grows 30-fold.
    """
    with random.using(random.Streams(1)):
        for name, p in net.named_parameters().items():
            if name.endswith("bn.weight"):
                nn.init.uniform_(p, 0.8, 1.2)
            elif p.ndim > 1:
                nn.init.kaiming_normal_(p)
            else:
                nn.init.normal_(p, 1.0, 0.3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    net.train()
    with no_grad():
        net(Tensor(images))
    net.eval()
    return net.state_dict()


@pytest.fixture(scope="module")
def fid_state():
    """Give a state of FID's net, measured at the smallest size."""
    return measured_state(InceptionV3(), noise(SMALLEST, n=4))


@pytest.fixture(scope="module")
def folded(fid_state):
    """Give the net of that state, loaded and folded."""
    return load_inception(fid_state)


def assert_close(found, expected, within=CLOSE):
    assert np.linalg.norm(found - expected) <= within * np.linalg.norm(expected)
    assert abs(found - expected).max() <= within * abs(expected).max()


# --- blocks ---


def convolved(x, w, stride, padding):
    """Convolve by the sum over taps, in float64."""
    (ph, pw), (r, s) = padding, w.shape[2:]
    x = np.pad(x.astype(float), [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    p, q = (x.shape[2] - r) // stride + 1, (x.shape[3] - s) // stride + 1
    return sum(
        np.einsum(
            "nchw,oc->nohw",
            x[:, :, i : i + stride * p : stride, j : j + stride * q : stride],
            w[:, :, i, j],
        )
        for i in range(r)
        for j in range(s)
    )


def conv_norm_relu(state, name, x, stride=1, padding=(0, 0)):
    """Convolve, normalise by the running statistics with eps 1e-3, cut at 0."""
    y = convolved(x, state[f"{name}.conv.weight"], stride, padding)
    norm = [state[f"{name}.bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    mean, var, gamma, beta = (v.astype(float)[:, None, None] for v in norm)
    return np.maximum((y - mean) / np.sqrt(var + 1e-3) * gamma + beta, 0.0)


def windows_of_three(x, how):
    """Apply ``how`` to the pixels of each 3 x 3 window that lie in the image."""
    y = np.empty(x.shape)
    for p in range(x.shape[2]):
        for q in range(x.shape[3]):
            window = x[:, :, max(0, p - 1) : p + 2, max(0, q - 1) : q + 2]
            y[:, :, p, q] = how(window.reshape(*x.shape[:2], -1))
    return y


def random_block(block):
    """Give a block random statistics, its state, and an input."""
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            size = module.running_mean.shape
            module.running_mean.assign_(RNG.normal(size=size).astype(np.float32))
            module.running_var.assign_(RNG.uniform(0.5, 2, size).astype(np.float32))
            module.weight.assign_(RNG.normal(size=size).astype(np.float32))
            module.bias.assign_(RNG.normal(size=size).astype(np.float32))
    return block.eval(), block.state_dict(), RNG.normal(size=(2, 8, 6, 7)).astype(np.float32)


def run(module, x):
    with no_grad():
        return module(Tensor(x)).numpy()


def test_a_block_of_the_first_kind_averages_without_the_padding():
    block, state, x = random_block(block_a(8, "average", 32))
    expected = conv_norm_relu(
        state, "branch_pool", windows_of_three(x, lambda pixels: pixels.mean(2))
    )
    assert_close(run(block, x)[:, -32:], expected, 1e-5)


def test_torchvisions_pool_counts_the_padding_as_zeros():
    block, state, x = random_block(block_a(8, "average_with_padding", 32))
    expected = conv_norm_relu(
        state, "branch_pool", windows_of_three(x, lambda pixels: pixels.sum(2) / 9)
    )
    assert_close(run(block, x)[:, -32:], expected, 1e-5)


def test_the_last_block_of_fids_net_pools_by_maximum():
    block, state, x = random_block(block_e(8, "max"))
    expected = conv_norm_relu(
        state, "branch_pool", windows_of_three(x, lambda pixels: pixels.max(2))
    )
    assert_close(run(block, x)[:, -192:], expected, 1e-5)


def test_a_block_of_the_last_kind_lays_its_two_split_chains_side_by_side():
    block, state, x = random_block(block_e(8, "average"))
    y = conv_norm_relu(state, "branch3x3_1", x)
    wide = conv_norm_relu(state, "branch3x3_2a", y, padding=(0, 1))
    tall = conv_norm_relu(state, "branch3x3_2b", y, padding=(1, 0))
    found = run(block, x)
    assert found.shape == (2, 2048, 6, 7)
    assert_close(found[:, 320 : 320 + 768], np.concatenate([wide, tall], axis=1), 1e-5)


def test_a_block_of_the_third_kind_factors_seven_by_seven():
    block, state, x = random_block(block_c(8, "average", 16))
    y = conv_norm_relu(state, "branch7x7_1", x)
    y = conv_norm_relu(state, "branch7x7_2", y, padding=(0, 3))
    y = conv_norm_relu(state, "branch7x7_3", y, padding=(3, 0))
    assert_close(run(block, x)[:, 192:384], y, 1e-5)


@pytest.mark.parametrize(("size", "stride", "padding"), [((1, 7), 1, (0, 3)), (3, 2, 0), (1, 1, 0)])
def test_folding_moves_the_batch_norm_into_the_convolution(size, stride, padding):
    layer, _, x = random_block(ConvNorm(8, 16, size, stride, padding))
    before = run(layer, x)
    layer.fold()
    assert layer.bn is None
    # per output, sums of up to 56 products and one bias, rounded in another order
    assert_close(run(layer, x), before, 60 * 2.0**-24)


# --- the net ---


def test_the_taps_have_their_widths_at_both_sizes(folded):
    for side in (SMALLEST, 107):
        with no_grad():
            taps = folded.taps(Tensor(np.zeros((2, 3, side, side), np.float32)))
        assert {width: t.shape for width, t in taps.features.items()} == {
            width: (2, width) for width in (64, 192, 768, 2048)
        }
        assert taps.logits.shape == taps.logits_unbiased.shape == (2, 1008)


def test_logits_differ_by_the_bias(folded, fid_state):
    with no_grad():
        taps = folded.taps(Tensor(noise(SMALLEST)))
    f, w = taps.features[2048].numpy().astype(float), fid_state["fc.weight"].astype(float)
    unbiased = taps.logits_unbiased.numpy()
    assert_close(unbiased, f @ w.T, 1e-5)
    np.testing.assert_array_equal(taps.logits.numpy(), unbiased + fid_state["fc.bias"])


def test_a_folded_net_computes_what_it_did_before(folded, fid_state):
    plain = InceptionV3()
    plain.load_state_dict(fid_state)
    x = noise(SMALLEST)
    assert_close(run(folded, x), run(plain.eval(), x))


def test_loading_draws_no_numbers_of_the_caller(fid_state):
    with random.using(random.Streams(3)):
        load_inception(fid_state)
        after = random.current().stream("init").normal(4)
    np.testing.assert_array_equal(after, random.Streams(3).stream("init").normal(4))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_taps_and_logits_are_torch_fidelitys(tmp_path, zipped):
    oracle = module_alone("torch_fidelity.feature_extractor_inceptionv3")
    torch = pytest.importorskip("torch")
    levels = RNG.integers(0, 256, (2, 3, 200, 310)).astype(np.uint8)
    x = prepare((levels / 127.5 - 1).astype(np.float32), 299, protocol="torch-fidelity")
    state = {k: torch.from_numpy(v) for k, v in measured_state(InceptionV3(), x).items()}
    path = tmp_path / "inception.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    names = ["64", "192", "768", "2048", "logits_unbiased", "logits"]
    net = oracle.FeatureExtractorInceptionV3("oracle", names, str(path))
    with torch.no_grad():
        expected = [t.numpy() for t in net(torch.from_numpy(levels))]

    with no_grad():
        taps = load_inception(nn.load_pth(path)).taps(Tensor(x))
    found = [*taps.features.values(), taps.logits_unbiased, taps.logits]
    for name, a, b in zip(names, found, expected, strict=True):
        assert a.shape == b.shape, name
        assert_close(a.numpy(), b)


def test_logits_of_a_thousand_classes_are_torchvisions(tmp_path):
    oracle = module_alone("torchvision.models.inception")
    torch = pytest.importorskip("torch")
    x = noise(299)
    state = measured_state(InceptionV3(classes=1000, patched=False), x)
    net = oracle.Inception3(init_weights=False).eval()
    full = {**net.state_dict(), **{k: torch.from_numpy(v) for k, v in state.items()}}
    assert any(name.startswith("AuxLogits.") for name in full)
    net.load_state_dict(full)
    torch.save(full, tmp_path / "inception.pth")
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    with no_grad():
        taps = load_inception(nn.load_pth(tmp_path / "inception.pth")).taps(Tensor(x))
    assert_close(taps.logits.numpy(), expected)


# --- files and feature nets ---


@pytest.fixture(scope="module")
def weights(fid_state, tmp_path_factory):
    """Give FID's net as a safetensors file."""
    from safetensors.numpy import save_file

    path = tmp_path_factory.mktemp("weights") / "fid.safetensors"
    save_file(fid_state, path)
    return path


def test_the_feature_net_embeds_small_grey_images_and_says_how(weights):
    net = inception_net(weights, protocol="clean")
    images = np.random.default_rng(2).uniform(-1, 1, (2, 1, 16, 12)).astype(np.float32)
    found = net.embed(images)
    assert found.features.shape == (2, 2048)
    assert found.probabilities.shape == (2, 1008)
    np.testing.assert_allclose(found.probabilities.sum(1), 1.0, rtol=1e-5)
    assert (net.name, net.sha256) == ("inception", sha256_of(weights))
    assert net.resize.startswith("299 px, bicubic")
    same = net.embed(np.repeat(images, 3, axis=1))
    np.testing.assert_array_equal(found.features, same.features)
    with pytest.raises(ShapeError, match="inception: no images"):
        net.embed(images[:0])


def test_a_distance_in_torchvisions_features_is_called_by_another_name(tmp_path):
    from safetensors.numpy import save_file

    save_file(InceptionV3(classes=1000, patched=False).state_dict(), tmp_path / "tv.safetensors")
    assert inception_net(tmp_path / "tv.safetensors").name == "inception_torchvision"


def test_a_misfit_is_one_line_that_names_what_is_missing_and_what_is_not_asked_for(fid_state):
    state = dict(fid_state)
    del state["Mixed_6b.branch7x7_2.conv.weight"]
    state["fc.weight"] = np.zeros((1008, 2047), np.float32)
    with pytest.raises(CheckpointError) as caught:
        load_inception(state, source="weights.pth")
    message = str(caught.value)
    assert message.startswith("weights.pth: ")
    assert "\n" not in message
    assert "missing 'Mixed_6b.branch7x7_2.conv.weight'" in message
    assert "'fc.weight' is (1008, 2048) here but (1008, 2047) in the state" in message


def test_a_misfit_of_all_names_lists_the_first_and_counts_the_rest(fid_state):
    renamed = {f"module.{k}": v for k, v in fid_state.items() if k != "fc.bias"}
    with pytest.raises(CheckpointError, match=r"; and \d+ more") as caught:
        load_inception({**renamed, "fc.bias": fid_state["fc.bias"]})
    assert len(str(caught.value)) < 500


def test_a_state_of_another_net_is_refused_with_what_would_fit(fid_state):
    with pytest.raises(CheckpointError, match=r"there is no fc\.bias: Inception-v3 with 1008"):
        load_inception({"features.0.weight": np.zeros(3)})
    with pytest.raises(CheckpointError, match=r"fc\.bias is \(10,\)"):
        load_inception({**fid_state, "fc.bias": np.zeros(10, np.float32)})


def test_an_unknown_protocol_is_refused_before_the_file_is_read():
    with pytest.raises(OptionError, match="no protocol 'tf'"):
        inception_net("no such file", protocol="tf")
