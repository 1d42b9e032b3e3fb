// SPDX-License-Identifier: Apache-2.0
// RFC 4301 §7: the ways with fragments that an entry of the SPD may choose, from one gateway to the other.
#include <gtest/gtest.h>

#include "tests/dp/fragments.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

// One entry, and its SA, at both ends: the left one encrypts.
struct Entry {
  std::uint32_t id;
  std::string local, remote;  // of the left end
  FragmentHandling fragments;
};

class Sites {
 public:
  Lab left{0, true}, right{1, false};

  explicit Sites(const std::vector<Entry>& entries, const Mix& mix = kMixes[0]) : mix_(mix) {
    for (const Entry& e : entries) add(e);
    EXPECT_TRUE(left.registry().commit());
    EXPECT_TRUE(right.registry().commit());
  }
  // Sealed by the left end; the frames' ESP packets.
  std::vector<Buffer> seal(const Buffer& inner) {
    std::vector<Buffer> out;
    for (const Buffer& frame : left.pass(inner, Origin::kProtected, kLan)) out.push_back(ip_of(frame));
    return out;
  }
  std::vector<Buffer> cross(const Buffer& inner) {
    std::vector<Buffer> out;
    for (const Buffer& esp : seal(inner))
      std::ranges::copy(right.pass(esp, Origin::kUnprotected, kWan), std::back_inserter(out));
    return out;
  }
  std::uint64_t sent(std::uint32_t id) { return left.registry().counters(SaId{id})->packets; }

 private:
  void add(const Entry& e) {
    for (const bool here : {true, false}) {
      Lab& lab = here ? left : right;
      const Selectors s =
          here ? selectors(e.local.c_str(), e.remote.c_str()) : selectors(e.remote.c_str(), e.local.c_str());
      EXPECT_TRUE(lab.registry().add_policy({.id = PolicyId{e.id},
                                             .order = e.id,
                                             .action = Action::kProtect,
                                             .selectors = s,
                                             .fragments = e.fragments}));
      SaOptions o;
      o.id = e.id;
      o.spi = Spi{0x1000 + e.id};
      o.from = *IpAddress::parse(mix_.outer_from), o.to = *IpAddress::parse(mix_.outer_to);
      o.selectors = s;
      SaSpec sa = *make_sa(here ? Direction::kOut : Direction::kIn, o);
      sa.policy = PolicyId{e.id};
      sa.fragments = e.fragments;
      EXPECT_TRUE(lab.registry().add_sa(std::make_shared<const SaSpec>(std::move(sa))));
    }
  }
  const Mix& mix_;
};

Buffer udp(const Mix& mix, unsigned bytes, std::uint16_t port) {
  const bool v4 = IpAddress::parse(mix.inner_from)->is_v4();
  Buffer p =
      v4 ? udp4(mix.inner_from, mix.inner_to, bytes, 0, 64, port) : udp6(mix.inner_from, mix.inner_to, bytes);
  if (!v4) store_be16(p.data() + 42, port);
  return p;
}

std::vector<Entry> own_sa(const Mix& mix) {
  const std::string remote = mix.remote;
  return {{1, mix.local, remote + "[udp/2000]", FragmentHandling::kOwnSa},
          {2, mix.local, remote + "[udp/opaque]", FragmentHandling::kLater}};
}

TEST(Rfc4301_7_2, TheFirstFragmentGoesByItsPortsAndTheOthersByAnSaOfTheirOwn) {
  for (const Mix& mix : kMixes) {
    Sites sites(own_sa(mix), mix);
    EXPECT_EQ(sites.cross(udp(mix, 100, 2000)).size(), 1u) << mix.name;
    EXPECT_EQ(sites.sent(1), 1u) << "a whole packet";
    const std::vector<Buffer> pieces = cut(udp(mix, 3000, 2000), 1232);
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(sites.cross(pieces[2]).size(), 1u) << mix.name << ": it waits for no other";
    EXPECT_EQ(sites.cross(pieces[0]).size(), 1u);
    EXPECT_EQ(sites.cross(pieces[1]).size(), 1u);
    EXPECT_EQ(sites.sent(1), 2u);
    EXPECT_EQ(sites.sent(2), 2u);
    EXPECT_EQ(sites.left.worker().counters().reassembled, 0u);
    EXPECT_EQ(sites.right.worker().counters().reassembled, 0u);
  }
}

TEST(Rfc4301_7_2, TheFirstFragmentOfAnotherPortIsNotTheEntrys) {
  const Mix& mix = kMixes[0];
  Sites sites(own_sa(mix));
  EXPECT_TRUE(sites.cross(cut(udp(mix, 3000, 2001), 1232)[0]).empty());
  EXPECT_EQ(sites.left.dropped(Drop::kNoPolicy), 1u);
  EXPECT_EQ(sites.cross(cut(udp(mix, 3000, 2000), 1232)[0]).size(), 1u) << "the control";
}

