// SPDX-License-Identifier: Apache-2.0
// Identities and proposals as octets for another process (dp/base/record.h).
#pragma once

#include "dp/base/sa_record.h"
#include "ike/message/identity.h"
#include "ike/message/proposal.h"

namespace simplon::ike {

constexpr bool known(IdType v) {
  switch (v) {
    case IdType::kIpv4:
    case IdType::kFqdn:
    case IdType::kEmail:
    case IdType::kIpv6:
    case IdType::kDn:
    case IdType::kKeyId:
    case IdType::kNull:
      return true;
  }
  return false;
}
constexpr bool known(ProtocolId v) {
  switch (v) {
    case ProtocolId::kNone:
    case ProtocolId::kIke:
    case ProtocolId::kAh:
    case ProtocolId::kEsp:
      return true;
  }
  return false;
}
constexpr bool known(EsnId v) {
  switch (v) {
    case EsnId::kOff:
    case EsnId::kOn:
      return true;
  }
  return false;
}
constexpr bool known(TransformType v) {
  switch (v) {
    case TransformType::kEncr:
    case TransformType::kPrf:
    case TransformType::kInteg:
    case TransformType::kKe:
    case TransformType::kEsn:
      return true;
  }
  return false;
}
inline bool known(PrfId v) { return find_prf(v) != nullptr; }
inline bool known(DhGroup v) { return v == DhGroup::kNone || find_group(v) != nullptr; }

template <class Codec, ValueOf<Identity> V>
void fields(Codec& codec, V& value) {
  auto& [type, data] = value;
  codec(type, data);
}
template <class Codec, ValueOf<Transform> V>
void fields(Codec& codec, V& value) {
  auto& [type, id, key_bits] = value;
  codec(type, id, key_bits);
}
template <class Codec, ValueOf<Proposal> V>
void fields(Codec& codec, V& value) {
  auto& [protocol, number, spi, encrs, integs, prfs, groups, esns, unknown] = value;
  codec(protocol, number, spi, encrs, integs, prfs, groups, esns, unknown);
  if constexpr (Codec::kReads) {
    for (const Encr* e : encrs) codec.require(e != nullptr);
    for (const Integ* i : integs) codec.require(i != nullptr);
  }
}

}  // namespace simplon::ike
