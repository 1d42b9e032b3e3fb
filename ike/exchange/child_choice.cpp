// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/child_choice.h"

#include <algorithm>
#include <utility>

#include "ike/exchange/aggfrag.h"

namespace simplon::ike {
namespace {

// A child in transport mode has it if the peer asks for it; others are in tunnel mode whatever it asks for
// (§1.3.1).
SaMode mode_for(const ChildConfig& config, const Payloads& p) {
  return p.find(NotifyType::kUseTransportMode) ? config.mode : SaMode::kTunnel;
}

Selectors offered(const IkeSa& sa, const Payloads& p, SaMode mode) {
  Selectors out{*p.tsr, *p.tsi};
  return mode == SaMode::kTransport ? seen_from_here(std::move(out), sa.path()) : out;
}

// §2.9: what we take must include the initiator's first selectors, which are those of a packet, if any child
// can. So the children that take these come before the others, and before all those in the mode that it asks
// for (§2.23.1); else the configuration's order holds.
std::vector<const ChildConfig*> in_order_for(const IkeSa& sa, const Payloads& p) {
  std::vector<const ChildConfig*> all;
  for (const ChildConfig& config : sa.connection()->children) all.push_back(&config);
  if (p.tsi->empty() || p.tsr->empty()) return all;
  std::ranges::stable_partition(all, [&](const ChildConfig* config) {
    const Selectors want = effective_selectors(*config, sa.path());
    const Selectors first = first_of(offered(sa, p, mode_for(*config, p)));
    return covers(want.local, first.local) && covers(want.remote, first.remote);
  });
  const SaMode asked = p.find(NotifyType::kUseTransportMode) ? SaMode::kTransport : SaMode::kTunnel;
  std::ranges::stable_partition(all, [&](const ChildConfig* config) { return config->mode == asked; });
  return all;
}

// The IKE SA with somebody else, of the same connection, that has exactly this traffic: what is for the one
// would be sent to the other (RFC 4301 §4.4.3; RFC 3948 §5.2 behind one NAT). The same peer takes it over.
const IkeSa* other_owner(const IkeSa& sa, const ChildConfig& config, const Selectors& selectors) {
  const Context& context = sa.context();
  const auto [first, end] =
      context.by_traffic.equal_range(traffic_key(sa.connection()->name, config.name, selectors));
  for (auto at = first; at != end; ++at) {
    const auto owner = context.by_sa.find(at->second);
    IkeSa* other = owner == context.by_sa.end() ? nullptr : context.find(owner->second);
    if (other == nullptr || other == &sa || !other->serving() || other->remote_id() == sa.remote_id())
      continue;
    if (const Child* child = other->children().find_sa(at->second); child != nullptr && child->up())
      return other;
  }
  return nullptr;
}

// Its far side is an address of our pools, which the peer has not asked for, or not got.
bool lacks_address(const IkeSa& sa, const ChildConfig& config, SaMode mode) {
  return mode == SaMode::kTunnel && config.selectors.remote.empty() && !sa.connection()->pools.empty() &&
         sa.path().inner_remote.empty();
}

// What both want; a side is empty where they have nothing in common. RFC 4301 §4.4.1: the initiator's first
// selectors are those of a packet, which populate the SA where the entry says so.
Selectors narrowed(const ChildConfig& config, const Selectors& want, const Selectors& theirs) {
  Selectors got{without_covered(narrow(theirs.local, want.local)),
                without_covered(narrow(theirs.remote, want.remote))};
  if (got.local.empty() || got.remote.empty() || !config.pfp.any()) return got;
  Selectors own = populated(got, first_of(theirs), config.pfp);
  return own.local.empty() || own.remote.empty() ? got : own;
}

}  // namespace

FragmentHandling agreed_fragments(const ChildConfig& config, const Payloads& p) {
  const bool refused =
      config.fragments == FragmentHandling::kAlso && !p.find(NotifyType::kNonFirstFragmentsAlso);
  return refused ? FragmentHandling::kReassemble : config.fragments;
}

Agreed agree(const IkeSa& sa, const Payloads& p, Pfs pfs, const Child* replaces) {
  Agreed out{.aggfrag = {}, .refusal = NotifyType::kTsUnacceptable, .why = {}};
  for (const ChildConfig* candidate : in_order_for(sa, p)) {
    const ChildConfig& config = *candidate;
    if (replaces && config.name != replaces->config.name) continue;
    const SaMode mode = mode_for(config, p);
    if (lacks_address(sa, config, mode)) {
      out.refusal = NotifyType::kFailedCpRequired;
      out.why = "the peer has no address of the pools";
      continue;
    }
    const Selectors want = effective_selectors(config, sa.path()), theirs = offered(sa, p, mode);
    Selectors got = narrowed(config, want, theirs);
    if (got.local.empty() || got.remote.empty()) {
      out.why += (out.why.empty() ? "" : "; ") + std::string("offered ") + theirs.text() + ", child " +
                 config.name + " is " + want.text();
      continue;
    }
    if (const IkeSa* other = other_owner(sa, config, got)) {
      out.why += (out.why.empty() ? "" : "; ") + std::string("'") + other->remote_id().text() + "' at " +
                 other->path().remote.text() + " has the traffic " + got.text() + " of child " + config.name +
                 " already, and what is for one would be sent to the other";
      continue;
    }
    if (mode != config.mode && config.transport_fallback == TransportFallback::kFail) {
      out.refusal = NotifyType::kNoProposalChosen;
      out.why = "offered tunnel mode, child " + config.name + " is for transport mode alone";
      continue;
    }
    const auto aggfrag = agreed_aggfrag(config, p);
    if (!aggfrag) {
      out.refusal = NotifyType::kNoProposalChosen;
      out.why = "child " + config.name + ": " + aggfrag.error().what;
      continue;
    }
    if (const auto why = why_impossible(config, sa.path()); !why.empty()) {
      out.refusal = NotifyType::kNoProposalChosen;
      out.why = "child " + config.name + ": " + std::string(why);
      continue;
    }
    const auto chosen = choose(*p.sa, config.proposals, pfs);
    if (!chosen || !usable_spi(chosen->spi)) {
      out.refusal = NotifyType::kNoProposalChosen;
      out.why = why_not(*p.sa, config.proposals) + " for child " + config.name;
      continue;
    }
    return {.config = &config,
            .mode = mode,
            .aggfrag = *aggfrag,
            .proposal = *chosen,
            .selectors = std::move(got),
            .why = {}};
  }
  if (out.why.empty()) out.why = "the connection has no children";
  Counters& counters = sa.context().counters;
  ++(out.refusal == NotifyType::kNoProposalChosen ? counters.no_proposal : counters.ts_unacceptable);
  return out;
}

}  // namespace simplon::ike
