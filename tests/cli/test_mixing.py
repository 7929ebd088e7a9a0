"""``tinygan sample RUN RUN`` and ``tinygan export --per-class``."""

import numpy as np
import pytest
from PIL import Image

from tinygan import data
from tinygan.cli import main

TINY = ["--batch", "8", "--nz", "4", "--steps", "1"]
IMAGES = ["--ngf", "2", "--ndf", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Give a folder with runs: dcgan and dcgan, acgan and acgan, and a gan of points."""
    outdir = tmp_path_factory.mktemp("runs")
    ring = ["--hidden-g", "8", "--hidden-d", "8", "--data", "ring"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(outdir / "cache"))
        for number, (recipe, more) in enumerate(
            [
                ("dcgan", [*IMAGES, "--data", "digits:8"]),
                ("dcgan", [*IMAGES, "--data", "digits:8", "--seed", "1", "--nz", "6"]),
                ("acgan", [*IMAGES, "--data", "digits:8"]),
                ("acgan", [*IMAGES, "--data", "digits:8", "--seed", "1"]),
                ("gan", ring),
            ]
        ):
            flags = [*TINY, *more, "--outdir", str(outdir)]
            assert main(["train", recipe, *flags]) == 0, number
    return outdir


@pytest.fixture
def sampled(runs, said, tmp_path):
    """Sample runs by their numbers into an archive; returns its arrays, or the error."""

    def call(*numbers, **flags):
        more = [part for name, value in flags.items() for part in (f"--{name}", value)]
        names = [runs / f"0000{number}" for number in numbers]
        out = tmp_path / "x.npz"
        code, _, err = said("sample", *names, "--n", 40, "--out", out, *more)
        return dict(np.load(out)) if code == 0 else (code, err)

    return call


def test_each_sample_of_a_mixture_is_one_runs_own(sampled):
    one, other, both = sampled(0), sampled(1), sampled(0, 1)
    # the products of a batch may differ in the last bit with its size: compare what does not
    close = [
        np.isclose(both["images"], alone["images"], atol=1e-5).all(axis=(1, 2, 3))
        for alone in (one, other)
    ]
    assert (close[0] ^ close[1]).all()
    assert 5 < close[0].sum() < 35


def test_weights_say_how_often_a_run_is_drawn(sampled):
    alone = sampled(1)["images"]
    np.testing.assert_allclose(sampled(0, 1, mix="0,1")["images"], alone, atol=1e-5)


def test_labels_go_with_the_samples_of_conditional_runs(sampled):
    found = sampled(2, 3)
    assert found["labels"].tolist() == [k % 10 for k in range(40)]
    assert set(sampled(2, 3, label=7)["labels"]) == {7}
    assert "labels" not in sampled(0, 1)


def test_the_archive_of_a_conditional_run_can_be_trained_on(sampled, tmp_path):
    sampled(2)
    loaded = data.load(tmp_path / "x.npz", value_range=(-1, 1))
    assert loaded.shape == (1, 8, 8)
    assert loaded.labels.tolist() == [k % 10 for k in range(40)]


@pytest.mark.parametrize(
    ("numbers", "flags", "line"),
    [
        ((0, 4), {}, "runs of one shape, with as many classes or none, mix"),
        ((0, 2), {}, "runs of one shape, with as many classes or none, mix"),
        ((0, 1), {"mix": "1"}, "--mix 1: 2 numbers with commas between fit"),
        ((0, 1), {"mix": "a,b"}, "--mix a,b: 2 numbers with commas between fit"),
        ((0, 1), {"mix": "0,0"}, "one of them above 0"),
        ((), {}, "sample: RUN is missing"),
    ],
)
def test_runs_that_do_not_mix_are_one_line(sampled, numbers, flags, line):
    code, err = sampled(*numbers, **flags)
    assert code == 2
    assert len(err) == 1
    assert line in err[0]


def test_images_of_each_class_become_folders_that_can_be_trained_on(runs, tmp_path, capsys):
    out = tmp_path / "export"
    assert main(["export", str(runs / "00002"), "--out", str(out), "--per-class", "3"]) == 0
    assert "classes/ with 3 images each" in capsys.readouterr().out
    with Image.open(out / "classes" / "7" / "00002.png") as picture:
        assert (picture.mode, picture.size) == ("L", (8, 8))
    loaded = data.load(out / "classes")
    assert loaded.shape == (1, 8, 8)
    assert loaded.labels.tolist() == [k for k in range(10) for _ in range(3)]
    assert loaded.classes == tuple("0123456789")


@pytest.mark.parametrize(("number", "per_class"), [(0, 3), (4, 3), (2, -1)])
def test_a_run_without_classes_has_none_to_write(runs, number, per_class, capsys):
    code = main(["export", str(runs / f"0000{number}"), "--per-class", str(per_class)])
    err = capsys.readouterr().err
    assert code == 2
    assert f"--per-class {per_class}: " in err
    assert len(err.splitlines()) == 1
    assert not list(runs.glob(f"0000{number}*/export"))
