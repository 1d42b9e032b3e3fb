#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scapy_test.py PACKET_PEER: every SA that the data path can have, against scapy, byte for byte, in both directions.

Every suite x protocol x mode x family inside and outside x ESN x UDP encapsulation is a row: a packet that Simplon protects is
what scapy makes of it, what scapy protects Simplon opens, and what was changed it does not. packet_peer.cpp is the data path.

All rows are computed by OWN as well, written here from the RFCs over python3-cryptography; what scapy has not (see LACKS) by it alone.
"""
import collections
import struct
import subprocess
import sys
import warnings

warnings.filterwarnings('ignore')
from cryptography.hazmat.primitives import cmac, hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP, SecurityAssociation
from scapy.packet import raw
import scapy

ESP_PROTOCOL, AH_PROTOCOL, UDP_PROTOCOL = 50, 51, 17
Row = collections.namedtuple('Row', 'protocol suite mode inner outer esn udp')
Suite = collections.namedtuple('Suite', 'protocol name key salt iv icv block integ')
Keys = collections.namedtuple('Keys', 'encr salt integ')


class Peer:
    """Orders to packet_peer."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, order):
        self.process.stdin.write(order + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f'FAILED: no answer to "{order[:80]}"')
        return answer

    def suites(self):
        lines = [self.ask('suites')]
        while lines[-1] != '.':
            lines.append(self.process.stdout.readline().strip())
        return [Suite(f[0], f[1], *map(int, f[2:])) for f in map(str.split, lines[:-1])]

    def packet(self, order, packet):
        answer = self.ask(f'{order} {packet.hex()}')
        return None if answer == 'none' else bytes.fromhex(answer)


# --- OWN: RFC 4303, RFC 4302, RFC 3948, and the algorithms

