// SPDX-License-Identifier: Apache-2.0
// MD4 (RFC 1320): broken, and what MS-CHAP hashes passwords with. For nothing else.
#pragma once

#include <array>
#include <cstdint>

#include "dp/base/bytes.h"

namespace simplon::ike {

std::array<std::uint8_t, 16> md4(Bytes message);

}  // namespace simplon::ike
