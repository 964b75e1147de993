"""Peers in other languages, each behind a small driver program that this module builds and talks to.

A driver reads one request from each line of its standard input and answers with one line::

    request = operation " " library *(" " argument)
    answer  = "ok" *(" " result) / "error " text / "panic " text

Arguments are hexadecimal bytes (``-``: none), decimal numbers, or words. The drivers hold the state between two
operations of an exchange: the key of ``*.key``, the request that waits for its response.

    hpke.key KEM                                                          public key
    hpke.seal KEM KDF AEAD PUBLIC INFO PSK PSK-ID LABEL LENGTH N (AAD PT)*  enc, exported secret, ciphertexts
    hpke.open KEM KDF AEAD ENC INFO PSK PSK-ID LABEL LENGTH N (AAD CT)*     exported secret, plaintexts
    ohttp.key KEM N (KDF AEAD)*                                           list of one key configuration
    ohttp.seal MODE CONFIGS KDF AEAD N PIECE*                             encapsulated request
    ohttp.finish RESPONSE                                                 message
    ohttp.open MODE REQUEST                                               message
    ohttp.answer N PIECE*                                                 encapsulated response
    http.post, http.finish, http.open, http.answer                        the same with MESSAGE inside, and media types
    bhttp.encode FRAMING PADDING MESSAGE                                  binary message
    bhttp.decode BINARY                                                   MESSAGE
    bhttp.echo FRAMING BINARY                                             binary message, decoded and encoded again
    hpke.bench KEM KDF AEAD SIZE MILLISECONDS                             nanoseconds: one message, sealed and opened
    ohttp.bench KEM KDF AEAD SIZE MILLISECONDS                            nanoseconds: one exchange, both ends
    tls.serve KEY CLIENT-HELLO                                            flight, certificate
    tls.finish RECORDS                                                    nothing
    ea.authenticate REQUEST EVIDENCE                                      authenticator; without evidence an empty one
    ea.check REQUEST AUTHENTICATOR                                        certificate, evidence; nothing of an empty one

    MESSAGE = "request" METHOD SCHEME AUTHORITY PATH FIELDS CONTENT FIELDS
            / "response" N (STATUS FIELDS)* STATUS FIELDS CONTENT FIELDS
    FIELDS  = N (NAME VALUE)*

Token peers have drivers of their own, in the folder ``tokens``:

    rsa.key VARIANT BITS                        public key, a SubjectPublicKeyInfo of rsaEncryption
    rsa.blind VARIANT KEY MESSAGE               prepared message, blinded message
    rsa.finish BLIND-SIGNATURE                  signature
    rsa.sign VARIANT BLINDED                    blind signature
    rsa.verify VARIANT KEY PREPARED SIGNATURE   nothing
    oprf.key MODE SUITE                         public key
    oprf.blind MODE SUITE KEY INFO INPUT*       blinded elements
    oprf.finish PROOF EVALUATED*                outputs
    oprf.evaluate INFO BLINDED*                 proof, evaluated elements
    oprf.output INFO INPUT                      output
    oprf.time SUITE COUNT ROUNDS                nanoseconds of issuer and of client (circl)
    token.key TYPE                              token key
    token.request TYPE KEY CHALLENGE            TokenRequest
    token.finish RESPONSE                       token
    token.issue TYPE REQUEST                    TokenResponse
    token.redeem TYPE TOKEN                     nothing; with the issuer's key
    token.verify TYPE KEY TOKEN                 nothing; with a public key
    batch.request TYPE KEY CHALLENGE COUNT      amortized request; batch.finish and batch.issue as with one token
    generic.request N (TYPE KEY CHALLENGE)*     generic request; generic.finish gives what tokens there are
    generic.issue REQUEST                       generic response
    header.offer CHALLENGE KEY                  value of WWW-Authenticate; header.offers VALUE the reverse, for each
    header.authorize TYPE TOKEN                 value of Authorization; header.token TYPE VALUE the reverse

So have those for EAT and CoRIM, in the folder ``eat``:

    cwt.sign SCALAR PAYLOAD TAGGED              COSE_Sign1 message, ES384; 1 for its tag
    cwt.verify KEY MESSAGE                      payload; the key an uncompressed point
    jwt.key ALGORITHM                           public key in PEM
    jwt.sign ALGORITHM PAYLOAD                  JWS in compact form
    jwt.verify ALGORITHM KEY TOKEN              payload
    corim.sign SCALAR MANIFEST NAME             the manifest decoded, encoded again and signed, ES384
    corim.verify KEY SIGNED                     the manifest in it, encoded again

NVIDIA's verifiers have theirs in the folder ``evidence/python``. FAMILY is ``hopper``, ``blackwell`` or ``switch``,
ROOT, RIM-ROOT and CHAIN are PEM, AT is Unix seconds, RIM a manifest, of which a switch has one and a GPU two:

    nvidia.appraise FAMILY AT ROOT RIM-ROOT NONCE DRIVER FIRMWARE CHAIN REPORT RIM*   nothing
    nvidia.read FAMILY REPORT                   nonce, driver, firmware, firmware id, measurements
    nvidia.rim AT RIM-ROOT VERSION RIM          nothing
    nvidia.values RIM                           N (index, N values)*
    nvidia.published                            (name, content)* of the files in NVIDIA's package

Builds are kept in the user's cache directory, by a digest of the driver's sources.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from privproc.http import Fields, Informational, Request, Response

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "privproc-interop"
BUILD_SECONDS = 300
TIMED_BUILD_SECONDS = 1800
ANSWER_SECONDS = 60


class UnavailableError(Exception):
    """The peer can't be had here: no toolchain, or its packages don't install."""


class PeerError(Exception):
    """The peer refused."""


class PeerPanicError(Exception):
    """The peer broke: an uncaught failure of its own, an end of the process, or no answer."""


@dataclass(frozen=True)
class Toolchain:
    """How the driver of a language is built in a copy of its folder, and run; ``timed``: for the bench, where that
    takes another build.
    """

    tools: tuple[str, ...]
    build: tuple[str, ...]
    run: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    timed: tuple[tuple[str, ...], tuple[str, ...]] | None = None


TOOLCHAINS = {
    "rust": Toolchain(
        ("cargo",),
        ("cargo", "build", "--quiet"),
        ("target/debug/driver",),
        timed=(("cargo", "build", "--quiet", "--release"), ("target/release/driver",)),
    ),
    "go": Toolchain(
        ("go",), ("go", "build", "-buildvcs=false", "-o", "driver", "."), ("./driver",), (("GOFLAGS", "-mod=mod"),)
    ),
    "node": Toolchain(
        ("npm", "node"),
        ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"),
        ("node", "--no-warnings", "main.js"),
    ),
    "python": Toolchain(("python3",), (sys.executable, "-c", "import voprf"), (sys.executable, "main.py")),
    "evidence/python": Toolchain(  # it needs other versions than the tests have: packages of its own, and no others
        ("python3",),
        (
            *(sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--retries", "1"),
            *("--no-deps", "--no-compile", "--only-binary", ":all:", "--target", "packages", "-r", "requirements.txt"),
        ),
        (sys.executable, "-I", "-S", "main.py"),
    ),
}


def toolchain_of(folder: str) -> Toolchain:
    """The toolchain of a driver's folder, which is named for the language, unless it has one for itself."""
    return TOOLCHAINS.get(folder) or TOOLCHAINS[folder.rpartition("/")[2]]


