#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A session that talks all the time, in both directions, like somebody at a shell.

  session.py serve PORT           says something every 5 ms to whoever connects
  session.py hold ADDRESS PORT    says "trying", connects as soon as it is let in, answers each piece; prints
                                  when each came, in milliseconds since boot (a clock that nobody sets), and
                                  "over" when nothing came for 1 s
"""

import selectors
import socket
import sys
import time

TICK_S = 0.005
TRY_S = 0.1
PATIENCE_S = 1.0


def since_boot():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)


def serve(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=16)
    listener.setblocking(False)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    sessions = set()
    print("ready", flush=True)
    while True:
        for _ in ready.select(TICK_S):
            session = listener.accept()[0]
            session.setblocking(False)
            session.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sessions.add(session)
        for session in list(sessions):
            try:
                session.send(b".")
                session.recv(4096)
            except BlockingIOError:
                pass
            except OSError:
                sessions.discard(session)


def connect(address, port):
    print("trying", flush=True)
    while True:
        try:
            return socket.create_connection((address, port), timeout=TRY_S)
        except OSError:
            time.sleep(TICK_S)


def hold(address, port):
    sock = connect(address, port)
    sock.settimeout(PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("connected", flush=True)
    try:
        while sock.recv(4096):
            print(since_boot(), flush=True)
            sock.send(b".")
    except OSError:
        pass
    print("over", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"] and len(sys.argv) == 3:
        serve(int(sys.argv[2]))
    elif sys.argv[1:2] == ["hold"] and len(sys.argv) == 4:
        hold(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)
