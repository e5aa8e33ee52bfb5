"""Certificates: put, list, remove. A private key goes in and never comes out."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from draas.lib import clock
from draas.lib.clock import rfc3339
from draas.model.certificate import Certificate
from draas.model.errors import NotFound
from draas.model.event import Event
from draas.model.plan import Plan
from draas.server.api.bodies import parse, read_body
from draas.server.api.document import answers, body
from draas.server.api.guard import GuardedRoute, api_of, json_response
from draas.server.api.render import encode, render_list
from draas.server.services.kept_certificates import certificate_event, check_host
from draas.store.store import Write
from draas.wire.api import CertificateBody
from draas.wire.views import CertificateList, CertificateView

router = APIRouter(route_class=GuardedRoute, tags=["certificates"])
Host = Annotated[str, Path(max_length=256, description="a host name, or *.DOMAIN")]


@router.get(
    "/api/certificates",
    summary="All certificates, without their keys",
    responses=answers({200: CertificateList}, 401, 403, 503),
)
async def list_certificates(request: Request) -> Response:
    present = api_of(request).controller.certificates()
    return json_response(render_list([render_certificate(one) for one in present], len(present)))


@router.put(
    "/api/certificates/{host}",
    summary="Give a host its certificate, or another one",
    responses=answers({200: CertificateView}, 400, 401, 403, 413, 415, 503),
    openapi_extra=body(CertificateBody, idempotent=False),
)
async def put_certificate(request: Request, host: Host) -> Response:
    from draas.server.services.certificates import check_certificate  # its X.509 costs 7 MB, for those that give some

    controller, given = api_of(request).controller, parse(CertificateBody, await read_body(request))
    certificate = check_certificate(host, given.chain, given.key, clock.now(), controller.sealer)
    events = (certificate_event("certificate.put", certificate, clock.now()),)
    await controller.write(Write(certificates=(certificate,), plan=Plan(events=events)))
    return json_response(encode(render_certificate(certificate)))


@router.delete(
    "/api/certificates/{host}",
    summary="Remove a certificate",
    status_code=204,
    responses=answers({204: None}, 400, 401, 403, 404, 503),
)
async def remove_certificate(request: Request, host: Host) -> Response:
    controller, name = api_of(request).controller, check_host(host)
    if all(one.host != name for one in controller.certificates()):
        raise NotFound(f"there is no certificate for {name!r}")
    event = Event(at=clock.now(), kind="certificate.removed", subject=name)
    await controller.write(Write(gone_certificates=(name,), plan=Plan(events=(event,))))
    return Response(status_code=204)


def render_certificate(certificate: Certificate) -> CertificateView:
    """A certificate without its key."""
    return {
        "host": certificate.host,
        "names": list(certificate.names),
        "issuer": certificate.issuer,
        "source": certificate.source.value,
        "not_before": rfc3339(certificate.not_before),
        "expires_at": rfc3339(certificate.expires_at),
    }