def build(language: str, *, timed: bool = False) -> Path:
    """The folder with the built driver; raises :class:`UnavailableError`."""
    toolchain, source = toolchain_of(language), HERE / language
    for tool in toolchain.tools:
        if shutil.which(tool) is None:
            raise UnavailableError(f"{tool} isn't installed")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    content = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)
    name = language.replace("/", "-")
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one build for all the processes of a test run
        done = folder / "built"
        if not done.exists():
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            shutil.copytree(source, folder)
            _run(toolchain, toolchain.build, folder, BUILD_SECONDS)
            done.touch()
        if timed and toolchain.timed is not None:
            _run(toolchain, toolchain.timed[0], folder, TIMED_BUILD_SECONDS)
    return folder


def _run(toolchain: Toolchain, build: tuple[str, ...], folder: Path, seconds: int) -> None:
    tool, environment = toolchain.tools[0], os.environ | dict(toolchain.environment)
    try:
        made = subprocess.run(build, cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{tool}: not built within {seconds} seconds") from None
    if made.returncode:
        lines = made.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        why = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise UnavailableError(f"{tool}: {why.strip()[:200]}")


class Driver:
    """A running driver, ``timed`` if the bench will time it. One that breaks is started again for the next request."""

    def __init__(self, language: str, *, timed: bool = False) -> None:
        self._folder, toolchain = build(language, timed=timed), toolchain_of(language)
        self._command = toolchain.timed[1] if timed and toolchain.timed is not None else toolchain.run
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, operation: str, library: str, *arguments: bytes | int | str) -> Results:
        """One operation; raises :class:`PeerError` and :class:`PeerPanicError`."""
        line = " ".join((operation, library, *map(_word, arguments))).encode() + b"\n"
        if self._process is None:
            pipe, null = subprocess.PIPE, subprocess.DEVNULL
            self._process = subprocess.Popen(self._command, cwd=self._folder, stdin=pipe, stdout=pipe, stderr=null)
        with _deadline(self._process):
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except OSError:
                answer = b""
        if not answer:
            self.close()
            raise PeerPanicError("the process ended")
        kind, _, rest = answer.decode().rstrip("\n").partition(" ")
        if kind != "ok":
            raise (PeerPanicError if kind == "panic" else PeerError)(rest or "no reason given")
        return Results(rest.split())

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


