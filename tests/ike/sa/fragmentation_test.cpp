// SPDX-License-Identifier: Apache-2.0
// Messages in fragments between two endpoints (RFC 7383): both ends prove identities of three kilobytes, and
// the child has two hundred networks, so that whatever they say of either is longer than a datagram may be.
#include <set>

#include "ike/crypto/protection.h"
#include "ike/sa/frozen.h"
#include "tests/ike/journal.h"

namespace simplon::ike::test {
namespace {

std::optional<SkPayload> fragment_of(const Buffer& message) {
  const auto sk = find_sk(message);
  return sk && sk->fragment() ? std::optional(*sk) : std::nullopt;
}

Identity long_id(std::uint8_t octet) { return {.type = IdType::kKeyId, .data = Buffer(3000, octet)}; }

std::vector<TrafficSelector> networks(char side) {
  std::vector<TrafficSelector> out;
  for (int i = 0; i < 100; ++i)
    out.push_back(*TrafficSelector::parse("2001:db8:" + std::string(1, side) + std::to_string(i) + "::/64"));
  return out;
}

std::shared_ptr<Connection> long_connection(bool left) {
  auto c = connection(left);
  c->local_id = long_id(left ? 1 : 2);
  c->remote_id = long_id(left ? 2 : 1);
  c->children[0].selectors = {networks(left ? 'a' : 'b'), networks(left ? 'b' : 'a')};
  return c;
}

class Fragmentation : public testing::Test {
 protected:
  // What is said while it runs, and arrives at nobody.
  std::vector<Datagram> held_back(const std::function<void(const Lose&)>& run) {
    std::vector<Datagram> out;
    run([&](const Datagram& d) { return out.push_back(d), true; });
    return out;
  }
  // The fragments of the initiator's IKE_AUTH.
  std::vector<Datagram> first_auth() {
    pair.left.endpoint.initiate("sites", "net", 1, pair.now);
    std::vector<Datagram> out;
    pair.pump([&](const Datagram& d) { return fragment_of(d.bytes) && (out.push_back(d), true); });
    EXPECT_GE(out.size(), 3u);
    return out;
  }
  void to_right(const Datagram& d) { pair.right.endpoint.receive({d.remote, d.local, d.bytes}, pair.now); }
  IkeKeys keys() {
    const Secret record = pair.left.endpoint.freeze(pair.left.status().id);
    return std::move(read_frozen(record.bytes())->keys);
  }
  Header request(std::uint32_t id) {
    return {.spi_i = pair.left.status().spi_i,
            .spi_r = pair.left.status().spi_r,
            .exchange = Exchange::kInformational,
            .flags = kFlagInitiator,
            .message_id = id};
  }
  // One fragment of an INFORMATIONAL request of the left side's, with nothing in it but padding.
  Datagram empty_fragment(std::uint32_t id, std::uint16_t number, std::uint16_t total) {
    const Buffer iv{9,
                    9,
                    9,
                    9,
                    9,
                    static_cast<std::uint8_t>(id),
                    static_cast<std::uint8_t>(number),
                    static_cast<std::uint8_t>(total)};
    const auto& [local, remote] = std::pair(pair.left.status().local, pair.left.status().remote);
    return {local, remote, protect(keys(), true, request(id), {.number = number, .total = total}, iv)};
  }
  std::size_t said(const Side& side) const { return side.sent.size(); }

