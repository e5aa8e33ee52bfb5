"""A folder packed: the same bytes for the same files, refused by name where it cannot be, and what unpacks from it is what was there."""

import io
import os
import socket
import stat
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draas.build.names import clash_key
from draas.build.pack import pack
from draas.build.unpack import unpack
from draas.model.errors import Invalid


def packed(folder: Path) -> bytes:
    return b"".join(pack(folder))


def fill(folder: Path) -> None:
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "run.sh").write_text("x")
    (folder / "b" / "run.sh").chmod(0o755)
    (folder / "a.txt").write_text("y")
    (folder / "link").symlink_to("b/run.sh")
    (folder / "gone").symlink_to("b/not-there")


def test_the_same_for_the_same_files(tmp_path: Path) -> None:
    fill(tmp_path / "one")
    fill(tmp_path / "two")
    os.utime(tmp_path / "two" / "a.txt", (1, 1))
    (tmp_path / "two" / "a.txt").chmod(0o600)
    (tmp_path / "two" / "b").chmod(0o700)
    assert packed(tmp_path / "one") == packed(tmp_path / "two")


def test_what_tar_finds_in_it(tmp_path: Path) -> None:
    fill(tmp_path / "one")
    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path / "one"))) as archive:
        seen = [(m.name, oct(m.mode), m.uid, m.mtime, m.linkname) for m in archive]
    assert seen == [
        ("a.txt", "0o644", 0, 315619200, ""),
        ("b", "0o755", 0, 315619200, ""),
        ("b/run.sh", "0o755", 0, 315619200, ""),
        ("gone", "0o777", 0, 315619200, "b/not-there"),
        ("link", "0o777", 0, 315619200, "b/run.sh"),
    ]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "b/../../outside", "up/../x"])
def test_links_that_lead_out(target: str, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    fill(folder)
    (folder / "b" / "in").mkdir()
    (folder / "up").symlink_to(".")
    (folder / "bad").symlink_to(target)
    with pytest.raises(Invalid, match=r"'bad' is a link out of the folder .*: replace it by the file, or leave it out"):
        pack(folder)
    (folder / ".dockerignore").write_text("bad\n")
    assert packed(folder)


def test_sockets_and_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Invalid, match="'pipe' is a named pipe: leave it out"):
        pack(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(Invalid, match="'s' is a socket: leave it out"):
            pack(tmp_path)


def test_a_file_that_grows_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    pieces = pack(tmp_path)
    (tmp_path / "log").write_text("xyz")
    with pytest.raises(Invalid, match="'log' changed while it was read"):
        list(pieces)


def test_memory_stays_flat(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as out:
        out.truncate(64 * 1024**2)
    tracemalloc.start()
    try:
        size = sum(map(len, pack(tmp_path)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < size < 1024**2
    assert peak < 4 * 1024**2, f"{peak} bytes at the peak"


NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\"), min_size=1, max_size=60
).filter(lambda name: name not in (".", "..", ".git", ".gitignore", ".dockerignore") and len(name.encode()) <= 200)
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join),
    st.tuples(st.binary(max_size=3000), st.booleans()),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_what_unpacks_is_what_was_there(files: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder, into = Path(scratch, "from"), Path(scratch, "into")
        folder.mkdir()
        kept: dict[str, tuple[bytes, bool]] = {}
        taken: dict[str, str] = {}
        for path, (content, runs) in sorted(files.items()):
            heads = ["/".join(path.split("/")[: n + 1]) for n in range(path.count("/") + 1)]
            clashes = any(taken.get(clash_key(head), head) != head for head in heads) or path in taken.values()
            if clashes or path[1:2] == ":" or any(head in kept for head in heads) or len(path.encode()) > 900:
                continue
            taken |= {clash_key(head): head for head in heads}
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            (folder / path).chmod(0o755 if runs else 0o644)
            kept[path] = (content, runs)
        (folder / ".dockerignore").write_bytes(b"")
        unpack(io.BytesIO(packed(folder)), into)
        out = {
            str(path.relative_to(into)): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
            for path in into.rglob("*")
            if path.is_file()
        }
        assert out == {**kept, ".dockerignore": (b"", False)}
        assert packed(into) == packed(folder)


def test_modes_are_the_same_under_any_umask(tmp_path: Path) -> None:
    """What is built of it is read by programs that are nobody in particular."""
    folder = tmp_path / "shop"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/run").touch(0o700)
    (folder / "index.html").touch(0o600)
    before = os.umask(0o077)
    try:
        unpack(io.BytesIO(b"".join(pack(folder))), tmp_path / "into")
    finally:
        os.umask(before)
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "into").rglob("*")}
    assert modes == {"bin": "0o755", "run": "0o755", "index.html": "0o644"}
