"""What ``load_pth`` reads: real files of both formats, and what torch.save can put into them."""

import os
from pathlib import Path

import numpy as np
import pth_assembler as asm
import pytest

from tinygan.errors import CheckpointError
from tinygan.nn.pth import load_pth

VALUES = np.arange(6, dtype=np.float32)

LENET = {
    "convnet.c1.weight": (6, 1, 5, 5),
    "convnet.c1.bias": (6,),
    "convnet.c3.weight": (16, 6, 5, 5),
    "convnet.c3.bias": (16,),
    "convnet.c5.weight": (120, 16, 5, 5),
    "convnet.c5.bias": (120,),
    "fc.f6.weight": (84, 120),
    "fc.f6.bias": (84,),
    "fc.f7.weight": (10, 84),
    "fc.f7.bias": (10,),
}
REAL = {  # file -> number of tensors, some of the shapes that the data's README states
    "csinva/lenet_epoch=12_test_acc=0.991.pth": (10, LENET),
    "csinva/G--300.ckpt": (
        6,
        {"0.weight": (256, 64), "2.weight": (256, 256), "4.weight": (784, 256), "4.bias": (784,)},
    ),
    "csinva/netD_epoch_99.pth": (
        14,
        {
            "main.0.weight": (64, 1, 4, 4),
            "main.2.weight": (128, 64, 4, 4),
            "main.3.num_batches_tracked": (),
            "main.5.weight": (256, 128, 4, 4),
            "main.6.running_var": (256,),
            "main.8.weight": (1, 256, 4, 4),
        },
    ),
    "dcgan-mnist/generator.pth": (
        23,
        {
            "gen.0.0.weight": (64, 256, 3, 3),
            "gen.1.0.weight": (256, 128, 4, 4),
            "gen.2.0.weight": (128, 64, 3, 3),
            "gen.3.0.weight": (64, 1, 4, 4),
            "gen.3.0.bias": (1,),
        },
    ),
    "cwgangp-mnist/generator.pth": (
        24,
        {
            "label_emb.weight": (10, 10),
            "l1.0.weight": (6272, 20),
            "conv_blocks.2.weight": (128, 128, 3, 3),
            "conv_blocks.6.weight": (64, 128, 3, 3),
            "conv_blocks.9.weight": (1, 64, 3, 3),
        },
    ),
    "lpips/alex.pth": (
        5,
        {f"lin{i}.model.1.weight": (1, c, 1, 1) for i, c in enumerate((64, 192, 384, 256, 256))},
    ),
    "lpips/vgg.pth": (
        5,
        {f"lin{i}.model.1.weight": (1, c, 1, 1) for i, c in enumerate((64, 128, 256, 512, 512))},
    ),
    "lpips/squeeze.pth": (
        7,
        {
            f"lin{i}.model.1.weight": (1, c, 1, 1)
            for i, c in enumerate((64, 128, 256, 384, 384, 512, 512))
        },
    ),
}


def real_file(name):
    folder = os.environ.get("TINYGAN_TEST_DATA")
    if not folder:
        pytest.skip("TINYGAN_TEST_DATA is unset: no real weights here")
    return Path(folder) / "weights" / name


@pytest.fixture(params=["zip", "legacy"])
def write(request, tmp_path):
    """Write a file in either format."""

    def write_file(body, data):
        write = asm.write_zip if request.param == "zip" else asm.write_legacy
        return write(tmp_path / "file.pth", body, data)

    return write_file


@pytest.mark.parametrize("name", REAL)
def test_real_files_load_with_their_shapes(name):
    count, shapes = REAL[name]
    tensors = load_pth(real_file(name))
    assert len(tensors) == count
    assert {key: tensors[key].shape for key in shapes} == shapes
    for key, array in tensors.items():
        expected = np.int64 if key.endswith("num_batches_tracked") else np.float32
        assert array.dtype == expected, key
        assert np.isfinite(array).all(), key
        assert array.flags.writeable, key


def test_real_running_variances_are_positive_and_counters_are_whole():
    tensors = load_pth(real_file("csinva/netD_epoch_99.pth"))
    assert (tensors["main.3.running_var"] > 0).all()
    assert tensors["main.3.num_batches_tracked"] == tensors["main.6.num_batches_tracked"] > 0


def test_real_order_is_the_order_of_the_file():
    assert list(load_pth(real_file(next(iter(REAL))))) == list(LENET)


def test_values_and_names_are_read(write):
    path = write(asm.state(weight=asm.tensor()), {"0": VALUES.tobytes()})
    tensors = load_pth(path)
    assert list(tensors) == ["weight"]
    np.testing.assert_array_equal(tensors["weight"], VALUES.reshape(2, 3))


def test_transposed_tensors_keep_their_strides(write):
    body = asm.state(w=asm.tensor(size=(3, 2), stride=(1, 3)))
    array = load_pth(write(body, {"0": VALUES.tobytes()}))["w"]
    np.testing.assert_array_equal(array, VALUES.reshape(2, 3).T)
    assert array.strides == (4, 12)


def test_slices_and_steps_of_a_storage_are_read(write):
    body = asm.state(w=asm.tensor(offset=1, size=(2, 2), stride=(3, 1)))
    array = load_pth(write(body, {"0": VALUES.tobytes()}))["w"]
    np.testing.assert_array_equal(array, [[1, 2], [4, 5]])


def test_strides_of_axes_of_one_element_do_not_matter(write):
    body = asm.state(w=asm.tensor(size=(1, 6, 1), stride=(2**60, 1, 2**62)))
    array = load_pth(write(body, {"0": VALUES.tobytes()}))["w"]
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, VALUES.reshape(1, 6, 1))


