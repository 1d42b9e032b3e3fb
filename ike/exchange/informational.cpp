// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/informational.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "ike/exchange/eap_auth.h"
#include "ike/exchange/mobike.h"
#include "ike/exchange/redirect.h"
#include "ike/feature/feature.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostDeleted = 16;  // SPIs that we do not know, kept while a child is negotiated
constexpr MessageKind kRequest{Exchange::kInformational, false}, kResponse{Exchange::kInformational, true};

using OldInboundSa = ChildSet::OldInboundSa;

void send_request(IkeSa& sa, PayloadWriter& out, const Task& task, Now now) {
  offer(sa, kRequest, out);
  sa.request(Exchange::kInformational, out, informational_response(task), now, task);
}

// ---- the responses to our requests; of a task that does not stand here nothing more is to be done ----

template <class T>
void done(IkeSa&, const T&, Now) {}

void done(IkeSa& sa, const DeleteChild& task, Now now) {
  const Child* const child = sa.children().find(task.id);
  const auto config = child != nullptr ? std::optional(child->config) : std::nullopt;
  sa.children().use_instead_of(task.id);
  sa.children().remove(task.id, now, task.replaced ? OldInboundSa::kStays : OldInboundSa::kGoes);
  sa.context().finish(task.ticket, true);
  if (config) sa.children().end_other_half(*config);  // else the peer deleted it at the same time
}

void done(IkeSa& sa, const DeleteIke& task, Now now) {
  sa.context().finish(task.ticket, true);
  sa.close("the IKE SA was deleted", now);
}

void child_deleted_by_peer(IkeSa& sa, const Child& child, Now now) {
  const ChildSaId id = child.id;
  const ChildConfig config = child.config;
  const Selectors like_it = first_of(child.selectors);
  const CreateChild another = another_like(child);
  const bool short_lived = now - child.installed < kShortLife, of_class = child.dscp_class != 0;
  if (short_lived) sa.children().let_class_rest(child, now);
  const bool revived = sa.children().revive_replaced(child, now);
  if (child.state == ChildState::kRekeyed) {
    sa.children().use_shown();
    return sa.children().remove(id, now, OldInboundSa::kStays);
  }
  const bool again = child.config.close == CloseAction::kStart && !revived && !child.leaving &&
                     child.state != ChildState::kDeleting;
  sa.log(LogLevel::kInfo, revived
                              ? "the peer deletes the new SAs of child " + config.name + ": the old ones stay"
                              : "the peer deletes child " + config.name);
  sa.children().remove(id, now, revived ? OldInboundSa::kStays : OldInboundSa::kGoes);
  sa.children().end_other_half(config);
  // A half of a bundle whose other one cannot be made would come and go between two such ends without end.
  if (again && !config.other_half.empty() && short_lived)
    return sa.context().retry(sa.connection()->name, Context::Again::kLater, Context::Cause::kClosed, now);
  if (again && of_class) return sa.children().ask_for_missing_classes(config, like_it, now);
  if (again && !sa.has_child_for(config.name, like_it)) sa.tasks().push(another);
}

// The peer names its inbound SPIs, our outbound ones; we answer with ours (§1.4.1).
std::vector<Buffer> children_deleted(IkeSa& sa, IpsecProtocol protocol, const Delete& d, Now now) {
  std::vector<Buffer> answer;
  for (const Buffer& bytes : d.spis) {
    if (bytes.size() != 4) continue;
    const Spi spi{load_be32(bytes.data())};
    const Child* child = sa.children().find_outbound(protocol, spi);
    if (child == nullptr) {
      auto& attempt = sa.children().attempt();
      if (attempt && attempt->deleted.size() < kMostDeleted) attempt->deleted.emplace_back(protocol, spi);
      continue;
    }
    // If we are deleting it already, our request names it (§1.4.1).
    if (child->state != ChildState::kDeleting) answer.push_back(be32(child->in->spi));
    child_deleted_by_peer(sa, *child, now);
  }
  return answer;
}

