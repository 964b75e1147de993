"""The floors: the bare primitives that an operation can't avoid, on inputs of the right sizes, and nothing else.

Rules of this package:

- Only third-party code and the standard library's hashes are called: cryptography, pyOpenSSL, pycryptodome, gmpy2, a
  libcrypto, libsodium, hashlib, hmac, os.urandom. Nothing of privproc is imported.
- A call is listed only if the definition of the protocol demands it, and its ``why`` says where. What the library does
  on top (replay keys, digests for the record, keys that are expanded and not used)
  is not in the floor. Neither is what depends on a long-lived key alone and could be computed once (RFC 9180's
  psk_id_hash, a key's id, the digest of the challenge, SHA-256 of the enclave's own certificate).
- HMAC is listed once for each block that is needed.
- Inputs are made beforehand and fixed, so no byte is copied or joined here. Keys that the protocol makes fresh are made
  fresh, ciphers under fresh keys are set up anew; keys that were loaded before the operation stay loaded.
- Whatever a call gives lives until the end of the operation, as it does for a caller of the library.

``name`` is what a profiler calls the function: a test counts that the library itself calls each at least as often.
"""

from __future__ import annotations

from tests.bench.floors.credential import Ristretto, arc_present, arc_verify
from tests.bench.floors.evidence import (
    appraisal,
    chain_calls,
    devices,
    document,
    enclave,
    learn,
    ledger,
    ledger_calls,
    new_chain,
    quote,
    receipt,
    rekor,
    report_calls,
)
from tests.bench.floors.hpke import (
    P256_SUITE,
    X25519_SUITE,
    XWING_SUITE,
    SuiteFloor,
    hpke_open,
    hpke_seal,
    ohttp,
    ohttp_aead,
    ohttp_calls,
)
from tests.bench.floors.kem import (
    p256_decap,
    p256_encap,
    x25519_decap,
    x25519_encap,
    xwing_decap,
    xwing_encap,
    xwing_generate,
    xwing_load,
)
from tests.bench.floors.primitives import (
    KIB,
    Call,
    Floor,
    ed25519_load,
    ed25519_sign,
    ed25519_verify,
    hashes,
    hmacs,
    opening,
    random,
    rsa_load,
    rsa_pss_verify,
    sealing,
)
from tests.bench.floors.session import Sizes, live_request, request
from tests.bench.floors.stream import ChunkStream, OpenStream, SealStream, Streams
from tests.bench.floors.tls import TlsPair, TlsStream, handshake, handshake_call, used_pair
from tests.bench.floors.token import (
    blind,
    blind_sign,
    finish,
    raw_sign,
    raw_sign_gmpy2,
    raw_sign_openssl,
    redemption,
    verify,
)

__all__ = [
    "KIB",
    "P256_SUITE",
    "X25519_SUITE",
    "XWING_SUITE",
    "Call",
    "ChunkStream",
    "Floor",
    "OpenStream",
    "Ristretto",
    "SealStream",
    "Sizes",
    "Streams",
    "SuiteFloor",
    "TlsPair",
    "TlsStream",
    "appraisal",
    "arc_present",
    "arc_verify",
    "blind",
    "blind_sign",
    "chain_calls",
    "devices",
    "document",
    "ed25519_load",
    "ed25519_sign",
    "ed25519_verify",
    "enclave",
    "finish",
    "handshake",
    "handshake_call",
    "hashes",
    "hmacs",
    "hpke_open",
    "hpke_seal",
    "learn",
    "ledger",
    "ledger_calls",
    "live_request",
    "new_chain",
    "ohttp",
    "ohttp_aead",
    "ohttp_calls",
    "opening",
    "p256_decap",
    "p256_encap",
    "quote",
    "random",
    "raw_sign",
    "raw_sign_gmpy2",
    "raw_sign_openssl",
    "receipt",
    "redemption",
    "rekor",
    "report_calls",
    "request",
    "rsa_load",
    "rsa_pss_verify",
    "sealing",
    "used_pair",
    "verify",
    "x25519_decap",
    "x25519_encap",
    "xwing_decap",
    "xwing_encap",
    "xwing_generate",
    "xwing_load",
]
