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

}  // namespace
}  // namespace simplon::ctrl
