"""The peers, at the versions that the drivers' manifests pin, and what each is known to do differently."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from typing import NamedTuple

import pytest

from privproc import errors
from privproc.hpke import Aead, Kdf, Kem
from tests.interop.driver import HERE, Driver, PeerError, PeerPanicError, Results, UnavailableError

RUST = tomllib.loads((HERE / "rust" / "Cargo.toml").read_text())["dependencies"]
GO = dict(re.findall(r"^\t(\S+) v(\S+)$", (HERE / "go" / "go.mod").read_text(), re.MULTILINE))
RUST_EVIDENCE = tomllib.loads((HERE / "evidence" / "rust" / "Cargo.toml").read_text())["dependencies"]
GO_EVIDENCE = dict(re.findall(r"^\t(\S+) v(\S+)$", (HERE / "evidence" / "go" / "go.mod").read_text(), re.MULTILINE))
PIP_EVIDENCE = dict(
    re.findall(r"^(\S+)==(\S+)$", (HERE / "evidence" / "python" / "requirements.txt").read_text(), re.MULTILINE)
)
NODE = json.loads((HERE / "node" / "package.json").read_text())["dependencies"]
EAT_RUST = tomllib.loads((HERE / "eat" / "rust" / "Cargo.toml").read_text())["dependencies"]
EAT_NODE = json.loads((HERE / "eat" / "node" / "package.json").read_text())["dependencies"]
TOKENS_RUST = tomllib.loads((HERE / "tokens" / "rust" / "Cargo.toml").read_text())["dependencies"]
TOKENS_NODE = json.loads((HERE / "tokens" / "node" / "package.json").read_text())["dependencies"]


@dataclass(frozen=True)
class Peer:
    """A library of another language: ``language`` names the driver, ``library`` the peer in it."""

    language: str
    library: str
    version: str

    def __str__(self) -> str:
        return f"{self.library}@{self.version}"


class Running:
    """A peer whose driver runs."""

    def __init__(self, peer: Peer, driver: Driver) -> None:
        self.peer = peer
        self._driver = driver

    def call(self, operation: str, *arguments: bytes | int | str) -> Results:
        """See :mod:`tests.interop.driver`."""
        return self._driver.call(operation, self.peer.library, *arguments)


class Drivers:
    """The drivers of one process, each built when it is first asked for, and tried once."""

    def __init__(self, *, timed: bool = False) -> None:
        self._timed = timed
        self._drivers: dict[str, Driver | UnavailableError] = {}

    def start(self, peer: Peer) -> Running:
        """Skips the test when the peer can't be had."""
        if peer.language not in self._drivers:
            try:
                self._drivers[peer.language] = Driver(peer.language, timed=self._timed)
            except UnavailableError as error:
                self._drivers[peer.language] = error
        driver = self._drivers[peer.language]
        if isinstance(driver, UnavailableError):
            pytest.skip(f"interop: {peer} can't be had: {driver}")
        return Running(peer, driver)

    def close(self) -> None:
        """End them."""
        for driver in self._drivers.values():
            if isinstance(driver, Driver):
                driver.close()


OHTTP_RS = Peer("rust", "ohttp", RUST["ohttp"].removeprefix("="))
BHTTP_RS = Peer("rust", "bhttp", RUST["bhttp"].removeprefix("="))
CIRCL = Peer("go", "github.com/cloudflare/circl", GO["github.com/cloudflare/circl"])
OHTTP_GO = Peer("go", "github.com/openpcc/ohttp", GO["github.com/openpcc/ohttp"])
TWOWAY = Peer("go", "github.com/openpcc/twoway", GO["github.com/openpcc/twoway"])
BHTTP_GO = Peer("go", "github.com/openpcc/bhttp", GO["github.com/openpcc/bhttp"])
GO_TLS = Peer("go", "crypto/tls", "Go's own")
PANVA = Peer("node", "hpke", NODE["hpke"])
CORE = Peer("node", "@hpke/core", NODE["@hpke/core"])
BHTTP_JS = Peer("node", "bhttp-js", NODE["bhttp-js"])
SEV_GO, TDX_GO = (
    Peer("evidence/go", name, GO_EVIDENCE[name])
    for name in ("github.com/google/go-sev-guest", "github.com/google/go-tdx-guest")
)
SEV_RS = Peer("evidence/rust", "sev", RUST_EVIDENCE["sev"]["version"].removeprefix("="))
NV_GPU, NV_SWITCH = (
    Peer("evidence/python", name, PIP_EVIDENCE[name]) for name in ("nv-local-gpu-verifier", "nv-attestation-sdk")
)

