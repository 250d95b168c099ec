import io
import struct
import zipfile

import numpy as np
import pytest
import pytorch_writer as writer
from pytorch_files import CONTAINERS, WEIGHTS, stored
from pytorch_writer import Stored, Tensor, legacy, plain, tensor, zipped

from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint, is_pytorch_file
from centernet.errors import CheckpointError

pytest_plugins = ["pytorch_fixtures"]


@CONTAINERS
def test_a_file_is_known_by_its_content(tmp_path, container):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(container({"a": tensor(WEIGHTS)}))
    assert is_pytorch_file(path)
    path.write_bytes(path.read_bytes()[:-30])
    assert is_pytorch_file(path)


def test_other_files_are_none(tmp_path):
    def archive(name):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("config.json", "{}")

    archive("model.keras")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "short.pth").write_bytes(b"PK\x03\x04")
    (tmp_path / "plain.pkl").write_bytes(plain({"a": 1}))
    for name in ("model.keras", "empty.pth", "short.pth", "plain.pkl", "missing.pth", "."):
        assert not is_pytorch_file(tmp_path / name)
        with pytest.raises(CheckpointError):
            PyTorchCheckpoint(tmp_path / name)


def test_a_zip_archive_that_was_packed_again_in_another_order_is_known(opened, tmp_path):
    source = zipfile.ZipFile(io.BytesIO(zipped({"a": tensor(WEIGHTS)})))
    with zipfile.ZipFile(tmp_path / "again.pth", "w") as file:
        for name in reversed(source.namelist()):
            file.writestr(name, source.read(name))
    assert is_pytorch_file(tmp_path / "again.pth")
    np.testing.assert_array_equal(PyTorchCheckpoint(tmp_path / "again.pth").read("a"), WEIGHTS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 1000}, "version is not 1001"),
        ({"version": [1001]}, "version is not 1001"),
        ({"system": {**writer.SYSTEM, "little_endian": False}}, "little-endian"),
        ({"system": {}}, "little-endian"),
        ({"system": 3}, "little-endian"),
        ({"keys": []}, "list of storages"),
        ({"keys": ["0", "1"]}, "list of storages"),
        ({"keys": ["1"]}, "list of storages"),
        ({"sizes": {"0": 23}}, "size of storage"),
        ({"sizes": {"0": -1}}, "size of storage"),
    ],
)
def test_a_legacy_stream_whose_parts_disagree_is_refused(refused, changes, reason):
    refused(legacy({"a": tensor(WEIGHTS)}, **changes), reason)


@pytest.mark.parametrize("key", [0, [1], None])
def test_a_legacy_stream_lists_storages_by_text(refused, key):
    data = legacy({"a": tensor(WEIGHTS)})
    refused(data.replace(plain(["0"]), plain([key])), "no text")


def test_a_storage_that_is_larger_than_the_file_is_refused(refused):
    big = Tensor(Stored("0", "FloatStorage", b"", 1 << 60), (4,), (1,))
    refused(legacy({"a": big}), "bytes, and storage 0 ends at")
    refused(zipped({"a": big}), "has another size")


def test_a_compressed_archive_is_refused(refused):
    refused(zipped({"a": tensor(WEIGHTS)}, compression=zipfile.ZIP_DEFLATED), "without compression")


def test_an_encrypted_archive_is_refused(refused):
    data = bytearray(zipped({"a": tensor(WEIGHTS)}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused(bytes(data), "without compression or encryption")


@pytest.mark.parametrize("order", [b"big", b"", b"little\n"])
def test_a_big_endian_archive_is_refused(refused, order):
    refused(zipped({"a": tensor(WEIGHTS)}, byteorder=order), "little-endian")


def archive(tmp_path, entries):
    path = tmp_path / "built.pth"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return path.read_bytes()


def test_an_archive_from_before_byte_orders_were_written_is_read(opened, tmp_path):
    source = zipfile.ZipFile(io.BytesIO(zipped({"a": tensor(WEIGHTS)})))
    names = [name for name in source.namelist() if not name.endswith("byteorder")]
    checkpoint = opened(archive(tmp_path, [(name, source.read(name)) for name in names]))
    np.testing.assert_array_equal(checkpoint.read("a"), WEIGHTS)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_descriptions_is_refused(refused, tmp_path):
    refused(archive(tmp_path, [("a/data.pkl", plain({})), ("b/data.pkl", plain({}))]), "one data.pkl")
    refused(archive(tmp_path, [("a/data.pkl", plain({})), ("a/data.pkl", plain({}))]), "one name")
    refused(archive(tmp_path, [("x/a/data.pkl", plain({}))]), "one data.pkl")


def test_a_description_of_many_megabytes_is_refused(refused, tmp_path):
    refused(archive(tmp_path, [("a/data.pkl", bytes(5 << 20))]), "5242880 bytes")
    start = legacy({})[: -len(plain({})) - len(plain([]))]
    refused(start + b"\x80\x02X" + struct.pack("<I", 5 << 20) + bytes(5 << 20) + b".", "too long")


def test_no_directory_of_many_megabytes_is_taken_in(refused):
    data = zipped({"a": tensor(WEIGHTS)})
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[start : data.index(b"PK\x01\x02", start + 1)]
    count = (6 << 20) // len(entry)
    tail = struct.pack("<4s4H2LH", data[end : end + 4], 0, 0, 0xFFFE, 0xFFFE, count * len(entry), start, 0)
    refused(data[:start] + entry * count + tail, "Truncated central directory")


def test_numbers_with_another_checksum_are_refused(opened):
    good = zipped({"a": tensor(WEIGHTS), "b": Tensor(stored(key="1"), (4,), (1,), 3)})
    for name in ("a", "b"):
        data = bytearray(good)
        place = opened(good)._places["0" if name == "a" else "1"]
        data[place.start + place.bytes - 1] ^= 1
        checkpoint = opened(bytes(data))
        with pytest.raises(CheckpointError, match="checksum"):
            checkpoint.read(name)


def test_an_archive_written_without_checksums_is_read(opened):
    data = bytearray(zipped({"a": tensor(WEIGHTS)}))
    for mark, place in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = data.find(mark)
        while at >= 0:
            data[at + place : at + place + 4] = bytes(4)
            at = data.find(mark, at + 4)
    np.testing.assert_array_equal(opened(bytes(data)).read("a"), WEIGHTS)
