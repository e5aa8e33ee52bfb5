"""From a folder, an archive or a git URL to what is sent: recognised, with the Dockerfile that was made for it, packed, its digest known."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_never

import click

from draas.cli.build_options import BuildOptions
from draas.cli.source import Archive, Folder, Git, Given

PIECE_BYTES = 1024 * 1024
MADE = "Dockerfile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is to be built. `file` is sent where there is one; `made` is the text of a Dockerfile that was made, and that is in `file`."""

    git: str = ""
    file: Path | None = None
    digest: str = ""
    size_bytes: int = 0
    folder: str = ""
    dockerfile: str = ""
    kind: str = ""
    because: tuple[str, ...] = ()
    port: int | None = None
    made: str = ""
    files: int = 0
    options: BuildOptions = field(default_factory=BuildOptions)

    @property
    def told(self) -> str:
        """One line about it."""
        if self.git:
            return self.git
        sent = f"{self.files} file{'' if self.files == 1 else 's'}" if self.files else "an archive"
        found = ", ".join(self.because)
        seen = found if self.kind.lower() == found.lower() else f"{self.kind}, by {found}"
        return f"{seen}; {sent}" if self.kind else sent

    def body(self, name: str) -> dict[str, Any]:
        """As POST /api/builds takes it."""
        options = self.options
        fields = {
            "name": name,
            "source": self.digest or None,
            "git": self.git or None,
            "folder": self.folder or None,
            "dockerfile": self.dockerfile or None,
            "target": options.target or None,
            "args": dict(options.args) or None,
            "secrets": dict(options.secrets) or None,
            "platform": options.platform or None,
            "cache": None if options.cache else False,
            "labels": {INPUTS: self.inputs} if self.inputs else None,
        }
        return {field: value for field, value in fields.items() if value is not None}

    @property
    def inputs(self) -> str:
        """The same for the same source and options; "" for a git URL, whose content is not known here. Of secrets only their ids count: the controller compares their values."""
        if self.git:
            return ""
        options = self.options
        said = [
            *(self.digest, self.folder, self.dockerfile, options.target, options.platform),
            *(dict(sorted(options.args.items())), sorted(options.secrets)),
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


INPUTS = "draas.inputs"  # the label of a build by which an unchanged source is known


@contextmanager
def prepared(given: Given, options: BuildOptions) -> Iterator[Prepared]:
    """Ready to be sent while the block runs. Raises click.UsageError, DraasError (NotRecognised with what was looked for)."""
    if options.bases and not isinstance(given, Folder):
        raise click.UsageError("--base is for folders: of an archive or a git URL the builder makes the Dockerfile")
    match given:
        case Git(url=url):
            yield Prepared(git=url, dockerfile=options.dockerfile, options=options)
        case Archive(path=path):
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            yield Prepared(
                file=path,
                digest=f"sha256:{digest}",
                size_bytes=path.stat().st_size,
                dockerfile=options.dockerfile,
                options=options,
            )
        case Folder(path=path):
            with TemporaryDirectory(prefix="draas-source-") as temporary:
                yield _pack_folder(path, options, Path(temporary) / "source.tar.gz")
        case _:
            assert_never(given)


def _pack_folder(folder: Path, options: BuildOptions, into: Path) -> Prepared:
    from draas.build.context import find_context
    from draas.build.detect import detect
    from draas.build.dockerfile import render_dockerfile
    from draas.build.pack import pack
    from draas.build.recipe import OwnDockerfile
    from draas.build.tree import read_source
    from draas.cli.detect import KINDS

    found = find_context(folder)
    source = read_source(folder, found)
    bases: Any = options.bases
    about: dict[str, Any]
    made = ""
    if options.dockerfile:
        path = options.dockerfile.removeprefix("./")
        if path not in source.files:
            raise click.UsageError(f"--dockerfile {path}: it is not among what is sent of {folder} (see .dockerignore)")
        about = {"kind": "dockerfile", "because": (path,), "dockerfile": path}
    else:
        recipe = detect(source)
        if isinstance(recipe, OwnDockerfile):
            if bases:
                raise click.UsageError(
                    f"--base: {recipe.path} is the project's own and says itself what it is built on"
                )
            own = recipe.path.removeprefix(f"{recipe.folder}/") if recipe.folder else recipe.path
            about = {"folder": recipe.folder, "dockerfile": own}
        else:
            made = render_dockerfile(recipe, bases)
            about = {"folder": recipe.folder, "dockerfile": MADE, "made": made}
        about |= {"kind": KINDS[type(recipe).__name__], "because": recipe.because, "port": recipe.port}
    inside = f"{about['folder']}/{MADE}" if about.get("folder") else MADE
    if made:
        found = [thing for thing in found if thing.path != inside]  # an empty one
    digest, size = _write(pack(folder, found, more={inside: made.encode()} if made else None), into)
    files = sum(not thing.is_folder for thing in found)
    return Prepared(file=into, digest=f"sha256:{digest}", size_bytes=size, files=files, options=options, **about)


def _write(pieces: Iterator[bytes], into: Path) -> tuple[str, int]:
    """The hexadecimal digest and the size of what was written."""
    digest, size = hashlib.sha256(), 0
    with into.open("wb") as out:
        for piece in pieces:
            digest.update(piece)
            size += out.write(piece)
    return digest.hexdigest(), size
