"""The second implementation of the device (tests/second), from docs/protocol.md alone, in this library's world."""

from dataclasses import replace
from unittest import mock

import pytest
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKeyPair

from privproc.http import Request
from privproc.session import SUITES
from privproc.session.messages import Offer
from tests.second import directory, hpke, ledger, snp, tls
from tests.second.device import Opening
from tests.second.pipe import Pipe, PipeSession
from tests.second.tokens import Issuance
from tests.second.wire import RefusedError
from tests.world.world import ROLE, ROUTE, World

QUESTION = b"question" * 5000  # more than one TLS record and more than one chunk


def shipped(anchors):
    """The same anchors in the second implementation's words."""

    def log(p):
        witnesses = tuple((w.name, w.public) for w in p.witnesses)
        return ledger.Log(p.key.name, p.key.public, witnesses, p.threshold, p.max_age)

    return directory.Anchors(
        signers=tuple((t.key.public, t.first, t.last) for t in anchors.signers.terms),
        origin=anchors.grid.origin,
        length=anchors.grid.length,
        mirrors=anchors.mirrors,
        agreeing=anchors.agreeing,
        package_log=log(anchors.package_log),
        package_namespace=anchors.package_namespace,
        logs={name: log(p) for name, p in anchors.logs.items()},
        roots={pin: snp.NAMES.index(product.value) for pin, product in anchors.roots.pins},
        device_roots=anchors.device_roots.pins,
    )


class Device:
    """A device of the second implementation in a world."""

    def __init__(self, suite=SUITES[1], world=World):
        self.world = world = world(1_800_000_000, suite=suite)
        self.anchors = shipped(world.anchors)
        self.directory, self.kept = directory.learn(self.anchors, directory.Kept(), world.fetch(), world.at)

    def token(self):
        issuance = Issuance(self.directory.issuer_key, self.directory.issuer, self.directory.gateway)
        return issuance.finish(self.world.issue(issuance.request))

    def open(self):
        return Opening(self.anchors, self.directory, self.token(), ROLE, self.world.at)

    def send(self, content):
        fields = ((b"content-type", b"message/ohttp-req"),)
        response = self.world.send(Request("POST", "https", ROUTE.authority, ROUTE.path, fields, content))
        return response.status, [v for n, v in response.fields if n == b"content-type"], response.content

    def session(self):
        opening = self.open()
        return opening.appraise(*self.send(opening.content), self.world.at)


@pytest.fixture(scope="module")
def device():
    return Device()


@pytest.fixture
def tap(device):
    """Lets the host put something in place of what it passes on."""

    def of(change):
        device.world.wire.taps["host → gateway"] = change

    yield of
    device.world.wire.taps.clear()


# What interoperates


@pytest.mark.parametrize("suite", SUITES, ids=["hybrid", "classic"])
@pytest.mark.parametrize("question", [b"", QUESTION], ids=["empty", "long"])
def test_a_private_request(suite, question):
    device = Device(suite)
    assert device.directory.config.suite.kem == suite.kem
    session = device.session()
    assert session.suite.kem == suite.kem
    asking = session.ask(question, device.world.at)
    answer, _ = asking.read(*device.send(asking.content), device.world.at)
    assert answer.removesuffix(b"\n") == question  # the world's model ends a line


def test_two_sessions_at_once(device):
    one, two = device.session(), device.session()
    for session, question in ((two, b"second"), (one, b"first")):
        asking = session.ask(question, device.world.at)
        assert asking.read(*device.send(asking.content), device.world.at)[0].strip() == question


@pytest.mark.parametrize("suite", SUITES, ids=["hybrid", "classic"])
def test_questions_in_one_session(suite):
    device = Device(suite)
    session = device.session()
    for number, question in enumerate((b"first", QUESTION, b"", b"last")):
        asking = session.ask(question, device.world.at, last=number == 3)
        answer, session = asking.read(*device.send(asking.content), device.world.at)
        assert answer.strip() == question
        device.world.at += 200
    assert session is None
    assert not device.world.machine.sessions
    with pytest.raises(RefusedError, match="the session has ended"):
        device.session().ask(b"late", device.world.at + 30)


def test_as_many_questions_as_are_announced():
    device = Device()
    device.world.machine.enclave = replace(device.world.machine.enclave, requests=2)
    session = device.session()
    for _ in range(2):
        asking = session.ask(b"question", device.world.at)
        answer, session = asking.read(*device.send(asking.content), device.world.at)
        assert answer.strip() == b"question"
    assert session is None


