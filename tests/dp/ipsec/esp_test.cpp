// SPDX-License-Identifier: Apache-2.0
// ESP packets that no honest sender makes, and the fields that the two headers exchange: built by hand,
// given to a real worker.
#include <gtest/gtest.h>

#include "tests/dp/hex.h"
#include "tests/dp/icmp.h"
#include "tests/dp/tunnel.h"

namespace simplon::dp::test {
namespace {

struct Suites {
  const char *encr, *integ;
  EspSuite suite() const { return {find_encr(encr), integ ? find_integ(integ) : nullptr}; }
};
constexpr Suites kBoth[] = {{"aes128gcm16", nullptr}, {"aes128", "sha256"}};

// A receiving gateway, and somebody who knows its keys and encrypts whatever he likes.
class Forger {
 public:
  explicit Forger(const EspSuite& suite, Selectors inward = selectors("198.18.2.0/24", "198.18.1.0/24"))
      : suite_(suite) {
    gateway.protect(inward);
    SaOptions o{.suite = suite, .selectors = inward};
    EXPECT_TRUE(gateway.registry().add_sa(make_sa(Direction::kIn, o)));
    const SaRef mine = make_sa(Direction::kOut, o);
    session_ = std::move(*Shared::get().crypto->make_session(*mine));
    std::ranges::copy(mine->salt.bytes(), salt_.begin());
  }

  // ESP over IPv4 whose plaintext is `payload`, trailer and all, whatever it is.
  Buffer seal(const Buffer& payload, std::uint32_t seq) {
    rte_mbuf* m = rte_pktmbuf_alloc(Shared::get().buffers);
    const auto total =
        static_cast<std::uint16_t>(kIpv4Bytes + kEspBytes + suite_.iv() + payload.size() + suite_.icv());
    auto* ip = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(m, total));
    std::memset(ip, 0, total);
    ip[0] = 0x45;
    store_be16(ip + 2, total);
    ip[8] = 64;
    ip[9] = kEsp;
    std::memcpy(ip + 12, hex("c6336401c6336402").data(), 8);  // 198.51.100.1 > 198.51.100.2
    set_ipv4_checksum(ip);
    CryptoJob job{.session = session_.get(), .mbuf = m, .esp = ip + kIpv4Bytes};
    store_be32(job.esp, 0x1001);
    store_be32(job.esp + 4, seq);
    store_be64(job.esp + 8, 0x1122334455667788 + seq);  // the IV
    std::memcpy(job.nonce.data(), salt_.data(), 4);
    std::memcpy(job.nonce.data() + (suite_.encr->aead() ? 4 : 0), job.esp + 8, suite_.iv());
    job.payload = static_cast<std::uint16_t>(kEspBytes + suite_.iv());
    job.length = static_cast<std::uint16_t>(payload.size());
    job.icv = job.esp + job.payload + job.length;
    std::memcpy(job.esp + job.payload, payload.data(), payload.size());
    EXPECT_EQ(crypto_->run(&job, 1), 1u);
    Buffer out(ip, ip + total);
    rte_pktmbuf_free(m);
    return out;
  }
  // The inner packet, `extra` octets of traffic flow confidentiality, right padding, and a trailer.
  Buffer payload(Buffer inner, std::uint8_t next = kIpip, unsigned extra = 0) const {
    inner.resize(inner.size() + extra);
    const unsigned block = suite_.encr->block;
    std::uint8_t pad = 0;
    while ((inner.size() + 2) % block != 0) inner.push_back(++pad);
    inner.push_back(pad);
    inner.push_back(next);
    return inner;
  }
  // What comes of it: the packets that left, and the one reason if there was one.
  void expect(const Buffer& outer, Drop reason, const char* what) {
    SCOPED_TRACE(what);
    const std::uint64_t before = gateway.dropped(reason);
    const auto out = gateway.pass(outer, Origin::kUnprotected, kWan);
    EXPECT_EQ(out.size(), reason == Drop::kNone ? 1u : 0u);
    EXPECT_EQ(gateway.dropped(reason), before + (reason == Drop::kNone ? 0 : 1));
  }
  unsigned block() const { return suite_.encr->block; }

