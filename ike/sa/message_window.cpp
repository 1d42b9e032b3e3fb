// Messages in and out: the window (RFC 7296 §2.3) and retransmission (§2.1, §2.4).
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostLastWords = 1024, kLargestLastWords = 4096;

}  // namespace

Header IkeSa::header(Exchange exchange, bool response, std::uint32_t message_id) const {
  return {
      .spi_i = spi_i_,
      .spi_r = spi_r_,
      .next = 0,
      .version = 0x20,
      .exchange = exchange,
      .flags = static_cast<std::uint8_t>((initiator_ ? kFlagInitiator : 0) | (response ? kFlagResponse : 0)),
      .message_id = message_id,
      .length = 0};
}

// A counter for an AEAD (RFC 5282 §3.1), unpredictable for CBC.
Buffer IkeSa::fresh_iv() {
  if (!keys_.encr->aead()) return core_.entropy.bytes(keys_.encr->iv);
  Writer out;
  out.be64(iv_++);
  return out.take();
}

void IkeSa::send(const Buffer& bytes) {
  ++core_.counters.sent;
  core_.outputs.emplace_back(Datagram{local_, remote_, bytes});
}

void IkeSa::request(Exchange exchange, const PayloadWriter& payloads, OnResponse then, Now now,
                    std::uint64_t ticket) {
  const std::uint32_t id = next_request_++;
  pending_ = Pending{.message_id = id,
                     .bytes = seal(keys_, initiator_, header(exchange, false, id), payloads, fresh_iv()),
                     .next = now + retransmission().first,
                     .wait = retransmission().first,
                     .then = std::move(then),
                     .ticket = ticket};
  send(pending_->bytes);
}

void IkeSa::request_clear(const PayloadWriter& payloads, Now now) {
  next_request_ = 1;
  init_request_ = write_message(header(Exchange::kIkeSaInit, false, 0), payloads);
  pending_ = Pending{.message_id = 0,
                     .bytes = init_request_,
                     .next = now + retransmission().first,
                     .wait = retransmission().first,
                     .then = {}};
  send(pending_->bytes);
}

// The answer to the request that is being handled: kept, for the peer may not get it (§2.1).
void IkeSa::respond(const PayloadWriter& payloads) {
  Header h = header(last_exchange_, true, next_expected_);
  last_response_ = seal(keys_, initiator_, h, payloads, fresh_iv());
  ++next_expected_;
  busy_ = false;
  send(last_response_);
}

void IkeSa::respond_error(NotifyType type, Bytes data) {
  PayloadWriter out;
  out.notify(type, data);
  respond(out);
}

void IkeSa::receive(const Header& h, const Datagram& datagram, Now now) {
  if (h.initiator() == initiator_) return;  // the flag is the sender's role (§3.1)
  if (h.response())
    receive_response(h, datagram, now);
  else
    receive_request(h, datagram, now);
}

std::optional<Payloads> IkeSa::unprotect(const Header& h, const Datagram& datagram, Now now) {
  if (!have_keys_) return std::nullopt;
  const auto sk = find_sk(datagram.bytes);
  if (!sk) {
    ++core_.counters.malformed;
    core_.log_limited("sk", now, "message from " + datagram.remote.text() + ": " + sk.error().what);
    return std::nullopt;
  }
  const auto opened = open(keys_, h.initiator(), datagram.bytes, *sk);
  if (!opened) {
    ++core_.counters.bad_icv;
    core_.log_limited("icv", now, "message from " + datagram.remote.text() + ": its integrity check failed");
    return std::nullopt;
  }
  heard_ = now;
  follow(datagram);
  if (!h.response()) last_request_ = datagram.bytes;
  auto payloads = parse_payloads(opened->first, opened->chain);
  if (payloads) return std::move(*payloads);
  const std::string why = "message from " + datagram.remote.text() + ": " + payloads.error().what;
  last_exchange_ = h.exchange;
  if (!h.response()) {
    malformed(why, now);
  } else {
    ++core_.counters.malformed;
    core_.log_limited("response", now, why);
  }
  return std::nullopt;
}

// The answer to a request that we do not understand is fatal at both ends (§2.21.3).
void IkeSa::malformed(const std::string& why, Now now) {
  ++core_.counters.malformed;
  respond_error(NotifyType::kInvalidSyntax);
  remember_last_words(now);
  end(why, now);
}

