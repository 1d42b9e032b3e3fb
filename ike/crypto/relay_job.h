// SPDX-License-Identifier: Apache-2.0
// One EAP response on its way to a RADIUS server (RFC 3579), as a piece of work like those of job.h: what
// comes back is the next request of the server, or its verdict. Whoever has the sockets takes this work out
// of the jobs; the pool itself has none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/secret.h"

namespace simplon::ike {

// What an Access-Accept gives the peer beside access.
struct RadiusGrant {
  std::vector<IpAddress> addresses;  // Framed-IP-Address, Framed-IPv6-Address: at most one of each family
  std::vector<IpAddress> dns;
  Buffer class_;  // all Class attributes as they stand in the packet, headers too: accounting repeats them
  std::optional<std::chrono::seconds> session_timeout, idle_timeout, interim;
  std::string user_name;  // as the server calls the user; printable, or empty
  friend bool operator==(const RadiusGrant&, const RadiusGrant&) = default;
};

struct RelayEapResult {
  enum class Verdict : std::uint8_t { kChallenge, kAccept, kReject, kUnreachable };
  Verdict verdict = Verdict::kUnreachable;
  Buffer eap;         // may be empty, and is not looked at yet
  Buffer state;       // of kChallenge: goes back with the next response, as it is
  Secret msk;         // of kAccept: 64 octets or more; empty: the server sent no keys
  RadiusGrant grant;  // of kAccept
  std::string why;    // of kReject and kUnreachable: one printable sentence
};

struct RelayEap {
  using Result = RelayEapResult;
  std::string group;            // of servers, by its name in the configuration
  Buffer eap;                   // the response
  Buffer state;                 // of the last result; empty: it is the first response
  std::string user;             // of the identity response, printable, 1 to 253 octets
  std::string calling, called;  // the outer addresses of the peer and of us, as text
  std::uint32_t nas_port = 0;   // the IKE SA
};

inline RelayEapResult run(const RelayEap& work) {
  RelayEapResult out;
  out.why = "no RADIUS servers '" + work.group + "' here";
  return out;
}

}  // namespace simplon::ike