  Lab gateway{1, false};

 private:
  EspSuite suite_;
  std::unique_ptr<const CryptoSession> session_;
  std::unique_ptr<Crypto> crypto_ = std::move(*Crypto::make(0));
  std::array<std::uint8_t, 4> salt_{};
};

const Buffer kInner = udp4("198.18.1.10", "198.18.2.10", 41);

TEST(Rfc4303_2_4, PaddingThatIsNot123IsRefused) {
  for (const Suites& s : kBoth) {
    Forger forger(s.suite());
    Buffer p = forger.payload(kInner);
    forger.expect(forger.seal(p, 1), Drop::kNone, "right padding");
    const std::size_t first = kInner.size();
    ASSERT_GT(p.size(), first + 2) << "there is padding to spoil";
    p[first] = 0;
    forger.expect(forger.seal(p, 2), Drop::kBadPadding, "first octet");
    p = forger.payload(kInner);
    p[p.size() - 3] ^= 0x80;
    forger.expect(forger.seal(p, 3), Drop::kBadPadding, "last octet");
  }
}

TEST(Rfc4303_2_4, PaddingOfUpTo255OctetsIsCheckedToItsFirst) {
  for (const Suites& s : kBoth) {
    Forger forger(s.suite());
    std::uint32_t seq = 0;
    for (unsigned pad = 0; pad <= 255; ++pad) {
      if ((kInner.size() + pad + 2) % forger.block() != 0) continue;
      Buffer p = kInner;
      for (unsigned i = 1; i <= pad; ++i) p.push_back(static_cast<std::uint8_t>(i));
      p.push_back(static_cast<std::uint8_t>(pad));
      p.push_back(kIpip);
      forger.expect(forger.seal(p, ++seq), Drop::kNone, "right");
      if (pad == 0) continue;
      p[kInner.size()] ^= 0x10;
      forger.expect(forger.seal(p, ++seq), Drop::kBadPadding, "its first octet");
    }
    EXPECT_GT(seq, 20u);
  }
}

TEST(Rfc4303_2_5, PadLengthBeyondThePayloadIsRefused) {
  for (const Suites& s : kBoth) {
    Forger forger(s.suite());
    Buffer p = forger.payload(kInner);
    p[p.size() - 2] = 255;
    forger.expect(forger.seal(p, 1), Drop::kBadPadding, "longer than all");
    Buffer only(forger.block(), 0);  // nothing but padding and trailer: no packet inside
    for (std::size_t i = 0; i + 2 < only.size(); ++i) only[i] = static_cast<std::uint8_t>(i + 1);
    only[only.size() - 2] = static_cast<std::uint8_t>(only.size() - 2);
    only[only.size() - 1] = kIpip;
    forger.expect(forger.seal(only, 2), Drop::kRunt, "an empty inner packet");
  }
}

TEST(Rfc4303_2_6, NextHeaderNamesWhatIsInside) {
  for (const Suites& s : kBoth) {
    Forger forger(s.suite());
    forger.expect(forger.seal(forger.payload(kInner, kTcp), 1), Drop::kBadNextHeader, "transport mode's TCP");
    forger.expect(forger.seal(forger.payload(kInner, 1), 2), Drop::kBadNextHeader, "ICMP");
    forger.expect(forger.seal(forger.payload(kInner, kIpv6InIp), 3), Drop::kBadNextHeader, "41, but IPv4");
    forger.expect(forger.seal(forger.payload(udp6("2001:db8:a::10", "2001:db8:b::10"), kIpip), 4),
                  Drop::kBadNextHeader, "4, but IPv6");
    Buffer dummy = forger.payload(Buffer(40, 0xaa), kNoNextHeader);
    forger.expect(forger.seal(dummy, 5), Drop::kDummy, "dummy");
    dummy[dummy.size() - 3] ^= 1;  // its content is of no interest
    forger.expect(forger.seal(dummy, 6), Drop::kDummy, "dummy with any padding");
  }
}

TEST(Rfc4303_2_7, TrafficFlowConfidentialityPaddingIsCutOff) {
  for (const Suites& s : kBoth) {
    Forger forger(s.suite());
    const auto out =
        forger.gateway.pass(forger.seal(forger.payload(kInner, kIpip, 200), 1), Origin::kUnprotected, kWan);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(ip_of(out[0]), udp4("198.18.1.10", "198.18.2.10", 41, 0, 63));
  }
}

TEST(Rfc4303_3_4, ABadInnerPacketIsRefusedAfterAGoodIcv) {
  Forger forger(kBoth[0].suite());
  Buffer inner = kInner;
  inner[10] ^= 1;
  forger.expect(forger.seal(forger.payload(inner), 1), Drop::kBadChecksum, "checksum");
  inner = kInner;
  store_be16(inner.data() + 2, 1000);
  set_ipv4_checksum(inner.data());
  forger.expect(forger.seal(forger.payload(inner), 2), Drop::kRunt, "says it is longer than it is");
  inner = kInner;
  inner[0] = 0x95;
  forger.expect(forger.seal(forger.payload(inner), 3), Drop::kMalformed, "IP version 9");
}

TEST(Rfc4303_3_4, CiphertextThatIsNoWholeBlocksIsRefusedBeforeCrypto) {
  for (const Suites& s : kBoth) {
    Forger forger(s.suite());
    const Buffer good = forger.seal(forger.payload(kInner), 1);
    const unsigned least = kIpv4Bytes + kEspBytes + s.suite().iv() + s.suite().icv();
    for (std::size_t n = kIpv4Bytes; n < good.size(); ++n) {
      Buffer cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n));
      store_be16(cut.data() + 2, static_cast<std::uint16_t>(cut.size()));
      set_ipv4_checksum(cut.data());
      const Drop why = cut.size() < kIpv4Bytes + kEspBytes                                 ? Drop::kRunt
                       : cut.size() <= least || (cut.size() - least) % forger.block() != 0 ? Drop::kMalformed
                                                                                           : Drop::kBadIcv;
      forger.expect(cut, why, std::to_string(n).c_str());
    }
    forger.expect(good, Drop::kNone, "and the whole one passes");
  }
}

