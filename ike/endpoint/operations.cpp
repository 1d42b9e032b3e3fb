// SPDX-License-Identifier: Apache-2.0
// What the console, the configuration and the data path ask of the endpoint.
#include <algorithm>
#include <utility>

#include "ike/endpoint/endpoint_impl.h"
#include "ike/exchange/init.h"
#include "ike/sa/reauthentication.h"

namespace simplon::ike {
namespace {

// The address to initiate to: the first that is one address and not a range.
std::optional<IpAddress> remote_of(const Connection& c) {
  const auto one =
      std::ranges::find_if(c.remote_addrs, [](const AddressRange& r) { return r.first == r.last; });
  return one == c.remote_addrs.end() ? std::nullopt : std::optional(one->first);
}

// Ours of the same family; unspecified when none is named: then the first answer tells.
std::optional<IpAddress> local_of(const Connection& c, Family family) {
  if (c.local_addrs.empty()) return IpAddress::any(family);
  const auto one = std::ranges::find(c.local_addrs, family, &IpAddress::family);
  return one == c.local_addrs.end() ? std::nullopt : std::optional(*one);
}

// The one that a reauthentication makes in its place.
void end_successor(const IkeSa& old, Now now) {
  IkeSa* const next = made_in_place_of(old);
  if (next == nullptr) return;
  old.context().touched.insert(next->id());
  next->mark(End::kClosing);
  if (next->established())
    next->add_task(DeleteIke{}, now);
  else
    next->end("terminated", now);
}

}  // namespace

bool Endpoint::Impl::wanted(const ChildConfig& child, Context::Cause cause) {
  return child.start == StartAction::kStart ||
         (cause == Context::Cause::kLost && child.dpd == DpdAction::kRestart) ||
         (cause == Context::Cause::kClosed && child.close == CloseAction::kStart);
}

IkeSa* Endpoint::Impl::serving(std::string_view name) const {
  IkeSa* best = nullptr;
  for (IkeSa* sa : context.of(name))
    if (sa->serving() && (best == nullptr || sa->established())) best = sa;
  return best;
}

bool Endpoint::Impl::up(const Connection& c, const ChildConfig& child) const {
  return std::ranges::any_of(context.of(c.name),
                             [&](const IkeSa* sa) { return sa->serving() && sa->has_child(child.name); });
}

void Endpoint::Impl::initiate(std::string_view name, CreateChild child, Now now) {
  const std::uint64_t ticket = child.ticket;
  const bool alone = child.child.empty();  // the IKE SA without a child
  const auto c = context.connection(name);
  if (!c) return context.finish(ticket, false, "there is no connection '" + std::string(name) + "'");
  if (!alone && c->child(child.child) == nullptr)
    return context.finish(ticket, false,
                          "connection '" + std::string(name) + "' has no child '" + child.child + "'");
  if (!alone && c->child(child.child)->proposals.empty())
    return context.finish(ticket, false, "child " + child.child + ": " + std::string(kNoSuite));
  if (IkeSa* sa = serving(name)) {
    context.touched.insert(sa->id());
    if (!alone) return sa->add_task(std::move(child), now);
    if (sa->established()) return context.finish(ticket, true);
    return sa->handshake()->tickets.push_back(ticket);
  }
  const auto remote = remote_of(*c);
  if (!remote)
    return context.finish(ticket, false, "connection '" + c->name + "' names no address to initiate to");
  const auto local = local_of(*c, remote->family());
  if (!local)
    return context.finish(
        ticket, false,
        "connection '" + c->name + "' has no local address of the family of " + remote->text());
  std::vector<CreateChild> children;
  if (!alone) children.push_back(std::move(child));
  // Both ends of the pair have the non-ESP marker or none (RFC 3948), and it is our port that adds it.
  const Port port = c->remote_port == kNatTraversalPort ? kNatTraversalPort : kIkePort;
  IkeSa& sa = context.add(std::make_unique<IkeSa>(context, IkeSaId{context.next_ike++}, Role::kInitiator,
                                                  SocketAddress{*local, port},
                                                  SocketAddress{*remote, c->remote_port}, now));
  ike::initiate(sa, c, std::move(children), alone ? ticket : 0);
}

void Endpoint::Impl::add_children(IkeSa& sa, const Which& which, std::vector<Target>& out) const {
  const auto* by_name = std::get_if<ByName>(&which);
  for (const auto& [id, child] : sa.children().all())
    if (child.state == ChildState::kInstalled || child.state == ChildState::kRekeying)
      if (by_name ? child.config.name == by_name->child : std::get<ChildSaOnly>(which).id == id)
        out.push_back({&sa, id});
}

std::vector<Endpoint::Impl::Target> Endpoint::Impl::targets(const Which& which) const {
  std::vector<Target> out;
  if (const auto* only = std::get_if<IkeSaOnly>(&which)) {
    if (IkeSa* sa = context.find(only->id); sa && !sa->dead() && !sa->replaced()) out.push_back({sa, {}});
    return out;
  }
  const auto* by_name = std::get_if<ByName>(&which);
  for (const auto& [id, sa] : context.sas) {
    if (sa->dead() || sa->replaced()) continue;
    if (by_name && !by_name->connection.empty() &&
        (!sa->connection() || sa->connection()->name != by_name->connection))
      continue;
    if (by_name && by_name->child.empty())
      out.push_back({sa.get(), {}});
    else
      add_children(*sa, which, out);
  }
  return out;
}

// The ticket waits for the last of several.
void Endpoint::Impl::terminate(const Which& which, std::uint64_t ticket, Now now) {
  const auto found = targets(which);
  if (found.empty()) return context.finish(ticket, false, "there is no such SA");
  for (const Target& t : found) {
    const std::uint64_t told = &t == &found.back() ? ticket : 0;
    context.touched.insert(t.ike->id());
    if (t.child) {
      t.ike->add_task(DeleteChild{*t.child, told}, now);
      continue;
    }
    if (t.ike->connection()) context.retries.erase(t.ike->connection()->name);
    t.ike->mark(End::kClosing);
    if (t.ike->connection()) end_successor(*t.ike, now);
    if (t.ike->established()) {
      t.ike->add_task(DeleteIke{told}, now);
    } else {
      t.ike->end("terminated", now);
      context.finish(told, true);
    }
  }
}

void Endpoint::Impl::rekey(const Which& which, std::uint64_t ticket, Now now) {
  const auto found = targets(which);
  if (found.empty()) return context.finish(ticket, false, "there is no such SA");
  for (const Target& t : found) {
    const std::uint64_t told = &t == &found.back() ? ticket : 0;
    context.touched.insert(t.ike->id());
    if (t.child)
      t.ike->add_task(RekeyChild{*t.child, told}, now);
    else if (t.ike->established())
      t.ike->add_task(RekeyIke{told}, now);
    else
      context.finish(told, false, "the IKE SA is not up");
  }
}

std::size_t Endpoint::Impl::redirect(const Which& which, std::string_view to, Now now) {
  std::size_t told = 0;
  for (const Target& t : targets(which)) {
    const AuthenticationLife& auth = t.ike->times().auth;
    if (t.child || !t.ike->established() || auth.ours || !auth.redirectable) continue;
    context.touched.insert(t.ike->id());
    t.ike->add_task(TellRedirect{std::string(to)}, now);
    ++told;
  }
  return told;
}

namespace {

// The ports of a later fragment, where they count: OPAQUE (RFC 4301 §7.2).
Selectors seen_by(const ChildConfig& child, Selectors packet) {
  if (child.fragments != FragmentHandling::kLater) return packet;
  for (TrafficSelectors* side : {&packet.local, &packet.remote})
    for (TrafficSelector& s : *side) s.ports = PortRange::opaque();
  return packet;
}

}  // namespace

void Endpoint::Impl::acquire(PolicyId policy, const Selectors& packet, Now now) {
  for (const auto& c : context.connections)
    for (const ChildConfig& child : c->children)
      if (child.policy == policy) return acquire(*c, child, seen_by(child, packet), now);
}

// §2.9: where the peer took less than the whole child, the packet asks for another SA.
void Endpoint::Impl::acquire(const Connection& c, const ChildConfig& child, const Selectors& packet,
                             Now now) {
  for (IkeSa* sa : context.of(c.name)) {
    if (!sa->serving() || !sa->has_child_for(child.name, packet)) continue;
    context.touched.insert(sa->id());
    sa->children().ask_for_missing_classes(child, packet, now);
    return sa->run_tasks(now);
  }
  // A child that is started by hand is not started by traffic: its policy just keeps the traffic in.
  if (child.start == StartAction::kNone) return;
  if (!context.held(child.policy, now) && !context.refusals.hold({c.name, child.name}, packet, now))
    initiate(c.name, {child.name, 0, packet}, now);
}

void Endpoint::Impl::expired(SaId sa, bool hard, Now now) {
  const auto found = context.by_sa.find(sa);
  if (found == context.by_sa.end()) return;
  const IkeSaId id = found->second;
  context.touched.insert(id);
  if (IkeSa* ike = context.find(id)) ike->expired(sa, hard, now);
}

void Endpoint::Impl::moved(SaId sa, const SocketAddress& remote, Now now) {
  const auto found = context.by_sa.find(sa);
  if (found == context.by_sa.end()) return;
  const IkeSaId id = found->second;
  context.touched.insert(id);
  if (IkeSa* ike = context.find(id)) ike->moved(sa, remote, now);
}

void Endpoint::Impl::invalid_selectors(SaId sa, Bytes packet, Now now) {
  const auto found = context.by_sa.find(sa);
  if (found == context.by_sa.end()) return;
  const IkeSaId id = found->second;
  context.touched.insert(id);
  IkeSa* ike = context.find(id);
  const Child* child = ike == nullptr ? nullptr : ike->children().find_sa(sa);
  // One waits at most, whatever comes.
  if (child != nullptr && ike->tasks().empty())
    ike->add_task(TellSelectors{child->in->protocol, child->in->spi, {packet.begin(), packet.end()}}, now);
}

void Endpoint::Impl::not_installed(SaId sa, const std::string& why, Now now) {
  const auto found = context.by_sa.find(sa);
  if (found == context.by_sa.end()) return;
  const IkeSaId id = found->second;
  context.touched.insert(id);
  if (IkeSa* ike = context.find(id)) ike->not_installed(sa, why, now);
}

void Endpoint::Impl::local_addresses(std::vector<IpAddress> usable, Now now) {
  const auto before = std::exchange(context.local_addresses, std::move(usable));
  for (const auto& [id, sa] : context.sas) {
    context.touched.insert(id);
    sa->local_addresses_changed(before, now);
  }
}

void Endpoint::Impl::shut_down(Now now) {
  for (const auto& [id, sa] : context.sas) {
    context.touched.insert(id);
    sa->mark(End::kClosing);
    if (sa->established() && !sa->replaced()) sa->add_task(DeleteIke{}, now);
  }
  context.retries.clear();
}

void Endpoint::Impl::start(const Connection& c, Context::Cause cause, Now now) {
  for (const ChildConfig& child : c.children)
    if (wanted(child, cause) && !up(c, child)) initiate(c.name, {child.name, 0}, now);
}

void Endpoint::Impl::reload(IkeSa& sa, Now now) {
  context.touched.insert(sa.id());
  if (sa.connection() == nullptr) return sa.refresh_candidates(now);
  const auto next = context.connection(sa.connection()->name);
  if (next && sa.connection()->peer().like(next->peer())) return sa.adopt(next, now);
  sa.mark(End::kClosing);
  if (sa.established()) return sa.add_task(DeleteIke{}, now);
  sa.end("the configuration changed", now);
}

// Those of all connections, each once.
void Endpoint::Impl::configure_pools() {
  std::map<std::string_view, Shared<Pool>> pools;
  for (const auto& c : context.connections)
    for (const Shared<Pool>& pool : c->pools) pools.try_emplace(pool->name, pool);
  std::vector<Shared<Pool>> all;
  all.reserve(pools.size());
  for (const auto& [name, pool] : pools) all.push_back(pool);
  context.leases.configure(all);
}

void Endpoint::Impl::configure(std::vector<std::shared_ptr<const Connection>> connections, Now now,
                               Start when) {
  context.connections = std::move(connections);
  context.by_name.clear();
  for (const auto& c : context.connections) context.by_name.emplace(c->name, c);
  configure_pools();
  std::vector<IkeSaId> there;
  for (const auto& [id, sa] : context.sas)
    if (!sa->dead() && !sa->replaced()) there.push_back(id);
  for (const IkeSaId id : there)
    if (IkeSa* sa = context.find(id)) reload(*sa, now);
  std::erase_if(context.retries, [&](const auto& r) { return !context.connection(r.first); });
  context.holds.clear();
  after_input(now);
  if (when == Start::kNow) start(now);
}

}  // namespace simplon::ike
