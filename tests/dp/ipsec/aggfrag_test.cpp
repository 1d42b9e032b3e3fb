// SPDX-License-Identifier: Apache-2.0
// Packets into payloads of AGGFRAG and out of them (RFC 9347 §2.2), payloads that come late or not at all,
// and what a peer must not be able to do.
#include <gmock/gmock.h>

#include <random>
#include <set>

#include "tests/dp/hex.h"
#include "tests/dp/ipsec/aggfrag_stream.h"

namespace simplon::dp::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// An IPv4 packet of so many octets.
Buffer packet(unsigned octets, std::uint8_t seed = 1) {
  Buffer out(octets, seed);
  out[0] = 0x45;
  store_be16(out.data() + 2, static_cast<std::uint16_t>(octets));
  return out;
}
Buffer packet6(unsigned octets, std::uint8_t seed = 1) {
  Buffer out(octets, seed);
  out[0] = 0x60;
  store_be16(out.data() + 4, static_cast<std::uint16_t>(octets - 40));
  return out;
}
Buffer concat(std::initializer_list<Buffer> parts) {
  Buffer out;
  for (const Buffer& p : parts) out.insert(out.end(), p.begin(), p.end());
  return out;
}
Buffer part(const Buffer& of, std::size_t from, std::size_t to) {
  return {of.begin() + static_cast<std::ptrdiff_t>(from), of.begin() + static_cast<std::ptrdiff_t>(to)};
}

TEST(Rfc9347_2_2_2, PacketsAreJoinedAndSplitAsTheFiguresSay) {
  Packer packer;
  const Buffer a = packet(30, 1), b = packet6(60, 2), c = packet(40, 3);
  for (const Buffer* p : {&a, &b, &c}) ASSERT_TRUE(packer.put(*p));
  EXPECT_EQ(packer.fill(54), concat({hex("00000000"), a, part(b, 0, 20)}));
  EXPECT_EQ(packer.fill(24), concat({hex("00000028"), part(b, 20, 40)}))
      << "BlockOffset points past the end: the rest of the packet is longer";
  EXPECT_EQ(packer.fill(100), concat({hex("00000014"), part(b, 40, 60), c}));
  EXPECT_THAT(packer.fill(100), IsEmpty());
  EXPECT_EQ(packer.packed, 3u);
}

TEST(Rfc9347_2_2_2, PaddingFillsThePayload) {
  Packer packer;
  const Buffer a = packet(30);
  packer.put(a);
  EXPECT_EQ(packer.fill(40, true), concat({hex("00000000"), a, Buffer(6, 0)}));
  EXPECT_EQ(packer.fill(40, true), Buffer(40, 0)) << "and is all of it where nothing waits";
}

// What is left of a payload may be less than says how long a packet is.
TEST(Rfc9347_2_2_3, APacketMayBeginWithAnyOctetsOfAPayload) {
  for (const Buffer& p : {packet(50, 7), packet6(50, 7)})
    for (unsigned first = 1; first < 12; ++first) {
      Unpacker unpacker;
      Buffer rest = hex("00000000");
      store_be16(rest.data() + 2, static_cast<std::uint16_t>(p.size() - first));
      unpacker.take(1, concat({hex("00000000"), part(p, 0, first)}));
      unpacker.take(2, concat({rest, part(p, first, p.size())}));
      EXPECT_THAT(unpacker.packets(), ElementsAre(p)) << first;
      EXPECT_EQ(unpacker.budget.used, 0u);
    }
}

TEST(Rfc9347_2_2_3, OneThatTheHeaderSaysIsLongerThanItSaysItselfIsNoPacket) {
  Unpacker unpacker;
  const Buffer p = packet(50);
  unpacker.take(1, concat({hex("00000000"), part(p, 0, 2)}));
  unpacker.take(2, concat({hex("00000031"), part(p, 2, 50), Buffer(1, 0), packet(20)}));
  EXPECT_THAT(unpacker.packets(), ElementsAre(packet(20)));
  EXPECT_EQ(unpacker.dropped(Drop::kMalformed), 1u);
}

