// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "ctrl/fetch/url.h"
#include "tests/ctrl/fetch/http_server.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

using Clock = std::chrono::steady_clock;
// The machine may be busy; where nothing hangs this is not waited for.
constexpr std::chrono::seconds kPatience{60};
constexpr HttpLimits kLimits{.connect = kPatience, .whole = kPatience, .body = 1000};

std::string text_of(const Result<Buffer>& got) {
  return got ? "body: " + std::string(got->begin(), got->end()) : "error: " + got.error().what;
}
std::string get(const std::string& url, HttpLimits limits = kLimits, int cut = -1) {
  return text_of(http_exchange({.url = url, .body = {}, .body_type = "", .accept = "a/b"}, limits, cut));
}
// What a server that answers so is worth.
std::string get_of(const std::string& answer, HttpLimits limits = kLimits) {
  const HttpServer server([&](const std::string&) { return answer; });
  return get(server.url("/x"), limits);
}

TEST(HttpUrl, IsTakenApart) {
  const auto whole = parse_http_url("HTTP://CA.Example:8080/crl/root.crl?x=1#part");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->host, "ca.example");
  EXPECT_EQ(whole->port, "8080");
  EXPECT_EQ(whole->authority, "ca.example:8080");
  EXPECT_EQ(whole->target, "/crl/root.crl?x=1");
  EXPECT_EQ(parse_http_url("http://ca.example")->target, "/");
  EXPECT_EQ(parse_http_url("http://ca.example?x")->target, "/?x");
  EXPECT_EQ(parse_http_url("http://ca.example:/")->port, "80");
  const auto v6 = parse_http_url("http://[2001:db8::1]:81/x");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->authority, "[2001:db8::1]:81");
  for (const char* bad :
       {"", "http://", "https://ca.example/", "ldap://ca.example/", "file:///etc/passwd", "http:///x",
        "http://a b/", "http://ca.example/\r\nHost: x", "http://ca.example/\x7f", "http://u@ca.example/",
        "http://ca.example:0/", "http://ca.example:65536/", "http://ca.example:8x/", "http://[::1/",
        "http://[::1]x/", "http://[fe80::1%25eth0]/"})
    EXPECT_FALSE(parse_http_url(bad)) << bad;
  EXPECT_TRUE(parse_http_url("http://a/" + std::string(2039, 'x')));
  EXPECT_FALSE(parse_http_url("http://a/" + std::string(2040, 'x')));
}

TEST(Http, GetsABody) {
  HttpServer server([](const std::string&) { return ok("0hello"); });
  EXPECT_EQ(get(server.url("/a?b=c")), "body: 0hello");
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_THAT(server.requests()[0], HasSubstr("GET /a?b=c HTTP/1.0\r\nHost: 127.0.0.1:"));
  EXPECT_THAT(server.requests()[0], HasSubstr("\r\nAccept: a/b\r\n"));
}

TEST(Http, ABodyGoesToTheEndWhereNoLengthIsSaid) {
  EXPECT_EQ(get_of("HTTP/1.0 200 OK\r\n\r\nto the end"), "body: to the end");
  EXPECT_EQ(get_of("HTTP/1.0 200\r\ncontent-LENGTH:  2 \r\n\r\nto the end"), "body: to");
}

TEST(Http, PostsWhatItIsGiven) {
  HttpServer server([](const std::string&) { return ok("0"); });
  const Buffer body{'0', 1, 2};
  const std::string url = server.url("/");
  EXPECT_TRUE(http_exchange({.url = url, .body = body, .body_type = "t/x", .accept = "a/b"}, kLimits, -1));
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_THAT(server.requests()[0], HasSubstr("POST / HTTP/1.0\r\n"));
  EXPECT_THAT(server.requests()[0], HasSubstr("Content-Type: t/x\r\nContent-Length: 3\r\n\r\n0\x01\x02"));
}

