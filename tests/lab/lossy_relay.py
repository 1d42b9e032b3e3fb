#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A wire that loses, doubles and reorders IKE datagrams, and nothing else.

  lossy_relay.py IFA IFB PERCENT SEED CONTROL

Frames go from one interface to the other as they are. An IKE datagram (UDP port 500; or 4500 with the non-ESP marker, RFC
3948) is lost with PERCENT, sent twice with PERCENT, and each copy comes late, by up to 400 ms, with PERCENT. While the file
CONTROL exists, all of them pass. Ends with SIGTERM, and prints how many there were.
"""
import heapq
import os
import random
import select
import signal
import socket
import struct
import sys
import time

ETH_P_ALL, SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC, PACKET_OUTGOING = 3, 263, 1, 1, 4
LATEST = 0.4  # seconds


def is_ike(frame):
    kind = int.from_bytes(frame[12:14], 'big')
    if kind == 0x0800 and frame[23] == 17:
        udp = 14 + (frame[14] & 15) * 4
    elif kind == 0x86DD and frame[20] == 17:
        udp = 54
    else:
        return False
    source, destination = struct.unpack_from('!HH', frame, udp)
    if 500 in (source, destination):
        return True
    return 4500 in (source, destination) and len(frame) > udp + 12 and frame[udp + 8:udp + 12] == bytes(4)


def wire_end(name):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((name, 0))
    end.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                   struct.pack('iHH8s', socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b''))
    end.setblocking(False)
    return end


def main():
    ends = [wire_end(name) for name in sys.argv[1:3]]
    percent, chance, control = int(sys.argv[3]), random.Random(int(sys.argv[4])), sys.argv[5]
    counts = dict.fromkeys(('ike', 'lost', 'doubled', 'late', 'other'), 0)
    late = []  # (time, number, end, frame)

    def happens(what):
        if os.path.exists(control) or chance.randrange(100) >= percent:
            return False
        counts[what] += 1
        return True

    def forward(to, frame):
        if not is_ike(frame):
            counts['other'] += 1
            return to.send(frame)
        counts['ike'] += 1
        for _ in range(2 if happens('doubled') else 1):
            if happens('lost'):
                continue
            if happens('late'):
                heapq.heappush(late, (time.monotonic() + chance.uniform(0, LATEST), counts['ike'], id(to), to, frame))
            else:
                to.send(frame)
        return None

    def end(*_):
        print(', '.join(f'{count} {what}' for what, count in counts.items()), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print('ready', flush=True)
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        readable, _, _ = select.select(ends, [], [], wait)
        while late and late[0][0] <= time.monotonic():
            _, _, _, to, frame = heapq.heappop(late)
            to.send(frame)
        for one in readable:
            try:
                frame, (_, _, kind, _, _) = one.recvfrom(65536)
            except BlockingIOError:
                continue
            if kind != PACKET_OUTGOING:
                forward(ends[1] if one is ends[0] else ends[0], frame)


main()