// §3.10.1: the peer has dropped a packet of ours. It is for the log: what we send passed our own SPD, so the
// two configurations differ.
void selectors_refused(IkeSa& sa, const Notify& n) {
  const auto protocol = ipsec_protocol(n.protocol);
  if (!protocol || n.spi.size() != 4) return;
  const Child* child = sa.children().find_outbound(*protocol, Spi{load_be32(n.spi.data())});
  if (child == nullptr) return;
  sa.log(LogLevel::kWarning, "the peer dropped a packet of child " + child->config.name +
                                 " as outside its selectors; ours are " + child->selectors.text());
}

// `refused`: the peer could not authenticate us, after we believed that all was well (§2.21.2).
void ended_by_peer(IkeSa& sa, bool refused, Now now) {
  const std::string why =
      refused ? "the peer refuses us as '" + sa.local_id().text() + "'" : "the peer deletes the IKE SA";
  sa.context().counters.auth_failed += refused;
  if (!sa.replaced()) sa.log(refused ? LogLevel::kWarning : LogLevel::kInfo, why);
  sa.mark(refused ? End::kLost : End::kClosedByPeer);
  sa.keep_final_response(now);
  sa.close(why, now);
}

}  // namespace

OnResponse informational_response(const Task& task) {
  return [task](IkeSa& answered, const Payloads& p, Now at) {
    accept(answered, kResponse, p);
    std::visit(
        [&](const auto& t) {
          if constexpr (requires { done(answered, t, p, at); })
            done(answered, t, p, at);
          else
            done(answered, t, at);
        },
        task);
  };
}

void run(IkeSa& sa, const Liveness& task, Now now) {
  PayloadWriter nothing;
  send_request(sa, nothing, task, now);
}

void run(IkeSa& sa, const DeleteChild& task, Now now) {
  Child* const child = sa.children().find(task.id);
  if (child == nullptr) return sa.context().finish(task.ticket, false, "the child is gone");
  if (!ChildSet::may_name(*child, now)) return sa.tasks().push_later(task, now + kAskAgain);
  const bool replaced = child->state == ChildState::kRekeyed;
  child->state = ChildState::kDeleting;
  PayloadWriter out;
  out.del(protocol_id(child->in->protocol), {be32(child->in->spi)});
  send_request(sa, out, DeleteChild{task.id, task.ticket, replaced}, now);
}

void run(IkeSa& sa, const DeleteUnmade& task, Now now) {
  PayloadWriter out;
  out.del(protocol_id(task.protocol), {be32(task.spi)});
  send_request(sa, out, task, now);
}

void run(IkeSa& sa, const TellSelectors& task, Now now) {
  PayloadWriter out;
  out.notify(NotifyType::kInvalidSelectors, task.packet, protocol_id(task.protocol), be32(task.spi));
  send_request(sa, out, task, now);
}

void run(IkeSa& sa, const DeleteIke& task, Now now) {
  sa.begin_delete();
  PayloadWriter out;
  out.del(ProtocolId::kIke, {});
  send_request(sa, out, task, now);
}

void informational_request(IkeSa& sa, const Payloads& p, Now now) {
  if (sa.authenticating()) return eap_given_up(sa, now);
  accept(sa, kRequest, p);
  std::map<ProtocolId, std::vector<Buffer>> answers;
  const bool refused = p.find(NotifyType::kAuthenticationFailed) != nullptr;
  bool ike = refused;
  for (const Delete& d : p.deletes) {
    ike |= d.protocol == ProtocolId::kIke;
    if (const auto protocol = ipsec_protocol(d.protocol))
      std::ranges::move(children_deleted(sa, *protocol, d, now), std::back_inserter(answers[d.protocol]));
  }
  if (const Notify* n = p.find(NotifyType::kInvalidSelectors)) selectors_refused(sa, *n);
  PayloadWriter out;
  for (const auto& [protocol, spis] : answers)
    if (!ike && !spis.empty()) out.del(protocol, spis);
  answer_addresses(sa, p, out, now);
  if (!ike) redirected_later(sa, p, now);
  offer(sa, kResponse, out);
  sa.respond(out);
  if (ike) ended_by_peer(sa, refused, now);
}

}  // namespace simplon::ike
