"""The recipes for devices and servers, as the documents have them: processes on loopback, real HTTP over real TLS.

nginx is a package of Debian (``nginx-light``); its test is skipped without it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import multiprocessing
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from privproc import ohttp, session, tokens
from privproc.errors import PolicyError
from privproc.http import Request, Response
from privproc.tokens import REQUEST_TYPE
from privproc.tokens.sqlite import SQLiteStore
from tests.world.issuer import REQUEST_PATH
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import PATH as PACKAGE_PATH
from tests.world.model import summarise
from tests.world.world import ROLE, World

pytestmark = pytest.mark.loopback

DOCS = Path(__file__).resolve().parent.parent / "docs" / "recipes"
AT = 1_800_000_000
QUESTION = b"We meet at the harbour at nine. Nobody else should know about the harbour."


@cache
def recipe(name: str) -> dict[str, Any]:
    document = Document.parse(str(DOCS / f"{name}.md"), PythonCodeBlockParser(), encoding="utf-8")
    for example in document.examples():
        example.evaluate()
    return document.namespace


def now() -> int:
    return AT


@dataclass
class Certificates:
    """A certificate for localhost, which the parties trust."""

    folder: Path
    context: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        day = dt.timedelta(days=1)
        today = dt.datetime.now(dt.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), today - day, today + day)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        self.context = ssl.create_default_context(cafile=str(self.certificate))

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"


def serve(application: Callable[..., Any], listening: socket.socket, certificates: Certificates) -> None:
    config = uvicorn.Config(
        application,
        log_level="critical",
        lifespan="off",
        server_header=False,
        date_header=False,
        ssl_certfile=certificates.certificate,
        ssl_keyfile=certificates.key,
    )
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def process(
    make: Callable[[], Callable[..., Any]], listening: socket.socket, certificates: Certificates
) -> Iterator[None]:
    """A process that serves what ``make`` makes, in that process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: none of them holds anything
        child = multiprocessing.get_context("fork").Process(
            target=lambda: serve(make(), listening, certificates), daemon=True
        )
        child.start()
    try:
        yield
    finally:
        child.kill()  # not terminate: it would wait for connections that clients keep alive
        child.join(10)


