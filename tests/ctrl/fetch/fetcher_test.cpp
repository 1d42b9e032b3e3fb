// SPDX-License-Identifier: Apache-2.0
#include "ctrl/fetch/fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <latch>

#include "tests/ctrl/fetch/http_server.h"

namespace simplon::ctrl {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Clock = std::chrono::steady_clock;
// The machine may be busy; where nothing hangs this is not waited for.
constexpr std::chrono::seconds kPatience{60};

ike::Wanted crl(const std::string& url) { return {ike::FetchKind::kCrl, url, {}}; }
ike::Wanted ocsp(const std::string& url, std::uint8_t question) {
  return {ike::FetchKind::kOcsp, url, Buffer{0x30, question}};
}
// "0" is where DER begins. The number is until when it is fresh.
Result<std::int64_t> fresh_until(ike::FetchKind, Bytes body) {
  const std::string text(body.begin(), body.end());
  if (!text.starts_with("0fresh ")) return fail("it does not say");
  return std::stol(text.substr(7));
}

class FetcherTest : public testing::Test {
 protected:
  void make(Fetcher::Limits limits) {
    fetcher_ = std::make_unique<Fetcher>(
        Fetcher::Parts{.wall_clock = [this] { return now_.load(); },
                       .say = [this](const std::string& line) { said_.push_back(line); },
                       .fresh_until = fresh_until,
                       .limits = limits});
  }
  void submit(int id, std::vector<ike::Wanted> wanted) {
    if (!fetcher_) make({.connect = kPatience, .whole = kPatience});
    fetcher_->submit(ike::JobId{static_cast<std::uint64_t>(id)}, {std::move(wanted)});
  }
  // The next result: "ID: body or why, ..."; nothing in time: "".
  std::string next() {
    for (const auto end = Clock::now() + kPatience; Clock::now() < end;) {
      const auto result = fetcher_->take();
      if (result) return text_of(*result);
      pollfd ready{fetcher_->fd(), POLLIN, 0};
      poll(&ready, 1, 100);
    }
    return "";
  }
  static std::string text_of(const ike::JobResult& result) {
    std::string out = std::to_string(static_cast<std::uint64_t>(result.id)) + ":";
    for (const ike::Fetched& one : std::get<ike::FetchResult>(result.result).all)
      out += " " + (one.body.empty() ? one.why : std::string(one.body.begin(), one.body.end()));
    return out;
  }

