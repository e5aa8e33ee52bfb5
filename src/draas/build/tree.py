"""A folder on disk as detection sees it."""

from pathlib import Path

from draas.build.context import Found
from draas.build.source import MOST_READ_BYTES, Source, files_to_read
from draas.model.errors import Invalid


def read_source(folder: Path, found: list[Found]) -> Source:
    """The tree of what find_context found, with the texts that decide. Raises Invalid where a file cannot be read.

    Links are not followed; of a file longer than any manifest nothing is read.
    """
    files = frozenset(thing.path for thing in found if not thing.is_folder)
    regular = {thing.path: thing for thing in found if thing.is_file and thing.size_bytes <= MOST_READ_BYTES}
    texts = {}
    for path in files_to_read(frozenset(regular)):
        try:
            texts[path] = (folder / path).read_bytes()[:MOST_READ_BYTES].decode(errors="replace").removeprefix("\ufeff")
        except OSError as error:
            raise Invalid(f"{path} cannot be read ({error.strerror}): make it readable") from None
    return Source(files=files, texts=texts)
