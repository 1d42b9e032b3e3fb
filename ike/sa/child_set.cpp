// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/child_set.h"

#include <algorithm>
#include <utility>

namespace simplon::ike {
namespace {

// RFC 7296 §2.8: how long the inbound SA of a replaced child lives on for packets that are still under way.
constexpr std::chrono::seconds kOldInbound{5};
constexpr std::size_t kMostAsked = 8;  // SAs of one child that wait to be asked for

// Up to a tenth earlier, so that two ends with the same limit, which count the same packets, do not rekey at
// once (§2.8).
std::uint64_t earlier(std::uint64_t limit, Entropy& entropy) {
  return limit < 10 ? limit : limit - entropy.below(limit / 10 + 1);
}
Lifetime soft_limits(const Lifetime& rekey, Entropy& entropy) {
  return {.time = rekey.time,
          .bytes = ByteCount{earlier(static_cast<std::uint64_t>(rekey.bytes), entropy)},
          .packets = PacketCount{earlier(static_cast<std::uint64_t>(rekey.packets), entropy)}};
}

}  // namespace

void ChildSet::log(LogLevel level, std::string text) const {
  context_.log(level, connection_->name, owner_, std::move(text));
}

Child* ChildSet::find(ChildSaId id) {
  const auto found = children_.find(id);
  return found == children_.end() ? nullptr : &found->second;
}

const Child* ChildSet::find(ChildSaId id) const {
  const auto found = children_.find(id);
  return found == children_.end() ? nullptr : &found->second;
}

Child* ChildSet::find_outbound(IpsecProtocol protocol, Spi spi) {
  const auto found = std::ranges::find_if(children_, [&](const auto& c) {
    return c.second.out->spi == spi && c.second.out->protocol == protocol;
  });
  return found == children_.end() ? nullptr : &found->second;
}

Child* ChildSet::find_sa(SaId sa) {
  const auto found = std::ranges::find_if(
      children_, [&](const auto& c) { return c.second.in->id == sa || c.second.out->id == sa; });
  return found == children_.end() ? nullptr : &found->second;
}

bool ChildSet::up(std::string_view name) const {
  return std::ranges::any_of(children_, [&](const auto& c) {
    return c.second.config.name == name && c.second.dscp_class == 0 && c.second.up();
  });
}

std::size_t ChildSet::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      children_, [&](const auto& c) { return c.second.config.name == name && c.second.up(); }));
}

const Child* ChildSet::taking(std::string_view name, const Selectors& packet, std::uint8_t dscp_class) const {
  const auto found = std::ranges::find_if(children_, [&](const auto& c) {
    return c.second.config.name == name && c.second.dscp_class == dscp_class && c.second.up() &&
           simplon::covers(c.second.selectors.local, packet.local) &&
           simplon::covers(c.second.selectors.remote, packet.remote);
  });
  return found == children_.end() ? nullptr : &found->second;
}

bool ChildSet::asks_for(std::string_view name, const Selectors& packet) const {
  return makes(name, packet, 0) || tasks_.count(name) >= kMostAsked;
}

bool ChildSet::makes(std::string_view name, const Selectors& packet, std::uint8_t dscp_class) const {
  const bool now = attempt_ && !attempt_->of_ike() && attempt_->config.name == name &&
                   attempt_->packet == packet && attempt_->dscp_class == dscp_class;
  return now || tasks_.creates_for(name, packet, dscp_class);
}

bool ChildSet::has_twin(const Child& child) const {
  return std::ranges::any_of(children_, [&](const auto& c) {
    return c.first != child.id && c.second.config.name == child.config.name && c.second.up() &&
           c.second.dscp_class == child.dscp_class &&
           in_order(c.second.selectors) == in_order(child.selectors);
  });
}

bool ChildSet::replaced(ChildSaId id) const {
  return std::ranges::any_of(children_, [&](const auto& c) {
    return c.second.replaced == id && c.second.state != ChildState::kDeleting;
  });
}

bool ChildSet::has(std::string_view name) const {
  return up(name) ||
         (attempt_ && !attempt_->of_ike() && attempt_->config.name == name && attempt_->dscp_class == 0) ||
         tasks_.creates(name);
}

namespace {

AggfragOptions aggfrag_options(const AggfragConfig& config, const AggfragFlags& peer, Direction direction) {
  AggfragOptions out{.on = true};
  if (direction == Direction::kIn) {
    out.window = config.window;
    out.wait = config.wait;
    return out;
  }
  out.packet = config.packet;
  out.rate = config.rate;
  out.padding = config.padding;
  out.whole = peer.whole || !config.split;
  // What we are told is about the payloads that tell the peer what it needs for that (RFC 9347 §2.4.2).
  out.congestion = peer.congestion || config.congestion_control;
  out.controlled = config.congestion_control;
  return out;
}

// From where to where its packets travel, in UDP if a NAT is on the way.
void go_by(const Path& path, SaSpec& sa) {
  const bool in = sa.direction == Direction::kIn;
  const SocketAddress &from = in ? path.remote : path.local, &to = in ? path.local : path.remote;
  sa.source = from.address;
  sa.destination = to.address;
  sa.udp = path.nat() ? std::optional(UdpPorts{from.port, to.port}) : std::nullopt;
}

bool goes_alike(const SaSpec& a, const SaSpec& b) {
  return a.source == b.source && a.destination == b.destination && a.udp == b.udp;
}

}  // namespace

