"""As much of rtnetlink as a pod's network takes: devices, addresses and routes (rtnetlink(7))."""

import errno
import fcntl
import os
import socket
import struct
import time

_NEW_LINK, _DELETE_LINK, _GET_LINK, _SET_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 17, 18, 19, 20, 24
_ERROR = 2
_HEADER = 16
_REQUEST, _ACKNOWLEDGE, _REPLACE, _CREATE = 1, 4, 0x100, 0x400

_IFLA_NAME, _IFLA_OPERATES, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 3, 16, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 4, 5, 7

_UP = 1
_OPERATES_UP = 6
_GET_INDEX = 0x8933
_TABLE_MAIN, _PROTOCOL_BOOT = 254, 3
_SCOPE_GLOBAL, _SCOPE_LINK, _SCOPE_HOST = 0, 253, 254
_UNICAST, _LOCAL = 1, 2
_ON_LINK = 4

LOOPBACK = 1
"""The index of `lo` in every network namespace."""
OPERATES_SECONDS = 5.0


class Netlink:
    """Speaks to the network namespace that the process is in when this is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def close(self) -> None:
        self._socket.close()

    def add_pair(self, name: str, peer: str, peer_namespace: int) -> None:
        """Two devices, each the other's end, the second one in another network namespace."""
        other = _link() + _attribute(_IFLA_NAME, peer.encode() + b"\0")
        other += _attribute(_IFLA_NET_NS_FD, struct.pack("=i", peer_namespace))
        info = _attribute(_INFO_KIND, b"veth")
        info += _attribute(_INFO_DATA, _attribute(_VETH_PEER, other))
        self._ask(
            _NEW_LINK,
            _link()
            + _attribute(_IFLA_NAME, name.encode() + b"\0")
            + _attribute(_IFLA_LINKINFO, info),
        )

    def remove(self, name: str) -> None:
        """Remove the device, and its other end; nothing where there is none."""
        try:
            self._ask(_DELETE_LINK, _link(_index(self._socket, name)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def up(self, name: str) -> None:
        self._ask(_SET_LINK, _link(_index(self._socket, name), flags=_UP, change=_UP))

    def operates(self, name: str) -> None:
        """Wait until a device that is up sends what it is given.

        The kernel turns that on later, in a thread of its own, for the end of a pair whose other
        end came up after it; until then it drops everything, and who asks waits for a second try.
        """
        deadline = time.monotonic() + OPERATES_SECONDS
        index = _index(self._socket, name)
        while self._operates(index) != _OPERATES_UP:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"device {name} has not come up")
            time.sleep(0.001)

    def _operates(self, index: int) -> int | None:
        """The device's IF_OPER_… state."""
        answer = self._talk(_GET_LINK, _REQUEST, _link(index))
        at, end = _HEADER + len(_link()), struct.unpack_from("=I", answer)[0]
        while at < end:
            size, kind = struct.unpack_from("=HH", answer, at)
            if kind == _IFLA_OPERATES:
                return answer[at + 4]
            at += size + -size % 4
        return None

    def add_address(self, name: str, address: str) -> None:
        """The address alone, without a network around it."""
        raw = socket.inet_aton(address)
        self._ask(
            _NEW_ADDRESS,
            struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, _index(self._socket, name))
            + _attribute(_IFA_LOCAL, raw)
            + _attribute(_IFA_ADDRESS, raw),
        )

    def route_to(self, address: str, name: str, source: str) -> None:
        """One neighbour, behind a device; `source` is what it sees as ours."""
        self._route(
            _attribute(_RTA_DST, socket.inet_aton(address))
            + _attribute(_RTA_PREFSRC, socket.inet_aton(source))
            + _device(_index(self._socket, name)),
            bits=32,
            scope=_SCOPE_LINK,
        )

    def route_rest(self, name: str, gateway: str) -> None:
        """Everything else goes to `gateway`, whose address need not be on any network of ours."""
        self._route(
            _attribute(_RTA_GATEWAY, socket.inet_aton(gateway))
            + _device(_index(self._socket, name)),
            flags=_ON_LINK,
        )

    def own_the_rest(self) -> None:
        """Every address that nothing else is routed to is this namespace's own."""
        self._route(_device(LOOPBACK), scope=_SCOPE_HOST, kind=_LOCAL)

    def _route(
        self,
        attributes: bytes,
        *,
        bits: int = 0,
        scope: int = _SCOPE_GLOBAL,
        kind: int = _UNICAST,
        flags: int = 0,
    ) -> None:
        header = (socket.AF_INET, bits, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, scope, kind, flags)
        self._ask(_NEW_ROUTE, struct.pack("=BBBBBBBBI", *header) + attributes)

    def _ask(self, kind: int, body: bytes) -> None:
        flags = _REQUEST | _ACKNOWLEDGE
        if kind in (_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE):
            flags |= _CREATE | (0 if kind == _NEW_LINK else _REPLACE)
        self._talk(kind, flags, body)

    def _talk(self, kind: int, flags: int, body: bytes) -> bytes:
        """The answer, with its header."""
        self._socket.send(struct.pack("=IHHII", _HEADER + len(body), kind, flags, 0, 0) + body)
        answer = self._socket.recv(65536)
        _, answered, _, _, _, code = struct.unpack_from("=IHHIIi", answer)
        if answered == _ERROR and code:
            raise OSError(-code, os.strerror(-code), f"netlink request {kind}")
        return answer


def _link(index: int = 0, *, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _device(index: int) -> bytes:
    return _attribute(_RTA_OIF, struct.pack("=i", index))


def _index(inside: socket.socket, name: str) -> int:
    """The device's number in the network namespace that a socket belongs to."""
    request = struct.pack("16s24x", name.encode())
    return struct.unpack_from("=16si", fcntl.ioctl(inside, _GET_INDEX, request))[1]