TEST(Rfc9347_2_2_3, PaddingBetweenTwoPartsEndsNothing) {
  Unpacker unpacker;
  const Buffer p = packet(50);
  unpacker.take(1, concat({hex("00000000"), part(p, 0, 30)}));
  unpacker.take(2, Buffer(100, 0));
  unpacker.take(3, hex("00000000"));
  unpacker.skip(4);
  unpacker.take(5, concat({hex("00000014"), part(p, 30, 50)}));
  EXPECT_THAT(unpacker.packets(), ElementsAre(p));
  EXPECT_EQ(unpacker.in.lost(), 0u);
}

TEST(Rfc9347_2_2_3, OnlyWhatALostPayloadHadIsLost) {
  Packer packer;
  const Buffer a = packet(30, 1), b = packet(60, 2), c = packet(40, 3), d = packet(25, 4);
  for (const Buffer* p : {&a, &b, &c, &d}) packer.put(*p);
  const Buffer one = packer.fill(54), two = packer.fill(24), three = packer.fill(200);
  for (const int lost : {1, 2, 3}) {
    Unpacker unpacker({.window = 0, .wait = 20, .second = 1000});
    if (lost != 1) unpacker.take(1, one);
    if (lost != 2) unpacker.take(2, two);
    if (lost != 3) unpacker.take(3, three);
    unpacker.expire(5000);
    EXPECT_EQ(unpacker.packets(), lost == 1   ? (std::vector<Buffer>{c, d})
                                  : lost == 2 ? (std::vector<Buffer>{a, c, d})
                                              : (std::vector<Buffer>{a}))
        << lost;
    EXPECT_EQ(unpacker.dropped(Drop::kAggfragLost), lost == 1 ? 0u : 1u);
    EXPECT_EQ(unpacker.budget.used, 0u);
  }
}

TEST(Rfc9347_2_2_3, OneThatIsLateIsWaitedForButNotForLong) {
  Packer packer;
  std::vector<Buffer> sent, payloads{{}};
  for (std::uint8_t i = 1; i <= 5; ++i) {
    sent.push_back(packet(30, i));
    packer.put(sent.back());
    payloads.push_back(packer.fill(200));
  }
  Unpacker unpacker;
  unpacker.take(1, payloads[1], 100);
  unpacker.take(3, payloads[3], 110);
  unpacker.take(4, payloads[4], 120);
  EXPECT_EQ(unpacker.packets(), (std::vector<Buffer>{sent[0]}));
  EXPECT_EQ(unpacker.in.waiting(), 2u);
  EXPECT_EQ(unpacker.in.due_at(), 130u) << "from when it was missed";
  unpacker.expire(129);
  EXPECT_THAT(unpacker.packets(), IsEmpty());
  unpacker.expire(130);
  EXPECT_EQ(unpacker.packets(), (std::vector<Buffer>{sent[2], sent[3]}));
  EXPECT_EQ(unpacker.in.due_at(), kNever);
  unpacker.take(2, payloads[2], 131);
  EXPECT_EQ(unpacker.dropped(Drop::kAggfragLate), 1u);
  unpacker.take(5, payloads[5], 131);
  EXPECT_EQ(unpacker.packets(), (std::vector<Buffer>{sent[4]}));
  EXPECT_EQ(unpacker.in.lost(), 1u);
}

// Two holes: who waits behind the second has waited behind the first as well.
TEST(Rfc9347_2_2_3, NoPayloadWaitsForLongerThanConfiguredHoweverManyAreMissing) {
  const auto filled = [](std::uint8_t i) { return concat({hex("00000000"), packet(30, i)}); };
  Unpacker unpacker;
  unpacker.take(2, filled(2), 100);
  unpacker.take(4, filled(4), 105);
  EXPECT_EQ(unpacker.in.due_at(), 120u);
  unpacker.expire(120);
  EXPECT_THAT(unpacker.packets(), SizeIs(1));
  EXPECT_EQ(unpacker.in.due_at(), 125u);
  unpacker.expire(125);
  EXPECT_THAT(unpacker.packets(), SizeIs(1));
  EXPECT_EQ(unpacker.in.due_at(), kNever);
}

