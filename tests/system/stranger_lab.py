# SPDX-License-Identifier: Apache-2.0
"""The two wires to a gateway, what is sent there and what becomes of it; for strangers.py.

It runs in the namespace of the peer, on its wire to the gateway; the other wire is the protected host's. The gateway has the
manual SAs 0x1001 towards us and 0x1002 from us, and bypass entries (see strangers_test.sh).

  strangers.py OUTER DRIVER SIMPLONCTL SOCKET HOST-NAMESPACE
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time

from scapy.all import IP, UDP, Ether, IPv6, Raw, conf, raw

outer, simplonctl, vici, host_namespace = sys.argv[1:5]
conf.verb = 0
V4 = outer == '4'
US, THEM = ('198.51.100.2', '198.51.100.1') if V4 else ('2001:db8:ffff::2', '2001:db8:ffff::1')
HOST, PEER_HOST = ('198.18.1.10', '198.18.2.10') if V4 else ('2001:db8:a::10', '2001:db8:b::10')
STRANGER = '203.0.113.5' if V4 else '2001:db8:c::5'
net = IP if V4 else IPv6
HEADER = 20 if V4 else 40
failures = 0
serial = 0


def console(*command):
    return json.loads(subprocess.run([simplonctl, '--socket', vici, *command, '--json'], capture_output=True, check=True).stdout)


class Wire:
    """One end of a wire to the gateway, whose port there has this name."""

    def __init__(self, interface, port, namespace=None):
        libc, here = ctypes.CDLL(None, use_errno=True), os.open('/proc/self/ns/net', os.O_RDONLY)
        if namespace and libc.setns(os.open('/run/netns/' + namespace, os.O_RDONLY), 0):
            raise OSError(ctypes.get_errno(), 'setns')
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        libc.setns(here, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        self.socket.bind((interface, 0))
        self.socket.setblocking(False)
        self.mac = ':'.join('%02x' % b for b in self.socket.getsockname()[4])
        self.port = port
        self.gateway = next(row['mac'] for name, row in console('ports').items() if name == port)
        self.heard = []

    def send(self, frame):
        while True:
            try:
                return self.socket.send(frame)
            except BlockingIOError:
                time.sleep(0.001)

    def listen(self):
        try:
            while True:
                frame, (_, _, kind, _, _) = self.socket.recvfrom(65535)
                if kind != 4:  # what we sent ourselves
                    self.heard.append(frame)
        except BlockingIOError:
            return self.heard

    def frame(self, packet, **ethernet):
        return raw(Ether(**{'src': self.mac, 'dst': self.gateway, **ethernet}) / packet)


wan = Wire('wan0', 'wan')
lan = Wire('eth0', 'lan', host_namespace)


def drops():
    return {name: int(count) for name, count in console('drops', '--all').items() if name != 'help'}


def punted(wire):
    return int(console('ports')[wire.port]['punted'])


def within(seconds, condition):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def mark():
    """Eight octets that are in no other packet."""
    global serial
    serial += 1
    return b'odd%05d' % serial


def verdict(name, good, why=''):
    global failures
    failures += not good
    print(f'ok     {name}' if good else f'FAILED {name}: {why}', flush=True)


def sent(wire, frames):
    """Sends them all; (frame, its mark) each. The gateway takes some dozens at once and no flood."""
    wan.listen(), lan.listen()
    wan.heard.clear(), lan.heard.clear()
    for i, frame in enumerate(frames):
        wire.send(frame)
        if i % 64 == 63:
            time.sleep(0.02)


def seen(wire, marks):
    frames = wire.listen()
    return sum(any(m in frame for frame in frames) for m in marks)


def dropped(name, reason, frames, wire=wan, marks=()):
    """All of them, for this reason (or for these), and none is seen on the other side."""
    reasons = {reason} if isinstance(reason, str) else set(reason)
    before = drops()
    sent(wire, frames)
    counted = lambda now: sum(now[r] - before[r] for r in reasons)
    good = within(3, lambda: counted(drops()) >= len(frames))
    now = drops()
    others = {r: now[r] - before[r] for r in now if now[r] != before[r]}
    leaked = seen(lan if wire is wan else wan, marks)
    verdict(f'{name}: {" or ".join(sorted(reasons))}', good and not leaked, f'{len(frames)} sent, dropped {others}, {leaked} passed')


def passed(name, frames, marks, wire=wan):
    """All of them come out on the other side."""
    before = drops()
    sent(wire, frames)
    other = lan if wire is wan else wan
    good = within(3, lambda: seen(other, marks) == len(marks))
    now = drops()
    verdict(f'{name}: passed', good, f'{seen(other, marks)} of {len(marks)}, dropped { {r: now[r] - before[r] for r in now if now[r] != before[r]} }')


def to_host(name, frames, wire=wan, marks=(), count=None):
    """The kernel behind the port gets all of them (or COUNT packets), and nothing passes."""
    count = count or len(frames)
    before = punted(wire)
    sent(wire, frames)
    good = within(3, lambda: punted(wire) - before >= count)
    leaked = seen(lan if wire is wan else wan, marks)
    verdict(f'{name}: to the kernel', good and not leaked, f'{punted(wire) - before} of {count}, {leaked} passed')


def answered(name, frames, right, wire=wan):
    """Something comes back by the same wire that is right."""
    sent(wire, frames)
    good = within(3, lambda: any(right(Ether(frame)) for frame in wire.listen()))
    verdict(f'{name}: answered', good, [Ether(f).summary() for f in wire.listen()][:5])


def udp(source=STRANGER, destination=HOST, **header):
    """A datagram and its mark."""
    m = mark()
    return net(src=source, dst=destination, **header) / UDP(sport=4000, dport=4001) / Raw(m + b'-' * 16), m


def many(make, values):
    """Frames and marks of a packet for each value."""
    made = [make(v) for v in values]
    return [wan.frame(p) for p, _ in made], [m for _, m in made]


def patched(packet, changes):
    """The octets of an IP packet with some replaced; with an IPv4 checksum that is right again."""
    data = bytearray(raw(packet))
    for at, value in changes.items():
        data[at] = value
    if V4 and 10 not in changes:
        length = max(20, min((data[0] & 15) * 4, len(data)))
        data[10:12] = b'\0\0'
        total = sum(struct.unpack(f'!{length // 2}H', data[:length]))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        data[10:12] = struct.pack('!H', 0xffff - total)
    return bytes(data)


def failed():
    return failures
