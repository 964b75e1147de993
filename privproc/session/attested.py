"""The device's end of an attested session, whatever carries its TLS records (docs/protocol.md §4.8 and §6).

What a device knows after an appraisal is one value, :class:`Attested`. Each question takes it and gives, with the end
of its answer, the next one; new evidence gives one that begins anew, under keys that the old ones don't lead to.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from privproc import hpke, ratls, responsekey
from privproc._outcome import each
from privproc.attestation import NO_REVOCATIONS, SessionBinding, snp
from privproc.attestation.binder import Binding, Direction
from privproc.errors import PolicyError, UsageError
from privproc.keyconfig import Selection, select
from privproc.responsekey import Announcement, Answer, Context
from privproc.responsekey.request import EXPORTER_LABEL, EXPORTER_LENGTH, exporter_context
from privproc.session import frames, transcript
from privproc.session.beside import Beside, appraise_beside
from privproc.session.contents import Contents, Service
from privproc.session.directory import Anchors, Directory
from privproc.session.frames import Kind
from privproc.session.grounds import grounds
from privproc.session.messages import Offer, Opened, Renewed
from privproc.session.profile import ATTESTATIONS, FORMATS, SUITES
from privproc.trust import Trusted, check_window
from privproc.wire import Feed

__all__ = ["Attested", "Demands", "Renewal", "attest"]


@dataclass(frozen=True, slots=True)
class Demands:
    """What an enclave is judged by: the service as one directory has it, and what the device ships with."""

    contents: Contents
    service: Service
    anchors: Anchors
    selection: Trusted[Selection]

    @classmethod
    def of(cls, directory: Directory, role: str, anchors: Anchors, *, at: int) -> Demands:
        """Raises :class:`ExpiredError` for a directory out of its time, :class:`UntrustedError` for a role that it
        doesn't list, :class:`UnsupportedError` when no suite is shared with the gateway, and what
        :meth:`Anchors.check` raises.
        """
        contents = directory.contents.get(at=at)
        anchors.check(contents)
        service = contents.service(role)
        return cls(contents, service, anchors, directory.contents.map(lambda it: select(it.keys, SUITES)))


class Basis(NamedTuple):
    """What an appraisal was about: ``th1`` and the parts that it is the hash of (package, outer and Open; later on the
    last ``th2`` and the nonce), what enclave and host showed, and when it was judged (Unix seconds).
    """

    th1: bytes
    parts: tuple[bytes, ...]
    shown: Renewed
    at: int

    def __repr__(self) -> str:
        return "<Basis>"


class Attested(NamedTuple):
    """An attested session between two messages. ``suite``, ``max_requests`` and ``until``, its end (Unix seconds), are
    the announcement's. ``key`` is that of request ``number``, ``previous`` the ``th3`` of the one before.
    """

    demands: Demands
    channel: ratls.Channel
    leaf: bytes
    format: int
    suite: hpke.Suite
    max_requests: int
    evidence: snp.VerifiedEvidence
    beside: Beside
    sequence: int
    th2: bytes
    until: int
    key: hpke.PublicKey
    basis: Basis
    number: int = 0
    previous: bytes = b""

    def __repr__(self) -> str:
        return "<Attested>"

    @property
    def fresh_until(self) -> int:
        """When any evidence, or the directory that it was judged by, ends (Unix seconds); :meth:`again` helps then."""
        # req: privproc1/4.8 soonest-end
        return min(self.evidence.not_after, self.beside.not_after, self.demands.selection.not_after)

    def binding(self) -> Binding:
        """What the evidence is bound to, once more from its parts."""
        return Binding.exported(
            self.channel.export,
            Direction.SERVER_TO_CLIENT,
            role=self.demands.service.role,
            th1=self.basis.th1,
            leaf=self.leaf,
            peer=b"",  # the device has no certificate
            announcement=self.basis.shown.announcement,
            sequence=self.sequence,
        )

    def check(self, *, at: int) -> None:
        """Raise :class:`ExpiredError` unless evidence and directory are in their time."""
        check_window("session's evidence", self.evidence.not_before, self.evidence.not_after, at=at)
        self.beside.check(at=at)
        self.demands.selection.get(at=at)

    def seal(self, question: bytes, *, last: bool) -> tuple[bytes, Answer]:
        """TLS records with the question, and what reads the answer. Raises :class:`UsageError` if it is too large,
        :class:`OpenError` for a key that the KEM refuses.
        """
        exporter = self.channel.export(EXPORTER_LABEL, exporter_context(self.th2, self.number), EXPORTER_LENGTH)
        context = Context(self.th2, self.number, self.previous, exporter)
        sealed, answer = responsekey.seal_request(context, self.suite, self.key, question)
        # req: privproc1/6 last-says-so
        self.channel.send(frames.frame(Kind.LAST if last else Kind.REQUEST, sealed))
        return self.channel.data_to_send(), answer

    def following(self, th3: bytes, key: hpke.PublicKey | None) -> Attested | None:
        """The session after an answer that named ``key``; ``None`` if there is none, or no request is left."""
        # req: privproc1/2.4 requests-are-counted
        if key is None or self.number + 1 >= self.max_requests:
            return None
        return self._replace(key=key, number=self.number + 1, previous=th3)

    def again(self, directory: Directory, *, at: int) -> tuple[bytes, Renewal]:
        """TLS records that ask for new evidence, to be judged by ``directory``, and what takes it. The one-time key is
        left unused.

        Raises :class:`ExpiredError` and :class:`UntrustedError` for the directory, :class:`UsageError` after the last
        attestation that a session may have.
        """
        if self.sequence + 1 >= ATTESTATIONS:
            raise UsageError(f"a session is attested {ATTESTATIONS} times at most")
        # req: privproc1/6.3 judged-by-the-present
        demands = Demands.of(directory, self.demands.service.role, self.demands.anchors, at=at)
        nonce = os.urandom(32)
        self.channel.send(frames.again(nonce, self.suite))
        renewal = Renewal(self, demands, nonce, at)
        return self.channel.data_to_send(), renewal


class Renewal:
    """New evidence was asked for: takes the decrypted bytes in any pieces, and gives the session that it makes."""

    __slots__ = ("_feed", "_nonce", "_old", "began", "demands")

    def __init__(self, old: Attested, demands: Demands, nonce: bytes, began: int) -> None:
        self._old = old
        self.demands = demands
        self._nonce = nonce
        self.began = began
        self._feed = Feed("new evidence", frames.renewals())

    def receive_data(self, data: bytes, *, at: int) -> Attested | None:
        """``None`` until all of it has come. Raises what :meth:`Opening.finish` raises for evidence."""
        return next((self._appraise(renewed, at) for renewed in [*each(self._feed.receive, data)]), None)

    def _appraise(self, renewed: Renewed, at: int) -> Attested:
        old, sequence = self._old, self._old.sequence + 1
        announcement = Announcement.decode(renewed.announcement)
        if announcement.suite != old.suite or renewed.format != old.format:
            # req: privproc1/6.3 suite-and-format-stay
            raise PolicyError("the enclave's suite or evidence format is not the session's")
        th1 = transcript.again(old.th2, self._nonce)
        binding = Binding.exported(
            old.channel.export,
            Direction.SERVER_TO_CLIENT,
            role=self.demands.service.role,
            th1=th1,
            leaf=old.leaf,
            peer=b"",  # the device has no certificate
            announcement=renewed.announcement,
            sequence=sequence,
        )
        report_data = binding.report_data(renewed.devices)
        evidence = _appraise(self.demands, renewed, report_data, at)
        evidence.expect(report_data, at=at)
        return old._replace(
            demands=self.demands,
            max_requests=announcement.max_requests,
            evidence=evidence,
            beside=_beside(self.demands, evidence, binding, renewed, at),
            sequence=sequence,
            th2=transcript.attested(th1, report_data, renewed.format, renewed.evidence),
            until=self.began + announcement.lifetime,
            key=announcement.key,
            basis=Basis(th1, (old.th2, self._nonce), renewed, at),
            number=0,
            previous=b"",
        )


def attest(
    opened: Opened,
    demands: Demands,
    tls: ratls.PendingServer,
    parts: tuple[bytes, bytes, bytes],
    *,
    began: int,
    at: int,
) -> Attested:
    """Appraise the first evidence of a session that was begun at ``began``. ``parts``: package, outer and Open.

    Raises as :meth:`Opening.finish`.
    """
    offer = Offer.decode(opened.offer)
    announcement = Announcement.decode(offer.announcement)
    # req: privproc1/4.8 hybrid-suite-if-demanded
    if announcement.suite not in demands.anchors.suites or offer.format not in FORMATS:
        # req: privproc1/4.8 only-what-open-listed
        raise PolicyError("the enclave's suite or evidence format was not offered, or isn't hybrid as required")
    established = tls.finish(offer.flight)
    leaf, role, th1 = established.leaf, demands.service.role, transcript.opened(*parts)
    binding = established.binding(role=role, th1=th1, announcement=offer.announcement)
    report_data = established.bind(role=role, th1=th1, announcement=offer.announcement, devices=offer.devices)
    stapled = Renewed(
        offer.announcement, offer.format, offer.evidence, opened.endorsements, opened.log_proof, offer.devices
    )
    evidence = _appraise(demands, stapled, report_data, at)
    # req: privproc1/4.8 all-of-it-before-release
    beside = _beside(demands, evidence, binding, stapled, at)
    return Attested(
        demands=demands,
        channel=established.release(evidence, at=at),
        leaf=leaf,
        format=offer.format,
        suite=announcement.suite,
        max_requests=announcement.max_requests,
        evidence=evidence,
        beside=beside,
        sequence=0,
        th2=transcript.attested(th1, report_data, offer.format, offer.evidence),
        until=began + announcement.lifetime,
        key=announcement.key,
        basis=Basis(th1, parts, stapled, at),
    )


def _appraise(demands: Demands, shown: Renewed, report_data: SessionBinding, at: int) -> snp.VerifiedEvidence:
    chain, logged = grounds(
        endorsements=shown.endorsements,
        log_proof=shown.log_proof,
        contents=demands.contents,
        service=demands.service,
        anchors=demands.anchors,
        at=at,
    )
    return snp.appraise(
        shown.evidence,
        binding=report_data,
        policy=demands.service.policy,
        chain=chain,
        logged=logged,
        role=demands.service.role,
        revocations=NO_REVOCATIONS,  # privproc/1 carries none: an entry's end and its minimum version do their work
        at=at,
    )


def _beside(demands: Demands, evidence: snp.VerifiedEvidence, binding: Binding, shown: Renewed, at: int) -> Beside:
    return appraise_beside(
        evidence,
        binding,
        shown.devices,
        contents=demands.contents,
        service=demands.service,
        anchors=demands.anchors,
        at=at,
    )