CORIM_RS, COSET = (
    Peer("eat/rust", name, EAT_RUST[name]["version"].removeprefix("=")) for name in ("corim-rs", "coset")
)
JOSE = Peer("eat/node", "jose", EAT_NODE["jose"])

PRIVACYPASS_RS = Peer("tokens/rust", "privacypass", TOKENS_RUST["privacypass"]["version"].removeprefix("="))
BLINDRSA_RS = Peer("tokens/rust", "blind-rsa-signatures", TOKENS_RUST["blind-rsa-signatures"].removeprefix("="))
CIRCL_TOKENS = Peer("tokens/go", CIRCL.library, CIRCL.version)
"""The same peer as :data:`CIRCL`, in another driver."""
PRIVACYPASS_TS = Peer("tokens/node", "@cloudflare/privacypass-ts", TOKENS_NODE["@cloudflare/privacypass-ts"])
BLINDRSA_TS = Peer("tokens/node", "@cloudflare/blindrsa-ts", TOKENS_NODE["@cloudflare/blindrsa-ts"])
VOPRF_TS = Peer("tokens/node", "@cloudflare/voprf-ts", TOKENS_NODE["@cloudflare/voprf-ts"])
VOPRF_PY = Peer("tokens/python", "voprf", version("voprf"))

TOKEN_PEERS = (PRIVACYPASS_RS, BLINDRSA_RS, PRIVACYPASS_TS, BLINDRSA_TS, VOPRF_TS, VOPRF_PY)
PEERS = (
    *(OHTTP_RS, BHTTP_RS, CIRCL, TWOWAY, OHTTP_GO, BHTTP_GO, GO_TLS, PANVA, CORE, BHTTP_JS),
    *TOKEN_PEERS,
    *(SEV_GO, TDX_GO, SEV_RS, NV_GPU, NV_SWITCH),
    *(CORIM_RS, COSET, JOSE),
)

NIST = (Kem.P256_SHA256, Kem.P384_SHA384, Kem.P521_SHA512)
CURVES = (*NIST, Kem.X25519_SHA256, Kem.X448_SHA512)
KEMS = {
    OHTTP_RS: (Kem.X25519_SHA256, Kem.P256_SHA256, Kem.X_WING),
    CIRCL: (*CURVES, Kem.X_WING),
    TWOWAY: (*CURVES, Kem.X_WING),
    PANVA: tuple(Kem),
    CORE: (*CURVES, Kem.ML_KEM_768, Kem.ML_KEM_1024, Kem.X_WING),
}
HKDF = tuple(kdf for kdf in Kdf if kdf.two_stage)
KDFS = {PANVA: tuple(Kdf), OHTTP_RS: (Kdf.HKDF_SHA256,)}
OHTTP_AEADS = {OHTTP_RS: (Aead.AES_128_GCM, Aead.CHACHA20_POLY1305)}
AEADS = tuple(aead for aead in Aead if aead is not Aead.EXPORT_ONLY)


def named(value: object) -> str:
    """The value in a test's name."""
    return value.name if isinstance(value, Enum) else str(value)


class Difference(NamedTuple):
    """What a peer does differently: it refuses (:class:`PeerError`), it breaks (:class:`PeerPanicError`), what comes
    out is something else (:class:`AssertionError`) or is refused here, or it doesn't refuse what it must
    (``pytest.fail.Exception``).
    """

    how: type[BaseException]
    reason: str


