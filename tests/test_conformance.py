"""Every kernel on calls recorded from random cases: the rules of tinygan/testing/conform/rules.py.

This is the fast profile; ``make soak`` runs 1,000 distinct calls of each kernel, and as many more
on small integers of each that is declared exact.
"""

import numpy as np
import pytest

from tinygan import kernels
from tinygan.errors import OptionError
from tinygan.kernels.registry import HOST_BACKENDS
from tinygan.testing.bounds import BOUNDS
from tinygan.testing.conform.calls import sources_of
from tinygan.testing.conform.generators import GENERATORS
from tinygan.testing.conform.suite import conformance, repro, why_absent

FAST, SOAK = 25, 1000  # distinct calls of each kernel that count

# Ops with few distinct calls: what differs between two of them is shape, dtype and options alone.
FEWER = {}


@pytest.mark.parametrize("op", kernels.op_names())
def test_every_kernel_conforms(op, soak, count):
    wanted = SOAK if soak else FAST
    for row in conformance(op, cases=wanted):
        if row.failures:
            worst = row.failures[0]
            line = f'tinygan check --repro "{worst.reproducer}"'
            pytest.fail(f"{len(row.failures)} failures; the first: {worst}\n  {line}")
        exact = any(k.key == row.kernel and k.exact for k in kernels.kernels(op))
        counted = min(row.integers, row.floats) if exact else row.calls
        assert counted >= FEWER.get(op, wanted), f"{row} ran too few calls that count"
        count("kernels held to the reference", 1)
        count("calls of kernels within their bound", row.floats)
        count("calls of kernels exact on integers", row.integers)


@pytest.mark.parametrize("op", kernels.op_names())
def test_every_kernel_op_is_reached_and_bounded(op):
    assert sources_of(op)  # raises and says what to write
    assert op in BOUNDS, f"write a bound for kernel op {op!r} in tinygan/testing/bounds"


def test_no_generator_or_bound_is_left_over():
    generated = {generator.op for generator in GENERATORS.values()}
    variants = {f"{k.op}/{k.variant}" for k in kernels.kernels()}
    assert generated | set(BOUNDS) <= set(kernels.op_names()) | variants


def test_every_present_kernel_gets_a_row():
    rows = [row.kernel for row in conformance("conv2d", cases=1)]
    present = [b for b in HOST_BACKENDS if why_absent(b) is None]
    assert rows == [k.key for k in kernels.kernels("conv2d") if k.backend in present]


def test_a_reproducer_runs_the_same_call_again():
    found = repro("conv2d/numpy/reference", "conv2d", "integers", 0, CHOICES)
    assert found.refusal is None
    assert found.integers
    with pytest.raises(OptionError, match="no call of conv2d_dgrad"):
        repro("conv2d_dgrad/numpy/reference", "conv2d", "integers", 0, CHOICES)
    with pytest.raises(OptionError, match="no kernel 'conv2d/numpy/fast'"):
        repro("conv2d/numpy/fast", "conv2d", "integers", 0, CHOICES)


CHOICES = [1654615998, 6, 1, 2, 3, 7, 4, 2, 2, 2, 4, 4, 3, 3, 2, 3, 1, 4, 2, 3, 2, 2, 0]


def test_asking_for_what_is_not_there_is_an_error():
    with pytest.raises(OptionError, match="no kernel of op 'conv9d'"):
        list(conformance("conv9d"))
    with pytest.raises(OptionError, match="backend 'tpu'"):
        list(conformance("conv2d", "tpu"))


def test_rows_are_the_same_for_the_same_seed_and_others_for_another():
    def run(seed):
        (row,) = conformance("gan_loss", "numpy", cases=8, seed=seed)
        return row.calls, row.ulps, row.ratio

    assert run(0) == run(0) != run(1)
    assert np.isfinite(run(0)).all()
