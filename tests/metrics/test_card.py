"""The protocol card: what is printed and kept beside a number."""

import json

from tinygan.metrics.card import Card
from tinygan.metrics.weights import published


def test_a_row_leaves_out_what_is_not_known():
    card = Card(net="inception", n_real=10, step=3, more={"scales": 2})
    row = card.row()
    assert row == {"net": "inception", "n_real": 10, "step": 3, "seed": 0, "scales": 2}
    assert json.loads(json.dumps(row)) == row


def test_the_line_names_all_that_decides_the_number():
    card = Card(
        net="inception", sha256="ab" * 32, resize="bilinear", protocol="pytorch-fid", n_real=50_000,
        n_fake=None, split="test", weights="averaged (EMA)", step=7, which="best by fid", seed=5,
    )  # fmt: skip
    text = card.text()
    for part in ("inception", "abababababab", "bilinear", "pytorch-fid", "n_real 50000"):
        assert part in text
    for part in ("n_fake unknown", "split test", "averaged (EMA)", "step 7", "best by fid"):
        assert part in text
    assert "seed 5" in text


def test_few_samples_are_warned_of_at_2048():
    assert Card(net="x", n_real=5000, n_fake=2048).warnings() == []
    (line,) = Card(net="x", n_real=5000, n_fake=2047).warnings()
    assert "2047" in line
    assert "biased upwards" in line
    assert Card(n_real=3, n_fake=3).warnings() == []  # no features, no Frechet distance


def test_weights_that_are_not_the_published_ones_are_warned_of():
    known = {"net": "inception", "n_real": 5000, "n_fake": 5000}
    (line,) = Card(sha256="0" * 64, **known).warnings()
    assert "not the published weights" in line
    assert Card(sha256=published("inception").sha256, **known).warnings() == []
