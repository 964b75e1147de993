"""Evidence held against reference values (draft §8.2.4.2), and the decision that the draft leaves to policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from privproc.attestation.corim.comid import Comid, State
from privproc.attestation.corim.manifest import Manifest, VerifiedManifest
from privproc.attestation.corim.reading import WHAT
from privproc.attestation.eat import Claims, VerifiedToken
from privproc.attestation.expectation import Level, stage
from privproc.errors import PolicyError, UsageError
from privproc.trust import Earned, Trusted, _trusted

__all__ = ["Corroborated", "corroborate"]


@dataclass(frozen=True, slots=True, init=False)
class Corroborated(Earned):
    """Evidence of which every measured element is as some reference value has it: made by :func:`corroborate` only.

    ``states`` are what was measured, as long as token and manifests count. ``tags`` name the CoMIDs that had a part in
    it: digest of the signer's key and the tag's id. The level is the token's: this adds what runs there, not where.
    """

    states: Trusted[tuple[State, ...]]
    tags: frozenset[tuple[bytes, str | bytes]]
    level = Level.NONE  # not annotated, which would make it a field
    """How much is known of the connection that the token came through."""


def corroborate(
    token: VerifiedToken,
    states: Callable[[Claims], Iterable[State]],
    manifests: Sequence[VerifiedManifest],
    *,
    at: int,
) -> Corroborated:
    """Hold what ``token`` states against the reference values of ``manifests``.

    ``states``: what the profile says that claims measure, made of these claims and nothing else; what it raises passes
    through. A reference value matches by the draft's rules. Beyond these, every element of every state must be in a
    reference value that matches: what nobody vouches for isn't overlooked because something else is known.

    Of a tag's versions by one signer the highest counts, and none that another tag of that signer's replaces. Raises
    :class:`PolicyError` for evidence that isn't corroborated or measures nothing, :class:`ExpiredError`, and
    :class:`UsageError` without manifests.
    """
    if not manifests:
        raise UsageError("manifests are needed")
    found = tuple(states(token.claims.get(at=at)))
    references = _active([(it.signer, it.manifest.get(at=at)) for it in manifests])
    with stage("measured"):
        if not found:
            raise PolicyError(f"{WHAT}: nothing was measured")
    tags = set()
    for state in found:
        with stage("corroborated"):
            tags |= _vouching(state, references)
    not_before = max(token.claims.not_before, *(it.manifest.not_before for it in manifests))
    not_after = min(token.claims.not_after, *(it.manifest.not_after for it in manifests))
    trusted = _trusted(found, token.claims.digest, not_before, not_after)
    return Corroborated._earn(states=trusted, tags=frozenset(tags))


def _active(manifests: Sequence[tuple[bytes, Manifest]]) -> list[tuple[bytes, Comid]]:
    """The tags that count, with their signers: the newest of each name, and none that was replaced."""
    tags = [(signer, comid) for signer, manifest in manifests for comid in manifest.comids]
    replaced = {(signer, name) for signer, comid in tags for name in comid.replaces}
    newest: dict[tuple[bytes, str | bytes], int] = {}
    for signer, comid in tags:
        newest[signer, comid.id] = max(comid.version, newest.get((signer, comid.id), 0))
    return [
        (signer, comid)
        for signer, comid in tags
        if (signer, comid.id) not in replaced and comid.version == newest[signer, comid.id]
    ]


def _vouching(state: State, references: Sequence[tuple[bytes, Comid]]) -> set[tuple[bytes, str | bytes]]:
    covered: set[int] = set()
    tags = set()
    for signer, comid in references:
        found = frozenset[int]().union(*(reference._covered(state) for reference in comid.references))
        covered |= found
        if found:
            tags.add((signer, comid.id))
    if len(covered) != len(state.elements):
        raise PolicyError(f"{WHAT}: an element is as no reference value has it")
    return tags
