// SPDX-License-Identifier: Apache-2.0
// Processes of both ends that die at any moment, between any two things that they do, while children and IKE
// SAs are rekeyed and a fifth of the datagrams is lost, doubled or late. The next process goes on: in the end
// both have the same one child, nothing was set up anew, no message ID and no IV has two contents.
#include <cstdlib>
#include <iostream>

#include "tests/ike/journal.h"
#include "tests/ike/lossy_relay.h"

namespace simplon::ike::test {
namespace {

struct Kind {
  const char* name;
  bool pfs;
  unsigned work;   // Faults::work
  unsigned lost;   // percent
  unsigned dying;  // one in so many outputs is the last
};

class LossyAdoptions : public testing::TestWithParam<Kind> {
 protected:
  static std::shared_ptr<Connection> end(bool is_left) {
    auto c = connection(is_left);
    c->children[0].proposals = {
        *Proposal::parse(GetParam().pfs ? "aes128gcm16-x25519" : "aes128gcm16", ProtocolId::kEsp)};
    c->retransmission = {.first = 500ms, .longest = 8s, .tries = 30};
    return c;
  }
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
      if (const std::string twice = said_twice(*side); !twice.empty()) out += where + twice;
    }
    return out;
  }
  std::string sequence(std::uint32_t seed) {
    LossyRelay relay(seed, end(true), end(false));
    relay.faults.lost = relay.faults.doubled = relay.faults.late = GetParam().lost;
    relay.faults.work = GetParam().work;
    relay.left.endpoint.initiate("sites", "net", 1, relay.now);
    while (!relay.left.up() || !relay.right.up()) relay.wait(100ms);
    const std::size_t at_first = inits(relay.left) + inits(relay.right);
    relay.watch();

    std::mt19937 random(seed);
    bool dying = true;
    std::map<Side*, std::unique_ptr<Journal>> journals;
    for (Side* side : {&relay.left, &relay.right}) {
      Journal& journal = *(journals[side] = std::make_unique<Journal>(*side, end(side == &relay.left)));
      side->before_output = [&, side] {
        const unsigned rarely = journal.keep() ? 1 : 20;
        if (!dying || random() % (rarely * GetParam().dying) != 0) return;
        relay.forget_work(*side);
        journal.next_process(relay.now);
      };
    }
    for (unsigned n = 4 + relay.below(4); n != 0; --n) {
      const bool ike = relay.chance(25);
      for (Side* side : {&relay.left, &relay.right})
        if (relay.chance(60)) side->endpoint.rekey(ByName{"sites", ike ? "" : "net"}, 0, relay.now);
      relay.wait(std::chrono::milliseconds(relay.below(relay.chance(50) ? 50 : 6000)));
    }
    dying = false;
    relay.wait(75s);  // for the rekeys that follow an adoption
    relay.faults.lost = relay.faults.doubled = relay.faults.late = 0;
    relay.wait(90s);
    for (const auto& [side, journal] : journals) deaths += journal->processes();
    std::string wrong = leftovers(relay);
    if (inits(relay.left) + inits(relay.right) != at_first) wrong += ", an IKE SA was set up anew";
    for (const auto* way : {&relay.from_left(), &relay.from_right()}) {
      pings += way->sent, lost += way->lost;
      if (way->lost != 0) wrong += ", pings lost for " + std::to_string(way->longest.count()) + " ms";
    }
    return wrong;
  }

  std::uint64_t pings = 0, lost = 0, deaths = 0;
};

