"""One message: its fields, its bytes, and the way back; or bytes that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from privproc.hpke import PublicKey, Suite
from privproc.ledger import Entry
from privproc.ledger.merkle import leaf_hash
from privproc.responsekey import Announcement
from privproc.session import Published
from privproc.session.messages import Continue, Continued, Forward, Offer, Open, Opened, Renewed
from privproc.session.wrapped import Passport, Roster, Statement
from privproc.session.wrapped.messages import Delivery, Head, Wrapped
from privproc.vectors._straight import lp, sha256, t, u
from privproc.vectors.case import Case, raises

TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(Open, Forward, Offer, Opened, Continue, Continued, Published, Announcement, Entry),
        Renewed,  # layout: privproc1_live
        *(Statement, Passport, Roster, Head, Wrapped, Delivery),  # layouts: privproc1_wrapped
    )
}


def run(case: Case) -> None:
    kind, encoded = TYPES[case["type"]], case.hex("encoded")
    if case.expect:
        with raises(case.expect) as raised:
            kind.decode(encoded)
        assert type(raised.value) is case.expect
        return
    fields = {name: value(item) for name, item in case["fields"].items()}
    message = VALUES.get(kind, lambda fields: kind(**fields))(fields)
    assert message.encode() == encoded
    assert kind.decode(encoded) == message
    assert LAYOUTS[kind](fields) == encoded
    if kind is Entry:
        assert case.hex("leaf_hash") == sha256(b"\0" + encoded) == leaf_hash(encoded)
        assert case.hex("tagged_hash") == t(b"entry", *ENTRY(fields))


def value(item: Any) -> Any:
    """Bytes are hex behind ``0x``, lists are tuples."""
    if isinstance(item, str) and item.startswith("0x"):
        return bytes.fromhex(item[2:])
    return tuple(map(value, item)) if isinstance(item, list) else item


def announcement(fields: dict[str, Any]) -> Announcement:
    suite = Suite.from_ids(*fields["suite"])
    return Announcement(suite, PublicKey.decode(suite.kem, fields["key"]), fields["max_requests"], fields["lifetime"])


VALUES: dict[Any, Callable[[dict[str, Any]], Any]] = {Announcement: announcement}


# The layouts once more.


def listed(items: list[bytes]) -> bytes:
    return u(2, len(items)) + b"".join(map(lp, items))


def uint16s(*numbers: int) -> bytes:
    return b"".join(u(2, number) for number in numbers)


def open_(f: dict[str, Any]) -> bytes:
    names = b"".join(lp(f[name].encode()) for name in ("role", "log", "namespace"))
    formats, suites = listed([u(2, it) for it in f["formats"]]), listed([uint16s(*it) for it in f["suites"]])
    asked = names + formats + u(1, f["device_required"]) + f["policy_id"] + f["nonce"] + suites
    used = u(2, 1) + asked + lp(f["client_hello"])
    return used + lp(bytes(2048 - len(used) - 4))


def ENTRY(f: dict[str, Any]) -> list[bytes]:
    return [f["namespace"].encode(), f["role"].encode(), f["digest"], u(8, f["not_after"]), u(4, f["security_version"])]


LAYOUTS: dict[Any, Callable[[dict[str, Any]], bytes]] = {
    Open: open_,
    Forward: lambda f: f["package"] + f["outer"] + f["open"],
    Offer: lambda f: (
        lp(f["flight"])
        + lp(f["announcement"])
        + u(2, f["format"])
        + lp(f["evidence"])
        + listed([u(2, kind) + evidence for kind, evidence in f["devices"]])
    ),
    Opened: lambda f: f["handle"] + lp(f["offer"]) + lp(f["endorsements"]) + lp(f["log_proof"]),
    Continue: lambda f: f["handle"] + u(8, f["offset"]) + f["mac"] + lp(f["records"]),
    Continued: lambda f: f["handle"] + lp(f["records"]),
    Published: lambda f: lp(f["package"]) + lp(f["log_proof"]),
    Announcement: lambda f: uint16s(*f["suite"]) + lp(f["key"]) + u(4, f["max_requests"]) + u(4, f["lifetime"]),
    Entry: lambda f: lp(b"privproc/1 entry") + u(2, 5) + b"".join(map(lp, ENTRY(f))),
}
