"""Single bytes or texts that one decoder of the token layer must refuse, or must pass over."""

from __future__ import annotations

from privproc import httpauth
from privproc.tokens import (
    BLIND_RSA,
    VOPRF,
    AmortizedRequest,
    IssuerDirectory,
    OfferedChallenge,
    Token,
    TokenChallenge,
    TokenKey,
    TokenRequest,
    decode_offers,
)
from privproc.vectors.case import Case, raises

DECODERS = {
    "Token": Token.decode,
    "TokenChallenge": TokenChallenge.decode,
    "TokenRequest": TokenRequest.decode,
    "amortized request": AmortizedRequest.decode,
    "VOPRF token key": lambda data: TokenKey(VOPRF, data),
    "token key": lambda data: TokenKey(BLIND_RSA, data),
    "issuer directory": IssuerDirectory.decode,
    "Authorization": Token.from_authorization,
    "WWW-Authenticate": httpauth.decode_challenges,
    "offer": lambda data: OfferedChallenge.decode(httpauth.Auth.decode(data)),
}


def run(case: Case) -> None:
    data = case["text"].encode() if "text" in case else case.hex("data")
    if case["what"] == "offers":
        assert case.expect is None
        assert len(decode_offers(data, origin=case["origin"])) == case["accepted"]
    elif case.expect is None:
        DECODERS[case["what"]](data)
    else:
        with raises(case.expect) as raised:
            DECODERS[case["what"]](data)
        assert type(raised.value) is case.expect
