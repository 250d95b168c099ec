from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import tarfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centernet.errors import ArchiveError
from centernet.files import archive as archive_module
from centernet.files.archive import extract

FILES = {"zoo/checkpoint/ckpt-0.index": b"index" * 9, "zoo/pipeline.config": b"model {}", "zoo/empty": b""}

GZIP = b"\x1f\x8b"


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_bytes(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the duplicate names that a test wants
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def good_tar() -> bytes:
    return tar_bytes(entry("zoo", type=tarfile.DIRTYPE), *(entry(name, data) for name, data in FILES.items()))


def refuse(tmp_path: Path, content: bytes, match: str, **limits: int) -> None:
    """Check that an archive is refused with this message, and that nothing is left but itself."""
    archive = tmp_path / "in" / "model.tar.gz"
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match=match) as caught:
        extract(archive, tmp_path / "out" / "model", **limits)
    assert str(archive) in str(caught.value)
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_dir()) == [archive]
    assert list((tmp_path / "out").iterdir()) == []


def files_in(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tar", good_tar()),
        ("a.tar.gz", gzip.compress(good_tar())),
        ("no suffix", gzip.compress(good_tar())),
        ("a.zip", zip_bytes({"zoo/": b"", **FILES})),
    ],
)
def test_an_undamaged_archive_is_unpacked_whatever_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    target = tmp_path / "deep" / "model"
    assert extract(tmp_path / name, target) == target
    assert files_in(target) == FILES
    assert [path.name for path in target.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format_with_long_names_and_a_leading_dot(tmp_path, form):
    name = "zoo/" + "folder-with-a-long-name/" * 5 + "ckpt-0.data-00000-of-00001"
    entries = [entry("./", type=tarfile.DIRTYPE), entry(f"./{name}", b"weights" * 1000)]
    (tmp_path / "a.tar").write_bytes(tar_bytes(*entries, form=form))
    extract(tmp_path / "a.tar", tmp_path / "model")
    assert files_in(tmp_path / "model") == {name: b"weights" * 1000}


def test_a_large_file_keeps_every_byte(tmp_path):
    content = os.urandom(3 << 20) + b"tail"
    (tmp_path / "a.tgz").write_bytes(gzip.compress(tar_bytes(entry("a", content), entry("b", b"next")), 1))
    extract(tmp_path / "a.tgz", tmp_path / "model")
    assert files_in(tmp_path / "model") == {"a": content, "b": b"next"}


def test_file_modes_and_owners_of_the_archive_are_ignored(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes(entry("a", b"x", mode=0o6777, uid=12345)))
    extract(tmp_path / "a.tar", tmp_path / "model")
    found = (tmp_path / "model" / "a").stat()
    assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)
    assert found.st_uid == os.geteuid()


def test_a_target_that_is_not_empty_is_unchanged(tmp_path):
    (tmp_path / "a.tar").write_bytes(good_tar())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("kept")
    assert extract(tmp_path / "a.tar", tmp_path / "model") == tmp_path / "model"
    assert files_in(tmp_path / "model") == {"mine": b"kept"}


def test_an_empty_target_is_filled(tmp_path):
    (tmp_path / "a.tar").write_bytes(good_tar())
    (tmp_path / "model").mkdir()
    assert files_in(extract(tmp_path / "a.tar", tmp_path / "model")) == FILES


def test_an_existing_file_at_the_target_is_an_error_and_kept(tmp_path):
    (tmp_path / "a.tar").write_bytes(good_tar())
    (tmp_path / "model").write_text("kept")
    with pytest.raises(ArchiveError, match="model"):
        extract(tmp_path / "a.tar", tmp_path / "model")
    assert (tmp_path / "model").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_second_of_two_processes_uses_the_folder_of_the_first(tmp_path, monkeypatch):
    (tmp_path / "a.tar").write_bytes(good_tar())
    real_replace = os.replace

    def lose(source, target):
        (target / "winner").mkdir(parents=True)
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", lose)
    assert extract(tmp_path / "a.tar", tmp_path / "model") == tmp_path / "model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["winner"]


# Entries that are refused


