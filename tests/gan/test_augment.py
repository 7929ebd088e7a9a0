"""Augmentation against slow definitions, and what it does to D's input and to its gradients."""

import numpy as np
import pytest

from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import OptionError, ShapeError, StateError
from tinygan.gan import ADA, DiffAugment, parse_augment, r1
from tinygan.gan.augment import POLICIES, AugmentedInput, along_axis, cut, resample, stretch
from tinygan.testing import check_grads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3, 6, 8))


def ones(n, *shape):
    return np.ones((n, *shape))


# --- geometry ---


def shifted(image, down, right):
    """Move a channel by whole pixels, pixel by pixel; 0 comes in."""
    h, w = image.shape
    out = np.zeros_like(image)
    for i in range(h):
        for j in range(w):
            if 0 <= i - down < h and 0 <= j - right < w:
                out[i, j] = image[i - down, j - right]
    return out


def test_a_translation_moves_whole_pixels_and_lets_zeros_in():
    down, right = np.array([0.0, 2, -1, 6, 3]), np.array([0.0, -3, 1, 0, 7])
    rows = along_axis(6, ones(5), down, reflect=False)
    columns = along_axis(8, ones(5), right, reflect=False)
    y = resample(Tensor(X), rows, columns).data
    for n in range(5):
        for c in range(3):
            expected = shifted(X[n, c], int(down[n]), int(right[n]))
            np.testing.assert_array_equal(y[n, c], expected)


def test_what_comes_in_can_be_the_image_reflected_in_its_outer_pixels():
    rows = along_axis(6, ones(5), np.full(5, 2.0), reflect=True)
    y = resample(Tensor(X), rows, along_axis(8, ones(5), np.full(5, -2.0), reflect=True)).data
    np.testing.assert_array_equal(
        y, np.pad(X, ((0, 0), (0, 0), (2, 0), (0, 2)), mode="reflect")[:, :, :6, 2:]
    )


def test_a_factor_of_minus_one_flips():
    still, flip = (
        along_axis(s, f * ones(5), 0 * ones(5), reflect=True) for s, f in ((6, 1), (8, -1))
    )
    np.testing.assert_array_equal(resample(Tensor(X), still, flip).data, X[..., ::-1])


def test_scaling_interpolates_linearly_about_the_middle():
    ramp = np.arange(7.0)
    for factor in (0.5, 0.8, 1.0, 1.7):
        (matrix,) = along_axis(7, np.array([factor]), np.zeros(1), reflect=False)
        at = (np.arange(7) - 3) / factor + 3
        inside = (at >= 0) & (at <= 6)
        np.testing.assert_allclose((matrix @ ramp)[inside], at[inside])


def test_cutout_clears_its_rectangle_alone():
    top, left = np.array([-1, 0, 2, 5, 9]), np.array([0, -2, 3, 7, 0])
    y = cut(Tensor(X), top, left, height=3, width=4).data
    for n in range(5):
        expected = X[n].copy()
        expected[:, max(0, top[n]) : max(0, top[n] + 3), max(0, left[n]) : left[n] + 4] = 0
        np.testing.assert_array_equal(y[n], expected)


def test_saturation_spreads_channels_about_their_mean_and_contrast_all_pixels():
    factor = RNG.uniform(0, 2, size=5)
    for axes in ((1,), (1, 2, 3)):
        mean = X.mean(axes, keepdims=True)
        expected = mean + (X - mean) * factor[:, None, None, None]
        np.testing.assert_allclose(stretch(Tensor(X), factor, axes=axes).data, expected)


# --- both kinds ---

KINDS = {name: DiffAugment((name,)) for name in POLICIES} | {"all": DiffAugment()}


def ada(p, **settings):
    found = ADA(**settings)
    found.p = p
    return found


KINDS |= {"ada": ada(0.7, flip=True)}


@pytest.mark.parametrize("name", KINDS)
def test_every_augmentation_has_right_derivatives_to_order_two(name):
    def augmented(x):
        with random.using(random.Streams(3)):  # the same numbers at each call
            return KINDS[name](x)

    check_grads(augmented, [RNG.normal(size=(3, 2, 4, 4))], order=2)


def test_r1_goes_through_an_augmentation_to_the_image_itself():
    weight = RNG.normal(size=(2, 4, 4))

    class Linear(nn.Module):
        def forward(self, x):
            return ops.sum(x * weight, (1, 2, 3))

    D, images = Linear(), Tensor(RNG.normal(size=(4, 2, 4, 4)))
    D._inputs += (AugmentedInput(DiffAugment(("translation", "cutout"))),)
    with random.using(random.Streams(5)):
        penalty = r1(D, images, gamma_r1=2.0)
    slopes = []
    for n in range(4):  # a column of T at a time, as T is linear
        for place in np.ndindex(2, 4, 4):
            unit = np.zeros((4, 2, 4, 4))
            unit[(n, *place)] = 1
            with random.using(random.Streams(5)):
                slopes.append(D(Tensor(unit)).data[n])
    assert float(penalty) == pytest.approx(np.square(slopes).sum() / 4)
    assert float(penalty) < np.square(weight).sum()  # something was cut off or moved out


def test_images_are_augmented_apart_and_anew_at_each_call():
    x = Tensor(np.tile(RNG.normal(size=(1, 1, 8, 8)), (16, 1, 1, 1)))
    with random.using(random.Streams(0)):
        for augment in (DiffAugment(), ada(1.0)):
            first, second = augment(x).data, augment(x).data
            assert len(np.unique(first.round(9), axis=0)) == 16
            assert not np.array_equal(first, second)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays(dtype):
    x = Tensor(X.astype(dtype))
    assert DiffAugment()(x).dtype == dtype
    assert ada(0.5, flip=True)(x).dtype == dtype


