// SPDX-License-Identifier: Apache-2.0
// One thing by HTTP (RFC 9110): a request, its answer, and where the answer says that it is elsewhere. As
// RFC 6960 appendix A and RFC 5280 §4.2.1.13 need it and no more: http:// alone, a connection for each
// request, and HTTP/1.0 (RFC 1945), whose answers have no chunks. All that a server sends is bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

struct HttpRequest {
  std::string_view url;
  Bytes body;                  // empty: GET, else POST
  std::string_view body_type;  // Content-Type
  std::string_view accept;
};
struct HttpLimits {
  std::chrono::milliseconds connect{3000};  // of that
  std::chrono::milliseconds whole{5000};    // with everything, also elsewhere
  std::size_t body = 64u << 10;             // octets
  unsigned redirects = 3;
};

// The body of an answer with status 200. The error is half a sentence about the server, printable. Breaks off
// when the descriptor `cut` is readable. Any thread; waits for the network.
Result<Buffer> http_exchange(const HttpRequest& request, const HttpLimits& limits, int cut);

}  // namespace simplon::ctrl