@pytest.mark.parametrize(
    ("hostile", "match"),
    [
        (entry("../evil", b"x"), "outside"),
        (entry("zoo/../../evil", b"x"), "outside"),
        (entry("zoo/../evil", b"x"), "outside"),
        (entry("..", type=tarfile.DIRTYPE), "outside"),
        (entry("/tmp/centernet-evil", b"x"), "'/tmp/centernet-evil' would be written outside"),
        (entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "'link' is a symbolic link"),
        (entry("link", type=tarfile.SYMTYPE, linkname="zoo"), "'link' is a symbolic link"),
        (entry("hard", type=tarfile.LNKTYPE, linkname="zoo/empty"), "'hard' is a hard link"),
        (entry("fifo", type=tarfile.FIFOTYPE), "'fifo' is a fifo"),
        (entry("disk", type=tarfile.BLKTYPE, devmajor=8), "'disk' is a device"),
        (entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "'null' is a device"),
        (entry("odd", type=b"Z"), "'odd' is a special file"),
        (entry("zoo/pipeline.config", b"again"), "same file as 'zoo/pipeline.config'"),
        (entry("ZOO/Pipeline.Config", b"again"), "same file as 'zoo'"),
        (entry("zoo/empty/below", b"x"), "same file as 'zoo/empty'"),
        (entry("zoo/checkpoint", b"x"), "same file as 'zoo/checkpoint'"),
        (entry("C:evil", b"x"), "character"),
        (entry("..\\evil", b"x"), "character"),
        (entry("new\nline", b"x"), "character"),
        (entry("bad-\udcff", b"x"), "character"),
        (entry("a" * 256, b"x"), "too long a name"),
        (entry("ab/" * 500 + "c", b"x"), "too long a name"),
        (entry(".", b"x"), "has no name"),
    ],
)
def test_a_hostile_entry_is_refused_and_named(tmp_path, hostile, match):
    sound = [entry(name, data) for name, data in FILES.items()]
    refuse(tmp_path, gzip.compress(tar_bytes(*sound, hostile)), match)


def test_a_sparse_file_is_refused(tmp_path):
    fields = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000000000000"}
    refuse(tmp_path, tar_bytes(entry("holes", b"x", pax_headers=fields)), "'holes' is a sparse file")


def test_a_write_through_a_link_does_not_happen(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = entry("door", type=tarfile.SYMTYPE, linkname=str(outside))
    refuse(tmp_path, tar_bytes(link, entry("door/evil", b"x")), "symbolic link")


def symlink_in_zip() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../evil", "'../evil' would be written outside"),
        ("/evil", "'/evil' would be written outside"),
        ("a\\..\\evil", "character"),
        ("ZOO/empty", "same file"),
        (symlink_in_zip(), "'link' is a symbolic link"),
    ],
)
def test_a_hostile_zip_entry_is_refused_and_named(tmp_path, name, match):
    refuse(tmp_path, zip_bytes({**FILES, name: b"x"}), match)


def test_a_zip_with_the_same_name_twice_is_refused(tmp_path):
    first, second = zipfile.ZipInfo("same"), zipfile.ZipInfo("same")
    content = zip_bytes({first: b"1", second: b"2"})
    refuse(tmp_path, content, "same file as 'same'")


def test_an_encrypted_zip_is_refused(tmp_path):
    content = bytearray(zip_bytes({"secret": b"x"}))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    refuse(tmp_path, bytes(content), "'secret' is a password-protected file")


# Limits


@pytest.mark.parametrize("pack", [lambda content: gzip.compress(tar_bytes(entry("zeros", content))), None])
def test_a_bomb_is_refused_by_its_header(tmp_path, pack):
    bomb = bytes(4 << 20)
    content = pack(bomb) if pack else zip_bytes({"zeros": bomb})
    refuse(tmp_path, content, r"'zeros' brings the unpacked size above 1,000,000 bytes", max_bytes=1_000_000)


def test_many_files_add_up(tmp_path):
    entries = [entry(str(n), bytes(1000)) for n in range(11)]
    refuse(tmp_path, tar_bytes(*entries), "'10' brings the unpacked size above 10,000", max_bytes=10_000)
    extract(tmp_path / "in" / "model.tar.gz", tmp_path / "fits", max_bytes=11_000)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path):
    content = bytearray(zip_bytes({"zeros": bytes(1 << 20)}))
    for magic, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(magic) + place
        content[start : start + 4] = (10).to_bytes(4, "little")
    refuse(tmp_path, bytes(content), "CRC|zeros")


def test_bytes_are_counted_while_writing_whatever_the_header_says(tmp_path, monkeypatch):
    stream = io.BytesIO(bytes(5000))
    endless = archive_module.Member("liar", "file", 10, lambda most: stream.read(min(most, 100)))
    monkeypatch.setattr(archive_module, "members", lambda archive, folder: iter([endless]))
    refuse(tmp_path, b"", "'liar' brings the unpacked size above 1,000 bytes", max_bytes=1000)