def test_saturation_leaves_grey_images_alone():
    x = Tensor(np.full((400, 1, 2, 2), 0.25))
    with random.using(random.Streams(1)):
        y = DiffAugment(("color",))(x).data
    assert (np.ptp(y, axis=(1, 2, 3)) < 1e-12).all()  # of a flat image brightness alone is left
    added = y[:, 0, 0, 0] - 0.25
    assert -0.5 <= added.min() < -0.45
    assert 0.45 < added.max() <= 0.5


def test_translation_reaches_an_eighth_of_the_side_and_all_steps_alike():
    x = np.zeros((4000, 1, 16, 16))
    x[:, 0, 8, 8] = 1
    with random.using(random.Streams(2)):
        y = DiffAugment(("translation",))(Tensor(x)).data
    places = np.stack(np.nonzero(y)[2:]) - 8
    assert places.shape == (2, 4000)
    for axis in places:
        values, counts = np.unique(axis, return_counts=True)
        np.testing.assert_array_equal(values, [-2, -1, 0, 1, 2])
        assert abs(counts - 800).max() < 5 * np.sqrt(640)  # five standard deviations


def test_cutout_takes_a_square_of_half_the_side():
    x = Tensor(np.ones((500, 1, 8, 8)))
    with random.using(random.Streams(2)):
        gone = (DiffAugment(("cutout",))(x).data == 0).sum((1, 2, 3))
    assert gone.max() == 16
    assert gone.min() == 4  # with its middle in a corner


# --- in training mode alone ---


def test_d_judges_images_as_they_are_in_evaluation_mode():
    D = nn.Flatten()
    D._inputs += (AugmentedInput(DiffAugment()),)
    assert not np.array_equal(D(Tensor(X)).data, X.reshape(5, -1))
    np.testing.assert_array_equal(D.eval()(Tensor(X)).data, X.reshape(5, -1))


# --- ADA ---


def test_ada_starts_with_images_as_they_are():
    x = Tensor(X)
    assert ADA()(x) is x


def test_each_transform_of_ada_happens_with_probability_p():
    x = np.zeros((4000, 1, 16, 16))
    x[:] = RNG.normal(size=(1, 1, 16, 16))
    p = 0.3
    with random.using(random.Streams(4)):
        y = ada(p)(Tensor(x)).data
    same = (abs(y - x).max((1, 2, 3)) < 1e-12).mean()
    # translation does nothing in 1 of 25 cases; the rest is left alone with 1 - p each
    expected = (1 - p) ** 3 * (1 - p + p / 25)
    assert same == pytest.approx(expected, abs=5 * np.sqrt(expected / 4000))


def test_p_follows_the_sign_of_what_d_overfits():
    follower = ADA(target=0.5, kimg=0.1)
    for r_t, images, expected in ((0.9, 10, 0.1), (0.6, 30, 0.4), (0.4, 20, 0.2), (-1.0, 90, 0.0)):
        follower.images = images
        follower.adjust(r_t)
        assert follower.p == pytest.approx(expected)
        assert follower.images == 0
    follower.images = 1000
    follower.adjust(1.0)
    assert follower.p == 1.0


def test_ada_gives_its_state_back():
    first, second = ada(0.25), ADA()
    first.images = 12
    second.load_state_dict(first.state_dict())
    assert (second.p, second.images) == (0.25, 12)
    with pytest.raises(StateError, match="p and images, got q"):
        second.load_state_dict({"q": 1})


# --- words ---


def test_words_for_augmentation():
    assert parse_augment("") is None
    assert parse_augment("diff") == DiffAugment(("color", "translation", "cutout"))
    assert parse_augment("diff:cutout,color") == DiffAugment(("color", "cutout"))
    found = parse_augment("ada")
    assert (found.target, found.kimg, found.flip) == (0.6, 500.0, False)
    found = parse_augment("ada:0.5/40,flip")
    assert (found.target, found.kimg, found.flip) == (0.5, 40.0, True)
    found = parse_augment("ada:flip")
    assert (found.target, found.kimg, found.flip) == (0.6, 500.0, True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dif", "--augment dif: diff:color,translation,cutout or ada:0.6/500 fits"),
        ("diff:colour", "no 'colour': use color, translation, cutout"),
        ("ada:x", "ada:TARGET/KIMG,flip fits"),
        ("ada:0.6,0.7", "ada:TARGET/KIMG,flip fits"),
        ("ada:0.6/x", "ada:TARGET/KIMG,flip fits"),
        ("ada:1", "target 1.0, kimg 500.0: -1 to 1, and above 0, fit"),
        ("ada:0.6/0", "kimg 0.0"),
        ("ada:nan", "target nan"),
    ],
)
def test_wrong_words_are_named(text, line):
    with pytest.raises(OptionError, match=line):
        parse_augment(text)


def test_points_are_refused():
    for augment in (DiffAugment(), ADA()):
        with pytest.raises(ShapeError, match=r"takes images \(N, C, H, W\), got \(4, 2\)"):
            augment(Tensor(np.zeros((4, 2))))


def test_g_gets_its_gradient_through_the_augmentation():
    x = Tensor(X, requires_grad=True)
    with random.using(random.Streams(0)):
        slope = grad(ops.sum(DiffAugment(("cutout",))(x)), x).data
    assert set(np.unique(slope)) == {0.0, 1.0}
