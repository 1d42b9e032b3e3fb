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
enum class EncrId : std::uint16_t { kAesCbc = 12, kAesGcm16 = 20 };                           // Type 1
enum class IntegId : std::uint16_t { kSha256_128 = 12, kSha384_192 = 13, kSha512_256 = 14 };  // Type 3

// Whether IKE's Key Length attribute goes with the transform. It must not where an algorithm has one length
// only (RFC 7296 §3.3.5).
enum class KeyLength : std::uint8_t { kFixed, kSent };

// Sizes in bytes. An AEAD carries its ICV here and has no Integ. `block` is the alignment of the padded
// payload.
struct Encr {
  std::string_view name;
  EncrId id;
  KeyLength length;
  std::uint8_t key, salt, iv, icv, block;
  std::string_view xfrm;  // the kernel's name
  std::string_view vici;  // strongSwan's name, which vici clients expect
  constexpr bool aead() const { return icv != 0; }
  constexpr unsigned key_bits() const { return key * 8u; }
  constexpr unsigned sent_key_bits() const { return length == KeyLength::kSent ? key_bits() : 0; }
};

struct Integ {
  std::string_view name;
  IntegId id;
  std::uint8_t key, icv;
  std::string_view xfrm, vici;
};

inline constexpr std::array kEncrs{
    Encr{"aes128gcm16", EncrId::kAesGcm16, KeyLength::kSent, 16, 4, 8, 16, 4, "rfc4106(gcm(aes))",
         "AES_GCM_16"},
    Encr{"aes192gcm16", EncrId::kAesGcm16, KeyLength::kSent, 24, 4, 8, 16, 4, "rfc4106(gcm(aes))",
         "AES_GCM_16"},
    Encr{"aes256gcm16", EncrId::kAesGcm16, KeyLength::kSent, 32, 4, 8, 16, 4, "rfc4106(gcm(aes))",
         "AES_GCM_16"},
    Encr{"aes128", EncrId::kAesCbc, KeyLength::kSent, 16, 0, 16, 0, 16, "cbc(aes)", "AES_CBC"},  // RFC 3602
    Encr{"aes192", EncrId::kAesCbc, KeyLength::kSent, 24, 0, 16, 0, 16, "cbc(aes)", "AES_CBC"},
    Encr{"aes256", EncrId::kAesCbc, KeyLength::kSent, 32, 0, 16, 0, 16, "cbc(aes)", "AES_CBC"},
};

inline constexpr std::array kIntegs{
    Integ{"sha256", IntegId::kSha256_128, 32, 16, "hmac(sha256)", "HMAC_SHA2_256_128"},  // RFC 4868
    Integ{"sha384", IntegId::kSha384_192, 48, 24, "hmac(sha384)", "HMAC_SHA2_384_192"},
    Integ{"sha512", IntegId::kSha512_256, 64, 32, "hmac(sha512)", "HMAC_SHA2_512_256"},
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

// What protects one ESP SA: an AEAD alone, or a cipher with an integrity algorithm. Points into the tables
// above.
struct EspSuite {
  const Encr* encr = nullptr;
  const Integ* integ = nullptr;  // null when encr is an AEAD

  constexpr bool valid() const { return encr != nullptr && encr->aead() == (integ == nullptr); }
  constexpr unsigned icv() const { return integ ? integ->icv : encr->icv; }
  constexpr unsigned iv() const { return encr->iv; }
  // KEYMAT that one direction takes: cipher key, salt, integrity key (RFC 7296 §2.17, RFC 4106 §8.1).
  constexpr unsigned keymat() const { return encr->key + encr->salt + (integ ? integ->key : 0u); }
  friend constexpr bool operator==(const EspSuite&, const EspSuite&) = default;
};

// "aes128gcm16", or a cipher with an integrity algorithm: "aes128-sha256".
inline std::string suite_name(const EspSuite& suite) {
  return std::string(suite.encr->name) + (suite.integ ? "-" + std::string(suite.integ->name) : "");
}
constexpr std::optional<EspSuite> find_suite(std::string_view name) {
  const std::size_t dash = name.find('-');
  EspSuite suite{.encr = find_encr(name.substr(0, dash))};
  if (dash != std::string_view::npos) suite.integ = find_integ(name.substr(dash + 1));
  const bool known = dash == std::string_view::npos || suite.integ != nullptr;
  return known && suite.valid() ? std::optional(suite) : std::nullopt;
}

}  // namespace simplon
