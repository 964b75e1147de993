"""Binary HTTP: requests and responses as bytes (RFC 9292, ``message/bhttp``).

    Request  = framing (0 known, 2 indeterminate) || control data || headers || content || trailers || padding
    Response = framing (1 known, 3 indeterminate) || (status 100..199 || headers)... || status 200..599
               || headers || content || trailers || padding

    control data    = lp(method) || lp(scheme) || lp(authority) || lp(path)       lp(x) = varint length || x
    field line      = lp(name, 1..) || lp(value)
    fields          known: lp(field lines)      indeterminate: field lines || varint 0
    content         known: lp(content)          indeterminate: lp(chunk, 1..)... || varint 0
    padding         zero bytes, any number

Integers are QUIC varints of any width (RFC 9000 §16). A message may end before its headers, content or trailers, which
are empty then (§3.8), and nowhere else: not inside a section, not before the final zero of one.

Each section has one reader. :func:`decode_request` and :func:`decode_response` call them one after the other, the
incremental decoders as the bytes come. But for :class:`Limits`, sender and receiver refuse the same messages: what was
decoded can be encoded, and back.

- Field names are lower-case tokens. ``:method``, ``:scheme``, ``:authority``, ``:path`` and ``:status`` are refused.
  Other pseudo-fields are kept, each once, before the regular fields of a header section, never in trailers (§3.6, RFC
  9113 §8.3).
- Field values have no CR, LF or NUL, and no space or tab at either end (RFC 9113 §8.2.1).
- Control data follows RFC 9113 §8.3.1 for every scheme: the method is a token, the path starts with ``/`` (or is ``*``
  with OPTIONS) and is visible ASCII without ``#``, the authority has no userinfo, a Host field beside it names the
  same host. CONNECT has ``host:port`` alone (§8.5), or all four parts and ``:protocol`` (RFC 8441). A space or a line
  end in there would write requests of the sender's choice when a gateway replays the message over HTTP/1.1.
- 101 is an informational status like others: RFC 9292 §3.5.1 doesn't except it.

Fields that relate to a connection are valid (§3.6) and kept. So are ``content-length`` and ``transfer-encoding``, which
frame nothing here: whoever writes the message to HTTP/1.1 must replace them, which :func:`to_http1` does.

:class:`RequestEncoder` and :class:`ResponseEncoder` write a message in pieces; :mod:`.padding` has policies for
``size=``.
"""

from __future__ import annotations

from privproc.bhttp.decoder import (
    DEFAULT,
    Data,
    EndOfMessage,
    Limits,
    RequestDecoder,
    RequestEvent,
    RequestHead,
    ResponseDecoder,
    ResponseEvent,
    ResponseHead,
    decode_request,
    decode_response,
)
from privproc.bhttp.encoder import Framing, Size, encode_request, encode_response
from privproc.bhttp.http1 import Http1Request, from_http1, to_http1
from privproc.bhttp.stream import RequestEncoder, ResponseEncoder

__all__ = [
    "DEFAULT",
    "Data",
    "EndOfMessage",
    "Framing",
    "Http1Request",
    "Limits",
    "RequestDecoder",
    "RequestEncoder",
    "RequestEvent",
    "RequestHead",
    "ResponseDecoder",
    "ResponseEncoder",
    "ResponseEvent",
    "ResponseHead",
    "Size",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "from_http1",
    "to_http1",
]