def test_scalars_and_empty_tensors_are_read(write):
    body = asm.state(
        scalar=asm.tensor(offset=5, size=(), stride=()),
        empty=asm.tensor(size=(0, 4), stride=(4, 1)),
    )
    tensors = load_pth(write(body, {"0": VALUES.tobytes()}))
    assert tensors["scalar"].shape == ()
    assert tensors["scalar"] == 5
    assert tensors["empty"].shape == (0, 4)


def test_tied_weights_share_memory(write):
    body = asm.state(a=asm.tensor(), b=asm.tensor(size=(6,), stride=(1,)))
    tensors = load_pth(write(body, {"0": VALUES.tobytes()}))
    assert np.shares_memory(tensors["a"], tensors["b"])


def test_parameters_are_read_as_their_tensors(write):
    parameter = asm.glob("torch._utils", "_rebuild_parameter")
    body = asm.state(w=parameter + asm.tup(asm.tensor(), b"\x88", asm.OD) + b"R")
    np.testing.assert_array_equal(
        load_pth(write(body, {"0": VALUES.tobytes()}))["w"], VALUES.reshape(2, 3)
    )


def test_nested_dicts_are_joined_with_dots_and_other_values_left_out(write):
    inner = asm.state(weight=asm.tensor())
    body = asm.state(epoch=asm.number(7), rate=b"G" + b"\0" * 8, names=b"](Ne", note=b"N", g=inner)
    assert list(load_pth(write(body, {"0": VALUES.tobytes()}))) == ["g.weight"]


def test_optimizer_states_have_whole_numbers_as_keys(write):
    body = asm.state(state=b"}(" + b"K\x03" + asm.state(exp_avg=asm.tensor()) + b"u")
    assert list(load_pth(write(body, {"0": VALUES.tobytes()}))) == ["state.3.exp_avg"]


def test_legacy_storages_may_be_views_of_one_storage(tmp_path):
    view = asm.tup(asm.text("v"), asm.number(2), asm.number(3))
    body = asm.state(w=asm.tensor(asm.storage(view=view), size=(3,), stride=(1,)))
    path = asm.write_legacy(tmp_path / "v.pth", body, {"0": VALUES.tobytes()})
    np.testing.assert_array_equal(load_pth(path)["w"], [2, 3, 4])


def test_legacy_tensors_inside_lists_do_not_disturb_the_others(tmp_path):
    listed = b"]" + asm.tensor(asm.storage(key="1")) + b"a"
    body = asm.state(w=asm.tensor(), extra=listed)
    data = {"0": VALUES.tobytes(), "1": VALUES.tobytes()}
    assert list(load_pth(asm.write_legacy(tmp_path / "l.pth", body, data))) == ["w"]


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("DoubleStorage", "f8"),
        ("HalfStorage", "f2"),
        ("LongStorage", "i8"),
        ("IntStorage", "i4"),
        ("ShortStorage", "i2"),
        ("CharStorage", "i1"),
        ("ByteStorage", "u1"),
    ],
)
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_dtype_is_read_in_both_byte_orders(tmp_path, kind, dtype, order):
    values = np.array([0, 1, 100, 3, 4, 5], dtype)
    stored = values.astype(values.dtype.newbyteorder("<" if order == "little" else ">"))
    body = asm.state(w=asm.tensor(asm.storage(kind)))
    path = asm.write_zip(tmp_path / "d.pth", body, {"0": stored.tobytes()}, byteorder=order)
    array = load_pth(path)["w"]
    assert array.dtype == values.dtype
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, values.reshape(2, 3))


def test_bfloat16_becomes_float32(tmp_path):
    body = asm.state(w=asm.tensor(asm.storage("BFloat16Storage", numel=3), size=(3,), stride=(1,)))
    bits = np.array([0x3F80, 0xC000, 0x7F80], np.uint16)  # 1, -2, inf
    array = load_pth(asm.write_zip(tmp_path / "b.pth", body, {"0": bits.tobytes()}))["w"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [1, -2, np.inf])


def test_bytes_of_bools_other_than_zero_are_true(tmp_path):
    body = asm.state(w=asm.tensor(asm.storage("BoolStorage", numel=3), size=(3,), stride=(1,)))
    array = load_pth(asm.write_zip(tmp_path / "b.pth", body, {"0": b"\0\1\2"}))["w"]
    assert array.dtype == bool
    assert array.view(np.uint8).tolist() == [0, 1, 1]


def test_protocols_4_and_5_are_read(tmp_path):
    short = b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93)R\x94"
    frame = b"\x95" + (9).to_bytes(8, "little")
    body = frame + short + b"(" + b"\x8c\x01w" + asm.tensor() + b"u"
    path = asm.write_zip(tmp_path / "p.pth", body, {"0": VALUES.tobytes()})
    assert list(load_pth(path)) == ["w"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither a zip nor a legacy file"),
        (b"PK", "neither a zip nor a legacy file"),
        (b"PK\x03\x04", "damaged zip"),
        (b"\x80\x02", "file ends inside a pickle"),
        (b"\x80\x02K\x01.", "no magic number"),
        (b"\x89HDF\r\n\x1a\n", "neither a zip nor a legacy file"),
    ],
)
def test_files_of_another_kind_are_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_pth(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(CheckpointError, match="no such file"):
            load_pth(path)


@pytest.mark.parametrize("body", [asm.OD, asm.tensor(), b"N", asm.state(n=asm.number(1))])
def test_files_without_named_tensors_are_refused(write, body):
    with pytest.raises(CheckpointError, match="a state_dict fits"):
        load_pth(write(body, {"0": VALUES.tobytes()} if body == asm.tensor() else {}))
