"""The key schedule, by KDFs of two stages (RFC 9180 §5.1) and of one (draft-ietf-hpke-hpke-05 §4.4, §5.1)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, final

from privproc import hkdf
from privproc.errors import UsageError
from privproc.hpke._registry import Aead, Kdf, Kem
from privproc.secret import Secret

__all__ = ["VERSION", "OneStage", "Psk", "Schedule", "TwoStage", "prefixed", "schedule_of"]

VERSION: Final = b"HPKE-v1"

_BASE, _PSK = b"\0", b"\1"
_LEAST_PSK = 32


@final
@dataclass(frozen=True, slots=True, eq=False)
class Psk:
    """A pre-shared key and the name by which both ends know it, for HPKE's PSK mode.

    ``secret``: 32 bytes or more, all of them unpredictable (RFC 9180 §9.5: whoever can try a ciphertext can try a
    dictionary, so never a password). ``psk_id``: 1 byte or more; it isn't sent, but bound. With a KDF of one stage
    neither exceeds 65535 bytes. Raises :class:`UsageError` for anything shorter.
    """

    secret: Secret
    psk_id: bytes

    def __post_init__(self) -> None:
        if len(self.secret) < _LEAST_PSK or not self.psk_id:
            raise UsageError(f"a PSK has {_LEAST_PSK} bytes or more, and a name")


class Schedule(Protocol):
    """What of a suite's key schedule depends on its KDF. ``longest``: bytes that can be exported at once."""

    longest: int

    def derive(self, shared: bytes, info: bytes, psk: Psk | None) -> tuple[bytes, bytes, bytes]:
        """CombineSecrets: key, base nonce and exporter secret; ``psk`` decides on the mode."""
        ...

    def exporter(self, shared: bytes, info: bytes, psk: Psk | None) -> bytes:
        """The exporter secret alone."""
        ...

    def export(self, exporter: bytes, context: bytes, length: int) -> bytes:
        """Context.Export; :class:`UsageError` for a length that isn't 1 to ``longest``."""
        ...


@final
class TwoStage:
    """LabeledExtract and LabeledExpand (RFC 9180 §4), with no function between us and HMAC: every expansion of the
    schedule is at most one block long. An empty HMAC key equals HKDF's salt of zeros.
    """

    def __init__(self, suite_id: bytes, kdf: Kdf, aead: Aead) -> None:
        label = VERSION + suite_id
        self.longest = 255 * kdf.Nh
        self._hash = kdf.hash
        self._sizes = aead.Nk, aead.Nn
        # LabeledExtract's prefixes.
        self._info = label + b"info_hash"
        self._psk_id = label + b"psk_id_hash"
        self._secret = label + b"secret"
        # LabeledExpand's; that of the export lacks the length, which comes first.
        self._key = aead.Nk.to_bytes(2, "big") + label + b"key"
        self._nonce = aead.Nn.to_bytes(2, "big") + label + b"base_nonce"
        self._exporter = kdf.Nh.to_bytes(2, "big") + label + b"exp"
        self._export = label + b"sec"
        self._base = _BASE + hmac.digest(b"", self._psk_id, kdf.hash)

    def extract(self, shared: bytes, info: bytes, psk: Psk | None) -> tuple[bytes, bytes]:
        """``secret``, which the three others are expanded from, and ``key_schedule_context``, which binds them."""
        name, head, labeled = self._hash, self._base, self._secret
        if psk is not None:
            head = _PSK + hmac.digest(b"", self._psk_id + psk.psk_id, name)
            labeled += psk.secret.expose()
        return hmac.digest(shared, labeled, name), head + hmac.digest(b"", self._info + info, name)

    def derive(self, shared: bytes, info: bytes, psk: Psk | None) -> tuple[bytes, bytes, bytes]:
        """CombineSecrets_TwoStage."""
        name, (key_size, nonce_size) = self._hash, self._sizes
        secret, context = self.extract(shared, info, psk)
        tail = context + b"\1"
        exporter = hmac.digest(secret, self._exporter + tail, name)
        key = hmac.digest(secret, self._key + tail, name)[:key_size]
        return key, hmac.digest(secret, self._nonce + tail, name)[:nonce_size], exporter

    def exporter(self, shared: bytes, info: bytes, psk: Psk | None) -> bytes:
        """CombineSecrets_TwoStage, for who seals nothing."""
        secret, context = self.extract(shared, info, psk)
        return hmac.digest(secret, self._exporter + context + b"\1", self._hash)

    def export(self, exporter: bytes, context: bytes, length: int) -> bytes:
        """Context.Export_TwoStage."""
        if not 1 <= length <= self.longest:
            raise _wrong_length(self.longest)
        return hkdf.expand(self._hash, exporter, length.to_bytes(2, "big") + self._export + context, length)


@final
class OneStage:
    """LabeledDerive (draft-ietf-hpke-hpke-05 §4.4) over SHAKE (draft-ietf-hpke-pq-05 §5)."""

    longest = 0xFFFF  # no draft gives a bound of its own: what the length's two bytes can say

    def __init__(self, suite_id: bytes, kdf: Kdf, aead: Aead) -> None:
        label = VERSION + suite_id
        self._derive = hashlib.shake_128 if kdf is Kdf.SHAKE128 else hashlib.shake_256
        self._ends = aead.Nk, aead.Nk + aead.Nn
        self._size = aead.Nk + aead.Nn + kdf.Nh
        self._secret = label + prefixed(b"secret") + self._size.to_bytes(2, "big")
        self._export = label + prefixed(b"sec")

    def derive(self, shared: bytes, info: bytes, psk: Psk | None) -> tuple[bytes, bytes, bytes]:
        """CombineSecrets_OneStage. Raises :class:`UsageError` for an input of more than 65535 bytes."""
        mode, psk_id, key = (_BASE, b"", b"") if psk is None else (_PSK, psk.psk_id, psk.secret.expose())
        secrets = prefixed(key) + prefixed(shared)
        context = mode + prefixed(psk_id) + prefixed(info)
        secret = self._derive(secrets + self._secret + context).digest(self._size)
        key_end, nonce_end = self._ends
        return secret[:key_end], secret[key_end:nonce_end], secret[nonce_end:]

    def exporter(self, shared: bytes, info: bytes, psk: Psk | None) -> bytes:
        """CombineSecrets_OneStage, which gives all at once."""
        return self.derive(shared, info, psk)[2]

    def export(self, exporter: bytes, context: bytes, length: int) -> bytes:
        """Context.Export_OneStage."""
        if not 1 <= length <= self.longest:
            raise _wrong_length(self.longest)
        return self._derive(exporter + self._export + length.to_bytes(2, "big") + context).digest(length)


def _wrong_length(longest: int) -> UsageError:
    return UsageError(f"an exported secret has 1 to {longest} bytes")


def prefixed(data: bytes) -> bytes:
    """lengthPrefixed: at most 65535 bytes, else :class:`UsageError` (draft-ietf-hpke-hpke-05 §7.2.1)."""
    if len(data) > 0xFFFF:
        raise UsageError("a KDF of one stage takes at most 65535 bytes of each input")
    return len(data).to_bytes(2, "big") + data


@cache
def schedule_of(kem: Kem, kdf: Kdf, aead: Aead) -> Schedule:
    """The schedule of a suite."""
    suite_id = b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (kem, kdf, aead))
    return (TwoStage if kdf.two_stage else OneStage)(suite_id, kdf, aead)
