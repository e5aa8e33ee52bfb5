"""Names of images: repositories, tags and digests by the grammar of the OCI distribution specification 1.1 ("Pulling manifests")."""

import re
from functools import lru_cache
from typing import NewType

from draas.model.errors import Invalid

Repository = NewType("Repository", str)  # PROJECT/NAME, of which NAME may have several parts
Tag = NewType("Tag", str)
Digest = NewType("Digest", str)  # sha256:HEX

MAX_REPOSITORY = 255  # characters; many clients allow no more for host and repository together
MAX_TAG = 128
CLUSTER_HOST = "draas.internal"  # in names of images: the controller's own registry, whatever its address (RFC 9476's kind of name)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})+")
_TAG = re.compile(rf"[a-zA-Z0-9_][a-zA-Z0-9._-]{{0,{MAX_TAG - 1}}}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN = 80  # characters of a wrong name in its error


def parse_repository(text: str) -> Repository:
    """`text` as a repository. Raises Invalid."""
    if len(text) > MAX_REPOSITORY:
        raise Invalid(f"the repository's name has {len(text)} characters: at most {MAX_REPOSITORY}")
    if not _REPOSITORY.fullmatch(text):
        raise Invalid(
            f"{text[:_SHOWN]!r} is no repository: PROJECT/NAME in lower-case letters and digits, with single . _ or - "
            "between them, for example default/web"
        )
    return Repository(text)


def project_of_repository(repository: Repository) -> str:
    """The project that owns it: the part before the first slash."""
    return repository.partition("/")[0]


def parse_tag(text: str) -> Tag:
    """`text` as a tag. Raises Invalid."""
    if not _TAG.fullmatch(text):
        raise Invalid(
            f"{text[:_SHOWN]!r} is no tag: 1 to {MAX_TAG} letters, digits and . _ -, not starting with . or -"
        )
    return Tag(text)


def parse_digest(text: str) -> Digest:
    """`text` as a digest. Raises Invalid, also for an algorithm that is not kept."""
    algorithm, colon, _ = text.partition(":")
    if colon and algorithm != "sha256":
        raise Invalid(f"digests of the algorithm {algorithm[:_SHOWN]!r} are not kept here: use sha256")
    if not _DIGEST.fullmatch(text):
        raise Invalid(f"{text[:_SHOWN]!r} is no digest: sha256: and 64 lower-case hexadecimal digits")
    return Digest(text)


def parse_reference(text: str) -> Tag | Digest:
    """`text` as what names a manifest; is_digest tells which it is. Raises Invalid."""
    return parse_digest(text) if is_digest(text) else parse_tag(text)


def tag_order(tag: str) -> tuple[str, str]:
    """The sort key of tags: "lexical order (i.e. case-insensitive alphanumeric order)" ("Listing Tags"), `a` after `A`."""
    return tag.lower(), tag


def is_digest(reference: str) -> bool:
    """A tag has no colon."""
    return ":" in reference


def cluster_image(repository: Repository, reference: Tag | Digest) -> str:
    """How jobs and apps name an image of the controller's registry."""
    return f"{CLUSTER_HOST}/{repository}{'@' if is_digest(reference) else ':'}{reference}"


def parse_cluster_image(image: str) -> tuple[Repository, Tag | Digest] | None:
    """What `image` names in the controller's registry; None where it is another's. No tag: latest. Raises Invalid."""
    host, _, rest = image.partition("/")
    if host != CLUSTER_HOST:
        return None
    name, _, digest = rest.partition("@")
    name, _, tag = name.partition(":")
    return parse_repository(name), parse_digest(digest) if digest else parse_tag(tag or "latest")


@lru_cache(maxsize=4096)
def image_key(reference: str) -> str:
    """One spelling for an image: `nginx`, `nginx:latest` and `docker.io/library/nginx` are the same to Docker.

    Source: the distribution project's reference grammar ("familiar names").
    """
    name = reference.removeprefix("index.docker.io/").removeprefix("docker.io/").removeprefix("library/")
    if "@" in name or name.startswith("sha256:") or ":" in name.rsplit("/", 1)[-1]:
        return name
    return f"{name}:latest"
