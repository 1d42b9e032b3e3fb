// Messages in and out: the window (RFC 7296 §2.3), retransmission (§2.1, §2.4), and the queue of what is to
// be done.
#include "ike/ike_sa.h"

#include <algorithm>

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kRetryTask{3};  // after TEMPORARY_FAILURE, plus jitter

}  // namespace

void Core::log_limited(std::string_view kind, Now now, std::string text) {
  auto found = said.find(kind);
  if (found == said.end()) found = said.emplace(std::string(kind), Said{}).first;
  Said& last = found->second;
  if (last.at != Now{} && now - last.at < kLogEvery) {
    ++last.kept_back;
    return;
  }
  if (last.kept_back != 0) text += " (and " + std::to_string(last.kept_back) + " more like it)";
  last = {now, 0};
  log(LogLevel::kWarning, {}, IkeSaId{}, std::move(text));
}

void Core::submit(IkeSaId sa, DhGroup group, Bytes random, Buffer peer_public, Then then) {
  const JobId id{next_job++};
  jobs[id] = {sa, std::move(then)};
  outputs.emplace_back(Job{id, group, Secret(random), std::move(peer_public)});
}

IkeSa& Core::add(std::unique_ptr<IkeSa> sa) {
  IkeSa& out = *sa;
  by_spi[out.our_spi()] = out.id();
  sas[out.id()] = std::move(sa);
  return out;
}

Spi Core::fresh_spi() {
  for (;;) {
    const auto spi = static_cast<std::uint32_t>(entropy.number());
    if (spi >= static_cast<std::uint32_t>(kFirstSpi)) return Spi{spi};
  }
}

std::uint64_t Core::fresh_ike_spi() {
  for (;;) {
    const std::uint64_t spi = entropy.number();
    if (spi != 0 && !by_spi.contains(spi)) return spi;
  }
}

IkeSa::IkeSa(Core& core, IkeSaId id, bool initiator, SocketAddress local, SocketAddress remote, Now now)
    : core_(core),
      id_(id),
      initiator_(initiator),
      local_(local),
      remote_(remote),
      created_(now),
      heard_(now) {
  (initiator_ ? spi_i_ : spi_r_) = core_.fresh_ike_spi();
}

void IkeSa::log(LogLevel level, std::string text) const {
  core_.log(level, connection_ ? connection_->name : std::string(), id_, std::move(text));
}

const Retransmission& IkeSa::retransmission() const {
  static const Retransmission kDefault;
  return connection_ ? connection_->retransmission : kDefault;
}

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

void IkeSa::request(Exchange exchange, const PayloadWriter& payloads, OnResponse then, Now now) {
  const std::uint32_t id = next_request_++;
  pending_ = Pending{.message_id = id,
                     .bytes = seal(keys_, initiator_, header(exchange, false, id), payloads, fresh_iv()),
                     .next = now + retransmission().first,
                     .wait = retransmission().first,
                     .then = std::move(then)};
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
  auto payloads = parse_payloads(opened->first, opened->chain);
  if (payloads) return std::move(*payloads);
  ++core_.counters.malformed;
  log(LogLevel::kWarning, "message from " + datagram.remote.text() + ": " + payloads.error().what);
  if (!h.response() && h.message_id == next_expected_ && !busy_) {
    last_exchange_ = h.exchange;
    respond_error(NotifyType::kInvalidSyntax);
  }
  return std::nullopt;
}

void IkeSa::receive_request(const Header& h, const Datagram& datagram, Now now) {
  if (h.message_id + 1 == next_expected_) {  // they did not get our answer
    if (h.exchange == Exchange::kIkeSaInit && datagram.bytes != init_request_) return;
    ++core_.counters.retransmitted;
    if (!last_response_.empty()) send(last_response_);
    return;
  }
  if (h.message_id != next_expected_ || busy_) return;
  const auto payloads = unprotect(h, datagram, now);
  if (!payloads) return;
  // The peer's NAT may have given it another port since (§2.23); only what was authenticated counts.
  if (state_ == State::kAuth || nat_remote_) local_ = datagram.local, remote_ = datagram.remote;
  busy_ = true;
  last_exchange_ = h.exchange;
  if (payloads->unknown_critical)
    return respond_error(NotifyType::kUnsupportedCriticalPayload, Bytes(&*payloads->unknown_critical, 1));
  switch (h.exchange) {
    case Exchange::kIkeAuth:
      if (state_ == State::kAuth) return auth_request(*payloads, now);
      break;
    case Exchange::kCreateChildSa:
      if (established() || state_ == State::kDeleting) return create_child_request(*payloads, now);
      break;
    case Exchange::kInformational:
      if (established() || state_ == State::kDeleting) return informational_request(*payloads, now);
      break;
    default:
      break;
  }
  respond_error(NotifyType::kInvalidSyntax);
}

