"""Grants and quotas: a batch for a grant that its holder shows, as many tokens as were decided, what they commit to."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import hmac
import pickle
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from privproc import trust
from privproc.blindrsa import PrivateKey
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    PeerError,
    ReplayError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.secret import Secret
from privproc.tokens import (
    BLIND_RSA,
    MAX_GRANT_BATCH,
    VOPRF_RISTRETTO255,
    BoundToken,
    Decision,
    Grant,
    GrantRequest,
    Issuer,
    IssuerKey,
    MemoryQuotas,
    Origin,
    ProofKey,
    QuotaLedger,
    Source,
    TokenChallenge,
    TokenKey,
    Wallet,
    grants,
    redeem_grant,
    request_bound,
    request_generic_batch,
    verify_grant,
    verify_possession,
)
from privproc.tokens.possession import NONCE_PREFIX
from tests.codec import check_codec, check_contract

AT = 1_800_000_000
DAY = 86400
EPOCH = 20833
GRANT_RSA, TOKEN_RSA = PrivateKey.generate(), PrivateKey.generate()
GRANT_KEY, TOKEN_KEY = TokenKey.of(GRANT_RSA.public_key), TokenKey.of(TOKEN_RSA.public_key)
GRANT_CHALLENGE = TokenChallenge(BLIND_RSA, "grants.example", b"", ("issuer.example",))
CHALLENGE = TokenChallenge(BLIND_RSA, "issuer.example", bytes(32), ("gateway.example",))
GRANT_ISSUER = Issuer([IssuerKey(GRANT_RSA, AT - DAY, AT + DAY)])
ISSUER = Issuer([IssuerKey(TOKEN_RSA, AT - DAY, AT + DAY)])


def pinned(key: TokenKey, not_after: int = AT + DAY):
    return trust.pin(key, key.encoded, not_before=AT - DAY, not_after=not_after)


ORIGIN = Origin([pinned(GRANT_KEY)])
GATEWAY = Origin([pinned(TOKEN_KEY)])


def bought(challenge: TokenChallenge = GRANT_CHALLENGE, issuer: Issuer = GRANT_ISSUER, key: TokenKey = GRANT_KEY):
    wire, pending = request_bound(challenge, pinned(key), at=AT)
    return pending.finish(issuer.issue(wire, at=AT))


GRANT = Grant(bought())


def ask(count: int = 2, grant: Grant = GRANT, epoch: int = EPOCH):
    return grant.request(CHALLENGE, pinned(TOKEN_KEY), count=count, epoch=epoch, at=AT)


def redeem(wire: bytes, *, origin: Origin = ORIGIN, challenge=GRANT_CHALLENGE, epoch: int = EPOCH, at: int = AT):
    return redeem_grant(wire, origin=origin, challenge=challenge, epoch=epoch, at=at)


def test_a_grant_buys_tokens_that_a_gateway_takes():
    ledger: QuotaLedger = MemoryQuotas(10)
    wire, pending = ask(3)
    use = redeem(wire)
    assert use.count == 3
    ledger.charge(use.decision(limit=3), count=use.count, once=use.once)
    answer = use.issue(ISSUER, at=AT)
    assert (answer.status, answer.issued) == (200, 3)
    found = pending.finish(answer.content)
    for bound in found:
        grant, opening = GRANT.open(bound._look()[1])
        token, proof_key = bound.spend()
        GATEWAY.redeem(token, challenge=CHALLENGE, at=AT)
        verify_possession(proof_key.statement, token.nonce, bytes(48), proof_key.sign(bytes(48)))
        verify_grant(proof_key.statement, opening, ORIGIN.redeem(grant, challenge=GRANT_CHALLENGE, at=AT))
    again, _ = ask(1)
    use = redeem(again)
    with pytest.raises(LimitError):
        ledger.charge(use.decision(limit=3), count=use.count, once=use.once)
    later = redeem(ask(1, epoch=EPOCH + 1)[0], epoch=EPOCH + 1)
    ledger.charge(later.decision(limit=3), count=later.count, once=later.once)


def test_bought_tokens_go_into_a_wallet():
    wire, pending = ask(2)
    source = Source.of(CHALLENGE, TOKEN_KEY)
    wallet = Wallet()
    plan = wallet.plan(source, count=2, opens=AT, closes=AT + 1, expires=AT + DAY, at=AT)
    found = pending.finish(redeem(wire).issue(ISSUER, at=AT).content)
    wallet.add(plan, [one for one in found if one is not None], at=AT)
    key = Secret(bytes(32))
    token, proof_key = Wallet.load(wallet.save(key), key).take(source, at=AT).spend()
    GATEWAY.redeem(token, challenge=CHALLENGE, at=AT)
    GRANT.open(proof_key)  # nothing more had to be kept


def test_the_commitment_byte_for_byte():
    def lp(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    _, pending = ask(1)
    proof_key = pending._look()[0][1]._look()[1]
    token, opening = GRANT.open(proof_key)
    private = proof_key.to_secret().expose()[:32]
    assert opening == hmac.digest(private, lp(b"privproc/1 grant-opening"), "sha256")
    salt = hashlib.sha256(lp(b"privproc/1 grant") + lp(opening) + lp(token.encode())).digest()
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    pop = b"\x08\x07" + public + salt
    assert proof_key.statement == pop
    assert proof_key.nonce == hashlib.sha256(NONCE_PREFIX + lp(pop)).digest()


def test_no_two_tokens_share_anything():
    keys = [pending._look()[1] for pending in (one[1] for one in ask(3)[1]._look())]
    assert len({key.statement[2:34] for key in keys}) == 3
    assert len({key.statement[34:] for key in keys}) == 3
    assert len({GRANT.open(key)[1] for key in keys}) == 3


def test_another_grants_token_does_not_open():
    mine = ask(1)[1]._look()[0][1]._look()[1]
    token, opening = GRANT.open(mine)
    redemption = ORIGIN.redeem(token, challenge=GRANT_CHALLENGE, at=AT)
    verify_grant(mine.statement, opening, redemption)
    other = Grant(bought())
    with pytest.raises(UsageError):
        other.open(mine)
    with pytest.raises(UsageError):
        GRANT.open(ProofKey.generate())
    others = ORIGIN.redeem(other._token, challenge=GRANT_CHALLENGE, at=AT)
    for pop, shown, grant in (
        (mine.statement, opening, others),
        (mine.statement, bytes(32), redemption),
        (ProofKey.generate().statement, opening, redemption),
    ):
        with pytest.raises(UntrustedError):
            verify_grant(pop, shown, grant)
    for pop, shown in ((b"", opening), (mine.statement[:-1], opening), (mine.statement, b""), (mine.statement, b"1")):
        with pytest.raises(DecodeError):
            verify_grant(pop, shown, redemption)


# The request.


def test_request_codec():
    wire, _ = ask(1)
    check_codec(GrantRequest.decode, wire, reencode=GrantRequest.encode)
    asked = GrantRequest.decode(wire)
    assert (asked.epoch, asked.token_key_id, len(wire)) == (
        EPOCH,
        TOKEN_KEY.key_id,
        1 + 8 + 32 + 354 + 66 + 64 + 3 + 261,
    )
    for version in (0, 2):
        with pytest.raises(UnsupportedError):
            GrantRequest.decode(bytes((version,)) + wire[1:])


@given(st.binary(max_size=600))
def test_contract(data: bytes):
    check_contract(GrantRequest.decode, data)
    check_contract(GrantRequest.decode, b"\1" + bytes(40) + b"\0\2" + data)
    with contextlib.suppress(PeerError):
        redeem(data)


@given(st.integers(0, 588), st.integers(1, 255))
def test_no_byte_can_be_changed(position: int, flip: int):
    changed = bytearray(WIRE)
    changed[position] ^= flip
    with pytest.raises(PeerError):
        redeem(bytes(changed))


WIRE = ask(1)[0]


def test_what_is_refused():
    asked = GrantRequest.decode(WIRE)
    other = GrantRequest.decode(ask(1)[0])
    thief = ProofKey.generate()

    def changed(**fields) -> bytes:
        return dataclasses.replace(asked, **fields).encode()

    stolen = changed(pop=thief.statement, proof=thief.sign(asked.signed))
    cases = [
        (DecodeError, changed(batch=b"\0"), {}),
        (UnsupportedError, changed(batch=b"\2\0\3"), {}),
        (ExpiredError, WIRE, {"epoch": EPOCH + 1}),
        (ExpiredError, WIRE, {"epoch": EPOCH - 1}),
        (SignatureError, changed(epoch=EPOCH + 1), {"epoch": EPOCH + 1}),
        (SignatureError, changed(token_key_id=bytes(32)), {}),
        (SignatureError, changed(batch=other.batch), {}),
        (SignatureError, changed(proof=other.proof), {}),
        (UntrustedError, stolen, {}),  # a copied grant is of no use without its key
        (UntrustedError, WIRE, {"challenge": CHALLENGE}),
        (UntrustedError, WIRE, {"origin": GATEWAY}),
        (ExpiredError, WIRE, {"at": AT + DAY}),
        (SignatureError, changed(grant=dataclasses.replace(asked.grant, authenticator=bytes(256))), {}),
    ]
    for kind, wire, terms in cases:
        with pytest.raises(kind):
            redeem(wire, **terms)


def test_a_proof_over_a_session_is_none_over_a_request():
    asked = GrantRequest.decode(WIRE)
    for th1 in (bytes(48), hashlib.sha384(asked.encode()).digest()):
        with pytest.raises(SignatureError):
            redeem(dataclasses.replace(asked, proof=GRANT._proof_key.sign(th1)).encode())


def test_the_whole_key_id_counts():
    """The request names its key with one byte; the proof names it whole."""
    wire, _ = ask(1)
    asked = GrantRequest.decode(wire)
    lies = dataclasses.replace(asked, token_key_id=bytes(31) + TOKEN_KEY.key_id[-1:])
    use = redeem(dataclasses.replace(lies, proof=GRANT._proof_key.sign(lies.signed)).encode())
    with pytest.raises(UnsupportedError):
        use.issue(ISSUER, at=AT)
    use = redeem(wire)
    with pytest.raises(ExpiredError):
        use.issue(ISSUER, at=AT + DAY)
    with pytest.raises(SpentError):
        use.issue(ISSUER, at=AT)


def test_too_many():
    with pytest.raises(UsageError):
        ask(0)
    with pytest.raises(UsageError):
        ask(MAX_GRANT_BATCH + 1)
    for epoch in (-1, 1 << 63):
        with pytest.raises(UsageError):
            ask(1, epoch=epoch)
    with pytest.raises(UnsupportedError):
        other = TokenChallenge(VOPRF_RISTRETTO255, "issuer.example", b"", ())
        GRANT.request(other, pinned(TOKEN_KEY), count=1, epoch=EPOCH, at=AT)
    with pytest.raises(ExpiredError):
        GRANT.request(CHALLENGE, pinned(TOKEN_KEY, AT), count=1, epoch=EPOCH, at=AT)
    one = request_bound(CHALLENGE, pinned(TOKEN_KEY), at=AT)
    batch, _ = request_generic_batch([one] * (MAX_GRANT_BATCH + 1))
    asked = dataclasses.replace(GrantRequest.decode(WIRE), batch=batch)
    with pytest.raises(DecodeError):
        redeem(asked.encode())
    small = b"".join(b"\0\5\0" + bytes(32) for _ in range(MAX_GRANT_BATCH + 1))
    vector = (1 << 31 | len(small)).to_bytes(4, "big") + small
    with pytest.raises(LimitError):
        redeem(dataclasses.replace(asked, batch=vector).encode())


def test_as_many_as_there_may_be():
    one = request_bound(CHALLENGE, pinned(TOKEN_KEY), at=AT)
    batch, _ = request_generic_batch([one] * MAX_GRANT_BATCH)
    asked = dataclasses.replace(GrantRequest.decode(WIRE), batch=batch)
    asked = dataclasses.replace(asked, proof=GRANT._proof_key.sign(asked.signed))
    assert redeem(asked.encode()).count == MAX_GRANT_BATCH


def test_a_use_is_left_once():
    use = redeem(WIRE)
    assert use.once == redeem(WIRE).once != redeem(ask(1)[0]).once
    use.issue(ISSUER, at=AT)
    for again in (
        lambda: use.issue(ISSUER, at=AT),
        lambda: use.decision(limit=1),
        lambda: use.once,
        lambda: use.count,
    ):
        with pytest.raises(SpentError):
            again()


def test_a_replayed_request_is_charged_once():
    ledger = MemoryQuotas(10)
    for expected in (contextlib.nullcontext(), pytest.raises(ReplayError)):
        use = redeem(WIRE)
        with expected:
            ledger.charge(use.decision(limit=9), count=use.count, once=use.once)


# Keeping a grant.


def test_a_grant_is_kept():
    stored = GRANT.to_secret()
    again = Grant.from_secret(stored)
    assert again.to_secret() == stored
    redeem(ask(1, again)[0])
    data = stored.expose()
    for cut in range(len(data)):
        with pytest.raises(PeerError):
            Grant.from_secret(Secret(data[:cut]))
    with pytest.raises(DecodeError):
        Grant.from_secret(Secret(data + b"\0"))
    with pytest.raises(DecodeError):
        Grant.from_secret(Secret(ProofKey.generate().to_secret().expose() + data[64:]))
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(GRANT)
    assert repr(GRANT) == "<Grant>"
    spent = bought()
    spent.spend()
    with pytest.raises(SpentError):
        Grant(spent)
    assert isinstance(bought(), BoundToken)


# Decisions and ledgers.


def test_decisions():
    key, other = Secret(bytes(32)), Secret(bytes(31) + b"\1")
    one = Decision.of(b"alice", key=key, epoch=1, limit=5)
    label = len(b"privproc/1 account").to_bytes(4, "big") + b"privproc/1 account"
    message = label + (1).to_bytes(8, "big") + b"\0\0\0\5alice"
    assert one == Decision(hmac.digest(bytes(32), message, "sha256"), 1, 5)
    accounts = {
        Decision.of(identity, key=secret, epoch=epoch, limit=0).account
        for identity in (b"alice", b"bob", b"")
        for secret in (key, other)
        for epoch in (0, 1)
    }
    assert len(accounts) == 12
    for wrong in (
        lambda: Decision.of(b"alice", key=Secret(bytes(31)), epoch=1, limit=5),
        lambda: Decision.of(b"alice", key=key, epoch=-1, limit=5),
        lambda: Decision.of(b"alice", key=key, epoch=1 << 63, limit=5),
        lambda: Decision(bytes(31), 0, 0),
        lambda: Decision(bytes(32), -1, 0),
        lambda: Decision(bytes(32), 0, -1),
    ):
        with pytest.raises(UsageError):
            wrong()


def once(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_ledger():
    ledger = MemoryQuotas(4)
    alice, bob = Decision(b"a" * 32, 7, 5), Decision(b"b" * 32, 7, 5)
    ledger.charge(alice, count=3, once=once(1))
    with pytest.raises(LimitError):
        ledger.charge(alice, count=3, once=once(2))
    ledger.charge(alice, count=2, once=once(2))
    with pytest.raises(ReplayError):
        ledger.charge(alice, count=1, once=once(1))
    ledger.charge(bob, count=5, once=once(1))
    with pytest.raises(LimitError):  # a decision that got smaller
        ledger.charge(dataclasses.replace(bob, limit=4), count=1, once=once(3))
    ledger.charge(dataclasses.replace(bob, limit=6), count=1, once=once(3))
    with pytest.raises(LimitError, match="holds"):
        ledger.charge(dataclasses.replace(alice, epoch=8), count=1, once=once(1))
    assert len(ledger) == 4
    for _ in range(2):
        ledger.close(7)
        assert len(ledger) == 0
    ledger.close(3)
    for epoch in (0, 7):
        with pytest.raises(ExpiredError):
            ledger.charge(dataclasses.replace(alice, epoch=epoch), count=1, once=once(9))
    ledger.charge(dataclasses.replace(alice, epoch=8), count=5, once=once(1))
    ledger.close(7)
    assert len(ledger) == 1
    with pytest.raises(LimitError):
        ledger.charge(Decision(b"c" * 32, 8, 0), count=1, once=once(1))
    for count, digest in ((0, once(5)), (-1, once(5)), (1, b""), (1, bytes(33))):
        with pytest.raises(UsageError):
            ledger.charge(dataclasses.replace(alice, epoch=8, limit=99), count=count, once=digest)
    with pytest.raises(UsageError):
        MemoryQuotas(0)


def test_a_race_does_not_pass_the_limit():
    ledger = MemoryQuotas(1000)
    granted: list[int] = []
    start = threading.Barrier(8)

    def run(thread: int) -> None:
        start.wait()
        for n in range(20):
            with contextlib.suppress(LimitError):
                ledger.charge(Decision(bytes(32), 1, 50), count=3, once=once(100 * thread + n))
                granted.append(3)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 48


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 4), st.integers(0, 5)), max_size=40))
def test_ledger_against_a_list(charges):
    """What it took, kept as a list: never over the limit, no request twice, and it refuses nothing else."""
    ledger = MemoryQuotas(1000)
    taken: list[tuple[int, int, int, int]] = []
    for epoch, account, count, number in charges:
        mine = [charge for charge in taken if charge[:2] == (epoch, account)]
        fits = sum(charge[2] for charge in mine) + count <= 7 and number not in [charge[3] for charge in mine]
        try:
            ledger.charge(Decision(bytes((account,)) * 32, epoch, 7), count=count, once=once(number))
        except (LimitError, ReplayError):
            assert not fits
        else:
            assert fits
            taken.append((epoch, account, count, number))
    assert len(ledger) == len(taken)


def test_labels_are_not_the_sessions():
    assert {grants.REQUEST_LABEL, grants.ACCOUNT_LABEL}.isdisjoint(
        {"open", "outer", "package", "pre", "bind", "attested"}
    )
