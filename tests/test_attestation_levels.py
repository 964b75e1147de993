"""Binding levels: less than a session is asked for by name, has types of its own, and releases nothing."""

from __future__ import annotations

import copy
import hashlib
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from privproc import attestation, ratls
from privproc.attestation import (
    NO_REVOCATIONS,
    KeyBinding,
    KeyEvidence,
    Level,
    PinnedMeasurement,
    SessionBinding,
    UnboundEvidence,
    VerifiedEvidence,
    nitro,
    sgx,
    snp,
    tdx,
)
from privproc.attestation.case import NoBinding, StatedBinding, appraise
from privproc.errors import ExpiredError, PeerError, PolicyError, UntrustedError, UsageError
from tests.world import sgx as enclaves
from tests.world.binding import bound
from tests.world.cases import (
    AT,
    AWS,
    BINDING,
    CHIP,
    DATA,
    DAY,
    FORMATS,
    INTEL,
    MEASUREMENT,
    PLATFORM,
    ROLE,
    case,
    logged,
    parts,
    revoking,
)

KEY = KeyBinding(DATA)
FORMAT = {"sev-snp": snp, "tdx": tdx, "sgx": sgx, "nitro": nitro}


def direct(kind: str) -> dict[str, Any]:
    """The arguments of a format's own functions but for the binding."""
    given = parts(kind)
    more = {
        "sev-snp": {"chain": CHIP.chain()},
        "tdx": {"collateral": INTEL.verified()},
        "sgx": {"collateral": enclaves.verified(INTEL)},
        "nitro": {"roots": AWS.roots},
    }
    return {
        "evidence": given["evidence"],
        "policy": given["policy"],
        "logged": logged(given["measurement"]).verify(ROLE, at=AT),
        "role": ROLE,
        "revocations": NO_REVOCATIONS,
        "at": AT,
        **more[kind],
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_each_level_has_a_type(kind: str) -> None:
    of, arguments = FORMAT[kind], direct(kind)
    session = of.appraise(binding=BINDING, **arguments)
    key = of.appraise_key(binding=KEY, **arguments)
    unbound = of.appraise_unbound(**arguments)
    assert [type(it) for it in (session, key, unbound)] == [of.VerifiedEvidence, of.KeyEvidence, of.UnboundEvidence]
    assert [it.level for it in (session, key, unbound)] == [Level.SESSION, Level.KEY, Level.NONE]
    for found, level in ((session, VerifiedEvidence), (key, KeyEvidence), (unbound, UnboundEvidence)):
        assert [isinstance(found, it) for it in (VerifiedEvidence, KeyEvidence, UnboundEvidence)].count(True) == 1
        assert isinstance(found, level)
        assert isinstance(found, of.Findings)
        assert found.binding == DATA
    assert session.checks == key.checks
    assert "binding" in session.checks
    missing = {"binding", "unused-fields"} if kind == "nitro" else {"binding"}
    assert [it for it in session.checks if it not in missing] == list(unbound.checks)


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_cases(kind: str) -> None:
    for binding, of in ((BINDING, VerifiedEvidence), (KEY, KeyEvidence), (NoBinding(), UnboundEvidence)):
        assert isinstance(appraise(case(kind, binding=binding)), of)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_key_is_compared(kind: str) -> None:
    for wrong in (DATA[:-1] + b"\0", b"\1" * 64):
        with pytest.raises(UntrustedError) as raised:
            appraise(case(kind, binding=KeyBinding(wrong)))
        assert raised.value.check == "binding"
    assert appraise(case(kind, binding=NoBinding())).binding == DATA


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "binding", [DATA, KEY, NoBinding(), None, b"", bytes(64), StatedBinding(Level.SESSION, DATA, b"", b"")]
)
def test_a_session_takes_the_binders_value_only(kind: str, binding: Any) -> None:
    with pytest.raises(UsageError, match="64 bytes that the binder makes"):
        FORMAT[kind].appraise(binding=binding, **direct(kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("binding", [DATA, BINDING, NoBinding(), None])
def test_a_key_takes_a_key_binding_only(kind: str, binding: Any) -> None:
    with pytest.raises(UsageError, match="KeyBinding"):
        FORMAT[kind].appraise_key(binding=binding, **direct(kind))


@pytest.mark.parametrize("binding", [DATA, None, StatedBinding(Level.SESSION, DATA, b"", b"")])
def test_a_case_takes_the_three_bindings_only(binding: Any) -> None:
    with pytest.raises(UsageError, match="a case is appraised with"):
        appraise(case("sev-snp", binding=binding))


def test_a_session_binding_is_the_binders() -> None:
    with pytest.raises(UsageError, match="binder"):
        SessionBinding(DATA)
    for attempt in (copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):  # noqa: S301
        with pytest.raises(UsageError):
            attempt(BINDING)
    assert BINDING == DATA
    assert isinstance(BINDING, SessionBinding)
    assert not isinstance(BINDING[:64], SessionBinding)


def channel(binding: bytes | None = None) -> tuple[ratls.Established, SessionBinding]:
    hello, pending = ratls.connect(ratls.Group.X25519MLKEM768)
    flight, _ = ratls.accept(ratls.Identity.generate(at=AT, lifetime=DAY), hello, ratls.Group.X25519MLKEM768)
    established = pending.finish(flight)
    return established, established.bind(role=ROLE, th1=bytes(48), announcement=b"keys")


def test_only_a_sessions_evidence_releases_a_channel() -> None:
    established, binding = channel()
    arguments = direct("sev-snp") | {"evidence": CHIP.report(measurement=MEASUREMENT, report_data=bytes(binding))}
    for below in (
        snp.appraise_key(binding=KeyBinding(bytes(binding)), **arguments),
        snp.appraise_unbound(**arguments),
    ):
        assert below.binding == binding  # the very bytes; and still
        with pytest.raises(UsageError, match="only appraised evidence"):
            established.release(below, at=AT)  # type: ignore[arg-type]
    assert established.release(snp.appraise(binding=binding, **arguments), at=AT)


MISUSES = {
    "release of a key's evidence": "established.release(key, at=0)",
    "release of unbound evidence": "established.release(unbound, at=0)",
    "a session's binding from bytes": "snp.appraise(b'', binding=bytes(64), policy=p, chain=c, logged=l, role='r', "
    "revocations=NO_REVOCATIONS, at=0)",
    "a session's binding from a key's": "snp.appraise(b'', binding=KeyBinding(b'x'), policy=p, chain=c, logged=l, "
    "role='r', revocations=NO_REVOCATIONS, at=0)",
    "a session's program pinned": "snp.appraise(b'', binding=b, policy=p, chain=c, logged=pinned, role='r', "
    "revocations=NO_REVOCATIONS, at=0)",
    "no word about revocation": "snp.appraise(b'', binding=b, policy=p, chain=c, logged=l, role='r', at=0)",
    "a key's case as a session's": "established.release(appraise(case), at=0)",
}
GOOD = (
    "established.release(snp.appraise(b'', binding=b, policy=p, chain=c, logged=l, role='r', "
    "revocations=NO_REVOCATIONS, at=0), at=0)"
)


@pytest.mark.loopback
def test_mypy_refuses_misuse(tmp_path: Path) -> None:
    """One line each, and each is an error; the honest line isn't."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    head = [
        "from privproc.attestation import NO_REVOCATIONS, KeyBinding, PinnedMeasurement, SessionBinding, snp",
        "from privproc.attestation.case import Case, appraise",
        "from privproc.ledger import Logged",
        "from privproc.ratls import Established",
        "def use(established: Established, key: snp.KeyEvidence, unbound: snp.UnboundEvidence, b: SessionBinding,",
        "        p: snp.Policy, c: snp.VerifiedChain, l: Logged, pinned: PinnedMeasurement, case: Case[KeyBinding],",
        "        ) -> None:",
    ]
    source = tmp_path / "misuse.py"
    source.write_text("\n".join([*head, *(f"    {line}" for line in (GOOD, *MISUSES.values()))]) + "\n")
    root = Path(attestation.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", "--no-error-summary", str(source)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = {int(line.split(":")[1]) for line in run.stdout.splitlines() if "misuse.py" in line and " error:" in line}
    first = len(head) + 2
    assert found == set(range(first, first + len(MISUSES))), run.stdout + run.stderr


@pytest.mark.parametrize("kind", FORMATS)
def test_a_pinned_program(kind: str) -> None:
    pinned = PinnedMeasurement(parts(kind)["measurement"])
    for binding in (KEY, NoBinding()):
        found = appraise(case(kind, binding=binding, log=pinned))
        assert {"role", "log"}.isdisjoint(found.checks)
        assert found.checks[-1] == "measurement"
        with pytest.raises(UntrustedError, match="not the pinned one") as raised:
            appraise(case(kind, binding=binding, log=PinnedMeasurement(b"\1" * 48)))
        assert raised.value.check == "measurement"
    with pytest.raises(UsageError, match="ledger"):
        appraise(case(kind, log=pinned))
    with pytest.raises(UsageError, match="logged is made"):
        FORMAT[kind].appraise(binding=BINDING, **direct(kind) | {"logged": pinned})


def test_arguments_that_can_not_be() -> None:
    for digest in (b"", bytes(48), bytes(47) + b"\1\1\1", "x" * 48, None):
        with pytest.raises(UsageError, match="48 bytes"):
            PinnedMeasurement(digest)  # type: ignore[arg-type]
    for parts_ in ((b"",), (bytes(64),), (b"", b"nonce"), (bytes(1025),), (None,), (b"\1" * 1025,)):
        with pytest.raises(UsageError, match="key's binding"):
            KeyBinding(*parts_)  # type: ignore[arg-type]
    for binding in (KeyBinding(b"\1" * 32), KeyBinding(DATA, b"nonce"), KeyBinding(DATA, b"", b"key")):
        for kind in ("sev-snp", "tdx", "sgx"):
            with pytest.raises(UsageError, match="hardware signs 64 bytes"):
                appraise(case(kind, binding=binding))
    for level, *rest in (
        (Level.NONE, b"x", b"", b""),
        (Level.SESSION, DATA[:63], b"", b""),
        (Level.SESSION, DATA, b"x", b""),
        (Level.SESSION, bytes(64), b"", b""),
        (Level.KEY, b"", b"", b""),
    ):
        with pytest.raises(UsageError):
            StatedBinding(level, *rest)
    for changes in (
        {"roots": case("tdx").roots},
        {"log": None},
        {"revocations": None},
        {"policy": None},
        {"binding": KEY, "role": ""},
    ):
        with pytest.raises(UsageError):
            appraise(case("sev-snp", **changes))
    for kind in ("tdx", "sgx", "nitro"):
        with pytest.raises(UsageError, match="another vendor"):
            appraise(case(kind, roots=case("sev-snp").roots))
    for kind in FORMATS:
        with pytest.raises(UsageError, match="NO_REVOCATIONS"):
            FORMAT[kind].appraise(binding=BINDING, **direct(kind) | {"revocations": None})


def test_keys_of_nitro_documents() -> None:
    """Another protocol's document: the key in ``public_key``, a nonce, nothing or anything in ``user_data``."""
    document = AWS.document(b"", public_key=b"key", nonce=b"nonce")
    good = KeyBinding(b"", b"nonce", b"key")
    assert appraise(case("nitro", evidence=document, binding=good)).level is Level.KEY
    for wrong in (replace(good, nonce=b""), replace(good, public_key=b"kez"), replace(good, report_data=b"x")):
        with pytest.raises(UntrustedError):
            appraise(case("nitro", evidence=document, binding=wrong))
    assert appraise(case("nitro", evidence=document, binding=NoBinding())).checks[-1] == "log"


def test_errors_name_their_stage() -> None:
    for kind, changes, check in (
        ("sev-snp", {"endorsements": b""}, "endorsements"),
        ("tdx", {"endorsements": b"x"}, "endorsements"),
        ("sgx", {"endorsements": case("tdx").endorsements}, "endorsements"),
        ("nitro", {"endorsements": b"x"}, "endorsements"),
        ("sev-snp", {"evidence": b""}, "decode"),
        ("tdx", {"evidence": b""}, "decode"),
        ("sgx", {"evidence": b""}, "decode"),
        ("sgx", {"evidence": case("tdx").evidence}, "decode"),
        ("nitro", {"evidence": b""}, "decode"),
        ("nitro", {"at": AT + 20000}, "chain"),
        ("nitro", {"evidence": AWS.document(DATA, pcrs={0: b"\1" * 48})}, "pcrs"),
        ("tdx", {"log": replace(case("tdx").log, proof=b"")}, "log-proof"),
        ("tdx", {"log": replace(case("tdx").log, namespace="other")}, "log-proof"),
        ("tdx", {"revocations": replace(revoking([]), max_age=1), "at": AT + 2}, "revocation-list"),
        ("sev-snp", {"at": AT - 21 * DAY}, "log-proof"),
        ("sev-snp", {"policy": replace(case("sev-snp").policy, vmpl=1)}, "vmpl"),
    ):
        with pytest.raises(PeerError) as raised:
            appraise(case(kind, **changes))
        assert raised.value.check == check, kind


# -- revocation


def identifiers(kind: str) -> dict[str, bytes]:
    found: Any = appraise(case(kind))
    measurement = {"measurement": parts(kind)["measurement"]}
    if kind == "sev-snp":
        return measurement | {"chip": CHIP.hwid, "certificate": found.chip_fingerprint}
    if kind in ("tdx", "sgx"):
        ids = {"ppid": hashlib.sha256(PLATFORM.ppid).digest(), "piid": hashlib.sha256(PLATFORM.piid).digest()}
        return measurement | ids | {"certificate": found.pck_fingerprint}
    module = hashlib.sha256(found.module_id.encode()).digest()
    return measurement | {"module": module, "certificate": found.chain_fingerprint}


@pytest.mark.parametrize("kind", FORMATS)
def test_revoked(kind: str) -> None:
    for name, digest in identifiers(kind).items():
        with pytest.raises(PolicyError, match="revoked") as raised:
            appraise(case(kind, revocations=revoking([digest])))
        assert raised.value.check == "revocation-list", name
    unrelated = appraise(case(kind, revocations=revoking([b"\1" * 48, b"\2" * 64, bytes(32)])))
    assert unrelated.checks == (*appraise(case(kind)).checks, "revocation-list")


def test_who_signed_an_id_block_can_be_revoked() -> None:
    keys = {"id_key_digest": b"\1" * 48, "author_key_digest": b"\2" * 48}
    policy = parts("sev-snp")["policy"]
    policy = replace(policy, id_block=replace(policy.id_block, **keys))
    evidence = CHIP.report(measurement=MEASUREMENT, report_data=DATA, flags=1, **keys)
    good = case("sev-snp", policy=policy, evidence=evidence)
    appraise(replace(good, revocations=revoking([bytes(48)])))  # absent keys are no entries
    for digest in keys.values():
        with pytest.raises(PolicyError, match="revoked"):
            appraise(replace(good, revocations=revoking([digest])))


def test_a_small_chip_is_revoked_by_its_padded_name() -> None:
    from privproc.attestation.snp import Product
    from tests.world.amd import FakeAmd, strict_policy

    amd = FakeAmd.generate(Product.TURIN, AT)
    chip = amd.chip()
    turin = case(
        "sev-snp",
        evidence=chip.report(measurement=MEASUREMENT, report_data=DATA),
        endorsements=chip.endorsements.encode(),
        policy=strict_policy(chip),
        roots=amd.roots,
    )
    appraise(turin)
    with pytest.raises(PolicyError, match="revoked"):
        appraise(replace(turin, revocations=revoking([chip.hwid.ljust(64, b"\0")])))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_list_ends_the_outcome(kind: str) -> None:
    listed = replace(revoking([bytes(32)]), max_age=60)
    assert appraise(case(kind, revocations=listed)).not_after == AT + 60
    with pytest.raises(ExpiredError):
        appraise(case(kind, revocations=listed, at=AT + 60))


def test_a_list_of_another_namespace() -> None:
    arguments = direct("sev-snp")
    listed = revoking([]).verify(at=AT)
    fields = {name: getattr(listed, name) for name in type(listed).__dataclass_fields__}
    foreign = type(listed)._earn(**fields | {"namespace": "elsewhere"})
    snp.appraise(binding=BINDING, **arguments | {"revocations": listed})
    with pytest.raises(UsageError, match="another namespace"):
        snp.appraise(binding=BINDING, **arguments | {"revocations": foreign})


def test_the_helper_is_honest() -> None:
    assert bound(b"") == b""
    assert not isinstance(bound(bytes(64)), SessionBinding)