  Pair pair{long_connection(true), long_connection(false)};
};

// A message ID and a fragment's number have one content, an IV one message (RFC 5282 §3.1).
std::string said_twice_in_fragments(const Side& side) {
  std::map<std::tuple<std::uint64_t, bool, std::uint32_t, unsigned>, Buffer> by_id;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Buffer> by_iv;
  for (const Buffer& bytes : side.sent) {
    const Header h = *parse_header(bytes);
    if (h.exchange == Exchange::kIkeSaInit) continue;
    const SkPayload sk = *find_sk(bytes);
    if (by_id.try_emplace({h.spi_i, h.response(), h.message_id, sk.number}, bytes).first->second != bytes)
      return "message " + std::to_string(h.message_id) + " has two contents";
    const std::uint64_t iv = load_be64(bytes.data() + sk.body);
    if (by_iv.try_emplace({h.spi_i, iv}, bytes).first->second != bytes)
      return "IV " + std::to_string(iv) + " has two messages";
  }
  return {};
}

TEST_F(Fragmentation, Rfc7383_2_5_BothSidesOfIkeAuthTravelInFragmentsThatFit) {
  pair.initiate();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  pair.expect_working();
  for (const Side* side : {&pair.left, &pair.right}) {
    std::size_t fragments = 0;
    for (const Buffer& bytes : side->sent) {
      EXPECT_LE(bytes.size(), kLargestFragment);
      const auto sk = fragment_of(bytes);
      if (!sk) continue;
      EXPECT_EQ(sk->number, ++fragments);
      EXPECT_EQ(sk->first != 0, sk->number == 1);
    }
    EXPECT_GE(fragments, 3u);
    EXPECT_EQ(said_twice_in_fragments(*side), "");
  }
  EXPECT_EQ(pair.left.endpoint.counters().malformed + pair.right.endpoint.counters().malformed, 0u);
}

TEST_F(Fragmentation, Rfc7383_2_5_ForEveryKindOfCipher) {
  for (const char* suite : {"aes256ccm16-prfsha256-x25519", "aes128-sha256-x25519", "aes256ctr-sha384-x25519",
                            "chacha20poly1305-prfsha256-x25519"}) {
    auto l = long_connection(true), r = long_connection(false);
    for (auto& c : {l, r}) c->proposals = {*Proposal::parse(suite, ProtocolId::kIke)};
    Pair other(l, r);
    other.initiate();
    EXPECT_TRUE(other.left.up() && other.right.up()) << suite;
    for (const Buffer& bytes : other.left.sent) EXPECT_LE(bytes.size(), kLargestFragment) << suite;
  }
}

TEST_F(Fragmentation, Rfc7383_2_6_1_AnyFragmentMayBeLost) {
  pair.initiate();
  const std::size_t all = said(pair.left) + said(pair.right);
  for (unsigned n = 1; n <= all; ++n) {
    Pair other(long_connection(true), long_connection(false));
    const Lose lose = nth(n);
    other.left.endpoint.initiate("sites", "net", 1, other.now);
    other.pump(lose);
    other.wait(3s, lose);
    EXPECT_TRUE(other.left.up() && other.right.up()) << n;
    EXPECT_EQ(other.left.status().children.size(), 1u) << n;
    EXPECT_EQ(said_twice_in_fragments(other.left) + said_twice_in_fragments(other.right), "") << n;
  }
}

TEST_F(Fragmentation, Rfc7383_2_6_TheyMayComeInAnyOrderAndMoreThanOnce) {
  std::vector<Datagram> auth = first_auth();
  std::ranges::reverse(auth);
  to_right(auth[0]);
  for (const Datagram& d : auth) {
    to_right(d);
    to_right(d);
  }
  pair.pump();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(pair.right.status().children.size(), 1u);
}

TEST_F(Fragmentation, Hostile_ForgedFragmentsBeforeTheTrueOnesAreNotKept) {
  const std::vector<Datagram> auth = first_auth();
  std::size_t forged = 0;
  for (const Datagram& d : auth)
    for (const std::size_t at : {kHeaderBytes + 5, kHeaderBytes + 7, kHeaderBytes + 30, d.bytes.size() - 1}) {
      Datagram other = d;
      other.bytes[at] = static_cast<std::uint8_t>(at == kHeaderBytes + 5   ? 1 + d.bytes[at] % auth.size()
                                                  : at == kHeaderBytes + 7 ? 64
                                                                           : d.bytes[at] ^ 1);
      to_right(other);
      ++forged;
    }
  EXPECT_EQ(pair.right.endpoint.counters().bad_icv, forged);
  for (const Datagram& d : auth) to_right(d);
  pair.pump();
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST_F(Fragmentation, Hostile_AFloodOfFragmentsOfNobodyIsNotKept) {
  const std::vector<Datagram> auth = first_auth();
  for (std::uint8_t n = 1; n <= kMostFragments; ++n) {
    Datagram d = auth[0];
    d.bytes[kHeaderBytes + 5] = n;
    d.bytes[kHeaderBytes + 7] = kMostFragments;
    to_right(d);
  }
  EXPECT_EQ(pair.right.endpoint.counters().bad_icv, kMostFragments);
  for (const Datagram& d : auth) to_right(d);
  pair.pump();
  EXPECT_TRUE(pair.right.up()) << "had they been kept, these of a smaller total would have been ignored";
}

TEST_F(Fragmentation, Rfc7383_2_5_NumbersThatCannotBeAreMalformed) {
  const std::vector<Datagram> auth = first_auth();
  for (const std::uint8_t number : {std::uint8_t{0}, static_cast<std::uint8_t>(auth.size() + 1)}) {
    Datagram d = auth[0];
    d.bytes[kHeaderBytes + 5] = number;
    to_right(d);
  }
  EXPECT_EQ(pair.right.endpoint.counters().malformed, 2u);
  EXPECT_EQ(pair.right.endpoint.counters().bad_icv, 0u);
}

TEST_F(Fragmentation, Rfc7383_2_6_1_TheFirstFragmentAsksForTheWholeResponseAgainAndNoOther) {
  const std::vector<Datagram> auth = first_auth();
  for (const Datagram& d : auth) to_right(d);
  const std::size_t before = said(pair.right);
  const std::vector<Datagram> response = held_back([&](const Lose& lose) { pair.pump(lose); });
  ASSERT_GE(response.size(), 3u);
  for (std::size_t n = 0; n < auth.size(); ++n) {
    to_right(auth[n]);
    const std::vector<Datagram> again = held_back([&](const Lose& lose) { pair.pump(lose); });
    ASSERT_EQ(again.size(), n == 0 ? response.size() : 0u);
    for (std::size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i].bytes, response[i].bytes);
  }
  EXPECT_EQ(said(pair.right), before + 2 * response.size());
  EXPECT_EQ(pair.right.endpoint.counters().retransmitted, 1u);
  pair.wait(2s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
}

TEST_F(Fragmentation, Rfc7383_2_5_2_ARepetitionMayBeCutInAnotherWay) {
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 3, pair.now);
  pair.pump();
  std::uint32_t last = 0;  // request of the left side's
  for (const Buffer& b : pair.left.sent)
    if (const Header h = *parse_header(b); !h.response()) last = h.message_id;
  const std::size_t before = said(pair.right);
  Datagram forged = empty_fragment(last, 1, 9);
  forged.bytes.back() ^= 1;
  for (const Datagram& d : {forged, empty_fragment(last, 2, 9), empty_fragment(last - 1, 1, 9)}) to_right(d);
  (void)held_back([&](const Lose& lose) { pair.pump(lose); });
  EXPECT_EQ(said(pair.right), before);
  to_right(empty_fragment(last, 1, 9));
  const auto again = held_back([&](const Lose& lose) { pair.pump(lose); });
  EXPECT_GE(again.size(), 1u);
  EXPECT_EQ(said(pair.right), before + again.size());
  // Of a request that is not complete, a larger total begins anew.
  to_right(empty_fragment(last + 1, 1, 2));
  to_right(empty_fragment(last + 1, 2, 3));
  to_right(empty_fragment(last + 1, 2, 2));
  to_right(empty_fragment(last + 1, 1, 3));
  EXPECT_EQ(held_back([&](const Lose& lose) { pair.pump(lose); }).size(), 0u);
  to_right(empty_fragment(last + 1, 3, 3));
  EXPECT_EQ(held_back([&](const Lose& lose) { pair.pump(lose); }).size(), 1u);
}

TEST_F(Fragmentation, AFinalResponseIsGivenAgainToTheFirstFragment) {
  auto stranger = long_connection(true);
  stranger->psk = key("another-shared-secret-0123456789");
  pair.left.endpoint.configure({stranger}, pair.now);
  const std::vector<Datagram> auth = first_auth();
  for (const Datagram& d : auth) to_right(d);
  EXPECT_EQ(held_back([&](const Lose& lose) { pair.pump(lose); }).size(), 1u);
  EXPECT_TRUE(pair.right.endpoint.status().empty());
  to_right(auth[1]);
  EXPECT_EQ(held_back([&](const Lose& lose) { pair.pump(lose); }).size(), 0u);
  to_right(auth[0]);
  EXPECT_EQ(held_back([&](const Lose& lose) { pair.pump(lose); }).size(), 1u);
}

TEST_F(Fragmentation, ARequestInFragmentsIsSentAgainByTheNextProcess) {
  pair.initiate();
  Journal journal(pair.left, long_connection(true));
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 0, pair.now);
  const auto before = held_back([&](const Lose& lose) { pair.pump(lose); });
  ASSERT_GE(before.size(), 3u);
  journal.next_process(pair.now);
  pair.now += 10ms;
  pair.left.endpoint.tick(pair.now);
  const auto again = held_back([&](const Lose& lose) { pair.pump(lose); });
  ASSERT_EQ(again.size(), before.size());
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i].bytes, before[i].bytes);
  pair.wait(5s);
  EXPECT_TRUE(pair.left.up() && pair.right.up());
  EXPECT_EQ(said_twice_in_fragments(pair.left) + said_twice_in_fragments(pair.right), "");
  pair.expect_working();
}

