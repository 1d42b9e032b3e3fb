#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""nat.py INSIDE-IFA OUTSIDE-IFA CLIENT FILE: a NAT for one IKE client, where a kernel has none (IPv4).

FILE holds "ADDRESS PORT": what the client sends from its ports 500 and 4500 leaves from ADDRESS with the ports PORT and
PORT + 1, and what comes back there goes to the client. At SIGHUP it is read again: what comes to the mapping before is
lost. The kernel around it forwards nothing."""
import select
import signal
import socket
import struct
import sys

IKE_PORTS = 500, 4500
mapping, held = {}, []


def read_mapping(*_):
    address, first = open(sys.argv[4]).read().split()
    mapping.clear()
    mapping.update(address=socket.inet_aton(address), ports=(int(first), int(first) + 1))
    for port in mapping['ports']:  # without a socket the kernel would answer: port unreachable
        held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        held[-1].bind((address, port))


def rewritten(packet, source=None, destination=None):
    head = (packet[0] & 15) * 4
    ports = list(struct.unpack_from('!HH', packet, head))
    addresses = [packet[12:16], packet[16:20]]
    for i, end in enumerate((source, destination)):
        if end:
            addresses[i], ports[i] = end
    # The kernel makes the header's checksum; UDP needs none.
    udp = struct.pack('!HH', *ports) + packet[head + 4:head + 6] + bytes(2) + packet[head + 8:]
    return packet[:10] + bytes(2) + b''.join(addresses) + packet[20:head] + udp


def translated(packet, from_inside):
    head = (packet[0] & 15) * 4
    source, destination = struct.unpack_from('!HH', packet, head)
    if from_inside and packet[12:16] == client and source in IKE_PORTS:
        return rewritten(packet, source=(mapping['address'], mapping['ports'][IKE_PORTS.index(source)]))
    if not from_inside and packet[16:20] == mapping['address'] and destination in mapping['ports']:
        return rewritten(packet, destination=(client, IKE_PORTS[mapping['ports'].index(destination)]))
    return None


def main():
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sides = []
    for interface in sys.argv[1:3]:
        sides.append(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
        sides[-1].bind((interface, 0x0800))
    read_mapping()
    signal.signal(signal.SIGHUP, read_mapping)
    while True:
        for side in select.select(sides, [], [])[0]:
            packet, where = side.recvfrom(65535)
            if where[2] == socket.PACKET_OUTGOING or len(packet) < 28 or packet[9] != socket.IPPROTO_UDP:
                continue
            length = struct.unpack_from('!H', packet, 2)[0]
            sent = translated(packet[:length], side is sides[0])
            if not sent:
                continue
            try:
                out.sendto(sent, (socket.inet_ntoa(sent[16:20]), 0))
            except OSError:  # while the address changes there is no route
                pass


client = socket.inet_aton(sys.argv[3])
main()
