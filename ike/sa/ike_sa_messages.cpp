// SPDX-License-Identifier: Apache-2.0
// IkeSa: its messages, out and in: protection, what the window says of them, and where they go.
#include <utility>

#include "ike/crypto/protection.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

// A peer that is in two places at once has all its SAs moved this often at most; its next message or packet
// tells where it is by then.
constexpr milliseconds kFollowEvery{100};

// So often a request is sent before it is tried from or to another address (RFC 4555 §3.10).
constexpr unsigned kTriesOfOnePath = 3;

// Octets of one message in fragments: of who is not authenticated yet, of others.
constexpr std::size_t kMostOfHalfOpen = 32 * 1024, kMostOfPeer = 64 * 1024;

constexpr std::chrono::seconds kHeldAtMost{5};  // a request whose answer waits for the peer's

}  // namespace

Header IkeSa::header(Exchange exchange, bool response, std::uint32_t message_id) const {
  return {
      .spi_i = spi_i_,
      .spi_r = spi_r_,
      .next = 0,
      .version = 0x20,
      .exchange = exchange,
      .flags = static_cast<std::uint8_t>((initiator() ? kFlagInitiator : 0) | (response ? kFlagResponse : 0)),
      .message_id = message_id,
      .length = 0};
}

const Retransmission& IkeSa::retransmission() const {
  static const Retransmission kDefault;
  return connection_ ? peer().retransmission : kDefault;
}

// A counter for an AEAD and for CTR (RFC 5282 §3.1, RFC 5930 §2), unpredictable for CBC.
Buffer IkeSa::fresh_iv() {
  if (!keys_->encr->counts()) return context_.entropy.bytes(keys_->encr->iv);
  Writer out;
  out.be64(iv_++);
  return out.take();
}

Buffer IkeSa::protect(const Header& header, const PayloadWriter& payloads) {
  Buffer out = path_.fragments ? protect_in_fragments(*keys_, initiator(), header, payloads,
                                                      [this] { return fresh_iv(); })
                               : ike::protect(*keys_, initiator(), header, payloads, fresh_iv());
  if (out.empty())
    log(LogLevel::kWarning,
        "a message with " + std::to_string(payloads.bytes().size()) +
            " octets of payloads cannot be sent: too many, or they could not be encrypted");
  return out;
}

void IkeSa::send(const Buffer& bytes, const SocketAddress& local, const SocketAddress& remote) {
  if (bytes.empty()) {
    failed_ = true;
    context_.touched.insert(id_);
    return;
  }
  for (const Bytes message : datagrams_of(bytes)) {
    ++context_.counters.sent;
    context_.outputs.emplace_back(Datagram{local, remote, Buffer(message.begin(), message.end())});
  }
}

void IkeSa::request(Exchange exchange, const PayloadWriter& payloads, OnResponse then, Now now,
                    std::optional<Task> sent_for) {
  window_.sent(protect(header(exchange, false, window_.next_request()), payloads), retransmission(), now,
               std::move(then), std::move(sent_for));
  send(window_.pending()->bytes);
}

void IkeSa::request_in_clear(Exchange exchange, const PayloadWriter& payloads, Now now) {
  handshake_->init_request = write_message(header(exchange, false, 0), payloads);
  window_.sent_init(handshake_->init_request, retransmission(), now);
  send(window_.pending()->bytes);
}

void IkeSa::respond(const PayloadWriter& payloads) {
  window_.respond(protect(header(window_.exchange(), true, window_.expected()), payloads));
  send(window_.last_response(), asked_at_, asked_from_);
}

void IkeSa::respond_in_clear(const PayloadWriter& payloads) {
  handshake_->init_response = write_message(header(window_.exchange(), true, window_.expected()), payloads);
  window_.respond(handshake_->init_response);
  send(window_.last_response());
}

void IkeSa::respond_error(NotifyType type, Bytes data) {
  PayloadWriter out;
  out.notify(type, data);
  respond(out);
}

void IkeSa::respond_malformed(const std::string& why, Now now) {
  ++context_.counters.malformed;
  respond_error(NotifyType::kInvalidSyntax);
  keep_final_response(now);
  end(why, now);
}

void IkeSa::keep_final_response(Now now) {
  context_.final_responses.keep(our_spi(), window_.last_request(), window_.last_response(), now);
}

