"""The issuer of the in-memory world: one key, a directory, and issuance over HTTP values. It keeps no record."""

from __future__ import annotations

from privproc import http
from privproc.blindrsa import PrivateKey
from privproc.errors import PeerError
from privproc.tokens import DIRECTORY_PATH, DIRECTORY_TYPE, REQUEST_TYPE, RESPONSE_TYPE, Issuer, IssuerKey

NAME = "issuer.example"
REQUEST_PATH = "/token-request"


class WorldIssuer:
    """Issues to whoever asks: in the real world it would know its clients, and count."""

    def __init__(self, *, not_before: int, not_after: int, key: PrivateKey | None = None) -> None:
        self.issuer = Issuer([IssuerKey(key or PrivateKey.generate(), not_before, not_after)])

    def directory(self, *, at: int) -> bytes:
        """The directory's bytes: fetched by clients, or put into a key package."""
        return self.issuer.directory(REQUEST_PATH, at=at).encode()

    def handle(self, request: http.Request, *, at: int) -> http.Response:
        """RFC 9578 §4 and §6 over HTTP: GET for the directory, POST for a token."""
        if request.path == DIRECTORY_PATH:
            return self._get(request, at)
        if request.path == REQUEST_PATH:
            return self._post(request, at)
        return http.Response(404)

    def _get(self, request: http.Request, at: int) -> http.Response:
        if request.method != "GET":
            return http.Response(405, ((b"allow", b"GET"),))
        fields = ((b"content-type", DIRECTORY_TYPE), (b"cache-control", b"max-age=3600"))
        return http.Response(200, fields, self.directory(at=at))

    def _post(self, request: http.Request, at: int) -> http.Response:
        if request.method != "POST":
            return http.Response(405, ((b"allow", b"POST"),))
        if http.single(request.fields, b"content-type") != REQUEST_TYPE:
            return http.Response(415)
        try:
            response = self.issuer.issue(request.content, at=at)
        except PeerError:
            return http.Response(422)
        fields = ((b"content-type", RESPONSE_TYPE), (b"cache-control", b"no-store"))
        return http.Response(200, fields, response)


def token_request(wire: bytes) -> http.Request:
    """The client's POST for a TokenRequest (RFC 9578 §6.1)."""
    fields = ((b"accept", RESPONSE_TYPE), (b"cache-control", b"no-cache, no-store"), (b"content-type", REQUEST_TYPE))
    return http.Request("POST", "https", NAME, REQUEST_PATH, fields, wire)
