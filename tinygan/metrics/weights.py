"""Published weights of feature nets: where they lie, if they are the right ones, fetching them.

A file given by path is taken as it is, and its SHA-256 goes onto the protocol card. Without a path
a file is looked for in the user's cache, under its published name,

    $TINYGAN_CACHE, else $XDG_CACHE_HOME/tinygan, else ~/.cache/tinygan

and must have the published SHA-256. Nothing is ever fetched unless ``download`` is called.

torchvision names files by the first eight hex digits of their SHA-256. ``inception_torchvision`` is
checked by those and its size alone: its whole SHA-256 was not to be had when this was written.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import urlopen

from ..errors import CheckpointError, OptionError, SaveError
from ..kernels.arrays import Array
from ..kernels.variables import cache_root
from ..nn import load_pth

_BLOCK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True)
class Published:
    """A file of weights that others have published.

    Attributes:
        url: where it is to be had; its last part is the file's name.
        sha256: hex digits, all 64 or the first ones.
        size: bytes.
        licence: as its publisher states it.
    """

    url: str
    sha256: str
    size: int
    licence: str

    @property
    def filename(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


_TORCHVISION = "https://download.pytorch.org/models"
_PYTORCH_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights"

PUBLISHED = {
    "inception": Published(
        f"{_PYTORCH_FID}/pt_inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        95_628_359,
        "Apache-2.0",
    ),
    "inception_torchvision": Published(
        f"{_TORCHVISION}/inception_v3_google-0cc3c7bd.pth", "0cc3c7bd", 108_949_747, "BSD-3-Clause"
    ),
    "alexnet": Published(
        f"{_TORCHVISION}/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
        "BSD-3-Clause",
    ),
    "squeezenet": Published(
        f"{_TORCHVISION}/squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        4_958_839,
        "BSD-3-Clause",
    ),
    "vgg16": Published(
        f"{_TORCHVISION}/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        "BSD-3-Clause",
    ),
    "vgg19": Published(
        f"{_TORCHVISION}/vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361,
        "BSD-3-Clause",
    ),
}


def published(name: str) -> Published:
    """Return what is known of published weights.

    Raises:
        OptionError: nothing is known by that name.
    """
    if name not in PUBLISHED:
        raise OptionError(f"no published weights {name!r}: {', '.join(PUBLISHED)} fit")
    return PUBLISHED[name]


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Compute the SHA-256 of a file, 64 hex digits.

    Raises:
        CheckpointError: it can't be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error.strerror or error}") from None
    return digest.hexdigest()


def is_cached(name: str) -> bool:
    """Tell whether the user's cache has a file by the name of published weights, whole or not."""
    return (cache_root() / published(name).filename).is_file()


def find_weights(name: str, path: str | os.PathLike[str] | None = None) -> Path:
    """Return where a net's weights lie: at ``path`` if given, else in the user's cache.

    Args:
        name: of the weights, in ``PUBLISHED``.
        path: a file of the caller's; any state dict of the net, whatever its SHA-256.

    Raises:
        OptionError: nothing is known by that name.
        CheckpointError: there is no such file, or the one in the cache is not the published one.
    """
    known = published(name)
    if path is not None:
        if not os.path.isfile(path):
            raise CheckpointError(f"{os.fspath(path)}: there is no such file of weights")
        return Path(path)
    cached = cache_root() / known.filename
    if not os.path.isfile(cached):
        raise CheckpointError(
            f"{name}: no weights at {cached}: download them, or name a copy of {known.url}"
        )
    if why := _other_than(known, cached.stat().st_size, sha256_of(cached)):
        raise CheckpointError(f"{cached}: {why}: remove it and fetch it again")
    return cached


def _other_than(known: Published, size: int, sha256: str) -> str | None:
    """Say in what a file differs from the published one, or return None."""
    if size != known.size:
        return f"{size} bytes, where {known.size} were published"
    if not sha256.startswith(known.sha256):
        return f"SHA-256 {sha256[:16]}..., where {known.sha256[:16]}... was published"
    return None


def load_weights(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read a state dict from a ``.safetensors`` file, or from any of PyTorch's.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    if not os.fspath(path).endswith(".safetensors"):
        return load_pth(path)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: dict[str, Array] = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{os.fspath(path)}: no safetensors file: {reason}") from None
    return tensors


# --- fetching ---


def download(name: str, *, url: str | None = None) -> Path:
    """Fetch published weights into the user's cache, unless the right file is there already.

    The file is checked by size and SHA-256 before it gets its name; what an interrupted download
    leaves is removed, not resumed. For a private mirror give its ``url``; the checks stay.

    Args:
        name: of the weights, in ``PUBLISHED``.
        url: another address of the same file, http or https.

    Returns:
        Where it lies.

    Raises:
        OptionError: nothing is known by that name, or the address is of another kind.
        CheckpointError: the server can't be reached, answers with an error, or sends another file.
        SaveError: the file can't be written.
    """
    known = published(name)
    url = known.url if url is None else url
    if not url.startswith(("http://", "https://")):
        raise OptionError(f"{url}: an http or https address fits")
    target = cache_root() / known.filename
    with suppress(CheckpointError):
        return find_weights(name)
    part = target.with_name(f"{known.filename}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb") as file:
                _fetch(url, known, file)
                os.fsync(file.fileno())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(f"{part}: {error.strerror or error}") from None
    return target


def _fetch(url: str, known: Published, file: BinaryIO) -> None:
    """Write what the address sends, and raise unless it is the published file."""
    digest, size = hashlib.sha256(), 0
    with _opened(url) as answer:
        while block := _read(url, answer):
            size += len(block)
            if size > known.size:
                raise CheckpointError(f"{url}: sends more than the {known.size} bytes published")
            digest.update(block)
            file.write(block)
    file.flush()
    if why := _other_than(known, size, digest.hexdigest()):
        raise CheckpointError(f"{url}: sent another file: {why}")


def _opened(url: str) -> Any:
    """Return the answer of a server, open for reading."""
    try:
        return urlopen(url, timeout=_TIMEOUT)
    except HTTPError as error:
        with error:
            raise CheckpointError(
                f"{url}: the server answers {error.code} {error.reason}"
            ) from None
    except (OSError, HTTPException) as error:  # a URLError is an OSError
        reason = getattr(error, "reason", error) or type(error).__name__
        raise CheckpointError(f"{url}: can't be reached ({reason})") from None


def _read(url: str, answer: Any) -> bytes:
    """Read a block; the network's errors must not pass for the disk's."""
    try:
        block: bytes = answer.read(_BLOCK)
    except (OSError, HTTPException) as error:
        raise CheckpointError(f"{url}: broke off ({error or type(error).__name__})") from None
    return block
