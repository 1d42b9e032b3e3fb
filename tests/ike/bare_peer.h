// SPDX-License-Identifier: Apache-2.0
// A peer made of the wire format and the key derivation alone: it says whatever a test wants it to, well
// protected.
#pragma once

#include "ike/crypto/entropy.h"
#include "ike/crypto/keys.h"
#include "ike/crypto/protection.h"
#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {

// The right side of connection(false), without a state machine. It may be initiator or responder.
class BarePeer {
 public:
  explicit BarePeer(Side& other, Now& now, std::uint64_t spi_i = 0x0102030405060708)
      : other_(other), now_(now), spi_i_(spi_i) {}

  std::string identity = "b.example";

  // ---- as responder: the other side must have been told to initiate ----
  std::optional<Buffer> announced_in_init;  // SUPPORTED_AUTH_METHODS
  Buffer hashes_in_init;                    // SIGNATURE_HASH_ALGORITHMS
  void answer_init() {
    const Datagram request = take_datagram();
    const Header h = *parse_header(request.bytes);
    const Payloads p = *parse_payloads(h.next, Bytes(request.bytes).subspan(kHeaderBytes));
    initiator_ = false;
    spi_i_ = h.spi_i;
    spi_r_ = 0x1122334455667788;
    proposal_ = (*p.sa)[0];
    ni_ = *p.nonce;
    nr_ = Buffer(32, 0x5a);
    peer_init_ = request.bytes;
    const DhResult dh = run(DiffieHellman{proposal_.groups[0], Secret(Buffer(64, 3)), p.ke->data});
    keys_ = derive_keys(proposal_, dh.shared.bytes(), ni_, nr_, spi_i_, spi_r_);
    PayloadWriter out;
    out.sa({proposal_});
    out.ke(proposal_.groups[0], dh.public_value);
    out.nonce(nr_);
    out.notify(NotifyType::kChildlessIkev2Supported);
    if (announced_in_init) out.notify(NotifyType::kSupportedAuthMethods, *announced_in_init);
    if (!hashes_in_init.empty()) out.notify(NotifyType::kSignatureHashAlgorithms, hashes_in_init);
    init_ = write_message(header(Exchange::kIkeSaInit, true, 0), out);
    deliver(init_);
  }
  // IDr and AUTH of who we are; the test adds the rest and answers.
  PayloadWriter authenticated() {
    PayloadWriter out;
    const Identity id = *Identity::parse(identity);
    out.id(initiator_ ? PayloadType::kIdi : PayloadType::kIdr, id);
    out.auth(psk_auth(keys_, initiator_, connection(false)->psk.bytes(), init_, initiator_ ? nr_ : ni_,
                      id_body(id)));
    return out;
  }

  // ---- as initiator ----
  bool behind_nat = false;
  Port port = kIkePort;  // that its datagrams come from
  void initiate() {
    initiator_ = true;
    ni_ = Buffer(32, 0x77);
    proposal_ = connection(false)->proposals[0];
    PayloadWriter out;
    out.sa({proposal_});
    out.ke(proposal_.groups[0],
           run(DiffieHellman{proposal_.groups[0], Secret(Buffer(64, 3)), {}}).public_value);
    out.nonce(ni_);
    if (behind_nat) out.notify(NotifyType::kNatDetectionSourceIp, Buffer(20, 0));  // of another address
    init_ = write_message(header(Exchange::kIkeSaInit, false, 0), out);
    deliver(init_);
    const Datagram answer = take_datagram();
    const Header h = *parse_header(answer.bytes);
    const Payloads p = *parse_payloads(h.next, Bytes(answer.bytes).subspan(kHeaderBytes));
    spi_r_ = h.spi_r;
    nr_ = *p.nonce;
    const DhResult dh = run(DiffieHellman{proposal_.groups[0], Secret(Buffer(64, 3)), p.ke->data});
    keys_ = derive_keys(proposal_, dh.shared.bytes(), ni_, nr_, spi_i_, spi_r_);
  }
  void authenticate_without_child() {
    initiate();
    say(Exchange::kIkeAuth, false, 1, authenticated());
    (void)hear();
  }

