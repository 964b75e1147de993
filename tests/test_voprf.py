"""OPRF, VOPRF and POPRF: every suite and backend against each other, against plain arithmetic and PyPI's voprf."""

from __future__ import annotations

import copy
import math
import os
import pickle
from dataclasses import replace

import Crypto
import pytest
import voprf as peer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from privproc import voprf
from privproc.errors import DecodeError, LimitError, SignatureError, SpentError, UsageError
from privproc.secret import Secret
from privproc.vectors._kinds.voprf import PORTABLE, SODIUM, SUITES
from privproc.voprf import dleq, field, hash_to_curve, keys, points, protocol, sodium
from privproc.voprf import suite as suites
from privproc.voprf.group import IntegerScalars
from privproc.voprf.hash_to_curve import Expander
from privproc.voprf.nist import P256, P384, P521
from privproc.voprf.points import _SHARED
from privproc.voprf.ristretto import ORDER, Ed25519Ristretto
from tests.codec import check_codec, check_contract

ALL = [suite for found in SUITES.values() for suite in found]
NAMES = [f"{suite.identifier}-{type(suite.group).__name__}" for suite in ALL]
every = pytest.mark.parametrize("suite", ALL, ids=NAMES)
needs_sodium = pytest.mark.skipif(SODIUM is None, reason="libsodium is not on this system")
KEYS = {id(suite): voprf.PrivateKey.generate(suite) for suite in ALL}


def key_of(suite: voprf.Suite) -> voprf.PrivateKey:
    return KEYS[id(suite)]


def order_of(suite: voprf.Suite) -> int:
    return ORDER if suite.identifier == PORTABLE.identifier else int(suite.group.scalars._order)


def scalar_of(suite: voprf.Suite, value: int) -> bytes:
    byteorder = "little" if suite.identifier == PORTABLE.identifier else "big"
    return (value % order_of(suite)).to_bytes(suite.group.scalars.size, byteorder)


def value_of(suite: voprf.Suite, scalar: bytes) -> int:
    return int.from_bytes(scalar, "little" if suite.identifier == PORTABLE.identifier else "big")


def base(suite: voprf.Suite, value: int) -> bytes:
    return suite.group.encode(suite.group.multiply_base(scalar_of(suite, value)))


# --- the protocols


@every
@pytest.mark.parametrize("count", [1, 2, 7])
def test_round_trips(suite, count):
    key = key_of(suite)
    inputs = [os.urandom(5) for _ in range(count - 1)] + [b""]
    info = b"info"
    server, poprf = voprf.VoprfServer(key), voprf.PoprfServer(key, info)
    blinded, pending = voprf.VoprfClient(key.public_key).blind(inputs)
    assert {len(element) for element in blinded} == {suite.group.element_size}
    evaluated, proof = server.blind_evaluate(blinded)
    assert len(proof) == suite.proof_size
    verified = pending.finish(evaluated, proof)
    assert verified == tuple(map(server.evaluate, inputs))
    assert {len(output) for output in verified} == {suite.output_size}

    blinded, pending = voprf.PoprfClient(key.public_key, info).blind(inputs)
    partly = pending.finish(*poprf.blind_evaluate(blinded))
    assert partly == tuple(map(poprf.evaluate, inputs))

    blinded, pending = voprf.OprfClient(suite).blind(inputs)
    plain = pending.finish(voprf.OprfServer(key).blind_evaluate(blinded))
    assert plain == tuple(map(voprf.OprfServer(key).evaluate, inputs))
    assert len({*verified, *partly, *plain}) == 3 * count


@every
# req: rfc9497/3.3.1 fresh-blinds
def test_inputs_are_hidden(suite):
    client = voprf.VoprfClient(key_of(suite).public_key)
    first, second = client.blind([b"x", b"x"])[0]
    assert first != second
    assert {first, second}.isdisjoint(client.blind([b"x", b"x"])[0])