SaRef ChildSet::make_sa(Direction direction, const Negotiated& child, const Path& path) const {
  const bool in = direction == Direction::kIn;
  const ChildKeys::One& keys = in == child.we_initiated ? child.keys.responder : child.keys.initiator;
  auto sa = std::make_shared<SaSpec>();
  sa->id = SaId{context_.next_sa++};
  sa->protocol = child.config.protocol;
  sa->mode = child.mode;
  sa->direction = direction;
  sa->spi = in ? child.spi_in : child.spi_out;
  go_by(path, *sa);
  sa->suite = child.proposal.suite();
  sa->encr_key = keys.encr.clone();
  sa->salt = keys.salt.clone();
  sa->integ_key = keys.integ.clone();
  sa->replay_window = child.config.replay_window;
  sa->esn = child.proposal.esn() ? Esn::kOn : Esn::kOff;
  sa->soft = soft_limits(child.config.rekey, context_.entropy);
  sa->hard = child.config.life;
  if (!in) sa->mtu = child.config.mtu;
  if (!in && child.mode == SaMode::kTunnel) sa->tunnel = child.config.tunnel;
  if (!child.takes_tfc) sa->tunnel.tfc = kTfcOff;
  if (child.aggfrag) sa->aggfrag = aggfrag_options(child.config.aggfrag, *child.aggfrag, direction);
  sa->policy = child.config.policy;
  sa->over = child.config.over;
  sa->interface = child.config.interface;
  sa->selectors = child.selectors;
  sa->fragments = child.fragments;
  sa->dscp_class = child.dscp_class;
  sa->kernel = of_sa(child.config.kernel, direction);
  return sa;
}

std::string ChildSet::text(const Negotiated& child) {
  return (child.config.protocol == IpsecProtocol::kAh ? "AH " : "") + child.proposal.text() +
         (child.mode == SaMode::kTransport ? " in transport mode" : "") +
         (child.dscp_class != 0 ? " for DSCP class " + std::to_string(child.dscp_class) : "") +
         (child.config.tunnel.tfc != kTfcOff && !child.takes_tfc
              ? ", without TFC, which the peer does not take"
              : "") +
         (child.aggfrag ? " with AGGFRAG" : "");
}

Child& ChildSet::install(const Negotiated& n, const Path& path, Now now) {
  take_over_from_other_port(n, path, now);
  Child child{.id = ChildSaId{context_.next_child++},
              .config = n.config,
              .in = make_sa(Direction::kIn, n, path),
              .out = make_sa(Direction::kOut, n, path),
              .deferred_out = {},
              .group = n.group,
              .dscp_class = n.dscp_class,
              .selectors = n.selectors,
              .installed = now};
  const milliseconds soft = n.config.rekey.time;
  if (soft.count() != 0)  // up to a tenth earlier, so that the two ends do not meet
    child.rekey_at =
        now + soft - milliseconds(context_.entropy.below(static_cast<std::uint64_t>(soft.count()) / 10 + 1));
  if (n.config.life.time.count() != 0) child.expire_at = now + n.config.life.time;
  context_.by_sa[child.in->id] = context_.by_sa[child.out->id] = owner_;
  context_.spis_in.insert(static_cast<std::uint32_t>(n.spi_in));
  end_retries(n.config.name, now);
  refused_classes_.erase({n.config.name, n.dscp_class});
  install_sa(child.in, child);
  Child* const old = find(n.replaces);
  if (!n.shown) {
    child.shown = false;
    child.asked = now;
    unshown_.push_back(child.id);
  }
  if (!n.shown && old != nullptr)
    child.deferred_out = child.out;
  else
    install_sa(child.out, child);
  context_.outputs.emplace_back(
      LogLine{LogLevel::kInfo, connection_->name, owner_,
              "child " + n.config.name + " up, " + text(n) + ", " + n.selectors.text(), child.id});
  context_.by_traffic.emplace(traffic_key(connection_->name, child.config.name, child.selectors),
                              child.in->id);
  Child& made = children_.emplace(child.id, std::move(child)).first->second;
  compare_to_configuration(made);
  if (!made.leaving) ask_for_classes(n, now);
  if (old != nullptr)
    replace(*old, made, now);
  else
    context_.outputs.emplace_back(ChildEvent{UpDown::kUp, owner_, made.id, ChildSaId{}});
  await_other_half(made, n.we_initiated, now);
  return made;
}