// The OFFSET is not zero or MORE FRAGMENTS is set: ESP is for whole packets. What waits for the rest of its
// datagram is no drop yet.
TEST(Rfc4303_3_4_1, FragmentsAreNotOfferedToEsp) {
  Forger forger(kBoth[0].suite());
  Buffer outer = forger.seal(forger.payload(kInner), 1);
  const auto with = [&](std::uint16_t flags) {
    Buffer p = outer;
    store_be16(p.data() + 6, flags);
    set_ipv4_checksum(p.data());
    return p;
  };
  for (const std::uint16_t flags : {0x2000, 0x2040, 0x0080})
    EXPECT_TRUE(forger.gateway.pass(with(flags), Origin::kUnprotected, kWan).empty());
  EXPECT_EQ(forger.gateway.worker().counters().waiting, 3u);
  EXPECT_EQ(forger.gateway.dropped(Drop::kBadIcv), 0u);
  forger.expect(with(0x4000), Drop::kNone, "DF is no fragment");
}

// RFC 6040 §4.2, figure 4, as it is printed: the outer ECN field across, the inner one down.
// Its ports are not known, so it may be of a flow that the selectors leave out: it waits for them.
TEST(Rfc4301_7, ALaterFragmentIsNotInsideSelectorsWithPorts) {
  Buffer later = kInner;
  store_be16(later.data() + 6, 100);
  set_ipv4_checksum(later.data());
  Forger ports(kBoth[0].suite(), selectors("198.18.2.0/24[udp/0-1023]", "198.18.1.0/24[udp/0-2047]"));
  const Buffer sealed = ports.seal(ports.payload(later), 1);
  EXPECT_TRUE(ports.gateway.pass(sealed, Origin::kUnprotected, kWan).empty());
  EXPECT_EQ(ports.gateway.worker().counters().waiting, 1u);
  Forger others(kBoth[0].suite(), selectors("198.18.2.0/24[tcp/0-1023]", "198.18.1.0/24[tcp/0-2047]"));
  others.expect(sealed, Drop::kSelectorMismatch, "another protocol, whatever the ports");
  Forger all(kBoth[0].suite());
  all.expect(all.seal(all.payload(later), 1), Drop::kNone, "selectors without");
}