TEST_F(Fragmentation, AResponseInFragmentsIsGivenAgainByTheNextProcess) {
  pair.initiate();
  Journal journal(pair.left, long_connection(true));
  pair.right.endpoint.rekey(ByName{"sites", "net"}, 3, pair.now);
  pair.pump([&](const Datagram& d) { return parse_header(d.bytes)->response(); });
  journal.next_process(pair.now);
  pair.wait(5s);
  ASSERT_TRUE(pair.right.done(3));
  EXPECT_TRUE(pair.right.done(3)->ok);
  EXPECT_EQ(said_twice_in_fragments(pair.left), "");
  pair.expect_working();
}

TEST_F(Fragmentation, ARekeyedIkeSaGoesOnWithIt) {
  pair.initiate();
  pair.left.endpoint.rekey(ByName{"sites", ""}, 3, pair.now);
  pair.pump();
  pair.left.sent.clear();
  pair.left.endpoint.rekey(ByName{"sites", "net"}, 4, pair.now);
  pair.pump();
  ASSERT_TRUE(pair.left.done(4) && pair.left.done(4)->ok);
  ASSERT_FALSE(pair.left.sent.empty());
  EXPECT_TRUE(fragment_of(pair.left.sent[0]));
}

TEST_F(Fragmentation, OfMoreFragmentsThanAreAllowedThereIsNoMessage) {
  pair.initiate();
  const IkeKeys k = keys();
  std::uint8_t ivs = 0;
  const auto cut = [&](std::size_t octets) {
    PayloadWriter out;
    for (; octets >= 1000; octets -= 1000) out.add(PayloadType::kVendor, Buffer(996));
    return protect_in_fragments(k, true, request(9), out, [&] { return Buffer(8, ++ivs); });
  };
  EXPECT_EQ(datagrams_of(cut(1000)).size(), 1u);
  EXPECT_EQ(ivs, 1u);
  EXPECT_EQ(datagrams_of(cut(2000)).size(), 2u);
  const Buffer longest = cut(74000);
  EXPECT_EQ(datagrams_of(longest).size(), kMostFragments);
  EXPECT_EQ(ivs, 3 + kMostFragments);
  EXPECT_TRUE(cut(76000).empty());
}

