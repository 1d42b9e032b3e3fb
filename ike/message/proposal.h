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
  kModp1024 = 2,
  kModp1536 = 5,
  kModp2048 = 14,
  kModp3072 = 15,
  kModp4096 = 16,
  kModp6144 = 17,
  kModp8192 = 18,
  kEcp256 = 19,
  kEcp384 = 20,
  kEcp521 = 21,
  kEcp256Bp = 28,
  kEcp384Bp = 29,
  kEcp512Bp = 30,
  kX25519 = 31,
  kX448 = 32
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
  Standing standing = Standing::kGood;
};
inline constexpr std::array kGroups{
    Group{"modp2048", DhGroup::kModp2048, 256, "MODP_2048"},  // RFC 3526
    Group{"modp3072", DhGroup::kModp3072, 384, "MODP_3072"},
    Group{"modp4096", DhGroup::kModp4096, 512, "MODP_4096"},
    Group{"modp6144", DhGroup::kModp6144, 768, "MODP_6144"},
    Group{"modp8192", DhGroup::kModp8192, 1024, "MODP_8192"},
    Group{"ecp256", DhGroup::kEcp256, 64, "ECP_256"},  // RFC 5903
    Group{"ecp384", DhGroup::kEcp384, 96, "ECP_384"}, Group{"ecp521", DhGroup::kEcp521, 132, "ECP_521"},
    Group{"ecp256bp", DhGroup::kEcp256Bp, 64, "ECP_256_BP"},  // RFC 6954: brainpool
    Group{"ecp384bp", DhGroup::kEcp384Bp, 96, "ECP_384_BP"},
    Group{"ecp512bp", DhGroup::kEcp512Bp, 128, "ECP_512_BP"},
    Group{"x25519", DhGroup::kX25519, 32, "CURVE_25519"},  // RFC 8031
    Group{"x448", DhGroup::kX448, 56, "CURVE_448"},
    // RFC 8247 §2.4: SHOULD NOT.
    Group{"modp1536", DhGroup::kModp1536, 192, "MODP_1536", Standing::kLegacy},
    Group{"modp1024", DhGroup::kModp1024, 128, "MODP_1024", Standing::kLegacy}};

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
