// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/create_child_failed.h"

#include <algorithm>
#include <utility>

#include "ike/exchange/create_child.h"

namespace simplon::ike {
namespace {

constexpr std::chrono::seconds kRetryTask{3};  // after TEMPORARY_FAILURE, plus jitter
constexpr unsigned kMostGroups = 3;            // other groups that one attempt follows
constexpr unsigned kMostDoublings = 5;         // of it, when a rekey fails again and again
constexpr unsigned kMostRefused = 10;          // times that whoever waits waits through TEMPORARY_FAILURE

// Another group that the peer asks for. True: the attempt goes on with it.
bool retry_with_group(IkeSa& sa, const Payloads& p, Now now) {
  const Notify* n = p.find(NotifyType::kInvalidKePayload);
  if (n == nullptr || n->data.size() != 2) return false;
  auto& attempt = sa.children().attempt();
  const DhGroup wanted{load_be16(n->data.data())};
  const auto& proposals = attempt->of_ike() ? sa.peer().proposals : attempt->config.proposals;
  const bool ours = std::ranges::any_of(
      proposals, [&](const Proposal& q) { return std::ranges::find(q.groups, wanted) != q.groups.end(); });
  if (!ours || wanted == attempt->group || ++attempt->tries > kMostGroups) return false;
  Attempt again = *std::exchange(attempt, std::nullopt);
  again.group = wanted;
  start_attempt(sa, std::move(again), now);
  return true;
}

// With jitter, so that two ends that refused each other do not meet again at once. `failed`: how often so
// far.
Now again(IkeSa& sa, Now now, unsigned failed = 0) {
  return now + kRetryTask * (1u << std::min(failed, kMostDoublings)) +
         milliseconds(sa.context().entropy.below(3000));
}

// §2.25: the peer is in the middle of something. Whoever waits for our attempt, be it a packet or the other
// half of a bundle, waits for another one. False: nobody does, or it has been too often.
bool try_later(IkeSa& sa, Now now) {
  auto& attempt = sa.children().attempt();
  const bool awaited =
      attempt->ticket != 0 || attempt->packet || attempt->dscp_class != 0 ||
      (attempt->replaces == ChildSaId{} && !attempt->of_ike() && !attempt->config.other_half.empty());
  if (!awaited || attempt->refused >= kMostRefused) return false;
  const Attempt refused = *std::exchange(attempt, std::nullopt);
  Child* const old = sa.children().find(refused.replaces);
  if (old != nullptr && old->state == ChildState::kRekeying) old->state = ChildState::kInstalled;
  sa.tasks().push_later(again_for(refused, refused.refused + 1), again(sa, now));
  sa.run_tasks(now);
  return true;
}

// The peer does not know the child that is to be replaced: a new one instead (§2.25).
void replaced_is_gone(IkeSa& sa, Now now) {
  auto& attempt = sa.children().attempt();
  if (sa.children().find(attempt->replaces) == nullptr)
    return attempt_failed(sa, "the peer deleted the child", now);
  CreateChild again = another_like(*sa.children().find(attempt->replaces));
  again.ticket = attempt->ticket;
  sa.children().remove(attempt->replaces, now, ChildSet::OldInboundSa::kGoes);
  attempt.reset();
  sa.tasks().push_first(again);
}

// Another SA of a class is asked for as long as it has traffic, and class 0 serves it meanwhile.
bool is_news(IkeSa& sa, const Attempt& failed) {
  return failed.of_ike() || failed.dscp_class == 0 || failed.replaces != ChildSaId{} ||
         sa.children().note_refused_class(failed.config.name, failed.dscp_class);
}

std::string offer_text(const IkeSa& sa) {
  const Attempt& attempt = *sa.children().attempt();
  if (attempt.of_ike()) return text(sa.peer().proposals);
  return text(attempt.config.proposals) + " for " +
         effective_selectors(attempt.config, sa.path(), attempt.packet).text();
}

}  // namespace

void refused(IkeSa& sa, const Payloads& p, const Notify& n, Now now) {
  if (sa.children().attempt_done_by_peer() || retry_with_group(sa, p, now)) return;
  if (n.type == NotifyType::kChildSaNotFound && sa.children().attempt()->replaces != ChildSaId{})
    return replaced_is_gone(sa, now);
  if (n.type == NotifyType::kTemporaryFailure && try_later(sa, now)) return;
  if (n.type == NotifyType::kTsUnacceptable) ++sa.context().counters.ts_unacceptable;
  if (n.type == NotifyType::kNoProposalChosen) ++sa.context().counters.no_proposal;
  if (n.type == NotifyType::kTemporaryFailure)
    return attempt_failed(sa, "the peer refuses: " + name(n.type), now, Failure::kTemporary);
  attempt_failed(sa, "the peer refuses: " + name(n.type) + "; we offered " + offer_text(sa), now);
}

void not_taken(IkeSa& sa, const std::string& why, Now now) {
  if (const Attempt& attempt = *sa.children().attempt(); !attempt.of_ike())
    sa.tasks().push_first(DeleteUnmade{attempt.config.protocol, attempt.spi});
  attempt_failed(sa, why, now);
}

void attempt_failed(IkeSa& sa, const std::string& why, Now now, Failure failure) {
  Context& context = sa.context();
  const Attempt failed = *std::exchange(sa.children().attempt(), std::nullopt);
  sa.log(is_news(sa, failed) ? LogLevel::kWarning : LogLevel::kInfo,
         (failed.of_ike() ? "rekeying the IKE SA" : "child " + failed.config.name) + " failed: " + why);
  context.finish(failed.ticket, false, why);
  if (failed.packet)
    context.refusals.add(name_of_class(sa.peer().name, failed.config.name, failed.dscp_class), *failed.packet,
                         now);
  const auto next = [&](unsigned& failures) {
    return again(sa, now, failure == Failure::kLasting ? failures++ : 0);
  };
  Child* const old = sa.children().find(failed.replaces);
  if (failed.of_ike()) {
    sa.times().rekey_at = next(sa.times().rekeys_failed);
  } else if (old != nullptr) {
    if (old->state == ChildState::kRekeying) old->state = ChildState::kInstalled;
    old->rekey_at = next(old->rekeys_failed);
  } else if (failed.config.start == StartAction::kStart && failed.dscp_class == 0) {
    context.retry(sa.peer().name, Context::Again::kLater, Context::Cause::kConfigured, now);
  }
  if (!failed.of_ike()) sa.children().not_made(failed.config);
  sa.run_tasks(now);
}

}  // namespace simplon::ike