void IkeSa::delete_without_waiting(std::optional<NotifyType> why, Now now) {
  if (!keys_ || window_.pending()) return;  // outside the peer's window it would not be looked at
  PayloadWriter out;
  if (why) out.notify(*why);
  out.del(ProtocolId::kIke, {});
  request(Exchange::kInformational, out, {}, now);
  window_.take_pending();
}

void IkeSa::receive(const Header& h, const Datagram& datagram, Now now) {
  if (h.initiator() == initiator()) return;  // the flag is the sender's role (§3.1)
  if (h.response())
    receive_response(h, datagram, now);
  else
    receive_request(h, datagram, now);
}

void IkeSa::receive_request(const Header& h, const Datagram& datagram, Now now) {
  if (initiator() && half_open()) return;  // it overtook the response to our IKE_AUTH: it comes again
  const auto arrival = window_.arrival(h.message_id, datagram.bytes);
  if (arrival == MessageWindow::Arrival::kRepeated || asks_again(h, datagram)) {
    ++context_.counters.retransmitted;
    request_repeated(now);
    send(window_.last_response(), datagram.local, datagram.remote);  // to where the request came from (§2.11)
  }
  if (arrival == MessageWindow::Arrival::kImpatient) request_waits(now);
  if (arrival != MessageWindow::Arrival::kNew) return;
  const auto payloads = unprotect(h, datagram, now);
  if (!payloads) return;
  children_.peer_has_all();
  if (payloads->unknown_critical)
    respond_error(NotifyType::kUnsupportedCriticalPayload, Bytes(&*payloads->unknown_critical, 1));
  else
    context_.exchanges.request(*this, *payloads, now);
  children_.use_shown();
  run_tasks(now);
}

void IkeSa::request_waits(Now now) {
  if (!held_.answer || now - held_.since < kHeldAtMost) return;
  held_ = {};
  respond_error(NotifyType::kTemporaryFailure);
}

void IkeSa::answer_held(Now now) {
  if (!held_.answer || dead()) return;
  std::exchange(held_, {}).answer(*this, now);
  children_.use_shown();
}

void IkeSa::receive_response(const Header& h, const Datagram& datagram, Now now) {
  if (!window_.answers(h.message_id)) return;
  if (in_init()) return context_.exchanges.clear_response(*this, h, datagram, now);
  const auto payloads = unprotect(h, datagram, now);
  if (!payloads) return;
  if (!half_open() && payloads->find(NotifyType::kInvalidSyntax))  // fatal at both ends (§2.21.3)
    return end("the peer calls our request malformed", now);
  if (payloads->unknown_critical) {  // §2.5: rejected, and no other response will come
    window_.take_pending();
    delete_without_waiting(std::nullopt, now);
    return end("the peer's response has payload " + std::to_string(*payloads->unknown_critical) +
                   ", which is critical and unknown",
               now);
  }
  const auto answered = window_.take_pending();
  const auto& asked = answered->sent_for;
  if (!(asked && std::holds_alternative<UpdateAddresses>(*asked)) && !tasks_.has<UpdateAddresses>())
    path_works();
  if (answered->then) answered->then(*this, *payloads, now);
  answer_held(now);
  run_tasks(now);
}

// RFC 7383 §2.5.2, §2.6.1: a request that we have answered comes in fragments of another size. Its first one
// asks for the response, and only if it is authentic.
bool IkeSa::asks_again(const Header& h, const Datagram& datagram) const {
  if (!path_.fragments || !keys_ || !window_.answered(h.message_id)) return false;
  const auto sk = find_sk(datagram.bytes);
  return sk && sk->number == 1 && ike::unprotect(*keys_, h.initiator(), datagram.bytes, *sk);
}

// Nothing of a message is looked at before its integrity check is good.
std::optional<Reassembly::Whole> IkeSa::open(const Header& h, const Datagram& datagram, Now now) {
  if (!keys_) return std::nullopt;
  auto sk = find_sk(datagram.bytes);
  if (sk && sk->fragment() && !path_.fragments)
    sk = fail("a fragment, without IKEV2_FRAGMENTATION_SUPPORTED");
  if (!sk) {
    ++context_.counters.malformed;
    context_.log_limited("sk", datagram.remote.address, now,
                         "message from " + datagram.remote.text() + ": " + sk.error().what);
    return std::nullopt;
  }
  if (sk->fragment() && !(h.response() ? response_ : request_).wants(h.message_id, *sk)) return std::nullopt;
  auto inner = ike::unprotect(*keys_, h.initiator(), datagram.bytes, *sk);
  if (!inner) {
    ++context_.counters.bad_icv;
    context_.log_limited("icv", datagram.remote.address, now,
                         "message from " + datagram.remote.text() + ": its integrity check failed");
    return std::nullopt;
  }
  if (sk->fragment()) return add_fragment(h, *sk, datagram, std::move(*inner), now);
  (h.response() ? response_ : request_).clear();
  return Reassembly::Whole{.first_datagram = datagram.bytes, .inner = std::move(*inner)};
}