@pytest.mark.parametrize("suite", SUITES, ids=["hybrid", "classic"])
def test_new_evidence_in_a_session(suite):
    device = Device(suite)
    session = device.session()
    for number in range(3):
        renewing = session.renew(device.directory, device.world.at)
        session = renewing.read(*device.send(renewing.content), device.world.at)
        assert (session.state.seq, session.state.n) == (number + 1, 0)
        for question in (b"first", QUESTION):
            asking = session.ask(question, device.world.at)
            answer, session = asking.read(*device.send(asking.content), device.world.at)
            assert answer.strip() == question


def test_a_session_is_attested_eight_times(device):
    session = device.session()
    for _ in range(7):
        renewing = session.renew(device.directory, device.world.at)
        session = renewing.read(*device.send(renewing.content), device.world.at)
    with pytest.raises(RefusedError, match="eight times"):
        session.renew(device.directory, device.world.at)


def test_new_evidence_that_is_not(device):
    session = device.session()
    with mock.patch.object(device.world.machine, "report", return_value=report_of(device)):
        renewing = session.renew(device.directory, device.world.at)
        content = device.send(renewing.content)
    with pytest.raises(RefusedError, match="d binding"):
        renewing.read(*content, device.world.at)
    late = device.session().renew(device.directory, device.world.at)
    content = device.send(late.content)
    with pytest.raises(RefusedError, match="too late"):
        late.read(*content, device.world.at + 30)


def report_of(device):
    """The evidence of the session that was opened last."""
    offer = [data for name, data in device.world.wire.crossings if name == "enclave → host" and data[:1] != b"\x17"][-1]
    return Offer.decode(offer).evidence


class Piped:
    """A pipe of the second implementation in a world."""

    def __init__(self, device):
        self.world = device.world
        self.pipe = Pipe(device.anchors, device.directory, device.token(), ROLE, device.world.at)
        fields = ((b"content-type", b"message/ohttp-chunked-req"), (b"incremental", b"?1"))
        request = Request("POST", "https", ROUTE.authority, ROUTE.path, fields, b"")
        self.down = self.world.stream(request, iter(self.pipe.take, b""))
        self.begun = False

    def events(self, split=1 << 20):
        """What comes until a session can ask again, or nothing more comes; pieces cut every ``split`` bytes."""
        for response in self.down:
            if not self.begun:
                self.pipe.receive(response.status, [v for n, v in response.fields if n == b"content-type"])
            self.begun, ready = True, False
            for at in range(0, len(response.content), split):
                for event in self.pipe.read(response.content[at : at + split], self.world.at):
                    ready |= isinstance(event, PipeSession)
                    yield event
            if ready or self.pipe.over:
                return
        self.pipe.end()


@pytest.mark.parametrize("suite", SUITES, ids=["hybrid", "classic"])
@pytest.mark.parametrize("split", [1 << 20, 701])
def test_a_session_in_a_pipe(suite, split):
    device = Device(suite)
    piped = Piped(device)
    (session,) = piped.events(split)
    for question in (b"first", QUESTION):
        session.ask(question, device.world.at)
        *pieces, session = piped.events(split)
        assert b"".join(pieces).strip() == question
    session.renew(device.directory, device.world.at)
    (session,) = piped.events(split)
    assert session.state.seq == 1
    session.ask(b"last", device.world.at, last=True)
    assert b"".join(piped.events(split)).strip() == b"last"
    assert piped.pipe.over
    piped.pipe.end()
    assert not device.world.machine.sessions


def test_a_pipe_that_is_cut_off(device):
    piped = Piped(device)
    (session,) = piped.events()
    session.ask(b"question", device.world.at)
    next(piped.down)
    with pytest.raises(RefusedError, match="cut off"):
        piped.pipe.end()


def test_a_pipe_whose_pieces_change_places(device):
    piped = Piped(device)
    (session,) = piped.events()
    session.ask(b"The harbour. Then the harbour cafe. Then photos.", device.world.at)
    one, two = next(piped.down), next(piped.down)
    with pytest.raises(RefusedError, match="the AEAD refuses"):
        list(piped.pipe.read(two.content + one.content, device.world.at))


def test_a_pipe_that_the_gateway_refuses(device):
    token = device.token()
    for _ in range(2):
        with mock.patch.object(device, "token", return_value=token):
            piped = Piped(device)
        if _ == 0:
            list(piped.events())
    with pytest.raises(RefusedError, match="the gateway refuses"):
        list(piped.events())


