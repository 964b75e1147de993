"""Runs the tests with the peers and writes ``docs/interop.md``: ``python -m tests.interop.report``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import pytest

from tests.interop.driver import HERE
from tests.interop.peers import ABSENT, DIFFERENCES, PEERS, Peer
from tests.interop.summary import Outcome, outcomes

PAGE = HERE.parent.parent / "docs" / "interop.md"
LANGUAGES = {"rust": "Rust", "go": "Go", "node": "JavaScript", "python": "Python"}
LAYERS = {
    "test_hpke.py": "HPKE",
    "test_ohttp.py": "OHTTP",
    "test_bhttp.py": "Binary HTTP",
    "test_evidence_snp.py": "SEV-SNP",
    "test_evidence_tdx.py": "TDX",
    "test_evidence_nvidia.py": "NVIDIA",
    "test_eat.py": "EAT and CoRIM",
    "test_authenticator.py": "Exported authenticators",
    "test_tokens.py": "Privacy Pass",
    "test_blindrsa.py": "blind RSA",
    "test_voprf.py": "OPRF",
}
INTRODUCTION = """\
# Interoperability

The tests in `tests/interop` run this library against implementations in other languages. Each is installed by its own
package manager while the tests run, at the version below, and driven by a small program in `tests/interop/rust`, `go`
or `node`, others by those in `tests/interop/tokens`, `evidence` and `eat`. A toolchain or package that can't be had is
a skip that says so. This page is written by

```console
$ python -m tests.interop.report
```

What is tested, always in both roles:

- **HPKE**: every suite in common, in base and PSK mode: several messages with and without associated data, and exported
  secrets. A wrong encapsulation and wrong associated data are refused there too.
- **OHTTP**: every suite in common, single-shot and in chunks: messages of 0 bytes to 1 MiB, sealed in one piece and in
  many, and streams that arrive in other pieces than they were sent. Lists of key configurations are read in both
  directions, ours also with algorithms that the peer doesn't know. With `openpcc/ohttp`, HTTP messages go in and come
  out.
- **Binary HTTP**: both framings: query strings, repeated, long and empty fields, cookies, trailers, informational
  responses, large contents, padding, and messages that end before their empty sections.
- **SEV-SNP and TDX evidence**: reports and quotes that other projects publish and those of the makers in `tests/world`:
  good ones are accepted, and what a check of this library refuses is refused there too. Where a peer leaves a demand to
  its caller, or doesn't have it, the table says so. `dcap-qvl`, of PyPI, is compared in `tests/test_tdx_real.py` and,
  on quotes of SGX of version 3, the only one that it takes, in `tests/test_sgx.py`.
- **NVIDIA's devices and manifests**: GPUs before `nv-local-gpu-verifier` and switches before `nv-attestation-sdk`, both
  NVIDIA's own, which decide with the roots and the time that the tests name: those of the makers in `tests/world`,
  every mutant of them, reports of other forms under good signatures, and what NVIDIA publishes. Its services, which
  say what is revoked and hand out manifests, aren't asked. Left out is what the two don't have: a judgement of several
  devices together, lists of identities, and the session that a nonce is of.
- **EAT and CoRIM**: the envelopes of tokens, CWT and JWT, with every algorithm in common; signed manifests with each
  kind of reference value, profile and time, decoded and encoded again there. Changed signatures, other algorithms,
  critical headers and malformed manifests are refused there too.
- **Signed manifests of NVIDIA**: canonical forms before `lxml`, and files before `signxml`, of PyPI, in
  `tests/test_xml.py` and `tests/test_nvidia_rim.py`.
- **Exported authenticators** (RFC 9261): over TLS sessions with Go's own TLS, in both roles, with both kinds of key,
  and empty ones. TLS, exporters, signatures and certificates are Go's; the messages are written in the driver from the
  RFC, since no package that can be had makes them.
- **Privacy Pass**: tokens of every type in common, asked for there, issued and redeemed here, and the reverse: one at a
  time, in amortized batches of 1, 2 and 30, and in generic batches of all types, with a key that the issuer lacks among
  them. Both header fields in both directions, with several challenges and with grease. Changed, exchanged, truncated
  and prolonged messages are refused there too.
- **Blind RSA**: the four variants of RFC 9474. Signatures of another variant, out of range, of another length or with a
  changed bit, and such blinded messages and answers, are refused there too.
- **OPRF**: every mode and suite of RFC 9497 in common, one input and several, and ours on each of our groups. Wrong
  proofs are refused there too; so are the identity and other bad elements, as a public key and as a blinded message.

A test in which a peer is known to differ must fail, in the known way: a difference that goes away is noticed as well.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def differences() -> list[tuple[Peer, str]]:
    """Each once, though it may show in several cases."""
    return list(dict.fromkeys((peer, known.reason) for (peer, _), known in DIFFERENCES.items()))


def render(found: dict[str, Outcome], layers: dict[str, set[str]]) -> str:
    """The page."""
    ran = [
        (
            f"`{peer.library}`",
            peer.version,
            LANGUAGES[peer.language.rpartition("/")[2]],
            ", ".join(name for file, name in LAYERS.items() if file in layers[str(peer)]),
            found[str(peer)].counts["passed"],
            found[str(peer)].counts["xfailed"],
        )
        for peer in PEERS
    ]
    return "\n".join(
        [
            INTRODUCTION,
            "## Peers\n",
            table(("package", "version", "language", "layer", "tests passed", "tests that differ"), ran),
            "## Differences\n",
            "All of them are the peers'; none is worked around here.\n",
            table(
                ("package", "version", "difference"), ((f"`{p.library}`", p.version, why) for p, why in differences())
            ),
            "## Not run\n",
            "Implementations that belong here, but aren't offered by a package manager.\n",
            table(("package", "language", "reason"), ((f"`{name}`", lang, why) for name, lang, why in ABSENT)),
        ]
    )


class Recorder:
    """Takes from a test run what the page shows."""

    def __init__(self) -> None:
        self.layers: dict[str, set[str]] = {}
        self.found: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        peer = dict(report.user_properties).get("peer")
        if peer is not None:
            self.layers.setdefault(peer, set()).add(report.location[0].rpartition("/")[2])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.found = outcomes(terminalreporter)


def main() -> int:
    recorder = Recorder()
    status = pytest.main(
        [str(HERE), "-q", f"--ignore={HERE / 'test_page.py'}"], plugins=[recorder]
    )  # that is about the last page
    missing = [str(peer) for peer in PEERS if str(peer) not in recorder.found or recorder.found[str(peer)].skipped]
    if status or missing:
        print(f"not written: {', '.join(missing) or 'tests failed'}", file=sys.stderr)
        return 1
    PAGE.write_text(render(recorder.found, recorder.layers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
