"""ARC: limits, contexts and framings, and everything that must not pass. Its vectors run with the others."""

from __future__ import annotations

import copy
import pickle

import pytest
from Crypto.Math.Numbers import Integer
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, LimitError, PeerError, SignatureError, SpentError, UsageError
from privproc.secret import Secret
from privproc.tokens.experimental import arc, sigma
from privproc.tokens.experimental.arc import Framing, client, messages, parameters, presentation_size
from tests.codec import check_contract

KEY = arc.ServerKey.generate(Framing.SIGMA_APRIL_2026)
REQUEST, CONTEXT = b"issuer.example", b"origin.example"


def issue(key: arc.ServerKey = KEY, context: bytes = REQUEST) -> arc.Credential:
    wire, pending = arc.request(key.public_key, context)
    assert len(wire) == arc.REQUEST_SIZE
    response = key.respond(wire)
    assert len(response) == arc.RESPONSE_SIZE
    return pending.finish(response)


def verify(wire: bytes, limit: int, *, key: arc.ServerKey = KEY, request=REQUEST, context=CONTEXT) -> bytes:
    return key.verify(wire, request_context=request, presentation_context=context, limit=limit)


CREDENTIAL = issue()


@pytest.mark.parametrize("framing", Framing)
def test_round_trip(framing: Framing) -> None:
    key = arc.ServerKey.generate(framing)
    shown = issue(key).presentations(CONTEXT, limit=3).present()
    tag = verify(shown, 3, key=key)
    assert len(tag) == 33
    for other in set(Framing) - {framing}:
        with pytest.raises(SignatureError):
            verify(shown, 3, key=arc.ServerKey(other, key.to_secret()))


@pytest.mark.parametrize("limit", [2, 3, 4, 5, 6, 7])
def test_a_credential_is_shown_up_to_its_limit(limit: int) -> None:
    presentations = CREDENTIAL.presentations(CONTEXT, limit=limit)
    shown = [presentations.present() for _ in range(limit)]
    assert {len(wire) for wire in shown} == {presentation_size(limit)}
    assert len({verify(wire, limit) for wire in shown}) == limit
    with pytest.raises(LimitError):
        presentations.present()
    assert presentations.used == limit


def test_tags() -> None:
    """The same number in the same context, and only that, makes the same tag; nothing else comes again."""
    first, again = (CREDENTIAL.presentations(CONTEXT, limit=4, used=used).present() for used in (1, 1))
    assert verify(first, 4) == verify(again, 4)
    assert not {first[at : at + 33] for at in range(0, 99, 33)} & {again[at : at + 33] for at in range(0, 99, 33)}
    other = CREDENTIAL.presentations(b"other", limit=4, used=1).present()
    assert verify(other, 4, context=b"other") != verify(first, 4)
    assert verify(issue().presentations(CONTEXT, limit=4, used=1).present(), 4) != verify(first, 4)


def test_the_number_is_not_in_the_presentation() -> None:
    """What the token of the protocol's draft carries in clear beside it."""
    sizes = {len(CREDENTIAL.presentations(CONTEXT, limit=200, used=used).present()) for used in (0, 1, 127, 199)}
    assert sizes == {presentation_size(200)}


def test_what_else_a_presentation_is_for() -> None:
    shown = CREDENTIAL.presentations(CONTEXT, limit=5).present()
    verify(shown, 5)
    for refused in (
        lambda: verify(shown, 5, request=b"other"),
        lambda: verify(shown, 5, context=b"other"),
        lambda: verify(shown, 8),  # as many bits, other bases
        lambda: verify(shown, 5, key=arc.ServerKey.generate(Framing.SIGMA_APRIL_2026)),
    ):
        with pytest.raises(SignatureError):
            refused()
    for limit in (4, 9, 2):
        with pytest.raises(DecodeError):
            verify(shown, limit)


