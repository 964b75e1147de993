"""``docs/interop.md`` is about the peers and the differences that the tests have."""

from __future__ import annotations

from tests.interop.peers import ABSENT, PEERS
from tests.interop.report import PAGE, differences


def test_the_page_is_of_these_peers():
    lines = PAGE.read_text().splitlines()
    for peer in PEERS:
        assert any(line.startswith(f"| `{peer.library}` | {peer.version} |") for line in lines), peer
    told = [line for line in lines if line.startswith("| `")]
    for peer, reason in differences():
        assert f"| `{peer.library}` | {peer.version} | {reason} |" in told
    assert len(told) == len(PEERS) + len(differences()) + len(ABSENT)
