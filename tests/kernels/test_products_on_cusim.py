"""CUDA products and convolutions in the emulator, where random cases do not reach.

Everything is held to the float64 reference within the bound that its op derives, and gives the same
bits in all three orders of a block's threads.
"""

import numpy as np
import pytest
from kernel_checks import check_on_cusim, lay_out, normal

from tinygan import kernels
from tinygan.errors import NoKernelError, ShapeError
from tinygan.kernels.conv2d import ConvSpec, cuda
from tinygan.kernels.cuda import cusim, launch, products

pytestmark = pytest.mark.skipif(cusim.why_not() is not None, reason=str(cusim.why_not()))

VARIANTS = ("cusim/implicit_gemm", "cusim/direct")


@pytest.fixture(autouse=True)
def nan_behind(monkeypatch):
    """Lay images and packed weights of convolutions in front of NaN, which no kernel may read."""

    def guarded(fn):
        def call(a):
            dense = fn(a)
            wide = np.full(2 * dense.size + 64, np.nan, np.float32)
            wide[: dense.size] = dense.ravel()
            return wide[: dense.size].reshape(dense.shape)

        return call

    for name in ("pixels_of", "_pack"):
        monkeypatch.setattr(cuda, name, guarded(getattr(cuda, name)))


@pytest.fixture
def large(monkeypatch):
    """Give every product of more than 64 rows and columns tiles of 128."""
    monkeypatch.setattr(products, "_BLOCKS", 2)


@pytest.fixture
def split(monkeypatch):
    """Cut every product into as many chunks as it has runs of 16."""
    monkeypatch.setattr(products, "_BLOCKS", 10**6)
    monkeypatch.setattr(products, "_CHUNK", 16)


# --- matmul and linear ---

EDGES = (
    (63, 64, 65),
    (64, 65, 63),
    (65, 63, 64),
    (64, 64, 16),
    (1, 1, 1),
    (1, 129, 15),
    (130, 1, 17),
    (127, 128, 129),
    (128, 129, 7),
    (129, 127, 8),
    (128, 128, 9),
    (66, 260, 24),
)


def matrices(m, n, k):
    return normal(0, (m, k), np.float32), normal(1, (k, n), np.float32)


@pytest.mark.parametrize("sizes", EDGES)
def test_products_at_the_edges_of_tiles_of_64(sizes):
    a, b = matrices(*sizes)
    assert products.product_plan(*sizes).tile == "64"
    check_on_cusim("matmul", a, b)
    check_on_cusim("linear", a, np.ascontiguousarray(b.T), normal(2, b.shape[1], np.float32))


@pytest.mark.parametrize("sizes", EDGES)
def test_products_at_the_edges_of_tiles_of_128(large, sizes):
    a, b = matrices(*sizes)
    assert products.product_plan(*sizes).tile == ("128" if min(sizes[:2]) > 64 else "64")
    check_on_cusim("matmul", a, b)
    check_on_cusim("linear", a, np.ascontiguousarray(b.T), normal(2, b.shape[1], np.float32))


@pytest.mark.parametrize(
    ("sizes", "splits"),
    [((64, 64, 33), 3), ((65, 3, 200), 13), ((2, 70, 16), 1), ((1, 1, 5000), 63)],
)
def test_split_products_are_added_in_order(split, sizes, splits):
    a, b = matrices(*sizes)
    assert products.product_plan(*sizes).splits == splits
    check_on_cusim("matmul", a, b)
    check_on_cusim("linear", a, np.ascontiguousarray(b.T), normal(2, b.shape[1], np.float32))


@pytest.mark.parametrize("side", ["tiles of 64", "tiles of 128"])
@pytest.mark.parametrize("layout", ["turned", "strided", "reversed", "broadcast", "unaligned"])
def test_a_product_reads_its_operands_by_their_strides(monkeypatch, side, layout):
    monkeypatch.setattr(products, "_BLOCKS", 264 if side == "tiles of 64" else 2)
    a, b = matrices(72, 68, 20)
    if layout == "turned":
        a, b = np.asfortranarray(a), np.asfortranarray(b)
    else:
        a, b = lay_out(a, layout), lay_out(b, layout)
    check_on_cusim("matmul", a, b)
    check_on_cusim("matmul", b.T, a.T)
    check_on_cusim("linear", a, b.T, lay_out(normal(2, 68, np.float32), layout))


@pytest.mark.parametrize("corner", [(3, 1), (4, 8)])  # the second one is read as float4
@pytest.mark.parametrize("size", [(64, 34), (61, 33), (62, 31)])
def test_a_product_of_a_slice_reads_no_more_than_the_slice(corner, size):
    whole = np.full((70, 92), np.nan, np.float32)
    part = tuple(slice(first, first + n) for first, n in zip(corner, size, strict=True))
    whole[part] = normal(0, size, np.float32)
    check_on_cusim("matmul", whole[part], whole[part].T)
    check_on_cusim("matmul", whole[part].T, whole[part])


