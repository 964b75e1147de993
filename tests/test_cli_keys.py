"""``privproc keys``: a folder from its making over several rotations to signed packages that devices take."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from privproc import keypackage
from privproc.cli.keystore import Keystore
from privproc.cli.main import main
from privproc.errors import PeerError
from privproc.hpke import Kem
from privproc.keyconfig import KeyConfigs, select
from privproc.keypackage import Grid, SignerKey, Signers
from privproc.session import SUITES

ORIGIN, DAY = 1_800_000_000, 86400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(step: str, *arguments: str) -> tuple[int, str]:
        status = main(["keys", step, str(folder), *arguments])
        out, err = capsys.readouterr()
        return status, out + err

    return run


@pytest.fixture
def made(keys: Any) -> SignerKey:
    status, out = keys("init", "--purpose", "test", "--origin", str(ORIGIN))
    assert status == 0
    return SignerKey(bytes.fromhex(out.split()[3]))


def at(epoch: int, second: int = 0) -> str:
    return str(ORIGIN + epoch * DAY + second)


def test_private_keys_are_in_files_for_their_owner_only(
    folder: Path, keys: Any, made: SignerKey, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = keys("rotate", "--at", at(3))
    assert "made     the key of epoch 3" in out
    paths = sorted(folder.glob("*.pem"))
    assert [path.name for path in paths] == ["gateway-2.pem", "gateway-3.pem", "gateway-4.pem", "signer.pem"]
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        body = path.read_text().split("\n")[1]
        assert body[:16] not in out
        assert main(["inspect", str(path), "--reveal"]) == 1
        assert body[:16] not in capsys.readouterr().out
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_rotation_makes_what_is_due_and_erases_what_is_over(keys: Any, made: SignerKey, folder: Path) -> None:
    keys("rotate", "--at", at(3))
    before = (folder / "gateway-4.pem").read_bytes()
    status, out = keys("rotate", "--at", at(3, 600))
    assert (status, "erased   the key of epoch 2" in out) == (0, True)
    _, again = keys("rotate", "--at", at(3, 600))
    assert "made" not in again
    assert "erased" not in again
    keys("rotate", "--at", at(5, 700))
    assert Keystore.open(folder).epochs() == [5, 6]
    assert not (folder / "gateway-4.pem").exists()
    keys("rotate", "--at", at(6))
    assert (folder / "gateway-6.pem").read_bytes() != before
    assert Keystore.open(folder).gateway(6).kem is Kem.X_WING


def test_a_clock_that_goes_back_erases_nothing(keys: Any, made: SignerKey, folder: Path) -> None:
    keys("rotate", "--at", at(9))
    there = Keystore.open(folder).epochs()
    status, out = keys("rotate", "--at", at(7, 601))
    assert status == 2
    assert "is the clock right" in out
    assert set(there) <= set(Keystore.open(folder).epochs())


def test_configs_are_what_a_client_selects_from(keys: Any, made: SignerKey, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "ohttp-keys"
    keys("rotate", "--at", at(3, 1000))
    status, out = keys("configs", "--at", at(3, 1000), "--output", str(output))
    assert (status, "key identifier 3" in out) == (0, True)
    chosen = select(KeyConfigs.decode(output.read_bytes()), SUITES)
    assert chosen.suite == SUITES[0]
    assert chosen.config.public_key.encode() == Keystore.open(folder).gateway(3).public_key.encode()
    # Keys that are missing are a gap, and none is published over it.
    assert keys("configs", "--at", at(5, 1000), "--output", str(output))[0] == 2


def test_packages_that_devices_agree_on(keys: Any, made: SignerKey, folder: Path) -> None:
    keys("rotate", "--at", at(3, 1000))
    assert keys("sign", "--epoch", "3")[0] == 2
    assert keys("sign", "--epoch", "3", "--first")[0] == 0
    assert keys("sign", "--epoch", "4", "--first")[0] == 2
    assert keys("sign", "--epoch", "4")[0] == 0
    status, out = keys("sign", "--epoch", "5")
    assert (status, "there is no key of epoch 5" in out) == (2, True)
    asked = {"signers": Signers.only(made), "purpose": "test", "grid": Grid(ORIGIN, DAY), "threshold": 2}
    seen = None
    for epoch in (3, 4):
        data = (folder / f"package-{epoch}.cose").read_bytes()
        agreed = keypackage.agree([("a", data), ("b", data)], seen=seen, at=ORIGIN + epoch * DAY, **asked)  # type: ignore[arg-type]
        seen = agreed.seen
        configs = KeyConfigs.decode(agreed.content.get(at=ORIGIN + epoch * DAY))
        assert configs.configs[0].public_key.encode() == Keystore.open(folder).gateway(epoch).public_key.encode()
    data = bytearray(data)
    data[-1] ^= 1
    with pytest.raises(PeerError):
        keypackage.agree([("a", bytes(data))], seen=None, at=ORIGIN + 4 * DAY, **asked | {"threshold": 1})  # type: ignore[arg-type]


def test_an_epoch_is_signed_once(keys: Any, made: SignerKey, folder: Path, tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"one")
    assert keys("sign", "--epoch", "3", "--first", "--content", str(content))[0] == 0
    before = (folder / "package-3.cose").read_bytes()
    content.write_bytes(b"two")
    assert keys("sign", "--epoch", "3", "--first", "--content", str(content))[0] == 2
    assert (folder / "package-3.cose").read_bytes() == before
    # What was kept is verified before the next one names it.
    (folder / "package-3.cose").write_bytes(before[:-1] + bytes((before[-1] ^ 1,)))
    assert keys("sign", "--epoch", "4", "--content", str(content))[0] == 1


def test_folders_that_arent_what_init_made(keys: Any, folder: Path) -> None:
    assert keys("rotate")[0] == 2
    keys("init", "--purpose", "test", "--origin", str(ORIGIN), "--suite", "classic")
    assert keys("init", "--purpose", "test", "--origin", str(ORIGIN))[0] == 2
    assert keys("rotate", "--at", at(1))[0] == 0
    (folder / "gateway-1.pem").write_text((folder / "signer.pem").read_text())
    assert keys("configs", "--at", at(1), "--output", "unused")[0] == 1
    (folder / "gateway-1.pem").write_text((folder / "signer.pem").read_text().replace("SIGNER", "GATEWAY"))
    assert keys("configs", "--at", at(1), "--output", "unused")[0] == 1
    settings = json.loads((folder / "schedule.json").read_text())
    for damaged in ("x", json.dumps(settings | {"suite": "other"}), json.dumps({"purpose": "x"})):
        (folder / "schedule.json").write_text(damaged)
        assert keys("rotate")[0] == 2


def test_lengths_that_dont_fit(keys: Any, folder: Path) -> None:
    assert keys("init", "--purpose", "x", "--origin", "0", "--length", "10", "--grace", "11")[0] == 2
    assert not folder.exists()


def test_the_clock_is_read_where_no_time_is_given(keys: Any, made: SignerKey) -> None:
    status, out = keys("rotate")
    assert status == 0
    assert "run it again at " in out
