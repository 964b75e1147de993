"""RFC 9577 A.2: WWW-Authenticate values, read, and written again with the same meaning."""

from __future__ import annotations

from privproc.errors import UnsupportedError
from privproc.httpauth import decode_challenges, encode_challenges
from privproc.tokens import GREASE, OfferedChallenge, TokenChallenge, decode_offers
from privproc.vectors.case import Case, raises


# req: rfc9577/2.1.2 unknown-parameters-are-ignored
def run(case: Case) -> None:
    assert case.expect is None
    field = case["www_authenticate"].encode()
    read = decode_challenges(field)
    assert decode_challenges(encode_challenges(read)) == read

    private = [auth for auth in read if auth.is_scheme("PrivateToken")]
    assert [auth.scheme for auth in read if auth not in private] == case["other_schemes"]
    expected = case["challenges"]
    assert len(private) == len(expected)
    known = []
    for auth, values in zip(private, expected, strict=True):
        assert set(values) == {"token_type", "token_key", "token_challenge", "max_age"}
        contents = bytes.fromhex(values["token_challenge"])
        assert contents[:2].hex() == values["token_type"]
        key = bytes.fromhex(values["token_key"])
        if int(values["token_type"], 16) in GREASE:
            _grease(auth, contents)
            continue
        offer = OfferedChallenge(TokenChallenge.decode(contents), key, values["max_age"])
        assert offer.challenge.encode() == contents
        assert OfferedChallenge.decode(auth) == offer
        known.append(offer)

    # What a client would answer: known types, at an origin that the challenge names.
    assert decode_offers(field, origin="origin.example") == tuple(known)
    assert decode_offers(field, origin="other.example") == ()
    written = encode_challenges(offer.encode() for offer in known)
    assert tuple(map(OfferedChallenge.decode, decode_challenges(written))) == tuple(known)


def _grease(auth, contents: bytes) -> None:
    for decode in (lambda: OfferedChallenge.decode(auth), lambda: TokenChallenge.decode(contents)):
        with raises(UnsupportedError):
            decode()