// Nothing is to be tried again, unless another child that should be up was refused.
void ChildSet::end_retries(std::string_view installed, Now now) {
  if (std::ranges::all_of(connection_->children, [&](const ChildConfig& c) {
        return c.start != StartAction::kStart || c.name == installed || has(c.name);
      }))
    context_.end_retry(connection_->name, now);
}

// The configuration may have changed while this child was being negotiated.
void ChildSet::compare_to_configuration(Child& child) {
  const ChildConfig* config = connection_->child(child.config.name);
  if (config != nullptr && *config == child.config) return;
  child.leaving = true;
  tasks_.push(DeleteChild{child.id, 0});
  end_other_half(child.config);
  if (config != nullptr && config->start == StartAction::kStart && !has(config->name))
    tasks_.push(CreateChild{config->name, 0});
}

void ChildSet::adopt(std::shared_ptr<const Connection> connection) {
  connection_ = std::move(connection);
  for (auto& [id, child] : children_) {
    const ChildConfig* next = connection_->child(child.config.name);
    if (child.state == ChildState::kRekeyed || (next != nullptr && *next == child.config)) continue;
    child.leaving = true;
    tasks_.push(DeleteChild{id, 0});
    end_other_half(child.config);
  }
}

void ChildSet::take_over(ChildSet& from) {
  children_ = std::exchange(from.children_, {});
  unshown_ = std::exchange(from.unshown_, {});
  old_inbound_ = std::exchange(from.old_inbound_, {});
  refused_classes_ = std::exchange(from.refused_classes_, {});
  for (const auto& [id, child] : children_)
    context_.by_sa[child.in->id] = context_.by_sa[child.out->id] = owner_;
}

void ChildSet::move(const Path& path) {
  const auto moved = [&](const SaRef& sa) {
    auto out = std::make_shared<SaSpec>(*sa);
    go_by(path, *out);
    return SaRef(std::move(out));
  };
  const auto move = [&](SaRef& sa) {
    SaRef next = moved(sa);
    if (!goes_alike(*next, *sa)) context_.outputs.emplace_back(MoveSa{sa = std::move(next)});
  };
  for (auto& [id, child] : children_) {
    // Its packets have the two addresses themselves.
    if (child.in->mode == SaMode::kTransport &&
        (child.in->source != path.remote.address || child.in->destination != path.local.address)) {
      replace_by_new(child, child.in->source != path.remote.address ? "the peer's" : "our");
      continue;
    }
    move(child.in);
    if (child.deferred_out)
      child.out = child.deferred_out = moved(child.deferred_out);
    else
      move(child.out);
  }
  for (OldInbound& old : old_inbound_) move(old.sa);
}

void ChildSet::replace_by_new(Child& child, const std::string& whose) {
  if (!ends(child)) return;
  log(LogLevel::kInfo, "child " + child.config.name + " in transport mode ends with " + whose + " address");
  child.leaving = true;
  tasks_.push(DeleteChild{child.id, 0});
  end_other_half(child.config);
  if (child.config.start == StartAction::kStart) tasks_.push(CreateChild{child.config.name, 0});
}

void ChildSet::install_sa(const SaRef& sa, const Child& child) {
  context_.outputs.emplace_back(InstallSa{sa, owner_, child.id, connection_->name, child.config.name});
}

void ChildSet::forget_sa(const SaRef& sa) {
  context_.by_sa.erase(sa->id);
  if (sa->direction == Direction::kIn) context_.spis_in.erase(static_cast<std::uint32_t>(sa->spi));
}

void ChildSet::forget_traffic(const Child& child) {
  const auto [first, end] =
      context_.by_traffic.equal_range(traffic_key(connection_->name, child.config.name, child.selectors));
  const auto own = std::find_if(first, end, [&](const auto& c) { return c.second == child.in->id; });
  if (own != end) context_.by_traffic.erase(own);
}

void ChildSet::remove_sa(const SaRef& sa) {
  context_.outputs.emplace_back(RemoveSa{sa->id});
  forget_sa(sa);
}

void ChildSet::remove(ChildSaId id, Now now, OldInboundSa inbound) {
  const auto found = children_.find(id);
  if (found == children_.end()) return;
  const Child child = std::move(found->second);
  children_.erase(found);
  forget_traffic(child);
  if (attempt_ && attempt_->rival == id && child.state != ChildState::kRekeyed) attempt_->rival = {};
  if (child.deferred_out)
    forget_sa(child.out);  // never was in use
  else
    remove_sa(child.out);
  if (inbound == OldInboundSa::kStays) {
    old_inbound_.push_back({child.in, now + kOldInbound, id});
    return;
  }
  remove_sa(child.in);
  context_.outputs.emplace_back(ChildEvent{UpDown::kDown, owner_, id, ChildSaId{}});
}

void ChildSet::clear(Now now) {
  while (!children_.empty()) remove(children_.begin()->first, now, OldInboundSa::kGoes);
  for (const OldInbound& old : std::exchange(old_inbound_, {})) remove_sa(old.sa);
}

}  // namespace simplon::ike
