#include "ike/endpoint.h"

#include <algorithm>
#include <set>

#include "ike/ike_sa.h"

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kCookieLife{60};

bool takes(const Connection& c, const Datagram& d) {
  return (c.local_addrs.empty() ||
          std::ranges::find(c.local_addrs, d.local.address) != c.local_addrs.end()) &&
         (c.remote_addrs.empty() || std::ranges::any_of(c.remote_addrs, [&](const AddressRange& r) {
            return r.contains(d.remote.address);
          }));
}

}  // namespace

class Endpoint::Impl {
 public:
  Impl(Settings settings, const Secret& seed)
      : core(settings, seed), cookie_secret_(core.entropy.bytes(32)) {}

  void receive(const Datagram& datagram, Now now);
  void configure(std::vector<std::shared_ptr<const Connection>> connections, Now now);
  void initiate(std::string_view connection, std::string_view child, std::uint64_t ticket, Now now);
  void terminate(const Which& which, std::uint64_t ticket, Now now);
  void rekey(const Which& which, std::uint64_t ticket, Now now);
  void acquire(PolicyId policy, Now now);
  void tick(Now now);
  std::optional<Now> deadline() const;
  void reap(Now now);

  Core core;

 private:
  struct Retry {
    Now at{};
    milliseconds wait{};
  };
  struct Target {
    IkeSa* ike = nullptr;
    std::optional<ChildSaId> child;  // none: the whole IKE SA
  };
  void new_initiator(const Header& header, const Datagram& datagram, Now now);
  bool cookie_shown(const Payloads& payloads, const Header& header, const Datagram& datagram, Now now);
  void ask_for_cookie(const Payloads& payloads, const Header& header, const Datagram& datagram);
  void answer_clear(const Header& header, const Datagram& datagram, NotifyType type, Bytes data);
  std::uint64_t half_open() const;
  IkeSa* find(std::uint64_t spi);
  IkeSa* serving(std::string_view connection);  // established, or on the way there
  std::shared_ptr<const Connection> connection(std::string_view name) const;
  std::vector<Target> targets(const Which& which);
  void retry(const std::string& connection, Now now, bool at_once);
  bool up(const Connection& connection, const ChildConfig& child) const;
  void start_wanted(const Connection& connection, Now now);
  static void reload(IkeSa& sa, const std::shared_ptr<const Connection>& next, Now now);

  std::map<std::string, Retry> retries_;
  Buffer cookie_secret_, old_cookie_secret_;
  std::uint32_t cookie_version_ = 1;
  Now cookie_since_{};
};

IkeSa* Endpoint::Impl::find(std::uint64_t spi) {
  const auto id = core.by_spi.find(spi);
  if (id == core.by_spi.end()) return nullptr;
  const auto sa = core.sas.find(id->second);
  return sa == core.sas.end() ? nullptr : sa->second.get();
}

std::uint64_t Endpoint::Impl::half_open() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      core.sas, [](const auto& s) { return s.second->half_open() && !s.second->initiator(); }));
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
  IkeSa* sa = find(header->initiator() ? header->spi_r : header->spi_i);
  if (sa == nullptr || (header->spi_r != 0 && sa->peer_spi() != 0 &&
                        sa->peer_spi() != (header->initiator() ? header->spi_i : header->spi_r))) {
    ++core.counters.unknown_spi;
    return core.log_limited("spi", now,
                            "message from " + datagram.remote.text() + " for an IKE SA that is not there");
  }
  sa->receive(*header, datagram, now);
}

void Endpoint::Impl::new_initiator(const Header& header, const Datagram& datagram, Now now) {
  for (const auto& [id, sa] : core.sas)  // a retransmission of what we answer, or have answered
    if (!sa->initiator() && sa->peer_spi() == header.spi_i && sa->remote() == datagram.remote)
      return sa->receive(header, datagram, now);
  const auto payloads = parse_payloads(header.next, Bytes(datagram.bytes).subspan(kHeaderBytes));
  if (!payloads || !payloads->sa || !payloads->ke || !payloads->nonce || header.message_id != 0 ||
      !header.initiator()) {
    ++core.counters.malformed;
    return core.log_limited("init", now,
                            "IKE_SA_INIT from " + datagram.remote.text() + ": " +
                                (payloads ? "lacks payloads" : payloads.error().what));
  }
  if (payloads->unknown_critical)
    return answer_clear(header, datagram, NotifyType::kUnsupportedCriticalPayload,
                        Bytes(&*payloads->unknown_critical, 1));
  const std::uint64_t open = half_open();
  if (open >= core.settings.half_open_limit)
    return core.log_limited("half-open", now, "too many half-open IKE SAs: initiators are ignored");
  if (open >= core.settings.cookie_threshold && !cookie_shown(*payloads, header, datagram, now))
    return ask_for_cookie(*payloads, header, datagram);
  std::vector<std::shared_ptr<const Connection>> candidates;
  for (const auto& c : core.connections)
    if (takes(*c, datagram)) candidates.push_back(c);
  if (candidates.empty()) {
    ++core.counters.no_proposal;
    core.log_limited("address", now,
                     "no connection is for " + datagram.remote.text() + " at " + datagram.local.text());
    return answer_clear(header, datagram, NotifyType::kNoProposalChosen, {});
  }
  auto made =
      std::make_unique<IkeSa>(core, IkeSaId{core.next_ike++}, false, datagram.local, datagram.remote, now);
  core.add(std::move(made)).respond_init(std::move(candidates), header, *payloads, datagram.bytes, now);
}