  // The child "net" comes with it; `spi`: what the other side sends to.
  void authenticate_with_child(std::uint32_t spi) {
    initiate();
    PayloadWriter out = authenticated();
    add_child(out, "aes128gcm16", spi);
    say(Exchange::kIkeAuth, false, 1, out);
    (void)hear();
  }
  // The payloads of a request for the child "net", but nonce and KE.
  static void add_child(PayloadWriter& out, const char* proposal, std::uint32_t spi) {
    Proposal esp = *Proposal::parse(proposal, ProtocolId::kEsp);
    Writer bytes;
    bytes.be32(spi);
    esp.spi = bytes.take();
    out.sa({esp});
    out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
    out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
  }

  // As initiator: AUTH of one who proves nothing (RFC 7619 §2.1).
  Buffer null_auth(const Identity& id) const {
    return psk_auth(keys_, true, keys_.sk_pi.bytes(), init_, nr_, id_body(id));
  }

  void say(Exchange exchange, bool response, std::uint32_t id, const PayloadWriter& payloads) {
    Buffer iv(8, 0x10);
    iv[7] = ++iv_;
    said_ = protect(keys_, initiator_, header(exchange, response, id), payloads, iv);
    deliver(said_);
  }
  void say_again() { deliver(said_); }
  struct Heard {
    Header header;
    Payloads payloads;
  };
  // The next message from the other side, opened; no value: it said nothing.
  std::optional<Heard> hear() {
    drain();
    if (heard_.empty()) return std::nullopt;
    const Buffer bytes = take_datagram().bytes;
    Heard out{*parse_header(bytes), {}};
    const auto opened = unprotect(keys_, !initiator_, bytes, *find_sk(bytes));
    EXPECT_TRUE(opened);
    if (opened) out.payloads = *parse_payloads(opened->first, opened->chain);
    return out;
  }
  void skip() { (void)take_datagram(); }  // the next message from the other side
  std::size_t waiting() {
    drain();
    return heard_.size();
  }
  void deliver(const Buffer& bytes) {
    other_.endpoint.receive(
        {{*IpAddress::parse("198.51.100.1"), kIkePort}, {*IpAddress::parse("198.51.100.2"), port}, bytes},
        now_);
  }
  const Buffer& said() const { return said_; }
  const Buffer& init() const { return init_; }

 private:
  Header header(Exchange exchange, bool response, std::uint32_t id) const {
    return {.spi_i = spi_i_,
            .spi_r = spi_r_,
            .exchange = exchange,
            .flags =
                static_cast<std::uint8_t>((initiator_ ? kFlagInitiator : 0) | (response ? kFlagResponse : 0)),
            .message_id = id};
  }
  void drain() {
    other_.drain([&](const Datagram& d) { heard_.push_back(d); }, now_);
  }
  Datagram take_datagram() {
    drain();
    EXPECT_FALSE(heard_.empty());
    Datagram out = heard_.front();
    heard_.pop_front();
    return out;
  }

  Side& other_;
  Now& now_;
  bool initiator_ = true;
  std::uint64_t spi_i_, spi_r_ = 0;
  std::uint8_t iv_ = 0;
  Buffer ni_, nr_, init_, peer_init_, said_;
  Proposal proposal_;
  IkeKeys keys_;
  std::deque<Datagram> heard_;
};

inline Buffer spi_bytes(std::uint32_t spi) {
  Writer out;
  out.be32(spi);
  return out.take();
}

// Its request to replace the child that we send to by `spi`.
inline PayloadWriter rekey_of(std::uint32_t spi, std::uint32_t new_spi, std::uint8_t nonce = 8,
                              const char* proposal = "aes128gcm16") {
  PayloadWriter out;
  out.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, spi_bytes(spi));
  BarePeer::add_child(out, proposal, new_spi);
  out.nonce(Buffer(32, nonce));
  return out;
}

// Its response to our request for a child.
inline PayloadWriter made(std::uint32_t spi, std::uint8_t nonce = 9, const char* proposal = "aes128gcm16") {
  PayloadWriter out;
  auto esp = *Proposal::parse(proposal, ProtocolId::kEsp);
  esp.spi = spi_bytes(spi);
  out.sa({esp});
  out.nonce(Buffer(32, nonce));
  out.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.1.0/24")});
  out.ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.2.0/24")});
  return out;
}

inline PayloadWriter deleted(std::uint32_t spi) {
  PayloadWriter out;
  out.del(ProtocolId::kEsp, {spi_bytes(spi)});
  return out;
}

}  // namespace simplon::ike::test
