"""What holds for every public name of the package, found by walking it: decoders, steps, secrets, documents."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from types import ModuleType
from typing import Any
from unittest import mock

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import privproc
from privproc import bhttp, cose, hpke, httpauth, keypackage, ledger, ohttp, ratls, responsekey, session, tokens
from privproc._step import Step, Unique
from privproc.attestation import cbor, corim, eat, snp
from privproc.attestation.binder import Binding, Direction, exporter_context
from privproc.attestation.dcap.policy import PlatformPolicy
from privproc.attestation.dcap.tcb import QeIdentity, TcbInfo
from privproc.attestation.forwarded import BackEnd
from privproc.attestation.message import Attestation
from privproc.attestation.policy import CanonicalPolicy
from privproc.errors import DecodeError, OpenError, PeerError, SpentError, UsageError
from privproc.http import Request, Response
from privproc.keyconfig import KeyConfig, KeyConfigs
from privproc.ledger.checkpoint import Note, NoteSignature
from privproc.ratls.authenticator import AuthenticatorRequest, Side
from privproc.ratls.exchange import Introduction, Presentation
from privproc.responsekey import wrapped as responsekey_wrapped
from privproc.responsekey.wrapped import Wrap
from privproc.secret import Secret
from privproc.session import messages, wrapped
from privproc.session.wrapped.messages import Delivery, Head, Wrapped
from privproc.tokens.experimental.challenge import CredentialChallenge
from tests.codec import check_contract
from tests.world.corim import comid, element, manifest, state, validity
from tests.world.eat import Entity
from tests.world.nvidia import FakeDevice
from tests.world.nvidia import strict_policy as gpu_policy
from tests.world.world import World

AT = 1_800_000_000
CLAIMS = {
    10: bytes(8),
    257: {"a": bytes(7)},
    265: b"\x2a\x03",
    266: {"a": {263: 1}, "b": [-16, bytes(32)]},
    272: [[0, b""]],
}
WORLD = World(AT)


def walk() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(privproc.__path__, "privproc."):
        # What runs vector files is a test that comes with the package.
        if not info.name.endswith("__main__") and not info.name.startswith("privproc.vectors._"):
            yield importlib.import_module(info.name)


MODULES = tuple(walk())
PUBLIC = tuple(module for module in MODULES if not any(part.startswith("_") for part in module.__name__.split(".")))


def names(modules: tuple[ModuleType, ...]) -> Iterator[tuple[str, Any]]:
    """Public classes and functions of the package, each once, under the module that defines it."""
    for module in modules:
        for name in module.__all__:
            thing = getattr(module, name)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == module.__name__:
                yield f"{module.__name__.removeprefix('privproc.')}.{name}", thing


NAMES = dict(names(PUBLIC))


def methods(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """The function itself, or the public methods and properties that a class defines."""
    if inspect.isfunction(thing):
        yield name, thing
        return
    for attribute, value in vars(thing).items():
        function = getattr(value, "__func__", getattr(value, "fget", getattr(value, "func", value)))
        if inspect.isfunction(function) and not attribute.startswith("_"):
            yield f"{name}.{attribute}", function


METHODS = {full: function for name, thing in NAMES.items() for full, function in methods(name, thing)}


# Decoders.


@dataclass(frozen=True)
class Decoder:
    """``exact``: every prefix and an added byte are refused. ``encode``: of a canonical format, the way back."""

    decode: Callable[[bytes], Any]
    sample: bytes
    encode: Callable[[Any], bytes] | None = None
    exact: bool = True


def encoded(value: Any) -> bytes:
    return value.encode()


def demanding(contents: session.Contents) -> session.Contents:
    """Of a service with a GPU, and one behind it."""
    (service,) = contents.services
    front = replace(service, devices=gpu_policy(FakeDevice(AT)), back_ends=("model",))
    return replace(contents, services=(front, replace(service, role="model")))


@functools.cache
def samples() -> dict[str, Decoder]:
    """A valid sample of each format; the canonical ones encode to it again."""
    contents = WORLD.contents
    published = session.Published.decode(WORLD.published)
    hello, _ = ratls.connect(WORLD.group)
    flight, _ = ratls.accept(WORLD.machine.enclave.identity, hello, WORLD.group)
    chip = WORLD.machine.chip
    proof = WORLD.packages.prove(0, AT)
    note = ledger.Proof.decode(proof).checkpoint
    token = WORLD.token(WORLD.learn()).token
    challenge = tokens.OfferedChallenge(contents.challenge).encode()
    suites = session.SUITES
    opened = messages.Open("r", "l", "n", (1,), False, bytes(32), bytes(32), ((1, 2, 3),), b"hello")
    request = Request("POST", "https", "gateway.example", "/", ((b"a", b"b"),), b"content")
    one_time = responsekey.OneTimeKey.generate(suites[1])
    statement = wrapped.Statement(suites[1], one_time.public_key, "r", bytes(48), 0, 1, 1)
    head = Head("r", "l", "n", bytes(32), bytes(32), (bytes(48), b"n" * 48), bytes(48))
    body = bytes(responsekey.REQUEST_SIZES[0] + 16)
    mapping: dict[str, Decoder] = {
        "attestation.cbor.decode": Decoder(lambda data: cbor.decode(data, "it"), cbor2.dumps(CLAIMS)),
        "attestation.corim.comid.Comid": Decoder(corim.Comid.decode, comid(state(element({2: [[1, bytes(32)]]}, "a")))),
        "attestation.corim.manifest.Manifest": Decoder(
            corim.Manifest.decode, manifest(comid(state(element({1: 1}))), m4=validity(1, 2))
        ),
        "attestation.eat.claims.decode_bundle": Decoder(eat.decode_bundle, cbor2.dumps([b"token", {"a": b"claims"}])),
        "attestation.eat.claims.decode_cbor": Decoder(eat.decode_cbor, cbor2.dumps(CLAIMS)),
        "attestation.eat.claims.decode_json": Decoder(eat.decode_json, b'{"submods":{"a":["JWT","a"]}}', exact=False),
        "attestation.eat.token.Token": Decoder(eat.Token.decode, Entity("ES256", 1).cwt(CLAIMS)),
        "attestation.forwarded.BackEnd": of(
            BackEnd, BackEnd("model", AT, bytes(48), bytes(32), b"leaf", Attestation(1, b"e", devices=((1, b"gpu"),)))
        ),
        "attestation.message.Attestation": of(
            Attestation, Attestation(1, b"evidence", b"chain", b"proof", ((2, b""),))
        ),
        "attestation.snp.chain.Endorsements": of(snp.Endorsements, chip.endorsements),
        "attestation.snp.policy.Policy": of(snp.Policy, contents.services[0].policy),
        "attestation.snp.report.Report": Decoder(
            snp.Report.decode, chip.report(measurement=bytes(48), report_data=bytes(64))
        ),
        "bhttp.decoder.decode_request": Decoder(
            bhttp.decode_request, bhttp.encode_request(request), bhttp.encode_request, exact=False
        ),
        "bhttp.decoder.decode_response": Decoder(
            bhttp.decode_response, bhttp.encode_response(Response(200)), bhttp.encode_response, exact=False
        ),
        "cose.Sign1": of(cose.Sign1, cose.Sign1.decode(published.package)),
        "cose.decode": Decoder(lambda data: cose.decode(data, "it"), contents.encode(), cose.encode),
        "httpauth.Auth": of(httpauth.Auth, challenge, exact=False),
        "httpauth.decode_challenges": Decoder(
            httpauth.decode_challenges, httpauth.encode_challenges([challenge] * 2), exact=False
        ),
        "keyconfig.KeyConfig": of(KeyConfig, contents.keys.configs[0]),
        "keyconfig.KeyConfigs": of(KeyConfigs, contents.keys),
        "keypackage.package.Package": of(keypackage.Package, WORLD.package(WORLD.epoch)),
        "ledger.checkpoint.Checkpoint": of(ledger.Checkpoint, WORLD.packages.head(), exact=False),
        "ledger.checkpoint.Note": of(Note, Note.decode(note), exact=False),
        "ledger.checkpoint.NoteSignature": Decoder(
            text(NoteSignature.decode),
            Note.decode(note).signatures[0].encode().encode(),
            lambda it: it.encode().encode(),
            exact=False,
        ),
        "ledger.checkpoint.NoteKey": Decoder(
            text(ledger.NoteKey.parse), str(WORLD.packages.log.key).encode(), lambda it: str(it).encode()
        ),
        "ledger.entry.Entry": of(ledger.Entry, WORLD.entry()),
        "ledger.proof.Proof": of(ledger.Proof, ledger.Proof.decode(proof), exact=False),
        "ohttp.problems.Problem": of(ohttp.Problem, ohttp.Problem(ohttp.OHTTP_KEY, "title", 400), exact=False),
        "ohttp.replay.decode_date": Decoder(ohttp.decode_date, ohttp.encode_date(AT), ohttp.encode_date),
        "ratls.authenticator.AuthenticatorRequest": Decoder(
            AuthenticatorRequest.decode,
            AuthenticatorRequest(Side.CLIENT, bytes(32), (0x0807, 0x0403), attestation=True).encode(),
        ),
        "ratls.exchange.Introduction": of(Introduction, Introduction(b"request", b"leaf")),
        "ratls.exchange.Presentation": of(Presentation, Presentation(b"request", b"authenticator")),
        "ratls.hello.ClientHello": Decoder(ratls.ClientHello.decode, hello),
        "ratls.hello.ServerHello": Decoder(
            ratls.ServerHello.decode, flight[5 : 5 + int.from_bytes(flight[3:5], "big")]
        ),
        "responsekey.announcement.Announcement": of(
            responsekey.Announcement, one_time.announce(max_requests=1, lifetime=60)
        ),
        "session.contents.Contents": of(session.Contents, contents),
        "session.contents.Contents, with demands": of(session.Contents, demanding(contents)),
        "session.directory.Published": of(session.Published, published),
        "session.messages.Open": of(messages.Open, opened),
        "session.messages.Forward": of(messages.Forward, messages.Forward(bytes(48), bytes(48), opened.encode())),
        "session.messages.Offer": of(messages.Offer, messages.Offer(b"f", b"a", 1, b"e", ((2, b"d"),))),
        "session.messages.Opened": of(messages.Opened, messages.Opened(bytes(32), b"o", b"e", b"p")),
        "session.messages.Continue": of(messages.Continue, messages.Continue(bytes(32), 1, bytes(48), b"r")),
        "session.messages.Continued": of(messages.Continued, messages.Continued(bytes(32), b"r")),
        "session.wrapped.messages.Statement": of(wrapped.Statement, statement),
        "session.wrapped.messages.Passport": of(wrapped.Passport, wrapped.Passport(b"s", b"e", b"", b"p")),
        "session.wrapped.messages.Roster": of(
            wrapped.Roster, wrapped.Roster(2, (wrapped.Passport(b"s", b"e", b"", b"p"),) * 2)
        ),
        "session.wrapped.messages.Head": of(Head, head),
        "session.wrapped.messages.Wrapped": of(Wrapped, Wrapped(head.encode(), (Wrap(b"enc", bytes(64)),) * 2, body)),
        "session.wrapped.messages.Delivery": of(
            Delivery, Delivery(bytes(48), bytes(48), head.encode(), 1, Wrap(b"enc", bytes(64)), body)
        ),
        "session.gateway.Live": of(session.Live, session.Live(bytes(32), Secret(bytes(48)), 1, 2)),
        "tokens.challenge.TokenChallenge": of(tokens.TokenChallenge, contents.challenge),
        "tokens.directory.IssuerDirectory": of(tokens.IssuerDirectory, contents.tokens, exact=False),
        "tokens.issuance.TokenRequest": of(tokens.TokenRequest, token_request()),
        "tokens.token.Token": of(tokens.Token, token),
        "tokens.token.Token.from_authorization": Decoder(
            tokens.Token.from_authorization, token.authorization(), lambda it: it.authorization(), exact=False
        ),
    }
    for suite in session.SUITES:
        public = hpke.PrivateKey.generate(suite.kem).public_key.encode()
        mapping[f"hpke.kem.PublicKey, {suite.kem.name}"] = Decoder(
            functools.partial(hpke.PublicKey.decode, suite.kem), public, encoded
        )
    return mapping


def token_request() -> tokens.TokenRequest:
    directory = WORLD.learn()
    key = directory.contents.map(lambda contents: contents.token_key)
    return tokens.TokenRequest.decode(tokens.request_bound(WORLD.contents.challenge, key, at=AT)[0])


def of(kind: Any, value: Any, *, exact: bool = True) -> Decoder:
    return Decoder(kind.decode, encoded(value), encoded, exact)


def text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode(errors="replace"))


def takes_bytes_alone(function: Any) -> bool:
    given_ = [it for it in inspect.signature(function).parameters.values() if it.name not in ("cls", "self")]
    needed = [it for it in given_ if it.default is it.empty]
    return [it.annotation for it in needed] == ["bytes"]


def issubclass_(thing: Any, base: type | tuple[type, ...]) -> bool:
    return inspect.isclass(thing) and issubclass(thing, base)


BASES = (CanonicalPolicy, PlatformPolicy, TcbInfo, QeIdentity, CredentialChallenge)
"""Abstract, with a ``decode`` that their subclasses share."""


FOUND = {
    name.removesuffix(".decode"): function
    for name, function in METHODS.items()
    if name.rsplit(".", 1)[-1].startswith("decode") and takes_bytes_alone(function)
} | {name: thing.decode for name, thing in NAMES.items() if issubclass_(thing, BASES)}
"""Every public function named ``decode...`` that takes bytes and nothing else, with a sample or without."""
for base in BASES:
    del FOUND[f"{base.__module__.removeprefix('privproc.')}.{base.__name__}"]


@pytest.mark.parametrize("name", sorted(FOUND))
@given(data=st.binary(max_size=120))
@settings(max_examples=25)
def test_any_bytes_give_a_value_or_a_peer_error(name: str, data: bytes) -> None:
    check_contract(bound(name), data)


def bound(name: str) -> Callable[[bytes], Any]:
    owner, _, last = name.rpartition(".")
    if name in NAMES and inspect.isclass(NAMES[name]):
        return NAMES[name].decode  # type: ignore[no-any-return]
    if f"{name}.decode" in NAMES:  # a module's function
        return NAMES[f"{name}.decode"]  # type: ignore[no-any-return]
    return getattr(NAMES[owner], last) if owner in NAMES else NAMES[name]  # type: ignore[no-any-return]


def test_the_samples_are_of_decoders_that_exist() -> None:
    known = {name.split(",")[0] for name in samples()}
    others = {"attestation.cbor.decode", "cose.Sign1", "cose.decode", "hpke.kem.PublicKey", "ledger.checkpoint.NoteKey"}
    others |= {"ledger.checkpoint.NoteSignature", "tokens.token.Token.from_authorization"}
    assert known - others <= set(FOUND)


@pytest.mark.parametrize("name", sorted(samples()))
def test_each_byte_of_a_sample_counts(name: str) -> None:
    decoder = samples()[name]
    value = decoder.decode(decoder.sample)
    if decoder.encode is not None:
        assert decoder.encode(value) == decoder.sample
    size = len(decoder.sample)
    for cut in range(size) if size < 600 else (*range(0, size - 60, 13), *range(size - 60, size)):
        if decoder.exact:
            with pytest.raises(PeerError):
                decoder.decode(decoder.sample[:cut])
        else:
            check_contract(decoder.decode, decoder.sample[:cut])
    for more in (b"\0", b"\xff", b"0", b"\n"):
        if decoder.exact:
            with pytest.raises(DecodeError):
                decoder.decode(decoder.sample + more)
        else:
            check_contract(decoder.decode, decoder.sample + more)


MARK = b"~LEAKED~"


@pytest.mark.parametrize("name", sorted(samples()))
@given(data=st.data())
@settings(max_examples=40)
def test_a_changed_sample_gives_a_value_or_an_error_that_does_not_show_it(name: str, data: st.DataObject) -> None:
    decoder = samples()[name]
    changed = bytearray(decoder.sample)
    position = data.draw(st.integers(0, len(changed) - 1))
    length = data.draw(st.integers(0, 12))
    changed[position : position + length] = data.draw(st.binary(max_size=12) | st.just(MARK))
    try:
        value = decoder.decode(bytes(changed))
    except PeerError as error:
        shown = f"{error} {error!r} {error.args} {error.__context__ if not error.__suppress_context__ else ''}"
        assert MARK.decode() not in shown
    else:
        if decoder.encode is not None and decoder.exact:
            assert decoder.encode(value) == bytes(changed)


# Steps.

STEPS = sorted(
    {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if inspect.isclass(thing) and issubclass(thing, Step) and thing.__module__ == module.__name__
    }
    - {Step},
    key=lambda step: step.__qualname__,
)

NOT_A_WAY_OUT = {
    "Exchange.refuse": "the answer to whatever happened after the step was left; the responder in it is spent by it",
    "Incoming.read": "looks at the request; the step is left by the response to it",
    "OneTimeKey.announce": "names the public half",
}


def spent(step: type[Any]) -> Any:
    """An instance whose state has been taken, its other slots of no use."""
    made = object.__new__(step)
    for kind in step.__mro__:
        for slot in getattr(kind, "__slots__", ()):
            setattr(made, slot, mock.MagicMock())
    made._state = []
    return made


def public_methods(step: type[Any]) -> Iterator[tuple[str, Any]]:
    for kind in step.__mro__[:-1]:
        for name, value in vars(kind).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                yield name, value


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__qualname__)
def test_a_step_is_left_once_and_never_copied(step: type[Any]) -> None:
    assert any(True for _ in public_methods(step)) or step.__subclasses__() or takes(step)
    for name, method in public_methods(step):
        if f"{step.__name__}.{name}" in NOT_A_WAY_OUT:
            continue
        with pytest.raises(UsageError):
            method(spent(step), **arguments(method))
    with pytest.raises(SpentError):
        spent(step)._take()
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(spent(step))
    assert "MagicMock" not in repr(spent(step))


def takes(step: type[Any]) -> bool:
    """Whether somebody else takes the state: a one-time key is used by the function that opens a request."""
    return step is responsekey.OneTimeKey


def arguments(method: Any) -> dict[str, Any]:
    plain = {"bytes": b"", "int": 0, "str": "x", "bool": False, "Response": Response(200), "PeerError": OpenError()}
    return {
        it.name: plain.get(str(it.annotation), mock.MagicMock())
        for it in inspect.signature(method).parameters.values()
        if it.name != "self" and it.default is it.empty and it.kind is not it.VAR_KEYWORD
    }


UNIQUE = sorted(
    {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if inspect.isclass(thing) and issubclass(thing, Unique) and thing.__module__ == module.__name__
    }
    - {*STEPS, Secret},  # secrets: tests/test_floor.py
    key=lambda kind: kind.__qualname__,
)


@pytest.mark.parametrize("kind", UNIQUE, ids=lambda kind: kind.__qualname__)
def test_what_is_unique_is_never_copied(kind: type[Any]) -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(object.__new__(kind))


# Secrets.


def secret_things() -> Iterator[tuple[Any, list[bytes]]]:
    """Objects with the secret bytes that they hold."""
    for suite in session.SUITES:
        private = hpke.PrivateKey.generate(suite.kem)
        raw = private.encode().expose()
        yield private, [raw]
        yield responsekey.OneTimeKey(suite, private), [raw]
        yield WORLD_KEY(private, suite), [raw]
    proof_key = tokens.ProofKey.generate()
    stored = proof_key.to_secret().expose()
    yield proof_key, [stored[:32], stored[32:]]
    bound_token = WORLD.token(WORLD.learn())
    token = bound_token.token
    yield bound_token, [token.nonce, token.authenticator]
    yield token, [token.nonce, token.authenticator]
    seed = bytes(range(100, 132))
    yield Secret(seed), [seed]
    yield keypackage.Signer(Secret(seed)), [seed]
    yield ohttp.ReplayKey(seed), [seed]
    yield tokens.SpendKey(bytes(32), seed, 0), [seed]
    yield session.Live(seed, Secret(seed), 0, 0), [seed]
    yield responsekey.Context(bytes(48), 0, b"", Secret(seed + seed[:16])), [seed]
    yield Binding(Direction.SERVER_TO_CLIENT, 0, "r", bytes(48), Secret(seed), b"l", b"", b""), [seed]
    exporter, exported = Secret(seed + seed[:16]), Secret(bytes(48))
    context = responsekey.Context(bytes(48), 0, b"", exporter)
    keys = responsekey.request._schedule(context, session.SUITES[0], exported)
    yield keys, list(keys)
    yield responsekey.AnswerData(seed), [seed]
    yield ratls.DataReceived(seed), [seed]
    yield messages.Continue(seed, 0, bytes(48), seed), [seed]
    wrapped_content = responsekey_wrapped._seal_body(session.SUITES[1], seed, private, b"")[1]
    yield wrapped_content, [seed]
    yield responsekey_wrapped._Asked(seed, bytes(48)), [seed]
    yield Wrapped(b"", (), seed), [seed]
    yield Delivery(b"", b"", b"", 0, Wrap(b"", b""), seed), [seed]
    yield wrapped.WrappedReply(seed, None), [seed]
    yield messages.Opened(seed, b"", b"", b""), [seed]
    yield messages.Continued(seed, seed), [seed]
    yield httpauth.Auth("PrivateToken", (("token", seed.decode("latin-1")),)), [seed]


def WORLD_KEY(private: hpke.PrivateKey, suite: hpke.Suite) -> Any:
    from privproc.keyconfig import GatewayKey

    return GatewayKey(1, private, (suite,), 0, 1)


def test_nothing_secret_shows() -> None:
    for thing, secrets in secret_things():
        shown = f"{thing!r} {thing}"
        for secret in secrets:
            for form in (secret.hex(), secret.hex().upper(), repr(secret)[2:-1], secret.decode("latin-1"), str(secret)):
                for start in (0, len(form) // 2):
                    assert form[start : start + 12] not in shown, type(thing)


SHOWN = {
    "attestation": "about machines: what hardware signs, vendors publish and policies list",
    "cose.Sign1": "what is signed here is evidence of a machine, or published",
    "discovery.ServiceBinding": "a DNS record",
    "hpke._schedule.Psk.psk_id": "a name; the key is a Secret",
    "hpke.kem.PublicKey.encoded": "a public key",
    "keypackage": "published, and so are the signers' keys",
    "ledger": "published",
    "ratls.authenticator": "requests, certificates and signatures",
    "ratls.exchange": "requests, certificates and signatures",
    "ratls.mutual": "the same, inside of steps, whose repr is their name",
    "responsekey.request.Context": "digests of a transcript",
    "session.directory": "published",
    "session.gateway.Epoch.package": "the digest of what is published",
    "responsekey.wrapped.Wrap": "what goes over the wire, sealed",
    "session.wrapped": "about nodes, and what is sealed for them; bodies don't show",
    "session.messages": "openings have no byte of the user's; handles and records don't show",
    "tokens.challenge.TokenChallenge.redemption_context": "the origin's, sent to whoever asks",
    "tokens.grants.GrantRequest.token_key_id": "names a public key",
    "tokens.quota": "an issuer's name for an account in one epoch, which only its attester can resolve",
    "tokens.redemption._Accepted.key_id": "names a public key",
    "tokens.store.Lease.holder": "random, of one reservation",
    "tokens.store.SpendKey.token_key_id": "names a public key",
    "tokens.store._Spends.holders": "inside of MemoryStore, whose repr has no members",
    "tokens.token.Token.challenge_digest": "shared by all tokens for a challenge",
    "tokens.token.Token.token_key_id": "names a public key",
    "tokens.token.TokenKey.key_id": "names a public key",
    "tokens.wallet.Source": "shared by all tokens of a pool",
    "tokens.wallet._Kept.nonce": "inside of Wallet, whose repr is its name",
    "voprf.dleq.Statement": "what goes over the wire",
    "voprf.keys.PublicKey.encoded": "a public key",
}
"""Whose bytes a repr may show, and why: modules, classes or fields."""


def shown_fields() -> Iterator[str]:
    """Each bytes or field line of a dataclass or named tuple of the package that its ``repr`` shows."""
    for module in MODULES:
        for kind in vars(module).values():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                continue
            if is_dataclass(kind) and not inspect.isabstract(kind):  # what is abstract has subclasses
                made: Any = object.__new__(kind)
                members = {it.name: str(it.type) for it in fields(kind)}
            elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
                members = {name: str(kind.__annotations__[name]) for name in kind._fields}
            else:
                continue
            held = {name for name, it in members.items() if HOLDS_BYTES.search(it) and not OPAQUE.search(it)}
            values = {name: f"~{name}~".encode() if name in held else None for name in members}
            if is_dataclass(kind):
                for name, value in values.items():
                    object.__setattr__(made, name, value)
            else:
                made = tuple.__new__(kind, values.values())
            for name in held:
                if f"~{name}~" in repr(made):
                    yield f"{module.__name__.removeprefix('privproc.')}.{kind.__qualname__}.{name}"


HOLDS_BYTES = re.compile(r"\b(bytes|bytearray|Fields)\b")
OPAQUE = re.compile(r"\b(Callable|Trusted)\b")  # functions, and what has a repr of its own


def test_no_repr_shows_what_a_peer_or_a_user_said() -> None:
    shown = set(shown_fields())
    allowed = {name for name in shown if any(f"{name}.".startswith(f"{prefix}.") for prefix in SHOWN)}
    assert shown - allowed == set()
    for prefix in SHOWN:
        assert any(f"{name}.".startswith(f"{prefix}.") for name in shown), f"{prefix} shows nothing"


def test_the_exporter_context_is_not_secret_but_sized() -> None:
    """Counts that don't fit their width are the caller's mistake."""
    binding = Binding(Direction.SERVER_TO_CLIENT, 0, "r", bytes(48), Secret(bytes(32)), b"l", b"", b"")
    for index in (-1, 1 << 16):
        with pytest.raises(UsageError):
            binding.device_nonce(index)
    for sequence in (-1, 1 << 32):
        with pytest.raises(UsageError):
            exporter_context(Direction.SERVER_TO_CLIENT, sequence, bytes(48))


# Verdicts.

BOOLEANS = {
    "attestation.snp.report.Product.has_fmc": "a fact about a product line",
    "attestation.dcap.tcb.Level.reached": "a comparison of numbers; what follows from it is the appraisal's matter",
    "attestation.proof.Unproven.beside": "what the other end asks for",
    "blindrsa.safeprimes.is_safe_prime": "a fact about a number of the issuer's own",
    "discovery.ServiceBinding.alias": "which of two forms a record has",
    "discovery.ServiceBinding.ohttp": "whether a parameter is there; it is a hint and nobody vouches for it",
    "httpauth.Auth.is_scheme": "a comparison of names without regard to case",
    "ratls.hello.ServerHello.is_retry": "which of two messages it is",
    "ratls.openssl.advance": "whether the handshake needs more bytes",
    "session.contents.Service.beside": "what the directory asks for",
    "tokens.challenge.TokenChallenge.names": "whether a challenge is meant for an origin, which a client may ignore",
}
"""Public functions that return a boolean, and why it is not a verdict on something received."""


def test_no_check_returns_a_boolean() -> None:
    found = {name for name, function in METHODS.items() if "bool" in str(inspect.signature(function).return_annotation)}
    assert found <= set(BOOLEANS)


# Documents.


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_modules_say_what_is_in_them(module: ModuleType) -> None:
    assert (module.__doc__ or "").strip()
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_is_documented(name: str) -> None:
    for full, thing in ((name, NAMES[name]), *methods(name, NAMES[name])):
        document = inspect.getdoc(thing) or ""
        assert document.strip(), full
        assert not document.startswith(f"{name.rsplit('.', 1)[-1]}("), full  # what dataclass writes by itself


def test_time_is_always_asked_for_by_name() -> None:
    for name, function in METHODS.items():
        parameter = inspect.signature(function).parameters.get("at")
        if parameter is not None and not name.endswith(".encode_date"):  # the time is what that one encodes
            assert parameter.kind is parameter.KEYWORD_ONLY, name
            assert parameter.default is parameter.empty, name
            assert parameter.annotation == "int", name
