#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who reaches what, asked by real packets, many questions at a time.

  reach.py serve PORT...   takes TCP connections and echoes datagrams on these ports (tcp/443 udp/53), on
                           every address of this namespace; prints "ready"
  reach.py ask             reads "KEY PROTO ADDRESS PORT SOURCE DEVICE MARK UID" lines ("-" for none),
                           asks all of them at once, prints "KEY yes" or "KEY no" for each
"""

import errno
import os
import selectors
import socket
import struct
import sys
import time

WAIT_S = 5
REFUSED = {errno.EPERM, errno.EACCES, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT}
IPV6_RECVPKTINFO = 49


def serve_tcp(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    sock.listen(64)
    return sock


def serve_udp(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    sock.bind(("::", port))
    return sock


def echo(sock):
    """The answer leaves from the address that was asked."""
    data, ancillary, _, sender = sock.recvmsg(100, 200)
    info = [value for level, kind, value in ancillary if level == socket.IPPROTO_IPV6]
    own = info[0][:16] + struct.pack("I", 0)
    try:
        sock.sendmsg([data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, own)], 0, sender)
    except OSError:
        pass


def serve(ports):
    ready = selectors.DefaultSelector()
    for port in ports:
        proto, number = port.split("/")
        sock = serve_tcp(int(number)) if proto == "tcp" else serve_udp(int(number))
        ready.register(sock, selectors.EVENT_READ, proto)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            if key.data == "tcp":
                key.fileobj.accept()[0].close()
            else:
                echo(key.fileobj)


def open_socket(proto, address, source, device, mark, uid):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # the file belongs to whoever opens it, which is what a rule about users asks
    os.seteuid(0 if uid == "-" else int(uid))
    try:
        sock = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    finally:
        os.seteuid(0)
    sock.setblocking(False)
    if mark != "-":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark, 0))
    if device != "-":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source != "-":
        sock.bind((source, 0))
    return sock


def begin(words):
    """Gives the socket that an answer comes to; None when the kernel said no at once."""
    _, proto, address, port, source, device, mark, uid = words
    sock = open_socket(proto, address, source, device, mark, uid)
    try:
        sock.connect((address, int(port)))
        if proto == "udp":
            sock.send(b"?")
    except BlockingIOError:
        pass
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        return None
    return sock


def verdict(sock):
    if sock.type == socket.SOCK_STREAM:
        return "no" if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) else "yes"
    try:
        return "yes" if sock.recv(10) == b"?" else "no"
    except OSError:
        return "no"


def ask():
    waiting = selectors.DefaultSelector()
    answers = {}
    for line in sys.stdin:
        words = line.split()
        answers[words[0]] = "no"
        sock = begin(words)
        if sock:
            writes = sock.type == socket.SOCK_STREAM
            waiting.register(sock, selectors.EVENT_WRITE if writes else selectors.EVENT_READ, words[0])
    end = time.monotonic() + WAIT_S
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(end - time.monotonic()):
            answers[key.data] = verdict(key.fileobj)
            waiting.unregister(key.fileobj)
    for name, answer in answers.items():
        print(name, answer)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2:])
    elif sys.argv[1:] == ["ask"]:
        ask()
    else:
        sys.exit(__doc__)
