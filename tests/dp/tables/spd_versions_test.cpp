// SPDX-License-Identifier: Apache-2.0
// Versions of an SPD: policies that come and go, one after the other, beside the list as RFC 4301 §4.4.1 and
// §7 read it. A version that somebody has stays as it is.
#include <map>
#include <optional>

#include "tests/dp/tables/random_policies.h"

namespace simplon::dp::test {
namespace {

using List = std::map<std::pair<std::uint32_t, PolicyId>, Spd::Input>;  // in the order of the SPD

struct Version {
  Spd spd;
  List list;
};

void put(Version& version, const Spd::Input& input) {
  version.spd.add(input);
  version.list.emplace(std::pair(input.policy.order, input.policy.id), input);
}

void drop(Version& version, List::iterator at) {
  version.spd.remove(at->second.policy);
  version.list.erase(at);
}

struct Decided {
  const Spd::Input* by = nullptr;
  bool undecided = false;
};
Decided read(const List& list, Direction direction, const Known& k) {
  for (const auto& [place, input] : list) {
    if (input.policy.direction ==
        (direction == Direction::kOut ? PolicyDirection::kIn : PolicyDirection::kOut))
      continue;
    const Answer a = one_of(input.policy.selectors, direction, k);
    if (a != Answer::kNo) return {&input, a == Answer::kUnknown};
  }
  return {};
}

// How many packets, both ways, met a policy.
unsigned compare(const Version& version, World& world, unsigned packets) {
  unsigned found = 0;
  for (unsigned i = 0; i < packets; ++i) {
    const Known known = world.packet();
    Octets octets(known, world);
    const Flow flow = flow_of(parsed(octets));
    for (const Direction d : {Direction::kOut, Direction::kIn}) {
      const Spd::Entry* entry = version.spd.find(d, flow);
      const Decided want = read(version.list, d, known);
      EXPECT_EQ(entry != nullptr, want.by != nullptr);
      if (entry == nullptr || want.by == nullptr) continue;
      EXPECT_EQ(entry->slot, want.by->slot);
      EXPECT_EQ(entry->undecided(flow), want.undecided);
      ++found;
    }
  }
  return found;
}

TEST(Rfc4301_4_4_1, PoliciesThatComeAndGoDecideAsTheListIsRead) {
  unsigned found = 0, tried = 0;
  for (unsigned seed = 0; tried < packets_to_try() && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed + 0x9000);
    Version now;
    std::optional<Version> kept;  // as it was some changes ago
    std::uint32_t id = 0;
    for (unsigned step = 0; step < 60; ++step) {
      if (step % 10 == 0) kept = now;
      for (unsigned changes = 1 + world.pick(3); changes > 0; --changes) {
        if (world.pick(5) < (step < 30 ? 2u : 3u) && !now.list.empty())
          drop(now, std::next(now.list.begin(), world.pick(static_cast<unsigned>(now.list.size()))));
        else
          put(now, world.policy(++id));
      }
      found += compare(now, world, 10);
      compare(*kept, world, 3);
      tried += 13;
    }
    while (!now.list.empty()) drop(now, now.list.begin());
    EXPECT_EQ(now.spd.entries(), 0u);
  }
  EXPECT_GT(found, tried / 2) << "hardly a packet met a policy";
}

IpAddress client(std::uint32_t i) {
  return IpAddress::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                       static_cast<std::uint8_t>(i));
}

// As the narrowed entry of a road warrior, right before its child's.
Spd::Input narrowed(std::uint32_t i) {
  return {{.id = PolicyId{10 + i},
           .order = 15,
           .action = Action::kProtect,
           .selectors = {{{.addresses = AddressRange::of(*Prefix::parse("198.18.0.0/16"))}},
                         {{.addresses = {client(i), client(i)}}}}},
          i};
}

