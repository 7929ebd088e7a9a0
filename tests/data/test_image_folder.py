"""Image folders: modes, sizes, classes, odd and broken files, and mutants."""

import io
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from tinygan.data import load
from tinygan.errors import DataError, OptionError
from tinygan.random import Stream


def _rgb(h=6, w=8, seed=0):
    return Stream(seed, "pixels").integers((h, w, 3), 0, 256).astype(np.uint8)


def _save(path, pixels, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".webp"])
def test_each_lossless_format_gives_its_pixels(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    _save(tmp_path / f"a{suffix}", _rgb(), **options)
    np.testing.assert_array_equal(load(tmp_path).stored[0], _rgb())


def test_jpeg_is_read(tmp_path):
    _save(tmp_path / "a.jpg", np.full((8, 8, 3), 200, np.uint8))
    assert np.abs(load(tmp_path).stored.astype(int) - 200).max() <= 2


def test_values_become_minus_one_to_one_in_channels_last_memory(tmp_path):
    _save(tmp_path / "a.png", np.array([[[0, 51, 255]]], np.uint8))
    x = load(tmp_path).arrays
    np.testing.assert_allclose(x.ravel(), [-1, -0.6, 1], atol=6e-8)
    assert x.shape == (1, 3, 1, 1)
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous


def test_subfolders_are_classes_in_sorted_order(tmp_path):
    for name in ("roses/b.png", "daisy/z.png", "roses/deep/a.png"):
        _save(tmp_path / name, _rgb())
    (tmp_path / "LICENSE.txt").write_text("not an image")
    found = load(tmp_path)
    assert found.classes == ("daisy", "roses")
    assert found.labels.tolist() == [0, 1, 1]


def test_an_image_beside_the_subfolders_means_no_classes(tmp_path):
    for name in ("roses/b.png", "a.png"):
        _save(tmp_path / name, _rgb())
    assert load(tmp_path).labels is None


def test_hidden_files_are_left_out(tmp_path):
    _save(tmp_path / "a.png", _rgb())
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    assert len(load(tmp_path)) == 1


def test_size_takes_the_middle_square(tmp_path):
    wide = np.zeros((4, 10, 3), np.uint8)
    wide[:, 3:7] = 90
    _save(tmp_path / "a.png", wide)
    found = load(tmp_path, size=2)
    assert found.stored.shape == (1, 2, 2, 3)
    assert set(found.stored.ravel()) == {90}


def test_different_sizes_need_a_size(tmp_path):
    _save(tmp_path / "a.png", _rgb(4, 4))
    _save(tmp_path / "b.png", _rgb(4, 5))
    with pytest.raises(DataError, match=r"b\.png: 5 x 4 where a\.png is 4 x 4; state a size"):
        load(tmp_path)
    assert load(tmp_path, size=4).stored.shape == (2, 4, 4, 3)


def test_mixed_channels_need_a_choice(tmp_path):
    _save(tmp_path / "a.png", _rgb())
    _save(tmp_path / "b.png", _rgb(), "L")
    with pytest.raises(DataError, match="1 channels where a"):
        load(tmp_path)
    assert load(tmp_path, channels=1).shape == (1, 6, 8)
    assert load(tmp_path, channels=3).shape == (3, 6, 8)


def test_16_bit_grey_is_divided_by_257_and_not_saturated(tmp_path):
    wide = np.array([[0, 257 * 7, 257 * 200, 65535]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert load(tmp_path).stored.ravel().tolist() == [0, 7, 200, 255]


def test_transparency_needs_a_background(tmp_path):
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    pixels[0, 1] = (99, 99, 99, 0)  # no meaning under alpha 0
    _save(tmp_path / "a.png", pixels)
    with pytest.raises(DataError, match="transparency; state a background"):
        load(tmp_path, on_bad="convert")
    found = load(tmp_path, background="#ff8000").stored
    assert found.reshape(-1, 3).tolist() == [[10, 20, 30], [255, 128, 0]]
    np.testing.assert_array_equal(load(tmp_path, background=(255, 128, 0)).stored, found)


def test_grey_with_alpha_stays_grey_on_a_grey_background(tmp_path):
    _save(tmp_path / "a.png", np.array([[[40, 255], [40, 0]]], np.uint8))
    assert load(tmp_path, background="white").stored.ravel().tolist() == [40, 255]
    assert load(tmp_path, background="red").shape[0] == 3


def test_a_transparent_palette_entry_counts_as_transparency(tmp_path):
    _save(tmp_path / "a.png", _rgb(), "P", transparency=0)
    with pytest.raises(DataError, match="transparency"):
        load(tmp_path, on_bad="convert")


@pytest.mark.parametrize(
    ("mode", "name", "kind"), [("CMYK", "CMYK", "jpg"), ("P", "palette", "png")]
)
def test_odd_modes_are_refused_skipped_or_converted(tmp_path, mode, name, kind):
    _save(tmp_path / f"bad.{kind}", _rgb(), mode)
    _save(tmp_path / "good.png", _rgb())
    with pytest.raises(DataError, match=rf"bad\.{kind}: {name} image; on_bad='convert'"):
        load(tmp_path)
    skipped = load(tmp_path, on_bad="skip")
    assert len(skipped) == 1
    assert f"bad.{kind}" in skipped.notes[0]
    assert load(tmp_path, on_bad="convert").stored.shape == (2, 6, 8, 3)


def test_camera_rotation_is_applied(tmp_path):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, 8:] = 250  # right half bright
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    _save(tmp_path / "a.png", pixels, exif=exif)
    found = load(tmp_path).stored[0, ..., 0]
    assert found.shape == (16, 8)
    assert found[:8].max() == 0
    assert found[8:].min() == 250


def test_broken_files_are_named_and_can_be_skipped(tmp_path):
    whole = _save(tmp_path / "good.png", _rgb()).read_bytes()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match=r"empty\.png: zero bytes"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"empty\.png"):
        load(tmp_path, on_bad="convert")
    found = load(tmp_path, on_bad="skip")
    assert len(found) == 1
    assert len(found.notes) == 3


def test_a_folder_in_which_nothing_can_be_read_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match="none of 1"):
        load(tmp_path, on_bad="skip")
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="no image files"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "ICO"])
def test_other_formats_are_not_opened_whatever_their_name(tmp_path, kind):
    _save(tmp_path / "a.png", _rgb(16, 16), format=kind)
    with pytest.raises(DataError, match="PNG, JPEG, WebP, BMP or PPM"):
        load(tmp_path)


