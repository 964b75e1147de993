"""AMD's revocation lists: each demand on a list, the lists that fail it, and what a list can't say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.snp import AMD_ROOTS, Product, VerifiedRevocations, appraise, verify_revocations
from privproc.attestation.snp import revocation as module
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests import test_attestation as appraisal
from tests.codec import check_contract
from tests.world.amd import DAY, SERIALS, FakeAmd, FakeChip, extension, integer, name, rsa_key, strict_policy
from tests.world.binding import bound
from tests.world.intel import FakeIntel, key
from tests.world.removed import removed

AT = 1_780_000_000
GENOA = FakeAmd.generate(Product.GENOA, AT)
TURIN = FakeAmd.generate(Product.TURIN, AT)
CHIP, VLEK = GENOA.chip(), GENOA.chip(csp="cloud.example")


def signed(*revoked: int, amd: FakeAmd = GENOA, **changes: object) -> bytes:
    return replace(amd.crl(*revoked), **changes).sign(rsa_key("amd_ark"))


def lists(crl: bytes, amd: FakeAmd = GENOA, at: int = AT) -> VerifiedRevocations:
    return verify_revocations(crl, amd.ark, roots=amd.roots, at=at)


@pytest.mark.parametrize("chip", [CHIP, VLEK], ids=["vcek", "vlek"])
@pytest.mark.parametrize("revoked", [(), (1, 99)])
def test_confirmed(chip: FakeChip, revoked: tuple[int, ...]) -> None:
    crl = signed(*revoked)
    found = lists(crl)
    assert (found.product, found.digest) == (Product.GENOA, hashlib.sha256(crl).digest())
    plain = chip.chain()
    chain = found.confirm(plain, at=AT)
    assert (plain.revocations, chain.revocations) == (b"", found.digest)
    assert (chain.not_before, chain.not_after) == (AT - 10 * DAY, AT + 300 * DAY)
    assert (chain.hwid, chain.csp, chain.tcb, chain.key) == (plain.hwid, plain.csp, plain.tcb, plain.key)


def test_evidence_says_that_the_list_was_asked() -> None:
    evidence = CHIP.report(measurement=appraisal.MEASUREMENT, report_data=appraisal.BINDING)
    for chain, said in ((CHIP.chain(), False), (lists(signed()).confirm(CHIP.chain(), at=AT), True)):
        verified = appraise(
            evidence,
            binding=bound(appraisal.BINDING),
            policy=replace(strict_policy(CHIP), max_age=9000 * DAY),
            chain=chain,
            logged=appraisal.logged(),
            role=appraisal.ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )
        assert ("authorities" in verified.checks) is said
        assert verified.not_after == (AT + 300 * DAY if said else CHIP.chain().not_after)


REVOKED = "self._list.check(authority)"


@pytest.mark.parametrize(
    ("which", "chip", "error"),
    [
        ("ARK", CHIP, "ARK certificate: revoked"),
        ("SEV", CHIP, "ASK certificate: revoked"),
        ("SEV-VLEK", VLEK, "ASK certificate: revoked"),
    ],
)
def test_revoked(which: str, chip: FakeChip, error: str) -> None:
    found = lists(signed(7, SERIALS[which]))
    with pytest.raises(UntrustedError, match=error):
        found.confirm(chip.chain(), at=AT)
    with removed(module.VerifiedRevocations.confirm, REVOKED):
        found.confirm(chip.chain(), at=AT)


def test_the_other_authority_is_not_revoked() -> None:
    """An ASVK that is revoked ends VLEKs, and no VCEK."""
    assert lists(signed(SERIALS["SEV-VLEK"])).confirm(CHIP.chain(), at=AT).hwid == CHIP.hwid
    assert lists(signed(SERIALS["SEV"])).confirm(VLEK.chain(), at=AT).csp == "cloud.example"


def test_serial_number_0_names_no_chip() -> None:
    """All VCEKs have that number, and the ASK issues them, not the list's issuer: an entry isn't about one of them."""
    assert b"\2\1\0" in CHIP.vcek[:20]
    assert lists(signed(0)).confirm(CHIP.chain(), at=AT).hwid == CHIP.hwid


def test_window() -> None:
    found = lists(signed())
    for at in (AT - 10 * DAY, AT + 300 * DAY - 1):
        lists(signed(), at=at)
        found.confirm(CHIP.chain(), at=at)
    for at, what in ((AT - 10 * DAY - 1, "not valid yet"), (AT + 300 * DAY, "no longer valid")):
        for late in (lambda at=at: found.confirm(CHIP.chain(), at=at), lambda at=at: lists(signed(), at=at)):
            with pytest.raises(ExpiredError, match=f"revocation list is {what}"):
                late()


def test_window_of_the_root() -> None:
    with pytest.raises(ExpiredError, match="ARK certificate is not valid yet"):
        lists(signed(this_update=AT - 40 * DAY), at=AT - 31 * DAY)


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "signer": (lambda: lists(GENOA.crl().sign(rsa_key("amd_ask"))), SignatureError, "revocation list: signature"),
    "issuer": (lambda: lists(signed(issuer=name("SEV-Genoa"))), UntrustedError, "issued by another name"),
    "line": (lambda: lists(signed(amd=TURIN)), UntrustedError, "issued by another name"),
    "root": (lambda: verify_revocations(signed(), GENOA.ark, roots=AMD_ROOTS, at=AT), UntrustedError, "pinned root"),
    "not-the-root": (
        lambda: verify_revocations(signed(), GENOA.ask, roots=GENOA.roots, at=AT),
        UntrustedError,
        "pinned root",
    ),
    "intel": (
        lambda: lists(FakeIntel(AT).crl("root").sign(key("root"))),
        UntrustedError,
        "issued by another name",
    ),
    "algorithm": (
        lambda: lists(signed(algorithm=b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02")),
        DecodeError,
        "of one algorithm",
    ),
    "scheme": (
        lambda: lists(
            signed(
                **dict.fromkeys(("algorithm", "outer_algorithm"), b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02")
            )
        ),
        UnsupportedError,
        "signature algorithm",
    ),
    "delta": (
        lambda: lists(signed(extensions=[extension("551d1b", integer(1), critical=True)])),
        DecodeError,
        "critical",
    ),
    "long": (lambda: lists(bytes(1 << 19)), DecodeError, "over 262144 bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, error, reason = REFUSED[case]
    with pytest.raises(error, match=reason) as raised:
        make()
    assert type(raised.value) is error


def test_signature_is_checked() -> None:
    with removed(verify_revocations, "found.check_issued(root, root.rsa_key())"):
        lists(GENOA.crl().sign(rsa_key("amd_ask")))


def test_list_of_another_line() -> None:
    """One that is good, beside a chain of another root."""
    found = lists(signed(amd=TURIN), TURIN)
    with pytest.raises(UntrustedError, match="another root than the chain's"):
        found.confirm(CHIP.chain(), at=AT)
    fake = "root.tbs != self._root.tbs"
    with removed(module.VerifiedRevocations.confirm, fake, "False"):
        found.confirm(CHIP.chain(), at=AT)


def test_arguments() -> None:
    with pytest.raises(UsageError):
        lists(signed()).confirm(None, at=AT)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        VerifiedRevocations()


CRL = signed(1, 2)


@given(st.integers(0, len(CRL) - 1), st.integers(1, 255))
def test_no_byte_can_change(at: int, mask: int) -> None:
    changed = bytearray(CRL)
    changed[at] ^= mask
    with pytest.raises(PeerError):
        lists(bytes(changed))


@given(st.binary(max_size=200))
def test_contract(data: bytes) -> None:
    check_contract(lists, data)
    check_contract(lists, CRL[: len(data)])
