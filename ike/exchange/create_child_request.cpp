// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/create_child_request.h"

#include <algorithm>
#include <utility>

#include "ike/exchange/aggfrag.h"
#include "ike/exchange/child_choice.h"
#include "ike/exchange/rekey.h"

namespace simplon::ike {
namespace {

// A peer may have several of each child, and replaced ones that it has not deleted yet; but not ever more.
constexpr std::size_t kChildrenPerConfigured = 4, kMoreChildren = 16;

// A request for a child that we agreed to, while its key exchange is computed. The configuration is a copy: a
// reload may come in between.
struct Request {
  ChildConfig config;
  SaMode mode{};
  std::optional<AggfragFlags> aggfrag;
  FragmentHandling fragments{};
  std::uint8_t dscp_class = 0;
  Proposal proposal;
  Selectors selectors;
  DhGroup group{};
  Buffer peer_nonce, nonce;
  ChildSaId replaces{};
  bool takes_tfc = true;
};

void key_exchange_failed(IkeSa& sa, const Request& request) {
  Child* const old = sa.children().find(request.replaces);
  if (old != nullptr && old->state == ChildState::kRekeying && !sa.children().replacing(request.replaces))
    old->state = ChildState::kInstalled;
  refuse_public_value(sa, "child");
}

void add_answer(PayloadWriter& out, const ChildConfig& config, SaMode mode, bool aggfrag,
                FragmentHandling fragments, const Selectors& selectors) {
  if (mode == SaMode::kTransport) out.notify(NotifyType::kUseTransportMode);
  if (aggfrag) offer_aggfrag(config, out);
  if (fragments == FragmentHandling::kAlso) out.notify(NotifyType::kNonFirstFragmentsAlso);
  out.ts(PayloadType::kTsi, selectors.remote);
  out.ts(PayloadType::kTsr, selectors.local);
}

// Installs the child and answers: the peer hears of it when it is in place.
void complete(IkeSa& sa, const Request& request, const DhResult& result, Now now) {
  Proposal chosen = request.proposal;
  const Spi spi = sa.context().fresh_spi();
  const bool pfs = request.group != DhGroup::kNone;
  const ChildKeys keys =
      derive_child(sa.keys(), chosen.suite(), result.shared.bytes(), request.peer_nonce, request.nonce);
  Child& made = sa.children().install({.config = request.config,
                                       .proposal = chosen,
                                       .spi_in = spi,
                                       .spi_out = Spi{load_be32(chosen.spi.data())},
                                       .keys = keys,
                                       .we_initiated = false,
                                       .selectors = request.selectors,
                                       .group = pfs ? std::optional(request.group) : std::nullopt,
                                       .replaces = request.replaces,
                                       .mode = request.mode,
                                       .aggfrag = request.aggfrag,
                                       .fragments = request.fragments,
                                       .dscp_class = request.dscp_class,
                                       .takes_tfc = request.takes_tfc,
                                       .shown = false},
                                      sa.path(), now);
  made.replaced = request.replaces;
  sa.children().note_rival(made, std::min(request.peer_nonce, request.nonce), now);
  chosen.spi = be32(spi);
  PayloadWriter out;
  out.sa({chosen});
  out.nonce(request.nonce);
  if (pfs) out.ke(request.group, result.public_value);
  add_answer(out, request.config, request.mode, request.aggfrag.has_value(), request.fragments,
             request.selectors);
  sa.respond(out);
}

void child_request(IkeSa& sa, const Payloads& p, Child* old, Now now) {
  Agreed agreed = agree(sa, p, Pfs::kAsOffered, old);
  if (agreed.config == nullptr) {
    sa.log(LogLevel::kWarning, "the peer's child is refused: " + agreed.why);
    return sa.respond_error(agreed.refusal);
  }
  if (const ChildConfig& c = *agreed.config;
      old == nullptr && c.pfp.any() && sa.children().count(c.name) >= c.pfp_limit) {
    sa.log(LogLevel::kWarning, "the peer's child is refused: child " + c.name + " has " +
                                   std::to_string(c.pfp_limit) + " SAs already, its pfp_limit");
    return sa.respond_error(NotifyType::kNoAdditionalSas);
  }
  const DhGroup group = group_of(agreed.proposal);
  if (group != DhGroup::kNone && !key_exchange_fits(sa, p, group, "child")) return;
  if (old != nullptr) old->state = ChildState::kRekeying;
  Context& context = sa.context();
  const Request request{.config = *agreed.config,
                        .mode = agreed.mode,
                        .aggfrag = agreed.aggfrag,
                        .fragments = agreed_fragments(*agreed.config, p),
                        .dscp_class = old != nullptr
                                          ? old->dscp_class
                                          : sa.children().free_class(*agreed.config, agreed.selectors),
                        .proposal = std::move(agreed.proposal),
                        .selectors = std::move(agreed.selectors),
                        .group = group,
                        .peer_nonce = *p.nonce,
                        .nonce = context.entropy.bytes(kNonceBytes),
                        .replaces = old != nullptr ? old->id : ChildSaId{},
                        .takes_tfc = takes_tfc(p)};
  if (group == DhGroup::kNone) return complete(sa, request, {}, now);
  context.submit(sa.id(), DiffieHellman{group, Secret(context.entropy.bytes(kDhRandomBytes)), p.ke->data},
                 [request](IkeSa& waiting, const DhResult& result, Now at) {
                   if (result.ok)
                     complete(waiting, request, result, at);
                   else
                     key_exchange_failed(waiting, request);
                   waiting.run_tasks(at);
                 });
}

void come_later(IkeSa& sa, Now) { sa.respond_error(NotifyType::kTemporaryFailure); }

// A rekey of a child (§2.8).
void rekey_request(IkeSa& sa, const Payloads& p, const Notify& rekey, Now now) {
  const IpsecProtocol protocol = ipsec_protocol(rekey.protocol).value_or(IpsecProtocol::kEsp);
  Child* const old = rekey.spi.size() == 4
                         ? sa.children().find_outbound(protocol, Spi{load_be32(rekey.spi.data())})
                         : nullptr;
  // §2.25: it may be the one of our request, if the response to it has not come yet.
  if (old == nullptr && sa.children().attempt()) return sa.respond_error(NotifyType::kTemporaryFailure);
  if (old == nullptr) {
    PayloadWriter out;
    out.notify(NotifyType::kChildSaNotFound, {}, protocol_id(protocol), rekey.spi);
    return sa.respond(out);
  }
  // One replacement after the other: the one that we made has not concluded before the child that it replaced
  // is deleted. strongSwan 6.0.1 loses the child in between.
  const Child* const before = old->ours ? sa.children().find(old->replaced) : nullptr;
  if (before != nullptr && before->state == ChildState::kDeleting)
    return sa.answer_after_ours([p](IkeSa& s, Now at) { create_child_request(s, p, at); }, now);
  if (before != nullptr) return sa.respond_error(NotifyType::kTemporaryFailure);
  // strongSwan 5.9 forgets that it agreed to our replacement when its own is refused before it hears of the
  // delete, and then sends nothing.
  if (old->state == ChildState::kDeleting) return sa.answer_after_ours(come_later, now);
  // One that we are replacing ourselves the peer may replace as well (§2.25.1).
  const bool both = old->state == ChildState::kRekeying && sa.children().replacing(old->id);
  if (old->state != ChildState::kInstalled && !both) return sa.respond_error(NotifyType::kTemporaryFailure);
  child_request(sa, p, old, now);
}

// Each class of traffic may have a child of its own.
std::size_t with_classes(const std::vector<ChildConfig>& children) {
  std::size_t n = 0;
  for (const ChildConfig& child : children) n += child.classes.count;
  return n;
}

}  // namespace

void create_child_request(IkeSa& sa, const Payloads& p, Now now) {
  if (!p.sa || !p.nonce) return sa.respond_malformed("CREATE_CHILD_SA without SA or nonce", now);
  // §2.25: an SA that is going, or that we are replacing ourselves, takes nothing new.
  if (!sa.established() || sa.replaced() || sa.children().rekeying_ike())
    return sa.respond_error(NotifyType::kTemporaryFailure);
  if (p.sa->empty()) {  // transforms that we do not know are left out
    ++sa.context().counters.no_proposal;
    sa.log(LogLevel::kWarning, "the peer's request is refused: " + why_not(*p.sa, {}));
    return sa.respond_error(NotifyType::kNoProposalChosen);
  }
  if ((*p.sa)[0].protocol == ProtocolId::kIke) return ike_rekey_request(sa, p);
  if (!p.tsi || !p.tsr) return sa.respond_malformed("CREATE_CHILD_SA without traffic selectors", now);
  const auto& children = sa.connection()->children;
  std::size_t most = kChildrenPerConfigured * with_classes(children) + kMoreChildren;
  for (const ChildConfig& c : children)
    if (c.pfp.any()) most += c.pfp_limit;
  if (sa.children().all().size() >= most) return sa.respond_error(NotifyType::kNoAdditionalSas);
  if (const Notify* rekey = p.find(NotifyType::kRekeySa)) return rekey_request(sa, p, *rekey, now);
  child_request(sa, p, nullptr, now);
}

void answer_first_child(IkeSa& sa, const Payloads& p, PayloadWriter& out, Now now) {
  const Agreed agreed = agree(sa, p, Pfs::kIgnored, nullptr);
  if (agreed.config == nullptr) {
    sa.log(LogLevel::kWarning, "the peer's child is refused: " + agreed.why);
    return out.notify(agreed.refusal);
  }
  const FragmentHandling fragments = agreed_fragments(*agreed.config, p);
  Proposal chosen = agreed.proposal;
  const Spi spi = sa.context().fresh_spi();
  const Handshake& h = *sa.handshake();
  const ChildKeys keys = derive_child(sa.keys(), chosen.suite(), {}, h.ni, h.nr);
  // An initiator that waits for this response ignores our requests: it will have the child when it reads one.
  sa.children().install({.config = *agreed.config,
                         .proposal = chosen,
                         .spi_in = spi,
                         .spi_out = Spi{load_be32(chosen.spi.data())},
                         .keys = keys,
                         .we_initiated = false,
                         .selectors = agreed.selectors,
                         .group = std::nullopt,
                         .replaces = ChildSaId{},
                         .mode = agreed.mode,
                         .aggfrag = agreed.aggfrag,
                         .fragments = fragments,
                         .takes_tfc = takes_tfc(p)},
                        sa.path(), now);
  chosen.spi = be32(spi);
  out.sa({chosen});
  add_answer(out, *agreed.config, agreed.mode, agreed.aggfrag.has_value(), fragments, agreed.selectors);
}

bool key_exchange_fits(IkeSa& sa, const Payloads& p, DhGroup group, const std::string& what) {
  if (!p.ke || DhGroup{p.ke->group} != group) {
    Writer wanted;
    wanted.be16(static_cast<std::uint16_t>(group));
    sa.respond_error(NotifyType::kInvalidKePayload, wanted.view());
    return false;
  }
  if (p.ke->data.size() == public_bytes(group)) return true;
  refuse_public_value(sa, what);
  return false;
}

void refuse_public_value(IkeSa& sa, const std::string& what) {
  ++sa.context().counters.malformed;
  sa.log(LogLevel::kWarning, "the peer's " + what + " is refused: its public value is not valid");
  sa.respond_error(NotifyType::kNoProposalChosen);  // INVALID_SYNTAX would end the IKE SA
}

}  // namespace simplon::ike
