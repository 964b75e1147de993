"""The messages of privproc/1 (docs/protocol.md §2 to §6), and what mirrors and hosts serve beside them."""

from __future__ import annotations

from privproc.chunks import TAG_LENGTH
from privproc.cli.inspect import beside, cbor, ledger, names
from privproc.cli.inspect.beside import endorsements, lp
from privproc.cli.inspect.walk import Walk
from privproc.hpke import Kem
from privproc.responsekey import REQUEST_SIZES
from privproc.responsekey.answer import CHUNK_SIZES
from privproc.session.messages import HANDLE_LENGTH, OPEN_SIZE

__all__ = [
    "announcement",
    "answer",
    "check_answer",
    "check_request",
    "continue_",
    "continued",
    "forward",
    "offer",
    "open_",
    "opened",
    "published",
    "request",
]


def _suite(walk: Walk) -> int:
    kem = walk.uint("KEM", 2, names.kem)
    walk.uint("KDF", 2, names.kdf)
    walk.uint("AEAD", 2, names.aead)
    return kem


def _text(walk: Walk, name: str) -> None:
    walk.text(name, walk.uint(f"{name}, length", 4))


def open_(walk: Walk) -> None:
    """Open (docs/protocol.md §4.3)."""
    walk.uint("version", 2)
    for name in ("role", "log", "namespace"):
        _text(walk, name)
    for _ in range(walk.uint("formats, count", 2)):
        walk.uint("format, length", 4)
        walk.uint("format", 2, names.evidence)
    walk.uint("device required", 1)
    walk.opaque("policy id", 32)
    walk.opaque("nonce", 32)
    for _ in range(walk.uint("suites, count", 2)):
        with walk.part("suite", walk.uint("suite, length", 4)) as suite:
            _suite(suite)
    walk.vector("ClientHello", 4)
    walk.zeros("padding", walk.uint("padding, length", 4))


def forward(walk: Walk) -> None:
    """Forward: what a gateway passes to an enclave (docs/protocol.md §4.4)."""
    walk.opaque("package", 48)
    walk.opaque("outer", 48)
    with walk.part("Open", OPEN_SIZE) as inner:
        open_(inner)


def announcement(walk: Walk) -> None:
    """Announcement of a one-time key (docs/protocol.md §2.6)."""
    _suite(walk)
    walk.vector("one-time key", 4)
    walk.uint("max requests", 4)
    walk.uint("lifetime", 4, lambda seconds: f"{seconds} s")


def offer(walk: Walk) -> None:
    """Offer (docs/protocol.md §4.5)."""
    lp(walk, "server flight")
    lp(walk, "announcement", announcement)
    beside.evidence(walk)
    beside.devices(walk)


def opened(walk: Walk) -> None:
    """Opened: the gateway's first answer (docs/protocol.md §4.6). Who has the handle can go on, so it isn't shown."""
    walk.hidden("handle", HANDLE_LENGTH)
    lp(walk, "offer", offer)
    lp(walk, "endorsements", endorsements)
    lp(walk, "log proof", ledger.proof)


def continue_(walk: Walk) -> None:
    """Continue (docs/protocol.md §5.1)."""
    walk.hidden("handle", HANDLE_LENGTH)
    walk.uint("offset", 8)
    walk.opaque("MAC", 48)
    walk.vector("TLS records", 4)


def continued(walk: Walk) -> None:
    """Continued (docs/protocol.md §5.1)."""
    walk.hidden("handle", HANDLE_LENGTH)
    walk.vector("TLS records", 4)


def published(walk: Walk) -> None:
    """What a mirror serves (docs/protocol.md §3)."""
    lp(walk, "package", cbor.package)
    lp(walk, "log proof", ledger.proof)


def check_request(data: bytes) -> None:
    """Whether this can be a sealed request: the size of ``enc`` is a KEM's, the ciphertext's one of those in use."""
    walk = Walk(data, "sealed request")
    if (size := walk.uint("enc, length", 4)) not in {kem.Nenc for kem in Kem}:
        raise walk.fail(f"no KEM has an enc of {size} bytes")
    walk.opaque("enc", size)
    if (size := walk.uint("ciphertext, length", 4)) - TAG_LENGTH not in REQUEST_SIZES:
        raise walk.fail(f"no request has a ciphertext of {size} bytes")
    walk.opaque("ciphertext", size)
    if walk.left:
        raise walk.fail(f"{walk.left} trailing bytes")


def request(walk: Walk) -> None:
    """A sealed request (docs/protocol.md §6.1)."""
    walk.vector("enc", 4)
    size = walk.uint("ciphertext, length", 4)
    walk.opaque("ciphertext and tag", size, f"({size - TAG_LENGTH} of plaintext)")


def check_answer(data: bytes) -> None:
    """Whether this can be a sealed answer: ``e``, and chunks of sizes in use, the last one marked."""
    walk = Walk(data, "sealed answer")
    if (size := walk.uint("e, length", 4)) not in {kem.Nenc for kem in Kem}:
        raise walk.fail(f"no KEM has an encapsulation of {size} bytes")
    walk.opaque("e", size)
    last = 0
    while not last:
        last = walk.uint("last", 1)
        if last > 1 or (size := walk.uint("length", 2)) - TAG_LENGTH not in CHUNK_SIZES:
            raise walk.fail("not a chunk")
        walk.opaque("chunk", size)
    if walk.left:
        raise walk.fail(f"{walk.left} trailing bytes")


def answer(walk: Walk) -> None:
    """A sealed answer (docs/protocol.md §6.2)."""
    walk.vector("e", 4)
    index = 0
    while walk.left:
        with walk.part(f"chunk {index}") as chunk:
            chunk.uint("last", 1)
            size = chunk.uint("length", 2)
            chunk.opaque("ciphertext and tag", size, f"({size - TAG_LENGTH} of plaintext)")
        index += 1