def ones_complement(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_checksum(ip, udp):
    """Of a segment behind this IP header."""
    if ip[0] >> 4 == 4:
        pseudo = ip[12:20] + struct.pack('!BBH', 0, UDP_PROTOCOL, len(udp))
    else:
        pseudo = ip[8:40] + struct.pack('!IxxxB', len(udp), UDP_PROTOCOL)
    return ones_complement(pseudo + udp[:6] + b'\0\0' + udp[8:]) or 0xffff


def ip_header(version, protocol, source, destination, length, tos, ttl=64, ident=0, df=True):
    """`length`: of what follows it."""
    if version == 6:
        return struct.pack('!IHBB', 6 << 28 | tos << 20, length, protocol, ttl) + source + destination
    fields = [0x45, tos, 20 + length, ident, 0x4000 if df else 0, ttl, protocol, 0, source, destination]
    fields[7] = ones_complement(struct.pack('!BBHHHBBH4s4s', *fields))
    return struct.pack('!BBHHHBBH4s4s', *fields)


def xcbc(key, data):
    """RFC 3566."""
    def aes(k, block):
        encryptor = Cipher(algorithms.AES(k), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    def xor(a, b):
        return bytes(x ^ y for x, y in zip(a, b))

    k1, k2, k3 = (aes(key, bytes([n]) * 16) for n in (1, 2, 3))
    whole = data and len(data) % 16 == 0
    if not whole:
        data += b'\x80' + b'\0' * (-(len(data) + 1) % 16)
    last = xor(data[-16:], k2 if whole else k3)
    encryptor = Cipher(algorithms.AES(k1), modes.CBC(b'\0' * 16)).encryptor()
    return encryptor.update(data[:-16] + last)[-16:]


def mac(name, key, data):
    if name == 'aesxcbc':
        return xcbc(key, data)[:12]
    if name == 'aescmac':
        whole = cmac.CMAC(algorithms.AES(key))
        whole.update(data)
        return whole.finalize()[:12]
    kind, length = {'md5': (hashes.MD5, 12), 'sha1': (hashes.SHA1, 12), 'sha256': (hashes.SHA256, 16),
                    'sha384': (hashes.SHA384, 24), 'sha512': (hashes.SHA512, 32)}[name]
    whole = hmac.HMAC(key, kind())
    whole.update(data)
    return whole.finalize()[:length]


def aead(suite, keys, nonce, aad, plain):
    if suite.name.startswith('chacha'):
        return ChaCha20Poly1305(keys.encr).encrypt(nonce, plain, aad)
    if 'ccm' in suite.name:
        return AESCCM(keys.encr, tag_length=suite.icv).encrypt(nonce, plain, aad)
    sealed = AESGCM(keys.encr).encrypt(nonce, plain, aad)
    return sealed[:len(sealed) - 16 + suite.icv]


def encipher(name, keys, iv, plain):
    if name == 'null':
        return plain
    if name.endswith('ctr'):
        cipher = Cipher(algorithms.AES(keys.encr), modes.CTR(keys.salt + iv + b'\0\0\0\1'))
    elif name in ('des', '3des'):  # one key is three times the same
        cipher = Cipher(algorithms.TripleDES(keys.encr if name == '3des' else keys.encr * 3), modes.CBC(iv))
    else:
        cipher = Cipher(algorithms.AES(keys.encr), modes.CBC(iv))
    encryptor = cipher.encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def own_esp(suite, keys, esn, spi, seq, iv, payload, next_header):
    """From SPI to ICV."""
    pad = -(len(payload) + 2) % suite.block
    plain = payload + bytes(range(1, pad + 1)) + bytes([pad, next_header])
    low, high = struct.pack('!I', seq & 0xffffffff), struct.pack('!I', seq >> 32)
    head = struct.pack('!I', spi) + low
    if suite.integ:
        cipher, integ = suite.name.split('-')
        body = head + iv + encipher(cipher, keys, iv, plain)
        return body + mac(integ, keys.integ, body + (high if esn else b''))
    aad = head[:4] + (high if esn else b'') + low
    nonce = keys.salt + (iv or struct.pack('!Q', seq))  # RFC 8750: the number
    if suite.name.endswith('gmac'):  # RFC 4543 section 3.3
        return head + iv + plain + aead(suite, keys, nonce, aad + iv + plain, b'')
    return head + iv + aead(suite, keys, nonce, aad, plain)


def own_ah(suite, keys, esn, spi, seq, iv, header, payload, next_header):
    """The whole packet, `header` being complete but for its length and protocol (RFC 4302 section 3.3.3)."""
    v4 = header[0] >> 4 == 4
    field = suite.iv + suite.icv
    room = (12 + field + (3 if v4 else 7)) // (4 if v4 else 8) * (4 if v4 else 8) - 12
    ah = struct.pack('!BBHII', next_header, (12 + room) // 4 - 2, 0, spi, seq & 0xffffffff)
    if v4:
        masked = header[:1] + b'\0' + header[2:6] + b'\0\0\0' + header[9:10] + b'\0\0' + header[12:]
    else:
        masked = b'\x60\0\0\0' + header[4:7] + b'\0' + header[8:]
    whole = masked + ah + b'\0' * room + payload + (struct.pack('!I', seq >> 32) if esn else b'')
    if suite.name.endswith('gmac'):  # RFC 4543 section 4
        icv = iv + AESGCM(keys.encr).encrypt(keys.salt + iv, b'', whole)
    else:
        icv = mac(suite.name, keys.integ, whole)
    return header + ah + icv + b'\0' * (room - field) + payload


def own(row, suite, keys, spi, seq, iv, inner, outer, ident):
    """`inner`, protected; `outer`: (source, destination)."""
    inner_v4 = inner[0] >> 4 == 4
    tos = inner[1] if inner_v4 else struct.unpack('!I', inner[:4])[0] >> 20 & 0xff
    if row.mode == 'tunnel':
        payload, next_header, ttl, df = inner, 4 if inner_v4 else 41, 64, True
    else:
        size = 20 if inner_v4 else 40
        payload, next_header, ttl = inner[size:], inner[9 if inner_v4 else 6], inner[8 if inner_v4 else 7]
        df = inner_v4 and bool(inner[6] & 0x40)
        ident = struct.unpack('!H', inner[4:6])[0] if inner_v4 else 0
    version = 4 if row.outer == '4' else 6

    def header(protocol, length):
        return ip_header(version, protocol, *outer, length, tos, ttl, ident, df)

    if row.protocol == 'ah':
        align = 4 if version == 4 else 8
        length = (12 + suite.iv + suite.icv + align - 1) // align * align
        return own_ah(suite, keys, row.esn, spi, seq, iv, header(AH_PROTOCOL, length + len(payload)), payload, next_header)
    esp = own_esp(suite, keys, row.esn, spi, seq, iv, payload, next_header)
    if not row.udp:
        return header(ESP_PROTOCOL, len(esp)) + esp
    udp = struct.pack('!HHHH', 4500, 4500, 8 + len(esp), 0) + esp
    before = header(UDP_PROTOCOL, len(udp))
    if version == 6:
        udp = udp[:6] + struct.pack('!H', udp_checksum(before, udp)) + udp[8:]
    return before + udp


# --- scapy

LACKS = [
    ('AES-GMAC', lambda row: row.suite.endswith('gmac')),
    ('AES-XCBC-96', lambda row: row.suite.endswith('aesxcbc')),
    ('implicit IVs (RFC 8750)', lambda row: row.suite.endswith('iiv')),
    ('AES-GCM with ICVs of 8 and 12 octets', lambda row: 'gcm8' in row.suite or 'gcm12' in row.suite),
    ('ESN of ESP with an integrity algorithm: the high half is not authenticated',
     lambda row: row.protocol == 'esp' and row.esn and '-' in row.suite),
]
CIPHERS = {'null': 'NULL', 'des': 'DES', '3des': '3DES'}
MACS = {'md5': 'HMAC-MD5-96', 'sha1': 'HMAC-SHA1-96', 'sha256': 'SHA2-256-128', 'sha384': 'SHA2-384-192',
        'sha512': 'SHA2-512-256', 'aescmac': 'AES-CMAC-96'}


def scapy_lack(row):
    return next((what for what, lacks in LACKS if lacks(row)), None)


def scapy_sa(row, suite, keys, spi, high, header):
    more = {}
    if row.protocol == 'ah':
        more.update(auth_algo=MACS[suite.name], auth_key=keys.integ)
    else:
        cipher, _, integ = suite.name.partition('-')
        kinds = {'gcm': 'AES-GCM', 'ccm': 'AES-CCM', 'ctr': 'AES-CTR'}
        more.update(crypt_algo=CIPHERS.get(cipher) or ('CHACHA20-POLY1305' if cipher.startswith('chacha') else
                                                       next((v for k, v in kinds.items() if k in cipher), 'AES-CBC')),
                    crypt_key=keys.encr + keys.salt)
        if 'ccm' in cipher:
            more['crypt_icv_size'] = suite.icv
        if integ:
            more.update(auth_algo=MACS[integ], auth_key=keys.integ)
    if row.udp:
        more['nat_t_header'] = UDP(sport=4500, dport=4500)
    return SecurityAssociation(AH if row.protocol == 'ah' else ESP, spi=spi, tunnel_header=header, esn_en=row.esn,
                               esn=high if row.esn else 0, **more)


def parsed(packet):
    return (IP if packet[0] >> 4 == 4 else IPv6)(packet)


def by_scapy(row, suite, keys, spi, seq, iv, inner, ident, outer):
    header = None
    if row.mode == 'tunnel':
        tos = inner[1] if inner[0] >> 4 == 4 else struct.unpack('!I', inner[:4])[0] >> 20 & 0xff
        header = IP(src=outer[0], dst=outer[1], tos=tos, flags='DF', id=ident) if row.outer == '4' else \
            IPv6(src=outer[0], dst=outer[1], tc=tos)
    sa = scapy_sa(row, suite, keys, spi, seq >> 32, header)
    more = {} if row.protocol == 'ah' else {'iv': iv}
    out = raw(sa.encrypt(parsed(inner), seq_num=seq & 0xffffffff, **more))
    return sa, (with_udp_fields(out) if row.udp else out)


def with_udp_fields(packet):
    """Over IPv4 it counts UDP's own header alone; over IPv6 it writes no checksum, which must be there (RFC 8200 section 8.1)."""
    at = 20 if packet[0] >> 4 == 4 else 40
    udp = packet[at:at + 4] + struct.pack('!H', len(packet) - at) + packet[at + 6:]
    if at == 40:
        udp = udp[:6] + struct.pack('!H', udp_checksum(packet[:at], udp)) + udp[8:]
    return packet[:at] + udp


# --- rows

NAMES = {'4': ('198.18.1.10', '198.18.2.10'), '6': ('2001:db8:a::10', '2001:db8:b::10')}
ENDS = {'4': ('198.51.100.1', '198.51.100.2'), '6': ('2001:db8:ffff::1', '2001:db8:ffff::2')}


def octets(address):
    import socket
    return socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)


def clear(ends, size, ttl, tos):
    """A UDP packet between them."""
    source, destination = map(octets, ends)
    udp = struct.pack('!HHHH', 1000, 2000, 8 + size, 0) + bytes(n * 7 & 0xff for n in range(size))
    header = ip_header(4 if len(source) == 4 else 6, UDP_PROTOCOL, source, destination, len(udp), tos, ttl, 0x1234, False)
    return header + udp[:6] + struct.pack('!H', udp_checksum(header, udp)) + udp[8:]


def rows_of(suite):
    for mode in ('tunnel', 'transport'):
        for inner in '46':
            for outer in '46':
                if mode == 'transport' and inner != outer:
                    continue
                for esn in (False, True):
                    for udp in (False, True)[:1 if suite.protocol == 'ah' else 2]:
                        yield Row(suite.protocol, suite.name, mode, inner, outer, esn, udp)


class Mismatch(Exception):
    pass


def same(what, got, want):
    if got != want:
        raise Mismatch(f'{what}:\n  got  {got.hex() if got is not None else None}\n  want {want.hex() if want is not None else None}')


def check(peer, row, suite, number, lack):
    answer = peer.ask('sa {} {} {} {} {} {} {}'.format(row.protocol, row.suite, row.mode, row.inner, row.outer,
                                                       'esn' if row.esn else '-', 'udp' if row.udp else '-'))
    fields = [b'' if f == '-' else bytes.fromhex(f) for f in answer.split()]
    keys, first = Keys(*fields[:3]), struct.unpack('!Q', fields[3])[0]
    spi = 0x1000 + number
    tunnel = row.mode == 'tunnel'
    ends = NAMES[row.inner] if tunnel else ENDS[row.outer]
    outer = tuple(map(octets, ENDS[row.outer]))
    hop = 1 if tunnel else 0
    front = (20 if row.outer == '4' else 40) + (8 if row.udp else 0) + (12 if row.protocol == 'ah' else 8)
    for n, size in enumerate(((number * 7) % 67, 600 + number % 83)):
        tos = (number % 64) << 2 | n
        seq = first + n
        # Out: Simplon protects.
        inner = clear(ends, size, 64 - hop, tos)
        sealed = peer.packet('seal', clear(ends, size, 64, tos))
        if sealed is None:
            raise Mismatch('the packet was not protected')
        iv = sealed[front:front + suite.iv]
        if suite.salt and suite.iv:
            same('the IV counts', iv, struct.pack('!Q', seq))
        ident = struct.unpack('!H', sealed[4:6])[0] if row.outer == '4' else 0
        if tunnel and row.outer == '4' and row.protocol == 'esp':
            same('no identification with DF', sealed[4:6], b'\0\0')
        same('what Simplon sends, by OWN', sealed, own(row, suite, keys, spi, seq, iv, inner, outer, ident))
        if lack is None:
            sa, made = by_scapy(row, suite, keys, spi, seq, iv, inner, ident, ENDS[row.outer])
            same('what Simplon sends, by scapy', sealed, made)
            if not (row.udp and row.mode == 'transport' and row.outer == '6'):  # there it leaves the UDP header
                same('what scapy makes of it', raw(sa.decrypt(parsed(sealed))), inner)
        # In: another packet, protected there.
        inner = clear(ends, size + 1, 64, tos)
        iv = struct.pack('!Q', seq) if suite.salt and suite.iv else bytes(range(n + 1, n + 1 + suite.iv))
        if lack is None:
            _, sealed = by_scapy(row, suite, keys, spi, seq, iv, inner, 0x4321, ENDS[row.outer])
        else:
            sealed = own(row, suite, keys, spi, seq, iv, inner, outer, 0x4321)
        forged = bytearray(sealed)
        forged[-1 - number % suite.icv if row.protocol == 'esp' else -1] ^= 1 << number % 8
        forged = with_udp_fields(bytes(forged)) if row.udp else bytes(forged)
        same('one bit is another', peer.packet('open', forged), None)
        same('what Simplon opens', peer.packet('open', sealed), clear(ends, size + 1, 64 - hop, tos))



def main():
    peer = Peer(sys.argv[1])
    suites = peer.suites()
    number, failed, by = 0, 0, collections.Counter()
    for suite in suites:
        for row in rows_of(suite):
            number += 1
            lack = scapy_lack(row)
            try:
                check(peer, row, suite, number, lack)
                by[lack] += 1
            except Mismatch as why:
                failed += 1
                if failed <= 5:
                    print('FAILED', ' '.join(map(str, row)), why)
    by_scapy_too = by.pop(None, 0)
    print(f'{number} rows of {len(suites)} suites, {failed} differ; scapy {getattr(scapy, "__version__", "")}')
    print(f'  {by_scapy_too} by scapy and by OWN (python3-cryptography)')
    print(f'  {sum(by.values())} by OWN alone, since scapy has no')
    for what, count in by.most_common():
        print(f'    {count:5} {what}')
    print('  UDP has its length (IPv4) and its checksum (IPv6) from OWN, where scapy has neither, and what travels so in')
    print('  transport mode over IPv6 scapy protects, but does not open: it leaves the UDP header')
    missing = [what for what, _ in LACKS if not by[what]]
    if failed or number < 2000 or by_scapy_too < 900 or missing:
        sys.exit(f'FAILED: {failed} rows differ' + (f'; never met: {missing}' if missing else ''))


main()
