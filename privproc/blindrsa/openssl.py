"""The raw RSA operations of a libcrypto (OpenSSL 3), loaded by its name: ``cryptography`` has them and gives them to
nobody.

The fastest backend, and constant time: libcrypto blinds the base, exponentiates in constant time, and does a private
operation again without CRT if the first result doesn't verify. The interpreter's lock is free meanwhile, so threads
sign side by side.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, final

from privproc._step import Unique
from privproc.errors import UsageError
from privproc.secret import Secret

__all__ = ["SONAMES", "OpenSSL", "RawKey"]

SONAMES = ("libcrypto.so.3", "libcrypto.3.dylib", "libcrypto-3-x64.dll", "libcrypto-3-arm64.dll", "libcrypto-3.dll")
"""Names under which :class:`OpenSSL` looks, besides the caller's own. Never without a version: macOS ends a process
that loads its ``libcrypto.dylib``.
"""

_OLDEST = 0x30000000  # before, the padding was set by a macro
_NO_PADDING = 3  # RSA_NO_PADDING

_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_SIZE_OUT = ctypes.POINTER(_SIZE)
_OPERATION = (_INT, (_POINTER, ctypes.c_char_p, _SIZE_OUT, ctypes.c_char_p, _SIZE))
# Of the functions used: result and arguments.
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "d2i_AutoPrivateKey": (_POINTER, (_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_PKEY_CTX_new": (_POINTER, (_POINTER, _POINTER)),
    "EVP_PKEY_CTX_free": (None, (_POINTER,)),
    "EVP_PKEY_CTX_set_rsa_padding": (_INT, (_POINTER, _INT)),
    "EVP_PKEY_decrypt_init": (_INT, (_POINTER,)),
    "EVP_PKEY_encrypt_init": (_INT, (_POINTER,)),
    "EVP_PKEY_decrypt": _OPERATION,
    "EVP_PKEY_encrypt": _OPERATION,
}


@final
class OpenSSL:
    """The libcrypto at ``path``, or the system's, as a backend of :class:`privproc.blindrsa.PrivateKey`.

    Never a default: which library holds the key is for the issuer to choose. The one inside of ``cryptography`` is out
    of reach.

    Raises :class:`UsageError` when it isn't there or is older than OpenSSL 3.
    """

    __slots__ = ("_lib",)

    def __init__(self, path: str | None = None) -> None:
        self._lib: Any = _load(SONAMES if path is None else (path,))
        try:
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self._lib, name)
                function.restype, function.argtypes = result, arguments
        except AttributeError:
            raise UsageError("this libcrypto is older than OpenSSL 3") from None
        if self._lib.OpenSSL_version_num() < _OLDEST:
            raise UsageError("this libcrypto is older than OpenSSL 3")

    def __repr__(self) -> str:
        return "<OpenSSL>"


def _load(names: tuple[str, ...]) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise UsageError("libcrypto is not here")


@final
class RawKey(Unique):
    """A private key in libcrypto, with both raw operations on ``size`` bytes. Safe for threads.

    ``encoded``: PKCS #8 in DER. Raises :class:`UsageError` when libcrypto refuses the key or an operation.
    """

    __slots__ = ("_key", "_lib", "_size")

    def __init__(self, library: OpenSSL, encoded: Secret, size: int) -> None:
        self._lib = library._lib
        self._size = size
        data = encoded.expose()
        self._key = self._lib.d2i_AutoPrivateKey(None, ctypes.byref(ctypes.c_char_p(data)), len(data))
        if self._key is None:
            self._failed()

    def __del__(self) -> None:
        if (key := getattr(self, "_key", None)) is not None:  # it may never have been made
            self._lib.EVP_PKEY_free(key)

    def private(self, data: bytes) -> bytes:
        """RSASP1 (RFC 8017 §5.2.1)."""
        return self._operate(self._lib.EVP_PKEY_decrypt_init, self._lib.EVP_PKEY_decrypt, data)

    def public(self, data: bytes) -> bytes:
        """RSAVP1 (RFC 8017 §5.2.2)."""
        return self._operate(self._lib.EVP_PKEY_encrypt_init, self._lib.EVP_PKEY_encrypt, data)

    def _operate(self, begin: Callable[..., int], operate: Callable[..., int], data: bytes) -> bytes:
        # A context of its own each time: threads must not share one, and making it takes 1 % of the operation.
        lib, out, size = self._lib, ctypes.create_string_buffer(self._size), _SIZE(self._size)
        context = lib.EVP_PKEY_CTX_new(self._key, None)
        try:
            done = (
                begin(context) == 1
                and lib.EVP_PKEY_CTX_set_rsa_padding(context, _NO_PADDING) == 1
                and operate(context, out, ctypes.byref(size), data, len(data)) == 1
            )
        finally:
            lib.EVP_PKEY_CTX_free(context)
        if not done or size.value != self._size:
            self._failed()
        return out.raw

    def _failed(self) -> None:
        self._lib.ERR_clear_error()  # what it queued would meet the next caller in this thread
        raise UsageError("libcrypto refused the RSA key or operation")
