"""From what mirrors show to nodes that a request may be wrapped for (docs/protocol.md §14.3).

Nobody chooses nodes for one device: the roster is the same for all, and the device draws from it by itself.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from privproc import hpke
from privproc.attestation import NO_REVOCATIONS, KeyBinding, snp
from privproc.attestation.nodekey import node_digest, node_report_data
from privproc.errors import ExpiredError, PeerError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.session.directory import Anchors, Directory
from privproc.session.grounds import grounds
from privproc.session.profile import FORMATS
from privproc.session.wrapped.messages import Passport, Roster, Statement
from privproc.session.wrapped.profile import LONGEST, MARGIN
from privproc.trust import Earned, check_window

__all__ = ["Nodes", "VerifiedNode", "learn_nodes", "verify_passport"]


@dataclass(frozen=True, slots=True, init=False)
class VerifiedNode(Earned):
    """A key that an attested program holds: weaker than a session's evidence, which is about one exchange.

    The evidence was made after the package, not for this device, and says nothing about now. Whoever learns the node's
    key before it is erased reads every request that was wrapped to it: no forward secrecy within the key's life.

    ``digest`` (48 bytes) names the node, ``evidence`` says what was found about it. Good while
    ``not_before <= at < not_after`` (Unix seconds), which is sooner than the end of the key.
    """

    digest: bytes
    suite: hpke.Suite
    key: hpke.PublicKey
    role: str
    package: bytes
    evidence: snp.KeyEvidence
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True, init=False)
class Nodes(Earned):
    """The nodes of a role, all of one package and one suite, no two alike, and for how many a request is wrapped.

    Made by :func:`learn_nodes` only. ``not_after`` (Unix seconds) is when the soonest of them ends.
    """

    role: str
    package: bytes
    suite: hpke.Suite
    wraps: int
    each: tuple[VerifiedNode, ...]

    @property
    def not_after(self) -> int:
        """When the first of the nodes ends: learn others until then."""
        return min(node.not_after for node in self.each)

    # req: privproc1/14.4 uniform-draw
    def _draw(self, *, at: int) -> tuple[VerifiedNode, ...]:
        """``wraps`` different nodes, drawn uniformly, in random order; anew for each request, or a set would mark it.

        Raises :class:`ExpiredError` when fewer are left.
        """
        left = [node for node in self.each if node.not_before <= at < node.not_after]
        if len(left) < self.wraps:
            raise ExpiredError(f"{len(left)} nodes are left, and {self.wraps} are needed")
        return tuple(left.pop(_below(len(left))) for _ in range(self.wraps))


def _below(count: int) -> int:
    """A uniform number from 0 to ``count - 1``; what 64 bits are biased by can't be measured."""
    return int.from_bytes(os.urandom(8), "big") % count


def learn_nodes(
    copies: Sequence[tuple[str, bytes]], directory: Directory, *, role: str, anchors: Anchors, at: int
) -> Nodes:
    """Verify what mirrors served for ``role``: pairs of the mirror's name and its :class:`Roster` bytes.

    Enough mirrors must show the same bytes. Passports that don't hold, past their time say, are left out, as long as
    enough are left. Raises :class:`UntrustedError` (mirrors disagree, another role or package, a node twice),
    :class:`PolicyError` for a suite that isn't one of the protocol's, another than the others', or classic where
    ``anchors`` require hybrids, :class:`DecodeError`, :class:`UnsupportedError`, and what :func:`verify_passport`
    raises.
    """
    contents = directory.contents.get(at=at)
    anchors.check(contents)
    contents.service(role)
    roster = Roster.decode(_agreed(copies, anchors))
    statements = [Statement.decode(passport.statement) for passport in roster.passports]
    for statement in statements:
        _check_belongs(statement, directory, role, anchors)
    suite = statements[0].suite
    if any(statement.suite != suite for statement in statements):
        raise PolicyError("roster: nodes of different suites would tell requests apart")
    if len({statement.key for statement in statements}) != len(statements):
        raise UntrustedError("roster: the same node twice")
    failure: PeerError | None = None
    holding = []
    for passport in roster.passports:
        try:
            holding.append(verify_passport(passport, directory, role=role, anchors=anchors, at=at))
        except PeerError as error:
            failure = error
    if failure is not None and len(holding) < roster.wraps:
        # req: privproc1/14.3 some-may-fail
        raise failure
    return Nodes._earn(role=role, package=directory.package, suite=suite, wraps=roster.wraps, each=tuple(holding))


def _agreed(copies: Sequence[tuple[str, bytes]], anchors: Anchors) -> bytes:
    names = [name for name, _ in copies]
    if len(set(names)) != len(names) or not set(names) <= set(anchors.mirrors):
        raise UsageError("a mirror counts once, and is one of the anchors'")
    for data, count in Counter(data for _, data in copies).most_common(1):
        if count >= anchors.agreeing:  # a majority of all mirrors: no second roster has as many
            return data
    # req: privproc1/14.3 agreed-roster
    raise UntrustedError("roster: too few mirrors show the same")


def _check_belongs(statement: Statement, directory: Directory, role: str, anchors: Anchors) -> None:
    if statement.role != role or statement.package != directory.package:
        # req: privproc1/14.3 statements
        raise UntrustedError("node is of another role or package")
    # req: privproc1/14.3 hybrid-nodes-if-demanded
    if statement.suite not in anchors.suites:
        raise PolicyError("node's suite is none of the protocol's, or isn't hybrid as required")


def verify_passport(passport: Passport, directory: Directory, *, role: str, anchors: Anchors, at: int) -> VerifiedNode:
    """Check everything that a passport says, as a session's appraisal does, for a key in place of a session.

    Raises :class:`DecodeError`; :class:`UnsupportedError` for another format of evidence, or a log that the anchors
    don't have; :class:`UntrustedError` for another role or package, and evidence of anything but this statement, a
    session among others; :class:`PolicyError` for a suite that isn't the protocol's and a window that is too long;
    :class:`ExpiredError`; :class:`OpenError` for a key of low order; and what log, chain and report are refused with.
    """
    contents = directory.contents.get(at=at)
    statement = Statement.decode(passport.statement)
    if statement.format not in FORMATS:
        raise UnsupportedError(f"evidence of format {statement.format}")
    _check_belongs(statement, directory, role, anchors)
    if statement.not_after - statement.not_before > LONGEST:
        raise PolicyError("node's key lives too long")
    # req: privproc1/14.3 windows
    check_window("node's key", statement.not_before, statement.not_after - MARGIN, at=at)
    # req: privproc1/14.3 low-order-nodes
    hpke.encap(statement.key)  # a point of low order must show before a token is spent on it
    service = contents.service(role)
    if service.beside:
        raise UnsupportedError("a passport has no evidence beside the node's, which the directory demands")
    chain, logged = grounds(
        endorsements=passport.endorsements,
        log_proof=passport.log_proof,
        contents=contents,
        service=service,
        anchors=anchors,
        at=at,
    )
    evidence = snp.appraise_key(
        passport.evidence,
        binding=KeyBinding(node_report_data(passport.statement)),
        policy=service.policy,
        chain=chain,
        logged=logged,
        role=role,
        revocations=NO_REVOCATIONS,  # privproc/1 carries none
        at=at,
    )
    return VerifiedNode._earn(
        digest=node_digest(passport.statement),
        suite=statement.suite,
        key=statement.key,
        role=role,
        package=statement.package,
        evidence=evidence,
        not_before=max(statement.not_before, evidence.not_before),
        not_after=min(statement.not_after - MARGIN, evidence.not_after, directory.contents.not_after),
    )