_RS_NONCE = "its client panics at a chunked response with a nonce of 32 bytes: it has room for 16"
_RS_TRUNCATED = "it refuses an indeterminate-length message that ends before its empty sections (RFC 9292 §3.8)"
_GO_TRUNCATED = "it refuses a message that ends before its headers (RFC 9292 §3.8), RFC 9458's own example among them"
_GO_CHUNKS = "its gateway takes chunks of at most 4096 bytes; a receiver has to take 16384 (chunked OHTTP §3)"
_RS_QUOTED = "its parsers of both fields take no quotes, which RFC 9110 lets any value have and padding needs"
_RS_PADDING = "it writes the padding of base64url without quotes; `decode_offers_leniently` reads its challenges"
_TS_TRAILING = "it reads past the end of a TokenRequest, and ignores what is behind"
_TS_GREASE = "a challenge of a reserved token type makes it refuse the whole field (RFC 9577 §2.1: ignore it)"
_IDENTITY = "its server evaluates a blinded element that is the identity (RFC 9497 §2.1: deserialising it fails)"
_PY_TRAILING = "it reads a blinded element and ignores what is behind"
_TAKES = pytest.fail.Exception  # what it must refuse
_FETCH_JOINS = Difference(AssertionError, "the Fetch API joins fields of one name")
_FETCH_TRAILERS = Difference(AssertionError, "the Fetch API has no trailers")
_LAST = Difference(AssertionError, "its decoder keeps only the last of several fields of one name")
_TRAILERS = Difference(AssertionError, "its decoder reads trailers, and doesn't hand them out")

_TURIN = "it has no reader for Turin: neither the FMC of its certificates nor their hwID of 8 bytes"
_NV_AUTHORITY = Difference(AssertionError, "a certificate that may certify others may sign, too")