def test_own_hpke_against_pyhpke():
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)
    keys: KEMKeyPair = suite.kem.derive_key_pair(bytes(32))
    sender = hpke.Sender(hpke.CLASSIC, keys.public_key.to_public_bytes(), b"info")
    receiver = suite.create_recipient_context(sender.enc, keys.private_key, b"info")
    assert receiver.open(sender.seal_first(b"text")) == b"text"
    assert receiver.export(b"context", 48) == sender.export(b"context", 48)


@pytest.mark.parametrize("suite", hpke.SUITES)
def test_own_decap_undoes_encap(suite):
    private, public = hpke.generate(suite)
    enc, shared = hpke.encap(suite, public)
    assert hpke.decap(suite, private, enc) == shared


# The directory


def test_a_directory_again_and_beside_another(device):
    fetched = device.world.fetch()
    again = directory.learn(device.anchors, device.kept, fetched, device.world.at)
    assert again[1] == device.kept
    with pytest.raises(RefusedError, match="two packages"):
        directory.learn(device.anchors, replace(device.kept, digest=bytes(48)), fetched, device.world.at)
    with pytest.raises(RefusedError, match="an older epoch"):
        directory.learn(device.anchors, replace(device.kept, epoch=device.kept.epoch + 1), fetched, device.world.at)
    with pytest.raises(RefusedError, match="below the floor"):
        directory.learn(device.anchors, replace(device.kept, size=device.kept.size + 1), fetched, device.world.at)
    for back, why in ((1, "another predecessor"), (2, "it says that it is the first")):
        before = replace(device.kept, epoch=device.kept.epoch - back, digest=bytes(48))
        with pytest.raises(RefusedError, match=why):
            directory.learn(device.anchors, before, fetched, device.world.at)


def test_copies_that_are_altered_do_not_count(device):
    (a, first), (b, second), (c, third) = device.world.fetch()

    def altered(x):
        return x[:200] + bytes([x[200] ^ 1]) + x[201:]

    learnt, _ = directory.learn(device.anchors, directory.Kept(), [(a, altered(first)), (b, second), (c, third)],
                                device.world.at)  # fmt: skip
    assert learnt.digest == device.directory.digest
    with pytest.raises(RefusedError, match="too few mirrors"):
        directory.learn(device.anchors, directory.Kept(), [(a, first), (b, altered(second))], device.world.at)


def test_a_directory_out_of_its_time(device):
    for late in (-2, 1):
        with pytest.raises(RefusedError, match="not in its time"):
            at = device.world.at + late * device.anchors.length
            directory.learn(device.anchors, directory.Kept(), device.world.fetch(), at)


# The first answer


def test_an_altered_answer(device):
    opening = device.open()
    status, media, content = device.send(opening.content)
    with pytest.raises(RefusedError, match="the AEAD refuses"):
        opening.appraise(status, media, content[:-1] + bytes([content[-1] ^ 1]), device.world.at)
    with pytest.raises(RefusedError, match="size"):
        opening.appraise(status, media, content[:-1], device.world.at)
    with pytest.raises(RefusedError, match="too late"):
        opening.appraise(status, media, content, device.world.at + 30)


def test_a_token_twice(device):
    token = device.token()
    for times in range(2):
        opening = Opening(device.anchors, device.directory, token, ROLE, device.world.at)
        answer = device.send(opening.content)
        assert answer[0] == 200
        if times:
            with pytest.raises(RefusedError, match="the gateway refuses"):
                opening.appraise(*answer, device.world.at)
        else:
            opening.appraise(*answer, device.world.at)


EVIDENCE = bytes.fromhex("0001 000004a0")  # format, and length of a report


def test_another_sessions_evidence(device, tap):
    offers = []
    tap(lambda data: offers.append(data) or data)
    device.session()

    def swap(data):
        at = data.index(EVIDENCE) + len(EVIDENCE)
        old = offers[0].index(EVIDENCE) + len(EVIDENCE)
        return data[:at] + offers[0][old : old + 1184] + data[at + 1184 :]

    tap(swap)
    with pytest.raises(RefusedError, match="d binding"):
        device.session()
    tap(lambda _: offers[0])
    with pytest.raises(RefusedError, match="the handshake fails"):
        device.session()


def test_another_one_time_key(device, tap):
    _, mine = hpke.generate(hpke.CLASSIC)

    def swap(data):
        at = data.index(hpke.CLASSIC.code + len(mine).to_bytes(4, "big")) + 10
        return data[:at] + mine + data[at + len(mine) :]

    tap(swap)
    with pytest.raises(RefusedError, match="d binding"):
        device.session()