TEST(Rfc9347_2_2_3, NoMorePayloadsWaitThanTheWindowAndThePartOfTheBuffersAllow) {
  const auto filled = [](std::uint8_t i) { return concat({hex("00000000"), packet(30, i)}); };
  Unpacker window({.window = 3, .wait = 20, .second = 1000});
  for (std::uint8_t i = 2; i <= 4; ++i) window.take(i, filled(i));
  EXPECT_THAT(window.packets(), IsEmpty());
  window.take(5, filled(5));
  EXPECT_THAT(window.packets(), SizeIs(4)) << "the first is given up";

  Unpacker poor({.window = 100, .wait = 20, .second = 1000}, 2);
  for (std::uint8_t i = 2; i <= 3; ++i) poor.take(i, filled(i));
  EXPECT_THAT(poor.packets(), IsEmpty());
  poor.take(4, filled(4));
  EXPECT_THAT(poor.packets(), SizeIs(3));
  EXPECT_EQ(poor.budget.used, 0u);
}

// However far the numbers jump.
TEST(Rfc9347_2_2_3, AJumpOfTheNumbersTakesNoTime) {
  Unpacker unpacker;
  const Buffer payload = concat({hex("00000000"), packet(30)});
  unpacker.take(5, payload);
  unpacker.take(1ull << 40, payload);
  unpacker.expire(1000);
  EXPECT_THAT(unpacker.packets(), SizeIs(2));
  EXPECT_EQ(unpacker.in.lost(), (1ull << 40) - 2);
}

TEST(Aggfrag, APartOfAPacketIsNotKeptForLonger) {
  Unpacker unpacker;
  unpacker.take(1, concat({hex("00000000"), part(packet(50), 0, 30)}), 100);
  EXPECT_EQ(unpacker.budget.used, 1u);
  EXPECT_EQ(unpacker.in.due_at(), 1100u);
  unpacker.take(2, Buffer(100, 0), 1000);
  EXPECT_EQ(unpacker.in.due_at(), 1100u) << "padding does not keep it alive";
  unpacker.expire(1100);
  EXPECT_EQ(unpacker.budget.used, 0u);
  EXPECT_EQ(unpacker.dropped(Drop::kAggfragLost), 1u);
  EXPECT_EQ(unpacker.in.due_at(), kNever);
}

TEST(Aggfrag, PartsOfPacketsHaveTheirPartOfTheBuffersAlone) {
  Unpacker unpacker({.window = 16, .wait = 20, .second = 1000}, 0);
  unpacker.take(1, concat({hex("00000000"), part(packet(50), 0, 30)}));
  unpacker.take(2, concat({hex("00000014"), part(packet(50), 30, 50), packet(20)}));
  EXPECT_THAT(unpacker.packets(), ElementsAre(packet(20)));
  EXPECT_EQ(unpacker.dropped(Drop::kAggfragLimit), 1u);
}

// Headers of 20 octets, 100 in each payload.
TEST(Aggfrag, WhatABurstOfPayloadsBringsIsBounded) {
  Buffer payload = hex("00000000");
  for (int i = 0; i < 100; ++i) payload = concat({payload, packet(20)});
  Unpacker unpacker;
  const unsigned free_before = rte_mempool_avail_count(Shared::get().buffers);
  constexpr unsigned kPayloads = 2 * kBurst;
  for (std::uint64_t seq = 1; seq <= kPayloads; ++seq) {
    unpacker.take(seq, payload);
    for (UnpackedPacket& p : unpacker.list)
      rte_pktmbuf_free(p.m), p.m = nullptr;  // the pool of a test is small
  }
  EXPECT_THAT(unpacker.list, SizeIs(kMostUnpacked));
  EXPECT_EQ(unpacker.dropped(Drop::kAggfragLimit), 100 * kPayloads - kMostUnpacked);
  EXPECT_EQ(unpacker.unpacked, 100 * kPayloads) << "each is counted";
  EXPECT_EQ(rte_mempool_avail_count(Shared::get().buffers), free_before);
}

