"""Finding and fetching weights: the cache, its checks, and a server on this machine."""

import errno
import hashlib
import io
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from tinygan.errors import CheckpointError, OptionError, SaveError
from tinygan.kernels.variables import cache_root
from tinygan.metrics import weights
from tinygan.metrics.weights import (
    PUBLISHED,
    Published,
    download,
    find_weights,
    load_weights,
    sha256_of,
)

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give an empty cache of its own."""
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server():
    """Serve ``answer`` (status, headers, body) on this machine; yield the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, length, body = self.server.answer
            self.server.paths.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Quiet(socketserver.ThreadingMixIn, HTTPServer):
        def handle_error(self, *_):  # a client that hangs up on too long a file
            pass

    with Quiet(("127.0.0.1", 0), Handler) as found:
        found.answer, found.paths = (200, len(CONTENT), CONTENT), []
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def net(server, monkeypatch):
    """Publish ``CONTENT`` as the weights "net" on the server; give the entry."""
    url = f"http://127.0.0.1:{server.server_port}/models/net-{SHA256[:8]}.pth"
    entry = Published(url, SHA256, len(CONTENT), "CC0-1.0")
    monkeypatch.setitem(PUBLISHED, "net", entry)
    return entry


def left_in(cache):
    return sorted(path.name for path in cache.glob("*"))


def test_the_cache_is_tinygans_own_or_the_users(monkeypatch):
    monkeypatch.setenv("TINYGAN_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_root() == Path("/a")
    monkeypatch.delenv("TINYGAN_CACHE")
    assert cache_root() == Path("/b/tinygan")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "tinygan"


def test_a_path_is_taken_as_it_is(tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"anything")
    assert find_weights("inception", tmp_path / "mine.pth") == tmp_path / "mine.pth"
    with pytest.raises(CheckpointError, match="there is no such file of weights"):
        find_weights("inception", tmp_path / "other.pth")


def test_published_names_carry_the_head_of_their_hash():
    for entry in PUBLISHED.values():
        head = entry.filename.rpartition("-")[2].removesuffix(".pth")
        assert entry.sha256.startswith(head)
        assert entry.url.startswith("https://")
        assert len(entry.sha256) in (8, 64)
        assert entry.licence


def test_weights_that_are_not_in_the_cache_are_never_fetched_unasked(net, server, cache):
    with pytest.raises(CheckpointError, match=r"net: no weights at .*net-.*: download them"):
        find_weights("net")
    assert server.paths == []
    assert not cache.exists()


def test_a_download_is_checked_named_and_found(net, server, cache):
    path = download("net")
    assert path == cache / net.filename == find_weights("net")
    assert path.read_bytes() == CONTENT
    assert sha256_of(path) == SHA256
    assert left_in(cache) == [net.filename]
    assert server.paths == [f"/models/{net.filename}"]


def test_what_is_there_is_not_fetched_again(net, server):
    download("net")
    download("net")
    assert len(server.paths) == 1


def test_a_damaged_file_in_the_cache_is_named_and_replaced_by_a_download(net, cache):
    path = download("net")
    path.write_bytes(b"\0" + CONTENT[1:])
    with pytest.raises(CheckpointError, match=r"SHA-256 \w{16}\.\.\., where .* was published"):
        find_weights("net")
    path.write_bytes(CONTENT[:100])
    with pytest.raises(CheckpointError, match="100 bytes, where 3000000 were published"):
        find_weights("net")
    assert download("net").read_bytes() == CONTENT


def test_a_mirror_may_be_named_and_is_checked_alike(net, server):
    mirror = net.url.replace("models", "mirror")
    assert download("net", url=mirror).read_bytes() == CONTENT
    assert server.paths == [f"/mirror/{net.filename}"]


WRONG = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, 0, b""), "the server answers 404 Not Found"),
        ((200, len(WRONG), WRONG), r"sent another file: SHA-256 \w{16}"),
        ((200, 5, b"<html"), "sent another file: 5 bytes, where 3000000 were published"),
        ((200, len(CONTENT) + 9, CONTENT + b"more than"), "sends more than the 3000000 bytes"),
        ((200, len(CONTENT), CONTENT[:1000]), r"broke off|sent another file: 1000 bytes"),
    ],
    ids=["404", "wrong hash", "a page", "too long", "cut short"],
)
def test_a_wrong_answer_is_one_line_and_leaves_nothing(net, server, cache, answer, message):
    server.answer = answer
    with pytest.raises(CheckpointError, match=message) as caught:
        download("net")
    assert str(caught.value).startswith(net.url)
    assert "\n" not in str(caught.value)
    assert left_in(cache) == []


def test_no_network_is_one_line(cache):
    with socketserver.TCPServer(("127.0.0.1", 0), None) as taken:
        port = taken.server_address[1]
    with pytest.raises(CheckpointError, match=r"can't be reached \(.*refused"):
        download("inception", url=f"http://127.0.0.1:{port}/file.pth")
    assert left_in(cache) == []


def test_a_full_disk_is_a_save_error_and_leaves_nothing(net, cache, monkeypatch):
    class Full(io.FileIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "open", lambda path, mode: Full(path, mode), raising=False)
    with pytest.raises(SaveError, match=r"part: No space left on device"):
        download("net")
    assert left_in(cache) == []


def test_a_cache_that_can_not_be_made_is_a_save_error(net, cache):
    cache.write_bytes(b"a file where the folder belongs")
    with pytest.raises(SaveError, match=r"exists|directory"):
        download("net")


def test_other_names_and_other_kinds_of_address_are_refused(net):
    with pytest.raises(OptionError, match="no published weights 'inception_v3': inception, "):
        find_weights("inception_v3")
    with pytest.raises(OptionError, match="an http or https address fits"):
        download("net", url="file:///etc/passwd")


def test_states_are_read_from_safetensors_and_a_damaged_one_is_one_line(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.arange(3.0)}, tmp_path / "a.safetensors")
    assert load_weights(tmp_path / "a.safetensors")["w"].tolist() == [0.0, 1.0, 2.0]
    (tmp_path / "b.safetensors").write_bytes(b"not that")
    for path in (tmp_path / "b.safetensors", tmp_path / "none.safetensors", tmp_path / "c.pth"):
        with pytest.raises(CheckpointError) as caught:
            load_weights(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="No such file"):
        sha256_of(tmp_path / "none")
