"""What tests of the command line share."""

import pytest

from tinygan.cli import main


@pytest.fixture
def said(capsys, tmp_path, monkeypatch):
    """Call the command line: returns (exit code, lines of stdout, lines of stderr)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYGAN_CACHE", raising=False)

    def call(*args):
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call