std::uint32_t slot_of(const Spd& spd, std::uint32_t i, bool in) {
  const IpAddress here = IpAddress::v4(198, 18, 0, 1), there = client(i);
  const Spd::Entry* entry =
      in ? spd.find(Direction::kIn, {.source = there, .destination = here, .protocol = kUdp})
         : spd.find(Direction::kOut, {.source = here, .destination = there, .protocol = kUdp});
  return entry == nullptr ? ~0u : entry->slot;
}

// Through every split of a page and every doubling of the list of pages, and back.
TEST(Spd, TenThousandClientsComeAndGoOneByOne) {
  constexpr std::uint32_t kClients = 10'000, kChild = 1'000'000;
  Spd spd;
  spd.add({{.id = PolicyId{1},
            .order = 16,
            .action = Action::kProtect,
            .selectors = {{{.addresses = AddressRange::of(Prefix::all(Family::kV4))}},
                          {{.addresses = AddressRange::of(*Prefix::parse("10.0.0.0/8"))}}}},
           kChild});
  for (std::uint32_t i = 0; i < kClients; ++i) {
    Spd next = spd;
    next.add(narrowed(i));
    ASSERT_EQ(slot_of(spd, i, false), kChild) << "the version before knows nothing of client " << i;
    spd = std::move(next);
    ASSERT_EQ(slot_of(spd, i, false), i);
    ASSERT_EQ(slot_of(spd, i / 2, true), i / 2);
    ASSERT_EQ(slot_of(spd, i + 1, true), kChild);
  }
  const Spd full = spd;
  for (std::uint32_t i = 0; i < kClients; i += 2) {
    Spd next = spd;
    next.remove(narrowed(i).policy);
    spd = std::move(next);
  }
  EXPECT_EQ(spd.entries(), 2 * (1 + kClients / 2));
  for (std::uint32_t i = 0; i < kClients; ++i) {
    ASSERT_EQ(slot_of(spd, i, i % 3 == 0), i % 2 == 0 ? kChild : i);
    ASSERT_EQ(slot_of(full, i, i % 3 == 0), i);
  }
  for (std::uint32_t i = 1; i < kClients; i += 2) spd.remove(narrowed(i).policy);
  EXPECT_EQ(spd.entries(), 2u);
  EXPECT_EQ(slot_of(spd, 7, true), kChild);
}

// One key for all of them: a chain, whose first entry is the lowest in the order whatever comes and goes.
TEST(Spd, EntriesOfOneKeyStandInTheirOrderHoweverTheyCome) {
  const auto of_port = [](std::uint32_t id, std::uint32_t order, std::uint16_t port) {
    PolicySpec out = narrowed(0).policy;
    out.id = PolicyId{id}, out.order = order;
    out.selectors.remote.front().protocol = kUdp;
    out.selectors.remote.front().ports = {port, static_cast<std::uint16_t>(port + 1)};
    return Spd::Input{out, id};
  };
  Spd spd;
  const auto at = [&](std::uint16_t port) {
    const Spd::Entry* entry = spd.find(
        Direction::kOut,
        {.source = IpAddress::v4(198, 18, 0, 1), .destination = client(0), .dport = port, .protocol = kUdp});
    return entry == nullptr ? 0 : entry->slot;
  };
  spd.add(of_port(5, 20, 100));
  spd.add(of_port(4, 10, 101));
  spd.add(of_port(3, 30, 102));
  EXPECT_EQ(at(100), 5u);
  EXPECT_EQ(at(101), 4u);
  EXPECT_EQ(at(102), 4u);
  EXPECT_EQ(at(103), 3u);
  spd.remove(of_port(4, 10, 101).policy);
  EXPECT_EQ(at(101), 5u);
  EXPECT_EQ(at(102), 3u);
  spd.remove(of_port(5, 20, 100).policy);
  EXPECT_EQ(at(101), 0u);
  EXPECT_EQ(at(102), 3u);
}

}  // namespace
}  // namespace simplon::dp::test
