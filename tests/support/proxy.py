"""A TCP proxy before PostgreSQL that reads the protocol's messages and does harm at a chosen one.

    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"COMMIT"))
        run("up", env={"DATABASE_URL": proxy.url("app")})
        assert fault.happened

A fault happens once; whatever comes after it, also on new connections, is passed on (unless the fault says
`unreachable`). Messages are counted over all connections, from 1, each direction for itself; `proxy.seen` lists them.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from psycopg.conninfo import conninfo_to_dict

from tests.support.servers import DatabaseServer, make_url

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_UNTYPED = b""  # the messages that open a connection carry no type byte


class Direction(Enum):
    """Which way a message goes."""

    TO_SERVER = auto()
    TO_CLIENT = auto()


TO_SERVER, TO_CLIENT = Direction.TO_SERVER, Direction.TO_CLIENT


class Action(Enum):
    """What is done at the message.

    CUT         it is not passed on, and both ends are cut off
    CUT_INSIDE  half of its bytes are passed on, then both ends are cut off
    CUT_AFTER   it is passed on, then both ends are cut off
    LATE        the client is cut off at once; the server gets the message `seconds` later (None: never) and learns only
                then that the client has gone
    REFUSE      a Query is replaced by one that fails with `sqlstate`
    FATAL       it is not passed on; the client gets a FATAL error with `sqlstate`, and both ends are cut off
    REPLACE     `text` in it is replaced by `instead`, and it is passed on
    BEFORE      `call` is called, then the message is passed on
    AFTER       the message is passed on, then `call` is called
    SWALLOW     neither it nor anything after it is passed on by its connection, either way, which stays open; with
                `unreachable` the same goes for every connection
    """

    CUT = auto()
    CUT_INSIDE = auto()
    CUT_AFTER = auto()
    LATE = auto()
    REFUSE = auto()
    FATAL = auto()
    REPLACE = auto()
    BEFORE = auto()
    AFTER = auto()
    SWALLOW = auto()


class Ending(Enum):
    """How the client learns that it is cut off: RST, FIN, or FIN in one direction only."""

    RESET = auto()
    CLOSE = auto()
    HALF_CLOSE = auto()


@dataclass(frozen=True, slots=True)
class Message:
    """One message: the number of its connection (from 1), its direction, type byte and payload."""

    connection: int
    direction: Direction
    kind: bytes
    body: bytes

    @property
    def wire(self) -> bytes:
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


@dataclass(slots=True)
class Fault:
    """Harm to do at the `number`-th message of a direction that holds `text` and has type `kind` (empty: any)."""

    direction: Direction
    action: Action
    text: bytes = b""
    kind: bytes = b""
    number: int = 1
    ending: Ending = Ending.RESET
    sqlstate: str = "53100"
    seconds: float | None = None
    instead: bytes = b""
    call: Callable[[], None] = lambda: None
    unreachable: bool = False
    happened: bool = False
    _left: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._left = self.number

    def is_due(self, message: Message) -> bool:
        """Count `message`, if it is one of those meant; True exactly once, for the one that was asked for."""
        if message.direction is not self.direction or self.text not in message.body:
            return False
        if self.kind and message.kind != self.kind:
            return False
        self._left -= 1
        self.happened = self.happened or self._left == 0
        return self._left == 0


class Proxy:
    """Use as a context manager; leaving it cuts off whatever is still connected."""

    def __init__(self, server: DatabaseServer, *, port: int | None = None) -> None:
        """Before `server`, or before what listens on `port` of this machine and leads to it."""
        self._target = conninfo_to_dict(server.tcp_url("postgres"))
        if port is not None:
            self._target |= {"host": "127.0.0.1", "port": port}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[Message] = []
        self.is_silent = False
        self._faults: list[Fault] = []
        self._links: list[_Link] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop_listening()
        for link in self._links:
            link.end()

    def url(self, database: str, **parameters: str) -> str:
        """The URL of a database through the proxy; `parameters` such as ``user`` replace the server's own."""
        login = {key: str(value) for key, value in self._target.items() if key in ("user", "password")}
        return make_url({"host": "127.0.0.1", "port": str(self.port), **login, "dbname": database, **parameters})

    def arm(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def messages(self, direction: Direction, text: bytes = b"") -> list[Message]:
        """The messages seen so far in one direction, those that hold `text`."""
        return [each for each in self.seen if each.direction is direction and text in each.body]

    def stop_listening(self) -> None:
        """Refuse new connections from now on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def due(self, message: Message) -> Fault | None:
        """Note a message, and find the fault that it is to have."""
        with self._lock:
            self.seen.append(message)
            due = [fault for fault in self._faults if fault.is_due(message)]
        if due and due[0].unreachable and due[0].action is not Action.SWALLOW:
            self.stop_listening()
        return due[0] if due else None

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                link = _Link(self, client, len(self._links) + 1)
                self._links.append(link)
                threading.Thread(target=link.run, daemon=True).start()

    def connect(self) -> socket.socket:
        host, port = str(self._target.get("host", "")), self._target.get("port") or 5432
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, int(port)))


class _Link:
    """One connection of a client and its own connection to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, number: int) -> None:
        self._proxy = proxy
        self._client = client
        self._number = number
        self._server: socket.socket | None = None
        self._is_cut = False
        self._is_silent = False

    def run(self) -> None:
        with suppress(OSError):
            self._server = self._proxy.connect()
            for each in (self._client, self._server):
                if each.family != socket.AF_UNIX:
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._downward, daemon=True).start()
            self._upward()
            return
        self.end()

    def end(self) -> None:
        for each in (self._client, self._server):
            _close(each)

    # -- one direction each

    def _upward(self) -> None:
        with suppress(OSError):
            for kind, body in _client_messages(self._client):
                if not self._pass(Message(self._number, TO_SERVER, kind, body), self._server):
                    return
        _finish(self._server)  # the client has gone: so does its connection to the server

    def _downward(self) -> None:
        with suppress(OSError):
            for kind, body in _messages(self._server):
                if not self._is_cut and not self._pass(Message(self._number, TO_CLIENT, kind, body), self._client):
                    _finish(self._server)
        if not self._is_cut:
            _finish(self._client)
        _close(self._server)

    def _pass(self, message: Message, receiver: socket.socket) -> bool:
        """Send a message on, or do what a fault wants; False when the link is cut."""
        if self._is_silent or self._proxy.is_silent:
            return True
        fault = self._proxy.due(message)
        if fault is None:
            receiver.sendall(message.wire)
            return True
        return _ACTIONS[fault.action](self, fault, message, receiver)

    # -- what faults do

    def cut(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        fault.call()
        self._leave_client(fault)
        _finish(self._server)
        return False

    def cut_inside(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        receiver.sendall(message.wire[: len(message.wire) // 2])
        return self.cut(fault, message, receiver)

    def cut_after(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        self._is_cut = True  # an answer must not overtake the cut
        receiver.sendall(message.wire)
        return self.cut(fault, message, receiver)

    def late(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        fault.call()
        self._leave_client(fault)
        if fault.seconds is not None:
            time.sleep(fault.seconds)
            receiver.sendall(message.wire)
            _finish(self._server)
        return False

    def refuse(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        statement = f"do $$ begin raise 'the proxy refuses' using errcode = '{fault.sqlstate}'; end $$"
        receiver.sendall(Message(self._number, TO_SERVER, b"Q", statement.encode() + b"\0").wire)
        return True

    def fatal(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        fields = {"S": "FATAL", "V": "FATAL", "C": fault.sqlstate, "M": "the proxy ends this connection"}
        body = b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items()) + b"\0"
        self._client.sendall(Message(self._number, TO_CLIENT, b"E", body).wire)
        fault.ending = Ending.CLOSE  # a reset would overtake the message
        return self.cut(fault, message, receiver)

    def replace(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        body = message.body.replace(fault.text, fault.instead)
        receiver.sendall(Message(self._number, message.direction, message.kind, body).wire)
        return True

    def before(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        fault.call()
        receiver.sendall(message.wire)
        return True

    def after(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        receiver.sendall(message.wire)
        fault.call()
        return True

    def swallow(self, fault: Fault, message: Message, receiver: socket.socket) -> bool:
        self._is_silent = True
        self._proxy.is_silent = fault.unreachable
        return True

    def _leave_client(self, fault: Fault) -> None:
        self._is_cut = True
        if fault.ending is Ending.HALF_CLOSE:
            self._client.shutdown(socket.SHUT_WR)
            return
        if fault.ending is Ending.RESET:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            how = socket.SHUT_RD  # says nothing to the client, but wakes the thread that reads from it
        else:
            how = socket.SHUT_RDWR
        with suppress(OSError):
            self._client.shutdown(how)
        self._client.close()


_ACTIONS: dict[Action, Callable[[_Link, Fault, Message, socket.socket], bool]] = {
    Action.CUT: _Link.cut,
    Action.CUT_INSIDE: _Link.cut_inside,
    Action.CUT_AFTER: _Link.cut_after,
    Action.LATE: _Link.late,
    Action.REFUSE: _Link.refuse,
    Action.FATAL: _Link.fatal,
    Action.REPLACE: _Link.replace,
    Action.BEFORE: _Link.before,
    Action.AFTER: _Link.after,
    Action.SWALLOW: _Link.swallow,
}


def _client_messages(client: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """What a client sends. Encryption is declined here, because nothing could be read of it."""
    while True:
        body = _exactly(client, _length(_exactly(client, 4)))
        (code,) = struct.unpack("!I", body[:4])
        if code not in (_SSL_REQUEST, _GSS_REQUEST):
            break
        client.sendall(b"N")
    yield _UNTYPED, body
    yield from _messages(client)


def _messages(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while header := _exactly(source, 5, or_end=True):
        yield header[:1], _exactly(source, _length(header[1:]))


def _length(prefix: bytes) -> int:
    return struct.unpack("!I", prefix)[0] - 4


def _exactly(source: socket.socket, size: int, *, or_end: bool = False) -> bytes:
    parts = []
    while size:
        part = source.recv(min(size, 1 << 20))
        if not part:
            if or_end and not parts:
                return b""
            raise ConnectionResetError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _finish(end: socket.socket | None) -> None:
    """Say that nothing more comes; what was sent still arrives."""
    if end is not None:
        with suppress(OSError):
            end.shutdown(socket.SHUT_WR)


def _close(end: socket.socket | None) -> None:
    if end is not None:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            end.close()
