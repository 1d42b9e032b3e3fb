// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/client.h"

#include <algorithm>
#include <utility>

#include "ike/eap/mschapv2.h"
#include "ike/eap/tls.h"

namespace simplon::ike {
namespace {

constexpr unsigned kMostRounds = 250;  // a method has a limit of its own

class Client final : public EapClient {
 public:
  explicit Client(EapClientSettings settings) : settings_(std::move(settings)) {
    settings_.random.resize(kEapClientRandomBytes);
  }
  Step<EapAnswer> answer(Bytes request) override;

 private:
  EapAnswer respond(EapType type, Buffer data) const {
    EapAnswer out;
    out.state = EapAnswer::State::kGoOn;
    out.packet = write_eap({EapCode::kResponse, id_, type, std::move(data)});
    return out;
  }
  EapAnswer failure(std::string why) {
    over_ = true;
    EapAnswer out;
    out.why = std::move(why);
    return out;
  }
  EapAnswer end(EapCode code);
  Step<EapAnswer> request(const EapPacket& packet);
  Step<EapAnswer> speak(const EapPacket& packet);
  Step<EapAnswer> go_on(Step<MethodAnswer> step);
  EapAnswer conclude(MethodAnswer from);
  std::unique_ptr<EapMethod> make(EapType type) const;

  EapClientSettings settings_;
  std::unique_ptr<EapMethod> method_;  // none: it has not begun
  MethodAnswer result_;                // kDone: EAP-Success is believed; else why it has failed
  bool concluded_ = false;             // the method is over, result_ says how
  bool busy_ = false, over_ = false;
  std::uint8_t id_ = 0;
  unsigned rounds_ = 0;
};

std::unique_ptr<EapMethod> Client::make(EapType type) const {
  if (type == EapType::kTls)
    return eap_tls_client(settings_.credential, settings_.trust, settings_.highest_tls);
  if (type == EapType::kMsChapV2)
    return mschapv2_client(settings_.random, settings_.identity, settings_.password);
  return nullptr;
}

Step<EapAnswer> Client::answer(Bytes request_octets) {
  if (busy_ || over_) return failure("an EAP request out of turn");
  const auto packet = parse_eap(request_octets);
  if (!packet) return failure(packet.error().what);
  if (++rounds_ > kMostRounds) return failure("an EAP conversation without an end");
  switch (packet->code) {
    case EapCode::kSuccess:
    case EapCode::kFailure:
      return end(packet->code);
    case EapCode::kRequest:
      id_ = packet->id;
      return request(*packet);
    case EapCode::kResponse:
      break;
  }
  return failure("an EAP packet that is no request");
}

// RFC 3748 §4.2: a success that the method has not reached is no success.
EapAnswer Client::end(EapCode code) {
  if (concluded_ && result_.state == MethodAnswer::State::kFailed) return failure(result_.why);
  if (code == EapCode::kFailure) return failure("the peer refuses us (EAP-Failure)");
  if (!concluded_) return failure("an EAP-Success before the method is done");
  over_ = true;
  EapAnswer out;
  out.state = EapAnswer::State::kSuccess;
  out.msk = std::move(result_.msk);
  out.names = std::move(result_.names);
  return out;
}

Step<EapAnswer> Client::request(const EapPacket& packet) {
  if (packet.type == EapType::kNotification) return respond(EapType::kNotification, {});
  if (concluded_) return failure(result_.why.empty() ? "an EAP request when all is done" : result_.why);
  if (packet.type == EapType::kIdentity && !method_)
    return respond(EapType::kIdentity, Buffer(settings_.identity.begin(), settings_.identity.end()));
  if (method_ && packet.type != method_->type())
    return failure(name(packet.type) + " in the midst of " + name(method_->type()));
  if (!method_ && std::ranges::find(settings_.methods, packet.type) != settings_.methods.end())
    method_ = make(packet.type);
  if (method_) return speak(packet);
  // RFC 3748 §5.3.1; to an expanded type as well, as one that knows none answers (§5.3.2).
  Buffer ours(settings_.methods.size());
  std::ranges::transform(settings_.methods, ours.begin(),
                         [](EapType t) { return static_cast<std::uint8_t>(t); });
  if (ours.empty()) ours.push_back(static_cast<std::uint8_t>(EapType::kNone));
  return respond(EapType::kNak, std::move(ours));
}

Step<EapAnswer> Client::speak(const EapPacket& packet) { return go_on(method_->take(packet.data)); }

Step<EapAnswer> Client::go_on(Step<MethodAnswer> step) {
  if (auto* now = std::get_if<MethodAnswer>(&step)) return conclude(std::move(*now));
  auto& later = std::get<Later<MethodAnswer>>(step);
  busy_ = true;
  return Later<EapAnswer>{
      std::move(later.work),
      [this, finish = std::move(later.finish)](const WorkResult& result) -> Step<EapAnswer> {
        busy_ = false;
        if (over_) return failure("an EAP packet came too early");
        return go_on(finish(result));
      }};
}

// A method that failed may have something to say to the server; then the server has the last word.
EapAnswer Client::conclude(MethodAnswer from) {
  if (from.state == MethodAnswer::State::kGoOn) return respond(method_->type(), std::move(from.data));
  result_ = std::move(from);
  concluded_ = true;
  const bool failed = result_.state == MethodAnswer::State::kFailed;
  if (failed) result_.why = name(method_->type()) + ": " + result_.why;
  if (failed && result_.data.empty()) return failure(result_.why);
  return respond(method_->type(), std::move(result_.data));
}

}  // namespace

std::unique_ptr<EapClient> eap_client(EapClientSettings settings) {
  return std::make_unique<Client>(std::move(settings));
}

}  // namespace simplon::ike