// Some of them are strangers': neither their number nor their size is for them to choose.
void IkeSa::remember_last_words(Now now) {
  if (last_request_.size() > kLargestLastWords) return;
  if (core_.last_words_until.size() >= kMostLastWords) {
    core_.last_words.erase(core_.last_words_until.front().second);
    core_.last_words_until.pop_front();
  }
  core_.last_words[our_spi()] = {last_request_, last_response_};
  core_.last_words_until.emplace_back(now + kLastWords, our_spi());
}

// A NAT may give the peer another address or port at any time (§2.23); only what was authenticated counts.
// ESP follows by new SAs, for one in use is never changed.
void IkeSa::follow(const Datagram& d) {
  if (d.local == local_ && d.remote == remote_) return;
  const bool floating = state_ == State::kAuth && !initiator_;
  if (!floating && !nat_remote_) return;
  local_ = d.local;
  remote_ = d.remote;
  if (floating) return;
  log(LogLevel::kInfo, "the peer is at " + remote_.text() + " now");
  for (const auto& [id, child] : children_)
    if (child.state == ChildState::kInstalled) tasks_.emplace_back(RekeyChild{id, 0});
}

void IkeSa::farewell(std::optional<NotifyType> why, Now now) {
  if (!have_keys_ || pending_) return;  // outside the peer's window it would not be looked at
  PayloadWriter out;
  if (why) out.notify(*why);
  out.del(ProtocolId::kIke, {});
  request(Exchange::kInformational, out, {}, now);
  pending_.reset();
}

void IkeSa::receive_request(const Header& h, const Datagram& datagram, Now now) {
  if (initiator_ && half_open()) return;     // sooner than the answer to our IKE_AUTH: it comes again
  if (h.message_id + 1 == next_expected_) {  // they did not get our answer, or somebody pretends so
    const Buffer& last = last_request_.empty() ? init_request_ : last_request_;
    if (last_response_.empty() || datagram.bytes != last) return;
    ++core_.counters.retransmitted;
    ++core_.counters.sent;
    core_.outputs.emplace_back(Datagram{datagram.local, datagram.remote, last_response_});  // §2.11
    return;
  }
  if (h.message_id != next_expected_ || busy_) return;
  const auto payloads = unprotect(h, datagram, now);
  if (!payloads) return;
  busy_ = true;
  last_exchange_ = h.exchange;
  if (payloads->unknown_critical)
    respond_error(NotifyType::kUnsupportedCriticalPayload, Bytes(&*payloads->unknown_critical, 1));
  else
    handle_request(*payloads, now);
  next_task(now);
}

void IkeSa::handle_request(const Payloads& payloads, Now now) {
  const bool up = established() || state_ == State::kDeleting;
  if (last_exchange_ == Exchange::kIkeAuth && state_ == State::kAuth && !initiator_)
    auth_request(payloads, now);
  else if (last_exchange_ == Exchange::kCreateChildSa && up)
    create_child_request(payloads, now);
  else if (last_exchange_ == Exchange::kInformational && up)
    informational_request(payloads, now);
  else
    malformed("a request of exchange type " + std::to_string(static_cast<unsigned>(last_exchange_)), now);
}

void IkeSa::receive_response(const Header& h, const Datagram& datagram, Now now) {
  if (!pending_ || h.message_id != pending_->message_id) return;
  if (state_ == State::kInit) {
    if (h.exchange == Exchange::kIkeSaInit) init_response(h, datagram, now);
    return;
  }
  const auto payloads = unprotect(h, datagram, now);
  if (!payloads) return;
  if (!half_open() && payloads->find(NotifyType::kInvalidSyntax))  // fatal at both ends (§2.21.3)
    return end("the peer calls our request malformed", now);
  const OnResponse then = std::move(pending_->then);
  pending_.reset();
  if (then) then(*payloads, now);
  next_task(now);
}

void IkeSa::retransmit(Now now) {
  if (!pending_ || now < pending_->next) return;
  const Retransmission& r = retransmission();
  if (pending_->tries >= r.tries) return give_up(now);
  ++pending_->tries;
  pending_->wait = std::min(pending_->wait * 2, r.longest);
  pending_->next = now + pending_->wait;
  ++core_.counters.retransmitted;
  log(LogLevel::kInfo, "no answer from " + remote_.text() + ", sending request " +
                           std::to_string(pending_->message_id) + " again (" +
                           std::to_string(pending_->tries) + " of " + std::to_string(r.tries) + ")");
  send(pending_->bytes);
}

void IkeSa::give_up(Now now) {
  ++core_.counters.timed_out;
  const std::string tries = std::to_string(pending_->tries);
  end("the peer at " + remote_.text() + " does not answer: gave up after " + tries + " tries", now);
}

}  // namespace simplon::ike
