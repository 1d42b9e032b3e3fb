// SPDX-License-Identifier: Apache-2.0
// The algorithms, one row each. IKE's proposals, the data path's crypto devices and the kernel's XFRM all
// read these tables: a new cipher is a new row. Identifiers are IANA's "Internet Key Exchange Version 2
// (IKEv2) Parameters".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace simplon {

// One enumerator per algorithm; key lengths are rows of it. Whoever chooses by one of these enums switches
// without a default, so that the compiler names every place that a new algorithm needs.
enum class EncrId : std::uint16_t {  // Transform Type 1
  kDes = 2,
  k3Des = 3,
  kNull = 11,
  kAesCbc = 12,
  kAesCtr = 13,
  kAesCcm8 = 14,
  kAesCcm12 = 15,
  kAesCcm16 = 16,
  kAesGcm8 = 18,
  kAesGcm12 = 19,
  kAesGcm16 = 20,
  kNullAesGmac = 21,
  kCamelliaCbc = 23,
  kChaCha20Poly1305 = 28,
  kAesCcm8Iiv = 29,
  kAesGcm16Iiv = 30,
  kChaCha20Poly1305Iiv = 31
};
enum class IntegId : std::uint16_t {  // Transform Type 3
  kMd5_96 = 1,
  kSha1_96 = 2,
  kAesXcbc96 = 5,
  kAesCmac96 = 8,
  kAes128Gmac = 9,
  kAes192Gmac = 10,
  kAes256Gmac = 11,
  kSha256_128 = 12,
  kSha384_192 = 13,
  kSha512_256 = 14
};

// Whether IKE's Key Length attribute goes with the transform. It must not where an algorithm has one length
// only (RFC 7296 §3.3.5).
enum class KeyLength : std::uint8_t { kFixed, kSent };

// Whether it is for today. What RFC 8221 and RFC 8247 say not to use any more stands behind the key
// `legacy: allow`.
enum class Standing : std::uint8_t { kGood, kLegacy };

// Where the IV of a packet comes from.
enum class IvSource : std::uint8_t {
  kNone,      // the cipher takes none
  kSequence,  // the sequence number, which is unique for a key; it stands in the packet
  kImplicit,  // the same, and it does not stand there (RFC 8750)
  kRandom,    // must be unpredictable
};

// Sizes in bytes. An AEAD carries its ICV here and has no Integ. `iv` is what stands in a packet, `block` the
// alignment of the padded payload.
struct Encr {
  std::string_view name;
  EncrId id;
  KeyLength length;
  std::uint8_t key, salt, iv, icv, block;
  std::string_view xfrm;  // the kernel's name; empty: it has none
  std::string_view vici;  // strongSwan's name, which vici clients expect
  Standing standing = Standing::kGood;
  constexpr bool aead() const { return icv != 0; }
  constexpr unsigned key_bits() const { return key * 8u; }
  constexpr unsigned sent_key_bits() const { return length == KeyLength::kSent ? key_bits() : 0; }
  constexpr IvSource iv_source() const {
    if (salt != 0) return iv != 0 ? IvSource::kSequence : IvSource::kImplicit;
    return iv != 0 ? IvSource::kRandom : IvSource::kNone;
  }
  // Two packets with one IV under one key break it.
  constexpr bool counts() const { return salt != 0; }
};

struct Integ {
  std::string_view name;
  IntegId id;
  std::uint8_t key, icv;
  std::string_view xfrm, vici;
  Standing standing = Standing::kGood;
};

