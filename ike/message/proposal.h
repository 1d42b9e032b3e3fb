// SPDX-License-Identifier: Apache-2.0
// Proposals: what the configuration allows, what a peer offers, and what is chosen (RFC 7296 §2.7, §3.3).
//
// In text a proposal is what swanctl.conf writes: "aes128gcm16-prfsha256-x25519", "aes256-sha256-modp2048",
// and for ESP "aes128gcm16-x25519" (with PFS), "aes128gcm16" (without) or "aes128gcm16-x25519-none" (either);
// AH has integrity algorithms alone: "sha256-x25519", "aes128gmac".
// Several of one kind are alternatives within one proposal.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "dp/base/suite.h"
#include "ike/message/transform.h"

namespace simplon::ike {

enum class PrfId : std::uint16_t {
  kMd5 = 1,
  kSha1 = 2,
  kAesXcbc = 4,
  kSha256 = 5,
  kSha384 = 6,
  kSha512 = 7,
  kAesCmac = 8
};  // Type 2
enum class DhGroup : std::uint16_t {
  kNone = 0,
  kModp2048 = 14,
  kEcp256 = 19,
  kEcp384 = 20,
  kX25519 = 31
};  // Type 4
enum class ProtocolId : std::uint8_t { kNone = 0, kIke = 1, kAh = 2, kEsp = 3 };
constexpr ProtocolId protocol_id(IpsecProtocol protocol) {
  return protocol == IpsecProtocol::kAh ? ProtocolId::kAh : ProtocolId::kEsp;
}
// None: it is not of a child.
constexpr std::optional<IpsecProtocol> ipsec_protocol(ProtocolId id) {
  if (id == ProtocolId::kEsp) return IpsecProtocol::kEsp;
  return id == ProtocolId::kAh ? std::optional(IpsecProtocol::kAh) : std::nullopt;
}
enum class EsnId : std::uint16_t { kOff = 0, kOn = 1 };  // Type 5

struct Prf {
  std::string_view name;  // "prfsha256"
  PrfId id;
  std::uint8_t bytes;     // of what it gives
  std::string_view vici;  // strongSwan's name, which vici clients expect
  Standing standing = Standing::kGood;
};
inline constexpr std::array kPrfs{Prf{"prfsha256", PrfId::kSha256, 32, "PRF_HMAC_SHA2_256"},
                                  Prf{"prfsha384", PrfId::kSha384, 48, "PRF_HMAC_SHA2_384"},
                                  Prf{"prfsha512", PrfId::kSha512, 64, "PRF_HMAC_SHA2_512"},
                                  Prf{"prfsha1", PrfId::kSha1, 20, "PRF_HMAC_SHA1"},
                                  Prf{"prfaesxcbc", PrfId::kAesXcbc, 16, "PRF_AES128_XCBC"},
                                  Prf{"prfaescmac", PrfId::kAesCmac, 16, "PRF_AES128_CMAC"},
                                  Prf{"prfmd5", PrfId::kMd5, 16, "PRF_HMAC_MD5", Standing::kLegacy}};

// Whether it can protect IKE's own messages.
constexpr bool serves_ike(EncrId id) {
  switch (id) {
    case EncrId::k3Des:
    case EncrId::kAesCbc:
    case EncrId::kAesCtr:
    case EncrId::kAesCcm8:
    case EncrId::kAesCcm12:
    case EncrId::kAesCcm16:
    case EncrId::kAesGcm8:
    case EncrId::kAesGcm12:
    case EncrId::kAesGcm16:
    case EncrId::kCamelliaCbc:
    case EncrId::kChaCha20Poly1305:
      return true;
    case EncrId::kDes:          // OpenSSL has it no more
    case EncrId::kNull:         // RFC 7296 §3.3.2
    case EncrId::kNullAesGmac:  // RFC 4543 §6
    case EncrId::kAesCcm8Iiv:   // RFC 8750 §5: there is no sequence number
    case EncrId::kAesGcm16Iiv:
    case EncrId::kChaCha20Poly1305Iiv:
      return false;
  }
  return false;
}

struct Group {
  std::string_view name;
  DhGroup id;
  std::uint16_t public_bytes;  // of the KE payload's data
  std::string_view vici;
};
inline constexpr std::array kGroups{
    Group{"modp2048", DhGroup::kModp2048, 256, "MODP_2048"}, Group{"ecp256", DhGroup::kEcp256, 64, "ECP_256"},
    Group{"ecp384", DhGroup::kEcp384, 96, "ECP_384"}, Group{"x25519", DhGroup::kX25519, 32, "CURVE_25519"}};

inline constexpr std::string_view kNoGroup = "none";  // kNone as an alternative to groups

// Null: none of ours.
const Prf* find_prf(PrfId id);
const Group* find_group(DhGroup id);
std::size_t public_bytes(DhGroup group);  // zero: a group that is not ours

// Alternatives of each transform type, best first. Pointers and ids into the tables.
struct Proposal {
  ProtocolId protocol = ProtocolId::kIke;
  std::uint8_t number = 1;
  Buffer spi;                        // ESP, AH: 4 bytes; IKE rekey: 8; else empty
  std::vector<const Encr*> encrs;    // not AH
  std::vector<const Integ*> integs;  // empty with AEADs
  std::vector<PrfId> prfs;           // IKE only
  std::vector<DhGroup> groups;       // ESP, AH: empty or kNone means no PFS
  std::vector<EsnId> esns;           // ESP, AH
  std::vector<Transform> unknown;    // ciphers and integrity algorithms of a peer that are not in the tables

  static Result<Proposal> parse(std::string_view text, ProtocolId protocol);
  std::string text() const;
  EspSuite suite() const;                                              // of a chosen one: the first of each
  bool esn() const { return !esns.empty() && esns[0] == EsnId::kOn; }  // of a chosen one
  // The algorithms that are for old peers alone; empty: there are none.
  std::string legacy() const;
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

}  // namespace simplon::ike
