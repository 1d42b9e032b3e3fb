// SPDX-License-Identifier: Apache-2.0
// Windows and sequence numbers in the kernel's form, for kernels that know the direction of an SA and others:
// no kernel is asked.
#include "ctrl/backend/xfrm/progress.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

constexpr KernelSupport kOld{.direction = false}, kNew{.direction = true};

SaSpec sa(Direction direction, Esn esn) {
  const Encr* encr = find_encr("aes128gcm16");
  return {.id = SaId{7},
          .esn = esn,
          .direction = direction,
          .spi = Spi{0x1000},
          .source = *IpAddress::parse("203.0.113.2"),
          .destination = *IpAddress::parse("203.0.113.1"),
          .udp = {},
          .suite = {encr, nullptr},
          .encr_key = Secret(Buffer(encr->key, 0x11)),
          .salt = Secret(Buffer(encr->salt, 0x22)),
          .integ_key = {}};
}

Buffer attribute(const NetlinkMessage& message, std::uint16_t type) {
  Buffer out;
  for_attributes(*message.raw(), sizeof(xfrm_usersa_info), [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) == type) out.assign(bytes_of(a).begin(), bytes_of(a).end());
  });
  return out;
}

std::uint32_t word(const Buffer& bytes, std::size_t at) {
  std::uint32_t out = 0;
  EXPECT_GE(bytes.size(), at + sizeof out);
  if (bytes.size() >= at + sizeof out) std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}
std::uint32_t window(const Buffer& bytes) {
  return word(bytes, offsetof(xfrm_replay_state_esn, replay_window));
}

TEST(XfrmProgress, DirectionIsNamedToAKernelThatKnowsItAlone) {
  for (const Direction direction : {Direction::kIn, Direction::kOut}) {
    EXPECT_EQ(attribute(sa_message(sa(direction, Esn::kOff), kOld), kSaDirection), Buffer{});
    EXPECT_EQ(attribute(sa_message(sa(direction, Esn::kOff), kNew), kSaDirection),
              Buffer{sa_direction(direction)});
  }
  EXPECT_NE(sa_direction(Direction::kIn), sa_direction(Direction::kOut));
}

// Such a kernel refuses a window outwards; an older one wants one where there are extended numbers.
TEST(XfrmProgress, OutboundWindowsAreForOldKernels) {
  EXPECT_EQ(window(new_window(sa(Direction::kOut, Esn::kOn), kOld)), kDefaultReplayWindow);
  const Buffer none = new_window(sa(Direction::kOut, Esn::kOn), kNew);
  EXPECT_EQ(window(none), 0u);
  EXPECT_EQ(none.size(), sizeof(xfrm_replay_state_esn));
  for (const KernelSupport& kernel : {kOld, kNew}) {
    EXPECT_EQ(new_window(sa(Direction::kOut, Esn::kOff), kernel), Buffer{});
    EXPECT_EQ(window(new_window(sa(Direction::kIn, Esn::kOff), kernel)), kDefaultReplayWindow);
    EXPECT_EQ(window(new_window(sa(Direction::kIn, Esn::kOn), kernel)), kDefaultReplayWindow);
  }
}

TEST(XfrmProgress, WhatGoesOnSaysHowFarItIs) {
  for (const KernelSupport& kernel : {kOld, kNew})
    for (const Esn esn : {Esn::kOff, Esn::kOn})
      for (const Direction direction : {Direction::kIn, Direction::kOut}) {
        const std::uint64_t at = esn == Esn::kOn ? 0x700000009 : 9;
        const SaSpec spec = sa(direction, esn);
        EXPECT_FALSE(progress_from(spec, {}, kernel)) << "it begins";
        const auto progress = progress_from(spec, {.next_sequence = at + 1, .replay_top = at}, kernel);
        ASSERT_TRUE(progress);
        EXPECT_EQ(sequence_of(*progress, direction), at);
        EXPECT_EQ(window(progress->sequence) == 0, direction == Direction::kOut && kernel.direction);
      }
}

TEST(XfrmProgress, OnlyItsOwnAnswerIsRead) {
  NetlinkMessage answer(XFRM_MSG_NEWAE, 0);
  answer.header<xfrm_aevent_id>();
  EXPECT_FALSE(progress_answer(*answer.raw())) << "it tells no number";
  answer.put_struct(XFRMA_REPLAY_VAL, xfrm_replay_state{.oseq = 5, .seq = 6, .bitmap = 0});
  const auto told = progress_answer(*answer.raw());
  ASSERT_TRUE(told);
  EXPECT_EQ(sequence_of(*told, Direction::kOut), 5u);
  EXPECT_EQ(sequence_of(*told, Direction::kIn), 6u);
  answer.raw()->nlmsg_type = XFRM_MSG_NEWSA;
  EXPECT_FALSE(progress_answer(*answer.raw()));
}

}  // namespace
}  // namespace simplon::ctrl
