"""SRResNet, RRDBNet and the D that judges them: published sizes, and slow definitions in NumPy."""

import numpy as np
import pytest

from tinygan import Tensor
from tinygan.errors import OptionError
from tinygan.gan.game import evaluating
from tinygan.gan.networks import RRDBNet, SRDiscriminator, SRResNet

RNG = np.random.default_rng(0)
# float32 sums of at most some 250 products of order 1, a dozen layers deep
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def count(net):
    return sum(p.size for p in net.parameters())


def conv(x, state, name):
    """Correlate with zero padding, output pixel by output pixel. Shapes: (N, C, H, W)."""
    w = state[f"{name}.weight"].astype(float)
    bias = state.get(f"{name}.bias", np.zeros(len(w)))
    r = w.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (r, r), (r, r)))
    out = np.empty((len(x), len(w), *x.shape[2:]))
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = padded[:, :, i : i + 2 * r + 1, j : j + 2 * r + 1]
            out[:, :, i, j] = np.tensordot(window, w, ((1, 2, 3), (1, 2, 3))) + bias
    return out


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


def batch_norm(x, state, name):
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    gain, bias = (state[f"{name}.{k}"].reshape(1, -1, 1, 1) for k in ("weight", "bias"))
    return (x - mean) / np.sqrt(var + 1e-5) * gain + bias


def shuffle(x):
    n, c, h, w = x.shape
    out = np.empty((n, c // 4, 2 * h, 2 * w))
    for k in range(c // 4):
        for dy in range(2):
            for dx in range(2):
                out[:, k, dy::2, dx::2] = x[:, 4 * k + 2 * dy + dx]
    return out


def test_srresnet_has_the_published_size():
    assert count(SRResNet()) == 1_549_462  # "1.5M" in tables of later papers
    assert count(SRResNet(blocks=17)) - count(SRResNet()) == 2 * (64 * 64 * 9 + 64) + 4 * 64 + 1


def test_rrdbnet_has_the_published_size_and_basicsrs_names():
    net = RRDBNet()
    assert count(net) == 16_697_987  # 16.70M, BasicSR's model zoo
    names = list(net.state_dict())
    assert names[:4] == [
        "conv_first.weight", "conv_first.bias", "body.0.rdb1.conv1.weight",
        "body.0.rdb1.conv1.bias",
    ]  # fmt: skip
    assert names[-2:] == ["conv_last.weight", "conv_last.bias"]
    assert {"body.22.rdb3.conv5.bias", "conv_body.weight", "conv_up2.bias", "conv_hr.bias"} <= set(
        names
    )


def test_the_papers_d_at_96_pixels_has_its_layers():
    net = SRDiscriminator((3, 96, 96))
    weights = [v.shape for k, v in net.state_dict().items() if k.endswith("weight") and v.ndim > 1]
    assert weights == [
        (64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3), (256, 128, 3, 3),
        (256, 256, 3, 3), (512, 256, 3, 3), (512, 512, 3, 3), (1024, 512 * 6 * 6), (1, 1024),
    ]  # fmt: skip


def test_srresnet_in_training_is_its_definition():
    net = SRResNet(2, ngf=3, blocks=2)
    x = RNG.uniform(-1, 1, (2, 2, 5, 4))
    s = net.state_dict()
    s = {k: v + RNG.normal(0, 0.1, v.shape).astype(v.dtype) if v.size else v for k, v in s.items()
         if v.dtype.kind == "f"} | {k: v for k, v in s.items() if v.dtype.kind != "f"}  # fmt: skip
    net.load_state_dict(s)
    first = h = leaky(conv(x, s, "head.0"), s["head.1.weight"])
    for k in range(2):
        at = f"body.{k}"
        r = batch_norm(conv(h, s, f"{at}.conv1"), s, f"{at}.bn1")
        r = conv(leaky(r, s[f"{at}.prelu.weight"]), s, f"{at}.conv2")
        h = h + batch_norm(r, s, f"{at}.bn2")
    h = first + batch_norm(conv(h, s, "join.0"), s, "join.1")
    for k in (0, 3):
        h = leaky(shuffle(conv(h, s, f"up.{k}")), s[f"up.{k + 2}.weight"])
    found = net(Tensor(x.astype(np.float32))).numpy()
    np.testing.assert_allclose(found, conv(h, s, "tail"), **CLOSE)


def test_rrdbnet_is_its_definition():
    net = RRDBNet(2, ngf=3, growth=2, blocks=2)
    x = RNG.uniform(-1, 1, (2, 2, 5, 4))
    s = net.state_dict()

    def dense(x, at):
        seen = [x]
        for k in range(1, 5):
            seen.append(leaky(conv(np.concatenate(seen, 1), s, f"{at}.conv{k}"), 0.2))
        return x + 0.2 * conv(np.concatenate(seen, 1), s, f"{at}.conv5")

    h = first = conv(x, s, "conv_first")
    for k in range(2):
        r = h
        for part in (1, 2, 3):
            r = dense(r, f"body.{k}.rdb{part}")
        h = h + 0.2 * r
    h = first + conv(h, s, "conv_body")
    for name in ("conv_up1", "conv_up2"):
        h = leaky(conv(h.repeat(2, 2).repeat(2, 3), s, name), 0.2)
    expected = conv(leaky(conv(h, s, "conv_hr"), 0.2), s, "conv_last")
    np.testing.assert_allclose(net(Tensor(x.astype(np.float32))).numpy(), expected, **CLOSE)


def test_dense_blocks_start_at_a_tenth_of_kaimings_deviation():
    weight = RRDBNet(ngf=64, growth=32, blocks=1).state_dict()["body.0.rdb1.conv5.weight"]
    fan_in = (64 + 4 * 32) * 9
    assert weight.std() == pytest.approx(0.1 * np.sqrt(2 / fan_in), rel=0.02)


@pytest.mark.parametrize("net", [SRResNet(1, ngf=4, blocks=1), RRDBNet(1, ngf=4, blocks=1)])
def test_any_size_is_enlarged_four_times_and_clipped_outside_of_training(net):
    for name, value in net.named_parameters().items():
        if name in ("tail.bias", "conv_last.bias"):
            value.assign_(np.full_like(value.data, 3.0))
    x = Tensor(RNG.uniform(-1, 1, (2, 1, 3, 7)).astype(np.float32))
    assert net(x).shape == (2, 1, 12, 28)
    assert net(x).numpy().max() > 1
    with evaluating(net):
        assert net(x).numpy().max() == 1


@pytest.mark.parametrize("shape", [(2,), (3, 24, 32), (3, 32, 40)])
def test_d_refuses_sides_that_it_can_not_halve_four_times(shape):
    with pytest.raises(OptionError, match=r"multiples of 16.*--crop 96"):
        SRDiscriminator(shape)
    assert SRDiscriminator((1, 16, 48), ndf=2)(
        Tensor(np.zeros((2, 1, 16, 48), np.float32))
    ).shape == (2,)
