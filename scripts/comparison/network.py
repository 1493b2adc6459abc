"""One congestion control for every server of a comparison (but for `own`), and a loopback device that nobody else uses.

Which one a server has is decided by the system and not by the server, but for ringlane and few others; and it counts:
BBR paces by timers, which cost more than the bodies' copies do. So all of it happens in a network namespace of its own,
where the system's choice can be set without changing the machine's.
"""

import ctypes
import fcntl
import os
import pathlib
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SETTING = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")


def congestion_control():
    """The one that every connection has, unless its server chooses another."""
    return SETTING.read_text().strip()


def own(name):
    """Moves this process, and all that it starts from now on, into a network of its own with that congestion control.

    Needs to be root, and to be called before there are other threads. Raises OSError, and has changed nothing, where
    that is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no network namespace")
        try:
            SETTING.write_text(name)
            _up("lo")
        except OSError:
            libc.setns(before, CLONE_NEWNET)
            raise
    finally:
        os.close(before)


def _up(device):
    """netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", device.encode(), 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", device.encode(), flags | IFF_UP))
