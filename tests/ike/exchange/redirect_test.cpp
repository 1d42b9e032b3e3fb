// SPDX-License-Identifier: Apache-2.0
// REDIRECT (RFC 5685): in IKE_SA_INIT, in IKE_AUTH and later; only within what the configuration has for the
// peer, and not in circles.
#include "ike/message/redirect.h"

#include "ike/sa/redirects.h"
#include "tests/ike/bare_peer.h"

namespace simplon::ike::test {
namespace {

const IpAddress kOther = *IpAddress::parse("203.0.113.9"), kFirst = *IpAddress::parse("198.51.100.2");

std::shared_ptr<Connection> to_either() {
  auto c = connection(true);
  c->remote_addrs.push_back({kOther, kOther});
  c->dpd_delay = 0s;
  return c;
}

struct Client {
  explicit Client(const std::shared_ptr<Connection>& c = to_either()) {
    side.endpoint.configure({c}, now);
    side.endpoint.initiate("sites", "net", 1, now);
  }
  // The next datagram that it sends.
  std::optional<Datagram> next() {
    side.drain([&](const Datagram& d) { way.push_back(d); }, now);
    if (way.empty()) return std::nullopt;
    Datagram out = way.front();
    way.pop_front();
    return out;
  }
  static Payloads open(const Datagram& d) {
    return *parse_payloads(parse_header(d.bytes)->next, Bytes(d.bytes).subspan(kHeaderBytes));
  }
  void answer(const Datagram& request, const PayloadWriter& out) {
    Header h = *parse_header(request.bytes);
    h.flags = kFlagResponse;
    side.endpoint.receive({request.local, request.remote, write_message(h, out)}, now);
  }
  void redirect(const Datagram& request, Bytes data) {
    PayloadWriter out;
    out.notify(NotifyType::kRedirect, data);
    answer(request, out);
  }
  void redirect(const Datagram& request, const IpAddress& to) {
    redirect(request, redirect_data(to, *open(request).nonce));
  }

  Now now{1000s};
  Side side{1};
  std::deque<Datagram> way;
};

bool is_init(const Datagram& d) { return parse_header(d.bytes)->exchange == Exchange::kIkeSaInit; }

TEST(Rfc5685_7, TheDataOfARedirect) {
  const IpAddress v6 = *IpAddress::parse("2001:db8::9");
  for (const IpAddress& a : {kOther, v6}) {
    const auto back = parse_redirect(redirect_data(a, Buffer{1, 2, 3}));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->gateway, a);
    EXPECT_EQ(back->nonce, (Buffer{1, 2, 3}));
  }
  EXPECT_EQ(redirect_data(kOther), (Buffer{1, 4, 203, 0, 113, 9}));
  EXPECT_EQ(redirect_data("gw", Buffer{7}), (Buffer{3, 2, 'g', 'w', 7}));
  const auto by_name = parse_redirect(Buffer{3, 2, 'g', 'w', 7});
  ASSERT_TRUE(by_name);
  EXPECT_FALSE(by_name->gateway);
  EXPECT_EQ(by_name->nonce, Buffer{7});
  for (const Buffer& bad : {Buffer{}, Buffer{1}, Buffer{1, 4, 203, 0, 113}, Buffer{1, 0}, Buffer{3, 0},
                            Buffer{2, 4, 203, 0, 113, 9}, Buffer{0, 4, 203, 0, 113, 9}, Buffer{4, 1, 1},
                            Buffer{1, 16, 203, 0, 113, 9}})
    EXPECT_FALSE(parse_redirect(bad));
}

TEST(Rfc5685_3, InIkeSaInitTheClientGoesToTheOtherGateway) {
  Client client;
  const auto first = client.next();
  ASSERT_TRUE(first);
  EXPECT_NE(Client::open(*first).find(NotifyType::kRedirectSupported), nullptr);
  client.redirect(*first, kOther);
  const auto second = client.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->remote.address, kOther);
  const Payloads p = Client::open(*second);
  const Notify* from = p.find(NotifyType::kRedirectedFrom);
  ASSERT_NE(from, nullptr);
  EXPECT_EQ(from->data, redirect_data(kFirst));
  EXPECT_EQ(client.side.done(1), nullptr) << "who waits goes on waiting";
  EXPECT_EQ(client.side.endpoint.status().size(), 1u);
}

TEST(Rfc5685_3, WithoutOurNonceItIsPassedOver) {
  Client client;
  BarePeer peer(client.side, client.now);
  ASSERT_EQ(peer.waiting(), 1u);
  const Datagram as_sent{
      {*IpAddress::parse("198.51.100.1"), kIkePort}, {kFirst, kIkePort}, client.side.sent[0]};
  const Buffer nonce = *Client::open(as_sent).nonce;
  Buffer changed = nonce, longer = nonce;
  changed[5] ^= 1;
  longer.push_back(0);
  for (const Buffer& data :
       {redirect_data(kOther), redirect_data(kOther, changed), redirect_data(kOther, longer),
        redirect_data(kOther, Bytes(nonce).first(31)), Buffer{}, Buffer{1, 4, 203}, Buffer{9, 0}})
    client.redirect(as_sent, data);
  EXPECT_EQ(peer.waiting(), 1u);
  peer.answer_init();
  const auto auth = peer.hear();
  ASSERT_TRUE(auth) << "the true response is taken";
  EXPECT_EQ(auth->header.exchange, Exchange::kIkeAuth);
}