inline constexpr std::array kEncrs{
    // RFC 4106
    Encr{"aes128gcm16", EncrId::kAesGcm16, KeyLength::kSent, 16, 4, 8, 16, 4, "rfc4106(gcm(aes))",
         "AES_GCM_16"},
    Encr{"aes192gcm16", EncrId::kAesGcm16, KeyLength::kSent, 24, 4, 8, 16, 4, "rfc4106(gcm(aes))",
         "AES_GCM_16"},
    Encr{"aes256gcm16", EncrId::kAesGcm16, KeyLength::kSent, 32, 4, 8, 16, 4, "rfc4106(gcm(aes))",
         "AES_GCM_16"},
    Encr{"aes128gcm12", EncrId::kAesGcm12, KeyLength::kSent, 16, 4, 8, 12, 4, "rfc4106(gcm(aes))",
         "AES_GCM_12"},
    Encr{"aes192gcm12", EncrId::kAesGcm12, KeyLength::kSent, 24, 4, 8, 12, 4, "rfc4106(gcm(aes))",
         "AES_GCM_12"},
    Encr{"aes256gcm12", EncrId::kAesGcm12, KeyLength::kSent, 32, 4, 8, 12, 4, "rfc4106(gcm(aes))",
         "AES_GCM_12"},
    Encr{"aes128gcm8", EncrId::kAesGcm8, KeyLength::kSent, 16, 4, 8, 8, 4, "rfc4106(gcm(aes))", "AES_GCM_8"},
    Encr{"aes192gcm8", EncrId::kAesGcm8, KeyLength::kSent, 24, 4, 8, 8, 4, "rfc4106(gcm(aes))", "AES_GCM_8"},
    Encr{"aes256gcm8", EncrId::kAesGcm8, KeyLength::kSent, 32, 4, 8, 8, 4, "rfc4106(gcm(aes))", "AES_GCM_8"},
    // RFC 7634
    Encr{"chacha20poly1305", EncrId::kChaCha20Poly1305, KeyLength::kFixed, 32, 4, 8, 16, 4,
         "rfc7539esp(chacha20,poly1305)", "CHACHA20_POLY1305"},
    // RFC 4309
    Encr{"aes128ccm16", EncrId::kAesCcm16, KeyLength::kSent, 16, 3, 8, 16, 4, "rfc4309(ccm(aes))",
         "AES_CCM_16"},
    Encr{"aes192ccm16", EncrId::kAesCcm16, KeyLength::kSent, 24, 3, 8, 16, 4, "rfc4309(ccm(aes))",
         "AES_CCM_16"},
    Encr{"aes256ccm16", EncrId::kAesCcm16, KeyLength::kSent, 32, 3, 8, 16, 4, "rfc4309(ccm(aes))",
         "AES_CCM_16"},
    Encr{"aes128ccm12", EncrId::kAesCcm12, KeyLength::kSent, 16, 3, 8, 12, 4, "rfc4309(ccm(aes))",
         "AES_CCM_12"},
    Encr{"aes192ccm12", EncrId::kAesCcm12, KeyLength::kSent, 24, 3, 8, 12, 4, "rfc4309(ccm(aes))",
         "AES_CCM_12"},
    Encr{"aes256ccm12", EncrId::kAesCcm12, KeyLength::kSent, 32, 3, 8, 12, 4, "rfc4309(ccm(aes))",
         "AES_CCM_12"},
    Encr{"aes128ccm8", EncrId::kAesCcm8, KeyLength::kSent, 16, 3, 8, 8, 4, "rfc4309(ccm(aes))", "AES_CCM_8"},
    Encr{"aes192ccm8", EncrId::kAesCcm8, KeyLength::kSent, 24, 3, 8, 8, 4, "rfc4309(ccm(aes))", "AES_CCM_8"},
    Encr{"aes256ccm8", EncrId::kAesCcm8, KeyLength::kSent, 32, 3, 8, 8, 4, "rfc4309(ccm(aes))", "AES_CCM_8"},
    // RFC 8750. The kernel has none of them.
    Encr{"aes128gcm16iiv", EncrId::kAesGcm16Iiv, KeyLength::kSent, 16, 4, 0, 16, 4, "", "AES_GCM_16_IIV"},
    Encr{"aes192gcm16iiv", EncrId::kAesGcm16Iiv, KeyLength::kSent, 24, 4, 0, 16, 4, "", "AES_GCM_16_IIV"},
    Encr{"aes256gcm16iiv", EncrId::kAesGcm16Iiv, KeyLength::kSent, 32, 4, 0, 16, 4, "", "AES_GCM_16_IIV"},
    Encr{"chacha20poly1305iiv", EncrId::kChaCha20Poly1305Iiv, KeyLength::kFixed, 32, 4, 0, 16, 4, "",
         "CHACHA20_POLY1305_IIV"},
    Encr{"aes128ccm8iiv", EncrId::kAesCcm8Iiv, KeyLength::kSent, 16, 3, 0, 8, 4, "", "AES_CCM_8_IIV"},
    Encr{"aes192ccm8iiv", EncrId::kAesCcm8Iiv, KeyLength::kSent, 24, 3, 0, 8, 4, "", "AES_CCM_8_IIV"},
    Encr{"aes256ccm8iiv", EncrId::kAesCcm8Iiv, KeyLength::kSent, 32, 3, 0, 8, 4, "", "AES_CCM_8_IIV"},
    // RFC 4543: integrity alone.
    Encr{"aes128gmac", EncrId::kNullAesGmac, KeyLength::kSent, 16, 4, 8, 16, 4, "rfc4543(gcm(aes))",
         "NULL_AES_GMAC"},
    Encr{"aes192gmac", EncrId::kNullAesGmac, KeyLength::kSent, 24, 4, 8, 16, 4, "rfc4543(gcm(aes))",
         "NULL_AES_GMAC"},
    Encr{"aes256gmac", EncrId::kNullAesGmac, KeyLength::kSent, 32, 4, 8, 16, 4, "rfc4543(gcm(aes))",
         "NULL_AES_GMAC"},
    // RFC 3602
    Encr{"aes128", EncrId::kAesCbc, KeyLength::kSent, 16, 0, 16, 0, 16, "cbc(aes)", "AES_CBC"},
    Encr{"aes192", EncrId::kAesCbc, KeyLength::kSent, 24, 0, 16, 0, 16, "cbc(aes)", "AES_CBC"},
    Encr{"aes256", EncrId::kAesCbc, KeyLength::kSent, 32, 0, 16, 0, 16, "cbc(aes)", "AES_CBC"},
    // RFC 3686
    Encr{"aes128ctr", EncrId::kAesCtr, KeyLength::kSent, 16, 4, 8, 0, 4, "rfc3686(ctr(aes))", "AES_CTR"},
    Encr{"aes192ctr", EncrId::kAesCtr, KeyLength::kSent, 24, 4, 8, 0, 4, "rfc3686(ctr(aes))", "AES_CTR"},
    Encr{"aes256ctr", EncrId::kAesCtr, KeyLength::kSent, 32, 4, 8, 0, 4, "rfc3686(ctr(aes))", "AES_CTR"},
    // RFC 4312, RFC 5529
    Encr{"camellia128", EncrId::kCamelliaCbc, KeyLength::kSent, 16, 0, 16, 0, 16, "cbc(camellia)",
         "CAMELLIA_CBC"},
    Encr{"camellia192", EncrId::kCamelliaCbc, KeyLength::kSent, 24, 0, 16, 0, 16, "cbc(camellia)",
         "CAMELLIA_CBC"},
    Encr{"camellia256", EncrId::kCamelliaCbc, KeyLength::kSent, 32, 0, 16, 0, 16, "cbc(camellia)",
         "CAMELLIA_CBC"},
    // RFC 2410
    Encr{"null", EncrId::kNull, KeyLength::kFixed, 0, 0, 0, 0, 4, "ecb(cipher_null)", "NULL"},
    // RFC 2451, RFC 2405
    Encr{"3des", EncrId::k3Des, KeyLength::kFixed, 24, 0, 8, 0, 8, "cbc(des3_ede)", "3DES_CBC",
         Standing::kLegacy},
    Encr{"des", EncrId::kDes, KeyLength::kFixed, 8, 0, 8, 0, 8, "cbc(des)", "DES_CBC", Standing::kLegacy},
};

