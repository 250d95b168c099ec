from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from centernet.errors import DownloadError
from centernet.files.environment import cache_dir, ensure_writable, is_offline, storage_errors


def test_the_variable_names_the_cache_folder(monkeypatch):
    monkeypatch.setenv("CENTERNET_HOME", "~/weights")
    assert cache_dir() == Path.home() / "weights"


def test_a_relative_cache_folder_becomes_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CENTERNET_HOME", "weights")
    assert cache_dir() == tmp_path / "weights"


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="XDG folders are Linux's")
@pytest.mark.parametrize("home", [None, ""])
def test_without_the_variable_the_cache_is_the_users(monkeypatch, tmp_path, home):
    if home is None:
        monkeypatch.delenv("CENTERNET_HOME")
    else:
        monkeypatch.setenv("CENTERNET_HOME", home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "centernet"


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_environment_forbids_the_network(monkeypatch, value, expected):
    monkeypatch.setenv("CENTERNET_OFFLINE", value)
    assert is_offline() is expected


def test_a_missing_folder_is_created_and_left_empty(tmp_path):
    ensure_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DownloadError, match=r"taken/cache can't be written to: Not a dir.*CENTERNET_HOME"):
        ensure_writable(tmp_path / "taken" / "cache")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DownloadError, match="Permission denied"):
        ensure_writable(tmp_path)


def test_a_refused_file_is_named_even_where_permission_bits_allow_it(tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(DownloadError, match="Read-only file system"):
        ensure_writable(tmp_path)


def test_a_full_disk_is_reported_with_what_to_do(tmp_path):
    with (
        pytest.raises(DownloadError, match=r"ckpt can't be stored.*free some space"),
        storage_errors(tmp_path / "ckpt"),
    ):
        raise OSError(28, "No space left on device")


def test_our_own_errors_pass_unchanged(tmp_path):
    ours = DownloadError("as it is")
    with pytest.raises(DownloadError) as caught, storage_errors(tmp_path):
        raise ours
    assert caught.value is ours
