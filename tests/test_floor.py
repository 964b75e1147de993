"""Floors 0 and 1: errors that tell nothing, secrets that don't show, steps that are left once, trust that is earned."""

from __future__ import annotations

import contextlib
import copy
import gc
import hashlib
import hmac
import inspect
import pickle
import threading
import traceback
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from privproc import errors, hkdf, trust
from privproc._step import Step, Unique
from privproc.errors import (
    DecodeError,
    ExpiredError,
    OpenError,
    PeerError,
    PrivprocError,
    SpentError,
    UsageError,
    VerificationError,
)
from privproc.secret import Secret
from privproc.tagged import LABEL, lp, tagged_hash
from privproc.trust import Earned, Trusted, check_window, pin

KEY = b"correct horse battery staple"
COPIES = [copy.copy, copy.deepcopy, *(lambda thing, n=n: pickle.dumps(thing, n) for n in range(6))]


# Errors.


def test_the_tree_of_errors() -> None:
    classes = {name: getattr(errors, name) for name in errors.__all__}
    assert all(issubclass(kind, PrivprocError) for kind in classes.values())
    sides = {name: (issubclass(kind, UsageError), issubclass(kind, PeerError)) for name, kind in classes.items()}
    assert [name for name, side in sides.items() if side == (True, False)] == ["SpentError", "UsageError"]
    assert [name for name, side in sides.items() if side == (False, False)] == ["PrivprocError"]
    assert (True, True) not in sides.values()
    verifications = {name for name, kind in classes.items() if issubclass(kind, VerificationError)}
    assert verifications == {"VerificationError", "SignatureError", "UntrustedError", "PolicyError", "ExpiredError"}


def test_open_errors_are_all_alike() -> None:
    assert not inspect.signature(OpenError).parameters
    assert str(OpenError()) == str(OpenError()) == "cannot be opened"
    assert OpenError().args == OpenError().args
    with pytest.raises(TypeError):
        OpenError("tag mismatch")  # type: ignore[call-arg]


def test_decode_errors_say_what_why_and_where() -> None:
    error = DecodeError("Open", "3 trailing bytes", 2048)
    assert (error.what, error.why, error.offset) == ("Open", "3 trailing bytes", 2048)
    assert str(error) == "Open: 3 trailing bytes (at byte 2048)"
    assert str(DecodeError("Open", "nothing")) == "Open: nothing (at byte 0)"


def test_spent_errors_name_the_step() -> None:
    error = SpentError("Opening")
    assert (error.step, str(error)) == ("Opening", "Opening was already used")


# Secrets.


def test_a_secret_is_read_through_expose_only() -> None:
    secret = Secret(bytearray(KEY))
    assert secret.expose() == KEY
    assert len(secret) == len(KEY)
    shown = f"{secret} {secret!r} {[secret]} {vars_of(secret)}"
    for form in (KEY.decode(), KEY.hex(), repr(KEY)[2:10]):
        assert form not in shown
    assert repr(secret) == f"Secret({len(KEY)} bytes)"
    for attempt in (hash, bytes, iter, lambda it: it[0], lambda it: {it}):
        with pytest.raises(TypeError):
            attempt(secret)


def vars_of(thing: object) -> str:
    return repr(getattr(thing, "__dict__", None))


@pytest.mark.parametrize("wrong", ["text", None, object()])
def test_what_is_not_bytes_is_no_secret_and_leaves_nothing_half_made(wrong: object) -> None:
    """Else ``__del__`` fails, and pytest turns what it can't raise into an error of the test."""
    with pytest.raises(TypeError):
        Secret(wrong)  # type: ignore[arg-type]
    gc.collect()


def test_a_secret_does_not_show_in_a_traceback() -> None:
    secret = Secret(KEY)
    try:
        secret.missing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    assert KEY.decode() not in "".join(lines)


def test_wiping_overwrites_and_forgets() -> None:
    secret = Secret(KEY)
    held = secret._data
    secret.wipe()
    secret.wipe()
    assert held == bytes(len(KEY))
    assert (repr(secret), len(secret)) == ("Secret(wiped)", 0)
    with pytest.raises(SpentError):
        secret.expose()
    with pytest.raises(SpentError):
        _ = secret == Secret(KEY)


