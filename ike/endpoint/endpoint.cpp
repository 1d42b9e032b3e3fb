// SPDX-License-Identifier: Apache-2.0
#include "ike/endpoint/endpoint.h"

#include <algorithm>

#include "ike/endpoint/endpoint_impl.h"

namespace simplon::ike {
namespace {

// As good as it is: of a distinguished name the key has no more than its octets in another form.
std::string text_of_key(const std::string& key) {
  if (key.empty()) return {};
  return Identity{static_cast<IdType>(key[0]), Buffer(key.begin() + 1, key.end())}.text();
}

}  // namespace

IkeSa* Endpoint::Impl::owner(std::uint64_t spi) const {
  const auto id = context.by_spi.find(spi);
  return id == context.by_spi.end() ? nullptr : context.find(id->second);
}

void Endpoint::Impl::receive(const Datagram& datagram, Now now) {
  ++context.counters.received;
  const auto header = parse_header(datagram.bytes);
  if (!header) {
    ++context.counters.malformed;
    return context.log_limited("header", datagram.remote.address, now,
                               "datagram from " + datagram.remote.text() + ": " + header.error().what);
  }
  if (header->version >> 4 != 2) {
    ++context.counters.malformed;
    context.log_limited(
        "version", datagram.remote.address, now,
        "datagram from " + datagram.remote.text() + ": IKE version " + std::to_string(header->version >> 4));
    if (header->version >> 4 > 2 && !header->response())
      answer_clear(*header, datagram, NotifyType::kInvalidMajorVersion, {});
    return;
  }
  if (header->exchange == Exchange::kIkeSaInit && !header->response() && header->spi_r == 0)
    return new_initiator(*header, datagram, now);
  IkeSa* sa = owner(header->initiator() ? header->spi_r : header->spi_i);
  if (sa == nullptr && retransmit_final_response(*header, datagram)) return;
  if (sa == nullptr || (header->spi_r != 0 && sa->peer_spi() != 0 &&
                        sa->peer_spi() != (header->initiator() ? header->spi_i : header->spi_r))) {
    ++context.counters.unknown_spi;  // §2.21.4: not worth an answer
    return context.log_limited("spi", datagram.remote.address, now,
                               "message from " + datagram.remote.text() + " for an IKE SA that is not there");
  }
  context.touched.insert(sa->id());
  sa->receive(*header, datagram, now);
}

bool Endpoint::Impl::retransmit_final_response(const Header& header, const Datagram& datagram) {
  const Buffer* response =
      context.final_responses.find(header.initiator() ? header.spi_r : header.spi_i, datagram.bytes);
  if (response == nullptr) return false;
  ++context.counters.retransmitted;
  for (const Bytes message : datagrams_of(*response)) {
    ++context.counters.sent;
    context.outputs.emplace_back(
        Datagram{datagram.local, datagram.remote, Buffer(message.begin(), message.end())});
  }
  return true;
}

void Endpoint::Impl::complete(const JobResult& result, Now now) {
  const auto found = context.jobs.find(result.id);
  if (found == context.jobs.end()) return;
  const Context::Waiting waiting = std::move(found->second);
  context.jobs.erase(found);
  IkeSa* sa = context.find(waiting.sa);
  if (sa == nullptr || sa->dead()) return;
  context.touched.insert(waiting.sa);
  waiting.then(*sa, result.result, now);
}

void Endpoint::Impl::tick(Now now) {
  std::vector<IkeSaId> due;
  for (const auto& [at, id] : wakeups_) {
    if (at > now) break;
    due.push_back(id);
  }
  for (const IkeSaId id : due) {
    context.touched.insert(id);
    if (IkeSa* sa = context.find(id)) sa->tick(now);
  }
  after_input(now);
  context.final_responses.expire(now);
  std::erase_if(context.retries,
                [&](const auto& r) { return r.second.forget_at && *r.second.forget_at <= now; });
  std::vector<std::pair<std::string, Context::Cause>> again;
  for (auto& [name, retry] : context.retries)
    if (retry.at && *retry.at <= now) {
      again.emplace_back(name, retry.cause);
      retry.at = std::nullopt;
    }
  for (const auto& [name, cause] : again)
    if (const auto c = context.connection(name)) start(*c, cause, now);
}

std::optional<Now> Endpoint::Impl::deadline() const {
  std::optional<Now> soonest;
  if (!wakeups_.empty()) soonest = wakeups_.begin()->first;
  const auto sooner = [&](std::optional<Now> at) {
    if (at) soonest = soonest ? std::min(*soonest, *at) : *at;
  };
  sooner(context.final_responses.deadline());
  for (const auto& [name, retry] : context.retries) {
    sooner(retry.at);
    sooner(retry.forget_at);
  }
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

// What should be up is tried again; a peer that goes soon after it came up is not called again at once.
void Endpoint::Impl::ended(const IkeSa& sa, Now now) {
  const auto c = sa.connection() ? context.connection(sa.connection()->name) : nullptr;
  if (!c || !sa.lost() || serving(c->name) != nullptr) return;
  const auto cause = sa.ending() == End::kClosedByPeer ? Context::Cause::kClosed : Context::Cause::kLost;
  if (std::ranges::none_of(c->children, [&](const ChildConfig& k) { return wanted(k, cause); })) return;
  const Now up = sa.times().established;
  const bool lived = up != Now{} && now - up >= kShortLife;
  context.retry(c->name, lived ? Context::Again::kAtOnce : Context::Again::kLater, cause, now);
}

void Endpoint::Impl::after_input(Now now) {
  while (!context.touched.empty()) {
    const IkeSaId id = *context.touched.begin();
    context.touched.erase(context.touched.begin());
    IkeSa* sa = context.find(id);
    if (sa == nullptr) continue;
    if (watched_ && !sa->half_open()) changed_.insert(id);
    if (sa->failed()) sa->end("a message of ours could not be encrypted", now);
    schedule(id, sa->deadline());
    if (!sa->dead()) continue;
    sa->forget();
    ended(*sa, now);
    context.sas.erase(id);
  }
}

Endpoint::Endpoint(Settings settings, Secret seed, AuthenticatorFor authenticator_for)
    : impl_(std::make_unique<Impl>(settings, seed, std::move(authenticator_for))) {}
Endpoint::~Endpoint() = default;
Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;

void Endpoint::configure(const Settings& settings) { impl_->context.settings = settings; }

void Endpoint::configure(std::vector<std::shared_ptr<const Connection>> connections, Now now, Start start) {
  impl_->configure(std::move(connections), now, start);
  impl_->after_input(now);
}
void Endpoint::receive(const Datagram& datagram, Now now) {
  impl_->receive(datagram, now);
  impl_->after_input(now);
}
void Endpoint::complete(const JobResult& result, Now now) {
  impl_->complete(result, now);
  impl_->after_input(now);
}
void Endpoint::tick(Now now) {
  impl_->tick(now);
  impl_->after_input(now);
}
std::optional<Now> Endpoint::deadline() const { return impl_->deadline(); }

std::optional<Output> Endpoint::next() {
  auto& outputs = impl_->context.outputs;
  if (outputs.empty()) return std::nullopt;
  Output out = std::move(outputs.front());
  outputs.pop_front();
  return out;
}

void Endpoint::initiate(std::string_view connection, std::string_view child, std::uint64_t ticket, Now now) {
  impl_->initiate(connection, {std::string(child), ticket}, now);
  impl_->after_input(now);
}
void Endpoint::terminate(const Which& which, std::uint64_t ticket, Now now) {
  impl_->terminate(which, ticket, now);
  impl_->after_input(now);
}
void Endpoint::rekey(const Which& which, std::uint64_t ticket, Now now) {
  impl_->rekey(which, ticket, now);
  impl_->after_input(now);
}
std::size_t Endpoint::redirect(const Which& which, std::string_view to, Now now) {
  const std::size_t told = impl_->redirect(which, to, now);
  impl_->after_input(now);
  return told;
}
void Endpoint::acquire(PolicyId policy, const TrafficSelector& source, const TrafficSelector& destination,
                       Now now) {
  impl_->acquire(policy, {{source}, {destination}}, now);
  impl_->after_input(now);
}
void Endpoint::expired(SaId sa, bool hard, Now now) {
  impl_->expired(sa, hard, now);
  impl_->after_input(now);
}
void Endpoint::invalid_selectors(SaId sa, Bytes packet, Now now) {
  impl_->invalid_selectors(sa, packet, now);
  impl_->after_input(now);
}
void Endpoint::not_installed(SaId sa, const std::string& why, Now now) {
  impl_->not_installed(sa, why, now);
  impl_->after_input(now);
}
void Endpoint::active(SaId sa, Now now) {
  const auto found = impl_->context.by_sa.find(sa);
  if (found == impl_->context.by_sa.end()) return;
  if (IkeSa* ike = impl_->context.find(found->second)) ike->active(sa, now);
  impl_->after_input(now);
}
void Endpoint::moved(SaId sa, const SocketAddress& remote, Now now) {
  impl_->moved(sa, remote, now);
  impl_->after_input(now);
}
void Endpoint::local_addresses(std::vector<IpAddress> usable, Now now) {
  impl_->local_addresses(std::move(usable), now);
  impl_->after_input(now);
}
void Endpoint::shut_down(Now now) {
  impl_->shut_down(now);
  impl_->after_input(now);
}

std::vector<IkeStatus> Endpoint::status() const {
  std::vector<IkeStatus> out;
  for (const auto& [id, sa] : impl_->context.sas)
    if (!sa->dead()) out.push_back(sa->status());
  return out;
}

void Endpoint::remember(const std::vector<Lease>& leases) {
  for (const Lease& lease : leases) impl_->context.leases.remember(lease);
}

std::vector<PoolStatus> Endpoint::pools() const {
  const Context& context = impl_->context;
  std::map<std::string_view, PoolStatus> out;
  for (const auto& c : context.connections)
    for (const Shared<Pool>& pool : c->pools) out.try_emplace(pool->name, PoolStatus{pool, {}});
  for (const Lease& lease : context.leases.snapshot()) {
    const auto of = out.find(lease.pool);
    if (of == out.end()) continue;
    const IkeSa* const holder = context.find(lease.holder);
    of->second.addresses.push_back(
        {lease.address, holder != nullptr ? holder->remote_id().text() : text_of_key(lease.identity),
         lease.holder != IkeSaId{}});
  }
  std::vector<PoolStatus> all;
  all.reserve(out.size());
  for (auto& [name, status] : out) {
    std::ranges::sort(status.addresses, {}, &PoolStatus::Address::address);
    all.push_back(std::move(status));
  }
  return all;
}

std::optional<IkeStatus> Endpoint::status(IkeSaId id) const {
  const auto found = impl_->context.sas.find(id);
  if (found == impl_->context.sas.end() || found->second->dead()) return std::nullopt;
  return found->second->status();
}

Counters Endpoint::counters() const {
  Counters out = impl_->context.counters;
  out.half_open = impl_->context.half_open.size();
  return out;
}

}  // namespace simplon::ike
