// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/http.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "ctrl/fetch/tcp.h"
#include "ctrl/fetch/url.h"

namespace simplon::ctrl {
namespace {

constexpr std::size_t kLongestHead = 16u << 10;  // status line and fields
constexpr std::size_t kRead = 16u << 10;
constexpr std::string_view kEndOfHead = "\r\n\r\n";

struct Head {
  int status = 0;
  std::optional<std::size_t> length;  // Content-Length
  bool coded = false;                 // Transfer-Encoding: nothing that HTTP/1.0 asks for
  std::string location;
};
struct Answer {
  Head head;
  Buffer body;  // with status 200
};

Bytes octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string request_text(const HttpRequest& request, const HttpUrl& url) {
  std::string out =
      (request.body.empty() ? "GET " : "POST ") + url.target + " HTTP/1.0\r\nHost: " + url.authority +
      "\r\nUser-Agent: Simplon\r\nAccept: " + std::string(request.accept) + "\r\nConnection: close\r\n";
  if (!request.body.empty())
    out += "Content-Type: " + std::string(request.body_type) +
           "\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  return out + "\r\n";
}

bool is_field(std::string_view name, std::string_view wanted) {
  return std::ranges::equal(name, wanted, [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

template <class T>
bool whole_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// RFC 9112 §4: "HTTP/1.1 200 OK".
bool read_status(std::string_view line, Head& head) {
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ') return false;
  return (line.size() == 12 || line[12] == ' ') && whole_number(line.substr(9, 3), head.status);
}

// RFC 9112 §6.3: of two lengths that differ none can be believed.
bool read_field(std::string_view line, Head& head) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  if (is_field(name, "Content-Length")) {
    std::size_t length = 0;
    if (!whole_number(value, length) || (head.length && *head.length != length)) return false;
    head.length = length;
  }
  if (is_field(name, "Transfer-Encoding")) head.coded = true;
  if (is_field(name, "Location")) head.location = value;
  return true;
}

Result<Head> read_head(std::string_view text) {
  Head head;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 2);
    if (!(first ? read_status(line, head) : read_field(line, head))) return fail("answers with no HTTP");
    first = false;
  }
  return head;
}

// Up to the empty line; what came behind it is the beginning of the body.
Result<Answer> receive_head(TcpConnection& connection) {
  std::string text;
  std::array<std::uint8_t, kRead> some;
  for (;;) {
    const auto n = connection.receive(some);
    if (!n) return std::unexpected(n.error());
    if (*n == 0) return fail("closes without an answer");
    const std::size_t from = std::max(text.size(), kEndOfHead.size()) - kEndOfHead.size();
    text.append(reinterpret_cast<const char*>(some.data()), *n);
    const std::size_t end = text.find(kEndOfHead, from);
    if (std::min(end, text.size()) > kLongestHead) return fail("answers with a head that is too long");
    if (end == std::string::npos) continue;
    const auto head = read_head(std::string_view(text).substr(0, end));
    if (!head) return std::unexpected(head.error());
    const Bytes rest = octets(text).subspan(end + kEndOfHead.size());
    return Answer{*head, Buffer(rest.begin(), rest.end())};
  }
}

Result<void> receive_body(TcpConnection& connection, Answer& answer, std::size_t most) {
  const std::optional<std::size_t>& length = answer.head.length;
  const auto too_large = [&] { return fail("sends more than " + std::to_string(most) + " octets"); };
  if (answer.head.coded) return fail("answers in an encoding that was not asked for");
  if (length && *length > most) return too_large();
  std::array<std::uint8_t, kRead> some;
  while (!length || answer.body.size() < *length) {
    if (answer.body.size() > most) return too_large();
    const auto n = connection.receive(some);
    if (!n) return std::unexpected(n.error());
    if (*n == 0 && length) return fail("closes before the end of its answer");
    if (*n == 0) break;
    answer.body.insert(answer.body.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(*n));
  }
  if (length) answer.body.resize(*length);
  return {};
}

Result<Answer> ask(const HttpRequest& request, const HttpUrl& url, std::size_t most,
                   const TcpConnection::Bounds& bounds) {
  auto connection = TcpConnection::open(url.host, url.port, bounds);
  if (!connection) return std::unexpected(connection.error());
  auto sent = connection->send(octets(request_text(request, url)));
  if (sent) sent = connection->send(request.body);
  if (!sent) return std::unexpected(sent.error());
  auto answer = receive_head(*connection);
  if (!answer || answer->head.status != 200) return answer;
  if (auto done = receive_body(*connection, *answer, most); !done) return std::unexpected(done.error());
  return answer;
}

bool redirects(int status) {
  constexpr std::array kStatus{301, 302, 303, 307, 308};
  return std::ranges::find(kStatus, status) != kStatus.end();
}

}  // namespace

// Elsewhere the same is asked with the same method (RFC 9110 §15.4): what OCSP asks by GET is another URL.
Result<Buffer> http_exchange(const HttpRequest& request, const HttpLimits& limits, int cut) {
  const auto begin = TcpConnection::Clock::now();
  auto url = parse_http_url(request.url);
  for (unsigned i = 0; url; ++i) {
    const auto now = TcpConnection::Clock::now();
    auto answer = ask(request, *url, limits.body, {now + limits.connect, begin + limits.whole, cut});
    if (!answer) return std::unexpected(answer.error());
    const Head& head = answer->head;
    if (head.status == 200) return std::move(answer->body);
    if (!redirects(head.status)) return fail("answers with HTTP status " + std::to_string(head.status));
    if (i == limits.redirects) return fail("redirects too often");
    auto next = redirected(*url, head.location);
    if (!next) return fail("redirects to a URL that " + next.error().what);
    url = std::move(next);
  }
  return fail("has a URL that " + url.error().what);
}

}  // namespace simplon::ctrl
