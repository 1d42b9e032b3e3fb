// SPDX-License-Identifier: Apache-2.0
// What has to be got from elsewhere before a certificate can be judged: answers of OCSP responders (RFC 6960)
// and lists of revoked ones at their distribution points (RFC 5280 §4.2.1.13), over HTTP. A piece of work
// like those of job.h: whoever can reach the network takes it out of the jobs, for the pool itself does not,
// and a server that is slow holds up nobody but who waits for it. What comes back is not to be trusted: OCSP
// responses and lists are signed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ike {

enum class FetchKind : std::uint8_t { kOcsp, kCrl };
struct Wanted {
  FetchKind kind{};
  std::string url;  // http://, of a certificate: printable, at most 512 octets
  Buffer request;   // kOcsp: an OCSPRequest in DER without a nonce, so that answers can be kept; it is posted
  friend auto operator<=>(const Wanted&, const Wanted&) = default;
};
struct Fetched {
  Wanted wanted;
  Buffer body;      // DER; empty: it could not be got
  std::string why;  // then: half a sentence, printable
  friend bool operator==(const Fetched&, const Fetched&) = default;
};

struct FetchResult {
  std::vector<Fetched> all;  // one for each, in the order of the work
};
struct Fetch {
  using Result = FetchResult;
  std::vector<Wanted> wanted;
};
inline FetchResult run(const Fetch& work) {
  FetchResult out;
  for (const Wanted& one : work.wanted) out.all.push_back({one, {}, "nothing is fetched here"});
  return out;
}

// Until when such a body may be kept and given again, in seconds since 1970: its nextUpdate, of several the
// earliest. An error: it is no such thing, or it does not say. (ike/crypto/revocation_facts.cpp)
Result<std::int64_t> fresh_until(FetchKind kind, Bytes body);

}  // namespace simplon::ike
