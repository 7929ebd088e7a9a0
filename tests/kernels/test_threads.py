"""Threads and forks: eight Python threads give the bits of one, children of a fork can go on."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hostile import images, products  # noqa: F401 - they add bindings to the table
from hostile.calls import BINDINGS
from kernel_checks import native_or_skip, threads

from tinygan import Tensor, enable_grad, grad, kernels, nn, no_grad, ops, optim, random
from tinygan.kernels.native import native

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 8
SETTINGS = {"num_threads", "set_num_threads", "set_memory_handler", "memory_stats", "trim_memory",
            "reset_peak_memory"}  # fmt: skip
COMPUTING = sorted(set(BINDINGS) - SETTINGS)


def every_binding(seed):
    """Call every binding of the compiled module on right operands; return the bytes written."""
    bits = []
    for name in COMPUTING:
        if not hasattr(native, name):
            continue
        call = BINDINGS[name](np.random.default_rng([seed, len(bits)]))
        getattr(native, name)(*call.args)
        bits += [call.args[i].tobytes() for i in call.written()]
    return bits


def training(seed, backend, steps=3):
    """Train a small pair of networks with a gradient penalty; return the bytes of its weights."""
    rng = np.random.default_rng(seed)
    real, z = (rng.standard_normal(s).astype(np.float32) for s in ((16, 3, 16, 16), (16, 8, 1, 1)))
    with kernels.use_backend(backend, "numpy"), random.using(random.Streams(seed)):
        G = nn.Sequential(
            nn.ConvTranspose2d(8, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        D = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1),
            nn.BatchNorm2d(32), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 4, 1, 0),
        )  # fmt: skip
        players = [optim.Adam(net.parameters(), lr=1e-3) for net in (G, D)]
        for _ in range(steps):
            fake, x = G(Tensor(z)), Tensor(real, requires_grad=True)
            on_real = D(x)
            (slope,) = grad(on_real.sum(), [x], create_graph=True)
            loss = ops.logistic_d_loss(on_real, D(fake.detach())) + (slope * slope).mean()
            players[1].step(grad(loss, players[1].params))
            players[0].step(grad(ops.nonsaturating_g_loss(D(fake)), players[0].params))
    return [p.data.tobytes() for net in (G, D) for p in net.parameters()]


def together(work):
    """Run work(0) .. work(7) on a thread each, all started at once; return their results."""
    gate = threading.Barrier(WORKERS)

    def task(seed):
        gate.wait(timeout=60)
        return work(seed)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(task, range(WORKERS)))


@pytest.mark.parametrize("rounds", [3])
def test_eight_threads_on_every_binding_give_the_bits_of_one(rounds, soak):
    native_or_skip()
    with threads(4):
        for _ in range(10 * rounds if soak else rounds):
            alone = [every_binding(seed) for seed in range(WORKERS)]
            assert together(every_binding) == alone


def test_eight_threads_that_train_give_the_bits_of_one(backend):
    if backend == "cpp":
        native.set_num_threads(4)
    alone = [training(seed, backend) for seed in range(WORKERS)]
    assert len({tuple(weights) for weights in alone}) == WORKERS
    assert together(lambda seed: training(seed, backend)) == alone


def test_eight_threads_on_different_backends_give_the_bits_of_one():
    native_or_skip()
    backends = ("cpp", "numpy")
    alone = [training(seed, backends[seed % 2]) for seed in range(WORKERS)]
    assert together(lambda seed: training(seed, backends[seed % 2])) == alone


def test_modes_belong_to_a_thread():
    inside, checked = threading.Event(), threading.Event()
    seen = {}

    def other():
        inside.wait(timeout=60)
        x = Tensor(np.ones(3), requires_grad=True)
        seen["records"] = (x * x).requires_grad
        seen["backends"] = kernels.registry.backend_order()
        seen["seed"] = random.current().seed
        checked.set()

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad(), kernels.use_backend("numpy"), random.using(random.Streams(7)):
        x = Tensor(np.ones(3), requires_grad=True)
        inside.set()
        assert checked.wait(timeout=60)
        assert not (x * x).requires_grad
        with enable_grad():
            assert (x * x).requires_grad
        assert kernels.registry.backend_order() == ("numpy",)
        assert random.current().seed == 7
    thread.join()
    assert seen["records"]
    assert seen["backends"] == kernels.registry.backend_order()
    assert seen["seed"] == 0


def _long_calls():
    """Return a call of each kind that takes milliseconds."""
    x, y = (np.ones((4, 32, 32, 64), np.float32).transpose(0, 3, 1, 2) for _ in range(2))
    w, rows, out, c = np.ones((64, 64, 3, 3), np.float32), *np.ones((2, 20000, 65)), np.ones(65)
    flat = [np.ones(2_000_000) for _ in range(4)]
    return {
        "conv2d": (0, 0, x, w, y, (1, 1, 1, 1, 1, 1, 1)),
        "power_iteration": (np.ones((500, 500)), 100, 1e-12, np.ones(500), np.ones(500)),
        "batch_norm": (rows, c, c, c[None], c[None], 1e-5, 0.2, out),
        "bias_act": (rows, c, None, 5, 0.0, 1.0, None, out),
        "gan_loss": (flat[0], 0, 1.0, np.ones(())),
        "adam": (0.1, 0.5, 0.9, 1e-8, 0.0, False, 1, *flat),
        "state_average": (0.9, *flat),
        "reduce": (rows.reshape(1, -1, 1), 0, np.ones((1, 1))),
    }


@pytest.mark.parametrize("name", list(_long_calls()))
def test_other_threads_go_on_during_a_long_call(name):
    native_or_skip()
    count, stop = [0], threading.Event()

    def counting():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0)  # hands the GIL back

    arguments, call = _long_calls()[name], getattr(native, name)
    interval, went_on = sys.getswitchinterval(), False
    counter = threading.Thread(target=counting)
    sys.setswitchinterval(1000)  # nobody takes the GIL from a thread that does not give it
    try:
        counter.start()
        for _ in range(1000):  # how soon the other thread runs is up to the system
            before, _, after = count[0], call(*arguments), count[0]
            went_on = went_on or after > before
            if went_on:
                break
    finally:
        sys.setswitchinterval(interval)
        stop.set()
    counter.join()
    assert went_on


FORKS = """
import os, signal, sys
import numpy as np
from tinygan import kernels
from tinygan.kernels.conv2d import ConvSpec
signal.alarm(600)
rng = np.random.default_rng(0)
x, w = rng.standard_normal((8, 16, 16, 16)), rng.standard_normal((16, 16, 3, 3))
backends = sys.argv[2:]
def run(backend):
    with kernels.use_backend(backend):
        return kernels.call("conv2d", x, w, spec=ConvSpec())