std::optional<Reassembly::Whole> IkeSa::add_fragment(const Header& h, const SkPayload& fragment,
                                                     const Datagram& datagram, InnerPayloads inner, Now now) {
  auto whole = (h.response() ? response_ : request_)
                   .add(h.message_id, fragment, datagram.bytes, std::move(inner),
                        half_open() ? kMostOfHalfOpen : kMostOfPeer);
  if (whole) return std::move(*whole);
  ++context_.counters.malformed;
  context_.log_limited("fragments", datagram.remote.address, now,
                       "message from " + datagram.remote.text() + ": " + whole.error().what);
  return std::nullopt;
}

std::optional<Payloads> IkeSa::unprotect(const Header& h, const Datagram& datagram, Now now) {
  const auto whole = open(h, datagram, now);
  if (!whole) return std::nullopt;
  times_.heard = now;
  update_path(datagram, now);
  if (!h.response()) {
    window_.begin(whole->first_datagram, h.exchange);
    asked_at_ = datagram.local;
    asked_from_ = datagram.remote;
  }
  auto payloads = parse_payloads(whole->inner.first, whole->inner.chain);
  if (payloads) return std::move(*payloads);
  const std::string why = "message from " + datagram.remote.text() + ": " + payloads.error().what;
  if (!h.response()) {
    respond_malformed(why, now);
  } else {
    ++context_.counters.malformed;
    context_.log_limited("response", datagram.remote.address, now, why);
  }
  return std::nullopt;
}

// Of a message that is authenticated and fresh: a request that is new, or the response to our request.
void IkeSa::update_path(const Datagram& d, Now now) {
  const bool floating = authenticating() && !initiator();  // to port 4500
  if (floating && (!connection_ || peer().may_be_at(d.remote.address))) {
    path_.local = d.local;
    path_.remote = d.remote;
  } else if (path_.follows_peer() && d.local == path_.local) {
    follow_peer(d.remote, now);
  }
}

// A NAT may give the peer another address or port at any time (§2.23), within what the configuration says of
// it. All that goes to the peer goes there from now on: requests of ours that are sent again, keepalives, and
// ESP by the SAs that there are.
void IkeSa::follow_peer(const SocketAddress& remote, Now now) {
  if (remote == path_.remote || remote.address.family() != path_.remote.address.family()) return;
  if (remote.address != path_.remote.address && !peer().may_be_at(remote.address)) return;
  if (times_.followed != Now{} && now - times_.followed < kFollowEvery) return;
  times_.followed = now;
  log(LogLevel::kInfo, "the peer has moved from " + path_.remote.text() + " to " + remote.text());
  path_.remote = remote;
  children_.move(path_);
  window_.start_over(retransmission(), now);
}

void IkeSa::retransmit(Now now) {
  const Retransmission& times = retransmission();
  switch (window_.due(times, now)) {
    case MessageWindow::Due::kNothing:
      return;
    case MessageWindow::Due::kGiveUp:
      if (try_another_path(now)) return;
      ++context_.counters.timed_out;
      return end("the peer at " + path_.remote.text() + " does not answer: gave up after " +
                     std::to_string(window_.pending()->tries) + " tries",
                 now);
    case MessageWindow::Due::kRetransmit:
      if (window_.pending()->tries > kTriesOfOnePath && try_another_path(now)) return;
      ++context_.counters.retransmitted;
      log(LogLevel::kInfo, "no answer from " + path_.remote.text() + ", sending request " +
                               std::to_string(window_.pending()->message_id) + " again (" +
                               std::to_string(window_.pending()->tries) + " of " +
                               std::to_string(times.tries) + ")");
      send(window_.pending()->bytes);
  }
}

}  // namespace simplon::ike
