#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sequence_watch.py INTERFACE SOURCE LOG: reads the ESP of SOURCE (also in UDP) on an interface until SIGINT or SIGTERM and
keeps LOG, one line of JSON: packets, SPIs, sequence numbers seen twice under one SPI, IVs of eight octets seen twice."""
import json
import os
import select
import signal
import socket
import struct
import sys
import time

interface, source, log = sys.argv[1:]
stop = False


def end(*_):
    global stop
    stop = True


signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
sock.bind((interface, 0))
sock.setblocking(False)
wanted = socket.inet_aton(source)
sequences, ivs = {}, {}
packets = twice = twice_iv = lost = 0


def esp_of(frame):
    if frame[26:30] != wanted:
        return None
    at = 14 + (frame[14] & 15) * 4
    protocol = frame[23]
    if struct.unpack('!H', frame[20:22])[0] & 0x3fff:
        return None
    if protocol == 50:
        return frame[at:]
    if protocol == 17 and 4500 in struct.unpack('!HH', frame[at:at + 4]) and frame[at + 8:at + 12] != bytes(4) and len(frame) > at + 24:
        return frame[at + 8:]
    return None


def tell():
    global lost
    # struct tpacket_stats: what the kernel had no room for has not been looked at.
    lost += struct.unpack('II', sock.getsockopt(263, 6, 8))[1]
    with open(log + '.new', 'w') as out:
        json.dump({'packets': packets, 'spis': len(sequences), 'sequences_twice': twice, 'ivs_twice': twice_iv, 'missed': lost}, out)
    os.replace(log + '.new', log)


told = 0.0
while not stop:
    select.select([sock], [], [], 0.1)
    while True:
        try:
            frame, address = sock.recvfrom(2048)
        except (BlockingIOError, InterruptedError):
            break
        if address[2] == 4:  # what this interface sends
            continue
        esp = esp_of(frame)
        if esp is None or len(esp) < 16:
            continue
        packets += 1
        spi, iv = esp[:4], esp[8:16]
        seen, used = sequences.setdefault(spi, set()), ivs.setdefault(spi, set())
        twice += esp[4:8] in seen
        twice_iv += iv in used
        seen.add(esp[4:8])
        used.add(iv)
    if time.monotonic() - told > 0.2:
        told = time.monotonic()
        tell()
tell()
