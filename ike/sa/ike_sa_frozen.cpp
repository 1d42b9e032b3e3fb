// SPDX-License-Identifier: Apache-2.0
// IkeSa: from one process to another.
#include <utility>

#include "ike/crypto/protection.h"
#include "ike/pad/digest.h"
#include "ike/sa/frozen.h"

namespace simplon::ike {
namespace {

// So far from the IVs that the process before us has used (RFC 5282 §3.1: none twice under one key). It may
// have sent messages that the record does not know of, but no more than this: each of them is a request or a
// response, and has a message ID of 32 bits that no other one has (RFC 7296 §2.2), and an IV for each of its
// fragments. What is sent again is the same octets, under the same IVs. The half of 2^64 that the record may
// name (possible() in frozen.cpp) has room for sixteen million adoptions under one key, and each brings a new
// key within minutes.
constexpr std::uint64_t kIvsOfOneLife = (std::uint64_t{1} << 33) * kMostFragments;

IkeKeys copy_of(const IkeKeys& keys) {
  const auto& [encr, integ, prf, sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr] = keys;
  return {encr,          integ,         prf,           sk_d.clone(),  sk_ai.clone(),
          sk_ar.clone(), sk_ei.clone(), sk_er.clone(), sk_pi.clone(), sk_pr.clone()};
}

}  // namespace

std::optional<Frozen> IkeSa::frozen() const {
  if ((!established() && !deleting()) || handshake_ || failed_) return std::nullopt;
  Frozen out{.id = id_,
             .role = role_,
             .deleting = deleting(),
             .end = end_,
             .spi_i = spi_i_,
             .spi_r = spi_r_,
             .path = path_,
             .first_remote = first_remote_,
             .local_id = local_id_,
             .remote_id = remote_id_,
             .connection = connection_->name,
             .peer = digest_of(connection_->peer()),
             .proposal = *proposal_,
             .group = group_,
             .keys = copy_of(*keys_),
             .iv = iv_,
             .times = times_,
             .window = window_.state()};
  for (const auto& [task, not_before] : tasks_.waiting()) out.tasks.emplace_back(task, not_before);
  children_.freeze(out);
  // Nothing is done with its response.
  if (!out.window.pending.empty() && !out.window.sent_for && !out.attempt) out.window.sent_for = Liveness{};
  return out;
}

IkeSa::IkeSa(Context& context, const Frozen& f, std::shared_ptr<const Connection> connection, Now now)
    : context_(context),
      id_(f.id),
      role_(f.role),
      state_(f.deleting ? State::kDeleting : State::kEstablished),
      end_(f.end),
      spi_i_(f.spi_i),
      spi_r_(f.spi_r),
      path_(f.path),
      first_remote_(f.first_remote),
      local_id_(f.local_id),
      remote_id_(f.remote_id),
      proposal_(f.proposal),
      group_(f.group),
      keys_(copy_of(f.keys)),
      iv_(f.iv + kIvsOfOneLife),
      times_(f.times),
      children_(context_, f.id, tasks_) {
  times_.heard = now;
  belong_to(std::move(connection));
  enter_identities();
  if (!initiator()) context_.by_initiator.try_emplace({spi_i_, first_remote_}, id_);
  window_.restore(f.window, context_.exchanges.on_response(f.window.sent_for), retransmission(), now);
  for (const auto& [task, not_before] : f.tasks) tasks_.push_later(task, not_before);
  children_.restore(f);
  if (!replaced())
    log(LogLevel::kInfo, "IKE SA adopted from the process before this one, with '" + remote_id_.text() +
                             "' at " + path_.remote.text() + ", " + std::to_string(children_.all().size()) +
                             " children");
}

void IkeSa::rekey_within(milliseconds spread, Now now) {
  if (!serving()) return;
  times_.rekey_at = rekey_soon({times_.rekey_at, times_.expire_at}, spread, now, context_.entropy);
  children_.rekey_within(spread, now);
}

}  // namespace simplon::ike