inline constexpr std::array kIntegs{
    // RFC 4868
    Integ{"sha256", IntegId::kSha256_128, 32, 16, "hmac(sha256)", "HMAC_SHA2_256_128"},
    Integ{"sha384", IntegId::kSha384_192, 48, 24, "hmac(sha384)", "HMAC_SHA2_384_192"},
    Integ{"sha512", IntegId::kSha512_256, 64, 32, "hmac(sha512)", "HMAC_SHA2_512_256"},
    Integ{"sha1", IntegId::kSha1_96, 20, 12, "hmac(sha1)", "HMAC_SHA1_96"},                 // RFC 2404
    Integ{"aesxcbc", IntegId::kAesXcbc96, 16, 12, "xcbc(aes)", "AES_XCBC_96"},              // RFC 3566
    Integ{"aescmac", IntegId::kAesCmac96, 16, 12, "cmac(aes)", "AES_CMAC_96"},              // RFC 4494
    Integ{"md5", IntegId::kMd5_96, 16, 12, "hmac(md5)", "HMAC_MD5_96", Standing::kLegacy},  // RFC 2403
};

// Of AH alone (RFC 4543 §4, §9). Each is the cipher of the same name, whose key, salt and ICV it has. The
// kernel has none of them.
inline constexpr std::array kAhGmacs{
    Integ{"aes128gmac", IntegId::kAes128Gmac, 16, 16, "", "AES_128_GMAC"},
    Integ{"aes192gmac", IntegId::kAes192Gmac, 24, 16, "", "AES_192_GMAC"},
    Integ{"aes256gmac", IntegId::kAes256Gmac, 32, 16, "", "AES_256_GMAC"},
};