@contextmanager
def _deadline(process: subprocess.Popen[bytes]) -> Iterator[None]:
    timer = threading.Timer(ANSWER_SECONDS, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _word(argument: bytes | int | str) -> str:
    if isinstance(argument, bytes):
        return argument.hex() or "-"
    return str(argument)


def _fields(fields: Fields) -> list[bytes | int]:
    return [len(fields), *(part for field in fields for part in field)]


def message_words(message: Request | Response) -> list[bytes | int | str]:
    """``message`` as arguments."""
    words: list[bytes | int | str]
    if isinstance(message, Request):
        control = (message.method, message.scheme, message.authority, message.path)
        words = ["request", *(part.encode() for part in control)]
    else:
        words = ["response", len(message.informational)]
        for interim in message.informational:
            words += [interim.status, *_fields(interim.fields)]
        words.append(message.status)
    return [*words, *_fields(message.fields), message.content, *_fields(message.trailers)]


class Results:
    """The results of an operation, in order."""

    def __init__(self, words: list[str]) -> None:
        self._words = iter(words)

    def bytes(self) -> bytes:
        """The next one as bytes."""
        return bytes.fromhex(next(self._words).removeprefix("-"))

    def number(self) -> int:
        """The next one as a number."""
        return int(next(self._words))

    def rest(self) -> list[bytes]:
        """All that are left."""
        return [bytes.fromhex(word.removeprefix("-")) for word in self._words]

    def _fields(self) -> Fields:
        return tuple((self.bytes(), self.bytes()) for _ in range(self.number()))

    def message(self) -> Request | Response:
        """The rest as a message."""
        if next(self._words) == "request":
            control = [self.bytes().decode("latin-1") for _ in range(4)]
            return Request(*control, self._fields(), self.bytes(), self._fields())
        interim = tuple(Informational(self.number(), self._fields()) for _ in range(self.number()))
        return Response(self.number(), self._fields(), self.bytes(), self._fields(), interim)