  std::atomic<std::int64_t> now_{1000};
  std::vector<std::string> said_;
  std::unique_ptr<Fetcher> fetcher_;
};

TEST_F(FetcherTest, GetsAListAndAsksAResponder) {
  HttpServer server([](const std::string& request) {
    if (asks_for(request, "/none")) return std::string("HTTP/1.1 404 Not Found\r\n\r\n");
    return ok(request.starts_with("POST") ? "0answer" : "0list");
  });
  submit(7,
         {crl(server.url("/root.crl")), ocsp(server.url("/"), 1), crl(server.url("/none")), crl("ldap:x")});
  EXPECT_EQ(next(), "7: 0list 0answer answers with HTTP status 404 has a URL that is not http://");
  EXPECT_THAT(said_, ElementsAre(server.url("/none") + " answers with HTTP status 404"));
  for (const std::string& request : server.requests())
    if (request.starts_with("POST")) {
      EXPECT_THAT(request, HasSubstr("Content-Type: application/ocsp-request\r\nContent-Length: 2\r\n"));
    }
  submit(8, {});
  EXPECT_EQ(next(), "8:");
}

TEST_F(FetcherTest, OnlyDerIsTaken) {
  HttpServer server([](const std::string& request) {
    if (asks_for(request, "/pem")) return ok("-----BEGIN X509 CRL-----\n");
    return ok(asks_for(request, "/html") ? "<html>" : "");
  });
  submit(1, {crl(server.url("/pem")), crl(server.url("/html")), crl(server.url("/empty"))});
  EXPECT_EQ(next(), "1: sends PEM, where DER is due sends no DER sends nothing");
}

TEST_F(FetcherTest, EachKindHasItsBound) {
  HttpServer server([](const std::string&) { return ok(std::string(20, '0')); });
  make({.connect = kPatience, .whole = kPatience, .ocsp = 19, .crl = 20});
  submit(1, {ocsp(server.url("/"), 1), crl(server.url("/"))});
  EXPECT_EQ(next(), "1: sends more than 19 octets " + std::string(20, '0'));
}

TEST_F(FetcherTest, TheSameIsFetchedOnceForAllWhoWaitForIt) {
  std::latch all(1);
  HttpServer server([&](const std::string&) {
    all.wait();
    return ok("0list");
  });
  const ike::Wanted list = crl(server.url("/"));
  submit(1, {list, list});
  for (int i = 2; i <= 50; ++i) submit(i, {list});
  all.count_down();
  EXPECT_EQ(next(), "1: 0list 0list");
  for (int i = 2; i <= 50; ++i) EXPECT_EQ(next(), std::to_string(i) + ": 0list");
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(FetcherTest, WhatIsFreshIsNotFetchedAgain) {
  HttpServer server([](const std::string&) { return ok("0fresh 1500"); });
  submit(1, {crl(server.url("/"))});
  EXPECT_EQ(next(), "1: 0fresh 1500");
  now_ = 1499;
  submit(2, {crl(server.url("/"))});
  EXPECT_EQ(next(), "2: 0fresh 1500");
  EXPECT_THAT(server.requests(), SizeIs(1));
  now_ = 1500;
  submit(3, {crl(server.url("/"))});
  EXPECT_EQ(next(), "3: 0fresh 1500");
  EXPECT_THAT(server.requests(), SizeIs(2));
}

// An authority may revoke before the next update is due.
TEST_F(FetcherTest, NothingIsKeptForTooLong) {
  HttpServer server([](const std::string&) { return ok("0fresh 999999999"); });
  const std::vector<ike::Wanted> both{ocsp(server.url("/"), 1), crl(server.url("/"))};
  const auto asked_at = [&](std::int64_t now) {
    now_ = now;
    submit(1, both);
    next();
    return server.requests().size();
  };
  EXPECT_EQ(asked_at(1000), 2u);
  EXPECT_EQ(asked_at(1000 + 3599), 2u);
  EXPECT_EQ(asked_at(1000 + 3600), 4u);
  EXPECT_EQ(asked_at(1000 + 86400), 6u);
}

TEST_F(FetcherTest, WhatSaysNoDateIsKeptForAMoment) {
  HttpServer server([](const std::string&) { return ok("0list"); });
  for (const auto& [now, requests] : {std::pair{1000, 1u}, {1009, 1u}, {1010, 2u}}) {
    now_ = now;
    submit(now, {crl(server.url("/"))});
    EXPECT_EQ(next(), std::to_string(now) + ": 0list");
    EXPECT_THAT(server.requests(), SizeIs(requests));
  }
}

TEST_F(FetcherTest, AServerThatIsDownIsNotAskedByEachPeer) {
  HttpServer server([](const std::string&) { return std::string("HTTP/1.1 503 Busy\r\n\r\n"); });
  make({.threads = 1, .connect = kPatience, .whole = kPatience});
  for (int i = 0; i < 200; ++i) submit(i, {ocsp(server.url("/"), static_cast<std::uint8_t>(i))});
  for (int i = 0; i < 200; ++i) EXPECT_THAT(next(), HasSubstr("HTTP status 503"));
  EXPECT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(said_, SizeIs(1));
  now_ += 9;
  submit(1, {ocsp(server.url("/"), 201)});
  EXPECT_EQ(next(), "1: answers with HTTP status 503");
  EXPECT_THAT(server.requests(), SizeIs(1));
  now_ += 1;
  submit(2, {ocsp(server.url("/"), 201)});
  EXPECT_EQ(next(), "2: answers with HTTP status 503");
  EXPECT_THAT(server.requests(), SizeIs(2));
}

TEST_F(FetcherTest, AServerThatHangsHoldsUpOnlyWhoWaitsForIt) {
  HttpServer hanging([](const std::string&) { return std::string(HttpServer::kHang); });
  HttpServer honest([](const std::string&) { return ok("0list"); });
  make({.connect = kPatience, .whole = kPatience});
  const auto begin = Clock::now();
  for (int i = 0; i < 20; ++i) submit(i, {crl(hanging.url("/" + std::to_string(i)))});
  for (int i = 100; i < 120; ++i) submit(i, {crl(honest.url("/" + std::to_string(i)))});
  for (int i = 100; i < 120; ++i) EXPECT_THAT(next(), HasSubstr(": 0list"));
  EXPECT_LT(Clock::now() - begin, kPatience / 2);
  EXPECT_THAT(hanging.requests(), SizeIs(testing::Le(2u)));
  fetcher_.reset();
}

TEST_F(FetcherTest, NoMoreThanSoManyWait) {
  HttpServer server([](const std::string&) { return std::string(HttpServer::kHang); });
  make({.threads = 1, .waiting = 3, .connect = kPatience, .whole = kPatience});
  submit(0, {crl(server.url("/first"))});
  for (const auto end = Clock::now() + kPatience; server.requests().empty() && Clock::now() < end;)
    std::this_thread::sleep_for(milliseconds(5));
  for (int i = 1; i < 4; ++i) submit(i, {crl(server.url("/" + std::to_string(i)))});
  submit(4, {crl(server.url("/4"))});
  submit(5, {crl(server.url("/3"))});  // waits already
  EXPECT_EQ(next(), "4: is not asked: too many fetches wait");
  EXPECT_FALSE(fetcher_->take());
}

TEST_F(FetcherTest, EndsAtOnceWhileServersHang) {
  HttpServer server([](const std::string&) { return std::string(HttpServer::kHang); });
  make({.whole = std::chrono::hours(1)});
  for (int i = 0; i < 10; ++i) submit(i, {crl(server.url("/" + std::to_string(i)))});
  for (const auto end = Clock::now() + kPatience; server.requests().size() < 2 && Clock::now() < end;)
    std::this_thread::sleep_for(milliseconds(5));
  const auto begin = Clock::now();
  fetcher_.reset();
  EXPECT_LT(Clock::now() - begin, kPatience / 2);
  EXPECT_THAT(said_, IsEmpty());
}

}  // namespace
}  // namespace simplon::ctrl