@every
# req: rfc9497/3.3.3 info-tweaks-the-key
def test_info_and_mode_separate(suite):
    key = key_of(suite)
    one, other = voprf.PoprfServer(key, b"a"), voprf.PoprfServer(key, b"b")
    assert one.evaluate(b"x") != other.evaluate(b"x")
    blinded, pending = voprf.PoprfClient(key.public_key, b"a").blind([b"x"])
    with pytest.raises(SignatureError):
        pending.finish(*other.blind_evaluate(blinded))
    blinded, pending = voprf.PoprfClient(key.public_key, b"a").blind([b"x"])
    with pytest.raises(SignatureError):
        pending.finish(*voprf.VoprfServer(key).blind_evaluate(blinded))
    blinded, pending = voprf.VoprfClient(key.public_key).blind([b"x"])
    with pytest.raises(SignatureError):
        pending.finish(*one.blind_evaluate(blinded))


@every
def test_answers_are_read_once(suite):
    key = key_of(suite)
    blinded, pending = voprf.VoprfClient(key.public_key).blind([b"x"])
    evaluated, proof = voprf.VoprfServer(key).blind_evaluate(blinded)
    blinds = pending._state[0][0].blinds
    with pytest.raises(DecodeError):
        pending.finish(evaluated, proof + b"\0")
    with pytest.raises(SpentError):
        pending.finish(evaluated, proof)
    with pytest.raises(SpentError):
        blinds[0].expose()
    blinded, pending = voprf.OprfClient(suite).blind([b"x"])
    blinds = pending._state[0].blinds
    evaluated = voprf.OprfServer(key).blind_evaluate(blinded)
    pending.finish(evaluated)
    with pytest.raises(SpentError):
        pending.finish(evaluated)
    with pytest.raises(SpentError):
        blinds[0].expose()
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(pending)


@every
# req: rfc9497/2.2.2 proof-is-verified
# req: rfc9497/3.3.2 no-output-without-proof
def test_only_the_announced_key(suite):
    other = voprf.PrivateKey.generate(suite)
    blinded, pending = voprf.VoprfClient(key_of(suite).public_key).blind([b"x"] * 2)
    with pytest.raises(SignatureError):
        pending.finish(*voprf.VoprfServer(other).blind_evaluate(blinded))
    blinded, pending = voprf.PoprfClient(key_of(suite).public_key, b"").blind([b"x"])
    with pytest.raises(SignatureError):
        pending.finish(*voprf.PoprfServer(other, b"").blind_evaluate(blinded))


@every
# req: rfc9497/2.2.1 composites-bind-all
def test_weights_depend_on_everything(suite):
    """Else somebody could choose elements whose errors cancel out."""
    given = [base(suite, number) for number in (2, 3, 4, 5, 6)]

    def weights(key, first, second, one, other):
        statement = dleq.Statement(
            suites.context(suite, voprf.Mode.VOPRF), key, None, (first, second), (), (one, other), ()
        )
        return statement.weights()

    seen = [weights(*given)]
    for place in range(5):
        seen.append(weights(*given[:place], base(suite, 7), *given[place + 1 :]))
    assert len({weight for pair in seen for weight in pair}) == 2 * 6 - 4  # of two weights, one is over other elements
    assert all(pair != seen[0] for pair in seen[1:])
    assert (
        weights(given[0], given[1], given[1], given[2], given[2])[0]
        != weights(given[0], given[1], given[1], given[2], given[2])[1]
    )


@every
@pytest.mark.parametrize("place", range(4))
def test_every_part_of_an_answer_counts(suite, place):
    key = key_of(suite)
    blinded, pending = voprf.VoprfClient(key.public_key).blind([b"x", b"y"])
    (first, second), proof = voprf.VoprfServer(key).blind_evaluate(blinded)
    half = len(proof) // 2
    parts = [first, second, proof[:half], proof[half:]]
    if place < 2:
        parts[place] = base(suite, 5)
    else:
        parts[place] = scalar_of(suite, value_of(suite, parts[place]) + 1)
    with pytest.raises(SignatureError):
        pending.finish(parts[:2], parts[2] + parts[3])


