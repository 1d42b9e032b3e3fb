// SPDX-License-Identifier: Apache-2.0
// The words for KernelOptions, in the file and at the console.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "dp/base/kernel_options.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

inline const std::initializer_list<std::pair<std::string_view, Offload>> kOffloads{
    {"none", Offload::kNone}, {"crypto", Offload::kCrypto}};

// A number of 32 bits, decimal or as 0x2a.
Result<std::uint32_t> parse_if_id(std::string_view text);
// "VALUE/MASK", or "VALUE" for all 32 bits; not a mask of 0, and no bit of the value outside the mask.
Result<PacketMark> parse_mark(std::string_view text);
// Such that parse_mark() makes the same of it.
std::string mark_text(const PacketMark& mark);

}  // namespace simplon::ctrl
