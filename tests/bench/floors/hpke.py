"""HPKE and OHTTP: RFC 9180 §5, RFC 9458 §4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.floors.kem import p256_decap, p256_encap, x25519_decap, x25519_encap, xwing_decap, xwing_encap
from tests.bench.floors.primitives import Call, Floor, hmacs, opening, random, sealing


@dataclass(frozen=True)
class SuiteFloor:
    """What differs between suites. ``kem_hmacs``: DHKEM's ExtractAndExpand, once an end; X-Wing has none."""

    encap: Callable[[], list[Call]]
    decap: Callable[[], list[Call]]
    kem_hmacs: int
    hash: str
    key_size: int

    @property
    def nonce(self) -> int:
        """``max(Nn, Nk)``, RFC 9458 §4.4."""
        return max(12, self.key_size)

    def schedule(self, end: str) -> list[Call]:
        """KeySchedule of one end: info_hash, secret, key, base_nonce, exporter_secret; psk_id_hash is a constant."""
        kem = [hmacs(self.kem_hmacs, "sha256", f"{end}: RFC 9180 §4.1 ExtractAndExpand")] if self.kem_hmacs else []
        return [*kem, hmacs(5, self.hash, f"{end}: RFC 9180 §5.1 KeySchedule")]

    def response(self, end: str) -> Call:
        return hmacs(3, self.hash, f"{end}: RFC 9458 §4.4 prk, key, nonce")

    def secret(self, end: str) -> Call:
        return hmacs(1, self.hash, f"{end}: RFC 9458 §4.4 Export of the response's secret")


X25519_SUITE = SuiteFloor(x25519_encap, x25519_decap, 2, "sha256", 16)
P256_SUITE = SuiteFloor(p256_encap, p256_decap, 2, "sha256", 16)
XWING_SUITE = SuiteFloor(xwing_encap, xwing_decap, 0, "sha384", 32)


def hpke_seal(suite: SuiteFloor, size: int) -> Floor:
    return Floor(*suite.encap(), *suite.schedule("sender"), sealing(suite.key_size, size, "RFC 9180 §5.2 Seal"))


def hpke_open(suite: SuiteFloor, size: int) -> Floor:
    return Floor(*suite.decap(), *suite.schedule("recipient"), opening(suite.key_size, size, "RFC 9180 §5.2 Open"))


def ohttp_calls(suite: SuiteFloor, up: int, down: int) -> list[Call]:
    """RFC 9458 §4.3 and §4.4, both ends; ``up`` and ``down`` are the bytes of the messages."""
    return [
        *suite.encap(),
        *suite.schedule("client"),
        sealing(suite.key_size, up, "client: RFC 9458 §4.3"),
        suite.secret("client"),
        *suite.decap(),
        *suite.schedule("gateway"),
        opening(suite.key_size, up, "gateway: RFC 9458 §4.3"),
        suite.secret("gateway"),
        random(1, suite.nonce, "gateway: RFC 9458 §4.4 response_nonce"),
        suite.response("gateway"),
        sealing(suite.key_size, down, "gateway: RFC 9458 §4.4"),
        suite.response("client"),
        opening(suite.key_size, down, "client: RFC 9458 §4.4"),
    ]


def ohttp(suite: SuiteFloor, up: int, down: int) -> Floor:
    return Floor(*ohttp_calls(suite, up, down))


def ohttp_aead(suite: SuiteFloor, size: int) -> Floor:
    """The AEAD alone, for messages so large that it is nearly all."""
    return Floor(
        sealing(suite.key_size, size, "client: RFC 9458 §4.3"),
        opening(suite.key_size, size, "gateway: RFC 9458 §4.3"),
        sealing(suite.key_size, size, "gateway: RFC 9458 §4.4"),
        opening(suite.key_size, size, "client: RFC 9458 §4.4"),
    )
