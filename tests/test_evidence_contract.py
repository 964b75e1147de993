"""Every reader of evidence, endorsements and proofs: arbitrary bytes end in a value or a PeerError, in linear time."""

from __future__ import annotations

import functools
import gc
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privproc.attestation import cmw, dice
from privproc.attestation.certificate import Certificate
from privproc.attestation.crl import RevocationList
from privproc.attestation.nitro import Document
from privproc.attestation.nitro import Policy as NitroPolicy
from privproc.attestation.nvidia import Evidence as DeviceEvidence
from privproc.attestation.nvidia import Policy as DevicesPolicy
from privproc.attestation.nvidia import Report as DeviceReport
from privproc.attestation.sgx import STRICT_ENCLAVE
from privproc.attestation.sgx import Policy as SgxPolicy
from privproc.attestation.sgx import Quote as SgxQuote
from privproc.attestation.sgx import TcbInfo as SgxTcbInfo
from privproc.attestation.snp import STRICT_GUEST, STRICT_PLATFORM, Endorsements, Report, Rule, verify_id_block
from privproc.attestation.snp import Policy as SnpPolicy
from privproc.attestation.tdx import (
    STRICT_CONFIGURATION,
    STRICT_DOMAIN,
    Collateral,
    EventLog,
    QeIdentity,
    Quote,
    TcbInfo,
    strip_padding,
)
from privproc.attestation.tdx import Policy as TdxPolicy
from privproc.errors import PeerError, PolicyError
from privproc.ledger import Checkpoint, CheckpointMemory, Entry, Proof, Revocations, read_policy
from privproc.ledger.checkpoint import Note
from privproc.ledger.oak import Statement
from privproc.ledger.plexi import SignedEpoch
from tests import test_attestation as snp
from tests import test_attestation_chain as chain
from tests import test_attestation_dice as dice_tests
from tests import test_attestation_idblock as idblock
from tests import test_ledger_foreign as foreign
from tests import test_ledger_oak as oak
from tests import test_nitro as nitro
from tests import test_nvidia as nvidia
from tests import test_nvidia_rim as rims
from tests import test_ocsp as ocsp
from tests import test_sgx as sgx
from tests import test_tdx as tdx
from tests import test_tdx_collateral as collateral
from tests import test_tdx_format as tdx_format
from tests.codec import check_contract
from tests.world import intel
from tests.world.amd import GUEST_POLICY, PLATFORM_INFO, rsa_key, tlv

Parser = Callable[[bytes], object]

CHIP = snp.GENOA
POLICY = snp.strict_policy(CHIP)
CRL = CHIP.amd.crl(1, 2, 3).sign(rsa_key("amd_ark"))
PEMS = chain.pem(CHIP.amd.ask, CHIP.amd.ark)
HEAD = Checkpoint("log.example", 5, bytes(range(32)))
EPOCH = SignedEpoch(suite=1, namespace="n", timestamp=1, epoch=1, digest=bytes(32), signature=bytes(64))
KEY = "fake.log.origin/log+527eabb8+AddT9PtBhhNAsDYZ0V0euiRbXuvrLsw4L6vKARfipnmz"
WITNESS = "test-witness+26349ef0+BIQDFTUlktisMqJzWn8qhteWrRr4dLcQ9R37T+8LQyQF"
TEXT_POLICY = f"log {KEY}\nwitness w {WITNESS}\nquorum w\n".encode()
NOTE = HEAD.encode() + b"\n\xe2\x80\x94 log.example " + b"AAAAAAE=\n"

CMW = cmw.encode_cbor(cmw.Collection({"a": cmw.Record("a/b", bytes(40)), 2: cmw.Tag(1, bytes(40))}, "1.2"))

