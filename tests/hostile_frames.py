"""Frames that break the rules of the wire, as code in the guest can send them past guest Python."""

import struct

MAGIC, VERSION = 0x4C454348, 1
OUTPUT, TOOL_CALL, RUN_DONE, TOOL_WAIT, SLEEP, ABORT, EXITED = (
    0x0102,
    0x0103,
    0x0104,
    0x0106,
    0x0181,
    0x0182,
    0x0184,
)
HTTP_SEND, HTTP_PART, HTTP_READ, HTTP_CLOSE = 0x0120, 0x0121, 0x0122, 0x0123
MAX_FRAME_BYTES = (16 << 20) + (64 << 10)


def frame(kind, body=b"\xa0", *, magic=MAGIC, version=VERSION, length=None, seq=0):
    return struct.pack("<IHHII", magic, version, kind, len(body) if length is None else length, seq) + body


def wait(calls=b"\x80", cancel=b"\x80", timeout=b"\x00"):
    return frame(TOOL_WAIT, b"\xa3\x65calls" + calls + b"\x66cancel" + cancel + b"\x67timeout" + timeout)


def http(**changed):
    """An HttpSend with keys changed, or left out where they are None."""
    keys = {
        "id": b"\x01",
        "method": b"cGET",
        "url": b"rhttp://127.0.0.1:1",
        "headers": b"\x80",
        "body": b"\x40",
        "more": b"\xf4",
        "redirects": b"\x00",
        "timeout": b"\xf6",
        **changed,
    }
    keys = {key: value for key, value in keys.items() if value is not None}
    body = b"".join(bytes([0x60 | len(key)]) + key.encode() + value for key, value in keys.items())
    return frame(HTTP_SEND, bytes([0xA0 | len(keys)]) + body)


CALL = b"\xa4\x62id\x07\x64name\x64ping\x64args\xa0\x64line\xf6"

