"""The figures of docs/guides, from real runs: python -m tests.diagrams writes them, a test compares.

Sizes are those of the bytes that went over. Each figure is a run of its layer alone, or of the whole world.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from privproc import hpke, ohttp, ratls, session, tokens
from privproc.attestation import snp
from privproc.attestation.case import appraise
from privproc.blindrsa import PrivateKey as RsaKey
from privproc.http import Request, Response
from privproc.keyconfig import GatewayKey, KeyConfigs, KeyRing, select
from privproc.keypackage import Grid, Package, Signer, Signers, agree, seal
from privproc.ledger import Entry, verify
from privproc.tokens import BLIND_RSA, Issuer, IssuerKey, MemoryStore, Origin, TokenChallenge
from privproc.trust import pin
from tests.world import cases, chart
from tests.world.ledger import Ledger
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"
AT = 1_800_000_000
DAY = 86400
SUITE = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
TOP, ARROW, DEED, EDGE = 56, 42, 30, 62
SCALE = 1.2  # of all figures alike, so that their letters are of one size beside each other
LETTER = 6.8  # pixels of a letter of 12 pixels, on average

STYLE = f"""{chart.STYLE}
.back{{fill:var(--back)}}.deed{{fill:var(--back);stroke:var(--line);stroke-dasharray:3 3}}
"""


@dataclass(frozen=True)
class Arrow:
    """A message from one party to another; ``size`` in bytes, 0 where it varies from run to run."""

    source: str
    target: str
    text: str
    size: int = 0


@dataclass(frozen=True)
class Deed:
    """What a party does by itself."""

    party: str
    text: str


def sequence(parties: Sequence[str], rows: Sequence[Arrow | Deed], *, title: str) -> str:
    """The chart. Colours follow the reader's light or dark setting; the first party is the one that asks."""
    gap = _gap(parties, rows)
    at = {party: EDGE + gap * number for number, party in enumerate(parties)}
    height = TOP + sum(ARROW if isinstance(row, Arrow) else DEED for row in rows) + 16
    width = EDGE * 2 + gap * (len(parties) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        f' width="{width * SCALE:g}" height="{height * SCALE:g}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{width}" height="{height}"/>',
        *(chart._marker(way) for way in ("up", "down")),
    ]
    for party, x in at.items():
        parts.append(f'<line class="life" x1="{x}" y1="40" x2="{x}" y2="{height - 8}"/>')
        parts.append(f'<rect class="box" x="{x - 52}" y="8" width="104" height="32" rx="4"/>')
        parts.append(f'<text class="party" x="{x}" y="29" text-anchor="middle">{escape(party)}</text>')
    y = TOP
    for row in rows:
        parts += _arrow(row, at, y + 18) if isinstance(row, Arrow) else _deed(row, at, y + 8, width)
        y += ARROW if isinstance(row, Arrow) else DEED
    return "\n".join([*parts, "</svg>", ""])


def _gap(parties: Sequence[str], rows: Sequence[Arrow | Deed]) -> int:
    """Between two parties: room for the longest text on an arrow."""
    place = {party: number for number, party in enumerate(parties)}
    needed = [150.0]
    for row in rows:
        if isinstance(row, Arrow):
            steps = abs(place[row.source] - place[row.target])
            needed.append((len(row.text) * LETTER + 20) / steps)
    return int(max(needed))


def _arrow(row: Arrow, at: dict[str, int], y: int) -> Iterator[str]:
    start, end = at[row.source], at[row.target]
    way, middle = ("up" if start < end else "down"), (start + end) / 2
    yield f'<text class="label" x="{middle:g}" y="{y - 5}" text-anchor="middle">{escape(row.text)}</text>'
    if row.size:
        yield f'<text class="label size" x="{middle:g}" y="{y + 13}" text-anchor="middle">{row.size:,} bytes</text>'
    yield f'<line class="{way}" x1="{start}" y1="{y}" x2="{end}" y2="{y}" marker-end="url(#{way})"/>'


