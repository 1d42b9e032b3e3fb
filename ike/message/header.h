// SPDX-License-Identifier: Apache-2.0
// The IKE header (RFC 7296 §3.1), which is the same in every message.
#pragma once

#include <cstdint>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

enum class Exchange : std::uint8_t {
  kIkeSaInit = 34,
  kIkeAuth = 35,
  kCreateChildSa = 36,
  kInformational = 37
};

inline constexpr std::size_t kHeaderBytes = 28;
inline constexpr std::uint8_t kFlagInitiator = 0x08, kFlagVersion = 0x10, kFlagResponse = 0x20;

struct Header {
  std::uint64_t spi_i = 0, spi_r = 0;
  std::uint8_t next = 0;  // the type of the first payload
  std::uint8_t version = 0x20;
  Exchange exchange{};
  std::uint8_t flags = 0;
  std::uint32_t message_id = 0, length = 0;

  bool response() const { return (flags & kFlagResponse) != 0; }
  // The sender is the IKE SA's original initiator.
  bool initiator() const { return (flags & kFlagInitiator) != 0; }
};

Result<Header> parse_header(Bytes message);            // checks the length field against the datagram
void write_header(Writer& out, const Header& header);  // with length 0; when all is written: patch_length()
void patch_length(Writer& out);

// A message that was sent in fragments (RFC 7383) is kept as one buffer: whole messages one behind another,
// each as long as its header says. What travels as one datagram each; they point into `messages`. Octets that
// are not such messages are one datagram.
std::vector<Bytes> datagrams_of(Bytes messages);

}  // namespace simplon::ike
