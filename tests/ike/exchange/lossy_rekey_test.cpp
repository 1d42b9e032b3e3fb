// SPDX-License-Identifier: Apache-2.0
// Children and IKE SAs that are rekeyed by both ends while a fifth of the datagrams is lost, doubled or
// late: in the end both have the same one child, nothing is left over, and at no time does an end send
// through an SA that the other has not.
#include <cstdlib>
#include <iostream>

#include "tests/ike/lossy_relay.h"

namespace simplon::ike::test {
namespace {

struct Kind {
  const char* name;
  bool pfs, esp_is_seen;
  std::chrono::milliseconds first_retransmission;  // of the right end
  unsigned work = 0;                               // Faults::work
};

class LossyRekeys : public testing::TestWithParam<Kind> {
 protected:
  static std::shared_ptr<Connection> end(bool is_left) {
    auto c = connection(is_left);
    c->children[0].proposals = {
        *Proposal::parse(GetParam().pfs ? "aes128gcm16-x25519" : "aes128gcm16", ProtocolId::kEsp)};
    c->retransmission = {
        .first = is_left ? 500ms : GetParam().first_retransmission, .longest = 8s, .tries = 30};
    return c;
  }
  static void act(LossyRelay& relay) {
    const unsigned what = relay.below(10);
    const bool ike = what >= 8;
    for (Side* side : {&relay.left, &relay.right})
      if (what % 3 == 2 || (what % 3 == 0) == (side == &relay.left))
        side->endpoint.rekey(ByName{"sites", ike ? "" : "net"}, 0, relay.now);
  }
  // What is left when all has settled; empty: one child, the same at both ends.
  static std::string leftovers(const LossyRelay& relay) {
    std::string out;
    for (const auto& [side, other] :
         {std::pair(&relay.left, &relay.right), std::pair(&relay.right, &relay.left)}) {
      const std::string where = side == &relay.left ? ", left: " : ", right: ";
      const std::vector<ChildStatus> children = side->status().children;
      if (side->endpoint.status().size() != 1) out += where + "not one IKE SA";
      if (children.size() != 1 || children[0].state != ChildState::kInstalled) out += where + "not one child";
      if (side->installed.size() != 2) out += where + std::to_string(side->installed.size()) + " SAs";
      const std::vector<ChildStatus> theirs = other->status().children;
      if (!children.empty() && !theirs.empty() && children[0].spi_in != theirs[0].spi_out)
        out += where + "another child than the peer's";
    }
    return out;
  }
  // Establishes, rekeys some times, and lets all settle. What was wrong with it.
  std::string sequence(std::uint32_t seed) {
    LossyRelay relay(seed, end(true), end(false));
    relay.faults.esp_is_seen = GetParam().esp_is_seen;
    relay.faults.work = GetParam().work;
    relay.left.endpoint.initiate("sites", "net", 1, relay.now);
    while (!relay.left.up() || !relay.right.up()) relay.wait(100ms);
    relay.watch();
    for (unsigned n = 4 + relay.below(4); n != 0; --n) {
      act(relay);
      relay.wait(std::chrono::milliseconds(relay.below(relay.chance(50) ? 50 : 6000)));
    }
    relay.wait(30s);
    relay.faults.lost = relay.faults.doubled = relay.faults.late = 0;
    relay.wait(60s);
    std::string wrong = leftovers(relay);
    for (const auto* way : {&relay.from_left(), &relay.from_right()}) {
      pings += way->sent, lost += way->lost;
      if (way->lost != 0) wrong += ", pings lost for " + std::to_string(way->longest.count()) + " ms";
    }
    return wrong;
  }

  std::uint64_t pings = 0, lost = 0;
};

TEST_P(LossyRekeys, Rfc7296_2_25) {
  const char* const more = std::getenv("SIMPLON_SEQUENCES");
  const std::uint32_t sequences = more != nullptr ? static_cast<std::uint32_t>(std::stoul(more)) : 400;
  unsigned wrong = 0;
  for (std::uint32_t seed = 1; seed <= sequences; ++seed) {
    const std::string what = sequence(seed);
    if (!what.empty() && ++wrong <= 5) ADD_FAILURE() << "seed " << seed << what;
  }
  EXPECT_EQ(wrong, 0u);
  std::cout << sequences << " sequences, " << wrong << " of them wrong; " << pings << " pings, " << lost
            << " of them lost\n";
}

INSTANTIATE_TEST_SUITE_P(Of, LossyRekeys,
                         testing::Values(Kind{"Alike", false, true, 500ms},
                                         Kind{"WithPfs", true, true, 500ms},
                                         Kind{"SlowPeer", false, true, 4s}, Kind{"Idle", false, false, 4s},
                                         Kind{"IdleWithPfs", true, false, 500ms},
                                         Kind{"SlowWork", true, true, 500ms, 100}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace simplon::ike::test