def test_products_refuse_what_they_cannot_take():
    a, b = matrices(2, 3, 4)
    with kernels.use_backend("cusim"):
        with pytest.raises(ShapeError, match=r"got \(2, 4\) and \(2, 4\)"):
            kernels.call("matmul", a, a)
        with pytest.raises(NoKernelError, match="takes two matrices"):
            kernels.call("matmul", a[None], b[None])
        with pytest.raises(NoKernelError, match="takes float32, got float64"):
            kernels.call("linear", a, b.T, np.zeros(3))
        huge = np.broadcast_to(np.float32(0), (2**16, 1))
        assert "takes at most" in kernels.explain("matmul", huge, huge.T)


# --- convolutions ---

CONVOLUTIONS = {  # x (N, C, H, W), (O, R, S), spec
    "DCGAN, 8 to 16 channels": ((2, 8, 16, 16), (16, 4, 4), ConvSpec.of(stride=2, padding=1)),
    "DCGAN, images": ((2, 3, 16, 16), (8, 4, 4), ConvSpec.of(stride=2, padding=1)),
    "DCGAN, to one output": ((3, 16, 4, 4), (1, 4, 4), ConvSpec.of()),
    "DCGAN, from one pixel": ((3, 12, 4, 4), (10, 4, 4), ConvSpec.of()),
    "odd sizes in the phases": ((2, 5, 9, 7), (6, 4, 4), ConvSpec.of(stride=2, padding=1)),
    "phases without taps": ((2, 4, 8, 9), (3, 1, 2), ConvSpec.of(stride=3, padding=(0, 2))),
    "more phases than lines": ((1, 4, 2, 9), (4, 2, 3), ConvSpec.of(stride=(4, 1))),
    "pixels that no window sees": ((2, 4, 8, 8), (4, 3, 3), ConvSpec.of(stride=(2, 3))),
    "strides of their own": ((2, 8, 11, 13), (7, 5, 3), ConvSpec.of(stride=(3, 2), padding=(2, 1))),
    "same, 66 and 65 channels": ((1, 66, 9, 8), (65, 3, 3), ConvSpec.of(padding=1)),
    "halved, 66 and 68 channels": ((3, 66, 10, 9), (68, 4, 4), ConvSpec.of(stride=2, padding=1)),
    "65 pixels, 63 outputs": ((1, 6, 5, 13), (63, 1, 1), ConvSpec.of()),
    "129 pixels, 127 outputs": ((1, 65, 3, 43), (127, 1, 1), ConvSpec.of()),
    "128 pixels, 128 outputs": ((2, 129, 8, 8), (128, 1, 1), ConvSpec.of()),
    "a wide image of 3 channels": ((2, 8, 17, 17), (3, 3, 3), ConvSpec.of(padding=1)),
    "1 channel from 5": ((1, 5, 16, 16), (1, 3, 3), ConvSpec.of(padding=1)),
    "4 channels from 12, 1 x 1": ((2, 12, 19, 15), (4, 1, 1), ConvSpec.of()),
    "phases of an image of 3 channels": (
        (2, 3, 34, 33),
        (12, 4, 4),
        ConvSpec.of(stride=2, padding=1),
    ),
    "phases of 2 channels, odd": ((5, 2, 23, 21), (5, 3, 3), ConvSpec.of(stride=2)),
    "more padding than kernel": ((1, 3, 3, 2), (2, 2, 2), ConvSpec.of(padding=3, stride=2)),
}
EVERY = pytest.mark.parametrize(("x", "w", "spec"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)


def check_all(x, w, spec, backend):
    """Check the three convolutions of one shape."""
    w = (w[0], x[1] // spec.groups, *w[1:])
    shapes = x, w, spec.out_shape(x, w)
    image, weight, gy = (normal(seed, shape, np.float32) for seed, shape in enumerate(shapes))
    check_on_cusim("conv2d", image, weight, spec=spec, backend=backend)
    if spec.dilation == (1, 1) or backend == "cusim/direct":
        check_on_cusim("conv2d_dgrad", gy, weight, spec=spec, x_shape=x, backend=backend)
    check_on_cusim("conv2d_wgrad", image, gy, spec=spec, w_shape=w, backend=backend)


@EVERY
@pytest.mark.parametrize("backend", VARIANTS)
def test_convolutions_at_the_edges(backend, x, w, spec):
    check_all(x, w, spec, backend)


@EVERY
def test_convolutions_in_tiles_of_128(large, x, w, spec):
    check_all(x, w, spec, "cusim/implicit_gemm")


@EVERY
def test_convolutions_in_chunks(split, x, w, spec):
    check_all(x, w, spec, "cusim/implicit_gemm")


def test_images_of_up_to_four_channels_have_a_tile_of_their_own(monkeypatch):
    """The layers of a DCGAN that make an image, or carry a gradient to one."""
    taken = []

    def _launch(entry, **arguments):
        taken.append(entry)
        launch(entry, **arguments)

    monkeypatch.setattr(cuda, "launch", _launch)
    x, w, gy = (
        normal(0, shape, np.float32) for shape in ((2, 3, 32, 32), (8, 3, 4, 4), (2, 8, 16, 16))
    )
    halves = ConvSpec.of(stride=2, padding=1)
    with kernels.use_backend("cusim"):
        kernels.call("conv2d_dgrad", gy, w, spec=halves, x_shape=x.shape)
        kernels.call("conv2d", gy, w.transpose(1, 0, 2, 3), spec=ConvSpec.of(padding=1))
        kernels.call("conv2d", x, w, spec=halves)
    assert [entry for entry in taken if entry != "conv2d_pack"] == [
        "conv2d_dgrad_thin",
        "conv2d_thin",
        "conv2d_64",
    ]


DILATED = {
    "dilation": ((2, 5, 12, 11), (6, 3, 2), ConvSpec.of(dilation=(2, 3), padding=2)),
    "dilation and stride": ((2, 8, 12, 11), (6, 3, 2), ConvSpec.of(dilation=3, stride=2)),
}
GROUPED = {
    "groups": ((2, 6, 7, 5), (9, 3, 3), ConvSpec.of(groups=3, padding=1)),
    "a group a channel": ((2, 4, 7, 5), (4, 3, 3), ConvSpec.of(groups=4, stride=2, dilation=2)),
}


@pytest.mark.parametrize(("x", "w", "spec"), DILATED.values(), ids=DILATED)
@pytest.mark.parametrize("backend", VARIANTS)
def test_dilated_convolutions(backend, x, w, spec):
    check_all(x, w, spec, backend)


@pytest.mark.parametrize(("x", "w", "spec"), GROUPED.values(), ids=GROUPED)
def test_grouped_convolutions(x, w, spec):
    check_all(x, w, spec, "cusim/direct")


@pytest.mark.parametrize("layout", ["c", "channels_last", "reversed", "strided", "unaligned"])
def test_images_and_weights_of_any_layout(layout):
    spec = ConvSpec.of(stride=2, padding=1)
    x, w = (lay_out(normal(0, shape, np.float32), layout) for shape in ((2, 8, 6, 6), (4, 8, 4, 4)))
    (y,) = check_on_cusim("conv2d", x, w, spec=spec)
    check_on_cusim("conv2d_dgrad", lay_out(y, layout), w, spec=spec, x_shape=x.shape)
    check_on_cusim("conv2d_wgrad", x, lay_out(y, layout), spec=spec, w_shape=w.shape)


def test_what_implicit_gemm_refuses_runs_direct():
    x, w = normal(0, (2, 4, 5, 5), np.float32), normal(1, (4, 2, 3, 3), np.float32)
    with kernels.use_backend("cusim"):
        grouped = ConvSpec.of(groups=2)
        assert kernels.choose("conv2d", x, w, spec=grouped).variant == "direct"
        assert "takes groups=1, got 2" in kernels.explain("conv2d", x, w, spec=grouped)
        dilated = ConvSpec.of(dilation=2)
        said = kernels.explain("conv2d_dgrad", x, w, spec=dilated, x_shape=(2, 2, 9, 9))
        assert "takes dilation=1, got (2, 2)" in said
        assert kernels.choose("conv2d", x[:, :2], w, spec=dilated).variant == "implicit_gemm"
        steps = ConvSpec.of(stride=256, padding=2)
        said = kernels.explain("conv2d_dgrad", x, w, spec=steps, x_shape=(2, 2, 999, 999))
        assert "takes strides of at most 65535 phases, got (256, 256)" in said


def test_convolutions_refuse_what_32_bits_cannot_count():
    x, w = (np.broadcast_to(np.float32(0), shape) for shape in ((2**10, 2**11, 2**5, 2**5), (1,)))
    w = np.broadcast_to(w, (1, 2**11, 1, 1))
    with kernels.use_backend("cusim"):
        with pytest.raises(NoKernelError, match="takes at most 2147479552 entries, got 2147483648"):
            kernels.call("conv2d", x, w, spec=ConvSpec.of())
        one = np.ones((1, 1, 1, 1), np.float32)
        with pytest.raises(NoKernelError, match="takes padded sizes and strides of at most"):
            kernels.call("conv2d", one, one, spec=ConvSpec.of(stride=2**31))


@pytest.mark.parametrize("layout", ["c", "channels_last"])
@pytest.mark.parametrize("w", [(5, 7, 4, 4), (100, 64, 4, 4), (3, 4, 1, 1), (4, 3, 2, 3)])
def test_a_kernel_that_covers_its_image_is_a_plain_product(w, layout):
    o, c, r, s = w
    gy = lay_out(normal(1, (9, o, 1, 1), np.float32), layout)
    shape = (9, c, r, s)
    (gx,) = check_on_cusim(
        "conv2d_dgrad", gy, normal(2, w, np.float32), spec=ConvSpec.of(), x_shape=shape
    )
    assert gx.transpose(0, 2, 3, 1).flags.c_contiguous
