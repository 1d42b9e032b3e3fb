// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/dp_backend.h"

#include <gtest/gtest.h>

namespace simplon::ctrl {
namespace {

dp::AuditedDrop dropped(dp::Drop reason, const char* from, const char* to) {
  return {.reason = reason,
          .spi = Spi{0xc0ffee01},
          .sequence = 77,
          .sa = SaId{9},
          .source = *TrafficSelector::parse(from),
          .destination = *TrafficSelector::parse(to),
          .start = {0x45, 0}};
}

TEST(Rfc4301_5_2, AnAuditLineHasSpiSequenceNumberAddressesAndFlowLabel) {
  dp::AuditedDrop drop = dropped(dp::Drop::kBadIcv, "2001:db8::1[50]", "2001:db8::2[50]");
  drop.flow_label = 0x0abcd;
  EXPECT_EQ(audit_event(drop).what,
            "bad-icv: SPI 0xc0ffee01, sequence number 77, 2001:db8::1/128[50] to 2001:db8::2/128[50], "
            "flow label 0x0abcd");
  EXPECT_TRUE(audit_event(drop).packet.empty());
  drop = dropped(dp::Drop::kSelectorMismatch, "192.0.2.1[udp/7]", "192.0.2.2[udp/8]");
  drop.inner = true;
  EXPECT_EQ(audit_event(drop).what,
            "selector-mismatch: SPI 0xc0ffee01, sequence number 77, inner 192.0.2.1/32[udp/7] to "
            "192.0.2.2/32[udp/8]");
  EXPECT_EQ(audit_event(drop).packet, (Buffer{0x45, 0})) << "for INVALID_SELECTORS";
  EXPECT_EQ(audit_event(drop).sa, SaId{9});
}

TEST(Rfc4303_3_3_3, TheSendersEventIsAboutThePacketThatDidNotLeave) {
  dp::AuditedDrop drop = dropped(dp::Drop::kSequenceExhausted, "192.0.2.1[udp/7]", "192.0.2.2[udp/8]");
  drop.inner = true;
  EXPECT_NE(audit_event(drop).what.find("inner 192.0.2.1"), std::string::npos);
  EXPECT_TRUE(audit_event(drop).packet.empty()) << "the peer did nothing wrong";
  drop.inner = false;
  EXPECT_EQ(audit_event(drop).what.find("inner"), std::string::npos) << "of AGGFRAG it is the outer packet";
}

// A data path that has an SA, or had it, and takes a move or does not.
struct OneSa final : dp::DataPath {
  SaRef sa;
  bool takes_moves = true;

  Result<void> add_sa(const SaRef& added, const dp::SaStart&) override { return sa = added, Result<void>{}; }
  void remove_sa(SaId) override { sa.reset(); }
  Result<void> move_sa(const SaRef& to) override {
    if (!takes_moves) return fail("it cannot");
    return sa = to, Result<void>{};
  }
  Result<void> add_kernel_sa(const SaRef&) override { return {}; }
  void remove_kernel_sa(SaId) override {}
  Result<void> add_policy(const PolicySpec&) override { return {}; }
  void remove_policy(PolicyId) override {}
  void set_network(const dp::NetworkSpec&) override {}
  Result<void> set_tunnels(const std::vector<dp::TunnelSetup>&) override { return {}; }
  void set_gateway(bool) override {}
  Result<void> commit() override { return {}; }
  Result<void> can(const SaSpec&) override { return {}; }
  std::vector<SaRef> sas() const override { return {}; }
  std::vector<PolicySpec> policies() const override { return {}; }
  std::optional<SaCounters> counters(SaId) const override { return std::nullopt; }
  SpdHits hits() const override { return {}; }
  std::vector<dp::NeighbourKey> used_neighbours() override { return {}; }
  dp::Stats stats() const override { return {}; }
  std::uint64_t turns(unsigned) const override { return 0; }
  std::string memory() const override { return {}; }
  void detach(dp::PortIndex) override {}
  void attach(dp::PortIndex) override {}
  void set_before_injection(std::function<void()>) override {}
  std::vector<dp::NamedDescriptor> interfaces() const override { return {}; }
  void adopt_interfaces(const std::vector<dp::NamedDescriptor>&) override {}
  void stop() override {}
  int fd() const override { return -1; }
  std::vector<dp::Event> poll() override { return {}; }
};

TEST(Rfc4555_3_5, AnSaMovesInPlaceAndOneThatCannotEndsAndIsReplaced) {
  for (const bool can : {true, false}) {
    OneSa datapath;
    datapath.takes_moves = can;
    DpBackend backend(datapath, [](const dp::Event&) {});
    SaSpec spec;
    spec.id = SaId{9};
    const auto from = std::make_shared<const SaSpec>(spec);
    spec.udp = UdpPorts{Port{4500}, Port{31000}};
    const auto to = std::make_shared<const SaSpec>(spec);
    ASSERT_TRUE(backend.add_sa(from));
    EXPECT_TRUE(backend.move_sa(from, to));
    EXPECT_EQ(datapath.sa, can ? to : nullptr) << "nothing goes by one that stays where it was";
    const auto events = backend.poll();
    ASSERT_EQ(events.size(), can ? 0u : 1u);
    if (can) continue;
    const auto* expired = std::get_if<ExpireEvent>(&events[0]);
    ASSERT_NE(expired, nullptr);
    EXPECT_EQ(expired->sa, SaId{9});
    EXPECT_FALSE(expired->hard) << "IKE rekeys";
    EXPECT_TRUE(backend.poll().empty()) << "told once";
  }
}

}  // namespace
}  // namespace simplon::ctrl
