"""Policy files: one text for each policy, strict where they are silent, and nothing that isn't known gets in."""

from __future__ import annotations

import json
import re
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import Rule, nitro, sgx, snp, tdx
from privproc.attestation.case import appraise
from privproc.attestation.policyfile import MAX_POLICY_FILE, format_of, from_tree, load_policy, to_toml, to_tree
from privproc.errors import DecodeError, LimitError, PeerError, UnsupportedError, UsageError
from tests.codec import check_contract
from tests.world.amd import FakeAmd, strict_policy
from tests.world.cases import AT, CHIP, FORMATS, PCRS, PLATFORM, case, parts

SNP, TDX, SGX, NITRO = (parts(kind)["policy"] for kind in FORMATS)
TURIN = FakeAmd.generate(snp.Product.TURIN, AT).chip()

SMALL = {
    "sev-snp": """
format = "sev-snp"
version = 1
max_age = 3600
minimum_abi = [1, 55]
signer = { kind = "any-chip" }
[[floor]]
product = "Genoa"
firmware = [1, 55, 55]
mitigations = [0]
tcb = { bootloader = 10, tee = 1, snp = 25, microcode = 0xdb }
launch_tcb = { bootloader = 10, tee = 1, snp = 25, microcode = 0xdb }
""",
    "tdx": """
format = "tdx"
version = 1
max_age = 3600
xfam = 0x6dbe7
tcb = { evaluation = 18 }
platforms = { kind = "any" }
""",
    "sgx": """
format = "sgx"
version = 1
max_age = 3600
xfrm = 0xe7
identity = "enclave"
isvprodid = 7
isvsvn = 3
memory = ["scalable"]
tcb = { evaluation = 18 }
platforms = { kind = "any" }
""",
    "nitro": """
format = "nitro"
version = 1
max_age = 600
""",
}
"""The least that a file can say."""


def test_what_is_left_out_is_strict() -> None:
    found = load_policy(SMALL["sev-snp"].encode())
    assert found == strict_policy(CHIP, any_chip=True)
    found = load_policy(SMALL["tdx"].encode())
    assert isinstance(found, tdx.Policy)
    strict = {
        "tcb": tdx.TcbRules(
            statuses=frozenset({tdx.TcbStatus.UP_TO_DATE}), grace=0, advisories=frozenset(), evaluation=18
        ),
        "domain": tdx.STRICT_DOMAIN,
        "configuration": tdx.STRICT_CONFIGURATION,
        "registers": (tdx.Register.LOGGED,) * 4,
        "platforms": tdx.AnyPlatform(),
    }
    assert found == replace(TDX, xfam=0x6DBE7, **strict)
    found = load_policy(SMALL["sgx"].encode())
    assert found == replace(SGX, enclave=sgx.STRICT_ENCLAVE, platforms=sgx.AnyPlatform())
    assert load_policy(SMALL["nitro"].encode()) == nitro.Policy(logged_pcrs=(0, 1, 2), pcrs=(), max_age=600)


def variants() -> list[Any]:
    either = dict.fromkeys(snp.STRICT_GUEST._places, Rule.EITHER)
    return [
        SNP,
        strict_policy(CHIP, TURIN),
        replace(SNP, signer=snp.Provider('cloud "x" \\ e'), guest=snp.GuestRules(**either)),
        replace(SNP, signer=snp.AnyChip()),
        replace(SNP, signer=snp.Provider("tab\there"), host_data=b"\1" * 32, vmpl=3, minimum_abi=(255, 0)),
        replace(SNP, id_block=replace(snp.NO_ID_BLOCK, guest_svn=2**32 - 1, image_id=b"\2" * 16)),
        replace(SNP, floors=(replace(SNP.floors[0], mitigations=2**64 - 1, report_version=2),)),
        TDX,
        replace(TDX, platforms=tdx.Families((b"\1" * 6, b"\2" * 6)), registers=(tdx.Register.OPEN,) * 4),
        replace(TDX, platforms=tdx.Processors((PLATFORM.ppid,)), mrowner=b"\3" * 48),
        replace(
            TDX,
            platforms=tdx.AnyPlatform(),
            tcb=tdx.TcbRules(
                statuses=frozenset({tdx.TcbStatus.UP_TO_DATE, tdx.TcbStatus.SW_HARDENING_NEEDED}),
                grace=2**32 - 1,
                advisories=frozenset({"INTEL-SA-00615", 'odd " \\ one'}),
                evaluation=0xFFFF,
            ),
        ),
        SGX,
        replace(SGX, identity=sgx.Identity.SIGNER, configid=b"\1" * 64, configsvn=0xFFFF, miscselect=2**32 - 1),
        replace(SGX, memory=frozenset(sgx.Memory)),
        replace(SGX, xfrm=2**63 - 1, isvextprodid=b"\1" * 16, isvfamilyid=b"\2" * 16, isvprodid=0),
        NITRO,
        nitro.Policy(logged_pcrs=(0, 1, 2, 8), pcrs=(), max_age=1),
        nitro.Policy(logged_pcrs=(0, 1, 2), pcrs=((4, bytes(48)), (4, b"\1" * 48), (31, b"\2" * 48)), max_age=1),
    ]