TEST(Http, WhatIsNoGoodAnswerIsAnError) {
  EXPECT_THAT(get_of("HTTP/1.1 404 Not Found\r\n\r\n"), HasSubstr("status 404"));
  EXPECT_THAT(get_of(""), HasSubstr("closes without an answer"));
  EXPECT_THAT(get_of("220 mail.example ESMTP\r\n\r\n"), HasSubstr("answers with no HTTP"));
  EXPECT_THAT(get_of("HTTP/1.1 200x\r\n\r\n"), HasSubstr("answers with no HTTP"));
  EXPECT_THAT(get_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), HasSubstr("before the end"));
  EXPECT_THAT(get_of("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), HasSubstr("no HTTP"));
  EXPECT_THAT(get_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
              HasSubstr("no HTTP"));
  EXPECT_THAT(get_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
              HasSubstr("encoding"));
}

TEST(Http, WhatIsTooLargeIsBrokenOff) {
  EXPECT_EQ(get_of(ok(std::string(1000, 'x'))), "body: " + std::string(1000, 'x')) << "control";
  EXPECT_THAT(get_of(ok(std::string(1001, 'x'))), HasSubstr("sends more than 1000 octets"));
  EXPECT_THAT(get_of("HTTP/1.0 200 OK\r\n\r\n" + std::string(1001, 'x')), HasSubstr("more than 1000"));
  EXPECT_THAT(get_of("HTTP/1.0 200 OK\r\n\r\n" + std::string(8 << 20, 'x')), HasSubstr("more than 1000"));
  EXPECT_THAT(get_of("HTTP/1.1 200 " + std::string(8 << 20, 'x')), HasSubstr("head that is too long"));
  EXPECT_THAT(get_of("HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x') + "\r\n\r\n"),
              HasSubstr("head that is too long"));
}

TEST(Http, GoesWhereItIsSentButOnlyByHttpAndThreeTimes) {
  HttpServer server([](const std::string& request) -> std::string {
    const auto to = [](const std::string& where) {
      return "HTTP/1.1 302 Found\r\nLocation: " + where + "\r\n\r\n";
    };
    if (asks_for(request, "/1")) return to("/2");
    if (asks_for(request, "/2")) return to("/3");
    if (asks_for(request, "/3")) return ok("there");
    if (asks_for(request, "/0")) return to("/1");
    if (asks_for(request, "/-1")) return to("/0");
    if (asks_for(request, "/secure")) return to("https://ca.example/");
    if (asks_for(request, "/file")) return to("file:///etc/passwd");
    if (asks_for(request, "/nowhere")) return "HTTP/1.1 302 Found\r\n\r\n";
    return to("/circle");
  });
  EXPECT_EQ(get(server.url("/0")), "body: there");
  EXPECT_THAT(get(server.url("/-1")), HasSubstr("redirects too often"));
  EXPECT_THAT(get(server.url("/circle")), HasSubstr("redirects too often"));
  for (const char* other : {"/secure", "/file", "/nowhere"})
    EXPECT_THAT(get(server.url(other)), HasSubstr("redirects to a URL that is not http://"));
}

TEST(Http, NobodyIsWaitedForTooLong) {
  HttpServer server([](const std::string&) { return std::string(HttpServer::kHang); });
  const auto begin = Clock::now();
  EXPECT_THAT(get(server.url("/"), {.whole = milliseconds(200)}), HasSubstr("does not answer in time"));
  EXPECT_LT(Clock::now() - begin, kPatience / 2);
  EXPECT_THAT(get("http://127.0.0.1:1/"), HasSubstr("is not reached: Connection refused"));
  EXPECT_THAT(get("http://127.0.0.1:1/x y"), HasSubstr("has a URL that"));
}

TEST(Http, WhoIsToldToEndsAtOnce) {
  HttpServer server([](const std::string&) { return std::string(HttpServer::kHang); });
  const int cut = eventfd(1, EFD_CLOEXEC);
  EXPECT_THAT(get(server.url("/"), {.whole = std::chrono::hours(1)}, cut), HasSubstr("the gateway ends"));
  close(cut);
}

}  // namespace
}  // namespace simplon::ctrl