TEST(Aggfrag, AHoleThatIsOpenWhenTheSaGoesLeavesNothingBehind) {
  const unsigned free_before = rte_mempool_avail_count(Shared::get().buffers);
  for (const bool cleared : {true, false}) {
    Unpacker unpacker;
    unpacker.take(1, concat({hex("00000000"), part(packet(50), 0, 30)}));
    unpacker.take(3, concat({hex("00000000"), packet(30)}));
    unpacker.skip(4);
    EXPECT_EQ(unpacker.in.waiting(), 1u);
    if (!cleared) continue;
    unpacker.in.clear(unpacker.outputs());
    EXPECT_EQ(unpacker.in.waiting(), 0u);
    EXPECT_EQ(unpacker.budget.used, 0u);
    EXPECT_EQ(unpacker.in.due_at(), kNever);
    EXPECT_EQ(unpacker.dropped(Drop::kAggfragLost), 2u);
  }
  EXPECT_EQ(rte_mempool_avail_count(Shared::get().buffers), free_before);
}

// D of RFC 9347 §6.1.4.
TEST(Rfc9347_6_1_4, APeerThatTakesNoPartsGetsWholePacketsAlsoWhenThePathBecomesSmaller) {
  Packer packer({.whole = true});
  const Buffer a = packet(60, 1), b = packet(60, 2), c = packet(20, 3);
  for (const Buffer* p : {&a, &b, &c}) packer.put(*p);
  EXPECT_EQ(packer.fill(100), concat({hex("00000000"), a}));
  EXPECT_EQ(packer.fill(50), concat({hex("00000000"), c})) << "b does not fit any more";
  EXPECT_EQ(packer.dropped(Drop::kTooBig), 1u);
  EXPECT_EQ(packer.budget.used, 0u);
}

TEST(Aggfrag, PacketsThatWaitAreBoundedForEachSaAndForAll) {
  Packer one({}, 10'000);
  unsigned taken = 0;
  while (taken < 900 && one.put(packet(20))) ++taken;
  EXPECT_EQ(taken, kAggfragQueue);
  one.out.clear(Drop::kNoSa, one.outputs());
  EXPECT_EQ(one.budget.used, 0u);
  EXPECT_EQ(one.dropped(Drop::kNoSa), kAggfragQueue);

  Packer all({}, 5);
  taken = 0;
  while (taken < 900 && all.put(packet(20))) ++taken;
  EXPECT_EQ(taken, 5u);
}

TEST(Aggfrag, APacketThatHasBegunToLeaveEndsAlone) {
  Packer packer;
  const Buffer a = packet(60, 1), b = packet(30, 2);
  packer.put(a), packer.put(b);
  packer.fill(44);
  ASSERT_TRUE(packer.out.begun());
  EXPECT_EQ(packer.fill(100, false, true), concat({hex("00000014"), part(a, 40, 60)}));
  EXPECT_FALSE(packer.out.begun());
  const QueuedPacket next = packer.out.take(packer.outputs());
  EXPECT_EQ(Buffer(bytes_of(next.m), bytes_of(next.m) + next.length), b) << "goes another way";
  rte_pktmbuf_free(next.m);
}

// What came of a stream, beside a plain reading of it: a packet arrives if each payload that it is in does.
class Stream {
 public:
  explicit Stream(unsigned seed) : random_(seed) {}

  void run() {
    make_packets();
    send();
    if (below(2) == 0) lose();
    if (below(2) == 0) reorder();
    Unpacker unpacker({.window = kWindow, .wait = 20, .second = 1000});
    std::vector<Buffer> got;
    for (const auto& [seq, payload] : wire_) {
      unpacker.take(seq, payload);
      came_.insert(seq);
      const auto some = unpacker.packets();
      got.insert(got.end(), some.begin(), some.end());
    }
    unpacker.expire(5000);   // what is missing
    unpacker.expire(50000);  // the rest of a packet
    const auto some = unpacker.packets();
    got.insert(got.end(), some.begin(), some.end());
    EXPECT_EQ(got, expected());
    EXPECT_EQ(unpacker.dropped(Drop::kAggfragLate), 0u);
    EXPECT_EQ(unpacker.budget.used, 0u);
    EXPECT_EQ(unpacker.in.waiting(), 0u);
  }

 private:
  static constexpr unsigned kWindow = 8;

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  void make_packets() {
    const unsigned n = 1 + below(40);
    for (unsigned i = 0; i < n; ++i) {
      const unsigned octets = below(4) == 0 ? 40 + below(1900) : 40 + below(200);
      packets_.push_back(below(2) == 0 ? packet(octets, static_cast<std::uint8_t>(i))
                                       : packet6(octets, static_cast<std::uint8_t>(i)));
    }
  }
  void send() {
    Packer packer({.whole = below(4) == 0});
    const unsigned room = packer.out.settings().whole ? 2000 : 20 + below(1500);
    std::uint64_t seq = 1;
    std::size_t queued = 0;
    spans_.resize(packets_.size());
    while (queued < packets_.size() || !packer.out.empty()) {
      for (unsigned more = below(6); more != 0 && queued < packets_.size(); --more)
        packer.put(packets_[queued++]);
      const std::size_t first = queued - packer.out.waiting();
      Buffer payload = packer.fill(room, below(3) == 0);
      if (payload.empty()) continue;
      std::size_t end = queued - packer.out.waiting();
      if (packer.out.begun()) ++end;
      for (std::size_t i = first; i < end; ++i) spans_[i].push_back(seq);
      wire_.emplace_back(seq++, std::move(payload));
    }
  }
  void lose() {
    std::erase_if(wire_, [&](const auto&) { return below(8) == 0; });
  }
  // Less far than the window.
  void reorder() {
    std::vector<std::pair<std::uint64_t, std::pair<std::uint64_t, Buffer>>> keyed;
    for (auto& w : wire_) keyed.emplace_back(w.first + below(kWindow / 2), w);
    std::ranges::stable_sort(keyed, {}, [](const auto& k) { return k.first; });
    wire_.clear();
    for (auto& k : keyed) wire_.push_back(std::move(k.second));
  }
  std::vector<Buffer> expected() const {
    std::vector<Buffer> out;
    for (std::size_t i = 0; i < packets_.size(); ++i)
      if (std::ranges::all_of(spans_[i], [&](std::uint64_t seq) { return came_.contains(seq); }))
        out.push_back(packets_[i]);
    return out;
  }

  std::mt19937 random_;
  std::vector<Buffer> packets_;
  std::vector<std::vector<std::uint64_t>> spans_;
  std::vector<std::pair<std::uint64_t, Buffer>> wire_;
  std::set<std::uint64_t> came_;
};

TEST(Aggfrag, RandomStreamsComeOutAsAPlainReadingSays) {
  const unsigned free_before = rte_mempool_avail_count(Shared::get().buffers);
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Stream(seed).run();
    if (HasFailure()) return;
  }
  EXPECT_EQ(rte_mempool_avail_count(Shared::get().buffers), free_before);
}