@every
def test_commitments_that_vanish(suite):
    """A proof whose equations give the identity, as s = -c k makes them."""
    group, key = suite.group, key_of(suite)
    c = scalar_of(suite, 12345)
    s = group.scalars.minus_product(scalar_of(suite, 0), c, key.to_secret().expose())
    blinded, pending = voprf.VoprfClient(key.public_key).blind([b"x"])
    evaluated, _ = voprf.VoprfServer(key).blind_evaluate(blinded)
    with pytest.raises(SignatureError):
        pending.finish(evaluated, c + s)


@every
# req: rfc9497/3.3 malformed-aborts
def test_finish_contract(suite):
    key = key_of(suite)
    client, server = voprf.VoprfClient(key.public_key), voprf.VoprfServer(key)
    evaluated, proof = server.blind_evaluate(client.blind([b"x"])[0])
    for cut in {0, 1, len(proof) // 2, len(proof) - 1}:
        with pytest.raises(DecodeError):
            client.blind([b"x"])[1].finish(evaluated, proof[:cut])
    with pytest.raises(DecodeError) as raised:
        client.blind([b"x"])[1].finish([evaluated[0][:-1]], proof)
    assert raised.value.what == "evaluated element"
    with pytest.raises(DecodeError) as raised:
        server.blind_evaluate([evaluated[0][:-1]])
    assert raised.value.what == "blinded element"
    for many in ((), evaluated * 2):
        with pytest.raises(DecodeError):
            client.blind([b"x"])[1].finish(many, proof)
        with pytest.raises(DecodeError):
            voprf.OprfClient(suite).blind([b"x"])[1].finish(many)


@every
@settings(max_examples=15)
@given(data=st.data())
def test_bytes_in_contract(suite, data):
    size, scalar_size = suite.group.element_size, suite.group.scalars.size
    raw = data.draw(st.one_of(st.binary(min_size=size, max_size=size), st.binary(max_size=size + 2)))
    mostly = bytes((2 + raw[0] % 2,)) + raw[1:] if raw else raw
    for value in (raw, mostly):
        check_contract(lambda value: voprf.PublicKey(suite, value), value)
        check_contract(lambda value: voprf.VoprfServer(key_of(suite)).blind_evaluate([value]), value)
    secret = data.draw(st.binary(min_size=scalar_size, max_size=scalar_size))
    check_contract(lambda value: voprf.PrivateKey(suite, Secret(value)), secret)


@every
# req: rfc9497/5.1 input-sizes
def test_wrong_use(suite):
    key = key_of(suite)
    clients = [voprf.OprfClient(suite), voprf.VoprfClient(key.public_key), voprf.PoprfClient(key.public_key, b"")]
    for client in clients:
        for inputs in ([], [b"x" * (voprf.MAX_INPUT + 1)], [b""] * (voprf.MAX_BATCH + 1)):
            with pytest.raises(UsageError, match=r"^(input: over 65534 bytes|(0|65536) inputs, not 1 to 65535)$"):
                client.blind(inputs)
    servers = [voprf.OprfServer(key), voprf.VoprfServer(key), voprf.PoprfServer(key, b"")]
    for server in servers:
        with pytest.raises(UsageError, match=r"^input: over 65534 bytes"):
            server.evaluate(b"x" * (voprf.MAX_INPUT + 1))
        with pytest.raises(DecodeError):
            server.blind_evaluate([])
        with pytest.raises(LimitError):
            server.blind_evaluate([b""] * (voprf.MAX_BATCH + 1))
    long = b"x" * (voprf.MAX_INPUT + 1)
    for make in (lambda: voprf.PoprfServer(key, long), lambda: voprf.PoprfClient(key.public_key, long)):
        with pytest.raises(UsageError, match=r"^info: over 65534 bytes"):
            make()


@every
def test_the_largest_that_passes(suite, monkeypatch):
    most = b"x" * voprf.MAX_INPUT
    key = key_of(suite)
    server = voprf.PoprfServer(key, most)
    blinded, pending = voprf.PoprfClient(key.public_key, most).blind([most])
    assert pending.finish(*server.blind_evaluate(blinded)) == (server.evaluate(most),)
    monkeypatch.setattr(protocol, "MAX_BATCH", 3)
    client = voprf.OprfClient(suite)
    blinded, _ = client.blind([b"x"] * 3)
    assert len(voprf.OprfServer(key).blind_evaluate(blinded)) == 3
    with pytest.raises(UsageError, match="4 inputs, not 1 to 3"):
        client.blind([b"x"] * 4)
    with pytest.raises(LimitError, match="4 is over the limit of 3"):
        voprf.OprfServer(key).blind_evaluate([*blinded, blinded[0]])


@every
def test_what_only_one_side_knows_is_never_taken_for_public(suite, monkeypatch):
    """A client's inputs and unblinded elements; what is sent, and what a server is told, may be computed faster."""
    group, seen = type(suite.group), []
    from_uniform, encode = group.from_uniform, group.encode

    def map_(self, uniform, *, public):
        seen.append(("map", public))
        return from_uniform(self, uniform, public=public)

    def write(self, element, *, public=True):
        seen.append(("write", public))
        return encode(self, element, public=public)

    def happened():
        found = seen[:]
        seen.clear()
        return found

    key = key_of(suite)
    client, server = voprf.VoprfClient(key.public_key), voprf.VoprfServer(key)
    monkeypatch.setattr(group, "from_uniform", map_)
    monkeypatch.setattr(group, "encode", write)
    blinded, pending = client.blind([b"x"])
    assert happened() == [("map", False), ("write", True)]
    evaluated, proof = server.blind_evaluate(blinded)
    happened()
    pending.finish(evaluated, proof)
    assert happened()[-1] == ("write", False)
    server.evaluate(b"x")
    assert happened() == [("map", True), ("write", True)]


@every
# req: rfc9497/3.3.3 info-that-cancels
def test_info_that_cancels_the_key(suite):
    tweak = protocol._tweak(suites.context(suite, voprf.Mode.POPRF), b"info")
    key = voprf.PrivateKey(suite, Secret(scalar_of(suite, -value_of(suite, tweak))))
    with pytest.raises(UsageError):
        voprf.PoprfServer(key, b"info")
    with pytest.raises(DecodeError):
        voprf.PoprfClient(key.public_key, b"info")
    assert voprf.PoprfServer(key, b"other")


# req: rfc9497/3.3.1 input-that-maps-to-the-identity
def test_input_that_maps_to_the_identity(monkeypatch):
    """Nobody can find one; its blinded element would be the same for every blind."""
    point = P256.decode(base(voprf.P256_SHA256, 1), "element").point_at_infinity()
    monkeypatch.setattr(type(P256), "from_uniform", lambda _self, _uniform, *, public: point)
    for client in (voprf.OprfClient(voprf.P256_SHA256), voprf.VoprfClient(key_of(voprf.P256_SHA256).public_key)):
        with pytest.raises(DecodeError, match="identity"):
            client.blind([b"x"])


@every
# req: rfc9497/2.2.1 proof-nonce-is-random
def test_proof_nonces_are_fresh(suite):
    server = voprf.VoprfServer(key_of(suite))
    blinded, _ = voprf.VoprfClient(key_of(suite).public_key).blind([b"x"])
    assert server.blind_evaluate(blinded)[1] != server.blind_evaluate(blinded)[1]
    statement = dleq.Statement(
        suites.context(suite, voprf.Mode.VOPRF),
        key_of(suite).public_key.encoded,
        key_of(suite).public_key.element,
        blinded,
        [suite.group.decode(blinded[0], "element")],
        blinded,
        [suite.group.decode(blinded[0], "element")],
    )
    assert dleq.prove(statement, scalar_of(suite, 1)) != dleq.prove(statement, scalar_of(suite, 1))
    with pytest.raises(DecodeError) as raised:
        dleq.verify(statement, b"")
    assert raised.value.what == "proof"
    with pytest.raises(ValueError, match="shorter"):  # a list's rest would go unproven
        dleq.verify(replace(statement, products=()), dleq.prove(statement, scalar_of(suite, 1)))


# --- keys


@every
def test_keys(suite):
    key = key_of(suite)
    again = voprf.PrivateKey(suite, key.to_secret())
    assert again.public_key == key.public_key
    assert voprf.PublicKey(suite, key.public_key.encoded) == key.public_key
    check_codec(lambda data: voprf.PublicKey(suite, data), key.public_key.encoded, reencode=lambda one: one.encoded)
    check_codec(
        lambda data: voprf.PrivateKey(suite, Secret(data)),
        key.to_secret().expose(),
        reencode=lambda one: one.to_secret().expose(),
    )
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(key)
    assert repr(key) == f"<PrivateKey {suite.identifier}>"
    for text in (repr(voprf.VoprfServer(key)), repr(voprf.VoprfClient(key.public_key).blind([b"x"])[1])):
        assert key.to_secret().expose().hex() not in text


@every
# req: rfc9497/3.2.1 derived-keys
def test_derived_keys(suite, monkeypatch):
    seed = Secret(bytes(32))
    derive = voprf.PrivateKey.derive
    found = {
        derive(suite, mode, seed, info).public_key.encoded for mode in voprf.Mode for info in (b"", b"PrivacyPass")
    }
    assert len(found) == 6
    for bad in (bytes(keys.MIN_SEED - 1), b""):
        with pytest.raises(UsageError):
            derive(suite, voprf.Mode.VOPRF, Secret(bad), b"")
    with pytest.raises(UsageError):
        derive(suite, voprf.Mode.VOPRF, seed, bytes(voprf.MAX_INPUT + 1))
    monkeypatch.setattr(suites.Context, "derive_scalar", lambda _self, _message: bytes(suite.group.scalars.size))
    with pytest.raises(UsageError, match="no key"):
        derive(suite, voprf.Mode.VOPRF, seed, b"")


# --- another implementation, PyPI's voprf (mode VOPRF, P-384 and ristretto255)


PEERS = [(voprf.P384_SHA384, peer.p384)] + [(suite, peer.ristretto) for suite in SUITES[PORTABLE.identifier]]


@pytest.mark.parametrize(("suite", "theirs"), PEERS, ids=["p384", *map(str, range(len(PEERS) - 1))])
def test_against_another_implementation(suite, theirs):
    group = suite.group
    seed = os.urandom(32)
    evaluator = theirs.Evaluator.from_seed(seed, b"info")
    key = voprf.PrivateKey.derive(suite, voprf.Mode.VOPRF, Secret(seed), b"info")
    assert evaluator.public_key.serialize() == key.public_key.encoded
    inputs = [os.urandom(9) for _ in range(8)]
    outputs = tuple(map(evaluator.evaluate_known_input, inputs))
    server = voprf.VoprfServer(key)
    assert tuple(map(server.evaluate, inputs)) == outputs

    # our client, their server; one at a time and all at once
    client = voprf.VoprfClient(key.public_key)
    blinded, pending = client.blind(inputs[:1])
    answer = evaluator.evaluate(theirs.BlindedInput.deserialize(blinded[0])).serialize()
    # The library's own order; RFC 9578 has the element first.
    assert pending.finish([answer[suite.proof_size :]], answer[: suite.proof_size]) == outputs[:1]
    blinded, pending = client.blind(inputs)
    answer = evaluator.evaluate_batch(list(map(theirs.BlindedInput.deserialize, blinded))).serialize()
    proof, body = answer[: suite.proof_size], answer[suite.proof_size :]
    evaluated = [body[start : start + group.element_size] for start in range(0, len(body), group.element_size)]
    assert pending.finish(evaluated, proof) == outputs

    # their client, our server
    state, first = theirs.Client.blind(inputs[0])
    (one,), proof = server.blind_evaluate([first.serialize()])
    output = theirs.VerifiableOutput.deserialize(proof + one)
    assert state.finalize(output, theirs.PublicKey.deserialize(key.public_key.encoded)) == outputs[0]


# --- groups and scalars


@every
@settings(max_examples=20)
@given(data=st.data())
def test_scalars(suite, data):
    order, scalars = order_of(suite), suite.group.scalars
    number = st.integers(1, order - 1)
    a, b, c = (data.draw(number) for _ in range(3))
    first, second, third = (scalar_of(suite, value) for value in (a, b, c))
    assert value_of(suite, scalars.add(first, second)) == (a + b) % order
    assert value_of(suite, scalars.minus_product(first, second, third)) == (a - b * c) % order
    assert [value_of(suite, one) for one in scalars.invert([first, second, third])] == [
        pow(value, -1, order) for value in (a, b, c)
    ]
    assert scalars.decode(first, "x") == first
    wide = data.draw(st.binary(min_size=suite.group.uniform_size, max_size=suite.group.uniform_size))
    assert value_of(suite, scalars.reduce(wide)) == value_of(suite, wide) % order
    assert scalars.random() != scalars.random()


@every
# req: rfc9497/2.1 scalars-are-canonical
def test_scalars_are_canonical(suite):
    scalars, order = suite.group.scalars, order_of(suite)
    byteorder = "little" if suite.identifier == PORTABLE.identifier else "big"
    top = 1 << 8 * scalars.size
    for bad in {0, order, order + 1, top - 1}:
        with pytest.raises(DecodeError):
            scalars.decode(bad.to_bytes(scalars.size, byteorder), "x")
    for good in (1, order - 1):
        assert scalars.decode(good.to_bytes(scalars.size, byteorder), "x")
    check_codec(lambda data: scalars.decode(data, "x"), scalar_of(suite, 1 << 100), reencode=lambda value: value)


# req: rfc9497/4.7.2 scalars-without-bias
def test_a_random_scalar_is_not_zero(monkeypatch):
    scalars = IntegerScalars(ORDER, "little")
    drawn = iter([bytes(48), b"\1" * 48])
    sizes = []
    monkeypatch.setattr("privproc.voprf.group.os.urandom", lambda size: sizes.append(size) or next(drawn)[:size])
    assert any(scalars.random())
    assert min(sizes) * 8 >= ORDER.bit_length() * 3 / 2
    assert next(drawn, None) is None


@every
@settings(max_examples=8)
@given(values=st.lists(st.integers(1, 2**600), min_size=1, max_size=2 * _SHARED), extra=st.integers(0, 2**600))
def test_sums(suite, values, extra):
    """Sums of few and of many terms are what plain arithmetic on the discrete logarithms gives."""
    group, order = suite.group, order_of(suite)
    factors = [3 * index + 1 for index in range(len(values))]
    values = [value % order or 1 for value in values]
    extra = extra % order
    points = [group.multiply_base(scalar_of(suite, factor)) for factor in factors]
    total = sum(map(math.prod, zip(values, factors, strict=True)))
    scalars = [scalar_of(suite, value) for value in values]
    before = [group.encode(point) for point in points]
    if total % order:
        assert group.encode(group.combine(scalars, points)) == base(suite, total)
    if extra and (total + extra) % order:
        found = group.combine(scalars, points, base=scalar_of(suite, extra))
        assert group.encode(found) == base(suite, total + extra)
    assert [group.encode(point) for point in points] == before


@every
@pytest.mark.parametrize("count", [2, 2 * _SHARED])
def test_sums_of_edges(suite, count):
    group, order = suite.group, order_of(suite)
    points = [group.multiply_base(scalar_of(suite, 7))] * count
    for value in (1, 2, 15, 16, 17, 31, 32, 33, order - 1):
        found = group.combine([scalar_of(suite, value)] * count, points)
        assert group.encode(found) == base(suite, 7 * value * count)
    scalars = [scalar_of(suite, value) for value in [1, -1] * (count // 2)]
    with pytest.raises(DecodeError):
        group.encode(group.combine(scalars, points))
    with pytest.raises(UsageError):
        group.combine([], [])
    assert group.encode(group.combine([], [], base=scalar_of(suite, 5))) == base(suite, 5)


@every
def test_two_elements(suite):
    group = suite.group
    three, five = (group.decode(base(suite, factor), "element") for factor in (3, 5))
    assert group.encode(group.add(three, five)) == base(suite, 8)
    assert group.encode(group.add(three, three)) == base(suite, 6)
    assert group.encode(group.negate(five)) == base(suite, -5)
    assert group.encode(group.add(three, group.negate(five))) == base(suite, -2)
    nothing = group.add(five, group.negate(five))
    assert group.encode(group.add(nothing, three)) == base(suite, 3)
    with pytest.raises(DecodeError):
        group.encode(nothing)
    assert (group.encode(three), group.encode(five)) == (base(suite, 3), base(suite, 5))


@every
def test_products(suite):
    group = suite.group
    element = group.decode(base(suite, 11), "element")
    assert group.encode(group.multiply(scalar_of(suite, -3), element)) == base(suite, -33)
    with pytest.raises(DecodeError):
        group.encode(group.multiply(scalar_of(suite, 0), element))
    with pytest.raises(DecodeError):
        voprf.OprfClient(suite)._derand_blind([b"x", b"y"], [scalar_of(suite, 1), scalar_of(suite, 0)])
    check_codec(lambda data: group.decode(data, "element"), base(suite, 11), reencode=group.encode)


@needs_sodium
@settings(max_examples=30)
@given(st.binary(min_size=64, max_size=64), st.integers(1, ORDER - 1), st.booleans())
def test_both_ristrettos_agree(uniform, scalar, public):
    ours, theirs = PORTABLE.group, SODIUM.group
    first, second = (group.from_uniform(uniform, public=public) for group in (ours, theirs))
    assume(any(second))  # the identity, which encode refuses
    assert ours.encode(first, public=public) == theirs.encode(second)
    raw = scalar.to_bytes(32, "little")
    products = ours.multiply(raw, first), theirs.multiply(raw, second)
    assert ours.encode(products[0]) == theirs.encode(products[1])
    for data in (uniform[:32], bytes((uniform[0] & 254,)) + uniform[1:31] + bytes((uniform[31] & 127,))):
        results = []
        for group in (ours, theirs):
            try:
                results.append(group.encode(group.decode(data, "element")))
            except DecodeError:
                results.append(None)
        assert results[0] == results[1]


# --- hashing to curves


@pytest.mark.parametrize("group", [P256, P384, P521])
def test_the_map_where_its_denominator_vanishes(group):
    """u = 0, and u with z u^2 = -1 where there is one: the exceptional cases of RFC 9380 §6.6.2."""
    curve, size = group._curve, group._map.size
    exceptional = [0]
    square = pow(-curve.z, -1, curve.p)
    root = pow(square, (curve.p + 1) // 4, curve.p)
    if root * root % curve.p == square:
        exceptional.append(root)
    for u in exceptional:
        uniform = u.to_bytes(size, "big") * 2
        for public in (False, True):
            for x, y in group._map.points(uniform, public=public):
                x, y = int(x), int(y)
                assert (y * y - (x**3 - 3 * x + curve.b)) % curve.p == 0
                expected = curve.b * pow(-3 * curve.z, -1, curve.p) % curve.p
                other = curve.z * u * u * expected % curve.p
                assert x in {expected, other}
                assert y % 2 == u % 2


@pytest.mark.parametrize("group", [P256, P384, P521])
@settings(max_examples=15)
@given(data=st.data())
def test_the_map_is_on_the_curve_either_way(group, data):
    size = group._map.size
    uniform = data.draw(st.binary(min_size=2 * size, max_size=2 * size))
    curve = group._curve
    secret = [tuple(map(int, point)) for point in group._map.points(uniform, public=False)]
    assert secret == [tuple(map(int, point)) for point in group._map.points(uniform, public=True)]
    for x, y in secret:
        assert (y * y - (x**3 - 3 * x + curve.b)) % curve.p == 0


def test_expander_bounds():
    for tag, size in ((b"", 32), (b"x" * 256, 32), (b"x", 255 * 32 + 1), (b"x", 0)):
        with pytest.raises(UsageError):
            Expander("sha256", tag, size)
    assert len(Expander("sha256", b"x" * 255, 255 * 32).expand(b"")) == 255 * 32


def test_field_without_gmpy2(monkeypatch):
    def missing(name):
        raise ImportError(name)

    def points():
        return [tuple(map(int, point)) for point in P256._map.points(uniform, public=True)]

    uniform = os.urandom(2 * P256._curve.size)
    expected = points()
    made = field._fastest, hash_to_curve._field
    for one in made:
        one.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(field.importlib, "import_module", missing)
        assert field.maker(public=True) is field.maker(public=False)
        assert points() == expected
    for one in made:
        one.cache_clear()


@pytest.mark.parametrize("make", [field.maker(public=False), field.maker(public=True)])
def test_field_numbers(make):
    p = make(2**255 - 19)
    assert int(field.inverse(make(5), p)) == pow(5, -1, 2**255 - 19)
    assert field.to_bytes(field.from_bytes(b"\2" + bytes(31), p, "little"), 32, "big") == bytes(31) + b"\2"


# --- backends


@pytest.mark.parametrize("suite", [suite for suite in ALL if hasattr(suite.group, "_map") or suite is PORTABLE])
# req: rfc9497/7.4 constant-time
def test_no_secret_scalar_is_a_public_integer(suite, monkeypatch):
    """CVE-2024-23342: whatever is secret goes to the constant-time product, in full size, however short it is."""
    seen = []
    product = points._product
    monkeypatch.setattr(points, "_product", lambda point, number: seen.append(number) or product(point, number))
    key = voprf.PrivateKey(suite, Secret(scalar_of(suite, 3)))
    client = voprf.VoprfClient(key.public_key)
    blinded, pending = client._derand_blind([b"input"], [scalar_of(suite, 5)])
    assert int(seen[-1]) == 5
    evaluated, proof = voprf.VoprfServer(key)._derand_blind_evaluate(blinded, scalar_of(suite, 7))
    pending.finish(evaluated, proof)
    secret = {3, 5, 7, pow(5, -1, order_of(suite))}
    assert secret <= {int(number) for number in seen if not number._public}
    assert not secret & {int(number) for number in seen if number._public}


# req: rfc9497/7.4 constant-time
def test_constant_time_integers_are_demanded(monkeypatch):
    for version in ((3, 23, 0), (4, 2, 9)):
        monkeypatch.setattr(Crypto, "version_info", version)
        for make in (Ed25519Ristretto, lambda: type(P256)(P256._curve)):
            with pytest.raises(UsageError, match="constant-time"):
                make()


def test_libsodium_that_is_not_there():
    with pytest.raises(UsageError, match="not here"):
        voprf.ristretto255("/nowhere/libsodium.so")


def test_the_default_without_libsodium(monkeypatch):
    monkeypatch.setattr(sodium, "SONAMES", ("libnothing.so.0",))
    assert isinstance(suites._default_ristretto255().group, Ed25519Ristretto)


class Fake:
    """A library with the functions of libsodium, some of which are wrong."""

    def __init__(self, started: int = 0, missing: str = "") -> None:
        self._started, self._missing = started, missing

    def sodium_init(self) -> int:
        return self._started

    def __getattr__(self, name: str):
        if name == self._missing or not name.startswith("crypto_"):
            raise AttributeError(name)

        def function(*_args) -> int:
            return 0

        return function


@pytest.mark.parametrize(
    ("library", "why"),
    [
        (Fake(missing="crypto_core_ristretto255_add"), "no ristretto255"),
        (Fake(missing="crypto_core_ristretto255_sub"), "no ristretto255"),
        (Fake(started=-1), "start"),
        (Fake(), "known answer"),
    ],
)
def test_libsodium_that_is_not_right(library, why):
    with pytest.raises(UsageError, match=why):
        sodium.SodiumRistretto(library)


@needs_sodium
def test_libsodium_is_the_default():
    assert isinstance(suites._default_ristretto255().group, sodium.SodiumRistretto)
    assert isinstance(voprf.RISTRETTO255_SHA512.group, sodium.SodiumRistretto)