TEST_P(LossyAdoptions, Rfc7296_2_1) {
  const char* const more = std::getenv("SIMPLON_SEQUENCES");
  const std::uint32_t sequences = more != nullptr ? static_cast<std::uint32_t>(std::stoul(more)) : 6;
  unsigned wrong = 0;
  for (std::uint32_t seed = 1; seed <= sequences; ++seed) {
    const std::string what = sequence(seed);
    if (!what.empty() && ++wrong <= 5) ADD_FAILURE() << "seed " << seed << what;
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(deaths, sequences) << "processes should have died";
  std::cout << sequences << " sequences, " << wrong << " of them wrong; " << deaths << " processes died; "
            << pings << " pings, " << lost << " of them lost\n";
}

// Children that are made, replaced and deleted by both ends, and an IKE SA that is deleted in the end.
class ManyExchanges {
 public:
  explicit ManyExchanges(std::uint32_t seed) : relay_(seed, end(true), end(false)), random_(seed) {
    relay_.faults.work = 50;
    relay_.left.endpoint.initiate("sites", "net", 1, relay_.now);
    while (!relay_.left.up() || !relay_.right.up()) relay_.wait(100ms);
    at_first_ = inits(relay_.left) + inits(relay_.right);
    for (Side* side : {&relay_.left, &relay_.right}) {
      journals_.push_back(std::make_unique<Journal>(*side, end(side == &relay_.left)));
      side->before_output = [this, side, &journal = *journals_.back()] {
        const unsigned rarely = journal.keep() ? 1 : 20;
        if (!dying_ || random_() % (rarely * 6) != 0) return;
        relay_.forget_work(*side);
        journal.next_process(relay_.now);
      };
    }
  }
  std::string run() {
    for (unsigned n = 6 + random_() % 6; n != 0; --n) {
      for (Side* side : {&relay_.left, &relay_.right})
        if (random_() % 2 == 0) act(side->endpoint);
      relay_.wait(std::chrono::milliseconds(random_() % 2 == 0 ? random_() % 50 : random_() % 15000));
    }
    dying_ = false;
    relay_.wait(75s);
    relay_.faults.lost = relay_.faults.doubled = relay_.faults.late = 0;
    relay_.wait(90s);
    std::string wrong =
        unlike(relay_.left, relay_.right, ", left: ") + unlike(relay_.right, relay_.left, ", right: ");
    if (inits(relay_.left) + inits(relay_.right) != at_first_) wrong += ", an IKE SA was set up anew";
    dying_ = true;
    relay_.left.endpoint.terminate(ByName{"sites", ""}, 0, relay_.now);
    relay_.wait(2s);
    dying_ = false;
    relay_.wait(300s);
    for (Side* side : {&relay_.left, &relay_.right})
      if (!side->endpoint.status().empty() || !side->installed.empty())
        wrong += ", the deleted IKE SA is not gone";
    for (const auto& journal : journals_)
      if (!journal->kept().empty()) wrong += ", the journal keeps what is gone";
    for (Side* side : {&relay_.left, &relay_.right}) wrong += said_twice(*side);
    return wrong;
  }
  unsigned deaths() const { return journals_[0]->processes() + journals_[1]->processes(); }

 private:
  static std::shared_ptr<Connection> end(bool is_left) {
    auto c = connection(is_left);
    c->retransmission = {.first = 500ms, .longest = 8s, .tries = 30};
    c->dpd_delay = 5s;
    ChildConfig more = c->children[0];
    more.name = "more";
    more.proposals = {*Proposal::parse("aes128-sha256-x25519", ProtocolId::kEsp)};
    for (TrafficSelectors* side : {&more.selectors.local, &more.selectors.remote})
      (*side)[0].ports = {500, 600}, (*side)[0].protocol = 17;
    more.policy = PolicyId{8};
    c->children.push_back(more);
    return c;
  }
  void act(Endpoint& endpoint) {
    const char* const child = random_() % 2 == 0 ? "net" : "more";
    const unsigned what = random_() % 8;
    if (what < 3) return endpoint.rekey(ByName{"sites", child}, 0, relay_.now);
    if (what == 3) return endpoint.rekey(ByName{"sites", ""}, 0, relay_.now);
    if (what == 4) return endpoint.terminate(ByName{"sites", child}, 0, relay_.now);
    endpoint.initiate("sites", child, 0, relay_.now);
  }
  static std::string unlike(const Side& side, const Side& other, const std::string& where) {
    if (side.endpoint.status().size() != 1 || other.endpoint.status().size() != 1)
      return where + "not one IKE SA";
    const std::vector<ChildStatus> children = side.status().children, theirs = other.status().children;
    if (side.installed.size() != 2 * children.size())
      return where + std::to_string(side.installed.size()) + " SAs";
    for (const ChildStatus& child : children) {
      if (child.state != ChildState::kInstalled) return where + "a child that is not installed";
      if (std::ranges::none_of(theirs, [&](const ChildStatus& c) {
            return c.name == child.name && c.spi_in == child.spi_out && c.spi_out == child.spi_in;
          }))
        return where + "a child that the peer has not";
    }
    return {};
  }

  LossyRelay relay_;
  std::mt19937 random_;
  bool dying_ = true;
  std::size_t at_first_ = 0;
  std::vector<std::unique_ptr<Journal>> journals_;
};

TEST(LossyAdoption, Rfc7296_1_4_AllExchangesGoOn) {
  const char* const more = std::getenv("SIMPLON_SEQUENCES");
  const std::uint32_t sequences = more != nullptr ? static_cast<std::uint32_t>(std::stoul(more)) : 6;
  unsigned wrong = 0, deaths = 0;
  for (std::uint32_t seed = 1; seed <= sequences; ++seed) {
    ManyExchanges one(seed);
    const std::string what = one.run();
    deaths += one.deaths();
    if (!what.empty() && ++wrong <= 5) ADD_FAILURE() << "seed " << seed << what;
  }
  EXPECT_GT(deaths, sequences) << "processes should have died";
  std::cout << sequences << " sequences, " << wrong << " of them wrong; " << deaths << " processes died\n";
}

INSTANTIATE_TEST_SUITE_P(Of, LossyAdoptions,
                         testing::Values(Kind{"Plain", false, 0, 20, 6}, Kind{"WithPfs", true, 0, 20, 6},
                                         Kind{"SlowWork", true, 200, 20, 6},
                                         Kind{"NothingLost", true, 50, 0, 6}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace simplon::ike::test
