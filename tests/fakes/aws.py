"""AWS as far as a signature goes: recomputed over what came over the wire."""

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from fakes.listener import Asked


def is_signed(asked: Asked, keys: ReadOnlyCredentials) -> bool:
    """Tell whether a request bears the signature that these keys make of it.

    Region, service, time and headers are the ones that the request names; path
    and body are taken as they arrived.
    """
    scheme, _, rest = asked.headers["authorization"].partition(" ")
    told = dict(field.strip().split("=", 1) for field in rest.split(","))
    access_key, _, region, service, _ = told["Credential"].split("/")
    names = told["SignedHeaders"].split(";")
    request = AWSRequest(
        asked.method,
        f"http://{asked.headers['host']}{asked.target}",
        {name: asked.headers[name] for name in names},
        asked.body,
    )
    request.context["timestamp"] = asked.headers["x-amz-date"]
    judge = SigV4Auth(keys, service, region)
    canonical = judge.canonical_request(request)
    signature = judge.signature(judge.string_to_sign(request, canonical), request)
    must_be_signed = {"host", "x-amz-date"}
    if keys.token:
        must_be_signed.add("x-amz-security-token")
    return (
        scheme == "AWS4-HMAC-SHA256"
        and access_key == keys.access_key
        and must_be_signed <= set(names)
        and asked.headers.get("x-amz-security-token") == keys.token
        and told["Signature"] == signature
    )