def _deed(row: Deed, at: dict[str, int], y: int, width: int) -> Iterator[str]:
    """A box on the party's line, moved so that it stays within the figure."""
    wide = len(row.text) * LETTER + 16
    left = min(max(at[row.party] - wide / 2, 4), width - wide - 4)
    yield f'<rect class="deed" x="{left:g}" y="{y - 8}" width="{wide:g}" height="22" rx="3"/>'
    yield f'<text x="{left + wide / 2:g}" y="{y + 7}" text-anchor="middle">{escape(row.text)}</text>'


def hpke_figure() -> str:
    key = hpke.PrivateKey.generate(SUITE.kem)
    enc, sender = hpke.setup_sender(SUITE, key.public_key, b"example")
    ciphertext = sender.seal(bytes(100))
    recipient = hpke.setup_recipient(SUITE, key, enc, b"example")
    recipient.open(ciphertext)
    secret = recipient.export(b"label", 32)
    rows = [
        Arrow("recipient", "sender", "public key, beforehand", len(key.public_key.encode())),
        Deed("sender", "setup_sender"),
        Arrow("sender", "recipient", "enc", len(enc)),
        Deed("recipient", "setup_recipient"),
        Arrow("sender", "recipient", "seal: a message of 100 bytes", len(ciphertext)),
        Deed("sender", f"export: {len(secret)} bytes"),
        Deed("recipient", "export: the same"),
    ]
    return sequence(("sender", "recipient"), rows, title="HPKE: one set-up, then messages one way")


def ohttp_figure() -> str:
    ring = KeyRing([GatewayKey(1, hpke.PrivateKey.generate(SUITE.kem), (SUITE,), AT, AT + DAY)])
    published = ring.configs(at=AT).encode()
    configs = pin(published, published, not_before=AT, not_after=AT + DAY).map(KeyConfigs.decode)
    relay, gateway = ohttp.Resource("relay.example", "/ohttp"), ohttp.Resource("gateway.example", "/")
    asked = Request("POST", "https", "target.example", "/", (), bytes(1000))
    posted, attempt = ohttp.encapsulate(asked, configs.map(lambda it: select(it, [SUITE])), relay, at=AT)
    forwarded, mode = ohttp.Relay(gateway, max_request=1 << 16, max_response=1 << 16).request(posted)
    incoming = ohttp.open_request(forwarded, ohttp.Gateway(ring, max_request=1 << 16), at=AT)
    rules = ohttp.Rules(ohttp.Targets([("https", "target.example")]), date_tolerance=None)
    request, until = incoming.read(rules, at=AT)
    ohttp.ReplayWindow(10).admit(incoming.replay_key, at=AT, until=until)
    answer = Response(200, (), bytes(500))
    answered = incoming.respond(answer)
    assert mode.response_type == ohttp.RESPONSE_TYPE
    assert attempt.finish(answered) == answer
    rows = [
        Arrow("gateway", "client", "key configurations, by way of a package", len(published)),
        Deed("client", "encapsulate: 1,000 bytes of content"),
        Arrow("client", "relay", "sealed request", len(posted.content)),
        Deed("relay", "knows the address, drops all fields"),
        Arrow("relay", "gateway", "the same bytes", len(forwarded.content)),
        Deed("gateway", "open, check the target, look for a replay"),
        Arrow("gateway", "target", "the request", len(request.content)),
        Arrow("target", "gateway", "the response", len(answer.content)),
        Arrow("gateway", "relay", "sealed response", len(answered.content)),
        Arrow("relay", "client", "the same bytes", len(answered.content)),
        Deed("client", "finish: opens once"),
    ]
    return sequence(("client", "relay", "gateway", "target"), rows, title="Oblivious HTTP: one exchange")


