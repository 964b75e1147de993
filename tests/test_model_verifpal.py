"""The claims of docs/protocol.md §12 once more, in Verifpal's language and by Verifpal.

Whoever has it (``cargo install verifpal --version '~1.3'``) names it in ``VERIFPAL`` or has it on the PATH. Each case
edits the text of a model: a secret leaks, or a mechanism is gone. An edit that finds nothing to change fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

VERIFPAL = os.environ.get("VERIFPAL") or shutil.which("verifpal")
MODELS = Path(__file__).resolve().parent.parent / "docs" / "model"

pytestmark = [
    pytest.mark.model,
    pytest.mark.loopback,
    pytest.mark.skipif(not VERIFPAL, reason="no verifpal: not on the PATH, and VERIFPAL doesn't name one"),
]

Edits = tuple[tuple[str, str], ...]


def leak(*names: str) -> tuple[str, str]:
    """The enclave gives these away as soon as it has them."""
    return "\tprk = ", f"\tleaks {', '.join(names)}\n\tprk = "


def later(*leaks: str) -> tuple[str, str]:
    """Each "party name" is given away when both have finished."""
    lines = "\n".join(f"principal {party}[leaks {name}]" for party, name in (one.split() for one in leaks))
    return "queries[", f"phase[1]\n{lines}\nqueries["


# In order: question, answer, who asked, who answered.
REQUEST: dict[str, tuple[Edits, str]] = {
    "nothing leaked": ((), "c0c0a0a0"),
    "TLS leaked": ((leak("ms"),), "c0c0a1a1"),  # it can write records; what they hold stays sealed
    "one-time key leaked": ((leak("sk0"),), "c0c0a0a0"),
    "both leaked": ((leak("ms", "sk0"),), "c1c1a1a1"),
    "later, TLS kept": ((later("Device x", "Enclave r", "Device dk"),), "c0c0a0a0"),
    "later, one-time key kept": ((later("Enclave sk0", "Device dk"),), "c0c0a0a0"),
    "later, both kept": ((later("Enclave ms", "Enclave sk0"),), "c1c0a0a0"),
    "later, nothing erased": ((later("Enclave ms", "Enclave sk0", "Device dk"),), "c1c1a0a0"),
    "no inner KEM, TLS leaked": (
        (leak("ms"), ("kem_d, HASH(", "nil, HASH("), ("kem_e, HASH(", "nil, HASH(")),
        "c1c1a1a1",
    ),
    "no response key, TLS and one-time key kept": (
        (later("Enclave ms", "Enclave sk0"), ("th3), es,", "th3), nil,"), ("th3_d), es_d,", "th3_d), nil,")),
        "c1c1a0a0",
    ),
}

# In order: the secret of an accepted TLS session, the secret sealed to the announced key, who sent the report.
APPRAISAL: dict[str, tuple[Edits, str]] = {
    "no exporter": (
        (("HKDF(ms, label_attest", "HKDF(nil, label_attest"), ("HKDF(ms_d, label_attest", "HKDF(nil, label_attest")),
        "c1c0a0",
    ),
    "the announced key is not bound": (
        (("ekm, leaf_pk, pk)", "ekm, leaf_pk)"), ("ekm_d, leaf_d, pk)", "ekm_d, leaf_d)")),
        "c0c1a0",
    ),
    "a report that isn't looked at": (((", report)?", ", report)"),), "c1c1a1"),
}


def verdict(name: str, edits: Edits, folder: Path, *options: str) -> str:
    text = (MODELS / name).read_text("utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    model = folder / "model.vp"
    model.write_text(text, "utf-8")
    command = [str(VERIFPAL), "verify", str(model), "--result-code", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("case", REQUEST)
def test_request(tmp_path: Path, case: str) -> None:
    edits, expected = REQUEST[case]
    sessions = "1" if "1" in expected else "2"  # one is enough to find an attack
    assert verdict("privproc1_request.vp", edits, tmp_path, "--sessions", sessions) == expected


def test_appraisal(tmp_path: Path) -> None:
    assert verdict("privproc1.vp", (), tmp_path) == "c0c0a0"


@pytest.mark.parametrize("case", APPRAISAL)
def test_appraisal_rests_on(tmp_path: Path, case: str) -> None:
    """One session is enough to find each of these."""
    edits, expected = APPRAISAL[case]
    assert verdict("privproc1.vp", edits, tmp_path, "--sessions", "1") == expected


@pytest.mark.parametrize("name", ["privproc1.vp", "privproc1_request.vp"])
def test_models_say_what_is_expected_of_them(name: str) -> None:
    expected = {"privproc1.vp": "c0c0a0", "privproc1_request.vp": REQUEST["nothing leaked"][1]}
    (said,) = re.findall(r"^// Expected: (\w+)\.", (MODELS / name).read_text("utf-8"), re.MULTILINE)
    assert said == expected[name]