def recorded(application: Callable[..., Any], file: Path) -> Callable[..., Any]:
    """``application``, with a note of all that its clients send and get."""

    async def wrapped(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        sent = bytearray()
        got = bytearray()

        async def noting() -> dict[str, Any]:
            event = await receive()
            sent.extend(event.get("body", b""))
            return event

        async def note(event: dict[str, Any]) -> None:
            got.extend(event.get("body", b""))
            await send(event)

        await application(scope, noting, note)
        head = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        line = {"method": scope["method"], "path": scope["path"], "fields": head, "up": sent.hex(), "down": got.hex()}
        with file.open("a") as out:
            out.write(json.dumps(line) + "\n")

    return wrapped


@dataclass
class System:
    """Everything but the device, running."""

    world: World
    certificates: Certificates
    ports: dict[str, int]
    wire: Path

    def route(self) -> session.Relay:
        return session.Relay(f"localhost:{self.ports['relay']}", "/ohttp")

    def seen(self) -> list[dict[str, Any]]:
        """What the relay had, so far."""
        return [json.loads(line) for line in self.wire.read_text().splitlines()]


def applications(world: World, certificates: Certificates, ports: dict[str, int], wire: Path) -> dict[str, Any]:
    """For each party a function that makes its application; each runs in the party's own process."""
    servers = recipe("servers")

    def client() -> Callable[..., Any]:
        made = httpx.AsyncClient(verify=certificates.context, timeout=30)
        return recipe("device")["async_httpx_send"](made)

    def relay() -> Callable[..., Any]:
        gateway = ohttp.Resource(f"localhost:{ports['gateway']}", "/")
        at = f"localhost:{ports['mirrors']}", PACKAGE_PATH
        made = servers["relay"](gateway, {f"/mirrors/{name}": at for name in MIRRORS}, client())
        return recorded(made, wire)

    def gateway() -> Callable[..., Any]:
        store = SQLiteStore(sqlite3.connect(wire.parent / "spent.db"), capacity=10_000)
        host = f"localhost:{ports['front']}"
        return servers["gateway"](world.server.gateway, store, host, client(), now)

    def front() -> Callable[..., Any]:
        machine = world.machine

        def staples() -> tuple[bytes, bytes]:
            return machine.chip.endorsements.encode(), world.host.log_proof(AT)

        def model(question: bytes) -> Iterator[bytes]:
            return (piece.encode() for piece in summarise(question.decode()))

        return servers["front"](machine.enclave, machine.report, staples, model, now)

    async def package(_request: Request) -> Response:
        return Response(200, (), world.published)

    return {
        "issuer": lambda: servers["issuer"](world.issuer.issuer, lambda request: True, now),
        "mirrors": lambda: servers["asgi"](package, 0),
        "relay": relay,
        "gateway": gateway,
        "front": front,
    }


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("system")
    certificates, world, wire = Certificates(folder), World(AT), folder / "relay.jsonl"
    names = ("issuer", "mirrors", "relay", "gateway", "front")
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
        for name, make in applications(world, certificates, ports, wire).items():
            stack.enter_context(process(make, sockets[name], certificates))
        wire.touch()
        yield System(world, certificates, ports, wire)


async def run(send: Callable[[Request], Any], system: System, question: bytes) -> session.Reply:
    """A device: everything that it does, over ``send``."""

    async def fetch(name: str) -> tuple[str, bytes]:
        route = system.route()
        return name, (await send(Request("GET", "https", route.authority, f"/mirrors/{name}"))).content

    anchors = system.world.anchors
    copies = [await fetch(name) for name in MIRRORS]
    directory = session.learn(copies, anchors, memory=session.Memory.first(anchors), at=AT)
    contents = directory.contents.get(at=AT)
    key = directory.contents.map(lambda contents: contents.token_key)
    wire, pending = tokens.request_bound(contents.challenge, key, at=AT)
    fields = ((b"content-type", REQUEST_TYPE),)
    issuer = Request("POST", "https", f"localhost:{system.ports['issuer']}", REQUEST_PATH, fields, wire)
    token = pending.finish((await send(issuer)).content)
    flow = session.ask(directory, token, question, role=ROLE, relay=system.route(), anchors=anchors, at=AT)
    return await session.adrive(flow, send, now)


def blocking(send: Callable[[Request], Response]) -> Callable[[Request], Any]:
    async def wrapped(request: Request) -> Response:
        return send(request)

    return wrapped


async def by_httpx(system: System) -> session.Reply:
    with httpx.Client(verify=system.certificates.context) as client:
        return await run(blocking(recipe("device")["httpx_send"](client)), system, QUESTION)


async def by_httpx2(system: System) -> session.Reply:
    with httpx2.Client(verify=system.certificates.context) as client:
        return await run(blocking(recipe("device")["httpx_send"](client)), system, QUESTION)


async def by_async_httpx(system: System) -> session.Reply:
    async with httpx.AsyncClient(verify=system.certificates.context) as client:
        return await run(recipe("device")["async_httpx_send"](client), system, QUESTION)


async def by_requests(system: System) -> session.Reply:
    with requests.Session() as client:
        client.verify = str(system.certificates.certificate)
        return await run(blocking(recipe("device")["requests_send"](client)), system, QUESTION)


async def by_aiohttp(system: System) -> session.Reply:
    connector = aiohttp.TCPConnector(ssl=system.certificates.context)
    async with aiohttp.ClientSession(connector=connector) as client:
        return await run(recipe("device")["aiohttp_send"](client), system, QUESTION)


CLIENTS = (by_httpx, by_httpx2, by_async_httpx, by_requests, by_aiohttp)
HTTP_ITSELF = {"host", "content-length", "connection", "transfer-encoding"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_question_and_its_answer(client, system):
    before = len(system.seen())
    reply = asyncio.run(client(system))
    assert b"harbour" in reply.content
    assert reply.evidence.role == ROLE
    seen = system.seen()[before:]
    assert [line["method"] for line in seen] == ["GET"] * 3 + ["POST"] * 2
    for line in seen:
        fields = {name.lower() for name, _ in line["fields"]}
        assert fields - HTTP_ITSELF == ({"content-type"} if line["method"] == "POST" else set())


def test_the_relay_saw_ciphertext_only(system):
    asyncio.run(by_httpx(system))
    posts = [line for line in system.seen() if line["method"] == "POST"]
    everything = b"".join(bytes.fromhex(line["up"] + line["down"]) for line in posts)
    for words in (b"harbour", b"PrivateToken", ROLE.encode(), b"gateway.example"):
        assert words not in everything
    sizes = {(len(line["up"]) // 2, len(line["down"]) // 2) for line in posts}
    assert len(sizes) == 2, "one size for each round trip"


def test_a_request_that_comes_twice_is_refused(system):
    """By the relay, say: the token was spent, in a database that another process writes."""
    with httpx.Client(verify=system.certificates.context) as client:
        send = recipe("device")["httpx_send"](client)

        def twice(request: Request) -> Response:
            if request.path != system.route().path:
                return send(request)
            send(request)
            return send(request)

        with pytest.raises(PolicyError, match="refused"):
            asyncio.run(run(blocking(twice), system, QUESTION))


@pytest.mark.parametrize(
    ("method", "path", "fields", "content", "status"),
    [
        ("GET", "/elsewhere", {}, b"", 405),
        ("POST", "/ohttp", {"content-type": "text/plain"}, b"x", 415),
        ("POST", "/ohttp", {"content-type": "message/ohttp-req"}, b"", 400),
        ("POST", "/ohttp", {"content-type": "message/ohttp-req"}, b"x" * 40, 422),
        ("POST", "/ohttp", {"content-type": "message/ohttp-req"}, bytes(10 << 20), 413),
    ],
)
def test_what_is_no_such_request_is_refused(method, path, fields, content, status, system):
    with httpx.Client(verify=system.certificates.context) as client:
        url = f"https://{system.route().authority}{path}"
        assert client.request(method, url, headers=fields, content=content).status_code == status


def nginx_config(port: int) -> str:
    text = (DOCS / "servers.md").read_text(encoding="utf-8")
    return text.partition("```nginx\n")[2].partition("```")[0].replace("PORT", str(port))


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_a_static_server_serves_packages(tmp_path):
    certificates = Certificates(tmp_path)
    file = tmp_path / PACKAGE_PATH.strip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(World(AT).published)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(nginx_config(port))
    tmp_path.chmod(0o755)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == tmp_path.stat().st_uid and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o055)
    server = subprocess.Popen(["nginx", "-p", f"{tmp_path}/", "-c", "nginx.conf"], stderr=subprocess.PIPE)
    try:
        with httpx.Client(verify=certificates.context) as client:
            answer = fetched(client, f"https://localhost:{port}{PACKAGE_PATH}", server)
    finally:
        server.terminate()
        server.communicate(timeout=10)
    assert answer.content == file.read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert not {"etag", "last-modified", "set-cookie"} & set(answer.headers)


def fetched(client: httpx.Client, url: str, server: subprocess.Popen[bytes]) -> httpx.Response:
    for _ in range(100):
        try:
            return client.get(url)
        except httpx.ConnectError:
            assert server.poll() is None, server.stderr.read().decode() if server.stderr else ""
            time.sleep(0.05)
    raise AssertionError("nginx doesn't answer")
