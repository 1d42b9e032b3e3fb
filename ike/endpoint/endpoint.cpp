#include "ike/endpoint/endpoint.h"

#include <algorithm>

#include "ike/endpoint/endpoint_impl.h"

namespace simplon::ike {

IkeSa* Endpoint::Impl::owner(std::uint64_t spi) const {
  const auto id = core.by_spi.find(spi);
  return id == core.by_spi.end() ? nullptr : core.find(id->second);
}

void Endpoint::Impl::receive(const Datagram& datagram, Now now) {
  ++core.counters.received;
  const auto header = parse_header(datagram.bytes);
  if (!header) {
    ++core.counters.malformed;
    return core.log_limited("header", now,
                            "datagram from " + datagram.remote.text() + ": " + header.error().what);
  }
  if (header->version >> 4 != 2) {
    ++core.counters.malformed;
    core.log_limited(
        "version", now,
        "datagram from " + datagram.remote.text() + ": IKE version " + std::to_string(header->version >> 4));
    if (header->version >> 4 > 2 && !header->response())
      answer_clear(*header, datagram, NotifyType::kInvalidMajorVersion, {});
    return;
  }
  if (header->exchange == Exchange::kIkeSaInit && !header->response() && header->spi_r == 0)
    return new_initiator(*header, datagram, now);
  IkeSa* sa = owner(header->initiator() ? header->spi_r : header->spi_i);
  if (sa == nullptr && said_again(*header, datagram)) return;
  if (sa == nullptr || (header->spi_r != 0 && sa->peer_spi() != 0 &&
                        sa->peer_spi() != (header->initiator() ? header->spi_i : header->spi_r))) {
    ++core.counters.unknown_spi;  // §2.21.4: not worth an answer
    return core.log_limited("spi", now,
                            "message from " + datagram.remote.text() + " for an IKE SA that is not there");
  }
  core.touched.insert(sa->id());
  sa->receive(*header, datagram, now);
}

bool Endpoint::Impl::said_again(const Header& header, const Datagram& datagram) {
  const auto last = core.last_words.find(header.initiator() ? header.spi_r : header.spi_i);
  if (last == core.last_words.end() || last->second.request != datagram.bytes) return false;
  ++core.counters.retransmitted;
  ++core.counters.sent;
  core.outputs.emplace_back(Datagram{datagram.local, datagram.remote, last->second.answer});
  return true;
}

void Endpoint::Impl::complete(const JobResult& result, Now now) {
  const auto found = core.jobs.find(result.id);
  if (found == core.jobs.end()) return;
  const Core::Waiting waiting = std::move(found->second);
  core.jobs.erase(found);
  IkeSa* sa = core.find(waiting.sa);
  if (sa == nullptr || sa->dead()) return;
  core.touched.insert(waiting.sa);
  waiting.then(*sa, result, now);
}

void Endpoint::Impl::tick(Now now) {
  std::vector<IkeSaId> due;
  for (const auto& [at, id] : wakeups_) {
    if (at > now) break;
    due.push_back(id);
  }
  for (const IkeSaId id : due) {
    core.touched.insert(id);
    if (IkeSa* sa = core.find(id)) sa->tick(now);
  }
  settle(now);
  auto& until = core.last_words_until;
  for (; !until.empty() && until.front().first <= now; until.pop_front())
    core.last_words.erase(until.front().second);
  std::vector<std::pair<std::string, Core::Cause>> again;
  for (auto& [name, retry] : core.retries)
    if (retry.at && *retry.at <= now) {
      again.emplace_back(name, retry.cause);
      retry.at = std::nullopt;
    }
  for (const auto& [name, cause] : again)
    if (const auto c = core.connection(name)) start(*c, cause, now);
}

std::optional<Now> Endpoint::Impl::deadline() const {
  std::optional<Now> soonest;
  if (!wakeups_.empty()) soonest = wakeups_.begin()->first;
  if (const auto& until = core.last_words_until; !until.empty())
    soonest = soonest ? std::min(*soonest, until.front().first) : until.front().first;
  for (const auto& [name, retry] : core.retries)
    if (retry.at) soonest = soonest ? std::min(*soonest, *retry.at) : *retry.at;
  return soonest;
}

void Endpoint::Impl::schedule(IkeSaId id, std::optional<Now> at) {
  const auto old = wake_at_.find(id);
  if (old != wake_at_.end()) {
    if (at && old->second == *at) return;
    wakeups_.erase({old->second, id});
    wake_at_.erase(old);
  }
  if (!at) return;
  wakeups_.emplace(*at, id);
  wake_at_[id] = *at;
}

void Endpoint::Impl::ended(const IkeSa& sa, Now now) {
  const auto c = sa.connection() ? core.connection(sa.connection()->name) : nullptr;
  if (!c || !sa.lost() || serving(c->name) != nullptr) return;
  if (std::ranges::any_of(c->children, [&](const ChildConfig& k) { return wanted(k, sa.cause()); }))
    core.retry(c->name, sa.lived(now) ? Core::Again::kAtOnce : Core::Again::kLater, sa.cause(), now);
}

void Endpoint::Impl::settle(Now now) {
  while (!core.touched.empty()) {
    const IkeSaId id = *core.touched.begin();
    core.touched.erase(core.touched.begin());
    IkeSa* sa = core.find(id);
    if (sa == nullptr) continue;
    schedule(id, sa->deadline());
    if (!sa->dead()) continue;
    sa->forget();
    ended(*sa, now);
    core.sas.erase(id);
  }
}

Endpoint::Endpoint(Settings settings, Secret seed) : impl_(std::make_unique<Impl>(settings, seed)) {}
Endpoint::~Endpoint() = default;
Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;

void Endpoint::configure(const Settings& settings) { impl_->core.settings = settings; }

void Endpoint::configure(std::vector<std::shared_ptr<const Connection>> connections, Now now) {
  impl_->configure(std::move(connections), now);
  impl_->settle(now);
}
void Endpoint::receive(const Datagram& datagram, Now now) {
  impl_->receive(datagram, now);
  impl_->settle(now);
}
void Endpoint::complete(const JobResult& result, Now now) {
  impl_->complete(result, now);
  impl_->settle(now);
}
void Endpoint::tick(Now now) {
  impl_->tick(now);
  impl_->settle(now);
}
std::optional<Now> Endpoint::deadline() const { return impl_->deadline(); }

std::optional<Output> Endpoint::next() {
  auto& outputs = impl_->core.outputs;
  if (outputs.empty()) return std::nullopt;
  Output out = std::move(outputs.front());
  outputs.pop_front();
  return out;
}

void Endpoint::initiate(std::string_view connection, std::string_view child, std::uint64_t ticket, Now now) {
  impl_->initiate(connection, {std::string(child), ticket}, now);
  impl_->settle(now);
}
void Endpoint::terminate(const Which& which, std::uint64_t ticket, Now now) {
  impl_->terminate(which, ticket, now);
  impl_->settle(now);
}
void Endpoint::rekey(const Which& which, std::uint64_t ticket, Now now) {
  impl_->rekey(which, ticket, now);
  impl_->settle(now);
}
void Endpoint::acquire(PolicyId policy, const TrafficSelector& source, const TrafficSelector& destination,
                       Now now) {
  impl_->acquire(policy, {{source}, {destination}}, now);
  impl_->settle(now);
}
void Endpoint::expired(SaId sa, bool hard, Now now) {
  impl_->expired(sa, hard, now);
  impl_->settle(now);
}
void Endpoint::active(SaId sa, Now now) {
  const auto found = impl_->core.by_sa.find(sa);
  if (found == impl_->core.by_sa.end()) return;
  if (IkeSa* ike = impl_->core.find(found->second)) ike->active(sa, now);
}
void Endpoint::shut_down(Now now) {
  impl_->shut_down(now);
  impl_->settle(now);
}

std::vector<IkeStatus> Endpoint::status() const {
  std::vector<IkeStatus> out;
  for (const auto& [id, sa] : impl_->core.sas)
    if (!sa->dead()) out.push_back(sa->status());
  return out;
}

std::optional<IkeStatus> Endpoint::status(IkeSaId id) const {
  const auto found = impl_->core.sas.find(id);
  if (found == impl_->core.sas.end() || found->second->dead()) return std::nullopt;
  return found->second->status();
}

Counters Endpoint::counters() const {
  Counters out = impl_->core.counters;
  out.half_open = impl_->core.half_open.size();
  return out;
}

}  // namespace simplon::ike
