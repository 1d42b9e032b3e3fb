// The algorithms, one row each. IKE's proposals, the data path's crypto devices and the kernel's XFRM all
// read these tables: a new cipher is a new row. Identifiers are IANA's "Internet Key Exchange Version 2
// (IKEv2) Parameters".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace simplon {

enum class EncrId : std::uint16_t { kAesCbc = 12, kAesGcm16 = 20 };  // Transform Type 1
enum class IntegId : std::uint16_t {
  kNone = 0,
  kSha256_128 = 12,
  kSha384_192 = 13,
  kSha512_256 = 14
};  // Type 3

// Sizes in bytes. An AEAD carries its ICV here and has no Integ. `block` is the alignment of the padded
// payload.
struct Encr {
  std::string_view name;
  EncrId id;
  std::uint8_t key, salt, iv, icv, block;
  std::string_view xfrm;  // the kernel's name
  constexpr bool aead() const { return icv != 0; }
};

struct Integ {
  std::string_view name;
  IntegId id;
  std::uint8_t key, icv;
  std::string_view xfrm;
};

inline constexpr std::array kEncrs{
    Encr{"aes128gcm16", EncrId::kAesGcm16, 16, 4, 8, 16, 4, "rfc4106(gcm(aes))"},  // RFC 4106
    Encr{"aes192gcm16", EncrId::kAesGcm16, 24, 4, 8, 16, 4, "rfc4106(gcm(aes))"},
    Encr{"aes256gcm16", EncrId::kAesGcm16, 32, 4, 8, 16, 4, "rfc4106(gcm(aes))"},
    Encr{"aes128", EncrId::kAesCbc, 16, 0, 16, 0, 16, "cbc(aes)"},  // RFC 3602
    Encr{"aes192", EncrId::kAesCbc, 24, 0, 16, 0, 16, "cbc(aes)"},
    Encr{"aes256", EncrId::kAesCbc, 32, 0, 16, 0, 16, "cbc(aes)"},
};

inline constexpr std::array kIntegs{
    Integ{"sha256", IntegId::kSha256_128, 32, 16, "hmac(sha256)"},  // RFC 4868
    Integ{"sha384", IntegId::kSha384_192, 48, 24, "hmac(sha384)"},
    Integ{"sha512", IntegId::kSha512_256, 64, 32, "hmac(sha512)"},
};

constexpr const Encr* find_encr(EncrId id, unsigned key_bytes) {
  for (const Encr& e : kEncrs)
    if (e.id == id && e.key == key_bytes) return &e;
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

}  // namespace simplon
