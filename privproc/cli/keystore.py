"""A folder of keys: the signer's, those of the gateway by epoch, the schedule that they follow, and what was signed.

::

    schedule.json          what init was told
    signer.pem             32 bytes, Ed25519                       mode 0600
    gateway-<epoch>.pem    uint16 KEM || private key               mode 0600
    package-<epoch>.cose   what was signed for the epoch, once

A private key stands in a file alone, which is made with its mode and never overwritten. Removing it is what erasure is
here; what a disk or a backup keeps of a removed file, nothing here can say.
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from privproc.cli.source import readings
from privproc.errors import DecodeError, UsageError
from privproc.hpke import Kem, PrivateKey, Suite
from privproc.keypackage import Grid, Signer
from privproc.rotation import Schedule
from privproc.secret import Secret
from privproc.session import SUITES

__all__ = ["SUITE_NAMES", "Keystore", "Settings"]

SUITE_NAMES = {"hybrid": SUITES[0], "classic": SUITES[1]}
"""The suites of docs/protocol.md §1, by the names that they have there."""

_LABEL = "PRIVPROC {} PRIVATE KEY"
_GATEWAY = re.compile(r"gateway-([0-9]+)\.pem")


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``schedule.json`` holds; see :class:`privproc.rotation.Schedule`. ``suite`` is one of SUITE_NAMES."""

    purpose: str
    suite: str
    origin: int
    length: int
    lead: int
    margin: int
    grace: int

    @property
    def schedule(self) -> Schedule:
        """Raises :class:`UsageError` for lengths that don't fit each other."""
        return Schedule(grid=Grid(self.origin, self.length), lead=self.lead, margin=self.margin, grace=self.grace)

    @property
    def hpke_suite(self) -> Suite:
        """The suite that gateway keys are made for and used with."""
        return SUITE_NAMES[self.suite]


class Keystore:
    """The folder at ``path``. Every method raises :class:`OSError` for what the file system refuses."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings

    @classmethod
    def create(cls, path: Path, settings: Settings) -> tuple[Self, Signer]:
        """Make the folder with a fresh signer. Raises :class:`UsageError` if there is one, or settings don't fit."""
        _ = settings.schedule
        if (path / "schedule.json").exists():
            raise UsageError(f"{path} is a folder of keys already")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        seed = Secret(os.urandom(32))  # any 32 bytes are a private key (RFC 8032 §5.1.5)
        _write_key(path / "signer.pem", "SIGNER", seed)
        (path / "schedule.json").write_text(json.dumps(asdict(settings), indent=1) + "\n")
        return cls(path, settings), Signer(seed)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises :class:`UsageError` for a folder that :meth:`create` didn't make."""
        try:
            settings = Settings(**json.loads((path / "schedule.json").read_text()))
            _ = settings.schedule, settings.hpke_suite
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"{path} is no folder of keys; see privproc keys init") from None
        except (TypeError, ValueError, KeyError):
            raise UsageError(f"{path / 'schedule.json'} is not what init wrote") from None
        return cls(path, settings)

    def signer(self) -> Signer:
        """The signer. Raises :class:`DecodeError` for a damaged file."""
        return Signer(_read_key(self.path / "signer.pem", "SIGNER"))

    def epochs(self) -> list[int]:
        """The epochs whose gateway keys are here, in order."""
        return sorted(int(found[1]) for it in self.path.iterdir() if (found := _GATEWAY.fullmatch(it.name)))

    def gateway(self, epoch: int) -> PrivateKey:
        """The gateway's key of ``epoch``. Raises :class:`DecodeError` for a damaged file."""
        path = self._gateway(epoch)
        data = _read_key(path, "GATEWAY").expose()
        kem = int.from_bytes(data[:2], "big")
        if kem not in set(Kem) or len(data) != 2 + Kem(kem).Nsk:
            raise DecodeError(path.name, "not a private key")
        return PrivateKey.decode(Kem(kem), Secret(data[2:]))

    def make(self, epoch: int) -> PrivateKey:
        """A fresh gateway key for ``epoch``."""
        key = PrivateKey.generate(self.settings.hpke_suite.kem)
        _write_key(self._gateway(epoch), "GATEWAY", Secret(key.kem.to_bytes(2, "big") + key.encode().expose()))
        return key

    def erase(self, epoch: int) -> None:
        """Remove the gateway's key of ``epoch``."""
        self._gateway(epoch).unlink()

    def package(self, epoch: int) -> bytes | None:
        """What was signed for ``epoch``."""
        path = self._package(epoch)
        return path.read_bytes() if path.exists() else None

    def keep_package(self, epoch: int, data: bytes) -> Path:
        """Keep what was signed; an epoch has one package, so a second one is refused (:class:`FileExistsError`)."""
        path = self._package(epoch)
        _write(path, data, 0o644)
        return path

    def _gateway(self, epoch: int) -> Path:
        return self.path / f"gateway-{epoch}.pem"

    def _package(self, epoch: int) -> Path:
        return self.path / f"package-{epoch}.cose"


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_key(path: Path, kind: str, key: Secret) -> None:
    label = _LABEL.format(kind).encode()
    body = base64.encodebytes(key.expose())
    _write(path, b"-----BEGIN " + label + b"-----\n" + body + b"-----END " + label + b"-----\n", 0o600)


def _read_key(path: Path, kind: str) -> Secret:
    found = readings(path.read_bytes(), "pem")
    if len(found) != 1 or found[0].label != _LABEL.format(kind):
        raise DecodeError(path.name, "not the file of a private key")
    return Secret(found[0].data)
