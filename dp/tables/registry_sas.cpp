// SPDX-License-Identifier: Apache-2.0
// SAs in, out and moved: Registry's half that dp/base/sa_spec.h is about.
#include <rte_cycles.h>

#include <algorithm>
#include <utility>

#include "dp/base/behind_nat.h"
#include "dp/ipsec/aggfrag_in.h"
#include "dp/ipsec/aggfrag_out.h"
#include "dp/ipsec/esp_in.h"
#include "dp/ipsec/outer_header.h"
#include "dp/tables/registry.h"

namespace simplon::dp {
namespace {

// How many packets may have been sent since the one that a router has found too large.
constexpr std::uint32_t kUnderWay = 1u << 16;

// Smallest and largest MTU of the unprotected ports.
std::pair<std::uint16_t, std::uint16_t> outer_mtus(const std::vector<PortFacts>& ports) {
  std::uint16_t least = 0xffff, most = 0;
  for (const PortFacts& port : ports)
    if (port.side == Side::kUnprotected) least = std::min(least, port.mtu), most = std::max(most, port.mtu);
  return {least, most};
}

// What is split may be as large as a packet of any port. Else the payload takes it whole, behind its header.
std::uint16_t largest_aggfrag(const OutboundSa& sa, unsigned outer, const std::vector<PortFacts>& ports) {
  const AggfragOut::Settings& settings = sa.aggfrag->settings();
  if (settings.whole) {
    const unsigned room = payload_room(sa, settings.packet, outer), header = settings.header_bytes();
    return static_cast<std::uint16_t>(room <= header ? 0 : room - header);
  }
  std::uint16_t most = 0;
  for (const PortFacts& port : ports) most = std::max(most, port.mtu);
  return most;
}

}  // namespace

Result<void> Registry::can(const SaSpec& sa) {
  if (auto possible = possible_sa(sa); !possible) return possible;
  const std::pair suite(sa.suite.encr, sa.suite.integ);
  if (suites_.contains(suite)) return {};
  if (const auto session = crypto_.make_session(sa); !session) return std::unexpected(session.error());
  suites_.insert(suite);
  return {};
}

Result<void> Registry::add_sa(const SaRef& sa, const SaStart& start) {
  if (sas_.contains(sa->id)) return fail("there is an SA of this id already");
  if (auto possible = possible_sa(*sa); !possible) return possible;
  if (auto possible = can_start(*sa, start); !possible) return possible;
  auto session = crypto_.make_session(*sa);
  if (!session) return std::unexpected(session.error());
  Entry entry{
      .spec = sa, .session = std::move(*session), .out = {}, .in = {}, .owner = least_loaded(sa->direction)};
  entry.active = now_;
  entry.start = start;
  if (auto done = sa->direction == Direction::kOut ? add_outbound(entry) : add_inbound(entry); !done)
    return done;
  keep_lease(entry);
  ++load_[entry.owner][static_cast<std::size_t>(sa->direction)];
  sas_.emplace(sa->id, std::move(entry));
  return {};
}

Result<void> Registry::add_outbound(Entry& entry) {
  const SaSpec& spec = *entry.spec;
  SlotUse* use = slot_for(spec.policy, spec.dscp_class);
  if (use == nullptr) return fail("no room for another outbound SA");
  if (auto done = one_peer_behind_nat(spec, *use); !done) return done;
  auto sa = std::make_unique<OutboundSa>();
  make_outer_header(spec, *sa);
  sa->session = entry.session.get();
  sa->owner = entry.owner;
  sa->id = spec.id;
  if (auto done = put_into_bundle(spec, *sa); !done) {
    release({spec.policy, spec.dscp_class});
    return done;
  }
  entry.out = std::move(sa);
  if (!closed_) begin(entry);
  if (spec.aggfrag.on) make_aggfrag(entry, outbound_[use->slot]);
  set_mtu(entry);
  outbound_[use->slot].sa.publish(entry.out.get());
  // Once it is the one that is sent through: it may have to send without traffic.
  if (entry.aggfrag) aggfrag_news_[entry.owner].put(entry.aggfrag->arrival);
  if (spec.interface != InterfaceId{}) tunnels_.add(spec.interface, *entry.out);
  use->sas.push_back(spec.id);
  if (kernel_entries_.contains(spec.policy)) will_change(spec.policy);  // see sends_by_kernel()
  outbound_ids_[{spec.spi, spec.destination}] = spec.id;
  if (spec.tunnel.dummies != 0) with_dummies_.insert(spec.id);
  set_mtus_inside(spec.policy);  // they have less room from now on
  return {};
}

// RFC 3948 §5.2: of two peers behind one NAT in transport mode the packets have the same addresses, and what
// is for one would be sent to the other.
Result<void> Registry::one_peer_behind_nat(const SaSpec& spec, const SlotUse& use) const {
  if (!is_behind_nat(spec) || use.sas.empty()) return {};
  const SaSpec& other = *sas_.at(use.sas.back()).spec;
  if (!excludes_behind_nat(other, spec.udp->destination)) return {};
  return fail(taken_behind_nat(other));
}

// The slot of the entry that is over the SA's own, which may be still to come.
Result<void> Registry::put_into_bundle(const SaSpec& spec, OutboundSa& sa) {
  if (spec.over == PolicyId{}) return {};
  const SlotUse* over = slot_for(spec.over);
  if (over == nullptr) return fail("no room for another outbound SA");
  bundles_[spec.over].insert(spec.id);
  sa.over = &outbound_[over->slot];
  sa.after_crypto = true;
  return {};
}

void Registry::take_out_of_bundle(const SaSpec& spec) {
  const auto found = bundles_.find(spec.over);
  if (found == bundles_.end()) return;
  found->second.erase(spec.id);
  if (found->second.empty()) bundles_.erase(found);
  release({spec.over, 0});
}

// Of the SAs that an entry's own are over.
void Registry::set_mtus_inside(PolicyId over) {
  const auto inside = bundles_.find(over);
  if (inside == bundles_.end()) return;
  for (const SaId id : inside->second)
    if (const auto inner = sas_.find(id); inner != sas_.end()) set_mtu(inner->second);
}

// The route's MTU, or what is known of the path, if that is less; of a bundle, what the SA over it takes.
// Where all unprotected ports have one MTU and no route has one of its own, the route need not be asked.
void Registry::set_mtu(const Entry& entry) {
  OutboundSa& sa = *entry.out;
  const IpAddress& destination = entry.spec->destination;  // that of the SA is its owner's
  auto [mtu, most] = outer_mtus(ports_);
  const Tables* tables = tables_.read();
  if (tables != nullptr && tables->routes && (mtu != most || tables->routes->has_mtus())) {
    const Be32 spi{static_cast<std::uint32_t>(entry.spec->spi)};
    if (const RouteTo to = tables->routes->find_outer(destination, path_hash(spi)))
      mtu = tables->routes->next_hop(to.index).mtu;
  }
  if (!path_mtus_.empty()) mtu = std::min(mtu, path_mtus_.of(destination, now_));
  if (const OutboundSa* over = sa.over == nullptr ? nullptr : sa.over->sa.read())
    mtu = std::min<std::uint16_t>(mtu, over->inner_mtu);
  if (mtu == sa.outer_mtu) return;
  sa.outer_mtu = mtu;
  set_inner_mtu(entry);
}

void Registry::set_inner_mtu(const Entry& entry) {
  OutboundSa& sa = *entry.out;
  const unsigned outer = header_bytes(*entry.spec);  // that of the SA is its owner's
  std::uint16_t most = inner_mtu(sa, sa.outer_mtu, sa.ip_bytes, outer);
  if (sa.aggfrag != nullptr) most = largest_aggfrag(sa, outer, ports_);
  sa.inner_mtu = std::min(most, tunnels_.most(entry.spec->interface));
}

// Of the SAs of one slot, as long as it has one.
std::shared_ptr<AggfragFeedback> Registry::feedback_of(const SaSpec& sa) {
  std::weak_ptr<AggfragFeedback>& known = feedback_[{sa.policy, sa.dscp_class}];
  std::shared_ptr<AggfragFeedback> feedback = known.lock();
  if (!feedback) known = feedback = std::make_shared<AggfragFeedback>();
  return feedback;
}

void Registry::forget_feedback(Entry& entry) {
  entry.feedback.reset();
  const auto known = feedback_.find({entry.spec->policy, entry.spec->dscp_class});
  if (known != feedback_.end() && known->second.expired()) feedback_.erase(known);
}

void Registry::make_aggfrag(Entry& entry, const OutboundSlot& slot) {
  const AggfragOptions& options = entry.spec->aggfrag;
  const std::uint64_t second = rte_get_tsc_hz();
  entry.feedback = feedback_of(*entry.spec);
  auto state = std::make_unique<AggfragOut>(
      entry.out.get(), &slot,
      AggfragOut::Settings{.packet = options.packet,
                           .interval = options.rate == 0 ? 0 : second / options.rate,
                           .padding = options.rate != 0 && options.padding,
                           .whole = options.whole,
                           .congestion = options.congestion,
                           .most = options.controlled ? static_cast<double>(options.rate) : 0.0,
                           .second = second},
      entry.feedback.get(), &aggfrag_news_[entry.owner]);
  entry.out->aggfrag = state.get();
  entry.aggfrag = std::move(state);
}

void Registry::make_aggfrag(Entry& entry) {
  const AggfragOptions& options = entry.spec->aggfrag;
  const auto wait = static_cast<std::uint64_t>(options.wait.count());
  entry.feedback = feedback_of(*entry.spec);
  auto state = std::make_unique<AggfragIn>(
      entry.in.get(), entry.spec->id,
      AggfragIn::Settings{
          .window = options.window, .wait = wait * (rte_get_tsc_hz() / 1000), .second = rte_get_tsc_hz()},
      entry.feedback.get());
  entry.in->aggfrag = state.get();
  entry.aggfrag = std::move(state);
}

void Registry::set_tunnel_mtus(std::map<InterfaceId, std::uint16_t> mtus) {
  tunnels_.set_mtus(std::move(mtus));
  for (const auto& [id, entry] : sas_)
    if (entry.out && entry.spec->interface != InterfaceId{}) set_inner_mtu(entry);
}

bool Registry::learn_path_mtu(Spi spi, const IpAddress& destination, std::uint32_t sequence,
                              std::uint16_t mtu) {
  const auto found = outbound_ids_.find({spi, destination});
  if (found == outbound_ids_.end()) return false;
  const Entry& entry = sas_.at(found->second);
  const auto since = static_cast<std::uint32_t>(entry.out->next_seq) - sequence;
  if (since == 0 || since > kUnderWay || mtu >= entry.out->outer_mtu) return false;
  if (!path_mtus_.learn(destination, mtu, now_)) return false;
  set_mtu(entry);
  return true;
}

Result<void> Registry::add_inbound(Entry& entry) {
  const SaSpec& spec = *entry.spec;
  auto sa = std::make_unique<InboundSa>(spec.replay_window);
  sa->spi = Be32{static_cast<std::uint32_t>(spec.spi)};
  sa->key = sad_key(spec.protocol, address_key(spec.destination));
  sa->owner = entry.owner;
  if (spec.over != PolicyId{}) sa->owner |= kInBundle;
  sa->iv = static_cast<std::uint8_t>(spec.suite.iv());
  sa->icv = static_cast<std::uint8_t>(spec.suite.icv());
  sa->block = spec.suite.encr->block;
  sa->kind = sa_kind(spec);
  sa->session = entry.session.get();
  if (spec.suite.encr->counts()) sa->salt = nonce_salt(spec);
  sa->esn = spec.esn == Esn::kOn;
  sa->tail = esn_tail(spec);
  sa->id = spec.id;
  sa->policy = spec.policy;
  sa->over = spec.over;
  sa->fragments = spec.fragments;
  set_selectors(spec, *sa);
  set_peer(peer_end(spec), *sa);
  if (spec.interface != InterfaceId{}) sa->tunnel = port_of(spec.interface);
  entry.in = std::move(sa);
  if (spec.aggfrag.on) make_aggfrag(entry);
  if (!closed_) begin(entry);
  std::unique_ptr<Sad::Table> smaller;
  if (!sad_.add(entry.in.get(), smaller))
    return fail("there is an inbound SA with this SPI and destination already");
  if (smaller) retire([table = std::shared_ptr<Sad::Table>(std::move(smaller))] {});
  if (entry.aggfrag) aggfrag_news_[entry.owner].put(entry.aggfrag->arrival);
  if (spec.interface != InterfaceId{}) tunnels_.add(spec.interface, *entry.in);
  return {};
}

void Registry::remove_sa(SaId id) {
  const auto found = sas_.find(id);
  if (found == sas_.end()) return;
  auto entry = std::make_shared<Entry>(std::move(found->second));
  sas_.erase(found);
  --load_[entry->owner][static_cast<std::size_t>(entry->spec->direction)];
  if (entry->in) sad_.remove(entry->in->spi, entry->in->key);
  with_dummies_.erase(id);
  if (entry->out) {
    // The newest of the policy's other SAs takes over, if this one was in use and there is another.
    SlotUse& use = slots_.at({entry->spec->policy, entry->spec->dscp_class});
    std::erase(use.sas, id);
    if (kernel_entries_.contains(entry->spec->policy)) will_change(entry->spec->policy);
    if (entry->spec->interface != InterfaceId{}) tunnels_.leave(entry->spec->interface, *entry->out);
    forget_outbound(*entry->spec);
    outbound_[use.slot].sa.publish(use.sas.empty() ? nullptr : sas_.at(use.sas.back()).out.get());
    release({entry->spec->policy, entry->spec->dscp_class});
    if (entry->out->over != nullptr) take_out_of_bundle(*entry->spec);
  }
  // Not before no new turn finds the SA: its owner lets go of the state for good.
  if (entry->aggfrag) aggfrag_news_[entry->owner].put(entry->aggfrag->departure);
  leaving_sas_.insert(entry);
  retire([this, entry] {
    add_hits(*entry, gone_);
    free_lease(*entry);
    leaving_sas_.erase(entry);
    if (entry->feedback && entry->in) entry->feedback->release(entry->spec->id);
    // Further grace periods: see AggfragState.
    if (entry->aggfrag) retire_after(entry->out ? 4 : 1, [this, entry] { forget_feedback(*entry); });
    if (entry->spec->interface == InterfaceId{}) return;
    entry->out ? tunnels_.forget(entry->spec->interface, *entry->out)
               : tunnels_.forget(entry->spec->interface, *entry->in);
  });
}

std::vector<Registry::DummySlot> Registry::dummy_slots() const {
  std::vector<DummySlot> out;
  if (with_dummies_.empty() || !tables_.read()->gateway_on) return out;
  out.reserve(with_dummies_.size());
  for (const SaId id : with_dummies_) {
    const Entry& entry = sas_.at(id);
    const SlotUse& use = slots_.at({entry.spec->policy, entry.spec->dscp_class});
    if (use.sas.back() == id) out.push_back({&outbound_[use.slot], entry.owner, entry.spec->tunnel.dummies});
  }
  return out;
}

void Registry::forget_outbound(const SaSpec& sa) {
  const auto found = outbound_ids_.find({sa.spi, sa.destination});
  if (found != outbound_ids_.end() && found->second == sa.id) outbound_ids_.erase(found);
}

// UDP comes or goes in a tunnel alone: in transport mode the entry would have to be looked at anew (RFC 3948
// §5.2), and there an address is the packets' own.
Result<void> Registry::can_move(const Entry& entry, const SaSpec& to) const {
  const SaSpec& was = *entry.spec;
  if (was.spi != to.spi || was.direction != to.direction || was.policy != to.policy ||
      was.protocol != to.protocol || was.mode != to.mode || was.dscp_class != to.dscp_class ||
      was.over != to.over || was.interface != to.interface)
    return fail("it would be another SA");
  if (was.destination.family() != to.destination.family() || was.source.family() != to.source.family())
    return fail("an SA does not move to the other address family");
  if (was.mode == SaMode::kTransport && (was.udp.has_value() != to.udp.has_value() ||
                                         was.source != to.source || was.destination != to.destination))
    return fail("in transport mode an SA moves to another port of its peer only");
  if (auto possible = possible_sa(to); !possible) return possible;
  if (!entry.in) return {};
  const InboundSa* there = sad_.find(entry.in->spi, to.destination, to.protocol);
  if (there != nullptr && there != entry.in.get())
    return fail("there is an inbound SA with this SPI and destination already");
  return {};
}

// What is left for the owner lives as long as the SA, or until it is replaced.
template <class Sa, class Next>
void Registry::leave_for_owner(Entry& entry, Sa& sa, Next next) {
  auto left = std::make_shared<const Next>(std::move(next));
  sa.moved.publish(left.get());
  sa.check_at_packets.trip();
  retire([replaced = std::exchange(entry.moved, std::move(left))] {});
}

// Keys, counters, window and sequence numbers are not touched. The owner takes the new ends whole, between
// two packets; until then it uses the old ones.
Result<void> Registry::move_sa(const SaRef& sa) {
  const auto found = sas_.find(sa->id);
  if (found == sas_.end()) return fail("there is no SA of this id");
  Entry& entry = found->second;
  if (auto possible = can_move(entry, *sa); !possible) return possible;
  const SaRef was = std::exchange(entry.spec, sa);
  if (entry.in) {
    const InboundEnds* const last = entry.in->moved.read();
    leave_for_owner(entry, *entry.in,
                    InboundEnds{.peer = peer_end(*sa),
                                .key = sad_key(sa->protocol, address_key(sa->destination)),
                                .before = last != nullptr ? last->key : entry.in->key});
    return {};
  }
  forget_outbound(*was);
  outbound_ids_[{sa->spi, sa->destination}] = sa->id;
  // A longer header needs its room first.
  if (header_bytes(*sa) > header_bytes(*was)) set_inner_mtu(entry);
  leave_for_owner(entry, *entry.out, outer_header(*sa));
  set_mtu(entry);  // another path
  set_inner_mtu(entry);
  set_mtus_inside(sa->policy);
  return {};
}

}  // namespace simplon::dp
