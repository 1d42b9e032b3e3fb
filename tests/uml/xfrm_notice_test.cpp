// SPDX-License-Identifier: Apache-2.0
// What others do to our SAs and policies by messages that `ip` does not send; notices that are lost; many
// SAs.
#include <arpa/inet.h>
#include <linux/netlink.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include "ctrl/backend/xfrm/message.h"
#include "tests/uml/two_gateways.h"

namespace simplon::ctrl {
namespace {

using test::ip;
using test::runs;
using test::shell;
using test::suite;
using test::ts;

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (part) << " in\n" << (text)

class XfrmNotice : public test::TwoGateways {
 protected:
  void SetUp() override {
    test::TwoGateways::SetUp();
    test::in_namespace("A", [&] {
      auto opened = Netlink::open(NETLINK_XFRM, 0);
      ASSERT_TRUE(opened) << opened.error().what;
      other_.emplace(std::move(*opened));
    });
  }
  // What A's backend says of it, with the SAs that it tells as expired.
  std::string told() {
    std::string out;
    for (const BackendEvent& event : a_->poll()) {
      if (const auto* changed = std::get_if<ChangedEvent>(&event)) out += changed->what + "\n";
      if (const auto* expired = std::get_if<ExpireEvent>(&event))
        out += std::string(expired->hard ? "hard " : "soft ") + std::to_string(std::uint64_t(expired->sa)) +
               "\n";
    }
    return out;
  }
  std::string value(const std::string& key) {
    for (const auto& [name, value] : a_->status())
      if (name == key) return value;
    return {};
  }
  static std::string hard(const SaRef& sa) { return "hard " + std::to_string(std::uint64_t(sa->id)); }
  static xfrm_selector inwards() {
    return kernel_selectors(ts("198.51.100.0/24"), ts("192.0.2.0/24"))->front();
  }
  // An SA that is none of ours.
  NetlinkMessage foreign(std::uint32_t spi) {
    NetlinkMessage message = sa_message(sa(Direction::kIn, true, spi, suite("aes128gcm16")));
    static_cast<xfrm_usersa_info*>(mnl_nlmsg_get_payload(message.raw()))->seq = 0;
    return message;
  }
  std::optional<Netlink> other_;  // another program's socket in A
};

TEST_F(XfrmNotice, AnSaThatAnotherProgramLetsExpireIsToldAsExpired) {
  tunnel(suite("aes128gcm16"));
  for (const bool hard : {false, true}) {
    NetlinkMessage message(XFRM_MSG_EXPIRE, 0);
    auto& expire = message.header<xfrm_user_expire>();
    expire.state.id.daddr = to_kernel(sas_[3]->destination);
    expire.state.id.spi = htonl(static_cast<std::uint32_t>(sas_[3]->spi));
    expire.state.id.proto = kEsp;
    expire.state.family = AF_INET;
    expire.hard = hard;
    const auto done = other_->request(message, "expire");
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_EQ(told(), (hard ? "hard " : "soft ") + std::to_string(std::uint64_t(sas_[3]->id)) + "\n");
  }
  EXPECT_HAS(value("notices"), "expire 2");
}

TEST_F(XfrmNotice, AnSaThatAnotherProgramChangesIsPutBack) {
  SaSpec spec = sa(Direction::kIn, true, 0x1000, suite("aes128gcm16"));
  spec.udp = UdpPorts{Port{4500}, Port{4500}};
  add(*a_, spec);
  EXPECT_EQ(a_->differences(*sas_[0]), std::vector<std::string>{});
  spec.udp->source = Port{31000};
  spec.hard.packets = PacketCount{5};
  NetlinkMessage message = sa_message(spec, probe_support(*other_), XFRM_MSG_UPDSA);
  const auto done = other_->request(message, "update");
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(a_->differences(*sas_[0]), (std::vector<std::string>{"limits", "UDP encapsulation"}));
  EXPECT_HAS(told(), "another program has changed ESP SA 0x00001000; put back");
  EXPECT_EQ(a_->differences(*sas_[0]), std::vector<std::string>{});
  EXPECT_EQ(told(), "") << "it is told once";
}

TEST_F(XfrmNotice, APolicyThatAnotherProgramLetsExpireIsPutBack) {
  policies();
  const std::string before = shell("ip -n A xfrm policy | grep -c priority");
  NetlinkMessage message(XFRM_MSG_POLEXPIRE, 0);
  auto& expire = message.header<xfrm_user_polexpire>();
  expire.pol.sel = inwards();
  expire.pol.dir = XFRM_POLICY_IN;
  expire.hard = 1;
  const auto done = other_->request(message, "expire");
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_NE(shell("ip -n A xfrm policy | grep -c priority"), before);
  EXPECT_HAS(told(), "removed or changed 1 of Simplon's kernel policies; put back");
  EXPECT_EQ(shell("ip -n A xfrm policy | grep -c priority"), before);
  EXPECT_HAS(value("notices"), "expired-policy 1");
}

// XFRM_MSG_MIGRATE names no SPI: of two SAs between the same ends, as a rekey has them, it moves one. Nor
// does any other notice tell of the SA that is no longer where it was.
TEST_F(XfrmNotice, AnSaThatAnotherProgramMigratesCannotBePutBackAndCountsAsExpired) {
  tunnel(suite("aes128", "sha256"));
  add(*a_, sa(Direction::kIn, true, 0x2001, suite("aes128", "sha256")));
  NetlinkMessage message(XFRM_MSG_MIGRATE, 0);
  auto& policy = message.header<xfrm_userpolicy_id>();
  policy.sel = inwards();
  policy.dir = XFRM_POLICY_IN;
  xfrm_user_migrate migrate{};
  migrate.old_saddr = to_kernel(sas_[3]->source);
  migrate.old_daddr = migrate.new_daddr = to_kernel(sas_[3]->destination);
  migrate.new_saddr = to_kernel(ip("203.0.113.77"));
  migrate.proto = kEsp;
  migrate.mode = XFRM_MODE_TUNNEL;
  migrate.old_family = migrate.new_family = AF_INET;
  message.put_struct(XFRMA_MIGRATE, migrate);
  const auto done = other_->request(message, "migrate");
  if (other_->error() == ENOPROTOOPT) {
    std::printf("    this kernel has no XFRM_MSG_MIGRATE\n");
    return;
  }
  ASSERT_TRUE(done) << done.error().what;
  const std::string said = told();
  EXPECT_HAS(said, "removed or changed 1 of Simplon's kernel policies; put back");
  EXPECT_HAS(said, "and it cannot be put back (source); removed");
  EXPECT_NE(said.find(hard(sas_[3])) == std::string::npos, said.find(hard(sas_[4])) == std::string::npos)
      << "one of the two:\n"
      << said;
  EXPECT_EQ(value("sas"), "2");
  EXPECT_HAS(value("notices"), "migrate 1");
  EXPECT_EQ(told(), "");
}

// A mark or an interface makes it another policy beside ours.
TEST_F(XfrmNotice, APolicyOfMarkedPacketsOrOfAnInterfaceIsNotInThePlaceOfOurs) {
  policies();
  const std::string selector = "src 192.0.2.0/24 dst 198.51.100.0/24 dir out ";
  ASSERT_TRUE(runs("ip -n A xfrm policy add " + selector + "priority 5 action block mark 5 mask 0xff"));
  ASSERT_TRUE(runs("ip -n A xfrm policy delete " + selector + "mark 5 mask 0xff"));
  ASSERT_TRUE(runs("ip -n A xfrm policy add " + selector + "priority 5 action allow if_id 9"));
  EXPECT_EQ(told(), "");
  ASSERT_TRUE(runs("ip -n A xfrm policy add " + selector + "priority 5 action allow mark 6 mask 0xff"));
  EXPECT_HAS(told(), "comes before Simplon's: 192.0.2.0/24 to 198.51.100.0/24 passes in clear");
}

// The socket is full, so nobody tells that all has been flushed.
TEST_F(XfrmNotice, LostNoticesAreFollowedByAComparisonOfAll) {
  tunnel(suite("aes128gcm16"));
  const std::string before = shell("ip -n A xfrm policy | grep -c priority");
  for (int i = 0; i < 6000; ++i) {
    NetlinkMessage message = foreign(0x9000);
    ASSERT_TRUE(other_->request(message, "add"));
    NetlinkMessage removal(XFRM_MSG_DELSA, 0);
    removal.header<xfrm_usersa_id>() = sa_id(sa(Direction::kIn, true, 0x9000, suite("aes128gcm16")));
    ASSERT_TRUE(other_->request(removal, "remove"));
  }
  ASSERT_TRUE(runs("ip -n A xfrm state flush && ip -n A xfrm policy flush"));
  const std::string said = told();
  EXPECT_EQ(value("notices-lost"), "1");
  EXPECT_EQ(value("notices").find("flushed"), std::string::npos) << value("notices");
  EXPECT_HAS(said, "lost some; all SAs and policies are compared");
  EXPECT_HAS(said, "kernel policies; put back");
  EXPECT_HAS(said, hard(sas_[0]));
  EXPECT_HAS(said, hard(sas_[3]));
  EXPECT_EQ(shell("ip -n A xfrm policy | grep -c priority"), before);
  EXPECT_EQ(told(), "") << "what is left in the socket is of others";
}

TEST_F(XfrmNotice, TenThousandSas) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::time_point since) {
    return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
  };
  std::vector<SaRef> all;
  for (std::uint32_t i = 0; i < 5000; ++i)
    for (const Direction d : {Direction::kIn, Direction::kOut}) {
      SaSpec spec = sa(d, d == Direction::kIn, 0x10000 + i, suite("aes256gcm16"));
      spec.policy = PolicyId{100 + i};
      (d == Direction::kIn ? spec.source : spec.destination) =
          ip("198.18." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1));
      all.push_back(std::make_shared<const SaSpec>(std::move(spec)));
    }
  auto start = Clock::now();
  std::size_t added = 0;
  for (const SaRef& sa : all) added += a_->add_sa(sa) ? 1 : 0;
  const double installed = ms(start);
  EXPECT_EQ(added, all.size());
  EXPECT_EQ(value("sas"), "10000");
  start = Clock::now();
  const auto packets = a_->packets(all);
  const double read = ms(start);
  EXPECT_EQ(packets.size(), all.size());
  start = Clock::now();
  a_->recheck();
  EXPECT_EQ(told(), "") << "our own changes fill no socket";
  const double compared = ms(start);
  EXPECT_EQ(value("notices-lost"), "0");
  start = Clock::now();
  for (const SaRef& sa : all) EXPECT_TRUE(a_->remove_sa(sa));
  const double removed = ms(start);
  start = Clock::now();
  for (std::size_t i = 0; i < all.size(); ++i) {
    NetlinkMessage message(XFRM_MSG_GETSADINFO, 0);
    message.header<std::uint32_t>();
    ASSERT_TRUE(other_->request(message, "count"));
  }
  std::printf(
      "    10,000 SAs: installed in %.0f ms, counters read in %.0f ms, compared in %.0f ms, removed in %.0f "
      "ms; "
      "10,000 requests that change nothing take %.0f ms\n",
      installed, read, compared, removed, ms(start));
  EXPECT_EQ(value("sas"), "0");
}

}  // namespace
}  // namespace simplon::ctrl