PARSERS: dict[str, tuple[Parser, bytes]] = {
    "report": (Report.decode, CHIP.report(measurement=snp.MEASUREMENT, report_data=snp.BINDING)),
    "certificate": (lambda data: Certificate.decode(data, "certificate"), CHIP.vcek),
    "revocation list": (lambda data: RevocationList.decode(data, "list"), CRL),
    "endorsements": (Endorsements.decode, CHIP.endorsements.encode()),
    "KDS chain": (lambda data: Endorsements.from_kds(b"", data), PEMS),
    "ID block": (lambda data: verify_id_block(data[:96], data[96:], author_key=True, signer=b"\1" * 48), idblock.GOOD),
    "SNP policy": (SnpPolicy.decode, POLICY.encode()),
    "quote": (Quote.decode, tdx.EVIDENCE),
    "padded quote": (strip_padding, tdx.EVIDENCE + bytes(100)),
    "collateral": (Collateral.decode, collateral.GOOD.encode()),
    "TCB info": (TcbInfo.decode, collateral.GOOD.tcb_info),
    "QE identity": (QeIdentity.decode, collateral.GOOD.qe_identity),
    "service's answers": (
        lambda data: Collateral.from_pcs(**collateral.answers(tcb_info=data, signing_chain=data)),
        collateral.answers()["tcb_info"],
    ),
    "event log": (EventLog.decode, tdx_format.LOG),
    "TDX policy": (TdxPolicy.decode, tdx.POLICY.encode()),
    "SGX quote": (SgxQuote.decode, sgx.EVIDENCE),
    "SGX TCB info": (SgxTcbInfo.decode, sgx.world.collateral(sgx.INTEL).tcb_info),
    "SGX policy": (SgxPolicy.decode, sgx.POLICY.encode()),
    "document": (Document.decode, nitro.EVIDENCE),
    "Nitro policy": (NitroPolicy.decode, nitro.POLICY.encode()),
    "device evidence": (DeviceEvidence.decode, nvidia.EVIDENCE),
    "device report": (DeviceReport.decode, nvidia.REPORT),
    "devices policy": (DevicesPolicy.decode, nvidia.SHORT.encode()),
    "RIM": (rims.check, rims.RIM),
    "OCSP response": (ocsp.check, ocsp.ANSWER),
    "CMW": (cmw.decode, CMW),
    "CMW extension": (cmw.decode_extension, tlv(0x04, CMW)),
    "DICE claims": (dice.TcbInfo.decode, dice_tests.info()),
    "DICE layers": (dice.decode_tcb_infos, tlv(0x30, dice_tests.info(), dice_tests.info())),
    "tagged evidence": (dice.TaggedEvidence.decode, dice_tests.tagged([b"evidence", bytes(40)], 60000)),
    "Rekor entry": (foreign.check, foreign.ANSWER),
    "CCF receipt": (foreign.confirm, foreign.RECEIPT),
    "Oak endorsement": (Statement.decode, oak.STATEMENT),
    "note": (Note.decode, NOTE),
    "checkpoint": (Checkpoint.decode, HEAD.encode()),
    "proof": (Proof.decode, Proof(3, (bytes(32),), NOTE, b"extra").encode()),
    "entry": (Entry.decode, Entry("n", "r", bytes(48), 9, 1).encode()),
    "log policy": (lambda data: read_policy(data, max_age=60), TEXT_POLICY),
    "checkpoint memory": (CheckpointMemory.decode, CheckpointMemory((HEAD,)).encode()),
    "signed epoch": (SignedEpoch.decode, EPOCH.encode()),
    "revocations": (Revocations.decode, Revocations(1, 2, 3, frozenset({bytes(32), bytes(48)})).encode()),
}
"""Reader and something that it reads; the ID block's is refused, for its signer."""

UNBOUNDED = {"padded quote"}
"""What a driver returns to whoever makes evidence, and no peer."""

with_parsers = pytest.mark.parametrize("name", PARSERS)


def test_the_seeds_are_good() -> None:
    for name, (parse, seed) in PARSERS.items():
        if name == "ID block":
            with pytest.raises(PeerError, match=r"another key|not 96"):
                parse(seed)
        elif name == "service's answers":
            with pytest.raises(PeerError, match="issuer chain"):
                parse(seed)
        else:
            parse(seed)