expected = {backend: run(backend) for backend in backends}
for number in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # a child that hangs is killed, and seen
        same = all(run(b).tobytes() == expected[b].tobytes() for b in backends)
        grandchild = os.fork() if number % 5 == 0 else None
        if grandchild == 0:
            signal.alarm(60)
            os._exit(0 if run(backends[0]).tobytes() == expected[backends[0]].tobytes() else 4)
        if grandchild is not None:
            same = same and os.waitpid(grandchild, 0)[1] == 0
        os._exit(0 if same else 3)
    busy = run(backends[0])  # while the child runs
    status = os.waitpid(pid, 0)[1]
    assert status == 0, (number, status)
    assert busy.tobytes() == expected[backends[0]].tobytes()
print("done")
"""


def forks(count, *backends):
    """Fork so often after a parallel region; children run the same kernels on 4 threads."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TINYGAN_NUM_THREADS": "4",
           "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, str(count)]
    done = subprocess.run(
        [*command, *backends], capture_output=True, text=True, env=env, timeout=660
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-3000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_children_go_on_after_a_parallel_region(soak, count):
    native_or_skip()
    times = 200 if soak else 20
    forks(times, "cpp")
    count("forks after a parallel region", times)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_children_go_on_with_cpp_and_numba(soak, count):
    native_or_skip()
    pytest.importorskip("numba")
    times = 200 if soak else 20
    forks(times, "cpp", "numba")
    count("forks after a parallel region", times)
