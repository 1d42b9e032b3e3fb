// SPDX-License-Identifier: Apache-2.0
#include "ike/feature/auth_methods.h"

#include <algorithm>
#include <array>

#include "ike/crypto/signature_names.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kMostAnnouncements = 64;  // of a peer; what stands behind is not looked at
constexpr std::uint8_t kNoLink = 0;             // to none of the authorities of CERTREQ (§3.2.2)

// §3.2.1, §3.2.2, §3.2.3: two, three or more octets. The first is the length of all.
void announce(AuthMethod method, Writer& out) {
  out.u8(2);
  out.u8(static_cast<std::uint8_t>(method));
}
void announce_with_link(AuthMethod method, Bytes algorithm, Writer& out) {
  out.u8(static_cast<std::uint8_t>(3 + algorithm.size()));
  out.u8(static_cast<std::uint8_t>(method));
  out.u8(kNoLink);
  out.bytes(algorithm);
}

void announce_signatures(WeakAlgorithms weak, Writer& out) {
  for (const Buffer& algorithm : signature_algorithms())
    announce_with_link(AuthMethod::kDigitalSignature, algorithm, out);
  for (const AuthMethod method : {AuthMethod::kEcdsaP256, AuthMethod::kEcdsaP384, AuthMethod::kEcdsaP521})
    announce_with_link(method, {}, out);
  if (weak == WeakAlgorithms::kAllow) announce_with_link(AuthMethod::kRsa, {}, out);
}

// EAP has no announcement: who wants it sends no AUTH payload.
struct Taken {
  bool psk = false, null = false, signatures = false;
  WeakAlgorithms weak = WeakAlgorithms::kRefuse;

  void add(const Peer& peer) {
    psk |= peer.remote_auth == AuthKind::kPsk;
    null |= peer.remote_auth == AuthKind::kNull;
    if (peer.remote_auth != AuthKind::kPubkey || !peer.trust) return;
    signatures = true;
    if (peer.trust->weak == WeakAlgorithms::kAllow) weak = WeakAlgorithms::kAllow;
  }
};

// What the peer announces, as far as we know it.
struct Announced {
  bool psk = false, null = false, older = false, pss = false, pkcs1 = false;
  std::vector<HashId> hashes;  // of method 14

  void add(AuthMethod method, Bytes behind) {
    constexpr std::array kOlder{AuthMethod::kRsa, AuthMethod::kEcdsaP256, AuthMethod::kEcdsaP384,
                                AuthMethod::kEcdsaP521};
    psk |= method == AuthMethod::kSharedKey;
    null |= method == AuthMethod::kNull;
    older |= std::ranges::count(kOlder, method) != 0;
    if (method != AuthMethod::kDigitalSignature || behind.empty()) return;
    const auto named = named_signature(behind.subspan(1));  // behind the link
    if (!named) return;
    pss |= named->padding == RsaPadding::kPss;
    pkcs1 |= named->padding == RsaPadding::kPkcs1;
    if (std::ranges::find(hashes, named->hash) == hashes.end()) hashes.push_back(named->hash);
  }
  bool takes(AuthKind kind) const {
    switch (kind) {
      case AuthKind::kPsk:
        return psk;
      case AuthKind::kPubkey:
        return older || !hashes.empty();
      case AuthKind::kNull:
        return null;
      case AuthKind::kEap:
        break;
    }
    return true;
  }
};

Announced parse(Bytes data) {
  Announced out;
  Reader in(data);
  for (std::size_t n = 0; n < kMostAnnouncements && in.left() != 0; ++n) {
    const std::size_t length = in.u8();
    if (length < 2) break;
    const Bytes body = in.take(length - 1);
    if (!in.ok()) break;
    out.add(AuthMethod{body[0]}, body.subspan(1));
  }
  return out;
}

const char* text(AuthKind kind) {
  switch (kind) {
    case AuthKind::kPsk:
      return "a shared key";
    case AuthKind::kPubkey:
      return "signatures that we make";
    case AuthKind::kNull:
      return "anonymous peers";
    case AuthKind::kEap:
      break;
  }
  return "EAP";
}

}  // namespace

void offer_auth_methods(const IkeSa& sa, MessageKind kind, PayloadWriter& out) {
  const bool in_init = kind.exchange == Exchange::kIkeSaInit && kind.response;
  const bool in_auth = kind.exchange == Exchange::kIkeAuth && !kind.response;
  if (!in_init && !(in_auth && sa.handshake()->peer_announces)) return;
  Taken taken;
  if (in_auth)
    taken.add(sa.peer());
  else
    for (const auto& candidate : sa.handshake()->candidates) taken.add(*candidate);
  if (!taken.signatures) return;
  Writer data;
  if (taken.psk) announce(AuthMethod::kSharedKey, data);
  if (taken.null) announce(AuthMethod::kNull, data);
  announce_signatures(taken.weak, data);
  out.notify(NotifyType::kSupportedAuthMethods, data.view());
}

void note_auth_methods(IkeSa& sa, const Payloads& payloads) {
  const Notify* said = payloads.find(NotifyType::kSupportedAuthMethods);
  if (said == nullptr) return;
  sa.handshake()->peer_announces = true;
  if (said->data.empty()) return;
  const Announced announced = parse(said->data);
  PeerSignatures& signatures = sa.handshake()->signatures;
  std::erase_if(signatures.hashes, [&](HashId hash) {
    return std::ranges::find(announced.hashes, hash) == announced.hashes.end();
  });
  if (announced.pss != announced.pkcs1)
    signatures.padding = announced.pss ? RsaPadding::kPss : RsaPadding::kPkcs1;
  if (const AuthKind ours = sa.peer().local_auth; !announced.takes(ours))
    sa.log(LogLevel::kWarning, std::string("the peer announces that it does not take ") + text(ours) +
                                   " (SUPPORTED_AUTH_METHODS)");
}

void accept_auth_methods(IkeSa& sa, MessageKind kind, const Payloads& payloads) {
  if (kind.exchange == Exchange::kIkeSaInit && kind.response) note_auth_methods(sa, payloads);
}

}  // namespace simplon::ike
