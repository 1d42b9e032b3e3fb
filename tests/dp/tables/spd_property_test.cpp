// SPDX-License-Identifier: Apache-2.0
// Random policies against random packets and fragments: what the data path makes of their octets, beside a
// linear reading of RFC 4301 §4.4.1, §5.2 and §7 (random_policies.h). SIMPLON_PACKETS says how many, a
// million for a thorough run.
#include <array>
#include <map>

#include "dp/ipsec/esp_in.h"
#include "tests/dp/tables/random_policies.h"

namespace simplon::dp::test {
namespace {

struct Decided {
  const Spd::Input* by = nullptr;
  bool undecided = false;
};
Decided read(const std::vector<Spd::Input>& in_order, Direction direction, const Known& k) {
  const bool out = direction == Direction::kOut;
  for (const Spd::Input& input : in_order) {
    const PolicyDirection d = input.policy.direction;
    if (d == (out ? PolicyDirection::kIn : PolicyDirection::kOut)) continue;
    const Answer a = one_of(input.policy.selectors, direction, k);
    if (a != Answer::kNo) return {&input, a == Answer::kUnknown};
  }
  return {};
}

TEST(Rfc4301_4_4_1, RandomPoliciesDecideAboutRandomPacketsAsTheListIsRead) {
  unsigned found = 0, undecided = 0, tried = 0;
  for (unsigned seed = 0; tried < packets_to_try(); ++seed) {
    World world(seed);
    std::vector<Spd::Input> inputs;
    for (std::uint32_t id = 1, n = 1 + world.pick(40); id <= n; ++id) inputs.push_back(world.policy(id));
    const Spd spd(inputs);
    std::ranges::sort(inputs, {}, [](const Spd::Input& i) { return std::pair(i.policy.order, i.policy.id); });
    for (unsigned i = 0; i < kPacketsOfAWorld; ++i, ++tried) {
      const Known known = world.packet();
      Octets octets(known, world);
      const Flow flow = flow_of(parsed(octets));
      for (const Direction d : {Direction::kOut, Direction::kIn}) {
        const Spd::Entry* entry = spd.find(d, flow);
        const Decided want = read(inputs, d, known);
        ASSERT_EQ(entry != nullptr, want.by != nullptr) << "seed " << seed << ", packet " << i;
        if (entry == nullptr) continue;
        ASSERT_EQ(entry->slot, want.by->slot) << "seed " << seed << ", packet " << i;
        ASSERT_EQ(entry->undecided(flow), want.undecided) << "seed " << seed << ", packet " << i;
        ++found, undecided += want.undecided;
      }
    }
  }
  EXPECT_GT(found, tried / 2) << "the world is too large: hardly a packet meets a policy";
  EXPECT_GT(undecided, tried / 20);
  EXPECT_LT(found, tried * 2) << "or too small";
}

TEST(Rfc4301_5_2, RandomSelectorsOfAnSaAreReadAsTheyStand) {
  unsigned passed = 0, tried = 0;
  for (unsigned seed = 0; tried < packets_to_try(); ++seed) {
    World world(~seed);
    SaSpec spec;
    spec.selectors = world.selectors();
    InboundSa sa(0);
    set_selectors(spec, sa);
    for (unsigned i = 0; i < kPacketsOfAWorld / 10; ++i, ++tried) {
      const Known known = world.packet();
      Octets octets(known, world);
      const PacketInfo packet = parsed(octets);
      const Answer want = one_of(spec.selectors, Direction::kIn, known);
      const Drop drop = check_selectors(sa, octets.ip(), packet.headers);
      ASSERT_EQ(drop, want == Answer::kYes  ? Drop::kNone
                      : want == Answer::kNo ? Drop::kSelectorMismatch
                                            : Drop::kFragment)
          << "seed " << seed << ", packet " << i;
      passed += want == Answer::kYes;
    }
  }
  EXPECT_GT(passed, tried / 50);
}

using Modes = std::array<unsigned, 6>;  // by FragmentHandling
FragmentHandling random_mode(World& world) {
  return FragmentHandling{static_cast<std::uint8_t>(world.pick(6))};
}
unsigned& of(Modes& modes, FragmentHandling mode) { return modes[static_cast<std::size_t>(mode)]; }

// What an entry says of a packet, by its way with fragments (§7.1 to §7.3).
Answer by_mode(const PolicySpec& policy, Direction direction, const Known& k) {
  const auto ask = [&](const Known& known) { return one_of(policy.selectors, direction, known); };
  switch (policy.fragments) {
    case FragmentHandling::kReassemble:
    case FragmentHandling::kAny:
    case FragmentHandling::kAlso:
    case FragmentHandling::kDrop:
      return ask(k);
    case FragmentHandling::kOwnSa:
    case FragmentHandling::kLater:
      break;
  }
  const bool later = policy.fragments == FragmentHandling::kLater;
  if (!k.fragment()) return later ? Answer::kNo : ask(k);
  // What stands behind its extension header, nobody knows.
  if (k.hidden) return ask(k.without_ports()) == Answer::kNo ? Answer::kNo : Answer::kUnknown;
  if (later != (k.piece == Piece::kLater)) return Answer::kNo;
  return ask(later ? k.without_ports() : k.as_whole());
}

struct Fate {
  enum class Kind : std::uint8_t { kNoEntry, kDecided, kUndecided, kRefused } kind = Kind::kNoEntry;
  std::uint32_t slot = 0;
  friend bool operator==(const Fate&, const Fate&) = default;
};
Fate read_with_modes(const std::vector<Spd::Input>& in_order, Direction direction, const Known& k) {
  const bool out = direction == Direction::kOut;
  for (const Spd::Input& input : in_order) {
    const PolicyDirection d = input.policy.direction;
    if (d == (out ? PolicyDirection::kIn : PolicyDirection::kOut)) continue;
    const Answer a = by_mode(input.policy, direction, k);
    if (a == Answer::kNo) continue;
    if (k.fragment() && input.policy.fragments == FragmentHandling::kDrop)
      return {Fate::Kind::kRefused, input.slot};
    return {a == Answer::kYes ? Fate::Kind::kDecided : Fate::Kind::kUndecided, input.slot};
  }
  return {};
}

// As the stage asks: without a look into the fragment, and where that is not enough, with one.
Fate ask(const Spd& spd, Direction direction, const PacketInfo& packet) {
  const auto once = [&](const Flow& flow) -> Fate {
    const Spd::Entry* entry = spd.find(direction, flow);
    if (entry == nullptr) return {};
    if (flow.fragment && entry->fragments == FragmentHandling::kDrop)
      return {Fate::Kind::kRefused, entry->slot};
    return {entry->undecided(flow) ? Fate::Kind::kUndecided : Fate::Kind::kDecided, entry->slot};
  };
  const Fate first = once(flow_of(packet));
  return first.kind == Fate::Kind::kUndecided ? once(flow_of_piece(packet)) : first;
}

TEST(Rfc4301_7, RandomFragmentsGoTheWayOfTheEntryThatTheListIsReadTo) {
  Modes pieces{}, whole{};
  unsigned undecided = 0, tried = 0;
  for (unsigned seed = 0; tried < packets_to_try(); ++seed) {
    World world(seed + 0x7000);
    std::vector<Spd::Input> inputs;
    std::map<std::uint32_t, FragmentHandling> modes;
    for (std::uint32_t id = 1, n = 1 + world.pick(40); id <= n; ++id) {
      inputs.push_back(world.policy(id));
      modes[inputs.back().slot] = inputs.back().policy.fragments = random_mode(world);
    }
    const Spd spd(inputs);
    std::ranges::sort(inputs, {}, [](const Spd::Input& i) { return std::pair(i.policy.order, i.policy.id); });
    for (unsigned i = 0; i < kPacketsOfAWorld; ++i, ++tried) {
      const Known known = world.packet();
      Octets octets(known, world);
      const PacketInfo packet = parsed(octets);
      for (const Direction d : {Direction::kOut, Direction::kIn}) {
        const Fate want = read_with_modes(inputs, d, known), is = ask(spd, d, packet);
        ASSERT_EQ(is.kind, want.kind) << "seed " << seed << ", packet " << i;
        ASSERT_EQ(is.slot, want.slot) << "seed " << seed << ", packet " << i;
        undecided += want.kind == Fate::Kind::kUndecided;
        if (want.kind == Fate::Kind::kDecided || want.kind == Fate::Kind::kRefused)
          ++of(known.fragment() ? pieces : whole, modes[want.slot]);
      }
    }
  }
  EXPECT_GT(undecided, tried / 50);
  for (std::size_t mode = 0; mode < pieces.size(); ++mode) {
    EXPECT_GT(pieces[mode], tried / 200) << "mode " << mode << " hardly decided about a fragment";
    const bool later = FragmentHandling{static_cast<std::uint8_t>(mode)} == FragmentHandling::kLater;
    EXPECT_EQ(whole[mode] > tried / 200, !later) << "mode " << mode;
  }
}

// What an SA that has its own way with fragments says of one. Selectors without ports take fragments as they
// take any packet, but where fragments are refused.
Answer sa_by_mode(const SaSpec& sa, const Known& k) {
  const auto ask = [&](const Known& known) { return one_of(sa.selectors, Direction::kIn, known); };
  const auto yes_or_no = [](Answer a) { return a == Answer::kYes ? a : Answer::kNo; };
  switch (sa.fragments) {
    case FragmentHandling::kReassemble:
    case FragmentHandling::kAny:
    case FragmentHandling::kAlso:
      return ask(k);
    case FragmentHandling::kDrop:
      return k.fragment() ? Answer::kNo : ask(k);
    case FragmentHandling::kOwnSa:
      if (!k.fragment()) return ask(k);
      return yes_or_no(k.piece == Piece::kFirst && !k.hidden ? ask(k.as_whole()) : Answer::kNo);
    case FragmentHandling::kLater:
      break;
  }
  // RFC 3128 §2.1: in the header of TCP, where Octets has it begin.
  const bool overlaps = k.source.is_v4() && k.protocol == kTcp;
  return yes_or_no(k.piece == Piece::kLater && !overlaps ? ask(k) : Answer::kNo);
}

// As their SAs have them: ports that are asked for, or OPAQUE ones.
void give_ports(SaSpec& sa, World& world) {
  const auto give = [&](TrafficSelectors& side) {
    for (TrafficSelector& s : side)
      if (sa.fragments == FragmentHandling::kLater)
        s.ports = PortRange::opaque();
      else if (s.ports.is_any())
        s.protocol = kUdp, s.ports = {0, static_cast<std::uint16_t>(2 + world.pick(4))};
  };
  give(sa.selectors.local), give(sa.selectors.remote);
  for (SelectorSet& set : sa.selectors.more) give(set.local), give(set.remote);
}

TEST(Rfc4301_7, RandomFragmentsOutOfAnSaAreCheckedAsItsWaySays) {
  Modes pieces{}, whole{};
  unsigned tried = 0;
  for (unsigned seed = 0; tried < packets_to_try(); ++seed) {
    World world(seed + 0x8000);
    SaSpec spec;
    spec.selectors = world.selectors();
    spec.fragments = random_mode(world);
    if (Spd::Entry::by_piece(spec.fragments)) give_ports(spec, world);
    InboundSa sa(0);
    sa.fragments = spec.fragments;
    set_selectors(spec, sa);
    for (unsigned i = 0; i < kPacketsOfAWorld / 10; ++i, ++tried) {
      const Known known = world.packet();
      Octets octets(known, world);
      const PacketInfo packet = parsed(octets);
      const Answer want = sa_by_mode(spec, known);
      ASSERT_EQ(check_selectors(sa, octets.ip(), packet.headers), want == Answer::kYes ? Drop::kNone
                                                                  : want == Answer::kNo
                                                                      ? Drop::kSelectorMismatch
                                                                      : Drop::kFragment)
          << "seed " << seed << ", packet " << i;
      if (want == Answer::kYes) ++of(known.fragment() ? pieces : whole, spec.fragments);
    }
  }
  const auto some = tried / 10000;
  for (std::size_t mode = 0; mode < pieces.size(); ++mode) {
    const FragmentHandling way{static_cast<std::uint8_t>(mode)};
    EXPECT_EQ(pieces[mode] > some, way != FragmentHandling::kDrop) << mode;
    EXPECT_EQ(whole[mode] > some, way != FragmentHandling::kLater) << mode;
  }
}

}  // namespace
}  // namespace simplon::dp::test