def test_the_caller_keeps_no_handle_on_the_bytes() -> None:
    given_, secret = bytearray(KEY), None
    secret = Secret(given_)
    given_[0] ^= 1
    assert secret.expose() == KEY


def test_secrets_compare_by_value_and_only_with_secrets() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY[:-1])
    assert Secret(KEY) != KEY
    assert (Secret(KEY) == KEY) is False
    assert Secret.__eq__(Secret(KEY), KEY) is NotImplemented


def test_secrets_compare_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or True)
    assert Secret(b"a") == Secret(b"b")
    assert compared == [(b"a", b"b")]


# Steps.


class Waiting(Step[bytes]):
    __slots__ = ()

    def finish(self, *, fail: bool = False) -> bytes:
        state = self._take()
        if fail:
            raise OpenError
        return state


@pytest.mark.parametrize("fail", [False, True])
def test_a_step_is_left_once_by_success_or_failure(fail: bool) -> None:
    step = Waiting(KEY)
    assert repr(step) == "<Waiting ready>"
    if fail:
        with pytest.raises(OpenError):
            step.finish(fail=True)
    else:
        assert step.finish() == KEY
    assert repr(step) == "<Waiting spent>"
    with pytest.raises(SpentError, match="Waiting was already used") as raised:
        step.finish()
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("thing", [Waiting(KEY), Secret(KEY), Unique()], ids=repr)
@pytest.mark.parametrize("attempt", COPIES)
def test_what_is_unique_is_not_copied_or_pickled(thing: object, attempt) -> None:
    with pytest.raises(UsageError, match="can't be copied or pickled"):
        attempt(thing)


def test_a_plain_unique_shows_its_name_only() -> None:
    assert repr(Unique()) == "<Unique>"


