"""ID blocks, against sev-snp-measure, which makes them for those who start guests."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.snp import IdBlock, VerifiedIdBlock, verify_id_block
from privproc.attestation.snp import idblock as module
from privproc.errors import (
    DecodeError,
    PeerError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests import test_attestation as appraisal
from tests.codec import check_contract
from tests.world.amd import strict_policy
from tests.world.removed import removed

ID, AUTHOR, MALLORY = (ec.derive_private_key(scalar, ec.SECP384R1()) for scalar in (5, 7, 11))
FIELDS = {"measurement": bytes(range(48)), "family": b"f" * 16, "image": b"i" * 16, "version": 1, "svn": 9, "policy": 3}


def key(private: ec.EllipticCurvePrivateKey, *, curve: int = 2, tail: bytes = b"") -> bytes:
    numbers = private.public_key().public_numbers()
    x, y = (number.to_bytes(72, "little") for number in (numbers.x, numbers.y))
    return struct.pack("<I72s72s880s", curve, x, y, tail)


def signature(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(SHA384())))
    return struct.pack("<72s72s368x", r.to_bytes(72, "little"), s.to_bytes(72, "little"))


def digest(private: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha384(key(private)).digest()


def block(**changes: Any) -> bytes:
    return struct.pack("<48s16s16sIIQ", *(FIELDS | changes).values())


def authentication(data: bytes, **changes: Any) -> bytes:
    parts: dict[str, Any] = {
        "algorithm": 1,
        "author_algorithm": 1,
        "reserved": b"",
        "block_signature": signature(ID, data),
        "id_key": key(ID),
        "between": b"",
        "key_signature": signature(AUTHOR, changes.get("id_key", key(ID))),
        "author_key": key(AUTHOR),
        "tail": b"",
    }
    return struct.pack("<II56s512s1028s60s512s1028s892s", *(parts | changes).values())


BLOCK = block()
GOOD = authentication(BLOCK)


def verify(data: bytes = BLOCK, auth: bytes = GOOD, **changes: Any) -> VerifiedIdBlock:
    arguments: dict[str, Any] = {"author_key": True, "signer": digest(AUTHOR)}
    return verify_id_block(data, auth, **arguments | changes)


def test_with_author_key() -> None:
    found = verify()
    assert (found.measurement, found.policy) == (FIELDS["measurement"], 3)
    assert found.expected == IdBlock(
        id_key_digest=digest(ID),
        author_key_digest=digest(AUTHOR),
        family_id=b"f" * 16,
        image_id=b"i" * 16,
        guest_svn=9,
    )


def test_without_author_key() -> None:
    """Firmware reads nothing of the author's fields then, and the report has zeros for its digest."""
    auth = authentication(BLOCK, author_algorithm=0, key_signature=b"\1" * 512, author_key=b"\2" * 1028)
    found = verify(auth=auth, author_key=False, signer=digest(ID))
    assert (found.expected.id_key_digest, found.expected.author_key_digest) == (digest(ID), bytes(48))


def test_expected_by_a_policy() -> None:
    """What the block says is what a report with these keys is compared with."""
    report = {
        "id_key_digest": digest(ID),
        "author_key_digest": digest(AUTHOR),
        "family_id": b"f" * 16,
        "image_id": b"i" * 16,
        "guest_svn": 9,
        "flags": 1,
    }
    policy = replace(strict_policy(appraisal.GENOA), id_block=verify().expected)
    appraisal.Scene(appraisal.GENOA, policy=policy, report=report).appraise()
    with pytest.raises(PolicyError, match="author key differs"):
        appraisal.Scene(appraisal.GENOA, policy=policy, report=report | {"author_key_digest": digest(ID)}).appraise()


def test_oracle(tmp_path: Path) -> None:
    measure = pytest.importorskip("sevsnpmeasure.id_block")
    for name, private in (("id", ID), ("author", AUTHOR)):
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / name).write_bytes(pem)
    made = measure.snp_calc_id_block(FIELDS["measurement"], str(tmp_path / "id"), str(tmp_path / "author"))
    theirs = dict(re.findall(r"([\w-]+)(?:=|: )([\w+/=]+)", made))
    found = verify(*(base64.b64decode(theirs[name]) for name in ("id-block", "id-auth")))
    assert base64.b64encode(found.expected.id_key_digest).decode() == theirs["id_key_hash"]
    assert base64.b64encode(found.expected.author_key_digest).decode() == theirs["author_key"]
    assert (found.measurement, found.policy) == (FIELDS["measurement"], 0x30000)