// §2.6: a secret that changes, and the one before it.
bool Endpoint::Impl::cookie_shown(const Payloads& p, const Header& header, const Datagram& datagram,
                                  Now now) {
  if (cookie_since_ == Now{} || now - cookie_since_ > kCookieLife) {
    old_cookie_secret_ = std::exchange(cookie_secret_, core.entropy.bytes(32));
    ++cookie_version_;
    cookie_since_ = now;
  }
  const Notify* n = p.find(NotifyType::kCookie);
  if (n == nullptr) return false;
  for (const auto& [secret, version] :
       {std::pair(&cookie_secret_, cookie_version_), std::pair(&old_cookie_secret_, cookie_version_ - 1)})
    if (!secret->empty() && equal_in_constant_time(n->data, cookie(*secret, version, *p.nonce,
                                                                   datagram.remote.address, header.spi_i)))
      return true;
  ++core.counters.cookies_bad;
  return false;
}

void Endpoint::Impl::ask_for_cookie(const Payloads& p, const Header& header, const Datagram& datagram) {
  ++core.counters.cookies_sent;
  answer_clear(header, datagram, NotifyType::kCookie,
               cookie(cookie_secret_, cookie_version_, *p.nonce, datagram.remote.address, header.spi_i));
}

void Endpoint::Impl::answer_clear(const Header& header, const Datagram& datagram, NotifyType type,
                                  Bytes data) {
  PayloadWriter out;
  out.notify(type, data);
  Header answer = header;
  answer.version = 0x20;
  answer.flags = kFlagResponse;
  ++core.counters.sent;
  core.outputs.emplace_back(Datagram{datagram.local, datagram.remote, write_message(answer, out)});
}

std::shared_ptr<const Connection> Endpoint::Impl::connection(std::string_view name) const {
  const auto found = std::ranges::find_if(core.connections, [&](const auto& c) { return c->name == name; });
  return found == core.connections.end() ? nullptr : *found;
}

IkeSa* Endpoint::Impl::serving(std::string_view name) {
  IkeSa* best = nullptr;
  for (const auto& [id, sa] : core.sas)
    if (sa->connection() && sa->connection()->name == name && !sa->dead() && !sa->replaced() &&
        (sa->established() || (sa->half_open() && sa->initiator())))
      if (best == nullptr || sa->established()) best = sa.get();
  return best;
}

void Endpoint::Impl::initiate(std::string_view name, std::string_view child, std::uint64_t ticket, Now now) {
  const auto c = connection(name);
  if (!c) return core.finish(ticket, false, "there is no connection '" + std::string(name) + "'");
  if (!child.empty() && std::ranges::find(c->children, child, &ChildConfig::name) == c->children.end())
    return core.finish(ticket, false,
                       "connection '" + std::string(name) + "' has no child '" + std::string(child) + "'");
  if (IkeSa* sa = serving(name)) {
    if (child.empty()) return core.finish(ticket, true);
    return sa->add_task(CreateChild{std::string(child), ticket}, now);
  }
  if (c->remote_addrs.empty())
    return core.finish(ticket, false, "connection '" + c->name + "' has no remote address to initiate to");
  const IpAddress remote = c->remote_addrs[0].first;
  const IpAddress local = c->local_addrs.empty() ? IpAddress::any(remote.family()) : c->local_addrs[0];
  auto made = std::make_unique<IkeSa>(core, IkeSaId{core.next_ike++}, true, SocketAddress{local, kIkePort},
                                      SocketAddress{remote, c->remote_port}, now);
  std::vector<CreateChild> children;
  if (!child.empty()) children.push_back({std::string(child), ticket});
  core.add(std::move(made)).initiate(c, std::move(children), now);
  if (child.empty()) core.finish(ticket, true);
}

