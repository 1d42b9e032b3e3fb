// SPDX-License-Identifier: Apache-2.0
// A whole Endpoint, and a peer that says anything: before it is authenticated, and well protected after. The
// input is a list of records: what kind, how long (one byte), and so many bytes. Whatever is said, the
// Endpoint answers with well-formed messages, falls silent, removes only what it installed, and in the end
// nothing is left.
#include <cstdlib>
#include <set>

#include "ike/crypto/keys.h"
#include "ike/crypto/protection.h"
#include "ike/endpoint/endpoint.h"

namespace {

using namespace simplon;
using namespace simplon::ike;

void check(bool holds) {
  if (!holds) std::abort();
}

const SocketAddress kHere{*IpAddress::parse("198.51.100.1"), Port{500}},
    kThere{*IpAddress::parse("198.51.100.2"), Port{500}};
const Buffer kPsk(20, 'k'), kNonce(32, 9);
constexpr std::uint64_t kSpiI = 0x0102030405060708;

std::shared_ptr<Connection> connection() {
  auto c = std::make_shared<Connection>();
  c->name = "sites";
  c->remote_addrs = {AddressRange{kThere.address, kThere.address}};
  c->local_addrs = {kHere.address};
  c->local_id = *Identity::parse("a.example");
  c->remote_id = *Identity::parse("b.example");
  c->psk = Secret(Bytes(kPsk));
  c->proposals = {*Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke)};
  ChildConfig child;
  child.name = "net";
  child.proposals = {*Proposal::parse("aes128gcm16", ProtocolId::kEsp)};
  child.selectors = {{*TrafficSelector::parse("198.18.1.0/24")}, {*TrafficSelector::parse("198.18.2.0/24")}};
  child.policy = PolicyId{7};
  c->children = {child};
  return c;
}

class Stranger {
 public:
  Stranger() : endpoint_(Settings{}, Secret(Buffer(32, 1))) {
    endpoint_.configure({connection()}, now_);
    drain();
  }

  void begin() {
    PayloadWriter w;
    proposal_ = connection()->proposals[0];
    w.sa({proposal_});
    w.ke(DhGroup::kX25519,
         run(DiffieHellman{.group = DhGroup::kX25519, .random = Secret(Buffer(64, 3))}).public_value);
    w.nonce(kNonce);
    init_ = write_message({.spi_i = kSpiI, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator}, w);
    deliver(init_);
    check(!last_.empty());
    const Header h = *parse_header(last_);
    const Payloads p = *parse_payloads(h.next, Bytes(last_).subspan(kHeaderBytes));
    check(p.ke && p.nonce);
    spi_r_ = h.spi_r;
    nr_ = *p.nonce;
    const DhResult dh = run(DiffieHellman{DhGroup::kX25519, Secret(Buffer(64, 3)), p.ke->data});
    keys_ = derive_keys(proposal_, dh.shared.bytes(), kNonce, nr_, kSpiI, spi_r_);
  }

  void authenticate() {
    const Identity id = *Identity::parse("b.example");
    PayloadWriter w;
    w.id(PayloadType::kIdi, id);
    w.auth(psk_auth(keys_, true, kPsk, init_, nr_, id_body(id)));
    Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
    esp.spi = {0xc0, 0, 0, 1};
    w.sa({esp});
    w.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
    w.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
    say(Exchange::kIkeAuth, false, next_id_++, w);
    check(!endpoint_.status().empty() && endpoint_.status()[0].state == IkeState::kEstablished);
    check(installed_.size() == 2);
  }

  // Any payloads, protected: their type, the exchange, flags and message ID, then the bodies.
  void say_anything(Bytes record) {
    if (record.size() < 3) return;
    const bool response = (record[1] & 0x80) != 0;
    PayloadWriter w;
    for (Reader in(record.subspan(3)); in.left() >= 2;) {
      const std::uint8_t type = in.u8(), length = in.u8();
      w.add(PayloadType{type}, in.take(std::min<std::size_t>(length, in.left())));
    }
    const std::uint32_t id = record[2] == 0 && !response ? next_id_++ : record[2];
    say(Exchange{static_cast<std::uint8_t>(34 + record[1] % 5)}, response, id, w);
  }

  void operate(Bytes record) {
    const unsigned what = record.empty() ? 0 : record[0];
    if (what % 6 == 0) endpoint_.rekey(ByName{"sites", "net"}, 1, now_);
    if (what % 6 == 1) endpoint_.rekey(ByName{"sites", ""}, 2, now_);
    if (what % 6 == 2) endpoint_.terminate(ByName{"sites", "net"}, 3, now_);
    if (what % 6 == 3) endpoint_.initiate("sites", "net", 4, now_);
    if (what % 6 == 4) endpoint_.configure({connection()}, now_);
    if (what % 6 == 5 && !installed_.empty())
      endpoint_.expired(*installed_.begin(), (what & 0x80) != 0, now_);
    drain();
  }

  void wait(std::chrono::seconds time) {
    endpoint_.tick(now_ += time);
    drain();
  }

  void deliver(Bytes message) {
    endpoint_.receive({kHere, kThere, Buffer(message.begin(), message.end())}, now_);
    drain();
  }

  void end() {
    endpoint_.configure({}, now_);
    drain();
    for (int i = 0; i < 40; ++i) wait(std::chrono::seconds{30});
    check(endpoint_.status().empty() && installed_.empty());
  }

 private:
  void say(Exchange exchange, bool response, std::uint32_t id, const PayloadWriter& w) {
    const std::uint8_t flags = kFlagInitiator | (response ? kFlagResponse : 0);
    deliver(protect(keys_, true,
                    {.spi_i = kSpiI, .spi_r = spi_r_, .exchange = exchange, .flags = flags, .message_id = id},
                    w, Buffer(8, static_cast<std::uint8_t>(++ivs_))));
  }

  void drain() {
    for (int n = 0; auto output = endpoint_.next(); ++n) {
      check(n < 1000);  // it falls silent
      if (const auto* d = std::get_if<Datagram>(&*output)) {
        check(parse_header(d->bytes).has_value());
        last_ = d->bytes;
      } else if (const auto* job = std::get_if<Job>(&*output)) {
        endpoint_.complete(run(*job), now_);
      } else if (const auto* install = std::get_if<InstallSa>(&*output)) {
        check(install->sa != nullptr && installed_.insert(install->sa->id).second);
      } else if (const auto* remove = std::get_if<RemoveSa>(&*output)) {
        check(installed_.erase(remove->sa) == 1);
      }
    }
  }

  Now now_{};
  Endpoint endpoint_;
  std::set<SaId> installed_;
  Buffer init_, last_, nr_;
  Proposal proposal_;
  IkeKeys keys_;
  std::uint64_t spi_r_ = 0, ivs_ = 0;
  std::uint32_t next_id_ = 1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(Bytes(data, size));
  Stranger peer;
  const std::uint8_t stage = in.u8() % 3;  // a stranger, one with keys, one that is authenticated
  if (stage >= 1) peer.begin();
  if (stage >= 2) peer.authenticate();
  while (in.left() >= 2) {
    const std::uint8_t kind = in.u8(), length = in.u8();
    const Bytes record = in.take(std::min<std::size_t>(length, in.left()));
    if (kind % 4 == 0) peer.deliver(record);
    if (kind % 4 == 1 && stage >= 1) peer.say_anything(record);
    if (kind % 4 == 2) peer.wait(std::chrono::seconds{record.empty() ? 1 : record[0]});
    if (kind % 4 == 3) peer.operate(record);
  }
  peer.end();
  return 0;
}
