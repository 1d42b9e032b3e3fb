#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scapy as the other ESP implementation: it opens what Simplon sends and sends what Simplon must accept or refuse.

Runs in the namespace of the peer, on its wire to the gateway. Every case is one line "ok NAME" or "FAILED NAME: why".
The gateway has two manual SAs (see scapy_test.sh): 0x1001 towards us, 0x1002 from us.

  esp_peer.py IFACE SUITE OUTER GATEWAY-MAC
"""
import socket
import struct
import sys
import time

from scapy.all import ICMP, IP, UDP, ESP, Ether, IPv6, Raw, SecurityAssociation, AsyncSniffer, conf, raw, sendp
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

iface, suite, outer, gateway_mac = sys.argv[1:5]
conf.verb = 0
US, THEM = ('198.51.100.2', '198.51.100.1') if outer == '4' else ('2001:db8:ffff::2', '2001:db8:ffff::1')
KEYS = {'gcm': dict(crypt_algo='AES-GCM', crypt_key=bytes(range(20))),
        'cbc': dict(crypt_algo='AES-CBC', crypt_key=bytes(range(16)), auth_algo='SHA2-256-128', auth_key=bytes(range(32, 64)))}
failures = 0
me = open(f'/sys/class/net/{iface}/address').read().strip()


def outer_header(src, dst):
    return IP(src=src, dst=dst, tos=0) if outer == '4' else IPv6(src=src, dst=dst)


def sa(spi, src, dst, **changes):
    return SecurityAssociation(ESP, spi=spi, tunnel_header=outer_header(src, dst), **{**KEYS[suite], **changes})


from_gateway = sa(0x1001, THEM, US)
to_gateway = sa(0x1002, US, THEM)


def verdict(name, good, why=''):
    global failures
    failures += not good
    print(f'ok     {name}' if good else f'FAILED {name}: {why}', flush=True)


def seal(inner, seq, association=to_gateway):
    """The inner packet as ESP from us, with this sequence number."""
    association.seq_num = seq
    return association.encrypt(inner)


def request(seq, version=4):
    if version == 4:
        return IP(src='198.18.2.10', dst='198.18.1.10', ttl=64) / ICMP(id=77, seq=seq) / Raw(b'x' * 40)
    return IPv6(src='2001:db8:b::10', dst='2001:db8:a::10', hlim=64) / ICMPv6EchoRequest(id=77, seq=seq, data=b'x' * 40)


def exchange(packets, wait=2.0, want=1):
    """Sends frames to the gateway; returns the ESP packets it sends meanwhile (stops early at `want`)."""
    kind = IP if outer == '4' else IPv6
    sniffer = AsyncSniffer(iface=iface, lfilter=lambda p: p.haslayer(ESP) and p[kind].src == THEM, count=want, timeout=wait)
    sniffer.start()
    while not getattr(sniffer, 'stop_cb', None):
        time.sleep(0.01)
    time.sleep(0.05)
    for p in packets:
        sendp(Ether(src=me, dst=gateway_mac) / p, iface=iface)
    sniffer.join()
    return [p[kind] for p in sniffer.results or []]


def answered(frame, version=4):
    """The echo reply that comes back through the tunnel for one ESP packet, opened by scapy; none when it is refused."""
    got = exchange([frame])
    if not got:
        return None
    return from_gateway.decrypt(got[0])


def refused(name, frame):
    verdict(name, not exchange([frame], wait=0.7), 'the host behind the gateway answered')


def accepts_and_sends():
    for version in (4, 6):
        reply = answered(seal(request(version, version), 100 + version), version)
        layer = ICMP if version == 4 else ICMPv6EchoReply
        good = reply is not None and reply.haslayer(layer) and reply[layer].seq == version
        verdict(f'IPv{version} echo through the tunnel, opened by scapy', good, repr(reply))
        if good:
            ttl = reply[IP].ttl if version == 4 else reply[IPv6].hlim
            verdict(f'IPv{version} the gateway took one from the TTL', ttl == 63, ttl)


def sequence_numbers_rise():
    got = exchange([seal(request(n), 200 + n) for n in range(5)], want=5)
    numbers = [p[ESP].seq for p in got]
    verdict('sequence numbers rise by one', len(numbers) == 5 and numbers == list(range(numbers[0], numbers[0] + 5)), numbers)
    verdict('the SPI is the one agreed', bool(got) and all(p[ESP].spi == 0x1001 for p in got))


def replays():
    first = seal(request(1), 1000)
    verdict('a fresh number is taken', answered(first) is not None, 'no answer')
    refused('the same packet again (replayed)', first)
    inside = seal(request(2), 1000 - 40)
    verdict('an older number inside the window is taken', answered(inside) is not None, 'no answer')
    refused('the older number again (replayed)', inside)
    refused('left of the window (too old)', seal(request(3), 1000 - 600))
    forged = bytearray(raw(seal(request(4), 900000)))
    forged[-1] ^= 1
    refused('a forged packet far ahead (wrong ICV)', (IP if outer == '4' else IPv6)(bytes(forged)))
    verdict('the forged packet did not move the window', answered(seal(request(5), 1001)) is not None, 'no answer')


def hostile():
    refused('wrong SPI', seal(request(1), 2000, sa(0x7777, US, THEM)))
    for position, what in ((0, 'IV'), (12, 'ciphertext'), (-1, 'ICV')):
        packet = seal(request(1), 2001)
        data = bytearray(packet[ESP].data)
        data[position] ^= 0x80
        packet[ESP].data = bytes(data)
        refused(f'a bit of the {what} flipped', packet)
    refused('inner source outside the selectors',
            seal(IP(src='203.0.113.9', dst='198.18.1.10') / ICMP(id=77, seq=1) / Raw(b'x' * 40), 2002))
    refused('inner destination outside the selectors',
            seal(IP(src='198.18.2.10', dst='203.0.113.9') / ICMP(id=77, seq=1) / Raw(b'x' * 40), 2003))
    refused('bad padding', padded(request(1), 2004, pad=bytes([7, 7, 7, 7]), claim=4))
    refused('pad length beyond the packet', padded(request(1), 2005, pad=b'', claim=255))
    refused('next header that no tunnel carries', padded(request(1), 2006, pad=None, claim=None, next_header=17))
    refused('dummy packet (next header 59)', padded(request(1), 2007, pad=None, claim=None, next_header=59))
    verdict('and a good one after all of them', answered(seal(request(9), 2008)) is not None, 'no answer')


def padded(inner, seq, pad, claim, next_header=4):
    """ESP with a trailer of our own making: scapy's padding is right, so the payload is sealed by hand (GCM or CBC+HMAC)."""
    from cryptography.hazmat.primitives import hashes, hmac
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    body = raw(inner)
    block = 4 if suite == 'gcm' else 16
    if pad is None or (len(body) + len(pad) + 2) % block:
        missing = -(len(body) + 2) % block
        right = bytes(range(1, missing + 1))
        pad = right if pad is None else bytes(7 for _ in range(missing or block))
        claim = len(pad) if claim is None or claim != 255 else claim
    plain = body + pad + bytes([claim, next_header])
    head = struct.pack('!II', 0x1002, seq)
    if suite == 'gcm':
        iv = struct.pack('!Q', seq)
        key = KEYS['gcm']['crypt_key']
        data = iv + AESGCM(key[:16]).encrypt(key[16:] + iv, plain, head)
    else:
        iv = bytes(range(16))
        cipher = Cipher(algorithms.AES(KEYS['cbc']['crypt_key']), modes.CBC(iv)).encryptor()
        data = iv + cipher.update(plain) + cipher.finalize()
        mac = hmac.HMAC(KEYS['cbc']['auth_key'], hashes.SHA256())
        mac.update(head + data)
        data += mac.finalize()[:16]
    packet = outer_header(US, THEM)
    if outer == '4':
        packet.proto = socket.IPPROTO_ESP
    else:
        packet.nh = socket.IPPROTO_ESP
    return packet / Raw(head + data)


accepts_and_sends()
sequence_numbers_rise()
replays()
hostile()
sys.exit(1 if failures else 0)
