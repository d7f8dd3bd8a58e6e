"""Which compression bytes have, by their content, and streams that undo it in bounded memory."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Literal

import pyarrow as pa

from tracer_sklearn.exceptions import IngestionError

Compression = Literal["none", "gzip", "zstd", "bz2", "xz", "zip"]

HEAD_BYTES = 512  # enough for every signature, tar's is the last

_SIGNATURES: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
)
_BZ2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # a first block, or the end at once

# The advice of a refusal may be more useful than "binary".
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"%PDF-", "a PDF document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x9d", "compressed by Unix compress"),
    (b"\x04\x22\x4d\x18", "compressed by lz4"),
    (b"\x5d\x00\x00", "compressed by lzma, the format before xz"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x7fELF", "a program"),
)

_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|table|meta|\?xml)\b", re.IGNORECASE)

# A directory of members is held in memory; an honest one of a single member is 100 bytes.
_LARGEST_ZIP_DIRECTORY = 1 << 20
# The dictionary of `xz -9` takes 65 MiB; more is not needed for any preset.
_XZ_MEMORY = 100 << 20
_READ_BYTES = 1 << 16


def compression_of(head: bytes) -> Compression:
    """Name the compression that the first bytes of a file announce."""
    for signature, compression in _SIGNATURES:
        if head.startswith(signature):
            return compression
    if head[:3] == b"BZh" and head[3:4].isdigit() and head[4:10] in _BZ2_BLOCKS:
        return "bz2"
    return "none"


def foreign_kind(head: bytes) -> str:
    """Say what kind of file the first bytes announce when it is known not to be a table."""
    for signature, kind in _FOREIGN:
        if head.startswith(signature):
            return kind
    if _MARKUP.match(head):  # what many programs export as .xls
        return "a web page or XML"
    return "a tar archive" if head[257:262] == b"ustar" else ""


Format = Literal["parquet", "arrow", "jsonl", "json", "text"]

_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(\{\s*"|\{\s*\}|\[\s*\{)')


def format_of(head: bytes) -> Format:
    """Name the format that the first decompressed bytes announce; "text" for anything else."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff", b"FEA1")):
        return "arrow"
    if found := _JSON.match(head):
        return "jsonl" if found[1].startswith(b"{") else "json"
    return "text"


Read = Callable[[int], bytes]


def decompressor(raw: io.RawIOBase, compression: Compression, name: str) -> Read:
    """Return a function that reads up to n decompressed bytes of ``raw``, none at its end."""
    match compression:
        case "none":
            return lambda n: raw.read(n) or b""
        case "gzip":  # Arrow takes the zeros that tapes and transfers pad it with for damage
            return gzip.GzipFile(fileobj=raw, mode="rb").read
        case "xz":
            return _xz(raw)
        case "zip":
            member = _only_member(raw, name)
            return lambda n: member.read(min(n, _READ_BYTES))  # it reads n stored bytes for n
        case _:
            stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression)
            return lambda n: bytes(stream.read(n))


def damage(error: Exception) -> str:
    """Say what is wrong with compressed bytes, from what a decompressor raised; "" if nothing.

    An error of the operating system is no damage.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return ""
    text = str(error)
    cut = isinstance(error, EOFError) or "runcated" in text
    return "its compressed data end too early" if cut else "its compressed data are damaged"


# What decompressors raise.
FAULTS = (EOFError, OSError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, pa.ArrowException)


def _xz(raw: io.RawIOBase) -> Read:
    """Read xz with bounded memory, which `lzma.LZMAFile` cannot; streams may follow another."""
    state = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(n: int) -> bytes:
        nonlocal state
        while True:
            if state.eof:
                rest = (state.unused_data or raw.read(_READ_BYTES) or b"").lstrip(b"\0")
                if not rest:
                    return b""
                state = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            elif state.needs_input:
                rest = raw.read(_READ_BYTES) or b""
                if not rest:
                    raise EOFError
            else:
                rest = b""
            if data := state.decompress(rest, n):
                return data

    return read


def _only_member(raw: io.RawIOBase, name: str) -> IO[bytes]:
    if _directory_bytes(raw) > _LARGEST_ZIP_DIRECTORY:
        raise IngestionError.from_reason(
            name, "the zip archive holds thousands of files", "unpack it and read them one by one"
        )
    archive = zipfile.ZipFile(raw)
    # Finder adds a resource fork to each file it packs
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise IngestionError.from_reason(name, *_fault_of_members(members))
    (member,) = members
    if member.flag_bits & 0x1:
        raise IngestionError.from_reason(
            name, "the zip archive is encrypted", "unpack it with its password first"
        )
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise IngestionError.from_reason(
            name,
            f"the zip archive uses compression method {member.compress_type}",
            "unpack it first, or pack it with the usual method (deflate)",
        )
    return archive.open(member)


def _fault_of_members(members: list[zipfile.ZipInfo]) -> tuple[str, str]:
    names = [member.filename for member in members]
    if not names:
        return "the zip archive holds no file", "pack the table into it"
    if "[Content_Types].xml" in names:
        return "it is an Excel workbook", "save the sheet as CSV"
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return (
        f"the zip archive holds {len(names)} files ({shown}), not one",
        "unpack it and read the one that you mean",
    )


def _directory_bytes(raw: io.RawIOBase) -> int:
    """Return the size of a zip archive's directory, which `zipfile` reads whole; 0 if unclear."""
    size = raw.seek(0, io.SEEK_END)
    raw.seek(max(0, size - (1 << 16) - 22 - 20 - 56))
    tail = raw.read(1 << 17) or b""
    raw.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 16:
        return 0
    (directory,) = struct.unpack_from("<I", tail, end + 12)
    large = tail.rfind(b"PK\x06\x06", 0, end)
    if directory == 0xFFFFFFFF and 0 <= large <= len(tail) - 48:
        (directory,) = struct.unpack_from("<Q", tail, large + 40)
    return int(directory)