def test_a_pixel_bomb_is_refused_without_decoding(tmp_path):
    Image.new("1", (9000, 8000)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="at most 64 million"):
        load(tmp_path)


def test_memory_is_bounded_before_it_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.data._guard.LIMIT_BYTES", 100)
    _save(tmp_path / "a.png", _rgb())
    with pytest.raises(DataError, match="smaller images"):
        load(tmp_path)


@pytest.mark.parametrize("colour", ["nocolour", (1, 2), (1, 2, 300)])
def test_a_background_that_is_no_colour_is_refused(tmp_path, colour):
    _save(tmp_path / "a.png", _rgb())
    with pytest.raises(OptionError, match="background"):
        load(tmp_path, background=colour)


@pytest.mark.parametrize("level", [0, 6])  # at 0 a flipped bit is a changed pixel
def test_mutants_of_png_give_the_same_pixels_or_are_refused(tmp_path, level):
    whole, stream = io.BytesIO(), Stream(4, "mutants")
    Image.fromarray(_rgb()).save(whole, "PNG", compress_level=level)
    data, path, accepted = whole.getvalue(), tmp_path / "a.png", 0
    for _ in range(500):
        changed = bytearray(data)
        at, kind, bit = (int(v) for v in stream.integers(3, 0, len(data)))
        if kind % 4 == 0:
            del changed[at:]
        else:
            changed[at] ^= 1 << bit % 8
        path.write_bytes(changed)
        with suppress(DataError):
            np.testing.assert_array_equal(load(tmp_path).stored[0], _rgb())
            accepted += 1
    assert accepted < 50


def test_a_png_cut_in_its_checksum_is_refused(tmp_path):
    path = _save(tmp_path / "a.png", _rgb(16, 16), compress_level=0)
    data = bytearray(path.read_bytes()[:-20])  # the end chunk, the sums of chunk and stream
    data[-100] ^= 1  # a pixel, which nothing but those sums protects
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "PPM"])
def test_mutants_of_other_formats_never_raise_anything_else(tmp_path, kind):
    whole, stream = io.BytesIO(), Stream(5, kind)
    Image.fromarray(_rgb(16, 16)).save(whole, kind)
    data, path = whole.getvalue(), tmp_path / "a.jpg"
    for _ in range(150):
        changed = bytearray(data)
        for at in stream.integers(3, 0, len(data)):
            changed[at] = int(stream.integers((), 0, 256))
        path.write_bytes(changed)
        with suppress(DataError):
            found = load(tmp_path, size=16, channels=3, on_bad="convert", background="black")
            assert found.stored.shape == (1, 16, 16, 3)