TEST(Rfc5685_5, OnlyToWhereTheConfigurationHasThePeer) {
  const auto refused = [](auto data) {
    Client client;
    const auto first = client.next();
    client.redirect(*first, data(*Client::open(*first).nonce));
    EXPECT_FALSE(client.next());
    EXPECT_TRUE(client.side.done(1) && !client.side.done(1)->ok);
    return client.side.log.back();
  };
  using testing::HasSubstr;
  EXPECT_THAT(refused([](const Buffer& n) { return redirect_data(*IpAddress::parse("203.0.113.10"), n); }),
              HasSubstr("not among remote_addrs"));
  EXPECT_THAT(refused([](const Buffer& n) { return redirect_data(IpAddress::any(Family::kV4), n); }),
              HasSubstr("not among remote_addrs"));
  EXPECT_THAT(refused([](const Buffer& n) {
                Buffer out{3, 2, 'g', 'w'};
                out.insert(out.end(), n.begin(), n.end());
                return out;
              }),
              HasSubstr("by name"));
}

TEST(Rfc5685_5, GatewaysThatRedirectToEachOtherDoNotKeepUsGoing) {
  Client client;
  for (unsigned n = 0; n < kMostRedirects; ++n) {
    const auto init = client.next();
    ASSERT_TRUE(init) << n;
    client.redirect(*init, n % 2 == 0 ? kOther : kFirst);
    client.now += 10s;
  }
  client.redirect(*client.next(), kFirst);
  EXPECT_FALSE(client.next());
  EXPECT_TRUE(client.side.logged("too often"));
  client.now += kRedirectPeriod;
  client.side.endpoint.initiate("sites", "net", 2, client.now);
  client.redirect(*client.next(), kOther);
  const auto after = client.next();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->remote.address, kOther);
}

TEST(Rfc5685_6, InIkeAuthOfAResponderThatHasProvedItself) {
  Client client;
  BarePeer peer(client.side, client.now);
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  PayloadWriter out = peer.authenticated();
  out.notify(NotifyType::kRedirect, redirect_data(kOther));
  peer.say(Exchange::kIkeAuth, true, 1, out);
  const auto gone = peer.hear();
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->payloads.deletes.size(), 1u) << "the first gateway is told";
  EXPECT_EQ(peer.waiting(), 1u) << "IKE_SA_INIT to the other";
  EXPECT_EQ(client.side.status().remote.address, kOther);
  EXPECT_TRUE(client.side.installed.empty());
  BarePeer other(client.side, client.now);
  EXPECT_EQ(client.side.done(1), nullptr);
}

TEST(Rfc5685_6, OfAResponderThatHasNotProvedItselfItIsNothing) {
  Client client;
  BarePeer peer(client.side, client.now);
  peer.identity = "mallory.example";
  peer.answer_init();
  ASSERT_TRUE(peer.hear());
  PayloadWriter out = peer.authenticated();
  out.notify(NotifyType::kRedirect, redirect_data(kOther));
  peer.say(Exchange::kIkeAuth, true, 1, out);
  EXPECT_TRUE(client.side.endpoint.status().empty());
  EXPECT_FALSE(client.side.logged("redirects us"));
}

struct Established : Client {
  Established() {
    peer.answer_init();
    EXPECT_TRUE(peer.hear());
    answer_auth(peer, 0x1000);
    EXPECT_TRUE(side.up());
  }
  static void answer_auth(BarePeer& p, std::uint32_t spi) {
    PayloadWriter out = p.authenticated();
    Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
    esp.spi = spi_bytes(spi);
    out.sa({esp});
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
    p.say(Exchange::kIkeAuth, true, 1, out);
  }
  void say(Bytes data) {
    PayloadWriter out;
    out.notify(NotifyType::kRedirect, data);
    peer.say(Exchange::kInformational, false, id++, out);
  }
  BarePeer peer{side, now}, other{side, now};
  std::uint32_t id = 0;
};

