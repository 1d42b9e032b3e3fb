#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What strangers send to a gateway, each frame with what must become of it: passed, answered, given to the host's kernel,
or dropped under its name. What is not to pass is looked for on the other wire all the time.

Every case is one line "ok NAME" or "FAILED NAME: why"; after each group an echo goes through the tunnel. stranger_lab.py
tells how it is called and has what the cases are made of.
"""
import itertools
import socket
import struct
import sys

from scapy.all import ESP, ICMP, IP, UDP, Ether, IPv6, Raw, SecurityAssociation, raw
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN)

from stranger_lab import (HEADER, HOST, PEER_HOST, STRANGER, THEM, US, V4, answered, dropped, failed, lan, many, mark,
                          net, passed, patched, seen, sent, to_host, udp, verdict, wan, within)

def association(spi, source, destination):
    return SecurityAssociation(ESP, spi=spi, tunnel_header=net(src=source, dst=destination), crypt_algo='AES-GCM',
                               crypt_key=bytes(range(20)))


to_gateway = association(0x1002, US, THEM)
sequence = 1000


def sealed(inner=None, number=None):
    """An echo to the protected host, or another packet, as ESP."""
    global sequence
    sequence += 1
    to_gateway.seq_num = number or sequence
    echo = ICMP(id=7, seq=sequence & 0xffff) if V4 else ICMPv6EchoRequest(id=7, seq=sequence & 0xffff)
    return to_gateway.encrypt(inner or net(src=PEER_HOST, dst=HOST) / echo / Raw(b'through the tunnel'))


def is_esp(frame):
    return frame.haslayer(ESP) and frame[ESP].spi == 0x1001


def tunnel_carries(after):
    answered(f'the tunnel carries after {after}', [wan.frame(sealed())], is_esp)


def ethernet():
    packet, m = udp()
    dropped('EtherTypes that no port takes', 'unknown-ethertype',
            [wan.frame(raw(packet), type=t) for t in (0x1234, 0x8847, 0x8863, 0x8864, 0x0805, 0x88f7, 64)], marks=[m])
    tagged = lambda octets, tag, vlan: wan.frame(struct.pack('!HH', vlan, 0x800 if V4 else 0x86dd) + octets, type=tag)
    dropped('a VLAN that is no port', 'unknown-vlan', [tagged(raw(packet), tag, 5) for tag in (0x8100, 0x88a8)], marks=[m])
    priority, n = udp()
    passed('a priority tag, which is no VLAN', [tagged(raw(priority), 0x8100, 0)], [n])
    dropped("other MACs: another host's, all hosts', a group's", 'not-for-us',
            [wan.frame(packet, dst=d) for d in ('02:00:00:00:00:99', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:05', '33:33:00:00:00:05')], marks=[m])
    groups = [('255.255.255.255', 'ff:ff:ff:ff:ff:ff'), ('224.0.0.5', '01:00:5e:00:00:05')] if V4 else [('ff02::5', '33:33:00:00:00:05')]
    for group, mac in groups:
        packet, m = udp(source=US, destination=group)
        to_host(f'to {group}', [wan.frame(packet, dst=mac)], marks=[m])
    packet, m = udp(source=US, destination='239.1.1.1' if V4 else 'ff05::5')
    dropped('to a group that is of no link', 'not-for-us', [wan.frame(packet, dst='01:00:5e:01:01:01' if V4 else '33:33:00:00:00:05')], marks=[m])


def lengths():
    packet, m = udp()
    whole = raw(packet)
    dropped('cut at every octet', 'runt', [wan.frame(packet)[:n] for n in range(14, 14 + len(whole))], marks=[m])
    passed('with octets behind its end', [wan.frame(Raw(whole + b'behind'), type=0x800 if V4 else 0x86dd)], [m])
    frames = lambda changes: [wan.frame(patched(packet, c), type=0x800 if V4 else 0x86dd) for c in changes]
    versions = [{0: v << 4 | (5 if V4 else 0)} for v in range(16) if v not in (4, 6)]
    dropped('a version that is none', 'malformed', frames(versions), marks=[m])
    if V4:
        dropped('a header of less than five words', 'malformed', frames([{0: 0x40 | n} for n in range(5)]), marks=[m])
        dropped('a header longer than the packet', 'malformed', frames([{0: 0x4f, 2: 0, 3: 59}]), marks=[m])
        dropped('a length below the header', 'malformed', frames([{2: 0, 3: n} for n in range(20)]), marks=[m])
        dropped('a length beyond the frame', 'runt', frames([{2: h, 3: l} for h, l in ((0, len(whole) + 1), (5, 220), (255, 255))]), marks=[m])
        dropped('each bit of the checksum flipped', 'bad-checksum',
                frames([{10: whole[10] ^ (1 << b >> 8), 11: whole[11] ^ (1 << b & 255)} for b in range(16)]), marks=[m])
    else:
        dropped('a length beyond the frame', 'runt', frames([{4: h, 5: l} for h, l in ((0, len(whole) - 39), (5, 220), (255, 255))]), marks=[m])
    for left in (0, 1):
        packet, m = udp(**{'ttl' if V4 else 'hlim': left})
        dropped(f'with {left} hops left', 'ttl-expired', [wan.frame(packet)], marks=[m])
    is_error = lambda f: f.haslayer(net) and f[net].src == THEM and (f.haslayer(ICMP) and f[ICMP].type == 11 if V4 else
                                                                    f[IPv6].nh == 58 and raw(f[IPv6].payload)[0] == 3)
    packet, m = udp(**{'ttl' if V4 else 'hlim': 1})
    answered('with one hop left', [wan.frame(packet)], is_error)


def protocols():
    def of(number):
        m = mark()
        return net(src=STRANGER, dst=HOST, **{'proto' if V4 else 'nh': number}) / Raw(m + b'-' * 32), m
    numbers = [n for n in range(256) if V4 or n not in (0, 43, 44, 60)]
    passed('every protocol to a protected host', *many(of, numbers))

    def icmp(kind, destination=HOST, source=STRANGER):
        m = mark()
        message = bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + m + b'-' * 24
        if V4:
            return IP(src=source, dst=destination, proto=1) / Raw(message), m
        return IPv6(src=source, dst=destination, nh=58) / Raw(message), m
    passed('every ICMP type to a protected host', *many(icmp, range(256)))
    frames, marks = many(lambda kind: icmp(kind, THEM, US), [k for k in range(256) if k not in (3, 11)])
    to_host('every ICMP type to the gateway', frames, marks=marks)
    discovery = range(0) if V4 else range(133, 138)  # the link's own, which the kernel checks
    frames, marks = many(lambda kind: icmp(kind, THEM, STRANGER), [k for k in range(256) if k not in discovery])
    dropped('every ICMP type to the gateway from elsewhere', 'no-policy', frames, marks=marks)
    echo = ICMP(id=9, seq=1) if V4 else ICMPv6EchoRequest(id=9, seq=1)
    answered('an echo request to the gateway', [wan.frame(net(src=US, dst=THEM) / echo)],
             lambda f: f.haslayer(net) and f[net].src == THEM and raw(f[net].payload)[0] == (0 if V4 else 129))


def options():
    kinds = {'none': b'\1\1\1\0', 'record route': b'\7\7\4\0\0\0\0\0', 'loose source route': b'\x83\7\4' + socket.inet_aton('198.18.1.10') + b'\0',
             'strict source route': b'\x89\7\4' + socket.inet_aton('198.18.1.10') + b'\0', 'timestamp': b'\x44\x0c\5\0' + b'\0' * 8,
             'router alert': b'\x94\4\0\0', 'length 0': b'\7\0\0\0', 'beyond the header': b'\7\xff\4\0', 'forty octets': b'\1' * 40}
    for name, octets in kinds.items():
        for destination, expected in ((HOST, passed), (THEM, None)):
            m = mark()
            packet = IP(src=US if expected is None else STRANGER, dst=destination, ihl=5 + len(octets) // 4, proto=17,
                        len=20 + len(octets) + 32) / Raw(octets + raw(UDP(sport=4000, dport=4001, len=32)) + m + b'-' * 16)
            frame = wan.frame(patched(packet, {}), type=0x800)
            if expected:
                passed(f'option "{name}" to a protected host', [frame], [m])
            else:
                to_host(f'option "{name}" to the gateway', [frame], marks=[m])


def extension_headers():
    headers = {'hop-by-hop': lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=b'\0' * 4)]), 'destination': lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]),
               'routing': lambda: IPv6ExtHdrRouting(type=4, segleft=0, addresses=[]), 'atomic fragment': lambda: IPv6ExtHdrFragment(id=1)}

    def chain(names, tail=None):
        m = mark()
        packet = IPv6(src=STRANGER, dst=HOST)
        for name in names:
            packet /= headers[name]()
        return packet / (tail or UDP(sport=4000, dport=4001)) / Raw(m + b'-' * 16), m
    orders = [o for n in range(1, 5) for o in itertools.permutations(headers, n)]
    passed(f'extension headers in {len(orders)} orders', *many(chain, orders))
    passed('eight of them', *many(chain, [['destination'] * 8]))
    frames, marks = many(chain, [['destination'] * 9, ['hop-by-hop'] * 20])
    dropped('more than eight of them', 'malformed', frames, marks=marks)
    packet, m = chain(['destination'])
    beyond = [wan.frame(patched(packet, {41: n}), type=0x86dd) for n in (10, 64, 255)]
    dropped('one longer than its packet', 'malformed', beyond, marks=[m])
    cut = [wan.frame(IPv6(src=STRANGER, dst=HOST, nh=n, plen=l) / Raw(b'\x3b\0' + b'\0' * 6)) for n in (0, 43, 44, 60) for l in range(8)]
    dropped('one that is not whole', 'malformed', [f[:14 + 40 + 8] for f in cut])
    dropped('a jumbo payload', 'malformed', [wan.frame(IPv6(src=STRANGER, dst=HOST, nh=0, plen=0) / Raw(b'\x11\0\xc2\4\0\1\0\0' + b'-' * 64))])
    m = mark()
    passed('no next header', [wan.frame(IPv6(src=STRANGER, dst=HOST, nh=59) / Raw(m))], [m])
    packet = sealed()
    packet = IPv6(src=US, dst=THEM) / headers['destination']() / packet[ESP]
    answered('ESP behind an extension header', [wan.frame(packet)], is_esp)


def fragment(identification, offset, more, octets, source=STRANGER, destination=HOST, protocol=17):
    """`offset` in octets."""
    if V4:
        return IP(src=source, dst=destination, proto=protocol, id=identification, frag=offset // 8, flags='MF' if more else 0) / Raw(octets)
    return IPv6(src=source, dst=destination) / IPv6ExtHdrFragment(nh=protocol, id=identification, offset=offset // 8, m=int(more)) / Raw(octets)


def fragments():
    head = raw(UDP(sport=4000, dport=4001, len=1400))
    kinds = {'the parts of a whole': [(0, 1, 48), (48, 1, 48), (96, 0, 24)], 'in disorder': [(96, 0, 24), (0, 1, 48), (48, 1, 48)],
             'twice each': [(0, 1, 48), (0, 1, 48), (48, 0, 24), (48, 0, 24)], 'overlapping': [(0, 1, 48), (24, 1, 48), (40, 0, 32)],
             'tiny': [(0, 1, 16), (16, 1, 16), (32, 0, 16)], 'the last alone': [(1392, 0, 16)], 'beyond 65,535 octets': [(65528, 0, 1000)],
             'of an odd length': [(0, 1, 51)]}
    for number, (name, parts) in enumerate(kinds.items()):
        marks = [mark() for _ in parts]
        frames = [wan.frame(fragment(7000 + number, offset, more, ((head if not offset else b'') + m + b'-' * size)[:size]))
                  for (offset, more, size), m in zip(parts, marks)]
        passed(f'fragments, {name}, where the entry asks no ports', frames, marks)
    m = mark()
    datagram = raw(UDP(sport=4000, dport=4001, len=56)) + m + b'-' * (48 - len(m))
    to_host('a datagram in fragments to the gateway, whole',
            [wan.frame(fragment(7100, 32, False, datagram[32:], US, THEM, 17)), wan.frame(fragment(7100, 0, True, datagram[:32], US, THEM, 17))],
            marks=[m], count=1)


def martians():
    sources = ['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '239.255.1.1', '240.0.0.1', '255.255.255.255', THEM, '198.18.1.1'] if V4 else \
              ['::', '::1', 'ff02::1', 'ff0e::1', 'fe80::5', '::ffff:198.18.2.10', THEM, '2001:db8:a::1']
    for source in sources:
        packet, m = udp(source)
        dropped(f'from {source}', {'martian-source', 'own-source'}, [wan.frame(packet)], marks=[m])
    packet, m = udp(PEER_HOST)
    dropped(f'from {PEER_HOST}, in clear', 'clear-not-allowed', [wan.frame(packet)], marks=[m])
    for destination in ('127.0.0.1', '0.0.0.0', '240.0.0.1', '0.1.2.3') if V4 else ('::1', '::', 'fe80::a', '::ffff:198.18.1.10'):
        packet, m = udp(destination=destination)
        dropped(f'to {destination}', {'martian-destination', 'no-policy'}, [wan.frame(packet)], marks=[m])
    for source in ('127.0.0.1', '240.0.0.1', '224.0.0.1') if V4 else ('::1', 'ff0e::1', 'fe80::5'):
        m = mark()
        dropped(f'from {source}, inside', 'martian-source', [lan.frame(net(src=source, dst=STRANGER) / UDP() / Raw(m))], wire=lan, marks=[m])


def esp():
    in_udp = lambda octets, **k: wan.frame(net(src=US, dst=THEM) / UDP(sport=k.get('port', 4500), dport=4500) / Raw(octets))
    bare = lambda octets: wan.frame(net(src=US, dst=THEM, **{'proto' if V4 else 'nh': 50}) / Raw(octets))
    spis = (0, 1, 255, 256, 0x1001, 0x1003, 0xffffffff)
    dropped('ESP with an SPI that no SA has', 'unknown-spi', [bare(struct.pack('!II', spi, 5) + b'-' * 64) for spi in spis])
    dropped('the same in UDP', 'unknown-spi', [in_udp(struct.pack('!II', spi, 5) + b'-' * 64) for spi in spis[1:]])
    dropped('ESP shorter than its header', 'runt', [bare(struct.pack('!II', 0x1002, 5)[:n]) for n in range(8)])
    dropped('the same in UDP', 'runt', [in_udp(struct.pack('!II', 0x1002, 5)[:n]) for n in range(4, 8)])
    dropped('ESP shorter than IV and ICV', 'malformed', [bare(struct.pack('!II', 0x1002, 5) + b'-' * n) for n in range(24)])
    forged = [bytearray(raw(sealed()[ESP])) for _ in range(20)]
    for n, octets in enumerate(forged):
        octets[-1 - n] ^= 0x40
    dropped('forged ESP', 'bad-icv', [bare(bytes(f)) for f in forged])
    dropped('forged ESP far ahead', 'bad-icv', [bare(struct.pack('!II', 0x1002, n) + b'-' * 64) for n in (0x7fffffff, 0xffffffff)])
    dropped('sequence number 0', {'too-old', 'replayed', 'bad-icv'}, [bare(struct.pack('!II', 0x1002, 0) + b'-' * 64)])
    again = sealed()
    answered('good ESP', [wan.frame(again)], is_esp)
    dropped('the same again', 'replayed', [wan.frame(again)] * 3)
    dropped('left of the window', 'too-old', [wan.frame(sealed(number=n)) for n in (1, 2, 500)])
    answered('good ESP in UDP', [in_udp(raw(sealed()[ESP]))], is_esp)
    dropped('keepalives', 'nat-keepalive', [in_udp(b'\xff', port=p) for p in (4500, 4000)])
    to_host('UDP port 4500, less than a marker', [in_udp(o) for o in (b'', b'\0', b'\xfe', b'\xff\xff', b'\0\0\0')])
    to_host('UDP port 4500, no IKE behind the marker', [in_udp(b'\0' * n) for n in range(4, 33)])
    m = mark()
    dropped('an inner packet of nobody', 'selector-mismatch', [wan.frame(sealed(net(src=STRANGER, dst=HOST) / UDP() / Raw(m)))], marks=[m])
    dropped('an inner packet to a group', {'selector-mismatch', 'not-for-us'},
            [wan.frame(sealed(net(src=PEER_HOST, dst='224.0.0.5' if V4 else 'ff02::5') / UDP() / Raw(m)))], marks=[m])
    for name, inner in (('cut', raw(net(src=PEER_HOST, dst=HOST) / UDP() / Raw(m + b'-' * 40))[:-20]), ('of no version', b'\xf5' + b'-' * 40)):
        packet = (IP if V4 else IPv6)(raw(net(src=PEER_HOST, dst=HOST))[:HEADER])
        packet.remove_payload()
        dropped(f'an inner packet {name}', {'runt', 'malformed', 'bad-next-header', 'selector-mismatch'}, [wan.frame(sealed_octets(inner))], marks=[m])
    whole = raw(sealed()[ESP])
    pieces = [wan.frame(fragment(7200, at, at + 32 < len(whole), whole[at:at + 32], US, THEM, 50)) for at in range(0, len(whole), 32)]
    answered('good ESP in fragments, the last first', pieces[::-1], is_esp)


def sealed_octets(inner):
    """Octets that are no packet, as ESP of the SA."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    global sequence
    sequence += 1
    pad = -(len(inner) + 2) % 4
    plain = inner + bytes(range(1, pad + 1)) + bytes([pad, 4 if V4 else 41])
    head, iv = struct.pack('!II', 0x1002, sequence), struct.pack('!Q', sequence)
    return net(src=US, dst=THEM, **{'proto' if V4 else 'nh': 50}) / Raw(head + iv + AESGCM(bytes(range(16))).encrypt(bytes(range(16, 20)) + iv, plain, head))


def inside():
    m = mark()
    sent(lan, [lan.frame(net(src=HOST, dst=PEER_HOST) / UDP() / Raw(m))])
    verdict('to the other site, from inside: as ESP alone', within(3, lambda: any(is_esp(Ether(f)) for f in wan.listen())) and not seen(wan, [m]))
    m = mark()
    frames = [lan.frame(net(src=s, dst=d) / UDP() / Raw(m)) for s, d in ((STRANGER, PEER_HOST), (HOST, US))]
    dropped('what no entry matches, from inside', 'no-policy', frames, wire=lan, marks=[m])
    packet = raw(net(src=HOST, dst=PEER_HOST) / UDP() / Raw(m))
    dropped('cut, from inside', 'runt', [lan.frame(Raw(packet[:n]), type=0x800 if V4 else 0x86dd) for n in range(len(packet))], wire=lan, marks=[m])


groups = [ethernet, lengths, protocols, options if V4 else extension_headers, fragments, martians, esp, inside]
tunnel_carries('the start')
for group in groups:
    group()
    tunnel_carries(group.__name__.replace('_', ' '))
print(f'{len(groups)} groups', flush=True)
sys.exit(1 if failed() else 0)