// By what stands in a transform: `key_bits` is its Key Length attribute, 0 without one.
constexpr const Encr* find_encr(EncrId id, unsigned key_bits) {
  for (const Encr& e : kEncrs)
    if (e.id == id && e.sent_key_bits() == key_bits) return &e;
  return nullptr;
}
constexpr const Encr* find_encr(std::string_view name) {
  for (const Encr& e : kEncrs)
    if (e.name == name) return &e;
  return nullptr;
}
constexpr const Integ* find_integ(IntegId id) {
  for (const Integ& i : kIntegs)
    if (i.id == id) return &i;
  return nullptr;
}
constexpr const Integ* find_integ(std::string_view name) {
  for (const Integ& i : kIntegs)
    if (i.name == name) return &i;
  return nullptr;
}

// The same of AH, which has more of them.
constexpr const Integ* find_ah_integ(IntegId id) {
  for (const Integ& i : kAhGmacs)
    if (i.id == id) return &i;
  return find_integ(id);
}
constexpr const Integ* find_ah_integ(std::string_view name) {
  for (const Integ& i : kAhGmacs)
    if (i.name == name) return &i;
  return find_integ(name);
}

enum class IpsecProtocol : std::uint8_t { kEsp, kAh };  // RFC 4303, RFC 4302

// What protects one SA: an AEAD alone, or a cipher with an integrity algorithm. Of AH, which enciphers
// nothing, the cipher is the row `null`, or GMAC's, an AEAD of nothing. Points into the tables above.
struct EspSuite {
  const Encr* encr = nullptr;
  const Integ* integ = nullptr;  // null when encr is an AEAD

  constexpr bool valid() const { return encr != nullptr && encr->aead() == (integ == nullptr); }
  constexpr unsigned icv() const { return integ ? integ->icv : encr->icv; }
  constexpr unsigned iv() const { return encr->iv; }
  constexpr bool legacy() const {
    return encr->standing == Standing::kLegacy || (integ && integ->standing == Standing::kLegacy);
  }
  // KEYMAT that one direction takes: cipher key, salt, integrity key (RFC 7296 §2.17, RFC 4106 §8.1).
  constexpr unsigned keymat() const { return encr->key + encr->salt + (integ ? integ->key : 0u); }
  friend constexpr bool operator==(const EspSuite&, const EspSuite&) = default;
};

// "aes128gcm16", or a cipher with an integrity algorithm: "aes128-sha256".
inline std::string suite_name(const EspSuite& suite) {
  return std::string(suite.encr->name) + (suite.integ ? "-" + std::string(suite.integ->name) : "");
}
// As it is written for the protocol: of AH the integrity algorithm alone, "sha256".
inline std::string suite_name(const EspSuite& suite, IpsecProtocol protocol) {
  return protocol == IpsecProtocol::kAh && suite.integ ? std::string(suite.integ->name) : suite_name(suite);
}
// AH's suite of this algorithm, one of find_ah_integ(); and back.
constexpr EspSuite ah_suite(const Integ& integ) {
  if (find_integ(integ.id) == nullptr) return {.encr = find_encr(integ.name)};
  return {find_encr("null"), &integ};
}
constexpr const Integ* ah_integ(const EspSuite& suite) {
  return suite.integ != nullptr ? suite.integ : find_ah_integ(suite.encr->name);
}
constexpr std::optional<EspSuite> find_ah_suite(std::string_view name) {
  const Integ* integ = find_ah_integ(name);
  return integ != nullptr ? std::optional(ah_suite(*integ)) : std::nullopt;
}
constexpr std::optional<EspSuite> find_suite(std::string_view name) {
  const std::size_t dash = name.find('-');
  EspSuite suite{.encr = find_encr(name.substr(0, dash))};
  if (dash != std::string_view::npos) suite.integ = find_integ(name.substr(dash + 1));
  const bool known = dash == std::string_view::npos || suite.integ != nullptr;
  return known && suite.valid() ? std::optional(suite) : std::nullopt;
}

}  // namespace simplon