@pytest.mark.parametrize("policy", variants(), ids=lambda policy: type(policy).__module__.split(".")[2])
def test_round_trip(policy: Any) -> None:
    text = to_toml(policy)
    assert load_policy(text.encode()) == policy
    assert to_toml(load_policy(text.encode())) == text
    assert tomllib.loads(text) == to_tree(policy)  # a reader that isn't ours
    as_json = json.dumps(to_tree(policy)).encode()
    for data in (as_json, b"\n " + as_json):
        found = load_policy(data)
        assert found == policy
        assert found.digest == policy.digest
        assert found.id == policy.id


@given(st.text(st.characters(max_codepoint=126), min_size=1, max_size=40))
def test_any_name_is_written_and_read(name: str) -> None:
    policy = replace(SNP, signer=snp.Provider(name))
    assert load_policy(to_toml(policy).encode()) == policy


def test_comments_and_order_do_not_matter() -> None:
    lines = SMALL["nitro"].strip().splitlines()
    other = "# ours . . . . . . . . . . . . . . . . . . . . .\n" + "\n".join(reversed(lines))
    assert load_policy(other.encode()).id == load_policy(SMALL["nitro"].encode()).id


def paths(tree: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of all tables in a tree."""
    found = [place] if isinstance(tree, dict) else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return found + [path for key, value in items for path in paths(value, (*place, key))]


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def copied(policy: Any) -> Any:
    return json.loads(json.dumps(to_tree(policy)))


def spelled(path: tuple[Any, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


@pytest.mark.parametrize("policy", [SNP, strict_policy(TURIN), TDX, SGX, NITRO])
def test_unknown_keys_are_refused_everywhere(policy: Any) -> None:
    for path in paths(copied(policy)):
        tree = copied(policy)
        at(tree, path)["smtt"] = 1
        with pytest.raises(DecodeError) as raised:
            from_tree(tree)
        assert f"{spelled((*path, 'smtt'))}: unknown key" in str(raised.value)
        tree = copied(policy)
        at(tree, path)["not\nprinted"] = 1
        with pytest.raises(DecodeError, match="unknown key") as raised:
            from_tree(tree)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("policy", [SNP, strict_policy(TURIN), TDX, SGX, NITRO])
@pytest.mark.parametrize("wrong", [None, True, 1.5, -1, 1 << 70, "", "x", [], {}, [[]], [None], "\ud800", [-1], ["x"]])
def test_no_other_type_is_taken(policy: Any, wrong: Any) -> None:
    """Each member replaced by what it can't be: a policy that means something else, or an error with the place."""
    good = copied(policy)
    for path in paths(good):
        for key, value in at(good, path).items():
            tree = copied(policy)
            at(tree, path)[key] = wrong
            try:
                found = from_tree(tree)
            except (DecodeError, UnsupportedError):
                continue
            assert type(wrong) is type(value), (path, key)
            assert found != policy or wrong in (value, {})  # an empty table is a strict one


def test_required_keys() -> None:
    least: dict[str, set[str]] = {
        "sev-snp": {"format", "version", "max_age", "minimum_abi", "signer", "floor"},
        "tdx": {"format", "version", "max_age", "xfam", "tcb", "platforms"},
        "sgx": {
            *("format", "version", "max_age", "xfrm", "identity", "isvprodid", "isvsvn", "memory", "tcb"),
            "platforms",
        },
        "nitro": {"format", "version", "max_age"},
    }
    for kind, keys in least.items():
        tree = tomllib.loads(SMALL[kind])
        assert set(tree) == keys
        for key in keys:
            with pytest.raises(DecodeError, match=f"{key}: missing"):
                from_tree({name: value for name, value in tree.items() if name != key})
    floor = tomllib.loads(SMALL["sev-snp"])["floor"][0]
    for key in floor:
        tree = tomllib.loads(SMALL["sev-snp"])
        del tree["floor"][0][key]
        with pytest.raises(DecodeError, match=rf"floor\[0\]\.{key}: missing"):
            from_tree(tree)


@pytest.mark.parametrize(
    ("kind", "old", "new", "reason"),
    [
        ("sev-snp", "version = 1", "version = 2", "version 1"),
        ("sev-snp", '"sev-snp"', '"cca"', "format is not one of"),
        ("sev-snp", '"Genoa"', '"Rome"', r"floor\[0\].product: not one of Milan, Genoa, Turin"),
        ("sev-snp", "tee = 1", "tee = 256", r"floor\[0\].tcb.tee: not an integer from 0 to 255"),
        ("sev-snp", "tee = 1", "tee = 1, fmc = 1", r"floor\[0\].tcb.fmc: unknown key"),
        ("sev-snp", '"Genoa"', '"Turin"', r"floor\[0\].tcb.fmc: missing"),
        ("sev-snp", "[1, 55, 55]", "[1, 55]", r"floor\[0\]: a firmware version has three parts"),
        ("sev-snp", "[1, 55]\n", "[1]\n", "the whole: an ABI version has two parts"),
        ("sev-snp", "mitigations = [0]", "mitigations = [64]", r"mitigations: not an integer from 0 to 63"),
        ("sev-snp", "mitigations = [0]", "mitigations = [0]\nreport_version = 4", "a report version is 2, 3 or 5"),
        ("sev-snp", '{ kind = "any-chip" }', '{ kind = "chips" }', "signer.hwids: missing"),
        ("sev-snp", '{ kind = "any-chip" }', '{ kind = "chips", hwids = [] }', "signer: a list of chips"),
        ("sev-snp", '{ kind = "any-chip" }', '{ kind = "chips", hwids = ["00"] }', "signer.hwids: not 8 or 64 bytes"),
        ("sev-snp", '{ kind = "any-chip" }', '{ kind = "any-chip", hwids = [] }', "signer.hwids: unknown key"),
        ("sev-snp", '{ kind = "any-chip" }', '{ kind = "provider" }', "signer.csp: missing"),
        ("sev-snp", "minimum_abi", "host_data = '0 0'\nminimum_abi", "host_data: not 32 bytes in hexadecimal"),
        ("sev-snp", "minimum_abi", "guest = { smt = 'off' }\nminimum_abi", "guest.smt: not one of clear, set, either"),
        ("tdx", "0x6dbe7", "0x6dbe4", "xfam has bits 0 and 1"),
        ("tdx", "{ evaluation = 18 }", "{ evaluation = 18, statuses = ['OutOfDate'] }", "tcb: statuses have UpToDate"),
        ("tdx", "{ evaluation = 18 }", "{ evaluation = 18, statuses = ['Fine'] }", "tcb.statuses: not one of UpToDate"),
        ("tdx", "{ evaluation = 18 }", "{}", "tcb.evaluation: missing"),
        ("tdx", "xfam", "registers = ['logged']\nxfam", "there are four registers"),
        ("tdx", '{ kind = "any" }', '{ kind = "families", names = ["00"] }', "platforms.names: not 6 bytes"),
        ("sgx", "0xe7", "0xe6", "xfrm has bits 0 and 1"),
        ("sgx", '"enclave"', '"program"', "identity: not one of enclave, signer"),
        ("sgx", "isvsvn = 3", "isvsvn = 65536", "isvsvn: not an integer from 0 to 65535"),
        ("sgx", '["scalable"]', '["tree"]', "memory: not one of standard, scalable, scalable-with-integrity"),
        ("sgx", '["scalable"]', "[]", "memory has at least one"),
        ("sgx", "isvsvn = 3", "isvsvn = 3\nconfigid = '00'", "configid: not 64 bytes"),
        ("sgx", "isvsvn = 3", "isvsvn = 3\nenclave = { debug = 'set' }", "enclave.debug: unknown key"),
        ("nitro", "max_age", "logged_pcrs = [0, 1]\nmax_age", "PCR2 are always logged"),
        ("nitro", "max_age = 600", "max_age = 600\npcrs = { 32 = ['00'] }", "pcrs.32: unknown key"),
        ("nitro", "max_age = 600", "max_age = 600\npcrs = { 3 = [] }", "pcrs.3: an empty array"),
        ("nitro", "max_age = 600", "max_age = 600\npcrs = { 3 = '00' }", "pcrs.3: not an array"),
        ("nitro", "max_age = 600", "max_age = 600\nmax_age = 600", "line 5, column"),
        ("nitro", "max_age = 600", "max_age = ", "not TOML, line"),
        ("nitro", "max_age = 600", "max_age = 0", "max_age is 1 to"),
        ("nitro", "max_age = 600", "max_age = 1e3", "max_age: not an integer"),
        ("nitro", "max_age = 600", "max_age = 1979-05-27", "max_age: not an integer"),
        ("nitro", "max_age = 600", "max_age = 600\nmax.age = 1", "max: unknown key"),
    ],
)  # fmt: skip
def test_the_place_is_named(kind: str, old: str, new: str, reason: str) -> None:
    assert old in SMALL[kind]
    with pytest.raises((DecodeError, UnsupportedError), match=reason):
        load_policy(SMALL[kind].replace(old, new, 1).encode())


def test_bytes_that_are_no_file() -> None:
    for data, reason in (
        (b"\xff", "not TOML$|not TOML "),
        (b"{", "not JSON"),
        (b'{"format": "nitro", "format": "nitro"}', "twice"),
        (b"[" * 5000, "not TOML"),
        (b"{" * 5000, "not JSON"),
        (b"a=" + b"1" * 5000, "not TOML"),
    ):
        with pytest.raises(DecodeError, match=reason):
            load_policy(data)
    with pytest.raises(LimitError):
        load_policy(b"#" * (MAX_POLICY_FILE + 1))
    assert load_policy(SMALL["nitro"].encode().ljust(MAX_POLICY_FILE))
    with pytest.raises(UsageError, match="not a policy"):
        to_toml(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"a." * 100_000 + b"a=1",
        b"[" + b"a." * 100_000 + b"a]",
        b"x={" + b"a." * 100_000 + b"a=1}",
        b"a = 1 # " + b"." * 100_000 + b"\n" * 100,
    ],
)
def test_dotted_keys_do_not_take_hours(data: bytes) -> None:
    """tomllib needs a minute for 64 KiB of them."""
    began = time.process_time()
    with pytest.raises(DecodeError, match="line 1: more than 16 dots"):
        load_policy(data)
    assert time.process_time() - began < 1