std::vector<Endpoint::Impl::Target> Endpoint::Impl::targets(const Which& which) {
  std::vector<Target> out;
  for (const auto& [id, sa] : core.sas) {
    if (sa->dead() || sa->replaced()) continue;
    if (const auto* ike = std::get_if<IkeSaOnly>(&which)) {
      if (ike->id == id) out.push_back({sa.get(), std::nullopt});
      continue;
    }
    const auto* by_name = std::get_if<ByName>(&which);
    if (by_name && !by_name->connection.empty() &&
        (!sa->connection() || sa->connection()->name != by_name->connection))
      continue;
    if (by_name && by_name->child.empty()) {
      out.push_back({sa.get(), std::nullopt});
      continue;
    }
    for (const auto& [child_id, child] : sa->children())
      if (child.state == ChildState::kInstalled || child.state == ChildState::kRekeying)
        if (by_name ? child.config.name == by_name->child : std::get<ChildSaOnly>(which).id == child_id)
          out.push_back({sa.get(), child_id});
  }
  return out;
}

// The ticket waits for the last of several.
void Endpoint::Impl::terminate(const Which& which, std::uint64_t ticket, Now now) {
  const auto found = targets(which);
  if (found.empty()) return core.finish(ticket, false, "there is no such SA");
  for (const Target& t : found) {
    const std::uint64_t told = &t == &found.back() ? ticket : 0;
    if (t.child) {
      t.ike->add_task(DeleteChild{*t.child, told}, now);
    } else if (t.ike->established()) {
      t.ike->add_task(DeleteIke{told}, now);
    } else {
      t.ike->end("terminated before it was up", now);
      t.ike->let_go();
      core.finish(told, true);
    }
    if (!t.child && t.ike->connection()) retries_.erase(t.ike->connection()->name);
  }
}

void Endpoint::Impl::rekey(const Which& which, std::uint64_t ticket, Now now) {
  const auto found = targets(which);
  if (found.empty()) return core.finish(ticket, false, "there is no such SA");
  for (const Target& t : found) {
    const std::uint64_t told = &t == &found.back() ? ticket : 0;
    if (t.child)
      t.ike->add_task(RekeyChild{*t.child, told}, now);
    else if (t.ike->established())
      t.ike->add_task(RekeyIke{told}, now);
    else
      core.finish(told, false, "the IKE SA is not up");
  }
}

void Endpoint::Impl::acquire(PolicyId policy, Now now) {
  for (const auto& c : core.connections)
    for (const ChildConfig& child : c->children)
      if (child.policy == policy && !up(*c, child)) return initiate(c->name, child.name, 0, now);
}

bool Endpoint::Impl::up(const Connection& c, const ChildConfig& child) const {
  return std::ranges::any_of(core.sas, [&](const auto& s) {
    return !s.second->dead() && !s.second->replaced() && s.second->connection() &&
           s.second->connection()->name == c.name && s.second->has_child(child.name);
  });
}

void Endpoint::Impl::start_wanted(const Connection& c, Now now) {
  for (const ChildConfig& child : c.children)
    if ((child.start == StartAction::kStart || child.dpd == DpdAction::kRestart) && !up(c, child))
      initiate(c.name, child.name, 0, now);
}

// §2.4 and common sense: a peer that is away is asked less and less often.
void Endpoint::Impl::retry(const std::string& name, Now now, bool at_once) {
  Retry& r = retries_[name];
  r.wait =
      r.wait.count() == 0 ? core.settings.retry_first : std::min(r.wait * 2, core.settings.retry_longest);
  if (at_once) r.wait = core.settings.retry_first;
  r.at = at_once ? now
                 : now + r.wait +
                       milliseconds(core.entropy.below(static_cast<std::uint64_t>(r.wait.count()) / 4 + 1));
}

void Endpoint::Impl::reload(IkeSa& sa, const std::shared_ptr<const Connection>& next, Now now) {
  if (!next || !sa.connection()->same_peer(*next)) {
    if (sa.established()) return sa.add_task(DeleteIke{}, now);
    sa.end("the configuration changed", now);
    return sa.let_go();
  }
  sa.adopt(next);
  for (const auto& [id, child] : sa.children()) {
    const auto found = std::ranges::find(next->children, child.config.name, &ChildConfig::name);
    if (found == next->children.end() || *found != child.config) sa.add_task(DeleteChild{id, 0}, now);
  }
}

void Endpoint::Impl::configure(std::vector<std::shared_ptr<const Connection>> connections, Now now) {
  core.connections = std::move(connections);
  std::vector<IkeSa*> now_there;
  for (const auto& [id, sa] : core.sas)
    if (!sa->dead() && !sa->replaced() && sa->connection()) now_there.push_back(sa.get());
  for (IkeSa* sa : now_there) reload(*sa, connection(sa->connection()->name), now);
  std::erase_if(retries_, [&](const auto& r) { return !connection(r.first); });
  for (const auto& c : core.connections)
    for (const ChildConfig& child : c->children)
      if (child.start == StartAction::kStart && !up(*c, child)) initiate(c->name, child.name, 0, now);
  reap(now);
}

