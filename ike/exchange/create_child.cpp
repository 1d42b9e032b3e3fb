// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/create_child.h"

#include <algorithm>
#include <utility>

#include "ike/exchange/aggfrag.h"
#include "ike/exchange/child_choice.h"
#include "ike/exchange/create_child_failed.h"
#include "ike/exchange/rekey.h"

namespace simplon::ike {
namespace {

DhGroup preferred(const std::vector<Proposal>& proposals) {
  for (const Proposal& p : proposals)
    if (!p.groups.empty() && p.groups[0] != DhGroup::kNone) return p.groups[0];
  return DhGroup::kNone;
}

// §2.9: the packet's own selectors come first, so that a responder that cannot take all takes at least these;
// those of a replaced SA as well (§2.9.2).
void put_first(const Selectors& these, Selectors& all) {
  if (these.local.empty() || these.remote.empty() || !covers(all.local, these.local) ||
      !covers(all.remote, these.remote))
    return;
  for (const auto& [first, in] :
       {std::pair(&these.local, &all.local), std::pair(&these.remote, &all.remote)}) {
    std::erase_if(*in, [&](const auto& t) { return std::ranges::find(*first, t) != first->end(); });
    in->insert(in->begin(), first->begin(), first->end());
    in->resize(std::min(in->size(), kMostSelectors));
  }
}

void agreed(IkeSa& sa, const Payloads& p, Bytes shared, Now now) {
  if (sa.children().attempt()->of_ike()) return complete_ike(sa, p, shared, now);
  complete_child(sa, p, shared, now);
}

void send_attempt(IkeSa& sa, Bytes public_value, Now now) {
  if (sa.children().attempt_done_by_peer()) return sa.run_tasks(now);
  const Attempt& attempt = *sa.children().attempt();
  PayloadWriter out;
  if (attempt.of_ike()) {
    offer_ike(sa, attempt, public_value, out);
  } else {
    if (const Child* old = sa.children().find(attempt.replaces))
      out.notify(NotifyType::kRekeySa, {}, protocol_id(old->in->protocol), be32(old->in->spi));
    offer_child(sa, attempt, WithGroups::kYes, out);
    if (attempt.group != DhGroup::kNone) out.ke(attempt.group, public_value);
  }
  sa.request(Exchange::kCreateChildSa, out, create_child_response, now);
  sa.children().attempt()->request = sa.window().pending()->bytes;
}

// The peer deleted the new child before its response to us came (its messages overtook each other).
bool deleted_before_made(IkeSa& sa, const Attempt& attempt, Spi spi) {
  const std::pair made{attempt.config.protocol, spi};
  if (std::ranges::find(attempt.deleted, made) == attempt.deleted.end()) return false;
  if (Child* old = sa.children().find(attempt.replaces)) {
    old->leaving = true;  // what the peer meant to delete
    sa.tasks().push(DeleteChild{old->id, 0});
  }
  return true;
}

// What the peer's selectors have in common with ours (§2.9).
Selectors narrowed(const Selectors& theirs, const Selectors& want) {
  return {without_covered(narrow(theirs.local, want.local)),
          without_covered(narrow(theirs.remote, want.remote))};
}

// In which mode the peer has made the child; the error says why we do not take it (§1.3.1).
Result<SaMode> agreed_mode(const Attempt& attempt, const Payloads& p) {
  const SaMode theirs = p.find(NotifyType::kUseTransportMode) ? SaMode::kTransport : SaMode::kTunnel;
  if (theirs == attempt.mode) return theirs;
  if (theirs == SaMode::kTransport) return fail("the peer chose transport mode, which we did not ask for");
  if (attempt.config.transport_fallback == TransportFallback::kTunnel) return theirs;
  return fail("the peer will not have transport mode, and transport_fallback is 'fail'");
}

// The peer may have narrowed the selectors to others than those of the packet that asked for the SA.
void compare_to_packet(IkeSa& sa, Child& made, const Attempt& attempt, Now now) {
  if (covers(made.selectors.local, attempt.packet->local) &&
      covers(made.selectors.remote, attempt.packet->remote))
    return;
  sa.log(LogLevel::kWarning, "the peer's SA is not for the packet that asked for it: " +
                                 attempt.packet->text() + " is outside " + made.selectors.text());
  sa.context().refusals.add(name_of_class(sa.peer().name, made.config.name, made.dscp_class), *attempt.packet,
                            now);
  if (attempt.ticket != 0 || attempt.replaces != ChildSaId{} || !sa.children().has_twin(made)) return;
  made.leaving = true;
  sa.tasks().push(DeleteChild{made.id, 0});
}

// What the two ends have agreed on beside the proposal.
struct Terms {
  SaMode mode;
  std::optional<AggfragFlags> aggfrag;
  const Selectors& selectors;
};

void install_child(IkeSa& sa, const Payloads& p, Bytes shared, const Terms& agreed, Now now) {
  const Attempt attempt = *std::exchange(sa.children().attempt(), std::nullopt);
  const Proposal& chosen = (*p.sa)[0];
  const bool own_nonces = p.nonce.has_value();  // else it came with IKE_AUTH: the IKE SA's are used (§2.17)
  const ChildKeys keys =
      own_nonces ? derive_child(sa.keys(), chosen.suite(), shared, attempt.nonce, *p.nonce)
                 : derive_child(sa.keys(), chosen.suite(), shared, sa.handshake()->ni, sa.handshake()->nr);
  Child& made = sa.children().install({.config = attempt.config,
                                       .proposal = chosen,
                                       .spi_in = attempt.spi,
                                       .spi_out = Spi{load_be32(chosen.spi.data())},
                                       .keys = keys,
                                       .we_initiated = true,
                                       .selectors = agreed.selectors,
                                       .group = shared.empty() ? std::nullopt : std::optional(attempt.group),
                                       .replaces = attempt.replaces,
                                       .mode = agreed.mode,
                                       .aggfrag = agreed.aggfrag,
                                       .fragments = agreed_fragments(attempt.config, p),
                                       .dscp_class = attempt.dscp_class,
                                       .takes_tfc = takes_tfc(p)},
                                      sa.path(), now);
  made.replaced = attempt.replaces;  // even if it is gone by now
  made.ours = true;
  sa.context().finish(attempt.ticket, true, {}, made.id);
  if (attempt.packet) compare_to_packet(sa, made, attempt, now);
  // The old one is deleted after the new one carries traffic (§2.8).
  if (sa.children().find(attempt.replaces) != nullptr)
    sa.tasks().push_first(DeleteChild{attempt.replaces, 0});
  if (own_nonces)
    sa.children().resolve_simultaneous_rekey(made, std::min(attempt.nonce, *p.nonce), attempt, now);
}

// The first half of the bundle, then the child of the task; not the child alone.
void after_other_half(IkeSa& sa, const CreateChild& task, const ChildConfig& config, Now now) {
  CreateChild then = task;
  then.other_half_asked = true;
  if (!task.other_half_asked) {
    sa.tasks().push_first(std::move(then));
    return sa.tasks().push_first(CreateChild{config.other_half});
  }
  if (sa.children().has(config.other_half)) return sa.tasks().push_later(std::move(then), now + kAskAgain);
  not_asked(sa, task, "its other half, " + config.other_half + ", is not up", now);
}

}  // namespace

void run(IkeSa& sa, const CreateChild& task, Now now) {
  const ChildConfig* config = sa.connection()->child(task.child);
  if (config == nullptr)
    return sa.context().finish(task.ticket, false, "the connection has no child " + task.child);
  if (const std::string why = why_not_asked(sa, *config); !why.empty()) return not_asked(sa, task, why, now);
  if (needs_packet(*config, task.packet)) return sa.context().finish(task.ticket, false, no_packet(*config));
  const bool up = task.packet ? sa.children().covers(task.child, *task.packet, task.dscp_class)
                              : sa.children().up(task.child);
  // Beside class 0, which has all traffic while that of another one has no SA; a reload may have ended both.
  if (task.dscp_class != 0 && (task.dscp_class >= config->classes.count || !task.packet ||
                               !sa.children().covers(task.child, *task.packet)))
    return sa.context().finish(task.ticket, true);
  if ((task.ticket == 0 || task.unless_up) && up) return sa.context().finish(task.ticket, true);
  if (sa.children().comes_second(*config)) return after_other_half(sa, task, *config, now);
  start_attempt(sa,
                {.config = *config,
                 .group = preferred(config->proposals),
                 .mode = config->mode,
                 .ticket = task.ticket,
                 .refused = task.refused,
                 .packet = task.packet,
                 .dscp_class = task.dscp_class},
                now);
}

void run(IkeSa& sa, const RekeyChild& task, Now now) {
  Child* child = sa.children().find(task.id);
  if (sa.children().replaced(task.id)) return sa.context().finish(task.ticket, true);  // the peer was first
  if (child == nullptr) return sa.context().finish(task.ticket, false, "the child is gone");
  if (child->state == ChildState::kDeleting || child->leaving)
    return sa.context().finish(task.ticket, false, "the child is to be deleted");
  if (child->state != ChildState::kInstalled || !ChildSet::may_name(*child, now) ||
      !sa.children().concluded(*child))
    return sa.tasks().push_later(task, now + kAskAgain);
  child->state = ChildState::kRekeying;
  // By the configuration that it was made of, unless there is a newer one.
  const ChildConfig* newer = sa.connection()->child(child->config.name);
  const ChildConfig& c = newer != nullptr ? *newer : child->config;
  start_attempt(sa,
                {.config = c,
                 .group = preferred(c.proposals),
                 .replaces = task.id,
                 .mode = child->in->mode,
                 .ticket = task.ticket,
                 .refused = task.refused,
                 .packet = c.pfp.any() ? std::optional(first_of(child->selectors)) : std::nullopt,
                 .dscp_class = child->dscp_class},
                now);
}

std::string why_not_asked(const IkeSa& sa, const ChildConfig& config) {
  if (config.proposals.empty()) return std::string(kNoSuite);
  if (config.pfp.any() && sa.children().count(config.name) >= config.pfp_limit)
    return "it has " + std::to_string(config.pfp_limit) + " SAs already, its pfp_limit";
  return std::string(why_impossible(config, sa.path()));
}

void not_asked(IkeSa& sa, const CreateChild& task, const std::string& why, Now now) {
  sa.log(LogLevel::kWarning, "child " + task.child + " is not asked for: " + why);
  if (task.packet)
    sa.context().refusals.add(name_of_class(sa.peer().name, task.child, task.dscp_class), *task.packet, now);
  sa.context().finish(task.ticket, false, "child " + task.child + ": " + why);
  if (const ChildConfig* config = sa.connection()->child(task.child)) sa.children().not_made(*config);
}

bool needs_packet(const ChildConfig& config, const std::optional<Selectors>& packet) {
  return config.pfp.any() && !packet;
}

std::string no_packet(const ChildConfig& config) {
  return "child " + config.name + " has the selectors of a packet (pfp): traffic asks for it";
}

void offer_child(const IkeSa& sa, const Attempt& attempt, WithGroups with_groups, PayloadWriter& out) {
  std::vector<Proposal> proposals =
      with_groups == WithGroups::kYes ? attempt.config.proposals : without_groups(attempt.config.proposals);
  std::uint8_t n = 0;
  for (Proposal& p : proposals) p.number = ++n, p.spi = be32(attempt.spi);
  if (attempt.mode == SaMode::kTransport) out.notify(NotifyType::kUseTransportMode);
  offer_aggfrag(attempt.config, out);
  if (attempt.config.fragments == FragmentHandling::kAlso) out.notify(NotifyType::kNonFirstFragmentsAlso);
  out.sa(proposals);
  if (with_groups == WithGroups::kYes) out.nonce(attempt.nonce);
  Selectors s = effective_selectors(attempt.config, sa.path(), attempt.packet);
  if (attempt.packet) put_first(*attempt.packet, s);
  if (const Child* old = sa.children().find(attempt.replaces)) put_first(old->selectors, s);
  out.ts(PayloadType::kTsi, s.local);
  out.ts(PayloadType::kTsr, s.remote);
}

void start_attempt(IkeSa& sa, Attempt attempt, Now now) {
  Context& context = sa.context();
  attempt.spi = context.fresh_spi();
  attempt.nonce = context.entropy.bytes(kNonceBytes);
  attempt.request.clear();
  if (attempt.group != DhGroup::kNone) attempt.random = Secret(context.entropy.bytes(kDhRandomBytes));
  auto& started = sa.children().attempt() = std::move(attempt);
  if (started->group == DhGroup::kNone) return send_attempt(sa, {}, now);
  context.submit(sa.id(), DiffieHellman{started->group, started->random.clone(), {}},
                 [](IkeSa& waiting, const DhResult& result, Now at) {
                   if (waiting.children().attempt() && waiting.established())
                     send_attempt(waiting, result.public_value, at);
                 });
}

// What it needs stays in the attempt until it is done: another process may have to do it once more.
void create_child_response(IkeSa& sa, const Payloads& p, Now now) {
  auto& attempt = sa.children().attempt();
  if (!attempt) return;
  if (const Notify* n = p.error()) return refused(sa, p, *n, now);
  if (!p.sa || p.sa->size() != 1 || !p.nonce) return not_taken(sa, "the response lacks payloads", now);
  const DhGroup group = group_of((*p.sa)[0]);
  if (group == DhGroup::kNone && !attempt->of_ike()) return complete_child(sa, p, {}, now);
  if (!p.ke || DhGroup{p.ke->group} != attempt->group || group != attempt->group)
    return not_taken(sa, "the key exchange is of another group", now);
  sa.context().submit(sa.id(), DiffieHellman{attempt->group, attempt->random.clone(), p.ke->data},
                      [p](IkeSa& waiting, const DhResult& result, Now at) {
                        if (!waiting.children().attempt()) return;
                        if (!result.ok) return not_taken(waiting, "the peer's public value is not valid", at);
                        agreed(waiting, p, result.shared.bytes(), at);
                      });
}

void complete_child(IkeSa& sa, const Payloads& p, Bytes shared, Now now) {
  const Attempt& attempt = *sa.children().attempt();
  const Pfs pfs = p.nonce ? Pfs::kAsOffered : Pfs::kIgnored;  // no nonce: it came with IKE_AUTH
  if (p.sa->size() != 1 || !usable_spi((*p.sa)[0].spi) ||
      !is_choice_of((*p.sa)[0], attempt.config.proposals, pfs))
    return not_taken(sa, "the peer chose what we did not offer: " + text(*p.sa), now);
  if (deleted_before_made(sa, attempt, Spi{load_be32((*p.sa)[0].spi.data())}))
    return attempt_failed(sa, "the peer deleted the child", now);
  const Result<SaMode> mode = agreed_mode(attempt, p);
  if (!mode) return not_taken(sa, mode.error().what, now);
  const auto aggfrag = agreed_aggfrag(attempt.config, p);
  if (!aggfrag) return not_taken(sa, aggfrag.error().what, now);
  if (*mode == SaMode::kTunnel && attempt.config.aggfrag.use == AggfragUse::kOff &&
      p.find(NotifyType::kUseAggfrag) != nullptr)
    return not_taken(sa, "the peer chose AGGFRAG, which we did not ask for", now);
  Selectors theirs{p.tsi.value_or(TrafficSelectors{}), p.tsr.value_or(TrafficSelectors{})};
  if (*mode == SaMode::kTransport) theirs = seen_from_here(std::move(theirs), sa.path());
  const Selectors want = effective_selectors(attempt.config, sa.path(), attempt.packet),
                  got = narrowed(theirs, want);
  if (got.local.empty() || got.remote.empty())
    return not_taken(
        sa, "the peer's selectors are outside ours: " + theirs.text() + ", ours are " + want.text(), now);
  install_child(sa, p, shared, {*mode, *aggfrag, got}, now);
  sa.run_tasks(now);
}

}  // namespace simplon::ike
