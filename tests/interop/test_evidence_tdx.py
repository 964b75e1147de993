"""TDX quotes before go-tdx-guest: the published ones, those of the maker in tests/world, and every mutant of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from privproc.attestation.dcap.collateral import pem_encode
from tests import test_tdx as appraisal
from tests import test_tdx_real as real
from tests.interop.driver import PeerError
from tests.interop.peers import TDX_GO, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

go = pytest.mark.parametrize("peer", [TDX_GO], indirect=True, ids=named)
FOUR = {"version": 4, "kind": 2}


def verify(peer, quote, c, at):
    def body(name, inner, signature):
        return b'{"%s":%b,"signature":"%b"}' % (name.encode(), inner, signature.hex().encode())

    root = pem_encode(c.root)
    peer.call(
        "tdx.verify",
        c.root,
        at,
        body("tcbInfo", c.tcb_info, c.tcb_info_signature),
        body("enclaveIdentity", c.qe_identity, c.qe_identity_signature),
        pem_encode(c.tcb_signing) + root,
        c.root_crl,
        c.pck_crl,
        pem_encode(c.pck_ca) + root,
        quote,
    )


@go
@pytest.mark.parametrize("name", real.REAL)
def test_published_quotes(peer, shared, name):
    """The same verdict for each quote, with the collateral of two dates."""
    folder = shared / "attestation" / "tdx"
    quote = real.quote_of(folder, name)
    with difference(peer.peer, "published version 5" if name == "gtg_quote_v5_sample.dat" else f"published {name}"):
        for collateral, at in (
            (real.from_dcap(folder, "phala_tdx_quote_collateral.json"), real.UP_TO_DATE_AT),
            (
                real.from_dcap(folder, "phala_tdx_quote_outdated_collateral.json", **real.v5_response(folder)),
                real.V5_AT,
            ),
        ):
            try:
                real.decide(quote, collateral, at, real.policy(registers=(real.Register.OPEN,) * 4))
                ours = True
            except real.PeerError:
                ours = False
            try:
                verify(peer, quote, collateral, at)
                theirs, why = True, ""
            except PeerError as error:
                theirs, why = False, str(error)
            assert ours == theirs, why


@go
@pytest.mark.parametrize("major", [0, 1])
def test_quotes_from_here(peer, major):
    quote = appraisal.PLATFORM.quote(report_data=appraisal.BINDING, tee_tcb_svn=appraisal.svn(6, major, 4), **FOUR)
    verify(peer, quote, appraisal.INTEL.collateral(), appraisal.AT)


@go
def test_no_byte_can_change(peer):
    """One in each 40 of a quote: all of it is signed, hashed, compared or a length."""
    quote = appraisal.PLATFORM.quote(report_data=appraisal.BINDING, **FOUR)
    collateral = appraisal.INTEL.collateral()
    accepted = []
    for at in range(0, len(quote), 40):
        try:
            verify(peer, quote[:at] + bytes((quote[at] ^ 1,)) + quote[at + 1 :], collateral, appraisal.AT)
            accepted.append(at)
        except PeerError:
            continue
    assert accepted == []


# What its verification leaves to another step, or to its caller.
LEFT = {
    "binding",
    "platforms",
    "configuration",
    "owner",
    "registers",
    "role",
    "log",
    "xfam",
    "evaluation",
    "attributes",
}


@go
@pytest.mark.parametrize("check", [c for c in dict.fromkeys(m[0] for m in appraisal.MUTANTS) if c not in LEFT])
def test_mutants(peer, check):
    with difference(peer.peer, f"check {check}"):
        accepted = []
        for name, scene in [(mutant[1], mutant[2]) for mutant in appraisal.MUTANTS if mutant[0] == check]:
            if set(scene.quote) & {"tee_tcb_svn_2", "mrservicetd"}:
                continue  # of TD 1.5, in version 5 only
            quote = scene.platform.quote(**{"report_data": appraisal.BINDING} | scene.quote | FOUR)
            try:
                verify(peer, quote, appraisal.INTEL.collateral(**scene.collateral), scene.at)
            except PeerError:
                continue
            accepted.append(name)
        assert accepted == []


@go
@pytest.mark.parametrize("part", ["root_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature", "tcb_signing"])
def test_other_collateral(peer, part):
    good = appraisal.INTEL.collateral()
    data = getattr(good, part)
    changed = replace(good, **{part: data[:-1] + bytes((data[-1] ^ 1,))})
    quote = appraisal.PLATFORM.quote(report_data=appraisal.BINDING, **FOUR)
    with pytest.raises(PeerError):
        verify(peer, quote, changed, appraisal.AT)
