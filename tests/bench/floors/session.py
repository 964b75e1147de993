"""The whole private request: PROTOCOL §2 to §5 with X-Wing, HKDF-SHA384, AES-256-GCM, X25519MLKEM768, SEV-SNP."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.floors.evidence import chain_calls, ledger_calls, report_calls
from tests.bench.floors.hpke import XWING_SUITE, ohttp_calls
from tests.bench.floors.kem import xwing_decap, xwing_encap, xwing_generate, xwing_load
from tests.bench.floors.primitives import (
    Call,
    Floor,
    ed25519_load,
    ed25519_sign,
    ed25519_verify,
    hashes,
    hmacs,
    opening,
    random,
    rsa_pss_verify,
    sealing,
)
from tests.bench.floors.tls import binder, live_call, session_call


@dataclass(frozen=True)
class Sizes:
    """Bytes, as PROTOCOL §4 and §5 and the padding fix them: OHTTP messages, and what is inside of TLS."""

    open_up: int = 2953
    open_down: int = 16336
    ask_up: int = 5487
    ask_down: int = 8144
    request: int = 4096
    sealed_request: int = 5240
    chunk: int = 4096
    sealed_answer: int = 5239


def request(witnesses: int, path: int, sizes: Sizes) -> Floor:
    suite, h = XWING_SUITE, "sha384"
    return Floor(
        # The two OHTTP exchanges.
        *ohttp_calls(suite, sizes.open_up, sizes.open_down),
        *ohttp_calls(suite, sizes.ask_up, sizes.ask_down),
        # Round trip 1: token, proof, transcript.
        hmacs(4, h, "PROTOCOL §2 oexp, §5 continuation key: exports at device and gateway"),
        random(1, 32, "PROTOCOL §2: the nonce of Open"),
        hashes(2, h, 2900, "PROTOCOL §2: outer, at device and gateway"),
        hashes(3, h, 2200, "PROTOCOL §2: th1, at device, gateway, enclave"),
        ed25519_sign(66, "PROTOCOL §2: proof"),
        rsa_pss_verify(1, 2048, 98, "RFC 9578 §6.4: the token"),
        hashes(1, "sha256", 88, "PROTOCOL §2: Token.nonce"),
        ed25519_load("PROTOCOL §2: the proof's key"),
        ed25519_verify(1, 66, "PROTOCOL §2: proof"),
        # TLS, both round trips; binder.
        session_call(sizes.sealed_request, sizes.sealed_answer),
        *xwing_generate("PROTOCOL §2 ann: the enclave's one-time key"),
        hashes(1, "sha256", 300, "PROTOCOL §2: pre, SHA-256 of the leaf, at the device"),
        *binder(),
        hashes(2, h, 1184, "PROTOCOL §2 th2: SHA-384 of the evidence, both ends"),
        hashes(2, h, 200, "PROTOCOL §2: th2, both ends"),
        random(2, 32, "PROTOCOL §5: handles"),
        # Appraisal.
        *chain_calls(),
        *report_calls(),
        *ledger_calls(witnesses, path),
        # Round trip 2: request.
        *asking(sizes),
    )


def live_request(sizes: Sizes) -> Floor:
    """A later request of a session: one OHTTP exchange, records, and the enclave's key for the next."""
    return Floor(
        *ohttp_calls(XWING_SUITE, sizes.ask_up, sizes.ask_down),
        live_call(sizes.sealed_request, sizes.sealed_answer),
        random(1, 32, "PROTOCOL §5: the next handle"),
        *xwing_generate("PROTOCOL §3: the key of the next request"),
        *asking(sizes),
    )


def asking(sizes: Sizes) -> list[Call]:
    """A request and its answer, in any session."""
    h = "sha384"
    return [
        *xwing_load("PROTOCOL §3: the enclave's key, from the announcement or the answer before"),
        hashes(2, h, 80, "PROTOCOL §3: n of X('keys'), both ends"),
        hashes(2, h, 90, "PROTOCOL §3: HPKE info, both ends"),
        *xwing_encap("device: "),
        *xwing_decap("enclave: "),
        hmacs(6, h, "RFC 9180 §5.1, both ends: info_hash, secret, exporter_secret (only the export is used)"),
        hmacs(2, h, "PROTOCOL §3: HPKE.Export('privproc/1 req'), both ends"),
        hmacs(6, h, "PROTOCOL §3: prk, key, iv of the request, both ends"),
        *xwing_generate("PROTOCOL §3 dk: the device's response key"),
        sealing(32, sizes.request, "PROTOCOL §3: request"),
        opening(32, sizes.request, "PROTOCOL §3: request"),
        hashes(2, h, sizes.request + 16, "PROTOCOL §3 th3: SHA-384 of the ciphertext, both ends"),
        hashes(2, h, 1400, "PROTOCOL §3: th3, both ends"),
        hashes(2, h, sizes.sealed_request + 102, "PROTOCOL §5: hash of the records, device and gateway"),
        hmacs(2, h, "PROTOCOL §5: continuation MAC, device and gateway"),
        # Round trip 2: answer.
        *xwing_load("PROTOCOL §3: dk, at the enclave"),
        *xwing_encap("enclave, answer: "),
        *xwing_decap("device, answer: "),
        hmacs(8, h, "PROTOCOL §3: res salt, r, key, iv of the answer, both ends"),
        hashes(2, h, 1250, "PROTOCOL §3: T('response'), both ends"),
        sealing(32, sizes.chunk, "PROTOCOL §3: chunk"),
        opening(32, sizes.chunk, "PROTOCOL §3: chunk"),
    ]