def test_of_racing_threads_one_gets_the_state() -> None:
    for _ in range(50):
        step, gate, got = Waiting(KEY), threading.Event(), []

        def run(step: Waiting = step, gate: threading.Event = gate, got: list[bytes] = got) -> None:
            gate.wait(10)
            with contextlib.suppress(SpentError):
                got.append(step.finish())

        threads = [threading.Thread(target=run, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join(10)
        assert got == [KEY]


def test_the_state_leaves_in_one_atomic_move() -> None:
    """What the race rests on: one call of the interpreter's own, with nothing between looking and taking."""
    calls: list[str] = []

    class Watched(list):
        def __getattribute__(self, name: str):
            calls.append(name)
            return super().__getattribute__(name)

    step = Waiting(KEY)
    step._state = Watched(step._state)
    step.finish()
    assert calls == ["pop"]


# Trust.


@dataclass(frozen=True, slots=True, init=False)
class Checked(Earned):
    value: bytes
    until: int


def test_a_witness_is_made_by_its_check_only() -> None:
    made = Checked._earn(value=b"v", until=7)
    assert (made.value, made.until) == (b"v", 7)
    for forge in (lambda: Checked(), lambda: Checked(b"v", 7), lambda: replace(made, until=8)):
        with pytest.raises(UsageError, match="made only by the check"):
            forge()
    with pytest.raises(AttributeError):
        made.until = 8  # type: ignore[misc]


@pytest.mark.parametrize("fields", [{}, {"value": b""}, {"value": b"", "until": 0, "more": 1}])
def test_a_witness_has_all_of_its_fields_and_no_others(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="missing or unknown"):
        Checked._earn(**fields)


def test_trusted_values_are_made_by_checks_and_by_pin() -> None:
    trusted = pin("value", b"encoding", not_before=5, not_after=9)
    assert trusted.digest == hashlib.sha256(b"encoding").digest()
    assert (trusted.not_before, trusted.not_after) == (5, 9)
    for forge in (lambda: Trusted(), lambda: Trusted("value", b"", 0, 1 << 60)):
        with pytest.raises(UsageError, match="made only by a check"):
            forge()


@pytest.mark.parametrize("name", ["_value", "digest", "not_after", "not_before", "other"])
def test_trusted_values_do_not_change(name: str) -> None:
    trusted = pin(1, b"", not_before=0, not_after=1)
    with pytest.raises(UsageError, match="immutable"):
        setattr(trusted, name, 1 << 60)
    with pytest.raises(UsageError, match="immutable"):
        delattr(trusted, name)


def test_a_copy_of_trust_needs_the_same_doors() -> None:
    trusted = pin(1, b"", not_before=0, not_after=1)
    for attempt in (copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):  # noqa: S301
        with pytest.raises(UsageError):
            attempt(trusted)


@given(at=st.integers(-3, 12))
def test_trust_is_within_its_window(at: int) -> None:
    trusted = pin("value", b"", not_before=5, not_after=9)
    if 5 <= at < 9:
        assert trusted.get(at=at) == "value"
        check_window("it", 5, 9, at=at)
        return
    with pytest.raises(ExpiredError, match="not valid yet" if at < 5 else "no longer valid"):
        trusted.get(at=at)
    with pytest.raises(ExpiredError, match=r"^it is"):
        check_window("it", 5, 9, at=at)


def test_what_is_made_of_a_trusted_value_is_trusted_alike() -> None:
    trusted = pin(b"12", b"12", not_before=5, not_after=9)
    number = trusted.map(int)
    assert number.get(at=5) == 12
    assert (number.digest, number.not_before, number.not_after) == (trusted.digest, 5, 9)
    with pytest.raises(DecodeError):
        trusted.map(lambda _: (_ for _ in ()).throw(DecodeError("number", "none")))


def test_trusted_values_do_not_show() -> None:
    assert repr(pin(KEY, b"", not_before=0, not_after=9)) == "<Trusted bytes until 9>"


def test_the_time_is_asked_for_by_name() -> None:
    for function in (Trusted.get, pin):
        kinds = inspect.signature(function).parameters
        times = [kinds[name] for name in ("at", "not_before", "not_after") if name in kinds]
        assert all(it.kind is it.KEYWORD_ONLY and it.default is it.empty for it in times)
    assert "Earned" in trust.__all__


# Hashing and key derivation.


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_no_two_lists_of_fields_share_an_input(one: list[bytes], two: list[bytes]) -> None:
    assert (tagged_hash("x", *one) == tagged_hash("x", *two)) == (one == two)


def test_labels_and_counts_separate() -> None:
    assert len({tagged_hash(label) for label in ("", "a", "ab", "b")}) == 4
    assert tagged_hash("a", b"") != tagged_hash("a")
    assert lp(b"abc") == b"\0\0\0\3abc"
    assert LABEL == b"privproc/1 "
    whole = b"\0\0\0\x0cprivproc/1 x" + b"\0\2" + b"\0\0\0\1a" + b"\0\0\0\0"
    assert tagged_hash("x", b"a", b"") == hashlib.sha384(whole).digest()


@pytest.mark.parametrize(("name", "algorithm"), [("sha256", SHA256()), ("sha384", SHA384()), ("sha512", SHA512())])
@given(data=st.data())
def test_hkdf_against_cryptography(name: str, algorithm, data) -> None:
    ikm, salt, info = (data.draw(st.binary(max_size=70)) for _ in range(3))
    length = data.draw(
        st.integers(1, 255 * algorithm.digest_size)
        | st.sampled_from([1, 2, 255]).map(lambda blocks: blocks * algorithm.digest_size)
    )
    prk = hkdf.extract(name, salt, ikm)
    assert hkdf.expand(name, prk, info, length) == HKDFExpand(algorithm, length, info).derive(prk)
    assert hkdf.expand(name, prk, info, length) == HKDF(algorithm, length, salt, info).derive(ikm)


@pytest.mark.parametrize(("name", "size"), [("sha256", 32), ("sha384", 48), ("sha512", 64)])
def test_hkdf_has_an_end(name: str, size: int) -> None:
    assert len(hkdf.expand(name, bytes(size), b"", 255 * size)) == 255 * size
    with pytest.raises(UsageError, match="at most"):
        hkdf.expand(name, bytes(size), b"", 255 * size + 1)