def test_a_number_beyond_the_limit_has_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that ignores its own limit."""
    presentations = CREDENTIAL.presentations(CONTEXT, limit=5)
    presentations.limit, presentations.used = 5, 4
    presentations.present()
    presentations.used = 5
    monkeypatch.setattr(client, "bases", lambda limit: [2, 2, 1])
    object.__setattr__(presentations, "limit", 6)
    wire = presentations.present()
    monkeypatch.undo()
    with pytest.raises(SignatureError):
        verify(wire, 5)


def test_bits_that_arent_the_number() -> None:
    """The sum is checked outside of the proof: a proof over other bits is still a proof."""
    shown = CREDENTIAL.presentations(CONTEXT, limit=4).present()
    swapped = shown[:165] + shown[198:231] + shown[165:198] + shown[231:]
    with pytest.raises(SignatureError, match="bits"):
        verify(swapped, 4)


@pytest.mark.slow
@given(st.integers(0, 743), st.integers(1, 255))
def test_every_byte_counts(place: int, change: int) -> None:
    with pytest.raises(PeerError):
        verify(SHOWN[:place] + bytes((SHOWN[place] ^ change,)) + SHOWN[place + 1 :], 5)


SHOWN = CREDENTIAL.presentations(CONTEXT, limit=5, used=3).present()


@pytest.mark.slow
@given(st.integers(0, arc.REQUEST_SIZE - 1), st.integers(1, 255))
def test_every_byte_of_a_request_counts(place: int, change: int) -> None:
    wire, _ = arc.request(KEY.public_key, REQUEST)
    with pytest.raises(PeerError):
        KEY.respond(wire[:place] + bytes((wire[place] ^ change,)) + wire[place + 1 :])


@pytest.mark.slow
@given(st.integers(0, arc.RESPONSE_SIZE - 1), st.integers(1, 255))
def test_every_byte_of_a_response_counts(place: int, change: int) -> None:
    wire, pending = arc.request(KEY.public_key, REQUEST)
    response = KEY.respond(wire)
    with pytest.raises(PeerError):
        pending.finish(response[:place] + bytes((response[place] ^ change,)) + response[place + 1 :])
    with pytest.raises(SpentError):
        pending.finish(response)


@given(st.binary(max_size=500))
def test_contract(data: bytes) -> None:
    check_contract(KEY.respond, data)
    check_contract(arc.request(KEY.public_key, REQUEST)[1].finish, data)
    check_contract(lambda wire: verify(wire, 5), data)
    check_contract(lambda wire: arc.PublicKey(Framing.SIGMA_APRIL_2026, wire), data)
    for wire in (SHOWN[:-1], SHOWN + b"\0"):
        with pytest.raises(DecodeError):
            verify(wire, 5)


@given(st.integers(2, arc.MAX_LIMIT), st.data())
def test_bases(limit: int, data: st.DataObject) -> None:
    weights = parameters.bases(limit)
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == limit - 1
    assert min(weights) > 0
    number = data.draw(st.integers(0, limit - 1))
    values, blinds, _ = client._decomposed(number, Integer(5), weights)
    assert sum(int(value) * weight for value, weight in zip(values, weights, strict=True)) == number
    total = sum(int(blind) * weight for blind, weight in zip(blinds, weights, strict=True))
    assert total % int(sigma.P256.order) == 5


def test_a_response_of_another_key() -> None:
    wire, pending = arc.request(KEY.public_key, REQUEST)
    with pytest.raises(SignatureError):
        pending.finish(arc.ServerKey.generate(Framing.SIGMA_APRIL_2026).respond(wire))


def test_what_cant_be_made() -> None:
    for limit in (1, 0, -1, arc.MAX_LIMIT + 1):
        with pytest.raises(UsageError):
            CREDENTIAL.presentations(CONTEXT, limit=limit)
        with pytest.raises(UsageError):
            presentation_size(limit)
        with pytest.raises(UsageError):
            verify(SHOWN, limit)
    for used in (-1, 6):
        with pytest.raises(UsageError):
            CREDENTIAL.presentations(CONTEXT, limit=5, used=used)
    for scalars in (b"", bytes(128), b"\xff" * 128):
        with pytest.raises(DecodeError):
            arc.ServerKey(Framing.SIGMA_APRIL_2026, Secret(scalars))
    for value in (KEY, CREDENTIAL, CREDENTIAL.presentations(CONTEXT, limit=5)):
        for copying in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                copying(value)


def test_reprs_are_opaque() -> None:
    wire, pending = arc.request(KEY.public_key, REQUEST)
    shown = repr((KEY, CREDENTIAL, pending, pending._look(), CREDENTIAL.presentations(CONTEXT, limit=5)))
    response = messages.Response.read(messages.Reader(KEY.respond(wire), "response"))
    shown += repr((response, messages.Presentation.read(messages.Reader(SHOWN, "presentation"), 3)))
    for scalar in (*KEY._scalars, CREDENTIAL._m1, *pending._look()[2]):
        assert str(int(scalar)) not in shown
    assert "0 of 5" in shown


def test_proofs_of_the_identity() -> None:
    """Responses that make a commitment the identity, which has no encoding."""
    relation = sigma.Relation(sigma.P256)
    (x,) = relation.allocate(1)
    base = sigma.P256.group.multiply_base((1).to_bytes(32, "big"))
    g, lhs = relation.add(base, sigma.P256.group.multiply_base((3).to_bytes(32, "big")))
    relation.equate(lhs, (x, g))
    proof = (2).to_bytes(32, "big") + (6).to_bytes(32, "big")
    with pytest.raises(SignatureError):
        sigma.verify(Framing.SIGMA_APRIL_2026, b"", relation, proof)
    with pytest.raises(DecodeError):
        sigma.verify(Framing.SIGMA_APRIL_2026, b"", relation, proof + bytes(32))


def test_proofs_in_which_everything_cancels_out() -> None:
    """Whoever makes a relation's element another one's equal decides what is left of a sum."""
    suite = sigma.P256
    relation = sigma.Relation(suite)
    x, y = relation.allocate(2)
    three = suite.multiply(Integer(3), suite.generator)
    first, same, g = relation.add(three, suite.multiply(Integer(3), suite.generator), suite.generator)
    relation.equate(first, (x, same))
    relation.equate(first, (x, first), (y, g))
    proof = b"".join(value.to_bytes(32, "big") for value in (2, 2, 1))
    with pytest.raises(SignatureError):
        sigma.verify(Framing.SIGMA_APRIL_2026, b"", relation, proof)
    relation.equations.pop(0)  # of the other, the generator is left
    with pytest.raises(SignatureError):
        sigma.verify(Framing.SIGMA_APRIL_2026, b"", relation, proof)
