// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/relay.h"

#include <algorithm>
#include <array>
#include <utility>

namespace simplon::ike {
namespace {

constexpr std::size_t kLongestIdentity = 253;  // a RADIUS attribute (RFC 2865 §5.1)
// Some methods take dozens; a server that never ends would hold a handshake for ever.
constexpr unsigned kMostRounds = 250;
constexpr std::size_t kLeastMsk = 64;  // RFC 3748 §7.10

using Verdict = RelayEapResult::Verdict;

// EAP-TLS, TTLS, PEAP, FAST, TEAP: the identity that comes before is for finding the server (RFC 3748 §7.3).
constexpr std::array kInTls{13U, 21U, 25U, 43U, 55U};

class RelayServer final : public EapServer {
 public:
  explicit RelayServer(RelaySettings settings) : settings_(std::move(settings)), id_(settings_.first_id) {}

  Step<EapAnswer> begin(std::string_view identity) override;
  Step<EapAnswer> answer(Bytes response) override;

 private:
  EapAnswer failure(std::string why, Buffer packet = {});
  bool take_identity(Bytes identity);
  Step<EapAnswer> relay(Buffer eap);
  EapAnswer answered(const RelayEapResult& result);
  EapAnswer challenged(const RelayEapResult& result);
  EapAnswer accepted(const RelayEapResult& result);

  RelaySettings settings_;
  std::string user_;  // empty: it was asked for
  Buffer state_;      // of the RADIUS server
  std::uint8_t id_;   // of the last request
  unsigned rounds_ = 0;
  EapType method_{};
  bool busy_ = false, over_ = false;
};

// The server's own EAP-Failure, where it sent one.
EapAnswer RelayServer::failure(std::string why, Buffer packet) {
  over_ = true;
  EapAnswer out;
  out.why = std::move(why);
  out.packet = packet.empty() ? write_eap({EapCode::kFailure, id_, {}, {}}) : std::move(packet);
  return out;
}

// It goes to the log, and to an attribute of text.
bool RelayServer::take_identity(Bytes identity) {
  const auto control = [](std::uint8_t c) { return c < 0x20 || c == 0x7f; };
  if (identity.empty() || identity.size() > kLongestIdentity || std::ranges::any_of(identity, control))
    return false;
  user_.assign(identity.begin(), identity.end());
  return true;
}

// RFC 3579 §2.1: an identity that is known needs no question; the server gets it as the answer to one.
Step<EapAnswer> RelayServer::begin(std::string_view identity) {
  if (identity.empty()) {
    EapAnswer out;
    out.state = EapAnswer::State::kGoOn;
    out.packet = write_eap({EapCode::kRequest, id_, EapType::kIdentity, {}});
    return out;
  }
  const Buffer bytes(identity.begin(), identity.end());
  if (!take_identity(bytes)) return failure("an identity that no RADIUS server can be told");
  return relay(write_eap({EapCode::kResponse, id_, EapType::kIdentity, bytes}));
}

Step<EapAnswer> RelayServer::answer(Bytes response) {
  if (busy_ || over_) return failure("an EAP response out of turn");
  const auto packet = parse_eap(response);
  if (!packet) return failure(packet.error().what);
  if (packet->code != EapCode::kResponse) return failure("an EAP packet that is no response");
  if (packet->id != id_) return failure("an EAP response to another request");
  if (++rounds_ > kMostRounds) return failure("an EAP conversation without an end");
  if (user_.empty() && (packet->type != EapType::kIdentity || !take_identity(packet->data)))
    return failure("no usable identity in an EAP response");
  if (packet->type != EapType::kIdentity && packet->type != EapType::kNak) method_ = packet->type;
  return relay(Buffer(response.begin(), response.end()));
}

Step<EapAnswer> RelayServer::relay(Buffer eap) {
  busy_ = true;
  return Later<EapAnswer>{RelayEap{.group = settings_.group,
                                   .eap = std::move(eap),
                                   .state = std::exchange(state_, {}),
                                   .user = user_,
                                   .calling = settings_.calling,
                                   .called = settings_.called,
                                   .nas_port = settings_.nas_port},
                          [this](const WorkResult& result) {
                            busy_ = false;
                            if (over_) return failure("an EAP packet came too early");
                            const auto* mine = std::get_if<RelayEapResult>(&result);
                            return mine == nullptr ? failure("no answer of a RADIUS server")
                                                   : answered(*mine);
                          }};
}

// RFC 3579 §2.6.3: the RADIUS packet decides; what EAP says beside it must not say another thing.
EapAnswer RelayServer::answered(const RelayEapResult& result) {
  switch (result.verdict) {
    case Verdict::kChallenge:
      return challenged(result);
    case Verdict::kAccept:
      return accepted(result);
    case Verdict::kReject: {
      const auto packet = parse_eap(result.eap);
      const bool says_so = packet && packet->code == EapCode::kFailure;
      return failure(result.why, says_so ? result.eap : Buffer{});
    }
    case Verdict::kUnreachable:
      break;
  }
  return failure(result.why);
}

EapAnswer RelayServer::challenged(const RelayEapResult& result) {
  const auto packet = parse_eap(result.eap);
  if (!packet || packet->code != EapCode::kRequest)
    return failure("the RADIUS server sent a challenge without an EAP request");
  id_ = packet->id;
  state_ = result.state;
  EapAnswer out;
  out.state = EapAnswer::State::kGoOn;
  out.packet = result.eap;
  return out;
}

EapAnswer RelayServer::accepted(const RelayEapResult& result) {
  const auto packet = parse_eap(result.eap);
  if (!packet || packet->code != EapCode::kSuccess)
    return failure("the RADIUS server accepted the user, but without an EAP-Success");
  if (result.msk.size() < kLeastMsk)
    return failure("the RADIUS server sent no keys: the EAP method makes none, or the server keeps them");
  // What the user calls itself outside of TLS nobody has proved.
  if (result.grant.user_name.empty() &&
      std::ranges::find(kInTls, static_cast<unsigned>(method_)) != kInTls.end())
    return failure(
        "the RADIUS server does not say who the user is: with EAP in TLS its Access-Accept needs a "
        "User-Name");
  over_ = true;
  EapAnswer out;
  out.state = EapAnswer::State::kSuccess;
  out.packet = result.eap;
  out.msk = result.msk.clone();
  out.identity = result.grant.user_name.empty() ? user_ : result.grant.user_name;
  out.grant = result.grant;
  return out;
}

}  // namespace

std::unique_ptr<EapServer> relay_server(RelaySettings settings) {
  return std::make_unique<RelayServer>(std::move(settings));
}

}  // namespace simplon::ike
