// SPDX-License-Identifier: Apache-2.0
// An http:// URL, taken apart (RFC 9110 §4.2.1, RFC 3986). Pure functions over text that others have written.
#pragma once

#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace simplon::ctrl {

struct HttpUrl {
  std::string host;          // a name in lower case, or an address; without brackets
  std::string port = "80";   // decimal
  std::string authority;     // host and port as the Host field has them
  std::string target = "/";  // path and query: what the request line has
  std::string server() const { return host + " " + port; }  // the same for all URLs of one server
};

// An error: another scheme, a user's name, an octet that is not printable, a port that is none, more than
// 2,048 octets. A fragment is left out.
Result<HttpUrl> parse_http_url(std::string_view text);
// Where an answer of `from` says that the thing is (RFC 9110 §10.2.2): a whole URL, or a path from the root.
Result<HttpUrl> redirected(const HttpUrl& from, std::string_view location);

}  // namespace simplon::ctrl
