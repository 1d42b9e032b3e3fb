#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes vectors.h: what IKE keys, AUTH and sealed messages have to be, worked out from the text of RFC 7296 and
RFC 5282 with Python's hmac and cryptography instead of the code under test.  vectors.py > vectors.h"""
import hashlib
import hmac
import struct
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITES = [  # IKE proposal, ESP proposal, PRF hash, its bytes, SK_e with salt, SK_a, ICV
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16", "sha256", 32, 20, 0, 16),
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16", "sha384", 48, 36, 0, 16),
    ("aes128-sha256-prfsha256-ecp256", "aes128-sha256", "sha256", 32, 16, 32, 16),
    ("aes256-sha512-prfsha512-modp2048", "aes256-sha512", "sha512", 64, 32, 64, 32),
]
ESP = {"aes128gcm16": (16, 4, 0), "aes256gcm16": (32, 4, 0), "aes128-sha256": (16, 0, 32), "aes256-sha512": (32, 0, 64)}
NI, NR = bytes(range(32)), bytes(range(100, 140))
SHARED, NEW_SHARED = bytes(range(64, 96)), bytes(range(200, 232))
SPI_I, SPI_R = 0x0102030405060708, 0x1112131415161718
PSK, MESSAGE, ID = b"a shared secret", bytes(range(255)), b"\x02\0\0\0a.example"
HEADER = struct.pack("!QQBBBBII", SPI_I, SPI_R, 46, 0x20, 37, 0x08, 5, 0)
NONCE = struct.pack("!BBH", 0, 0, 4 + 20) + bytes(range(20))  # one payload: Ni


def prf(h, key, data):
    return hmac.new(key, data, h).digest()


def prf_plus(h, key, seed, n):  # 2.13: T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2), ...
    out, t, i = b"", b"", 1
    while len(out) < n:
        t = prf(h, key, t + seed + bytes([i]))
        out, i = out + t, i + 1
    return out[:n]


def cut(data, *sizes):
    out = []
    for n in sizes:
        out.append(data[:n])
        data = data[n:]
    return out


def seal(name, encr, integ, icv):
    gcm = "gcm" in name
    iv = bytes(range(8 if gcm else 16))
    text = NONCE + b"\0" if gcm else NONCE + bytes(7) + b"\x07"  # 24 + 1; or padded to 32
    length = len(HEADER) + 4 + len(iv) + len(text) + icv
    head = HEADER[:24] + struct.pack("!I", length) + struct.pack("!BBH", 40, 0, length - len(HEADER))
    if gcm:  # RFC 5282: the salt is the key's last four octets; all before the IV is authenticated
        return head + iv + AESGCM(encr[:-4]).encrypt(encr[-4:] + iv, text, head)
    c = Cipher(algorithms.AES(encr), modes.CBC(iv)).encryptor()
    whole = head + iv + c.update(text) + c.finalize()
    return whole + prf("sha%d" % (len(integ) * 8), integ, whole)[:icv]


def vector(ike, esp, h, p, e, a, icv):
    spis = struct.pack("!QQ", SPI_I, SPI_R)
    keys = prf_plus(h, prf(h, NI + NR, SHARED), NI + NR + spis, 3 * p + 2 * a + 2 * e)
    d, ai, ar, ei, er, pi, pr = cut(keys, p, a, a, e, e, p, p)
    rekeyed = prf_plus(h, prf(h, d, NEW_SHARED + NI + NR), NI + NR + spis, len(keys))  # 2.18
    k, s, i = ESP[esp]
    child = prf_plus(h, d, NI + NR, 2 * (k + s + i))  # 2.17, without PFS
    pfs = prf_plus(h, d, NEW_SHARED + NI + NR, 2 * (k + s + i))
    pad = prf(h, PSK, b"Key Pad for IKEv2")  # 2.15
    return ('{"%s", "%s"' % (ike, esp), keys, rekeyed, child, pfs, prf(h, pad, MESSAGE + NR + prf(h, pi, ID)),
            prf(h, pad, MESSAGE + NI + prf(h, pr, ID)), seal(ike, ei, ai, icv))


print("// Written by vectors.py, from which the inputs are to be read.\n#pragma once\n")
print("namespace simplon::ike::test {\n")
print("struct KeyVector {\n  const char *ike, *esp, *keys, *rekeyed, *child, *pfs, *auth_i, *auth_r, *sealed;\n};")
print("inline constexpr KeyVector kKeyVectors[] = {")
for suite in SUITES:
    first, *rest = vector(*suite)
    print(first + ", " + ", ".join('"%s"' % r.hex() for r in rest) + "},")
print("};")
for name, port, address in ("4", 500, bytes([192, 0, 2, 1])), ("6", 4500, bytes.fromhex("20010db8") + bytes(11) + b"\1"):
    digest = hashlib.sha1(struct.pack("!QQ", SPI_I, SPI_R) + address + struct.pack("!H", port)).hexdigest()
    print('inline constexpr const char* kNatHash%s = "%s";' % (name, digest))
print("\n}  // namespace simplon::ike::test")
