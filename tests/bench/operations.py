"""What is measured. Messages have 1 KiB; keys, logs and packages come from :func:`tests.bench.parties.parties`."""

from __future__ import annotations

from collections.abc import Iterator

from privproc import bhttp, blindrsa, hpke, ohttp, ratls, session, tokens, trust
from privproc.attestation import snp
from privproc.blindrsa import Variant
from privproc.http import Request, Response
from privproc.keyconfig import GatewayKey, KeyRing, select
from privproc.ledger import verify as verify_log
from privproc.responsekey import Context, OneTimeKey, open_request, seal_request
from privproc.secret import Secret
from tests.bench import floors
from tests.bench.measure import Operation, Stream
from tests.bench.parties import AT, LOG_SIZE, QUESTION, parties
from tests.world.amd import strict_policy
from tests.world.enclave import MEASUREMENT
from tests.world.world import NAMESPACE, ROLE

KIB = 1024
MESSAGE = bytes(KIB)
INFO = b"message/bhttp request\0" + bytes(7)
PATH = (LOG_SIZE - 1).bit_length()
WITNESSES = 3
"""Cosignatures in a proof, all by witnesses that the device knows."""

X25519 = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
P256 = hpke.Suite(hpke.Kem.P256_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
XWING = session.SUITES[0]


def operations() -> Iterator[Operation]:
    yield ohttp_exchange("OHTTP exchange, X25519", X25519, floors.X25519_SUITE)
    yield ohttp_exchange("OHTTP exchange, X-Wing", XWING, floors.XWING_SUITE)
    yield hpke_seal("HPKE set-up and seal, X25519", X25519, floors.X25519_SUITE, bound=1.1)
    yield hpke_seal("HPKE set-up and seal, P-256", P256, floors.P256_SUITE)
    yield hpke_seal("HPKE set-up and seal, X-Wing", XWING, floors.XWING_SUITE)
    yield hpke_open("HPKE set-up and open, X25519", X25519, floors.X25519_SUITE)
    yield hpke_open("HPKE set-up and open, P-256", P256, floors.P256_SUITE)
    yield hpke_open("HPKE set-up and open, X-Wing", XWING, floors.XWING_SUITE)
    yield appraisal()
    yield private_request()
    yield handshake()
    yield ledger()
    yield learn()
    yield redemption()
    yield from blind_signatures()
    yield from binary_http()


def streams() -> Iterator[Stream]:
    piece = 4 * AnswerStream.CHUNK
    yield Stream("responsekey answer", piece, lambda: AnswerStream(piece), lambda: floors.ChunkStream(16336, 4))
    piece = 1 << 16
    yield Stream("ratls channel", piece, lambda: TlsStream(piece), lambda: floors.TlsStream(piece))


def ohttp_exchange(name: str, suite: hpke.Suite, floor: floors.SuiteFloor) -> Operation:
    key = GatewayKey(1, hpke.PrivateKey.generate(suite.kem), (suite,), AT, AT + 1)
    ring = KeyRing([key])
    gateway = ohttp.Gateway(ring, max_request=1 << 20)
    selection = trust.pin(select(ring.configs(at=AT), [suite]), b"", not_before=AT, not_after=AT + 1)

    def run(_: None) -> bytes:
        wire, pending = ohttp.begin(selection, at=AT).seal(MESSAGE)
        _message, responder = gateway.open(wire, at=AT)
        return pending.finish(responder.seal(MESSAGE))

    return Operation(name, run, floors.ohttp(floor, KIB, KIB), 1.2)


def hpke_seal(name: str, suite: hpke.Suite, floor: floors.SuiteFloor, bound: float | None = None) -> Operation:
    public = hpke.PrivateKey.generate(suite.kem).public_key

    def run(_: None) -> tuple[bytes, bytes]:
        enc, sender = hpke.setup_sender(suite, public, INFO)
        return enc, sender.seal(MESSAGE)

    return Operation(name, run, floors.hpke_seal(floor, KIB), bound)


def hpke_open(name: str, suite: hpke.Suite, floor: floors.SuiteFloor) -> Operation:
    private = hpke.PrivateKey.generate(suite.kem)
    enc, sender = hpke.setup_sender(suite, private.public_key, INFO)
    sealed = sender.seal(MESSAGE)

    def run(_: None) -> bytes:
        return hpke.setup_recipient(suite, private, enc, INFO).open(sealed)

    return Operation(name, run, floors.hpke_open(floor, KIB))


def appraisal() -> Operation:
    p = parties()
    binding = b"privproc/1 bind\0" + bytes(range(48))
    evidence = p.chip.report(measurement=MEASUREMENT, report_data=binding)
    policy, chain, logged = strict_policy(p.chip), p.chip.chain(), _logged()

    def run(_: None) -> snp.VerifiedEvidence:
        return snp.appraise(evidence, binding=binding, policy=policy, chain=chain, logged=logged, role=ROLE, at=AT)

    return Operation("appraisal of an SEV-SNP report", run, floors.appraisal(), 1.2)


def _logged() -> object:
    p = parties()
    contents = p.directory.contents.get(at=AT)
    service = contents.service(ROLE)
    return verify_log(
        p.log_proof,
        namespace=NAMESPACE,
        role=ROLE,
        log=p.anchors.logs[service.log],
        floor=contents.checkpoint(service.log),
        minimum_version=service.minimum_version,
        at=AT,
    )


def ledger() -> Operation:
    return Operation("ledger proof", lambda _: _logged(), floors.ledger(WITNESSES, PATH))


def learn() -> Operation:
    p = parties()
    return Operation("package from 3 mirrors", lambda _: p.learn(), floors.learn(WITNESSES, PATH, len(p.copies[0][1])))


def private_request() -> Operation:
    p = parties()
    floor = floors.request(WITNESSES, PATH, floors.Sizes())
    return Operation("private request, all parties", lambda _: p.request(), floor, 1.4, pause=p.pause)


def handshake() -> Operation:
    p = parties()
    sample = p.directory.contents.get(at=AT).group
    identity = p.enclave.identity
    base = _evidence()
    th1, announcement = bytes(48), bytes(1240)
    operation: Operation

    def run(_: None) -> tuple[ratls.Channel, ratls.Channel]:
        hello, pending = ratls.connect(sample)
        flight, attesting = ratls.accept(identity, hello, sample)
        attesting.bind(role=ROLE, th1=th1, announcement=announcement)
        established = pending.finish(flight)
        binding = established.bind(role=ROLE, th1=th1, announcement=announcement)
        with operation.pause:
            evidence = snp.VerifiedEvidence._earn(**(base | {"binding": binding}))
        channel = established.release(evidence, at=AT)
        return channel, attesting.finish(channel.data_to_send())[0]

    operation = Operation("ratls handshake, bound", run, floors.handshake())
    return operation


def _evidence() -> dict[str, object]:
    """The fields of an appraisal's result, for a channel that is released without one."""
    evidence = appraisal().once()
    return {name: getattr(evidence, name) for name in type(evidence).__dataclass_fields__}


def redemption() -> Operation:
    p = parties()
    contents = p.directory.contents.get(at=AT)
    origin = tokens.Origin([p.directory.contents.map(lambda contents: contents.token_key)])
    token, challenge = p.token, contents.challenge
    return Operation(
        "token redemption", lambda _: origin.redeem(token, challenge=challenge, at=AT), floors.redemption()
    )


def blind_signatures() -> Iterator[Operation]:
    variant = Variant.SHA384_PSS_DETERMINISTIC
    private = blindrsa.PrivateKey.generate()
    public, prepared = private.public_key, bytes(98)
    blinded, _ = blindrsa._derand_blind(variant, public, prepared, bytes(48), 7)
    answer = blindrsa.blind_sign(private, blinded)
    yield Operation("blind RSA-2048: blind", lambda _: blindrsa.blind(variant, public, prepared), floors.blind())
    yield Operation("blind RSA-2048: sign", lambda _: blindrsa.blind_sign(private, blinded), floors.blind_sign())
    yield Operation(
        "blind RSA-2048: finish",
        lambda pending: pending.finish(answer),
        floors.finish(),
        prepare=lambda: blindrsa._derand_blind(variant, public, prepared, bytes(48), 7)[1],
    )


def binary_http() -> Iterator[Operation]:
    fields = ((b"content-type", b"application/json"), (b"accept", b"*/*"), (b"date", b"Tue, 15 Nov 1994 08:12:31 GMT"))
    request = Request("POST", "https", "gateway.example", "/privproc/1/open", fields, MESSAGE)
    response = Response(200, fields, MESSAGE)
    yield Operation("BHTTP request: encode", lambda _: bhttp.encode_request(request), None)
    encoded = bhttp.encode_request(request)
    yield Operation("BHTTP request: decode", lambda _: bhttp.decode_request(encoded), None)
    yield Operation("BHTTP response: encode", lambda _: bhttp.encode_response(response), None)
    sealed = bhttp.encode_response(response)
    yield Operation("BHTTP response: decode", lambda _: bhttp.decode_response(sealed), None)


class AnswerStream:
    """An answer from the enclave's sealer to the device's channel."""

    CHUNK = 16336 - 4

    def __init__(self, piece: int) -> None:
        one_time, exporter = OneTimeKey.generate(XWING), bytes(48)
        context = [Context(bytes(48), 0, b"", Secret(exporter)) for _ in range(2)]
        sealed, self._answer = seal_request(context[0], XWING, one_time.public_key, QUESTION)
        _question, self._sealer = open_request(context[1], one_time, sealed)
        self._answer.receive_data(self._sealer.send(b""))  # the head, and the chunk that may name a next key
        self._piece = bytes(piece)

    def piece(self) -> object:
        return self._answer.receive_data(self._sealer.send(self._piece))


class TlsStream:
    """One direction of a bound channel."""

    def __init__(self, piece: int) -> None:
        self._client, self._server = handshake().once()
        self._piece = bytes(piece)

    def piece(self) -> object:
        self._client.send(self._piece)
        return self._server.receive_data(self._client.data_to_send())
