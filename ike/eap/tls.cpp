// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/tls.h"

#include <algorithm>
#include <utility>

#include "ike/eap/tls_fragments.h"

namespace simplon::ike {
namespace {

constexpr unsigned kMostPackets = 100;  // enough for 64 kB from the peer

class TlsMethod final : public EapMethod {
 public:
  TlsMethod(const TlsSettings& settings, std::string identity)
      : role_(settings.role), session_(tls_session(settings)), identity_(std::move(identity)) {}
  EapType type() const override { return EapType::kTls; }
  Buffer begin() override {
    started_ = true;
    return tls_start();
  }
  Step<MethodAnswer> take(Bytes data) override;

 private:
  bool server() const { return role_ == TlsRole::kServer; }
  Step<MethodAnswer> shake_hands(Buffer in);
  MethodAnswer conclude(const WorkResult& result);
  MethodAnswer send();
  Step<MethodAnswer> acknowledged();
  std::string authenticated() const;

  TlsRole role_;
  std::shared_ptr<TlsSession> session_;
  std::string identity_;
  IncomingFlight incoming_;
  OutgoingFlight outgoing_;
  MethodAnswer result_;  // when `over_`
  bool started_ = false;
  bool over_ = false;  // TLS is; what it left to be sent may not be sent yet
  unsigned packets_ = 0;
};

Step<MethodAnswer> TlsMethod::take(Bytes data) {
  const auto fragment = parse_tls_fragment(data);
  if (!fragment) return method_failed("a packet cannot be read");
  if (++packets_ > kMostPackets) return method_failed("too many packets");
  if (!started_) {
    if (!fragment->start || fragment->more || !fragment->data.empty())
      return method_failed("no start from the server");
    started_ = true;
    return shake_hands({});
  }
  if (over_ || !outgoing_.empty()) {
    // An alert of ours is answered by whatever it may be (RFC 5216 §2.1.3).
    if (over_ && result_.state == MethodAnswer::State::kFailed) return std::move(result_);
    if (fragment->acknowledges()) return acknowledged();
    if (!over_ || !outgoing_.empty()) return method_failed("an unfinished message is not acknowledged");
    return method_failed("the peer is not content");  // an alert, when all was well for us
  }
  const auto whole = incoming_.add(*fragment);
  if (!whole) return method_failed(whole.error().what);
  if (!*whole) return method_goes_on(tls_acknowledgement());
  return shake_hands(incoming_.take());
}

Step<MethodAnswer> TlsMethod::acknowledged() {
  if (!outgoing_.empty()) return send();
  return std::move(result_);
}

Step<MethodAnswer> TlsMethod::shake_hands(Buffer in) {
  return Later<MethodAnswer>{TlsStep{session_, std::move(in)},
                             [this](const WorkResult& result) { return conclude(result); }};
}

MethodAnswer TlsMethod::conclude(const WorkResult& result) {
  const auto* tls = std::get_if<TlsStepResult>(&result);
  if (tls == nullptr || tls->out.size() > kLongestFlight) return method_failed("TLS has no answer");
  outgoing_.load(tls->out);
  over_ = tls->state != TlsStepResult::State::kGoOn;
  if (tls->state == TlsStepResult::State::kFailed) {
    result_ = method_failed(tls->why);
    if (server() && !tls->out.empty()) return send();  // the alert; the peer answers, then it is over
    if (server()) return std::move(result_);
    return method_failed(tls->why, outgoing_.next());  // to an alert of the server: an acknowledgement
  }
  if (over_) {
    result_.state = MethodAnswer::State::kDone;
    result_.msk = tls->msk.clone();
    result_.names = tls->names;
    result_.identity = authenticated();
  } else if (server() && tls->out.empty()) {
    return method_failed("the peer sent a part of a TLS message");
  }
  return send();
}

// The client is done with its last piece, the server when that is acknowledged.
MethodAnswer TlsMethod::send() {
  Buffer piece = outgoing_.next();
  if (server() || !over_ || !outgoing_.empty()) return method_goes_on(std::move(piece), result_.why);
  MethodAnswer out = std::move(result_);
  out.data = std::move(piece);
  return out;
}

std::string TlsMethod::authenticated() const {
  const auto claimed = Identity::parse(identity_);
  if (claimed && !claimed->is_any() && std::ranges::find(result_.names, *claimed) != result_.names.end())
    return identity_;
  return result_.names.empty() ? std::string{} : result_.names.front().text();
}

}  // namespace

std::unique_ptr<EapMethod> eap_tls_server(const Shared<Credential>& ours, const Shared<Trust>& trust,
                                          std::string identity) {
  return std::make_unique<TlsMethod>(TlsSettings{TlsRole::kServer, ours, trust}, std::move(identity));
}
std::unique_ptr<EapMethod> eap_tls_client(const Shared<Credential>& ours, const Shared<Trust>& trust,
                                          TlsVersion highest) {
  return std::make_unique<TlsMethod>(TlsSettings{TlsRole::kClient, ours, trust, highest}, std::string{});
}

}  // namespace simplon::ike