@with_parsers
@settings(max_examples=25)
@given(data=st.data())
def test_contract(name: str, data: st.DataObject) -> None:
    parse, seed = PARSERS[name]
    check_contract(parse, data.draw(st.binary(max_size=300)))
    at = data.draw(st.integers(0, len(seed)))
    patch = data.draw(st.binary(max_size=8))
    check_contract(parse, seed[:at] + patch + seed[at + data.draw(st.integers(0, 8)) :])
    check_contract(parse, seed[:at] + patch)


FILLERS: dict[str, Callable[[int], bytes]] = {
    "zeros": bytes,
    "ones": lambda size: b"\xff" * size,
    "newlines": lambda size: b"\n" * size,
    "lines": lambda size: b"a b c\n" * (size // 6),
    "commas": lambda size: b"{" + b'"a":1,' * (size // 6) + b'"b":1}',
    "arrays": lambda size: b"[" * size,
    "objects": lambda size: b'{"a":' * (size // 5),
    "CBOR arrays": lambda size: b"\x81" * size,
    "empty elements": lambda size: tlv(0x30, b"\x05\x00" * (size // 2)),
    "elements in elements": lambda size: nested(size),
    "PEM": lambda size: b"-----BEGIN CERTIFICATE-----" * (size // 27),
}


def nested(size: int) -> bytes:
    """SEQUENCEs in each other, as deep as ``size`` bytes hold."""
    head = bytearray()
    left = size - 4
    while left > 0xFF:
        head += b"\x30\x83" + left.to_bytes(3, "big") if left > 0xFFFF else b"\x30\x82" + left.to_bytes(2, "big")
        left = size - len(head) - 4
    return bytes(head).ljust(size, b"\0")


@functools.cache
def filled(filler: str, size: int) -> bytes:
    return FILLERS[filler](size)


def calls(run: Callable[[], object]) -> int:
    """How many calls Python makes in ``run``, of its own functions and of built-in ones."""
    count = 0

    def seen(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    gc.disable()
    sys.setprofile(seen)
    try:
        check_contract(lambda _: run(), b"")
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@with_parsers
@pytest.mark.parametrize("filler", FILLERS)
def test_sizes(name: str, filler: str) -> None:
    """A megabyte of anything is refused by its size, or after as many steps as few bytes."""
    if name in UNBOUNDED:
        return
    parse, _ = PARSERS[name]
    assert calls(functools.partial(parse, filled(filler, 1 << 21))) < 3000


@with_parsers
@pytest.mark.parametrize("filler", FILLERS)
def test_linear(name: str, filler: str) -> None:
    """Four times the bytes are at most about four times the calls, up to the reader's bound."""
    parse, seed = PARSERS[name]
    small, large = (
        calls(functools.partial(parse, made))
        for size in (1500, 6000)
        for made in (seed[: len(seed) // 2] + filled(filler, size),)
    )
    assert large <= 4.5 * small + 100


DEEP = (b"[" * 4000, b'{"a":' * 3000, b"\x81" * 9000, b"\xa1\x00" * 6000, nested(8000), b"\xd2" * 5000)


@with_parsers
def test_depth(name: str) -> None:
    """No nesting ends in a RecursionError."""
    parse, seed = PARSERS[name]
    for deep in DEEP:
        check_contract(parse, deep)
        check_contract(parse, seed[: len(seed) // 2] + deep)
    check_contract(SignedEpoch.decode, b'{"version":' + b"[" * 2000 + b"]" * 2000 + b"}")


# -- each byte


def flips(data: bytes, step: int = 1) -> list[bytes]:
    return [data[:at] + bytes((data[at] ^ (1 << at % 8),)) + data[at + 1 :] for at in range(0, len(data), step)]


def test_no_byte_of_a_report_can_change() -> None:
    """The 672 signed bytes, both integers, and the reserved bytes around those, which have to be zero."""
    snp.decide(snp.GOOD)
    for changed in flips(snp.GOOD):
        with pytest.raises(PeerError):
            snp.decide(changed)


@pytest.mark.parametrize("part", Collateral.__slots__)
def test_no_byte_of_collateral_can_change(part: str) -> None:
    """Every part is signed, pinned, or a signature; one byte in 19 of each, and TDX's other tests draw more."""
    good = collateral.GOOD
    fields = {name: getattr(good, name) for name in Collateral.__slots__}
    for changed in flips(fields[part], 19):
        with pytest.raises(PeerError):
            collateral.verify(Collateral(**fields | {part: changed}))


@pytest.mark.parametrize("which", ["vcek", "ask", "ark"])
def test_no_byte_of_a_chain_can_change(which: str) -> None:
    for changed in flips(getattr(CHIP.endorsements, which), 7):
        with pytest.raises(PeerError):
            chain.verify(**{which: changed}, chip=CHIP)


# -- each bit of each field that policies judge


def refused_bits(check: Callable[[int], object], good: int) -> set[int]:
    """The bits of ``good``, which is accepted, that make a refused value when one of them is turned."""
    check(good)
    found = set()
    for place in range(64):
        try:
            check(good ^ 1 << place)
        except PolicyError:
            found.add(place)
    return found


def test_each_bit_of_a_report() -> None:
    """Bits 0 to 15 of the guest's policy are a version, compared apart; TSME and IOMMU_WRITE_SAFE only protect."""
    assert refused_bits(STRICT_GUEST.check, GUEST_POLICY) == set(range(16, 64))
    assert refused_bits(STRICT_PLATFORM.check, PLATFORM_INFO) == set(range(64)) - {1, 6}


def test_each_bit_of_a_quote() -> None:
    """LASS and PKS only protect; features that a policy allows may be absent, x87 and SSE may not."""
    assert refused_bits(STRICT_DOMAIN.check, 1 << 28) == set(range(64)) - {27, 30}
    allowed = {place for place in range(2, 64) if intel.XFAM >> place & 1}
    assert refused_bits(tdx.POLICY.check_xfam, intel.XFAM) == set(range(64)) - allowed


def test_each_bit_of_an_enclave() -> None:
    """CET, KSS and AEX-Notify take nothing away."""
    assert refused_bits(STRICT_ENCLAVE.check, 0b101) == set(range(64)) - {6, 7, 10}
    allowed = {place for place in range(2, 64) if sgx.XFRM >> place & 1}
    assert refused_bits(sgx.POLICY.check_xfrm, sgx.XFRM) == set(range(64)) - allowed


@pytest.mark.parametrize(
    "rules", [STRICT_GUEST, STRICT_PLATFORM, STRICT_DOMAIN, STRICT_ENCLAVE, STRICT_CONFIGURATION], ids=type
)
def test_each_rule(rules: Any) -> None:
    """Each bit that a policy can choose about, under each rule, set and clear."""
    base = replace(rules, **dict.fromkeys(rules._places, Rule.EITHER))
    fixed = sum(1 << place for place, rule in rules._fixed.values() if rule is Rule.SET)
    for name, place in rules._places.items():
        for rule, accepted in ((Rule.CLEAR, {0}), (Rule.SET, {1}), (Rule.EITHER, {0, 1})):
            chosen = replace(base, **{name: rule})
            for bit in (0, 1):
                if bit in accepted:
                    chosen.check(fixed | bit << place)
                else:
                    with pytest.raises(PolicyError, match=name):
                        chosen.check(fixed | bit << place)


FORMATS = {
    "SEV-SNP": lambda: snp.decide(snp.GOOD),
    "TDX": lambda: tdx.decide(tdx.EVIDENCE),
    "SGX": lambda: sgx.decide(sgx.EVIDENCE),
    "Nitro": nitro.Scene(evidence=nitro.EVIDENCE).appraise,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_appraisals_leave_nothing_behind(name: str) -> None:
    """After a warm-up, a thousand of them (of Nitro, which is slower, a hundred) hold less than 64 KiB."""
    run = FORMATS[name]
    for _ in range(20):
        run()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100 if name == "Nitro" else 1000):
            run()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 64 << 10
    finally:
        tracemalloc.stop()