def test_another_format(device, tap):
    tap(lambda data: data.replace(EVIDENCE, b"\0\2" + EVIDENCE[2:]))
    with pytest.raises(RefusedError, match="wasn't listed"):
        device.session()


def test_an_altered_report(device, tap):
    for place, why in ((0x90, "c signature"), (0x2A0, "c signature"), (0x210, "reserved")):

        def flip(data, place=place):
            at = data.index(EVIDENCE) + len(EVIDENCE) + place
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

        tap(flip)
        with pytest.raises(RefusedError, match=why):
            device.session()


def test_a_flight_that_goes_on(device, tap):
    def longer(data):
        end = 4 + int.from_bytes(data[:4], "big")
        return (end - 4 + 6).to_bytes(4, "big") + data[4:end] + bytes.fromhex("140303000101") + data[end:]

    tap(longer)
    with pytest.raises(RefusedError, match="the flight ends elsewhere"):
        device.session()


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("g product", {"floors": {}}),
        ("h signer", {"signer": 1, "names": (bytes(64),)}),
        ("h signer", {"signer": 2, "names": (b"provider",)}),
        ("i tcb-floor", {"tcb": bytes.fromhex("0b010000000019db")}),
        ("i tcb-floor", {"launch_tcb": bytes.fromhex("0a010000000019dc")}),
        ("j firmware-floor", {"firmware": b"\xff\0\0"}),
        ("k mitigations", {"mitigations": 1 << 63}),
        ("l guest-policy", {"guest": bytes.fromhex("01000101010101")}),
        ("m guest-abi", {"abi": b"\xff\0"}),
        ("n platform", {"platform": bytes.fromhex("01020101010200")}),
        ("o vmpl", {"vmpl": 1}),
        ("p host-data", {"host_data": b"\1" * 32}),
        ("q id-block", {"id_block": b"\1" * 128}),
        ("q id-block", {"guest_svn": 1 << 31}),
    ],
)
def test_a_stricter_policy(device, why, changes):
    """As if the directory had another policy: each check of the report stands alone."""
    opening = device.open()
    policy = opening.service.policy
    if set(changes) <= set(snp.Floor.__dataclass_fields__):
        changes = {"floors": {0: replace(policy.floors[0], **changes)}}
    opening.service = replace(opening.service, policy=replace(policy, **changes))
    answer = device.send(opening.content)
    with pytest.raises(RefusedError, match=why):
        opening.appraise(*answer, device.world.at)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("another entry", {"namespace": "other"}),
        ("the version is too low", {"version": 1 << 31}),
        ("below the floor", {"floor": (1 << 40, bytes(32))}),
        ("no policy for this log", {"log": "other.log.example"}),
    ],
)
def test_another_log_proof(device, why, changes):
    opening = device.open()
    opening.service = replace(opening.service, **changes)
    answer = device.send(opening.content)
    with pytest.raises(RefusedError, match=why):
        opening.appraise(*answer, device.world.at)


def test_other_anchors(device):
    opening = device.open()
    answer = device.send(opening.content)
    opening.anchors = replace(device.anchors, roots={bytes(32): 0})
    with pytest.raises(RefusedError, match="the root isn't pinned"):
        opening.appraise(*answer, device.world.at)


def test_a_session_that_waits_too_long(device):
    session = device.session()
    with pytest.raises(RefusedError, match="the session has ended"):
        session.ask(b"late", device.world.at + 30)


# The second answer


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("a record is refused", lambda data: data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]),
        ("the input is too short", lambda data: b"".join(tls._records(data)[:-2])),
    ],
    ids=["altered", "cut"],
)
def test_the_host_changes_the_records(device, tap, why, change):
    asking = device.session().ask(b"question", device.world.at)
    tap(change)
    answer = device.send(asking.content)
    with pytest.raises(RefusedError, match=why):
        asking.read(*answer, device.world.at)


def test_a_refusal_of_the_second_request(device):
    asking = device.session().ask(b"question", device.world.at)
    device.send(asking.content)
    with pytest.raises(RefusedError, match="the gateway refuses"):
        asking.read(*device.send(asking.content), device.world.at)


def test_an_answer_of_another_size(device):
    asking = device.session().ask(b"question", device.world.at)
    status, media, content = device.send(asking.content)
    with pytest.raises(RefusedError, match="a size that isn't allowed"):
        asking.read(status, media, content + b"\0", device.world.at)
