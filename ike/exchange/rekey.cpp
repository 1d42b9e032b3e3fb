// Rekeying the IKE SA (RFC 7296 §1.3.2, §2.18): a successor takes the children over, the old SA is deleted.
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

// The initiator of the rekey deletes the old SA; if it never does, we do without it.
constexpr std::chrono::seconds kReplacedLives{30};

}  // namespace

IkeSa& IkeSa::successor(std::uint64_t spi_i, std::uint64_t spi_r, bool initiator, IkeKeys keys,
                        const Proposal& proposal, Now now) {
  auto made = std::make_unique<IkeSa>(core_, IkeSaId{core_.next_ike++}, initiator, local_, remote_, now);
  IkeSa& next = *made;
  next.spi_i_ = spi_i;
  next.spi_r_ = spi_r;
  next.state_ = State::kEstablished;
  next.local_id_ = local_id_;
  next.remote_id_ = remote_id_;
  next.nat_local_ = nat_local_;
  next.nat_remote_ = nat_remote_;
  next.keepalive_at_ = keepalive_at_;
  next.belong_to(connection_);
  next.proposal_ = proposal;
  next.group_ = proposal.groups[0];
  next.keys_ = std::move(keys);
  next.have_keys_ = true;
  next.established_at_ = now;
  next.children_ = std::exchange(children_, {});
  next.old_inbound_ = std::exchange(old_inbound_, {});
  next.tasks_ = std::exchange(tasks_, {});
  next.unwanted_ = unwanted_;
  for (const auto& [child_id, child] : next.children_)
    core_.by_sa[child.in->id] = core_.by_sa[child.out->id] = next.id_;
  next.set_lifetime(now);
  replaced_ = true;
  rekey_at_ = {};
  expire_at_ = now + kReplacedLives;
  core_.add(std::move(made));
  next.log(LogLevel::kInfo, "IKE SA rekeyed, replaces #" + std::to_string(static_cast<unsigned>(id_)));
  core_.outputs.emplace_back(IkeEvent{UpDown::kRekeyed, next.id_, id_});
  return next;
}

void IkeSa::complete_ike(const Payloads& p, const Proposal& chosen, Bytes shared, Now now) {
  if (chosen.spi.size() != 8 || !is_choice_of(chosen, connection_->proposals))
    return attempt_failed("the peer chose what we did not offer", now);
  const Attempt attempt = *std::exchange(attempt_, std::nullopt);
  const std::uint64_t spi_r = load_be64(chosen.spi.data());
  IkeKeys keys = derive_keys(chosen, shared, attempt.nonce, *p.nonce, attempt.ike_spi, spi_r, &keys_);
  IkeSa& next = successor(attempt.ike_spi, spi_r, true, std::move(keys), chosen, now);
  core_.finish(attempt.ticket, true);
  add_task(DeleteIke{}, now);
  next.next_task(now);
}

// §2.25.2: a successor takes over children that both sides agree on; what is being made or deleted comes
// first.
bool IkeSa::too_busy_for_rekey() const {
  return attempt_.has_value() || std::ranges::any_of(children_, [](const auto& c) {
           return c.second.state == ChildState::kRekeying || c.second.state == ChildState::kDeleting;
         });
}

void IkeSa::ike_rekey_request(const Payloads& p) {
  if (too_busy_for_rekey()) return respond_error(NotifyType::kTemporaryFailure);
  const auto chosen = choose(*p.sa, connection_->proposals);
  if (!chosen || chosen->spi.size() != 8 || chosen->groups.empty()) {
    ++core_.counters.no_proposal;
    log(LogLevel::kWarning,
        "the peer's rekeying of the IKE SA is refused: " + why_not(*p.sa, connection_->proposals));
    return respond_error(NotifyType::kNoProposalChosen);
  }
  const DhGroup group = chosen->groups[0];
  if (!key_exchange_fits(p, group, "rekeying of the IKE SA")) return;
  const Buffer nonce = core_.entropy.bytes(kNonceBytes);
  core_.submit(
      id_, group, Secret(core_.entropy.bytes(64)), p.ke->data,
      [chosen = *chosen, group, nonce, peer_nonce = *p.nonce](IkeSa& sa, const JobResult& result, Now at) {
        if (!result.ok) {
          sa.refuse_public_value("rekeying of the IKE SA");
          return sa.next_task(at);
        }
        const std::uint64_t spi_i = load_be64(chosen.spi.data()), spi_r = sa.core_.fresh_ike_spi();
        IkeKeys keys = derive_keys(chosen, result.shared.bytes(), peer_nonce, nonce, spi_i, spi_r, &sa.keys_);
        Proposal answer = chosen;
        Writer spi;
        spi.be64(spi_r);
        answer.spi = spi.take();
        PayloadWriter out;
        out.sa({answer});
        out.nonce(nonce);
        out.ke(group, result.public_value);
        sa.respond(out);
        sa.successor(spi_i, spi_r, false, std::move(keys), chosen, at).next_task(at);
      });
}

}  // namespace simplon::ike
