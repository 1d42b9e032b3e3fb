#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""stream.py send ADDRESS PORT LOG | receive PORT LOG: one TCP connection that carries a known pattern until SIGINT or SIGTERM.
LOG: what the receiver has got, one line of JSON: octets, wrong (not those of the pattern), connections, reset."""
import json
import os
import signal
import socket
import sys
import time

BLOCK = bytes((i * 7 + (i >> 8)) & 255 for i in range(65536))
stop = False


def end(*_):
    global stop
    stop = True


signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)


def write(log, state):
    with open(log + '.new', 'w') as out:
        json.dump(state, out)
    os.replace(log + '.new', log)


if sys.argv[1] == 'send':
    with socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=30) as sock:
        sock.settimeout(0.5)
        at = 0
        while not stop:
            try:
                at = (at + sock.send(BLOCK[at:at + 4096])) % len(BLOCK)
            except TimeoutError:
                continue
            time.sleep(0.005)
else:
    state = {'octets': 0, 'wrong': 0, 'connections': 0, 'reset': 0}
    server = socket.create_server(('', int(sys.argv[2])))
    server.settimeout(0.2)
    write(sys.argv[3], state)
    while not stop:
        try:
            sock, _ = server.accept()
        except TimeoutError:
            continue
        state['connections'] += 1
        sock.settimeout(0.2)
        at = 0
        while not stop:
            try:
                data = sock.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                state['reset'] += 1
                break
            if not data:
                break
            expected = (BLOCK + BLOCK)[at:at + len(data)]
            state['wrong'] += data != expected
            at = (at + len(data)) % len(BLOCK)
            state['octets'] += len(data)
            write(sys.argv[3], state)