TEST(Rfc4301_5_2, EveryPairOfManySelectorsIsTaken) {
  Selectors many;
  for (unsigned i = 0; i < 20; ++i) {
    many.local.push_back(*TrafficSelector::parse("198.18.2." + std::to_string(29 - i)));
    many.remote.push_back(*TrafficSelector::parse("198.19." + std::to_string(i) + ".0/24"));
  }
  Forger forger(kBoth[0].suite(), many);
  forger.expect(forger.seal(forger.payload(udp4("198.19.19.1", "198.18.2.10")), 1), Drop::kNone,
                "the last pair");
  forger.expect(forger.seal(forger.payload(udp4("198.19.20.1", "198.18.2.10")), 2), Drop::kSelectorMismatch,
                "none");
}

TEST(Rfc6040_4_2, EveryPairOfEcnFields) {
  enum : std::uint8_t { kNot = 0, kEct1 = 1, kEct0 = 2, kCe = 3, kDropped = 4 };
  constexpr std::uint8_t kOuter[] = {kNot, kEct0, kEct1, kCe};
  constexpr struct {
    std::uint8_t inner, after[4];
  } kFigure4[] = {
      {kNot, {kNot, kNot, kNot, kDropped}},
      {kEct0, {kEct0, kEct0, kEct1, kCe}},
      {kEct1, {kEct1, kEct1, kEct1, kCe}},
      {kCe, {kCe, kCe, kCe, kCe}},
  };
  std::uint32_t seq = 0;
  Forger four(kBoth[0].suite());
  Forger six(kBoth[0].suite(), selectors("2001:db8:b::/64", "2001:db8:a::/64"));
  for (const auto& row : kFigure4)
    for (unsigned column = 0; column < 4; ++column) {
      ++seq;
      const std::uint8_t outer = kOuter[column], after = row.after[column];
      SCOPED_TRACE("inner " + std::to_string(row.inner) + " outer " + std::to_string(outer));
      const auto received = [&](Forger& forger, const Buffer& inner, std::uint8_t next) {
        Buffer p = forger.seal(forger.payload(inner, next), seq);
        p[1] = static_cast<std::uint8_t>(0x28 | outer);  // the outer DSCP is not copied inwards
        set_ipv4_checksum(p.data());
        return forger.gateway.pass(p, Origin::kUnprotected, kWan);
      };
      const auto v4 = received(
          four, udp4("198.18.1.10", "198.18.2.10", 41, static_cast<std::uint8_t>(0xb8 | row.inner)), kIpip);
      Buffer inner6 = udp6("2001:db8:a::10", "2001:db8:b::10");
      inner6[0] = 0x6b;
      inner6[1] = static_cast<std::uint8_t>(0x8f | row.inner << 4);  // and 0xf of the flow label
      const auto v6 = received(six, inner6, kIpv6InIp);
      ASSERT_EQ(v4.size(), after == kDropped ? 0u : 1u);
      ASSERT_EQ(v6.size(), v4.size());
      if (after == kDropped) continue;
      EXPECT_EQ(ip_of(v4[0]),
                udp4("198.18.1.10", "198.18.2.10", 41, static_cast<std::uint8_t>(0xb8 | after), 63));
      EXPECT_EQ(ip_of(v6[0])[0], 0x6b);
      EXPECT_EQ(ip_of(v6[0])[1], 0x8f | after << 4);
    }
  EXPECT_EQ(four.gateway.dropped(Drop::kEcn), 1u);
  EXPECT_EQ(six.gateway.dropped(Drop::kEcn), 1u);
}