// An initiator made of the wire format: it says what no endpoint does.
class RawInitiator {
 public:
  RawInitiator(Side& other, Now now, bool fragments) : other_(other), now_(now) {
    const Proposal proposal = connection(true)->proposals[0];
    const auto dh = [&](const Buffer& peer) {
      return run(DiffieHellman{proposal.groups[0], Secret(Buffer(kDhRandomBytes, 3)), peer});
    };
    PayloadWriter out;
    out.sa({proposal});
    out.ke(proposal.groups[0], dh({}).public_value);
    out.nonce(ni_);
    if (fragments) out.notify(NotifyType::kFragmentationSupported);
    init_ = write_message({.spi_i = kSpi, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator}, out);
    const Buffer answer = say(init_).at(0);
    spi_r_ = parse_header(answer)->spi_r;
    answer_ = *parse_payloads(parse_header(answer)->next, Bytes(answer).subspan(kHeaderBytes));
    nr_ = *answer_.nonce;
    keys_ = derive_keys(proposal, dh(answer_.ke->data).shared.bytes(), ni_, nr_, kSpi, spi_r_);
  }

  // What the other side says then.
  std::vector<Buffer> say(const Buffer& bytes) {
    const auto at = [](const char* text) { return SocketAddress{*IpAddress::parse(text), kIkePort}; };
    other_.endpoint.receive({at("198.51.100.2"), at("198.51.100.1"), bytes}, now_);
    std::vector<Buffer> out;
    other_.drain([&](const Datagram& d) { out.push_back(d.bytes); }, now_);
    return out;
  }
  PayloadWriter auth() const {
    PayloadWriter out;
    out.id(PayloadType::kIdi, long_id(1));
    out.auth(psk_auth(keys_, true, connection(true)->psk.bytes(), init_, nr_, id_body(long_id(1))));
    return out;
  }
  Header header() const {
    return {.spi_i = kSpi,
            .spi_r = spi_r_,
            .exchange = Exchange::kIkeAuth,
            .flags = kFlagInitiator,
            .message_id = 1};
  }
  Buffer iv() { return Buffer(8, ++iv_); }
  const IkeKeys& keys() const { return keys_; }
  const Payloads& answer() const { return answer_; }

