// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/signature_hashes.h"

#include <algorithm>

namespace simplon::ike {
namespace {

bool signs(const Peer& peer) {
  return peer.local_auth == AuthKind::kPubkey || peer.remote_auth == AuthKind::kPubkey;
}

bool wanted(const IkeSa& sa) {
  if (sa.initiator()) return signs(sa.peer());
  const Handshake& h = *sa.handshake();
  return !h.signatures.hashes.empty() &&
         std::ranges::any_of(h.candidates, [](const auto& c) { return signs(*c); });
}

}  // namespace

void offer_signature_hashes(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  if (kind.exchange != Exchange::kIkeSaInit || !wanted(sa)) return;
  Writer data;
  for (const HashId hash : our_hashes()) data.be16(static_cast<std::uint16_t>(hash));
  out.notify(NotifyType::kSignatureHashAlgorithms, data.view());
}

void accept_signature_hashes(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange != Exchange::kIkeSaInit) return;
  const Notify* said = payloads.find(NotifyType::kSignatureHashAlgorithms);
  if (said == nullptr) return;
  auto& hashes = sa.handshake()->signatures.hashes;
  hashes.clear();
  Reader in(said->data);
  for (HashId hash{in.be16()}; in.ok(); hash = HashId{in.be16()})
    if (std::ranges::find(kHashes, hash) != kHashes.end() && std::ranges::find(hashes, hash) == hashes.end())
      hashes.push_back(hash);
}

}  // namespace simplon::ike
