// SPDX-License-Identifier: Apache-2.0
// How a TLS flight travels in EAP-TLS packets (RFC 5216 §2.1.5, §3): pieces of at most kFragment octets, each
// acknowledged by an empty packet. Total on any octets.
#pragma once

#include <cstdint>
#include <optional>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

inline constexpr std::size_t kTlsFragment = 1024, kLongestFlight = 65536;

struct TlsFragment {
  bool start = false, more = false;
  std::optional<std::uint32_t> total;  // of the flight
  Bytes data;                          // a view of the packet
  bool acknowledges() const { return !start && !more && !total && data.empty(); }
};
std::optional<TlsFragment> parse_tls_fragment(Bytes data);
inline Buffer tls_start() { return {0x20}; }
inline Buffer tls_acknowledgement() { return {0}; }

// A flight of the peer's.
class IncomingFlight {
 public:
  // Whether it is whole now; then take() it. An error: it ends here.
  Result<bool> add(const TlsFragment& fragment);
  Buffer take();

 private:
  Buffer data_;
  std::optional<std::uint32_t> total_;
};

// One of ours.
class OutgoingFlight {
 public:
  void load(Buffer flight);
  bool empty() const { return at_ == data_.size(); }
  Buffer next();  // the next piece as a packet; an acknowledgement when there is none

 private:
  Buffer data_;
  std::size_t at_ = 0;
};

}  // namespace simplon::ike