// Any octets as payloads, in any order: an answer, and every buffer comes back.
TEST(Aggfrag, RandomOctetsAreNoHarm) {
  std::mt19937 random(7);
  const unsigned free_before = rte_mempool_avail_count(Shared::get().buffers);
  {
    Unpacker unpacker({.window = 8, .wait = 20, .second = 1000});
    std::uint64_t seq = 1;
    for (int i = 0; i < 50'000; ++i) {
      Buffer octets(random() % 120);
      for (std::uint8_t& o : octets) o = static_cast<std::uint8_t>(random());
      if (!octets.empty()) octets[0] = static_cast<std::uint8_t>(random() % 8 == 0 ? random() : random() % 2);
      if (octets.size() > 4 && random() % 2 == 0) store_be16(octets.data() + 2, random() % 64);
      if (octets.size() > 40) octets[random() % 2 == 0 ? 4 : 24] = random() % 2 == 0 ? 0x45 : 0x60;
      if (octets.size() > 40 && random() % 4 != 0)
        store_be16(octets.data() + (random() % 2 == 0 ? 6 : 26), random() % 300);
      seq += random() % 20 == 0 ? 1 + random() % 12 : 1;
      unpacker.take(seq, octets, static_cast<std::uint64_t>(i));
      unpacker.packets();
    }
    EXPECT_GT(unpacker.unpacked, 100u);
    EXPECT_GT(unpacker.dropped(Drop::kAggfragLost), 100u);
  }
  EXPECT_EQ(rte_mempool_avail_count(Shared::get().buffers), free_before);
}

}  // namespace
}  // namespace simplon::dp::test
