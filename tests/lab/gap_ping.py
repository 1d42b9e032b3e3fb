#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""gap_ping.py TO MILLISECONDS LOG: an ICMP echo request each so often until SIGINT or SIGTERM, then one line of JSON:
sent, lost, the longest time without an answer in ms (an answer that is late is an answer), and when the longest ones began, for
the logs beside. While it runs, LOG has the number of answers, so that a script can wait for traffic."""
import datetime
import json
import os
import select
import signal
import socket
import struct
import sys
import time

to, every, log = sys.argv[1], float(sys.argv[2]) / 1000, sys.argv[3]
stop = False


def end(*_):
    global stop
    stop = True


signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
six = ':' in to
sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
sock.setblocking(False)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
ident = os.getpid() & 0xffff
request, reply, skip = (128, 129, 0) if six else (8, 0, 20)


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(sequence):
    body = struct.pack('!HHQ', ident, sequence & 0xffff, sequence)
    return struct.pack('!BBH', request, 0, 0 if six else checksum(struct.pack('!BBH', request, 0, 0) + body)) + body


answered, sent, last, gaps, told = set(), 0, None, [], 0
began = due = time.monotonic()


def take():
    global last, gaps
    while True:
        try:
            data = sock.recv(2048)[skip:]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            continue
        if len(data) < 16 or data[0] != reply or struct.unpack('!H', data[4:6])[0] != ident:
            continue
        now = time.monotonic()
        gap, last = now - (last or now), now
        if len(gaps) < 3 or gap * 1000 > gaps[0][0]:
            began_at = datetime.datetime.now() - datetime.timedelta(seconds=gap)
            gaps = sorted(gaps + [(round(gap * 1000), began_at.strftime('%H:%M:%S.%f')[:-3])])[-3:]
        answered.add(struct.unpack('!Q', data[8:16])[0])


def tell():
    with open(log + '.new', 'w') as out:
        print(len(answered), file=out)
    os.replace(log + '.new', log)


while not stop:
    now = time.monotonic()
    if now >= due:
        try:
            sock.sendto(packet(sent), (to, 0))
        except OSError:
            pass  # no route, no buffer: it is lost
        sent += 1
        due = max(due + every, now - 10 * every)
    if len(answered) >= told + 50:
        told = len(answered)
        tell()
    select.select([sock], [], [], max(0, due - time.monotonic()))
    take()
end_by = time.monotonic() + 1
while len(answered) < sent and time.monotonic() < end_by:
    select.select([sock], [], [], 0.05)
    take()
tell()
print(json.dumps({'sent': sent, 'lost': sent - len(answered), 'gap_ms': gaps[-1][0] if gaps else 0,
                  'longest': [f'{ms} at {at}' for ms, at in reversed(gaps)]}))