TEST(Rfc5685_5, LaterTheOldIkeSaServesUntilTheNewOneDoes) {
  Established client;
  client.say(redirect_data(kOther));
  EXPECT_TRUE(client.peer.hear()) << "the response";
  ASSERT_EQ(client.peer.waiting(), 1u);
  EXPECT_EQ(client.side.installed.size(), 2u);
  EXPECT_EQ(client.side.status().remote.address, kOther);
  client.peer.skip();
  // The other gateway answers the same request, which comes again.
  client.now += 500ms;
  client.side.endpoint.tick(client.now);
  client.other.answer_init();
  ASSERT_TRUE(client.other.hear());
  Established::answer_auth(client.other, 0x2000);
  const auto gone = client.peer.hear();
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->payloads.deletes.size(), 1u);
  client.peer.say(Exchange::kInformational, true, gone->header.message_id, {});
  EXPECT_EQ(client.peer.waiting(), 0u);
  ASSERT_EQ(client.side.endpoint.status().size(), 1u);
  EXPECT_EQ(client.side.status().remote.address, kOther);
  EXPECT_EQ(client.side.installed.size(), 2u);
}

TEST(Rfc5685_5, LaterAHostileOneChangesNothing) {
  Established client;
  for (const Buffer& data :
       {Buffer{}, Buffer{1, 4, 1}, Buffer{3, 1, 'g'}, redirect_data(*IpAddress::parse("192.0.2.1")),
        redirect_data(*IpAddress::parse("2001:db8::1"))}) {
    client.say(data);
    EXPECT_TRUE(client.peer.hear());
    EXPECT_EQ(client.peer.waiting(), 0u);
  }
  EXPECT_TRUE(client.side.up());
  EXPECT_EQ(client.side.endpoint.status().size(), 1u);
  for (unsigned n = 0; n < 100; ++n) {
    client.say(redirect_data(kOther));
    (void)client.peer.waiting();
  }
  EXPECT_EQ(client.side.endpoint.status().size(), 2u) << "one at a time";
}

TEST(Rfc5685_5, AGatewayThatDoesNotAnswerLeavesTheOldIkeSa) {
  Established client;
  client.say(redirect_data(kOther));
  for (unsigned n = 0; n < 600; ++n) {
    client.now += 100ms;
    client.side.endpoint.tick(client.now);
    (void)client.next();
  }
  ASSERT_EQ(client.side.endpoint.status().size(), 1u);
  EXPECT_EQ(client.side.status().remote.address, kFirst);
  EXPECT_TRUE(client.side.up());
}

TEST(Rfc5685_5, OfAnInitiatorItIsNothing) {
  Now now{1000s};
  Side side(1);
  side.endpoint.configure({to_either()}, now);
  BarePeer peer(side, now);
  peer.authenticate_with_child(0x1000);
  PayloadWriter out;
  out.notify(NotifyType::kRedirect, redirect_data(kOther));
  peer.say(Exchange::kInformational, false, 2, out);
  EXPECT_TRUE(peer.hear());
  EXPECT_EQ(peer.waiting(), 0u);
  EXPECT_EQ(side.endpoint.redirect(ByName{"sites", ""}, kOther.text(), now), 0u) << "it has not announced it";
  EXPECT_EQ(peer.waiting(), 0u);
}

TEST(Rfc5685_5, TheResponderRedirectsWhoAnnouncedIt) {
  auto gateway = connection(false);
  gateway->local_addrs.clear();
  Pair pair(to_either(), gateway);
  pair.initiate();
  EXPECT_EQ(pair.left.endpoint.redirect(ByName{"sites", ""}, kOther.text(), pair.now), 0u) << "the initiator";
  pair.left.endpoint.rekey(IkeSaOnly{pair.left.status().id}, 0, pair.now);
  pair.pump();
  EXPECT_EQ(pair.right.endpoint.redirect(ByName{"sites", ""}, kOther.text(), pair.now), 1u);
  pair.pump();
  pair.expect_working();
  for (const Side* side : {&pair.left, &pair.right}) {
    ASSERT_EQ(side->endpoint.status().size(), 1u);
    EXPECT_EQ(side->installed.size(), 2u);
  }
  EXPECT_EQ(pair.left.status().remote.address, kOther);
  EXPECT_EQ(pair.right.status().local.address, kOther);
  EXPECT_EQ(pair.right.endpoint.redirect(ByName{"sites", ""}, kFirst.text(), pair.now), 1u)
      << "REDIRECTED_FROM announces it";
  pair.pump();
  EXPECT_EQ(pair.left.status().remote.address, kFirst);
  EXPECT_TRUE(is_init({{}, {}, pair.left.sent[0]}));
}

TEST(Rfc5685_5, TheResponderMayNameAGatewayWhichWeAsInitiatorDoNotResolve) {
  Pair pair(to_either(), connection(false));
  pair.initiate();
  EXPECT_EQ(pair.right.endpoint.redirect(ByName{}, "gw2.example", pair.now), 1u);
  pair.pump();
  EXPECT_TRUE(pair.right.logged("redirected to gw2.example"));
  EXPECT_TRUE(pair.left.logged("by name"));
  EXPECT_EQ(pair.left.status().remote.address, kFirst);
  pair.expect_working();
}

}  // namespace
}  // namespace simplon::ike::test
