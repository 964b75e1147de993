"""``privproc appraise``: evidence against a policy file; ``privproc policy draft``: a first policy from evidence."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from privproc.attestation import NO_REVOCATIONS, KeyBinding, PinnedMeasurement, nitro, sgx, snp, tdx
from privproc.attestation.case import Case, LogProof, NoBinding
from privproc.attestation.draft import draft_policy
from privproc.attestation.policyfile import FORMATS, AnyPolicy, format_of, load_policy, to_toml
from privproc.attestation.report import Report, examine
from privproc.attestation.roots import Roots
from privproc.attestation.verdict import Accepted
from privproc.cli import clock
from privproc.cli.inspect.names import time
from privproc.cli.source import read_input, readings
from privproc.errors import PeerError, UsageError
from privproc.ledger import Checkpoint, read_policy
from privproc.ledger.merkle import EMPTY_ROOT

__all__ = ["add_draft_to", "add_to"]

_DAY = 86400


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The arguments of ``appraise``."""
    parser = commands.add_parser(
        "appraise",
        help="check evidence against a policy file",
        description="Check evidence against a policy file, and print the outcome. What is expected has no default: a "
        "binding, a program. No revocation list is looked at.",
        epilog="Exit status: 0 if all checks were passed, 1 if one refuses, 2 for a mistake in the call or a policy.",
    )
    _evidence(parser)
    parser.add_argument("--policy", required=True, metavar="FILE", help="TOML or JSON")
    parser.add_argument("--role", required=True, help="what the program is to serve as")
    binding = parser.add_mutually_exclusive_group(required=True)
    binding.add_argument(
        "--report-data", metavar="HEX", help="what the hardware must have signed: 64 bytes, or Nitro's user data"
    )
    binding.add_argument("--unbound", action="store_true", help="evidence about nobody in particular, for archives")
    program = parser.add_mutually_exclusive_group(required=True)
    program.add_argument("--measurement", metavar="HEX", help="the program, on your word (48 bytes)")
    program.add_argument("--log-proof", metavar="FILE", help="the ledger's proof of it")
    parser.add_argument("--log-policy", metavar="FILE", help="with --log-proof: the logs and witnesses that count")
    parser.add_argument("--log", metavar="ORIGIN", help="with --log-proof: which of them")
    parser.add_argument("--namespace", help="with --log-proof: whose entry it must be")
    parser.add_argument("--minimum-version", type=int, metavar="N", help="with --log-proof: of the entry (0)")
    parser.add_argument("--log-age", type=int, metavar="SECONDS", help="with --log-proof: of the cosignatures (a day)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the whole report there, to be replayed")
    parser.add_argument("--json", action="store_true", help="print the whole report, on one line")
    parser.set_defaults(run=run)