@given(st.binary(max_size=300))
def test_contract(data: bytes) -> None:
    check_contract(load_policy, data)


@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_contract_of_changed_files(kind: str, data: st.DataObject) -> None:
    text = bytearray(to_toml(parts(kind)["policy"]).encode())
    position = data.draw(st.integers(0, len(text) - 1))
    text[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = load_policy(bytes(text))
    except PeerError:
        return
    assert load_policy(to_toml(found).encode()) == found


def test_a_thousand_chips_fit() -> None:
    chips = snp.Chips(tuple(index.to_bytes(64, "big") for index in range(1, 1001)))
    policy = replace(SNP, signer=chips)
    assert load_policy(to_toml(policy).encode()) == policy


# -- instances of Nitro


def test_a_list_of_instances() -> None:
    """PCR4 is one of these, PCR3 that: there and equal, whichever comes first."""
    other = nitro.measured_id("i-00000000000000000")
    listed = nitro.Policy(logged_pcrs=(0, 1, 2), pcrs=((4, other), (4, PCRS[4]), (3, bytes(48))), max_age=600)
    listed.check(PCRS)
    for pcrs in ({**PCRS, 4: b"\1" * 48}, {**PCRS, 3: PCRS[4]}, {index: PCRS[index] for index in (0, 1, 2, 3)}):
        with pytest.raises(PeerError, match=r"PCR[34] (differs|is absent)"):
            listed.check(pcrs)
    assert nitro.Policy.decode(listed.encode()) == listed
    for changes in ({"logged_pcrs": (0, 1, 2, 4)}, {"pcrs": (*listed.pcrs, (4, other))}):
        with pytest.raises(UsageError, match="logged once or has values"):
            replace(listed, **changes)


def test_the_parent_of_a_real_document(shared: Any) -> None:
    """AWS's own value of PCR4 is the digest of the instance that the document names."""
    import base64

    text = (shared / "attestation" / "nitro" / "blocky_nitro_attestation.b64").read_text()
    document = nitro.Document.decode(base64.b64decode(text))
    instance = document.module_id.partition("-enc")[0]
    assert document.pcrs[4] == nitro.measured_id(instance)


GUIDE = (Path(__file__).resolve().parent.parent / "docs" / "guides" / "appraisal.md").read_text()


def test_the_files_of_the_guide() -> None:
    """Each is a policy, and good enough for the evidence of the tests."""
    files = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert [format_of(load_policy(file.encode())) for file in files] == list(FORMATS)
    for kind, file in zip(FORMATS, files, strict=True):
        assert appraise(case(kind, policy=load_policy(file.encode()))).policy_digest


def test_the_keys_of_the_guide() -> None:
    """Its table has every key that a file can have."""
    table = GUIDE.split("| format | key |", 1)[1].split("\n\n", 1)[0]
    for policy in (SNP, TDX, SGX, NITRO):
        for path in paths(copied(policy)):
            for key in at(copied(policy), path):
                rules = {"guest", "platform", "domain", "enclave", "configuration", "pcrs", "signer", "platforms"}
                if rules.isdisjoint(path) and path[-1:] not in {("tcb",), ("launch_tcb",)}:
                    assert f"`{key}" in table or f".{key}`" in table, key
