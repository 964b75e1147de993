"""The three protocols (RFC 9497 §3.3): what client and server do, for one input or many at a time.

In the verifiable modes, the only way from a server's answer to outputs is a method that takes the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from privproc._step import Step
from privproc.errors import DecodeError, LimitError, UsageError
from privproc.secret import Secret
from privproc.voprf import dleq
from privproc.voprf.dleq import Statement
from privproc.voprf.keys import PrivateKey, PublicKey
from privproc.voprf.suite import Context, Mode, Suite, checked, context, lp

__all__ = [
    "MAX_BATCH",
    "OprfClient",
    "OprfServer",
    "PendingOutputs",
    "PendingVerifiedOutputs",
    "PoprfClient",
    "PoprfServer",
    "VoprfClient",
    "VoprfServer",
]

MAX_BATCH = 65535
"""Inputs at a time: a proof numbers them in two bytes."""


@dataclass(frozen=True, slots=True, repr=False)
class _Blinded:
    """What a client remembers: inputs, their blinds, and the blinded elements, encoded and not."""

    context: Context
    inputs: Sequence[bytes]
    blinds: Sequence[Secret]
    encoded: Sequence[bytes]
    elements: Sequence[Any]
    info: bytes | None

    def decode(self, evaluated: Sequence[bytes]) -> list[Any]:
        if len(evaluated) != len(self.inputs):
            raise DecodeError("evaluated elements", f"{len(evaluated)} of them, not {len(self.inputs)}")
        decode = self.context.suite.group.decode
        return [decode(element, "evaluated element") for element in evaluated]

    def outputs(self, elements: Sequence[Any]) -> tuple[bytes, ...]:
        group = self.context.suite.group
        inverses = group.scalars.invert(blind.expose() for blind in self.blinds)
        unblinded = (group.encode(group.multiply(*pair), public=False) for pair in zip(inverses, elements, strict=True))
        pairs = zip(self.inputs, unblinded, strict=True)
        return tuple(self.context.output(message, element, self.info) for message, element in pairs)

    def wipe(self) -> None:
        for blind in self.blinds:
            blind.wipe()


@final
class PendingOutputs(Step[_Blinded]):
    """A client of :class:`OprfClient` that waits for its evaluated elements. Single-use."""

    __slots__ = ()

    def finish(self, evaluated: Sequence[bytes]) -> tuple[bytes, ...]:
        """``Finalize`` (RFC 9497 §3.3.1): the outputs, ``Nh`` bytes each, in the order of the inputs.

        ``evaluated``: as many elements of ``Ne`` bytes as there were inputs. Nothing says that the server used its key,
        or the same one for each. Raises :class:`DecodeError` for another number of elements or a bad one. The blinds
        are wiped either way.
        """
        state = self._take()
        try:
            return state.outputs(state.decode(evaluated))
        finally:
            state.wipe()


@final
class PendingVerifiedOutputs(Step[tuple[_Blinded, Callable[[_Blinded, Sequence[bytes], Sequence[Any]], Statement]]]):
    """A client of :class:`VoprfClient` or :class:`PoprfClient` that waits for its answer. Single-use."""

    __slots__ = ()

    def finish(self, evaluated: Sequence[bytes], proof: bytes) -> tuple[bytes, ...]:
        """``Finalize`` (RFC 9497 §3.3.2, §3.3.3): the outputs, ``Nh`` bytes each, in the order of the inputs.

        ``evaluated``: as many elements of ``Ne`` bytes as there were inputs; ``proof``: ``2 * Ns`` bytes. Raises
        :class:`DecodeError` for another number of elements, a bad element or a malformed proof,
        :class:`SignatureError` unless the proof shows that the announced key made each of them. The blinds are wiped
        either way.
        """
        state, statement = self._take()
        try:
            # req: rfc9497/3.3 malformed-aborts
            elements = state.decode(evaluated)
            # req: rfc9578/5.3 client-verifies-proof
            # req: rfc9497/3.3.2 no-output-without-proof
            dleq.verify(statement(state, evaluated, elements), proof)
            return state.outputs(elements)
        finally:
            state.wipe()


def _blind(context: Context, inputs: Sequence[bytes], blinds: Sequence[bytes] | None, info: bytes | None) -> _Blinded:
    if not 0 < len(inputs) <= MAX_BATCH:
        raise UsageError(f"{len(inputs)} inputs, not 1 to {MAX_BATCH}")
    # req: rfc9497/5.1 input-sizes
    checked("input", inputs)
    group = context.suite.group
    if blinds is None:
        # req: rfc9497/3.3.1 fresh-blinds
        blinds = [group.scalars.random() for _ in inputs]
    points = (context.to_group(message, public=False) for message in inputs)
    elements = list(map(group.multiply, blinds, points))
    # req: rfc9497/3.3.1 input-that-maps-to-the-identity
    encoded = tuple(map(group.encode, elements))
    return _Blinded(context, tuple(inputs), tuple(map(Secret, blinds)), encoded, elements, info)


def _received(suite: Suite, blinded: Sequence[bytes]) -> list[Any]:
    if not blinded:
        raise DecodeError("blinded elements", "none")
    if len(blinded) > MAX_BATCH:
        raise LimitError(f"blinded elements: {len(blinded)} is over the limit of {MAX_BATCH}")
    return [suite.group.decode(element, "blinded element") for element in blinded]


def _evaluate(context: Context, scalar: bytes, message: bytes, info: bytes | None) -> bytes:
    checked("input", (message,))
    group = context.suite.group
    element = group.multiply(scalar, context.to_group(message, public=True))
    return context.output(message, group.encode(element), info)


@final
class OprfClient:
    """The client of the mode OPRF."""

    __slots__ = ("_context",)

    def __init__(self, suite: Suite) -> None:
        self._context = context(suite, Mode.OPRF)

    def blind(self, inputs: Sequence[bytes]) -> tuple[tuple[bytes, ...], PendingOutputs]:
        """``Blind`` (RFC 9497 §3.3.1): blinded elements of ``Ne`` bytes for the server, and what reads its answer.

        Raises :class:`UsageError` for none or over 65535 inputs, or one of more than 65534 bytes.
        """
        return self._derand_blind(inputs, None)

    def _derand_blind(
        self, inputs: Sequence[bytes], blinds: Sequence[bytes] | None
    ) -> tuple[tuple[bytes, ...], PendingOutputs]:
        """:meth:`blind` with the given blinds."""
        state = _blind(self._context, inputs, blinds, None)
        return tuple(state.encoded), PendingOutputs(state)


@final
class OprfServer:
    """The server of the mode OPRF."""

    __slots__ = ("_context", "_key")

    def __init__(self, key: PrivateKey) -> None:
        self._context = context(key.suite, Mode.OPRF)
        self._key = key

    def blind_evaluate(self, blinded: Sequence[bytes]) -> tuple[bytes, ...]:
        """``BlindEvaluate`` (RFC 9497 §3.3.1) of elements of ``Ne`` bytes, to as many.

        Raises :class:`DecodeError` for none or a bad element, :class:`LimitError` over 65535.
        """
        group, k = self._key.suite.group, self._key._scalar.expose()
        return tuple(group.encode(group.multiply(k, element)) for element in _received(self._key.suite, blinded))

    def evaluate(self, message: bytes) -> bytes:
        """``Evaluate``: the output for an input that the server knows; time may depend on the input."""
        return _evaluate(self._context, self._key._scalar.expose(), message, None)


@final
class VoprfClient:
    """The client of the mode VOPRF, of the server with ``key``."""

    __slots__ = ("_context", "_key")

    def __init__(self, key: PublicKey) -> None:
        self._context = context(key.suite, Mode.VOPRF)
        self._key = key

    def blind(self, inputs: Sequence[bytes]) -> tuple[tuple[bytes, ...], PendingVerifiedOutputs]:
        """``Blind`` (RFC 9497 §3.3.2); as :meth:`OprfClient.blind`."""
        return self._derand_blind(inputs, None)

    def _derand_blind(
        self, inputs: Sequence[bytes], blinds: Sequence[bytes] | None
    ) -> tuple[tuple[bytes, ...], PendingVerifiedOutputs]:
        """:meth:`blind` with the given blinds."""
        state = _blind(self._context, inputs, blinds, None)
        return tuple(state.encoded), PendingVerifiedOutputs((state, self._statement))

    def _statement(self, state: _Blinded, encoded: Sequence[bytes], evaluated: Sequence[Any]) -> Statement:
        key = self._key
        return Statement(self._context, key.encoded, key.element, state.encoded, state.elements, encoded, evaluated)


@final
class VoprfServer:
    """The server of the mode VOPRF."""

    __slots__ = ("_context", "_key")

    def __init__(self, key: PrivateKey) -> None:
        self._context = context(key.suite, Mode.VOPRF)
        self._key = key

    def blind_evaluate(self, blinded: Sequence[bytes]) -> tuple[tuple[bytes, ...], bytes]:
        """``BlindEvaluate`` (RFC 9497 §3.3.2) of elements of ``Ne`` bytes: as many, and one proof for all.

        Raises :class:`DecodeError` for none or a bad element, :class:`LimitError` over 65535.
        """
        return self._derand_blind_evaluate(blinded, None)

    def _derand_blind_evaluate(self, blinded: Sequence[bytes], nonce: bytes | None) -> tuple[tuple[bytes, ...], bytes]:
        """:meth:`blind_evaluate` with the given nonce of the proof."""
        group, k, key = self._key.suite.group, self._key._scalar.expose(), self._key.public_key
        elements = _received(self._key.suite, blinded)
        evaluated = [group.multiply(k, element) for element in elements]
        encoded = tuple(map(group.encode, evaluated))
        statement = Statement(self._context, key.encoded, key.element, blinded, elements, encoded, evaluated)
        return encoded, dleq._derand_prove(statement, k, nonce or group.scalars.random())

    def evaluate(self, message: bytes) -> bytes:
        """``Evaluate``: the output for an input that the server knows; time may depend on the input."""
        return _evaluate(self._context, self._key._scalar.expose(), message, None)


@final
class PoprfClient:
    """The client of the mode POPRF, of the server with ``key``, for one public ``info``.

    Raises :class:`UsageError` for ``info`` of more than 65534 bytes, :class:`DecodeError` for a key that cancels it.
    """

    __slots__ = ("_context", "_info", "_tweaked", "_tweaked_encoded")

    def __init__(self, key: PublicKey, info: bytes) -> None:
        self._context = context(key.suite, Mode.POPRF)
        self._info = info
        group = key.suite.group
        tweak = _tweak(self._context, info)
        self._tweaked = group.combine((_one(key.suite),), (key.element,), base=tweak)
        self._tweaked_encoded = group.encode(self._tweaked)

    def blind(self, inputs: Sequence[bytes]) -> tuple[tuple[bytes, ...], PendingVerifiedOutputs]:
        """``Blind`` (RFC 9497 §3.3.3); as :meth:`OprfClient.blind`."""
        return self._derand_blind(inputs, None)

    def _derand_blind(
        self, inputs: Sequence[bytes], blinds: Sequence[bytes] | None
    ) -> tuple[tuple[bytes, ...], PendingVerifiedOutputs]:
        """:meth:`blind` with the given blinds."""
        state = _blind(self._context, inputs, blinds, self._info)
        return tuple(state.encoded), PendingVerifiedOutputs((state, self._statement))

    def _statement(self, state: _Blinded, encoded: Sequence[bytes], evaluated: Sequence[Any]) -> Statement:
        # The key multiplies what was evaluated into what was blinded: the other way round than in VOPRF.
        key, value = self._tweaked_encoded, self._tweaked
        return Statement(self._context, key, value, encoded, evaluated, state.encoded, state.elements)


@final
class PoprfServer:
    """The server of the mode POPRF, for one public ``info``.

    Raises :class:`UsageError` for ``info`` of more than 65534 bytes, and when it cancels the key: whoever asks for such
    an ``info`` knows the private key (RFC 9497 §3.3.3).
    """

    __slots__ = ("_context", "_info", "_inverse", "_tweaked")

    def __init__(self, key: PrivateKey, info: bytes) -> None:
        self._context = context(key.suite, Mode.POPRF)
        self._info = info
        scalars = key.suite.group.scalars
        tweaked = scalars.add(key._scalar.expose(), _tweak(self._context, info))
        if not any(tweaked):
            # req: rfc9497/3.3.3 info-that-cancels
            raise UsageError("info cancels the private key: make another key")
        self._tweaked = PrivateKey(key.suite, Secret(tweaked))
        self._inverse = Secret(scalars.invert((tweaked,))[0])

    def blind_evaluate(self, blinded: Sequence[bytes]) -> tuple[tuple[bytes, ...], bytes]:
        """``BlindEvaluate`` (RFC 9497 §3.3.3) of elements of ``Ne`` bytes: as many, and one proof for all.

        Raises :class:`DecodeError` for none or a bad element, :class:`LimitError` over 65535.
        """
        return self._derand_blind_evaluate(blinded, None)

    def _derand_blind_evaluate(self, blinded: Sequence[bytes], nonce: bytes | None) -> tuple[tuple[bytes, ...], bytes]:
        """:meth:`blind_evaluate` with the given nonce of the proof."""
        suite, key, inverse = self._tweaked.suite, self._tweaked.public_key, self._inverse.expose()
        group = suite.group
        elements = _received(suite, blinded)
        evaluated = [group.multiply(inverse, element) for element in elements]
        encoded = tuple(map(group.encode, evaluated))
        statement = Statement(self._context, key.encoded, key.element, encoded, evaluated, blinded, elements)
        scalar = self._tweaked._scalar.expose()
        return encoded, dleq._derand_prove(statement, scalar, nonce or group.scalars.random())

    def evaluate(self, message: bytes) -> bytes:
        """``Evaluate``: the output for an input that the server knows; time may depend on the input."""
        return _evaluate(self._context, self._inverse.expose(), message, self._info)


def _tweak(context: Context, info: bytes) -> bytes:
    checked("info", (info,))
    # req: rfc9497/3.3.3 info-tweaks-the-key
    return context.to_scalar(b"Info" + lp(info))


def _one(suite: Suite) -> bytes:
    return suite.group.scalars.reduce(b"\1")