TEST(Rfc4301_5_1_2_1, TtlOfAForwardedPacketGoesDownAndDiesAtZero) {
  Lab left(0, true);
  left.protect(selectors("198.18.1.0/24", "198.18.2.0/24"));
  SaOptions o{.selectors = selectors("198.18.1.0/24", "198.18.2.0/24")};
  ASSERT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, o)));
  const auto frames = left.pass(udp4("198.18.1.10", "198.18.2.10", 40, 0, 1), Origin::kProtected, kLan);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(told(frames).size(), 1u) << "its sender is told, and no ESP leaves";
  EXPECT_EQ(left.dropped(Drop::kTtlExpired), 1u);
  EXPECT_EQ(left.registry().counters(SaId{1})->packets, 0u) << "no sequence number was spent on it";
  const auto out = left.pass(udp4("198.18.1.10", "198.18.2.10", 40, 0, 2), Origin::kProtected, kLan);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(ip_of(out[0])[8], 64) << "the outer TTL does not depend on the inner one";
}

TEST(Rfc4303_3_3_3, TheLastSequenceNumberIsSentAndNoneAfterIt) {
  Lab left(0, true);
  left.protect(selectors("198.18.1.0/24", "198.18.2.0/24"));
  SaOptions o{.selectors = selectors("198.18.1.0/24", "198.18.2.0/24")};
  ASSERT_TRUE(left.registry().add_sa(make_sa(Direction::kOut, o)));
  (*left.registry().tables().read()->outbound)[0].sa.read()->next_seq = kLastSequence;
  const Buffer inner = udp4("198.18.1.10", "198.18.2.10");
  const auto out = left.pass({inner, inner}, Origin::kProtected, kLan);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(load_be32(ip_of(out[0]).data() + 24), 0xffffffffu);
  EXPECT_EQ(left.dropped(Drop::kSequenceExhausted), 1u);
}

// The numbers on both sides of 2^32, of an AEAD and of a cipher with an HMAC, which authenticate the high
// half in different ways; and a packet of the stretch before is a replay, not a fresh one of the next.
TEST(Rfc4303_2_2_1, ExtendedNumbersCrossTheEdge) {
  for (const EspSuite& suite :
       {EspSuite{find_encr("aes128gcm16"), nullptr}, EspSuite{find_encr("aes128"), find_integ("sha256")}}) {
    Pair pair({.suite = suite, .esn = Esn::kOn});
    (*pair.left.registry().tables().read()->outbound)[0].sa.read()->next_seq = kLastSequence - 2;
    InboundSa* in =
        pair.right.registry().tables().read()->sad->find(Be32{0x1001}, *IpAddress::parse("198.51.100.2"));
    in->window.mark(kLastSequence - 3);
    const Buffer inner = udp4("198.18.1.10", "198.18.2.10");
    std::vector<Buffer> sealed;
    for (int i = 0; i < 6; ++i) {
      sealed.push_back(pair.seal(inner));
      EXPECT_EQ(pair.open(sealed.back()).size(), 1u) << i;
    }
    EXPECT_EQ(in->window.top(), kLastSequence + 3);
    EXPECT_EQ(load_be32(sealed.back().data() + 24), 2u);
    for (const Buffer& again : sealed) EXPECT_EQ(pair.open(again).size(), 0u);
    EXPECT_EQ(pair.right.dropped(Drop::kReplayed), 6u);
    EXPECT_EQ(pair.left.dropped(Drop::kSequenceExhausted), 0u);
  }
}

TEST(Rfc4303_3_4_2, AnUnknownSpiOfOursIsDroppedAndNamed) {
  Forger forger(kBoth[0].suite());
  Buffer p = forger.seal(forger.payload(kInner), 1);
  store_be32(p.data() + 20, 0x9999);
  forger.expect(p, Drop::kUnknownSpi, "SPI");
}

}  // namespace
}  // namespace simplon::dp::test