void IkeSa::receive_response(const Header& h, const Datagram& datagram, Now now) {
  if (!pending_ || h.message_id != pending_->message_id) return;
  if (state_ == State::kInit) {
    if (h.exchange == Exchange::kIkeSaInit) init_response(h, datagram, now);
    return;
  }
  const auto payloads = unprotect(h, datagram, now);
  if (!payloads) return;
  const OnResponse then = std::move(pending_->then);
  pending_.reset();
  if (then) then(*payloads, now);
  next_task(now);
}

void IkeSa::add_task(Task task, Now now) {
  tasks_.push_back(std::move(task));
  next_task(now);
}

void IkeSa::next_task(Now now) {
  while (established() && !pending_ && !attempt_ && !tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    std::visit([&](const auto& t) { run(t, now); }, task);
  }
}

void IkeSa::drop_tasks(const std::string& why) {
  const auto ticket = [](const auto& t) -> std::uint64_t {
    if constexpr (requires { t.ticket; }) return t.ticket;
    return 0;
  };
  for (const Task& task : std::exchange(tasks_, {})) core_.finish(std::visit(ticket, task), false, why);
  for (const CreateChild& c : first_children_) core_.finish(c.ticket, false, why);
  if (attempt_) core_.finish(attempt_->ticket, false, why);
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
  end("the peer at " + remote_.text() + " does not answer: gave up after " + std::to_string(pending_->tries) +
          " tries",
      now);
}

void IkeSa::tick(Now now) {
  if (dead()) return;
  retransmit(now);
  if (dead()) return;
  if (state_ == State::kAuth && !initiator_ && now - created_ > kHalfOpen)
    return end("the initiator did not go on", now);
  if (established() || state_ == State::kDeleting) expire(now);
}

std::optional<Now> IkeSa::deadline() const {
  std::optional<Now> soonest;
  const auto sooner = [&](Now at) { soonest = soonest ? std::min(*soonest, at) : at; };
  if (pending_) sooner(pending_->next);
  if (state_ == State::kAuth && !initiator_) sooner(created_ + kHalfOpen);
  for (const OldInbound& old : old_inbound_) sooner(old.until);
  if (!established()) return soonest;
  if (rekey_at_ != Now{}) sooner(std::max(rekey_at_, retry_rekey_));
  if (expire_at_ != Now{}) sooner(expire_at_);
  if (connection_ && connection_->dpd_delay.count() != 0 && !pending_)
    sooner(heard_ + connection_->dpd_delay);
  for (const auto& [id, child] : children_) {
    if (child.state == ChildState::kInstalled && child.rekey_at != Now{}) sooner(child.rekey_at);
    if (child.expire_at != Now{}) sooner(child.expire_at);
    if (child.deferred_out) sooner(child.deferred_until);
  }
  return soonest;
}

// Jitter, so that two ends that refused each other do not meet again at once.
void IkeSa::attempt_failed(const std::string& why, Now now) {
  const Attempt failed = *std::exchange(attempt_, std::nullopt);
  log(LogLevel::kWarning,
      (failed.ike ? "rekeying the IKE SA" : "child " + failed.config.name) + " failed: " + why);
  core_.finish(failed.ticket, false, why);
  const Now again = now + kRetryTask + milliseconds(core_.entropy.below(3000));
  if (failed.ike) retry_rekey_ = again, rekey_at_ = again;
  if (const auto old = children_.find(failed.replaces); old != children_.end()) {
    old->second.state = ChildState::kInstalled;
    old->second.rekey_at = again;
  }
  next_task(now);
}

}  // namespace simplon::ike
