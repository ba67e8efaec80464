"""The messages between foveate and its worker, and the worker's own process.

The protocol is documented in `protocol.rs`: every message is a 16-byte header
(magic, version, kind, payload length, CRC-32; little-endian) and a payload;
every request gets exactly one reply.
"""

import json
import os
import signal
import struct
import sys
import threading
import time
import traceback
import zlib

MAGIC = b"FOVB"
VERSION = 2
HEADER = struct.Struct("<4sHHII")
MAX_PAYLOAD = 1 << 30

OPEN, RESET, STEP, SAVE, RESTORE, CLOSE, TASKS, VIDEO = 1, 2, 3, 4, 5, 6, 7, 8
REPLY, ERROR = 0x80, 0xFF
# `success` of a task that does not speak of success.
UNKNOWN = 255


class Refusal(Exception):
    """A failure that the other side turns into a typed error of its own."""

    def __init__(self, kind, message, **details):
        super().__init__(message)
        self.kind, self.details = kind, details


def private_streams():
    """Takes stdin and stdout away from everybody else in this process.

    A stray `print`, in Python or in C, then lands in stderr instead of inside a
    message, and a stray `input` reads nothing.
    """
    if os.name == "nt":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(1, os.O_BINARY)
    requests, replies = os.dup(0), os.dup(1)
    if os.name == "nt":
        msvcrt.setmode(requests, os.O_BINARY)
        msvcrt.setmode(replies, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def die_with_parent():
    """Ends this process with its parent even while an environment hangs.

    (While it waits for a request, the end of stdin does that already.)
    """
    if sys.platform.startswith("linux"):
        import ctypes

        try:
            pr_set_pdeathsig = 1
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
            return
        except (OSError, AttributeError):
            pass
    if os.name == "posix":
        parent = os.getppid()

        def watch():
            while os.getppid() == parent:
                time.sleep(1.0)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def read_exactly(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def read_message(stream):
    magic, version, kind, length, crc = HEADER.unpack(read_exactly(stream, HEADER.size))
    if magic != MAGIC or length > MAX_PAYLOAD:
        raise Refusal("protocol", "the request does not start like a message: %r" % magic)
    if version != VERSION:
        raise Refusal("version", "the worker speaks protocol %d, foveate %d" % (VERSION, version))
    payload = read_exactly(stream, length)
    if zlib.crc32(payload, checked_start(kind, length)) != crc:
        raise Refusal("protocol", "a request arrived damaged (CRC-32 differs)")
    return kind, payload


def checked_start(kind, length):
    return zlib.crc32(struct.pack("<HI", kind, length))


def write_message(stream, kind, *parts):
    length = sum(len(part) for part in parts)
    crc = checked_start(kind, length)
    for part in parts:
        crc = zlib.crc32(part, crc)
    stream.write(HEADER.pack(MAGIC, VERSION, kind, length, crc))
    for part in parts:
        stream.write(part)
    stream.flush()


def error_payload(error):
    if isinstance(error, Refusal):
        body = dict(error.details, kind=error.kind, message=str(error))
        if error.__cause__ is not None:
            body["traceback"] = traceback_of(error.__cause__)
    else:
        body = {"kind": "raised", "message": "%s: %s" % (type(error).__name__, error),
                "traceback": traceback_of(error)}
    return json.dumps(body).encode()


def traceback_of(error):
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
