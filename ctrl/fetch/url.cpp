// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>

namespace simplon::ctrl {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kLongest = 2048;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A blank or a line's end would end the request line early.
bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

// "host", "host:port", "[address]", "[address]:port".
Result<void> take_authority(HttpUrl& out, std::string_view authority) {
  const bool bracketed = authority.starts_with('[');
  const std::size_t end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == std::string_view::npos) return fail("has no good address of a server");
  const std::string_view host = bracketed ? authority.substr(1, end - 1) : authority.substr(0, end);
  std::string_view rest = end == std::string_view::npos ? "" : authority.substr(end + (bracketed ? 1 : 0));
  if (host.empty() || host.find_first_of("@%\\[]") != std::string_view::npos)
    return fail("has no good name of a server");
  if (!rest.empty() && rest != ":") {
    if (!rest.starts_with(':') || !is_port(rest.substr(1))) return fail("has no good port");
    out.port = rest.substr(1);
  }
  out.host = lower(host);
  out.authority = bracketed ? "[" + out.host + "]" : out.host;
  if (out.port != "80") out.authority += ":" + out.port;
  return {};
}

}  // namespace

Result<HttpUrl> parse_http_url(std::string_view text) {
  if (text.size() > kLongest) return fail("is longer than " + std::to_string(kLongest) + " octets");
  if (!printable(text)) return fail("has an octet that no URL has");
  if (lower(text.substr(0, kScheme.size())) != kScheme) return fail("is not http://");
  text = text.substr(kScheme.size());
  text = text.substr(0, text.find('#'));
  const std::size_t path = text.find_first_of("/?");
  HttpUrl out;
  if (auto done = take_authority(out, text.substr(0, path)); !done) return std::unexpected(done.error());
  if (path != std::string_view::npos) {
    out.target = text.substr(path);
    if (out.target.front() == '?') out.target.insert(0, "/");
  }
  return out;
}

Result<HttpUrl> redirected(const HttpUrl& from, std::string_view location) {
  const bool path = location.starts_with('/') && !location.starts_with("//");
  return parse_http_url(path ? std::string(kScheme) + from.authority + std::string(location)
                             : std::string(location));
}

}  // namespace simplon::ctrl
