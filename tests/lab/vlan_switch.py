#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A switch with one trunk: vlan_switch.py TRUNK IFA:TAG[.TAG] ...

Each access port is in one VLAN: its frames leave the trunk with that tag (the outer one first), and the trunk's frames with
that tag leave there without it. Frames of other tags, or of none, go nowhere. For kernels that have no VLANs.
"""
import select
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, OUTGOING, VLAN_VALID = 263, 8, 4, 1 << 4
MACS, CUSTOMER = 12, 0x8100


def open_port(name):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    port.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    port.bind((name, 0))
    # Frames to other MACs than the interface's own (PACKET_MR_PROMISC).
    port.setsockopt(SOL_PACKET, 1, struct.pack('iHH8s', socket.if_nametoindex(name), 1, 0, b''))
    return port


def receive(port):
    """A frame with its tags as they were on the wire; None for what we sent ourselves."""
    try:
        frame, ancillary, _, address = port.recvmsg(65536, 64)
    except OSError:  # the interface was down
        return None
    if address[2] == OUTGOING:
        return None
    for level, kind, data in ancillary:
        if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
            continue
        status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', data[:20])
        if status & VLAN_VALID:
            frame = frame[:MACS] + struct.pack('!HH', tpid or CUSTOMER, tci) + frame[MACS:]
    return frame


def send(port, frame):
    for _ in range(2):  # an error that was before is told first
        try:
            return port.send(frame)
        except OSError as error:
            print(error, flush=True)


def ids_of(frame):
    ids, at = [], MACS
    while frame[at:at + 2] in (b'\x81\x00', b'\x88\xa8'):
        ids.append(struct.unpack('!H', frame[at + 2:at + 4])[0] & 0xfff)
        at += 4
    return tuple(ids), at


def tags(ids):
    types = [0x88a8] * (len(ids) - 1) + [CUSTOMER]
    return b''.join(struct.pack('!HH', kind, vlan) for kind, vlan in zip(types, ids))


trunk = open_port(sys.argv[1])
access = {}
for argument in sys.argv[2:]:
    name, vlan = argument.split(':')
    access[tuple(map(int, vlan.split('.')))] = open_port(name)
ports = {trunk: None, **{port: ids for ids, port in access.items()}}
print('ready', flush=True)
while True:
    for port in select.select(list(ports), [], [])[0]:
        frame = receive(port)
        if frame is None:
            continue
        if port is not trunk:
            send(trunk, frame[:MACS] + tags(ports[port]) + frame[MACS:])
            continue
        ids, end = ids_of(frame)
        if ids in access:
            send(access[ids], frame[:MACS] + frame[end:])