def tokens_figure() -> str:
    key = RsaKey.generate()
    issuer = Issuer([IssuerKey(key, AT, AT + DAY)])
    directory = issuer.directory("/token-request", at=AT)
    (listed,) = directory.token_keys
    trusted = pin(listed, listed.encoded, not_before=AT, not_after=AT + DAY)
    challenge = TokenChallenge(BLIND_RSA, "issuer.example", b"", ("gateway.example",))
    wire, pending = tokens.request_bound(challenge, trusted, at=AT)
    response = issuer.issue(wire, at=AT)
    token, proof_key = pending.finish(response).spend()
    proof = proof_key.sign(bytes(48))
    redeemed = Origin([trusted]).redeem(token, challenge=challenge, at=AT)
    tokens.verify_possession(proof_key.statement, redeemed.token.nonce, bytes(48), proof)
    store = MemoryStore(10)
    store.commit(store.reserve(redeemed.spend_key, at=AT, lease=30), at=AT)
    rows = [
        Deed("device", "request_bound: a fresh proof key, blinded"),
        Arrow("device", "issuer", "TokenRequest, under the account", len(wire)),
        Deed("issuer", "counts, signs what it can't read"),
        Arrow("issuer", "device", "TokenResponse", len(response)),
        Deed("device", "finish: unblinds, verifies; time passes"),
        Arrow("device", "gateway", "token", len(token.encode())),
        Arrow("device", "gateway", "proof over this exchange", len(proof_key.statement) + len(proof)),
        Deed("gateway", "redeem, verify_possession"),
        Deed("gateway", "reserve, forward, commit: spent"),
    ]
    return sequence(("issuer", "device", "gateway"), rows, title="An anonymous token, from the issuer to the gateway")


def ledger_figure() -> str:
    grid, signer, log = Grid(AT - AT % DAY, DAY), Signer.generate(), Ledger()
    epoch = grid.epoch(at=AT)
    package = Package("example", epoch, grid.start(epoch), grid.start(epoch + 1), b"", bytes(1000))
    signed = seal(package, signer)
    copies = [(name, signed) for name in ("a", "b", "c")]
    signers = Signers.only(signer.public)
    agreed = agree(copies, signers=signers, purpose="example", grid=grid, threshold=2, seen=None, at=AT)
    empty = log.head()
    index = log.append(Entry("example", "packages", agreed.package.digest, AT + DAY, 1))
    note, proof = log.checkpoint(AT), log.prove(index, AT)
    expected = {"namespace": "example", "role": "packages", "log": log.policy(), "floor": empty}
    verify(proof, **expected, minimum_version=1, at=AT).confirm(agreed.package.digest, at=AT)
    rows = [
        Deed("signer", "seal: 1,000 bytes of content"),
        Arrow("signer", "log", "entry with the digest", len(log.entries[index])),
        Arrow("log", "witnesses", "checkpoint, for all to cosign", len(note)),
        Arrow("witnesses", "log", "cosignatures"),
        Arrow("signer", "mirrors", "package and proof", len(signed) + len(proof)),
        Arrow("mirrors", "device", "one copy from each mirror", len(signed) + len(proof)),
        Deed("device", "agree: most show the same"),
        Deed("device", "verify: logged, seen by witnesses"),
    ]
    parties = ("signer", "log", "witnesses", "mirrors", "device")
    return sequence(parties, rows, title="A key package, from its signer to a device")