def test_too_many_entries_are_refused(tmp_path):
    entries = [entry(f"d/{n}", type=tarfile.DIRTYPE) for n in range(4)]
    refuse(tmp_path, tar_bytes(*entries), "'d/3' comes after 3 others", max_members=3)


def test_a_file_larger_than_the_cap_is_refused_before_its_bytes_are_read(tmp_path):
    header, _ = entry("weights")
    header.size = 1 << 40
    refuse(tmp_path, header.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "'weights' brings the unpacked size above")


def negative_size(kind: bytes) -> bytes:
    """Return a header whose size is below zero, which GNU's base 256 can say."""
    header = bytearray(entry("x", type=kind)[0].tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\x00\x00"
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def huge_extension() -> bytes:
    header, _ = entry("x", type=tarfile.XHDTYPE)
    header.size = 4 << 30
    return header.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "header", [huge_extension(), negative_size(tarfile.GNUTYPE_LONGNAME), negative_size(tarfile.REGTYPE)]
)
def test_a_lying_header_does_not_fill_the_memory(tmp_path, header):
    content = gzip.compress(header + bytes(64 << 20), 1)
    tracemalloc.start()
    refuse(tmp_path, content, "can't be unpacked|its header says")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_chain_of_long_names_ends(tmp_path):
    link = entry("x", type=tarfile.GNUTYPE_LONGNAME)[0].tobuf(tarfile.GNU_FORMAT)
    refuse(tmp_path, link * 5000, "can't be unpacked")


# Damage


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html>Sign in</html>" * 40, b"\x1f\x8bnot gzip", b"PK\x03\x04"]
)
def test_a_file_that_is_not_an_archive_is_refused(tmp_path, content):
    refuse(tmp_path, content, r"can't be unpacked.*Expected an undamaged \.tar, \.tar\.gz or \.zip")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_truncated_tar_is_noticed_wherever_it_ends(tmp_path, pack):
    packed = pack(tar_bytes(*(entry(name, data) for name, data in FILES.items())))
    last = packed.rstrip(b"\0")
    for end in range(0, len(last), 97):
        refuse(tmp_path, packed[:end], "can't be unpacked")


def test_a_truncated_member_is_named(tmp_path):
    refuse(tmp_path, tar_bytes(entry("weights", bytes(10_000)))[:5000], "unexpected end of data.*'weights'")


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    content = bytearray(tar_bytes(entry("a", b"1"), entry("b", b"2"), entry("c", b"3")))
    content[1024 + 150] ^= 0xFF  # the checksum of the second header
    refuse(tmp_path, bytes(content), "without the end marker")


def test_a_flipped_bit_in_the_data_is_caught_by_the_checksum(tmp_path):
    tar = bytearray(gzip.compress(tar_bytes(entry("a", bytes(range(256)) * 20)), 0))
    tar[3000] ^= 1
    refuse(tmp_path, bytes(tar), "CRC check failed")


def test_a_number_in_a_header_that_is_too_large_is_damage(tmp_path):
    extended = tarfile.TarInfo("x")
    extended.type, record = tarfile.XHDTYPE, b"99999999999999999999 path=a\n"
    extended.size = len(record)
    padded = record.ljust(tarfile.BLOCKSIZE, b"\0")
    refuse(tmp_path, extended.tobuf(tarfile.USTAR_FORMAT) + padded + good_tar(), "can't be unpacked")


def test_junk_after_the_end_is_refused(tmp_path):
    refuse(tmp_path, gzip.compress(good_tar() + bytes(3 << 20)), "junk follows the end")


def test_a_missing_archive_is_an_archive_error(tmp_path):
    with pytest.raises(ArchiveError, match=r"No such file.*nowhere\.tar"):
        extract(tmp_path / "nowhere.tar", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, monkeypatch):
    real_open = Path.open

    def full(path, mode="r", *args, **kwargs):
        if mode == "xb":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real_open(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    refuse(tmp_path, good_tar(), "The disk is full")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_an_archive_error_or_the_original_files(tmp_path, data):
    sound = data.draw(st.sampled_from([good_tar(), gzip.compress(good_tar()), zip_bytes(dict(FILES))]))
    content = bytearray(sound)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "a").write_bytes(content[: data.draw(st.integers(0, len(content)))] or b"\0")
    target = tmp_path / f"model{len(list(tmp_path.iterdir()))}"
    try:
        extract(tmp_path / "a", target)
    except ArchiveError:
        assert not target.exists()
    else:
        assert sound[:2] != GZIP or files_in(target) == FILES
    for path in tmp_path.iterdir():
        assert path.name == "a" or path.name.startswith("model")
        assert not path.name.endswith(".part")
