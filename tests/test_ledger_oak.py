"""Oak's endorsements: each check with files that fail it, and proof that they would pass without."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import Logged, oak, rekor
from tests.codec import check_contract
from tests.world.foreign import FakeOak, FakeRekor, key
from tests.world.removed import removed

AT = 1_780_000_000
MAKER = FakeOak(AT)
STATEMENT = MAKER.statement()
FILES = MAKER.files(STATEMENT)
OTHER = FakeOak(AT, b"another binary")


def check(files: tuple[bytes, bytes, bytes] = FILES, **changes: Any) -> oak.Endorsed:
    arguments: dict[str, Any] = {
        "subject": MAKER.subject,
        "claims": MAKER.claims,
        "endorser": key("releases").public_key(),
        "log": FakeRekor(AT).log,
        "at": AT,
    }
    return oak.verify(*files, **arguments | changes)


def files(**changes: Any) -> tuple[bytes, bytes, bytes]:
    return MAKER.files(MAKER.statement(**changes))


def test_endorsed() -> None:
    found = check()
    assert found.statement == oak.Statement.decode(STATEMENT)
    assert (found.statement.subject, found.statement.name, found.statement.claims) == (
        MAKER.subject,
        "example",
        MAKER.claims,
    )
    assert (found.statement.issued_at, found.not_before, found.not_after) == (AT - 60, AT, AT + 86400)
    assert found.entry.integrated_at == AT
    assert not isinstance(found, Logged)
    found.confirm(MAKER.subject, at=AT + 86399)
    with pytest.raises(ExpiredError):
        found.confirm(MAKER.subject, at=AT + 86400)
    with pytest.raises(UntrustedError, match="another binary"):
        found.confirm(OTHER.subject, at=AT)
    with pytest.raises(UsageError):
        found.confirm(None, at=AT)  # type: ignore[arg-type]


def test_claims_beyond_those_required() -> None:
    assert check(claims=()).statement.claims == MAKER.claims
    assert check(files(predicate={"claims": []}), claims=[]).statement.claims == ()
    without = json.loads(STATEMENT)
    del without["predicate"]["claims"]
    assert check(MAKER.files(json.dumps(without).encode()), claims=[]).statement.claims == ()
    assert check(files(extra=1, predicate={"extra": 1}))


Case = tuple[Callable[[], tuple[bytes, bytes, bytes]], dict[str, Any], type[Exception], str, Any, str]
CONFIRMED = "found.confirm(subject, at=at)"
REFUSED: dict[str, Case] = {
    "signature": (
        lambda: MAKER.files(STATEMENT, signer="mallory"),
        {},
        SignatureError,
        "signature",
        oak.verify,
        "endorser.verify(signature, endorsement, _SCHEME)",
    ),
    "subject": (
        lambda: MAKER.files(OTHER.statement()),
        {},
        UntrustedError,
        "another binary",
        oak.Endorsed.confirm,
        'raise UntrustedError("Oak endorsement: of another binary")',
    ),
    "claim": (
        lambda: FILES,
        {"claims": [*MAKER.claims, "https://claims.example/other"]},
        PolicyError,
        "lacks 1",
        oak.verify,
        'raise PolicyError(f"{_WHAT}: lacks {len(missing)} of the claims that are required")',
    ),
    "no-claims": (
        lambda: files(predicate={"claims": []}),
        {},
        PolicyError,
        "lacks 2",
        oak.verify,
        'raise PolicyError(f"{_WHAT}: lacks {len(missing)} of the claims that are required")',
    ),
    "early": (lambda: FILES, {"at": AT - 1}, ExpiredError, "not valid yet", oak.verify, CONFIRMED),
    "late": (lambda: FILES, {"at": AT + 86400}, ExpiredError, "no longer", oak.verify, CONFIRMED),
    "two-subjects": (
        lambda: MAKER.files(two_subjects()),
        {},
        DecodeError,
        "one subject",
        oak.Statement.decode,
        " or len(subjects) != 1",
    ),
    "predicate": (
        lambda: files(predicateType="https://github.com/project-oak/transparent-release/claim/v2"),
        {},
        UnsupportedError,
        "predicate v1",
        oak.Statement.decode,
        'raise UnsupportedError("Oak endorsement: not an in-toto statement v1 of Oak\'s predicate v1")',
    ),
    "statement": (
        lambda: files(_type="https://in-toto.io/Statement/v0.1"),
        {},
        UnsupportedError,
        "predicate v1",
        oak.Statement.decode,
        'raise UnsupportedError("Oak endorsement: not an in-toto statement v1 of Oak\'s predicate v1")',
    ),
}


def two_subjects() -> bytes:
    fields = json.loads(STATEMENT)
    fields["subject"] += json.loads(OTHER.statement())["subject"]
    return json.dumps(fields).encode()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, changes, error, reason, function, fragment = REFUSED[name]
    with pytest.raises(error, match=reason) as raised:
        check(make(), **changes)
    assert type(raised.value) is error
    with removed(function, fragment, "" if fragment.startswith(" or") else "pass"):
        check(make(), **changes)


def test_of_another_entry() -> None:
    """The log's word is about exactly these bytes, by this endorser."""
    with pytest.raises(UntrustedError, match="another artifact"):
        check(MAKER.files(STATEMENT, logged=OTHER.statement()))
    with pytest.raises(UntrustedError, match="another key"):
        check(endorser=key("mallory").public_key())
    with pytest.raises(UntrustedError, match="another log"):
        check(log=rekor.Log("rekor.example", key("mallory").public_key()))
    with removed(
        oak.verify,
        "rekor.verify(log_entry, log=log, digest=hashlib.sha256(endorsement).digest(), signer=endorser, at=at)",
        "None",
    ):
        check(MAKER.files(STATEMENT, logged=OTHER.statement()))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (b" " * (oak.MAX_ENDORSEMENT + 1), "over"),
        (b"[]", "not an object"),
        (STATEMENT[:-1] + b',"_type":"https://in-toto.io/Statement/v1"}', "twice"),
        (MAKER.statement(predicate={"validity": None}), "validity"),
        (MAKER.statement(predicate={"validity": {"notBefore": MAKER.time(0)}}), "notAfter"),
        (MAKER.statement(predicate={"issuedOn": "2026-02-30T00:00:00Z"}), "issuedOn is not a time"),
        (MAKER.statement(predicate={"issuedOn": "2026-02-03"}), "issuedOn is not a time"),
        (MAKER.statement(predicate={"issuedOn": 1}), "issuedOn is not text"),
        (MAKER.statement(predicate={"claims": {}}), "list of claims"),
        (MAKER.statement(predicate={"claims": ["a"]}), "list of claims"),
        (MAKER.statement(predicate={"claims": [{"type": 1}]}), "type is not text"),
        (MAKER.statement(subject={"name": None}), "name is not text"),
        (MAKER.statement(subject={"digest": {"sha512": "00" * 64}}), "sha256"),
        (MAKER.statement(subject={"digest": {"sha256": "AB" * 32}}), "lower-case"),
    ],
)
def test_malformed(statement: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        check(MAKER.files(statement))


@pytest.mark.parametrize("subject", [{}, [], ["a"], None])
def test_malformed_subject(subject: Any) -> None:
    fields = json.loads(STATEMENT) | {"subject": subject}
    with pytest.raises(DecodeError, match="one subject"):
        oak.Statement.decode(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"subject": b""},
        {"subject": None},
        {"claims": "https://claims.example/no-logging"},
        {"claims": [""]},
        {"claims": [None]},
        {"endorser": ec.derive_private_key(7, ec.SECP384R1()).public_key()},
        {"log": None},
    ],
)
def test_arguments(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check(**change)


def test_times_of_other_zones() -> None:
    made = MAKER.statement(predicate={"issuedOn": "2026-02-03T04:05:06.123456789+02:00"})
    assert oak.Statement.decode(made).issued_at == 1770084306


@given(at=st.integers(0, len(STATEMENT) - 1), byte=st.binary(min_size=1, max_size=2))
def test_contract(at: int, byte: bytes) -> None:
    check_contract(oak.Statement.decode, STATEMENT[:at] + byte + STATEMENT[at + 1 :])