def attested_tls_figure() -> str:
    identity = ratls.Identity.generate(at=AT, lifetime=DAY)
    hello, pending = ratls.connect(ratls.Group.X25519MLKEM768)
    flight, attesting = ratls.accept(identity, hello, ratls.Group.X25519MLKEM768)
    fields = {"role": "model", "th1": bytes(48), "announcement": b"keys"}
    report_data = attesting.bind(**fields)
    report = cases.CHIP.report(measurement=cases.MEASUREMENT, report_data=report_data)
    assert pending.finish(flight).bind(**fields) == report_data == snp.Report.decode(report).report_data
    rows = [
        Arrow("device", "enclave", "ClientHello, the same from all", len(hello)),
        Deed("enclave", "accept, bind: exporter, leaf, role, transcript"),
        Arrow("enclave", "hardware", "bytes to sign", len(report_data)),
        Arrow("hardware", "enclave", "report", len(report)),
        Arrow("enclave", "device", "flight, ServerHello to Finished", len(flight)),
        Arrow("enclave", "device", "report and certificates, beside it"),
        Deed("device", "finish, bind: the same 64 bytes"),
        Deed("device", "appraise, release: only now it can send"),
        Arrow("device", "enclave", "Finished, and the first data"),
    ]
    return sequence(("device", "enclave", "hardware"), rows, title="TLS bound to hardware evidence")


def appraisal_figure() -> str:
    case = cases.case("sev-snp")
    found = appraise(case)
    lines = [", ".join(found.checks[start : start + 4]) for start in range(0, len(found.checks), 4)]
    rows = [
        Arrow("hardware", "verifier", "evidence", len(case.evidence)),
        Arrow("vendor", "verifier", "certificates", len(case.endorsements)),
        Arrow("ledger", "verifier", "proof of the program", len(case.log.proof)),
        Deed("verifier", "expected: policy, binding, role, roots, log"),
        *(Deed("verifier", line) for line in lines),
        Deed("verifier", f"good for {found.not_after - case.at:,} seconds"),
    ]
    return sequence(("hardware", "vendor", "ledger", "verifier"), rows, title="An appraisal, and its checks in order")


def session_figure() -> str:
    world = World(AT)
    directory = world.learn()
    before = len(world.wire.crossings)
    token = world.token(directory)
    flow = session.connect(directory, token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT)
    live = session.drive(flow, world.send, world.now)
    for question in (b"First.", b"Second."):
        reply = session.drive(session.ask_in(live, directory, question, at=AT), world.send, world.now)
        live = reply.session
    sizes = {"device → relay": [], "relay → device": [], "device → issuer": [], "issuer → device": []}
    for boundary, data in world.wire.crossings[before:]:
        if boundary in sizes:
            sizes[boundary].append(len(data))
    up, down = sizes["device → relay"], sizes["relay → device"]
    rows = [
        Arrow("device", "issuer", "TokenRequest", *sizes["device → issuer"]),
        Arrow("issuer", "device", "TokenResponse", *sizes["issuer → device"]),
        Deed("device", "connect: token, proof, Open"),
        Arrow("device", "gateway", "sealed request, by way of the relay", up[0]),
        Deed("gateway", "spends the token"),
        Arrow("gateway", "enclave", "Open, with the ClientHello"),
        Arrow("enclave", "gateway", "flight, evidence, one-time key"),
        Arrow("gateway", "device", "the same, and proofs", down[0]),
        Deed("device", "appraises; nothing was asked yet"),
        *(
            row
            for number, name in enumerate(("first", "second"), 1)
            for row in (
                Arrow("device", "gateway", f"{name} question", up[number]),
                Arrow("gateway", "enclave", "TLS records"),
                Arrow("enclave", "gateway", "TLS records"),
                Arrow("gateway", "device", f"{name} answer", down[number]),
            )
        ),
    ]
    parties = ("issuer", "device", "gateway", "enclave")
    return sequence(parties, rows, title="A session with two questions")


DRAWN: dict[str, Callable[[], str]] = {
    "guide-hpke.svg": hpke_figure,
    "guide-ohttp.svg": ohttp_figure,
    "guide-tokens.svg": tokens_figure,
    "guide-ledger.svg": ledger_figure,
    "guide-attested-tls.svg": attested_tls_figure,
    "guide-session.svg": session_figure,
    "guide-appraisal.svg": appraisal_figure,
}


def main() -> int:
    for name, draw in DRAWN.items():
        (FIGURES / name).write_text(draw(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
