"""Extensions of tokens: their encoding in both directions, and what must be refused."""

from __future__ import annotations

from privproc.tokens import (
    EXPIRATION,
    Expiration,
    ExpirationPolicy,
    ExtendedToken,
    ExtendedTokenRequest,
    Extension,
    Extensions,
    ExtensionSet,
)
from privproc.vectors.case import Case, raises

DECODERS = {
    "Extensions": Extensions.decode,
    "ExtensionSet": ExtensionSet.decode,
    "ExpirationTimestamp": Expiration.decode,
    "ExtendedTokenRequest": ExtendedTokenRequest.decode,
    "Authorization": ExtendedToken.from_authorization,
}


def run(case: Case) -> None:
    if case.expect is not None:
        with raises(case.expect) as raised:
            if "policy" in case:
                precision, longest, at = case["policy"]
                policy = ExpirationPolicy(precision, longest)
                policy.check(Extensions.decode(case.hex("encoded")), at=at)
            else:
                DECODERS[case["what"]](case["text"].encode() if "text" in case else case.hex("data"))
        assert type(raised.value) is case.expect
        return
    found = Extensions(tuple(Extension(entry["type"], bytes.fromhex(entry["data"])) for entry in case["extensions"]))
    assert found.encode() == case.hex("encoded")
    assert Extensions.decode(case.hex("encoded")) == found
    if "expiration" in case:
        precision, timestamp = case["expiration"]
        expiration = Expiration(timestamp, precision)
        assert found.entries == (expiration.extension(),)
        assert found.entries[0].extension_type == EXPIRATION
        assert Expiration.decode(found.entries[0].data) == expiration
    if "policy" in case:
        precision, longest, at = case["policy"]
        ExpirationPolicy(precision, longest).check(found, at=at)
