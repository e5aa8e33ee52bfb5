"""Routes of the distribution API (specification 1.1, "Endpoints"). Those of referrers and the catalog are not served: 404."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.routing import Route

from draas.server.registry import blobs, manifests, uploads
from draas.server.registry.entry import Answer, Call, Entry
from draas.server.registry.errors import NO_STORE
from draas.server.registry.images import Images

PREFIX = "/v2/"
MANIFEST, BLOB = "/v2/{name:path}/manifests/{reference}", "/v2/{name:path}/blobs/{digest}"
UPLOADS, UPLOAD = "/v2/{name:path}/blobs/uploads/", "/v2/{name:path}/blobs/uploads/{session}"
TAGS = "/v2/{name:path}/tags/list"


async def check_version(call: Call) -> Response:
    """ "Determining Support": end-1."""
    return Response(b"{}", headers=dict(NO_STORE), media_type="application/json")


_READ_UPLOAD, _READ_MANIFEST = uploads.get_upload, manifests.get_manifest
ANSWERS: Mapping[str, Mapping[str, Answer]] = {
    PREFIX: {"GET": check_version, "HEAD": check_version},
    MANIFEST: {
        "GET": _READ_MANIFEST,
        "HEAD": _READ_MANIFEST,
        "PUT": manifests.put_manifest,
        "DELETE": manifests.delete_manifest,
    },
    BLOB: {"GET": blobs.get_blob, "HEAD": blobs.head_blob, "DELETE": blobs.delete_blob},
    UPLOADS: {"POST": uploads.post_upload},
    UPLOAD: {
        "GET": _READ_UPLOAD,
        "HEAD": _READ_UPLOAD,
        "PATCH": uploads.patch_upload,
        "PUT": uploads.put_upload,
        "DELETE": uploads.delete_upload,
    },
    TAGS: {"GET": manifests.list_tags, "HEAD": manifests.list_tags},
}


def registry_routes(images: Images) -> list[Route]:
    """The routes over `images`. No two of them match the same path, so their order says nothing."""
    return [
        Route(path, Entry(path=path.replace(":path", ""), answers=answers, images=images), methods=list(answers))
        for path, answers in ANSWERS.items()
    ]
