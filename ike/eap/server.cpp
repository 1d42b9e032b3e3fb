// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/server.h"

#include <algorithm>
#include <utility>

#include "ike/eap/mschapv2.h"
#include "ike/eap/tls.h"

namespace simplon::ike {
namespace {

static_assert(kEapRandomBytes == 16 * kMsChapTries + 1);
constexpr std::size_t kLongestIdentity = 256;
constexpr unsigned kMostRounds =
    250;  // a method has a limit of its own; below 256: no identifier comes twice

class Server final : public EapServer {
 public:
  explicit Server(EapServerSettings settings) : settings_(std::move(settings)) {
    settings_.random.resize(kEapRandomBytes);
    id_ = settings_.random.back();
  }

  Step<EapAnswer> begin(std::string_view identity) override {
    identity_ = identity;
    if (identity.empty()) return request(EapType::kIdentity, {});
    return begin_method(0);
  }
  Step<EapAnswer> answer(Bytes response) override;

 private:
  EapAnswer request(EapType type, Buffer data) {
    EapAnswer out;
    out.state = EapAnswer::State::kGoOn;
    out.packet = write_eap({EapCode::kRequest, ++id_, type, std::move(data)});
    return out;
  }
  EapAnswer failure(std::string why) {
    over_ = true;
    EapAnswer out;
    out.why = std::move(why);
    out.packet = write_eap({EapCode::kFailure, id_, {}, {}});
    return out;
  }
  EapAnswer begin_method(std::size_t row);
  Step<EapAnswer> speak(Bytes data);
  Step<EapAnswer> go_on(Step<MethodAnswer> step);
  EapAnswer conclude(MethodAnswer from);
  EapAnswer another_method(Bytes wanted);
  std::unique_ptr<EapMethod> make(EapType type) const;

  EapServerSettings settings_;
  std::string identity_;
  std::unique_ptr<EapMethod> method_;  // none: the identity was asked for
  std::vector<EapType> tried_;
  bool begun_ = false;  // the peer has answered to the method: no Nak any more
  bool busy_ = false, over_ = false;
  std::uint8_t id_ = 0;
  unsigned rounds_ = 0;
};

std::unique_ptr<EapMethod> Server::make(EapType type) const {
  if (type == EapType::kTls) return eap_tls_server(settings_.credential, settings_.trust, identity_);
  if (type == EapType::kMsChapV2)
    return mschapv2_server(Bytes(settings_.random).first(kEapRandomBytes - 1), settings_.name,
                           settings_.password);
  return nullptr;
}

EapAnswer Server::begin_method(std::size_t row) {
  if (row >= settings_.methods.size()) return failure("no EAP method is configured");
  const EapType type = settings_.methods[row];
  tried_.push_back(type);
  method_ = make(type);
  if (!method_) return failure(name(type) + " is not supported");
  return request(type, method_->begin());
}

Step<EapAnswer> Server::answer(Bytes response) {
  if (busy_ || over_) return failure("an EAP response out of turn");
  const auto packet = parse_eap(response);
  if (!packet) return failure(packet.error().what);
  if (packet->code != EapCode::kResponse) return failure("an EAP packet that is no response");
  if (packet->id != id_) return failure("an EAP response to another request");
  if (++rounds_ > kMostRounds) return failure("an EAP conversation without an end");
  if (!method_) {
    if (packet->type != EapType::kIdentity || packet->data.empty() || packet->data.size() > kLongestIdentity)
      return failure("no identity in an EAP response");
    identity_.assign(packet->data.begin(), packet->data.end());
    return begin_method(0);
  }
  if (packet->type == EapType::kNak && !begun_) return another_method(packet->data);
  if (packet->type != method_->type())
    return failure(name(packet->type) + " in a response to " + name(method_->type()));
  begun_ = true;
  return speak(packet->data);
}

// RFC 3748 §5.3.1: the peer names what it can; the best of ours that it names is taken, each but once.
EapAnswer Server::another_method(Bytes wanted) {
  for (std::size_t row = 0; row < settings_.methods.size(); ++row) {
    const EapType type = settings_.methods[row];
    if (std::ranges::find(wanted, static_cast<std::uint8_t>(type)) == wanted.end()) continue;
    if (std::ranges::find(tried_, type) == tried_.end()) return begin_method(row);
  }
  return failure("the peer wants no EAP method that is allowed to it");
}

Step<EapAnswer> Server::speak(Bytes data) { return go_on(method_->take(data)); }

Step<EapAnswer> Server::go_on(Step<MethodAnswer> step) {
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

EapAnswer Server::conclude(MethodAnswer from) {
  switch (from.state) {
    case MethodAnswer::State::kGoOn: {
      EapAnswer out = request(method_->type(), std::move(from.data));
      if (!from.why.empty()) out.why = name(method_->type()) + ": " + from.why;
      return out;
    }
    case MethodAnswer::State::kFailed:
      return failure(name(method_->type()) + ": " + from.why);
    case MethodAnswer::State::kDone:
      break;
  }
  over_ = true;
  EapAnswer out;
  out.state = EapAnswer::State::kSuccess;
  out.packet = write_eap({EapCode::kSuccess, id_, {}, {}});
  out.msk = std::move(from.msk);
  out.identity = std::move(from.identity);
  out.names = std::move(from.names);
  return out;
}

}  // namespace

std::unique_ptr<EapServer> eap_server(EapServerSettings settings) {
  return std::make_unique<Server>(std::move(settings));
}

}  // namespace simplon::ike