DIFFERENCES: dict[tuple[Peer, str], Difference] = {
    (OHTTP_RS, "chunked client, CHACHA20_POLY1305"): Difference(PeerPanicError, _RS_NONCE),
    (OHTTP_RS, "no suite of use"): Difference(
        PeerPanicError, "its client panics at a configuration that has only suites it doesn't use"
    ),
    (OHTTP_RS, "an AEAD unknown there"): Difference(PeerError, "one unknown AEAD makes it drop the configuration"),
    (OHTTP_GO, "an AEAD unknown there"): Difference(PeerError, "one unknown AEAD makes it refuse the whole list"),
    (OHTTP_GO, "a KEM unknown there"): Difference(
        PeerError, "one unknown KEM makes it refuse the whole list, though the lengths let it skip the configuration"
    ),
    **{(OHTTP_GO, f"chunked gateway, {n} bytes"): Difference(PeerError, _GO_CHUNKS) for n in (5000, 16384, 1 << 20)},
    (BHTTP_RS, "encodes informational responses"): Difference(
        PeerError, "its API can't make an informational response; those it has decoded it encodes"
    ),
    (BHTTP_RS, "decodes two cookies"): Difference(
        AssertionError, "its decoder joins cookie fields with a semicolon (RFC 9113 §8.2.3)"
    ),
    **{
        (BHTTP_RS, f"decodes INDETERMINATE that ends before {what}"): Difference(PeerError, _RS_TRUNCATED)
        for what in ("trailers", "content", "headers")
    },
    **{
        (BHTTP_GO, f"decodes {framing} that ends before headers"): Difference(PeerError, _GO_TRUNCATED)
        for framing in ("KNOWN", "INDETERMINATE")
    },
    (BHTTP_JS, "encodes query string"): Difference(AssertionError, "its encoder drops the query string"),
    (BHTTP_JS, "encodes repeated request fields"): _FETCH_JOINS,
    (BHTTP_JS, "encodes two cookies"): _FETCH_JOINS,
    (BHTTP_JS, "encodes request trailers"): _FETCH_TRAILERS,
    (BHTTP_JS, "encodes response trailers"): _FETCH_TRAILERS,
    (BHTTP_JS, "encodes informational responses"): Difference(
        PeerError, "the Fetch API has no informational responses"
    ),
    (BHTTP_JS, "decodes repeated request fields"): _LAST,
    (BHTTP_JS, "decodes two cookies"): _LAST,
    (BHTTP_JS, "decodes repeated response fields"): _LAST,
    (BHTTP_JS, "decodes request trailers"): _TRAILERS,
    (BHTTP_JS, "decodes response trailers"): _TRAILERS,
    (BHTTP_JS, "decodes informational responses"): Difference(
        AssertionError, "its decoder reads informational responses, and doesn't hand them out"
    ),
    (BHTTP_JS, "decodes response without content"): Difference(
        PeerError, "its decoder fails at a status that has no content, such as 204"
    ),
    **{
        (SEV_GO, f"Turin {kind} version {version}"): Difference(PeerError, _TURIN)
        for kind in ("vcek", "vlek")
        for version in (2, 3, 5)
    },
    (SEV_GO, "Genoa vcek version 2"): Difference(
        PeerError, "beside a report of version 2 it knows certificates of Genoa by their stepping only"
    ),
    (SEV_GO, "leaf product"): Difference(
        AssertionError, "from report version 3 on it doesn't compare the product line in the chip's certificate"
    ),
    (SEV_GO, "check signer"): Difference(
        AssertionError, "it takes either kind of key, VCEK or VLEK, and any provider's; one chip can be demanded"
    ),
    (SEV_GO, "check id-block"): Difference(
        AssertionError,
        "it can demand that there is an ID block of some key, not that there is none; here it isn't asked",
    ),
    **{
        (SEV_RS, f"{line} vlek version 2"): Difference(
            PeerError,
            "it refuses a report of version 2 without CHIP_ID, from which it takes the product line; a VLEK's has none",
        )
        for line in ("Milan", "Genoa", "Turin")
    },
    **{
        (SEV_RS, f"leaf {case}"): Difference(
            AssertionError,
            "it verifies signatures only: names and extensions of the chip's certificate are its caller's",
        )
        for case in ("issuer", "subject", "twice", "product", "no-snp", "no-hwid")
    },
    (TDX_GO, "published version 5"): Difference(AssertionError, "it has no reader for quotes of version 5"),
    (TDX_GO, "published phala_tdx_quote"): Difference(
        AssertionError, "it compares the FMSPC as text: one in capitals, as Intel's service writes some, is refused"
    ),
    (TDX_GO, "check collateral-window"): Difference(
        AssertionError, "it takes collateral at the very second of its next update"
    ),
    (TDX_GO, "check module"): Difference(
        AssertionError, "it doesn't compare the attributes that TCB info states for modules since TDX 1.5"
    ),
    (TDX_GO, "check qe-debug"): Difference(
        AssertionError, "it takes a quoting enclave that may be debugged, if Intel's mask leaves that bit out"
    ),
    (TDX_GO, "check platform-tcb"): Difference(
        AssertionError, "it doesn't look at the advisories of an up-to-date level"
    ),
    **{
        (NV_GPU, f"device firmware-id-{case}"): Difference(
            AssertionError, "it doesn't compare firmware ids where the report of a GPU states none"
        )
        for case in ("absent", "empty")
    },
    (NV_GPU, "chain root"): Difference(
        AssertionError, "it doesn't read the last certificate of a chain, and takes its own root in its place"
    ),
    (NV_GPU, "chain leaf-authority"): _NV_AUTHORITY,
    (NV_GPU, "decoder off"): Difference(
        AssertionError,
        "it compares the measurement of a video decoder that is off: bytes never equal a member of its enumeration",
    ),
    **{
        (NV_GPU, f"layout {case}"): Difference(
            AssertionError,
            "it reads neither versions nor codes of both messages, nor what the request asks for (DSP0274 §10.11)",
        )
        for case in ("version-request", "version-response", "code-request", "code-response", "unsigned", "one", "slot")
    },
    (NV_GPU, "layout raw"): Difference(AssertionError, "it takes a measurement of raw bytes for a digest"),
    (NV_GPU, "layout opaque-twice"): Difference(
        AssertionError, "of two entries of one type in opaque data it takes the last"
    ),
    (NV_GPU, "layout opaque-unknown"): Difference(
        AssertionError, "opaque data of a type that it doesn't know makes it refuse the report"
    ),
    (NV_GPU, "manifest last-second"): Difference(
        AssertionError, "the last second of a certificate is none to it (RFC 5280 §4.1.2.5: the period includes it)"
    ),
    (NV_GPU, "manifest no-measurement"): Difference(
        AssertionError, "it takes a manifest none of whose measurements is to be compared"
    ),
    (NV_GPU, "manifest product"): Difference(
        AssertionError, "it asks a service for the manifest of a product, and doesn't look which one's it got"
    ),
    (NV_GPU, "manifest signed-by-an-authority"): _NV_AUTHORITY,
    (NV_GPU, "manifest three-certificates"): Difference(
        AssertionError, "it takes a chain of any length, and so a manifest that an authority signed"
    ),
    (NV_GPU, "manifest more-alternatives-than-stated"): Difference(
        AssertionError, "it ignores alternatives beyond the number that is stated"
    ),
    (NV_GPU, "manifest patch"): Difference(
        AssertionError, "it takes a tag that only changes another (ISO/IEC 19770-2)"
    ),
    (NV_GPU, "manifest payload-elsewhere"): Difference(
        AssertionError, "it takes a tag that says that its payload is elsewhere"
    ),
    (NV_GPU, "manifest another-transform"): Difference(
        AssertionError, "it lets the signature choose its transforms, with comments, say"
    ),
    (NV_GPU, "manifest wrapped-default-attributes"): Difference(
        AssertionError, "it reads a document type, which no signature covers"
    ),
    (CORIM_RS, "manifest with a digest unknown there"): Difference(
        PeerError, "a digest by an algorithm that it doesn't know makes it refuse the manifest"
    ),
    (CORIM_RS, "trailing bytes"): Difference(_TAKES, "it ignores what is behind a manifest"),
    **{
        (CORIM_RS, name): Difference(_TAKES, "it takes a class of nothing, and a model without a vendor (§5.1.4.2)")
        for name in ("an empty class", "a model of no vendor")
    },
    (CORIM_RS, "a digest twice"): Difference(_TAKES, "it takes two digests by one algorithm (§7.7)"),
    (CORIM_RS, "a time without tag"): Difference(_TAKES, "it takes a time of validity without its tag (§7.3)"),
    **{
        (PRIVACYPASS_RS, f"reads {what}"): Difference(PeerError, _RS_QUOTED)
        for what in ("a challenge", "several challenges", "grease", "credentials")
    },
    (PRIVACYPASS_RS, "writes a challenge"): Difference(errors.DecodeError, _RS_PADDING),
    (PRIVACYPASS_RS, "writes credentials, type 1"): Difference(errors.DecodeError, _RS_PADDING),
    **{(PRIVACYPASS_TS, f"trailing bytes, type {n}"): Difference(_TAKES, _TS_TRAILING) for n in (1, 2)},
    (PRIVACYPASS_TS, "reads grease"): Difference(PeerError, _TS_GREASE),
    **{
        (peer, f"{suite}, evaluates the identity"): Difference(_TAKES, _IDENTITY)
        for peer in (CIRCL_TOKENS, VOPRF_TS)
        for suite in ("P256-SHA256", "P384-SHA384", "P521-SHA512", "ristretto255-SHA512")
    },
    **{
        (peer, "ristretto255-SHA512, evaluates zeros"): Difference(_TAKES, _IDENTITY)
        for peer in (CIRCL_TOKENS, VOPRF_TS)
    },
    **{
        (VOPRF_PY, f"{suite}, evaluates a byte too many"): Difference(_TAKES, _PY_TRAILING)
        for suite in ("P384-SHA384", "ristretto255-SHA512")
    },
    (VOPRF_PY, "a wrong proof"): Difference(
        PeerPanicError,
        "its client panics at a batch whose proof doesn't verify, with what `except Exception` lets pass",
    ),
}
"""What is found to differ, by peer and case. A case that fails for another peer, or no longer fails, is a failure."""

ABSENT = (
    ("chris-wood/ohttp-go", "Go", "the module proxy doesn't serve it"),
    ("@hpke/ohttp", "TypeScript", "not in the npm registry"),
    ("ohttp-ts, bhttp-ts", "TypeScript", "not in the npm registry"),
    ("ohttp-js", "TypeScript", "not in the npm registry"),
    ("cloudflare/pat-go", "Go", "the module proxy doesn't serve it"),
)
"""Peers that would belong here and can't be installed by a package manager: name, language, reason."""


@contextmanager
def difference(peer: Peer, case: str) -> Iterator[None]:
    """What is done with the peer inside has to fail, and in that way, where a difference is listed, and only there."""
    known = DIFFERENCES.get((peer, case))
    if known is None:
        yield
        return
    try:
        yield
    except known.how:
        pytest.xfail(f"interop: {peer}: {known.reason}")
    pytest.fail(f"{peer} doesn't differ any more: {known.reason}")
