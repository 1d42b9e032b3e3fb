// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/rekey.h"

#include <algorithm>
#include <utility>

#include "ike/exchange/create_child.h"
#include "ike/exchange/create_child_failed.h"
#include "ike/exchange/create_child_request.h"

namespace simplon::ike {
namespace {

constexpr const char* kWhat = "rekeying of the IKE SA";

Buffer be64(std::uint64_t spi) {
  Writer out;
  out.be64(spi);
  return out.take();
}

IkeSa& make_successor(IkeSa& sa, IkeSa::Rekeyed to, Now now) {
  Context& context = sa.context();
  IkeSa& next = context.add(std::make_unique<IkeSa>(sa, IkeSaId{context.next_ike++}, std::move(to), now));
  next.log(LogLevel::kInfo, "IKE SA rekeyed, replaces #" + std::to_string(static_cast<unsigned>(sa.id())));
  context.outputs.emplace_back(IkeEvent{UpDown::kRekeyed, next.id(), sa.id()});
  return next;
}

// §2.25.2: a successor takes over children that both ends agree on; what is being made or deleted comes
// first.
bool too_busy(const IkeSa& sa) {
  return sa.children().attempt() || std::ranges::any_of(sa.children().all(), [](const auto& c) {
           return c.second.state == ChildState::kRekeying || c.second.state == ChildState::kDeleting;
         });
}

struct Request {  // of the peer, while its key exchange is computed
  Proposal chosen;
  DhGroup group{};
  Buffer peer_nonce, nonce;
};

void complete(IkeSa& sa, const Request& request, const DhResult& result, Now now) {
  if (!result.ok) {
    refuse_public_value(sa, kWhat);
    return sa.run_tasks(now);
  }
  const std::uint64_t spi_i = load_be64(request.chosen.spi.data()), spi_r = sa.context().fresh_ike_spi();
  IkeKeys keys = derive_keys(request.chosen, result.shared.bytes(), request.peer_nonce, request.nonce, spi_i,
                             spi_r, &sa.keys());
  Proposal answer = request.chosen;
  answer.spi = be64(spi_r);
  PayloadWriter out;
  out.sa({answer});
  out.nonce(request.nonce);
  out.ke(request.group, result.public_value);
  sa.respond(out);
  make_successor(sa, {spi_i, spi_r, Role::kResponder, std::move(keys), request.chosen}, now).run_tasks(now);
}

}  // namespace

void run(IkeSa& sa, const RekeyIke& task, Now now) {
  if (!sa.children().may_name_all(now)) return sa.tasks().push_later(task, now + kAskAgain);
  start_attempt(sa,
                {.what = Attempt::What::kIkeSa,
                 .config = {},
                 .ike_spi = sa.context().fresh_ike_spi(),
                 .group = sa.group(),
                 .ticket = task.ticket,
                 .refused = task.refused},
                now);
}

void offer_ike(const IkeSa& sa, const Attempt& attempt, Bytes public_value, PayloadWriter& out) {
  std::vector<Proposal> proposals = sa.peer().proposals;
  std::uint8_t n = 0;
  for (Proposal& p : proposals) p.number = ++n, p.spi = be64(attempt.ike_spi);
  out.sa(proposals);
  out.nonce(attempt.nonce);
  out.ke(attempt.group, public_value);
}

void complete_ike(IkeSa& sa, const Payloads& p, Bytes shared, Now now) {
  const Proposal& chosen = (*p.sa)[0];
  if (chosen.spi.size() != 8 || !is_choice_of(chosen, sa.peer().proposals))
    return attempt_failed(sa, "the peer chose what we did not offer", now);
  const Attempt attempt = *std::exchange(sa.children().attempt(), std::nullopt);
  const std::uint64_t spi_r = load_be64(chosen.spi.data());
  IkeKeys keys = derive_keys(chosen, shared, attempt.nonce, *p.nonce, attempt.ike_spi, spi_r, &sa.keys());
  IkeSa& next = make_successor(sa, {attempt.ike_spi, spi_r, Role::kInitiator, std::move(keys), chosen}, now);
  sa.context().finish(attempt.ticket, true);
  sa.add_task(DeleteIke{}, now);
  next.run_tasks(now);
}

void ike_rekey_request(IkeSa& sa, const Payloads& p) {
  if (too_busy(sa)) return sa.respond_error(NotifyType::kTemporaryFailure);
  Context& context = sa.context();
  const auto chosen = choose(*p.sa, sa.peer().proposals);
  if (!chosen || chosen->spi.size() != 8 || chosen->groups.empty()) {
    ++context.counters.no_proposal;
    sa.log(LogLevel::kWarning,
           "the peer's rekeying of the IKE SA is refused: " + why_not(*p.sa, sa.peer().proposals));
    return sa.respond_error(NotifyType::kNoProposalChosen);
  }
  const DhGroup group = chosen->groups[0];
  if (!key_exchange_fits(sa, p, group, kWhat)) return;
  const Request request{*chosen, group, *p.nonce, context.entropy.bytes(kNonceBytes)};
  context.submit(sa.id(), DiffieHellman{group, Secret(context.entropy.bytes(kDhRandomBytes)), p.ke->data},
                 [request](IkeSa& waiting, const DhResult& result, Now now) {
                   complete(waiting, request, result, now);
                 });
}

}  // namespace simplon::ike