// Removes what has ended, and sees to it that what should be up is tried again.
void Endpoint::Impl::reap(Now now) {
  for (auto it = core.sas.begin(); it != core.sas.end();) {
    IkeSa& sa = *it->second;
    if (!sa.dead()) {
      if (sa.established() && !sa.children().empty() && sa.connection())
        retries_.erase(sa.connection()->name);
      ++it;
      continue;
    }
    const auto c = sa.connection() ? connection(sa.connection()->name) : nullptr;
    const bool wanted = c && std::ranges::any_of(c->children, [](const ChildConfig& k) {
                          return k.start == StartAction::kStart || k.dpd == DpdAction::kRestart;
                        });
    if (sa.lost() && !sa.replaced() && wanted) retry(c->name, now, sa.status().established != Now{});
    core.by_spi.erase(sa.our_spi());
    it = core.sas.erase(it);
  }
}

void Endpoint::Impl::tick(Now now) {
  std::vector<IkeSaId> ids;
  for (const auto& [id, sa] : core.sas) ids.push_back(id);
  for (const IkeSaId id : ids)
    if (const auto sa = core.sas.find(id); sa != core.sas.end()) sa->second->tick(now);
  reap(now);
  std::vector<std::string> due;
  for (auto& [name, r] : retries_)
    if (r.at != Now{} && r.at <= now) due.push_back(name), r.at = {};
  for (const std::string& name : due)
    if (const auto c = connection(name)) start_wanted(*c, now);
}

std::optional<Now> Endpoint::Impl::deadline() const {
  std::optional<Now> soonest;
  const auto sooner = [&](std::optional<Now> at) {
    if (at) soonest = soonest ? std::min(*soonest, *at) : *at;
  };
  for (const auto& [id, sa] : core.sas) sooner(sa->deadline());
  for (const auto& [name, r] : retries_)
    if (r.at != Now{}) sooner(r.at);
  return soonest;
}

Endpoint::Endpoint(Settings settings, Secret seed) : impl_(std::make_unique<Impl>(settings, seed)) {}
Endpoint::~Endpoint() = default;
Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;

void Endpoint::configure(std::vector<std::shared_ptr<const Connection>> connections, Now now) {
  impl_->configure(std::move(connections), now);
}

void Endpoint::receive(const Datagram& datagram, Now now) {
  impl_->receive(datagram, now);
  impl_->reap(now);
}

void Endpoint::complete(const JobResult& result, Now now) {
  Core& core = impl_->core;
  const auto found = core.jobs.find(result.id);
  if (found == core.jobs.end()) return;
  const Core::Waiting waiting = std::move(found->second);
  core.jobs.erase(found);
  if (const auto sa = core.sas.find(waiting.sa); sa != core.sas.end() && !sa->second->dead())
    waiting.then(*sa->second, result, now);
  impl_->reap(now);
}

void Endpoint::tick(Now now) { impl_->tick(now); }
std::optional<Now> Endpoint::deadline() const { return impl_->deadline(); }

std::optional<Output> Endpoint::next() {
  auto& outputs = impl_->core.outputs;
  if (outputs.empty()) return std::nullopt;
  Output out = std::move(outputs.front());
  outputs.pop_front();
  return out;
}

void Endpoint::initiate(std::string_view connection, std::string_view child, std::uint64_t ticket, Now now) {
  impl_->initiate(connection, child, ticket, now);
}
void Endpoint::terminate(const Which& which, std::uint64_t ticket, Now now) {
  impl_->terminate(which, ticket, now);
  impl_->reap(now);
}
void Endpoint::rekey(const Which& which, std::uint64_t ticket, Now now) { impl_->rekey(which, ticket, now); }
void Endpoint::acquire(PolicyId policy, const TrafficSelector&, const TrafficSelector&, Now now) {
  impl_->acquire(policy, now);
}

void Endpoint::expired(SaId sa, bool hard, Now now) {
  for (const auto& [id, ike] : impl_->core.sas) ike->expired(sa, hard, now);
}
void Endpoint::active(SaId sa, Now now) {
  for (const auto& [id, ike] : impl_->core.sas) ike->active(sa, now);
}

void Endpoint::shut_down(Now now) {
  for (const auto& [id, ike] : impl_->core.sas)
    if (ike->established() && !ike->replaced()) ike->add_task(DeleteIke{}, now);
}

std::vector<IkeStatus> Endpoint::status() const {
  std::vector<IkeStatus> out;
  for (const auto& [id, sa] : impl_->core.sas)
    if (!sa->dead()) out.push_back(sa->status());
  return out;
}

Counters Endpoint::counters() const {
  Counters out = impl_->core.counters;
  out.half_open = static_cast<std::uint64_t>(
      std::ranges::count_if(impl_->core.sas, [](const auto& s) { return s.second->half_open(); }));
  return out;
}

}  // namespace simplon::ike