def add_draft_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The arguments of ``policy draft``."""
    policy = commands.add_parser("policy", help="draft a policy file from good evidence")
    steps = policy.add_subparsers(metavar="STEP", required=True)
    draft = steps.add_parser(
        "draft",
        help="the strictest policy that accepts given evidence",
        description="Print the strictest policy that accepts given evidence, whose chain and signatures must be good.",
    )
    _evidence(draft)
    draft.add_argument("--format", required=True, choices=FORMATS)
    draft.add_argument("--max-age", required=True, type=int, metavar="SECONDS", help="for which an outcome may be used")
    draft.set_defaults(run=run_draft)


def _evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("evidence", metavar="EVIDENCE", help="a file, or - for standard input; raw, hex or base64")
    parser.add_argument(
        "--endorsements", metavar="FILE", help="chain (SEV-SNP) or collateral (TDX, SGX), as it travels"
    )
    parser.add_argument(
        "--root", action="append", default=[], metavar="[PRODUCT=]SHA256", help="trust this root and not the vendor's"
    )
    clock.add_at(parser)


def run(arguments: argparse.Namespace) -> int:
    """The subcommand ``appraise``; its exit status."""
    with _own(arguments.policy):
        policy = load_policy(read_input(arguments.policy))
    report = examine(
        Case(
            evidence=_bytes(arguments.evidence),
            endorsements=_endorsements(arguments),
            policy=policy,
            roots=_roots(format_of(policy), arguments.root),
            binding=NoBinding() if arguments.unbound else KeyBinding(_hex(arguments.report_data)),
            role=arguments.role,
            log=_log(arguments),
            revocations=NO_REVOCATIONS,
            at=clock.at(arguments),
        )
    )
    if arguments.report is not None:
        arguments.report.write_bytes(report.encode())
    sys.stdout.write(f"{json.dumps(json.loads(report.encode()))}\n" if arguments.json else _text(report))
    return 0 if isinstance(report.verdict, Accepted) else 1


def run_draft(arguments: argparse.Namespace) -> int:
    """The subcommand ``policy draft``; its exit status."""
    evidence = _bytes(arguments.evidence)
    policy = draft_policy(
        arguments.format,
        evidence,
        _endorsements(arguments),
        roots=_roots(arguments.format, arguments.root),
        max_age=arguments.max_age,
        at=clock.at(arguments),
    )
    sys.stdout.write(
        f"# Measurement of the program, for the ledger: {_measurement(policy, evidence).hex()}\n{to_toml(policy)}"
    )
    return 0


def _measurement(policy: AnyPolicy, evidence: bytes) -> bytes:
    """The measurement (48 bytes) that ``policy`` makes of ``evidence``."""
    if isinstance(policy, snp.Policy):
        return snp.Report.decode(evidence).measurement
    if isinstance(policy, tdx.Policy):
        return policy.measurement(tdx.Quote.decode(evidence).report)
    if isinstance(policy, sgx.Policy):
        return policy.measurement(sgx.Quote.decode(evidence).report)
    return nitro.measurement(nitro.Document.decode(evidence).pcrs, policy.logged_pcrs)


def _text(report: Report) -> str:
    verdict, at = report.verdict, report.case.at
    if isinstance(verdict, Accepted):
        lines = [f"accepted at {time(at)}, level {verdict.level.value}", f"  until        {time(verdict.not_after)}"]
        lines += [f"  measurement  {verdict.measurement.hex()}", f"  report data  {verdict.report_data.hex()}"]
        lines.append(f"  checks       {', '.join(verdict.checks)}")
    else:
        lines = [f"refused at {time(at)} by the check {verdict.check or 'of the evidence'}"]
        lines.append(f"  {verdict.error}: {verdict.reason}")
    lines.append("  no revocation list was looked at")
    return "".join(f"{line}\n" for line in lines)


def _bytes(path: str) -> bytes:
    """Evidence in text is hexadecimal or base64, which no format of evidence is by itself."""
    text = read_input(path)
    return readings(text, None)[0].data


def _endorsements(arguments: argparse.Namespace) -> bytes:
    return b"" if arguments.endorsements is None else _bytes(arguments.endorsements)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(f"not hexadecimal: {text}") from None


def _roots(name: str, given: list[str]) -> snp.Roots | Roots:
    if not given:
        vendors: dict[str, snp.Roots | Roots] = {
            "sev-snp": snp.AMD_ROOTS,
            "tdx": tdx.INTEL_ROOTS,
            "sgx": sgx.INTEL_ROOTS,
            "nitro": nitro.AWS_ROOTS,
        }
        return vendors[name]
    if name != "sev-snp":
        return Roots(tuple(map(_hex, given)))
    pairs = [pin.partition("=") for pin in given]
    products = {product.value: product for product in snp.Product}
    if any(product not in products for product, _, _ in pairs):
        raise UsageError(f"a root of AMD's is PRODUCT=SHA256, with one of {', '.join(products)}")
    return snp.Roots(tuple((_hex(digest), products[product]) for product, _, digest in pairs))


def _log(arguments: argparse.Namespace) -> LogProof | PinnedMeasurement:
    required = (arguments.log_policy, arguments.log, arguments.namespace)
    if arguments.measurement is not None:
        if any(given is not None for given in (*required, arguments.minimum_version, arguments.log_age)):
            raise UsageError("a measurement on your word takes no option of the log's")
        return PinnedMeasurement(_hex(arguments.measurement))
    if None in required:
        raise UsageError("--log-proof takes --log-policy, --log and --namespace")
    age = _DAY if arguments.log_age is None else arguments.log_age
    with _own(arguments.log_policy):
        logs = read_policy(read_input(arguments.log_policy), max_age=age)
    if arguments.log not in logs:
        raise UsageError(f"{arguments.log_policy}: has no log {arguments.log}")
    return LogProof(
        proof=read_input(arguments.log_proof),
        namespace=arguments.namespace,
        policy=logs[arguments.log],
        floor=Checkpoint(arguments.log, 0, EMPTY_ROOT),
        minimum_version=arguments.minimum_version or 0,
    )


@contextmanager
def _own(path: str) -> Iterator[None]:
    """What is wrong with a file of the caller's own is a mistake in the call, and no verdict on the evidence."""
    try:
        yield
    except PeerError as error:
        raise UsageError(f"{path}: {error}") from None
