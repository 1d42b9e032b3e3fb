// SPDX-License-Identifier: Apache-2.0
// As much of DER (X.690) as a name needs: one value after the other, never one within the other by itself, so
// that no depth is believed. Total on any octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"

namespace simplon::ike {

// Tags of one octet: class, constructed or not, number.
namespace der {
constexpr std::uint8_t kOid = 0x06, kUtf8String = 0x0c, kPrintableString = 0x13, kT61String = 0x14,
                       kIa5String = 0x16, kUniversalString = 0x1c, kBmpString = 0x1e, kSequence = 0x30,
                       kSet = 0x31;
}  // namespace der

struct DerValue {
  std::uint8_t tag = 0;
  Bytes contents;  // of what was read
};

// The next value. in.ok() is false after one that is cut off, whose length is not the shortest form (X.690
// §10.1), indefinite or above 65535, or whose tag has several octets.
DerValue take_der(Reader& in);
// `contents` has at most 65535 octets.
Buffer der_value(std::uint8_t tag, Bytes contents);

// The contents of an OBJECT IDENTIFIER as "2.5.4.3", and back. None: malformed, or an arc needs more than 56
// bits.
std::optional<std::string> dotted_oid(Bytes contents);
std::optional<Buffer> oid_of(std::string_view dotted);

}  // namespace simplon::ike