 private:
  static constexpr std::uint64_t kSpi = 0x0102030405060708;
  Side& other_;
  Now now_;
  std::uint64_t spi_r_ = 0;
  std::uint8_t iv_ = 0;
  Buffer ni_ = Buffer(32, 0x77), nr_, init_;
  Payloads answer_;
  IkeKeys keys_;
};

TEST_F(Fragmentation, Rfc7383_2_3_APeerThatDoesNotAnnounceItGetsNoneAndMaySendNone) {
  RawInitiator peer(pair.right, pair.now, false);
  EXPECT_EQ(peer.answer().find(NotifyType::kFragmentationSupported), nullptr);
  const Buffer in_fragments =
      protect_in_fragments(peer.keys(), true, peer.header(), peer.auth(), [&] { return peer.iv(); });
  for (const Bytes message : datagrams_of(in_fragments))
    EXPECT_TRUE(peer.say(Buffer(message.begin(), message.end())).empty());
  EXPECT_EQ(pair.right.endpoint.counters().malformed, datagrams_of(in_fragments).size());
  const auto response = peer.say(protect(peer.keys(), true, peer.header(), peer.auth(), peer.iv()));
  ASSERT_EQ(response.size(), 1u);
  EXPECT_GT(response[0].size(), kLargestFragment);
  EXPECT_FALSE(fragment_of(response[0]));
}

TEST_F(Fragmentation, Rfc7383_2_3_APeerThatAnnouncesItIsTold) {
  RawInitiator peer(pair.right, pair.now, true);
  EXPECT_NE(peer.answer().find(NotifyType::kFragmentationSupported), nullptr);
  const auto response = peer.say(protect(peer.keys(), true, peer.header(), peer.auth(), peer.iv()));
  ASSERT_GE(response.size(), 3u) << "of a request that was not in fragments";
  EXPECT_TRUE(fragment_of(response[0]));
}

TEST_F(Fragmentation, Hostile_AnInitiatorThatIsNotAuthenticatedKeepsLittle) {
  RawInitiator peer(pair.right, pair.now, true);
  const Buffer part(8000);
  for (std::uint16_t n = 1; n <= 5; ++n) {
    EXPECT_TRUE(peer.say(protect(peer.keys(), true, peer.header(),
                                 {.first = n == 1 ? std::uint8_t{43} : std::uint8_t{0},
                                  .bytes = part,
                                  .number = n,
                                  .total = 5},
                                 peer.iv()))
                    .empty());
  }
  EXPECT_EQ(pair.right.endpoint.counters().malformed, 1u) << "the fifth is more than 32 KiB";
  EXPECT_TRUE(pair.right.logged("more than 32768 octets"));
  EXPECT_GE(peer.say(protect(peer.keys(), true, peer.header(), peer.auth(), peer.iv())).size(), 3u)
      << "what is whole is taken";
}

}  // namespace
}  // namespace simplon::ike::test
