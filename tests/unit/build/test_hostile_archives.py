"""Hostile archives: each is refused with the entry and a remedy, nothing stays behind, and nothing outside was touched."""

import gzip
import io
import os
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from draas.build.limits import Limits
from draas.build.unpack import unpack
from draas.model.errors import DraasError, Invalid, TooLarge

SMALL = Limits(
    total_bytes=300_000,
    file_bytes=200_000,
    entries=20,
    depth=5,
    path_bytes=300,
    ratio=20,
    ratio_from_bytes=100_000,
    header_bytes=4096,
    directory_bytes=4096,
)


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", content: bytes = b"", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, target, mode, len(content)
    return info, content


def tar(*members: tuple[tarfile.TarInfo, bytes], how: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=how) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def raw_tar(name: bytes, kind: bytes = b"0", content: bytes = b"", size: bytes | None = None) -> bytes:
    """One entry exactly as given, with its sum and the archive's end."""
    head = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        name,
        b"0000644",
        b"",
        b"",
        size or b"%011o" % len(content),
        b"0",
        b" " * 8,
        kind,
        b"",
        b"ustar\x0000",
        b"",
        b"",
        b"",
        b"",
        b"",
    )
    head = head[:148] + b"%06o\0 " % sum(head) + head[156:]
    return head + content + bytes(-len(content) % 512) + bytes(1024)


