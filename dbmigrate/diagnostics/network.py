"""Whether a server can be reached: its name, its port or its socket. What comes after that libpq does."""

from __future__ import annotations

import os
import queue
import socket
import stat
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.diagnostics.values import failed, ok, warning
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.diagnostics.values import Diagnosis

__all__ = ["Place", "look", "places"]

_DNS_SECONDS = 10.0
_TCP_SECONDS = 5.0
_NO_CONNECTION = 3
_PORT_HINT = "is the server running, and is the port right? `dbmigrate wait` waits for it"
_DROPPED_HINT = "a firewall or a security group drops the packets, or the address is that of another machine"


@frozen
class Place:
    """One of the servers that a URL names. `host` is a name, an address or a socket directory."""

    host: str
    address: str
    port: int

    @property
    def socket_path(self) -> str | None:
        """The socket's file; None for TCP. A name that begins with @ is in Linux' abstract namespace."""
        is_socket = self.host.startswith(("/", "@")) and not self.address
        return f"{self.host}/.s.PGSQL.{self.port}" if is_socket else None


def places(dsn: Dsn) -> Sequence[Place]:
    """The servers in the order in which libpq tries them; none where only libpq can find them (a service)."""
    hosts = (dsn.conninfo.get("host") or "").split(",")
    addresses = (dsn.conninfo.get("hostaddr") or "").split(",")
    ports = (dsn.conninfo.get("port") or "").split(",")
    found = []
    for number in range(max(len(hosts), len(addresses))):
        host, address = _nth(hosts, number), _nth(addresses, number)
        port = ports[0] if len(ports) == 1 else _nth(ports, number)
        if host or address:
            found.append(Place(host, address, int(port or 5432)))
    return found


def _nth(items: Sequence[str], number: int) -> str:
    return items[number] if number < len(items) else ""


def look(found: Sequence[Place]) -> Iterator[Diagnosis]:
    """A line for the name and one for the port of each server; of several, one that answers is enough."""
    answers = [tuple(_look_at(place)) for place in found]
    is_reached = any(all(each.exit_code == 0 for each in answer) for answer in answers)
    for answer in answers:
        for each in answer:
            yield warning(each.subject, each.message, each.hint or "") if each.exit_code and is_reached else each


def _look_at(place: Place) -> Iterator[Diagnosis]:
    if place.socket_path is not None:
        yield _socket(place.socket_path)
        return
    if place.address or _is_address(place.host):
        yield _port([place.address or place.host], place.port)
        return
    addresses = _addresses(place.host)
    if isinstance(addresses, list):
        yield ok("DNS", f"{place.host} is {', '.join(addresses)}")
        yield _port(addresses, place.port)
    else:
        yield addresses


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False


def _addresses(host: str) -> list[str] | Diagnosis:
    """The addresses of a name. A nameserver that does not answer is not waited for longer than ten seconds."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(each[4][0]) for each in found)))
        except OSError as exc:
            answers.put(exc)
        except UnicodeError:  # a label that is empty or too long
            answers.put(OSError(0, "it is not a host name"))

    threading.Thread(target=resolve, daemon=True).start()
    try:
        answer = answers.get(timeout=_DNS_SECONDS)
    except queue.Empty:
        answer = OSError(0, f"no nameserver answered within {_DNS_SECONDS:g} s")
    if isinstance(answer, list):
        return answer
    hint = "check the host in the URL (percent-encode special characters), /etc/hosts, and that the VPN is up"
    message = f"the host name {host} cannot be resolved: {answer.strerror or answer}"
    return failed("DNS", message, hint, exit_code=_NO_CONNECTION)


def _port(addresses: Sequence[str], port: int) -> Diagnosis:
    refusals = []
    for address in addresses:
        try:
            socket.create_connection((address, port), timeout=_TCP_SECONDS).close()
        except OSError as exc:
            refusals.append((address, exc))
        else:
            return ok("TCP", f"{_shown(address, port)} accepts connections")
    address, reason = refusals[0]
    is_dropped = isinstance(reason, TimeoutError)
    text = f"no answer within {_TCP_SECONDS:g} s" if is_dropped else (reason.strerror or str(reason)).lower()
    more = f" (and {len(refusals) - 1} more addresses)" if len(refusals) > 1 else ""
    hint = _DROPPED_HINT if is_dropped else _PORT_HINT
    return failed(
        "TCP", f"port {port} of {_shown(address)} cannot be reached{more}: {text}", hint, exit_code=_NO_CONNECTION
    )


def _shown(address: str, port: int | None = None) -> str:
    name = f"[{address}]" if ":" in address else address
    return name if port is None else f"{name}:{port}"


def _socket(path: str) -> Diagnosis:
    hint = f"{_PORT_HINT}; or name the server's host in the URL, or its socket directory with ?host="
    try:
        is_socket = path.startswith("@") or stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as exc:
        return failed("socket", f"{path}: {(exc.strerror or '').lower()}", hint, exit_code=_NO_CONNECTION)
    if not is_socket:
        return failed("socket", f"{path} is not a socket", hint, exit_code=_NO_CONNECTION)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_TCP_SECONDS)
        try:
            probe.connect("\0" + path[1:] if path.startswith("@") else path)
        except OSError as exc:
            message = f"{path} cannot be reached: {(exc.strerror or str(exc)).lower()}"
            return failed("socket", message, hint, exit_code=_NO_CONNECTION)
    return ok("socket", f"{path} accepts connections")