// The other end checks what comes: by another's SA a fragment does not come in.
TEST(Rfc4301_7_2, NoSaCarriesWhatIsTheOthers) {
  const Mix& mix = kMixes[0];
  Sites sites(own_sa(mix));
  // A left end that sends everything through either of them.
  for (std::uint32_t id : {1u, 2u}) {
    sites.left.registry().remove_policy(PolicyId{id});
    PolicySpec all{.id = PolicyId{id},
                   .order = id,
                   .action = Action::kProtect,
                   .selectors = selectors(mix.local, mix.remote)};
    ASSERT_TRUE(sites.left.registry().add_policy(all));
    ASSERT_TRUE(sites.left.registry().commit());
    const std::vector<Buffer> pieces = cut(udp(mix, 3000, 2000), 1232);
    const std::uint64_t before = sites.right.dropped(Drop::kSelectorMismatch);
    EXPECT_EQ(sites.cross(pieces[0]).size(), id == 1 ? 1u : 0u) << "the first, by " << id;
    EXPECT_EQ(sites.cross(pieces[1]).size(), id == 2 ? 1u : 0u) << "another, by " << id;
    EXPECT_EQ(sites.cross(udp(mix, 100, 2000)).size(), id == 1 ? 1u : 0u) << "a whole one, by " << id;
    EXPECT_EQ(sites.right.dropped(Drop::kSelectorMismatch) - before, id == 1 ? 1u : 2u);
    sites.left.registry().remove_policy(PolicyId{id});
    ASSERT_TRUE(sites.left.registry().commit());
  }
}

// RFC 3128 §2.1.
TEST(Rfc4301_7_2, AFragmentThatBeginsInsideATcpHeaderIsDropped) {
  const Mix& mix = kMixes[0];
  Sites sites({{1, mix.local, std::string(mix.remote) + "[tcp/443]", FragmentHandling::kOwnSa},
               {2, mix.local, std::string(mix.remote) + "[tcp/opaque]", FragmentHandling::kLater}});
  Buffer tcp = udp(mix, 400, 443);
  tcp[9] = kTcp;
  set_ipv4_checksum(tcp.data());
  const std::vector<Buffer> pieces = cut(tcp, 8);
  EXPECT_TRUE(sites.cross(pieces[1]).empty());
  EXPECT_EQ(sites.right.dropped(Drop::kSelectorMismatch), 1u);
  EXPECT_EQ(sites.cross(pieces[2]).size(), 1u) << "behind it";
}

TEST(Rfc4301_7, AnEntryThatTakesNoFragmentsDropsThem) {
  const Mix& mix = kMixes[0];
  for (const char* ports : {"", "[udp/2000]"}) {
    Sites sites({{1, mix.local, std::string(mix.remote) + ports, FragmentHandling::kDrop}});
    for (const Buffer& piece : cut(udp(mix, 3000, 2000), 1232)) EXPECT_TRUE(sites.seal(piece).empty());
    EXPECT_EQ(sites.left.dropped(Drop::kFragmentRefused), 3u) << ports;
    EXPECT_EQ(sites.cross(udp(mix, 100, 2000)).size(), 1u) << "the control";
    EXPECT_EQ(sites.seal(udp(mix, 1472, 2000)).size(), 2u) << "it is cut behind ESP";
    EXPECT_EQ(sites.sent(1), 2u);
  }
}

TEST(Rfc4301_7, NoFragmentComesOutOfAnSaThatTakesNone) {
  const Mix& mix = kMixes[0];
  Sites sites({{1, mix.local, mix.remote, FragmentHandling::kDrop}});
  ASSERT_TRUE(sites.left.registry().add_policy({.id = PolicyId{1},
                                                .order = 1,
                                                .action = Action::kProtect,
                                                .selectors = selectors(mix.local, mix.remote)}));
  ASSERT_TRUE(sites.left.registry().commit());
  for (const Buffer& piece : cut(udp(mix, 3000, 2000), 1232)) EXPECT_TRUE(sites.cross(piece).empty());
  EXPECT_EQ(sites.right.dropped(Drop::kSelectorMismatch), 3u);
  EXPECT_EQ(sites.cross(udp(mix, 100, 2000)).size(), 1u) << "the control";
}

// The datagram is decided about when it is whole, and then goes as the peer has agreed to.
TEST(Rfc4301_7_3, WhereThePeerAgreesAnSaWithPortsSendsFragments) {
  const Mix& mix = kMixes[0];
  Sites sites({{1, mix.local, std::string(mix.remote) + "[udp/2000]", FragmentHandling::kAlso}});
  std::vector<Buffer> sealed;
  for (const Buffer& piece : cut(udp(mix, 3000, 2000), 1232))
    std::ranges::copy(sites.seal(piece), std::back_inserter(sealed));
  ASSERT_EQ(sealed.size(), 3u);
  for (const Buffer& esp : sealed) EXPECT_EQ(load_be16(esp.data() + 6) & 0x3fff, 0) << "a whole ESP packet";
  EXPECT_EQ(sites.sent(1), 3u);
  std::vector<Buffer> out;
  for (const Buffer& esp : sealed)
    std::ranges::copy(sites.right.pass(esp, Origin::kUnprotected, kWan), std::back_inserter(out));
  EXPECT_EQ(out.size(), 3u);
  EXPECT_EQ(sites.right.worker().counters().reassembled, 2u) << "checked when it was whole";
}

}  // namespace
}  // namespace simplon::dp::test