ID_SIGNED = '_verify("ID block", id_key, block_signature, block)'
KEY_SIGNED = '_verify("ID key", author, key_signature, id_key)'
REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str, str]] = {
    "block": (lambda: verify(block(svn=10)), SignatureError, "ID block: signature", ID_SIGNED),
    "block-signer": (
        lambda: verify(auth=authentication(BLOCK, block_signature=signature(MALLORY, BLOCK))),
        SignatureError,
        "ID block: signature",
        ID_SIGNED,
    ),
    "key-signer": (
        lambda: verify(auth=authentication(BLOCK, key_signature=signature(MALLORY, key(ID)))),
        SignatureError,
        "ID key: signature",
        KEY_SIGNED,
    ),
    "key": (
        lambda: verify(
            auth=authentication(
                BLOCK,
                id_key=key(MALLORY),
                block_signature=signature(MALLORY, BLOCK),
                key_signature=signature(AUTHOR, key(ID)),
            )
        ),
        SignatureError,
        "ID key: signature",
        KEY_SIGNED,
    ),
    "author": (
        lambda: verify(auth=authentication(BLOCK, author_key=key(MALLORY), key_signature=signature(MALLORY, key(ID)))),
        UntrustedError,
        "another key",
        'raise UntrustedError("ID block: signed by another key")',
    ),
    "author-where-id": (lambda: verify(signer=digest(ID)), UntrustedError, "another key", ""),
    "id-where-author": (lambda: verify(author_key=False), UntrustedError, "another key", ""),
    "version": (
        lambda: verify(block(version=2), authentication(block(version=2))),
        UnsupportedError,
        "version 1",
        "",
    ),
    "algorithm": (lambda: verify(auth=authentication(BLOCK, algorithm=2)), UnsupportedError, "version 1", ""),
    "author-algorithm": (
        lambda: verify(auth=authentication(BLOCK, author_algorithm=0)),
        UnsupportedError,
        "version 1",
        "",
    ),
    "curve": (
        lambda: verify(
            auth=authentication(BLOCK, id_key=key(ID, curve=1), key_signature=signature(AUTHOR, key(ID, curve=1)))
        ),
        UnsupportedError,
        "another curve",
        "",
    ),
    "padding": (
        lambda: verify(auth=authentication(BLOCK, id_key=key(ID, tail=b"\1"))),
        DecodeError,
        "padding is not zero",
        "",
    ),
    "point": (
        lambda: verify(auth=authentication(BLOCK, id_key=struct.pack("<I", 2) + bytes(1024))),
        DecodeError,
        "not a point",
        "",
    ),
    **{
        part: (
            lambda part=part: verify(auth=authentication(BLOCK, **{part: b"\1"})),
            DecodeError,
            "reserved",
            'raise DecodeError("ID block", "reserved, but not zero")',
        )
        for part in ("reserved", "between", "tail")
    },
    "short": (lambda: verify(auth=GOOD[:-1]), DecodeError, "not 96 bytes", ""),
    "short-block": (lambda: verify(BLOCK[:-1]), DecodeError, "not 96 bytes", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, error, reason, fragment = REFUSED[case]
    with pytest.raises(error, match=reason) as raised:
        make()
    assert type(raised.value) is error
    if fragment:
        with removed(verify_id_block, fragment):
            make()


@pytest.mark.parametrize("signer", [None, b"", bytes(48), b"\1" * 47, "x" * 48])
def test_a_signer_is_required(signer: Any) -> None:
    with pytest.raises(UsageError, match="48 bytes"):
        verify(signer=signer)


@given(st.integers(0, len(BLOCK) + len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_can_change(at: int, mask: int) -> None:
    whole = bytearray(BLOCK + GOOD)
    whole[at] ^= mask
    with pytest.raises(PeerError):
        verify(bytes(whole[:96]), bytes(whole[96:]))


@given(st.binary(min_size=96, max_size=96), st.binary(max_size=64))
def test_contract(data: bytes, patch: bytes) -> None:
    check_contract(lambda made: verify(made), data)
    check_contract(lambda made: verify(auth=patch + made), GOOD[len(patch) :])
    check_contract(lambda made: verify(data, made), b"")


def test_unpacking_is_the_whole_structure() -> None:
    assert module._AUTHENTICATION.size == module.AUTHENTICATION_SIZE == 4096
    assert (module._BLOCK.size, module._KEY.size, module._SIGNATURE.size) == (96, 1028, 512)
