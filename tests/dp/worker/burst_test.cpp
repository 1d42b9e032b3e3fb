// SPDX-License-Identifier: Apache-2.0
// Bursts whose packets take different ways: kinds of SA in any order, and among them packets that are turned
// away.
#include <gtest/gtest.h>

#include "dp/worker/rate_limiter.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

constexpr std::array kHosts{"198.18.2.10", "198.18.2.11", "198.18.2.12"};  // AEAD, CBC, no SA
constexpr const char* kInside = "198.18.1.10";

SaRef sa_of(unsigned host, Direction direction) {
  SaOptions o;
  o.id = host + 1;
  o.spi = Spi{0x1001 + host};
  if (host == 1) o.suite = {find_encr("aes128"), find_integ("sha256")};
  o.selectors = direction == Direction::kOut ? selectors("198.18.1.0/24", kHosts[host])
                                             : selectors(kHosts[host], "198.18.1.0/24");
  auto sa = std::make_shared<SaSpec>(*make_sa(direction, o));
  sa->policy = PolicyId{host + 1};
  return sa;
}

struct Sites {
  Lab left{0, true}, right{1, false};
  Sites() {
    for (unsigned host = 0; host < kHosts.size(); ++host) {
      left.protect(selectors("198.18.1.0/24", kHosts[host]), Action::kProtect, host + 1, 10 + host);
      right.protect(selectors(kHosts[host], "198.18.1.0/24"), Action::kProtect, host + 1, 10 + host);
      if (host == 2) continue;
      EXPECT_TRUE(left.registry().add_sa(sa_of(host, Direction::kOut)));
      EXPECT_TRUE(right.registry().add_sa(sa_of(host, Direction::kIn)));
    }
  }
};

TEST(Burst, KindsOfSasInAnyOrderRoundTrip) {
  Sites sites;
  // Runs of one and of two packets of each kind, and packets without an SA between them.
  std::vector<Buffer> clear;
  std::array<unsigned, 3> sent{};
  for (unsigned i = 0; i < 60; ++i) {
    const unsigned host = (i * i + i / 7) % 3;
    ++sent[host];
    clear.push_back(udp4(kInside, kHosts[host], i));
  }
  std::vector<Buffer> esp;
  for (const Buffer& frame : sites.left.pass(clear, Origin::kProtected, kLan)) esp.push_back(ip_of(frame));
  ASSERT_EQ(esp.size(), sent[0] + sent[1]);
  EXPECT_EQ(sites.left.dropped(Drop::kNoSa), sent[2]);

  // Every fifth is damaged, every seventh for an SPI that nobody has.
  unsigned bad_icv = 0, unknown = 0;
  for (unsigned i = 0; i < esp.size(); ++i) {
    if (i % 7 == 3)
      ++unknown, store_be32(esp[i].data() + kIpv4Bytes, 0x9999);
    else if (i % 5 == 2)
      ++bad_icv, esp[i].back() ^= 1;
  }
  const auto arrived = sites.right.pass(esp, Origin::kUnprotected, kWan);
  EXPECT_EQ(arrived.size(), esp.size() - bad_icv - unknown);
  EXPECT_EQ(sites.right.dropped(Drop::kBadIcv), bad_icv);
  EXPECT_EQ(sites.right.dropped(Drop::kUnknownSpi), unknown);
  for (const Buffer& frame : arrived) {
    const Buffer ip = ip_of(frame);
    EXPECT_EQ(ip, udp4(kInside, ip[19] == 10 ? kHosts[0] : kHosts[1], static_cast<unsigned>(ip.size() - 28),
                       0, 62));
  }
}

TEST(RateLimiter, AllowsOneEventInAnIntervalForEachKey) {
  RateLimiter limiter(100);
  EXPECT_TRUE(limiter.allow(1, 1000));
  EXPECT_FALSE(limiter.allow(1, 1099));
  EXPECT_TRUE(limiter.allow(2, 1099));
  EXPECT_TRUE(limiter.allow(1, 1100)) << "counted from the last one that was allowed";
  EXPECT_FALSE(limiter.allow(1 + 256, 1101)) << "shares the place of 1";
}

}  // namespace
}  // namespace simplon::dp::test