def zipped(*named: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", how) as archive:
        warnings.simplefilter("ignore")
        for name, content in named:
            archive.writestr(name, content, compress_type=how)
    return out.getvalue()


def zip_mode(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def changed(data: bytes, old: bytes, new: bytes, *, last: bool = False) -> bytes:
    """`data` with one place changed, which must be there."""
    at = data.rfind(old) if last else data.find(old)
    assert at >= 0
    return data[:at] + new + data[at + len(old) :]


def encrypted() -> bytes:
    data = bytearray(zipped(("a", b"x")))
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def overlapping() -> bytes:
    """Two entries of the table that share one content."""
    data = zipped(("a", b"x" * 100), ("b", b"y" * 100), how=zipfile.ZIP_STORED)
    table = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", table + 4)
    return data[: second + 42] + bytes(4) + data[second + 46 :]


def hidden_entry() -> bytes:
    """An entry before the table that the table does not list."""
    data = zipped(("a", b"x"), how=zipfile.ZIP_STORED)
    table = data.find(b"PK\x01\x02")
    extra = data[:table]
    moved = data[table:-22] + data[-22:-6] + struct.pack("<L", table + len(extra)) + data[-2:]
    return data[:table] + extra + moved


SYM, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
GOOD_TAR = tar(member("a/b.txt", content=b"x" * 2000))
PAX_SPARSE = (lambda info: (info.pax_headers.update({"GNU.sparse.major": "1"}), info)[1])(
    member("sparse", content=b"1\n0\n")[0]
)
GLOBAL = io.BytesIO()
with tarfile.open(fileobj=GLOBAL, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "../x"}) as made:
    made.addfile(tarfile.TarInfo("a"))

# name > archive, what the message names, what it says
HOSTILE: dict[str, tuple[Callable[[], bytes] | bytes, str, str]] = {
    "tar: parent": (tar(member("../evil")), "'../evil'", "leads out"),
    "tar: parent in the middle": (tar(member("a/../../evil")), "'a/../../evil'", "leads out"),
    "tar: absolute": (tar(member("/etc/evil")), "'/etc/evil'", "absolute"),
    "tar: drive": (tar(member("C:/evil")), "'C:/evil'", "absolute"),
    "tar: backslash": (tar(member("..\\evil")), "evil'", "backslash"),
    "tar: control character": (tar(member("a\x1b[2Jb")), "a\\x1b[2Jb", "control character"),
    "tar: NUL in a pax name": (
        tar(
            (lambda i: (i.pax_headers.update(path="a\0b"), i)[1])(tarfile.TarInfo("x" * 120))
            and (lambda i: (setattr(i, "pax_headers", {"path": "a\0b"}), (i, b""))[1])(tarfile.TarInfo("x"))
        ),
        "a\\x00b",
        "control character",
    ),
    "tar: not UTF-8": (raw_tar(b"a\xff"), "a\\\\xff", "not UTF-8"),
    "tar: symlink out": (tar(member("l", SYM, "../../etc/passwd")), "'l'", "link out"),
    "tar: absolute symlink": (tar(member("l", SYM, "/etc/passwd")), "'l'", "link out"),
    "tar: write through a symlink": (
        tar(member("l", SYM, "."), member("l/evil", content=b"x")),
        "'l/evil'",
        "no folder",
    ),
    "tar: symlink over a folder": (tar(member("l/x"), member("l", SYM, "..")), "'l'", "twice"),
    "tar: out by an earlier symlink": (
        tar(member("a/b", tarfile.DIRTYPE), member("a/b/up", SYM, "../.."), member("q", SYM, "a/b/up/../x")),
        "'q'",
        "link out",
    ),
    "tar: symlinks in a circle": (tar(member("a", SYM, "b"), member("b", SYM, "a")), "'a'", "circle"),
    "tar: empty symlink": (tar(member("a", SYM, "")), "'a'", "is a link to"),
    "tar: hard link out": (tar(member("h", HARD, "../../etc/passwd")), "passwd'", "leads out"),
    "tar: absolute hard link": (tar(member("h", HARD, "/etc/passwd")), "'/etc/passwd'", "absolute"),
    "tar: hard link to a symlink": (tar(member("l", SYM, "x"), member("h", HARD, "l")), "'h'", "hard link"),
    "tar: hard link to nothing": (tar(member("h", HARD, "later")), "'h'", "hard link"),
    "tar: character device": (tar(member("null", tarfile.CHRTYPE)), "'null'", "character device"),
    "tar: block device": (tar(member("sda", tarfile.BLKTYPE)), "'sda'", "block device"),
    "tar: fifo": (tar(member("pipe", tarfile.FIFOTYPE)), "'pipe'", "named pipe"),
    "tar: unknown kind": (raw_tar(b"odd", b"Z"), "'odd'", "unknown kind"),
    "tar: sparse, old": (raw_tar(b"sparse", b"S"), "'sparse'", "sparse"),
    "tar: sparse, pax": (tar((PAX_SPARSE, b"1\n0\n")), "'sparse'", "sparse"),
    "tar: folder with content": (raw_tar(b"d/", b"5", b"x" * 10), "'d/'", "has content"),
    "tar: file twice": (tar(member("a", content=b"1"), member("a", content=b"2")), "'a'", "twice"),
    "tar: file as a folder": (tar(member("a", content=b"1"), member("a/b")), "'a/b'", "no folder"),
    "tar: case clash": (tar(member("README"), member("readme")), "'readme'", "only in case"),
    "tar: case clash of folders": (tar(member("Src/a"), member("src/b")), "'src/b'", "only in case"),
    "tar: composition clash": (tar(member("caf\u00e9"), member("cafe\u0301")), "caf", "composition"),
    "tar: too many": (tar(*(member(str(n)) for n in range(21))), "archive", "more than 20 entries"),
    "tar: too many folders by few entries": (
        tar(*(member(f"{n}/a/b/c/f") for n in range(6))),
        "archive",
        "more than 20 entries",
    ),
    "tar: too deep": (tar(member("a/b/c/d/e/f")), "'a/b/c/d/e/f'", "5 folders deep"),
    "tar: long part": (tar(member("n" * 256)), "nnn", "longer than 255"),
    "tar: long path": (tar(member("/".join(["n" * 100] * 4))), "nnn", "longer than"),
    "tar: long header": (tar(member("n" * 5000)), "archive", "header of"),
    "tar: long GNU header": (tar(member("n" * 5000), how=tarfile.GNU_FORMAT), "archive", "header of"),
    "tar: large file": (tar(member("big", content=bytes(200_001))), "'big'", "larger than"),
    "tar: large in all": (
        tar(member("a", content=bytes(199_000)), member("b", content=bytes(199_000))),
        "'b'",
        "over 300000 bytes",
    ),
    "tar: size below zero": (raw_tar(b"a", size=b"\xff" * 12), "'a'", "malformed number"),
    "tar: size of an exabyte": (raw_tar(b"a", size=b"\x80" + b"\0" * 3 + b"\x10" + b"\0" * 7), "'a'", "larger than"),
    "tar: wrong sum": (changed(GOOD_TAR, b"a/b.txt", b"a/c.txt"), "archive", "sum is wrong"),
    "tar: cut in a file": (GOOD_TAR[:1000], "'a/b.txt'", "cut off"),
    "tar: cut before its end": (GOOD_TAR[:2560], "archive", "ends before"),
    "tar: cut in a header": (GOOD_TAR[:2560] + b"x" * 100, "archive", "ends before"),
    "tar: goes on after its end": (GOOD_TAR + GOOD_TAR, "archive", "after its end"),
    "tar: malformed pax": (raw_tar(b"p", b"x", b"99 path=a\n"), "archive", "malformed header"),
    "tar: global name": (GLOBAL.getvalue(), "archive", "global header"),
    "gz: bomb": (gzip.compress(tar(member("a", content=bytes(150_000)))), "archive", "20 times"),
    "gz: bomb of headers": (
        gzip.compress(raw_tar(b"p", b"x", b"11 path=aa\n")[:1024] * 2000),
        "archive",
        "times its size",
    ),
    "gz: thousands of streams": (gzip.compress(b"") * 1100, "archive", "1000 gzip streams"),
    "gz: cut": (gzip.compress(GOOD_TAR)[:-20], "archive", "ends before"),
    "gz: wrong sum": (gzip.compress(GOOD_TAR)[:-8] + bytes(8), "archive", "not valid gzip"),
    "gz: rubbish after it": (gzip.compress(GOOD_TAR) + b"rubbish", "archive", "not valid gzip"),
    "zip: parent": (zipped(("../evil", b"x")), "'../evil'", "leads out"),
    "zip: absolute": (zipped(("/evil", b"x")), "'/evil'", "absolute"),
    "zip: backslash": (zipped(("..\\evil", b"x")), "evil'", "backslash"),
    "zip: NUL": (zipped(("aXb", b"x")).replace(b"aXb", b"a\0b"), "a\\x00b", "control character"),
    "zip: symlink out": (zipped((zip_mode("l", stat.S_IFLNK | 0o777), b"../../etc")), "'l'", "link out"),
    "zip: write through a symlink": (
        zipped((zip_mode("l", stat.S_IFLNK | 0o777), b"."), ("l/evil", b"x")),
        "'l/evil'",
        "no folder",
    ),
    "zip: long symlink": (zipped((zip_mode("l", stat.S_IFLNK | 0o777), b"x" * 5000)), "'l'", "4096 bytes"),
    "zip: device": (zipped((zip_mode("d", stat.S_IFCHR | 0o666), b"")), "'d'", "device"),
    "zip: folder with content": (zipped((zip_mode("d/", 0o755), b"x")), "'d/'", "has content"),
    "zip: twice": (zipped(("a", b"1"), ("a", b"2")), "'a'", "twice"),
    "zip: case clash": (zipped(("A", b"1"), ("a", b"2")), "'a'", "only in case"),
    "zip: bomb": (zipped(("a", bytes(150_000))), "archive", "20 times"),
    "zip: too many": (zipped(*((str(n), b"") for n in range(21))), "archive", "more than 20"),
    "zip: encrypted": (encrypted(), "'a'", "encrypted"),
    "zip: names differ": (changed(zipped(("safe", b"x")), b"safe", b"evil"), "'safe'", "described differently"),
    "zip: sizes differ": (
        changed(zipped(("a", b"x"), how=0), struct.pack("<LL", 1, 1), struct.pack("<LL", 1, 9)),
        "'a'",
        "described differently",
    ),
    "zip: overlap": (overlapping(), "'b'", "overlaps"),
    "zip: hidden entry": (hidden_entry(), "archive", "does not list"),
    "zip: wrong content": (changed(zipped(("a", b"hello"), how=0), b"hello", b"jello"), "'a'", "damaged"),
    "zip: cut": (zipped(("a", b"x" * 100))[:-30], "archive", "ends before"),
    "zip: more after it": (zipped(("a", b"x")) + b"more", "archive", "after its end"),
    "zip: by lzma": (zipped(("a", b"x"), how=zipfile.ZIP_LZMA), "'a'", "method 14"),
    "neither": (b"MZ" + bytes(2000), "archive", "neither zip nor tar"),
    "empty": (b"", "archive", "neither zip nor tar"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_whole(case: str, tmp_path: Path) -> None:
    data, entry, says = HOSTILE[case]
    into = tmp_path / "deep" / "into"
    into.parent.mkdir()
    with pytest.raises(DraasError) as caught:
        unpack(io.BytesIO(data), into, SMALL)
    told = caught.value.detail
    assert isinstance(caught.value, Invalid | TooLarge)
    assert entry in told
    assert says in told
    assert told.rpartition(": ")[2].strip(), "names no remedy"
    assert told.isprintable()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["deep"]


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 30


def test_set_uid_and_foreign_modes_are_dropped(tmp_path: Path) -> None:
    data = tar(
        member("run", content=b"x", mode=0o6777),
        member("read", content=b"x", mode=0o2666),
        member("d", tarfile.DIRTYPE, mode=0o7777),
    )
    before = os.umask(0o022)
    try:
        unpack(io.BytesIO(data), tmp_path / "into")
    finally:
        os.umask(before)
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "into").iterdir()} == {
        "run": "0o755",
        "read": "0o644",
        "d": "0o755",
    }


@pytest.mark.parametrize("how", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_honest_archives_of_other_programs(how: int, tmp_path: Path) -> None:
    long = "/".join(["folder"] * 20) + "/file"
    data = tar(
        member("./a/b", content=b"1"),
        member(long, content=b"2"),
        member("l", SYM, "a/b"),
        member("h", HARD, "./a/b"),
        how=how,
    )
    for name, packed in (
        ("plain", data),
        ("gz", gzip.compress(data)),
        ("members", gzip.compress(data[:700]) + gzip.compress(data[700:]) + bytes(50)),
    ):
        into = tmp_path / name
        assert unpack(io.BytesIO(packed), into).total_bytes == 2
        assert [(into / path).read_text() for path in ("a/b", long, "l", "h")] == ["1", "2", "1", "1"]
        assert (into / "l").is_symlink()


def test_an_honest_zip(tmp_path: Path) -> None:
    data = zipped(
        ("d/", b""),
        ("d/ü.txt", b"1"),
        (zip_mode("run", stat.S_IFREG | 0o755), b"2"),
        (zip_mode("l", stat.S_IFLNK | 0o777), b"d/\xc3\xbc.txt"),
    )
    unpack(io.BytesIO(data), tmp_path / "into")
    assert (tmp_path / "into" / "l").read_text() == "1"
    assert os.access(tmp_path / "into" / "run", os.X_OK)


def test_a_streamed_zip_with_descriptors(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, more) -> int:
            self.data += bytes(more)
            return len(more)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"1" * 1000)
        archive.writestr("b", b"2" * 1000)
    unpack(io.BytesIO(pipe.data), tmp_path / "into")
    assert (tmp_path / "into" / "b").read_bytes() == b"2" * 1000


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").write_text("x")
    with pytest.raises(FileExistsError):
        unpack(io.BytesIO(GOOD_TAR), tmp_path / "into")
    assert (tmp_path / "into" / "mine").read_text() == "x"


def test_memory_stays_flat(tmp_path: Path) -> None:
    archive = tmp_path / "large.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as out:
        out.write(tar(member("large", content=bytes(range(256)) * 4096 * 48)))  # 48 MiB
    limits = Limits(ratio=2000)
    tracemalloc.start()
    try:
        with archive.open("rb") as opened:
            unpack(opened, tmp_path / "into", limits)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "into" / "large").stat().st_size == 48 * 1024**2
    assert peak < 4 * 1024**2, f"{peak} bytes at the peak"
