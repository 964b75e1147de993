"""RFC 9711 §5: detached EAT bundles, their tokens, and the claims that the tokens' digests open."""

from __future__ import annotations

from privproc.attestation import eat
from privproc.vectors._kinds.eat import stated
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data = case.hex("data")
    if case.expect is not None:
        with raises(case.expect):
            opened(data)
        return
    claims, detached = opened(data)
    assert stated(claims) == case["claims"]
    assert stated(detached) == case["detached"]


def opened(data: bytes) -> tuple[eat.Claims, dict[str, eat.Claims]]:
    bundle = eat.decode_bundle(data)
    claims = eat.Token.decode(bundle.token).claims
    return claims, {name: claims.submods[name].open(it, bundle.form) for name, it in bundle.detached.items()}