FRAMES = {
    "nothing": b"",
    "one byte": b"\x00",
    "half a header": frame(RUN_DONE)[:9],
    "wrong magic": frame(RUN_DONE, magic=0xDEADBEEF),
    "wrong version": frame(RUN_DONE, version=999),
    "unknown kind": frame(0x0FFF),
    "a kind of the host": frame(0x0001),
    "a kind of the kernel": frame(ABORT, b"\xa2freasonaxfreportax"),
    "a traced system call": frame(
        0x0185, b"\xa6\x63tid\x01\x62nr\x02\x64args\x80\x66result\x00\x65began\x00\x64took\x00"
    ),
    "wrong sequence number": frame(RUN_DONE, b"\xa1evalue\x01", seq=0xFFFFFFFF),
    "length beyond the body": frame(RUN_DONE, b"\xa1evalue\x01", length=1000),
    "length of four gigabytes": frame(RUN_DONE, b"\xa1evalue\x01", length=0xFFFFFFFF),
    "length short of the body": frame(RUN_DONE, b"\xa1evalue\x01", length=3),
    "no body": frame(RUN_DONE, b""),
    "body that is no map": frame(RUN_DONE, b"\x01"),
    "unknown key": frame(RUN_DONE, b"\xa1fstolen\x01"),
    "key twice": frame(RUN_DONE, b"\xa2evalue\x01evalue\x02"),
    "indefinite length": frame(RUN_DONE, b"\xa1evalue\x9f\x01\xff"),
    "text that is not UTF-8": frame(RUN_DONE, b"\xa1evalue\x62\xff\xff"),
    "array of four billion": frame(RUN_DONE, b"\xa1evalue\x9a\xff\xff\xff\xff"),
    "array of too many": frame(RUN_DONE, b"\xa1evalue\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
    "bytes beyond the end": frame(RUN_DONE, b"\xa1evalue\x5a\x7f\xff\xff\xff"),
    "nested ten thousand deep": frame(RUN_DONE, b"\xa1evalue" + b"\x81" * 10_000 + b"\x01"),
    "tags ten thousand deep": frame(RUN_DONE, b"\xa1evalue" + b"\xd9\xbb\x80" * 10_000 + b"\x80"),
    "bytes after the body": frame(RUN_DONE, b"\xa1evalue\x01\x00"),
    "unknown tag": frame(RUN_DONE, b"\xa1evalue\xd9\x12\x34\x01"),
    "date that is none": frame(RUN_DONE, b"\xa1evalue\xd9\x03\xecjnot-a-date"),
    "decimal that is none": frame(RUN_DONE, b"\xa1evalue\xd9\xbb\x83cbad"),
    "uuid of three bytes": frame(RUN_DONE, b"\xa1evalue\xd8\x25\x43abc"),
    "unhashable key": frame(RUN_DONE, b"\xa1evalue\xa1\x80\x01"),
    "output to descriptor 9": frame(OUTPUT, b"\xa2bfd\x09ddataAx"),
    "tool call without a name": frame(TOOL_CALL, b"\xa1bid\x01"),
    "tool call with a negative id": frame(TOOL_CALL, CALL.replace(b"\x07", b"\x20")),
    "tool call of a negative line": frame(TOOL_CALL, CALL.replace(b"\xf6", b"\x20")),
    "tool call without a line": frame(TOOL_CALL, b"\xa3bid\x07dnamedpingdargs\xa0"),
    "wait for ever for no call": wait(timeout=b"\xf6"),
    "wait of five hundred years for no call": wait(timeout=b"\x1b" + b"\xff" * 8),
    "wait with two calls of one number": wait(b"\x82" + CALL + CALL),
    "wait that cancels an unknown call": wait(cancel=b"\x81\x09"),
    "wait with a negative number": wait(cancel=b"\x81\x20"),
    "wait with a call that is none": wait(b"\x81\xa0"),
    "wait with a call without a name": wait(b"\x81\xa3\x62id\x07\x64args\xa0\x64line\xf6"),
    "wait with 1025 calls": wait(
        b"\x99\x04\x01" + b"".join(CALL.replace(b"\x07", b"\x19" + n.to_bytes(2, "big")) for n in range(1025))
    ),
    "wait that claims four billion calls": wait(b"\x9a\xff\xff\xff\xff"),
    "wait without a timeout": frame(TOOL_WAIT, b"\xa2\x65calls\x80\x66cancel\x80"),
    "replies of the host": frame(0x0006, b"\xa1\x67replies\x80"),
    "request without a url": http(url=None),
    "request with a url of bytes": http(url=b"\x41x"),
    "request with a url of 16385 bytes": http(url=b"\x79\x40\x01" + b"x" * 16385),
    "request with a method of 33 bytes": http(method=b"\x78\x21" + b"M" * 33),
    "request with 129 headers": http(headers=b"\x98\x81" + b"\x82\x61x\x40" * 129),
    "request that claims four billion headers": http(headers=b"\x9a\xff\xff\xff\xff"),
    "request with a header of one": http(headers=b"\x81\x81\x61x"),
    "request with a header of text": http(headers=b"\x81\x82\x61x\x61y"),
    "request with headers of 65537 bytes": http(headers=b"\x81\x82\x61x\x5a\x00\x01\x00\x00" + bytes(65536)),
    "request with a body of 131073 bytes": http(body=b"\x5a\x00\x02\x00\x01" + bytes(131073)),
    "request with a body that is not there": http(body=b"\x5a\x7f\xff\xff\xff"),
    "request with negative redirects": http(redirects=b"\x20"),
    "request with more that is no bool": http(more=b"\x01"),
    "request with an unknown key": http(proxy=b"\x01"),
    "part without a body": frame(HTTP_PART, b"\xa2bid\x01dmore\xf4"),
    "read of a negative size": frame(HTTP_READ, b"\xa3bid\x01cmax\x20gtimeout\xf6"),
    "close of nothing": frame(HTTP_CLOSE, b"\xa0"),
    "response of the host": frame(0x0021, b"\xa3bid\x01dbody\x40cend\xf5"),
    "sleep of five hundred years": frame(SLEEP, b"\xa1bns\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
    "exit that is none": frame(EXITED, b"\xa3fstatus\x00fsignal\x00freport`"),
}
