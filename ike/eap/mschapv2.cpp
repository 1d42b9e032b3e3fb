// SPDX-License-Identifier: Apache-2.0
#include "ike/eap/mschapv2.h"

#include <optional>
#include <utility>

#include "ike/crypto/mschap.h"
#include "ike/eap/mschapv2_packet.h"

namespace simplon::ike {
namespace {

// The value of a Response: the peer's challenge, zeros, the response, flags.
constexpr std::size_t kReserved = 8, kResponseAt = kMsChapChallenge + kReserved;
constexpr std::uint8_t kMsChapId = 1;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string hexadecimal(Bytes data) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(2 * data.size());
  for (const std::uint8_t b : data) out += {kDigits[b >> 4], kDigits[b & 15]};
  return out;
}
std::string printable(std::string_view user) {
  return user.empty() ? "nobody" : Identity{IdType::kEmail, Buffer(user.begin(), user.end())}.text();
}

class Server final : public EapMethod {
 public:
  Server(Bytes challenges, std::string name, PasswordOf password)
      : challenges_(challenges.begin(), challenges.end()),
        name_(std::move(name)),
        password_(std::move(password)) {}
  EapType type() const override { return EapType::kMsChapV2; }
  Buffer begin() override { return write_mschap({MsChapOp::kChallenge, kMsChapId, challenge(), name_}); }
  Step<MethodAnswer> take(Bytes data) override;

 private:
  enum class Waiting { kResponse, kAnotherTry, kSuccess, kFailure };
  Bytes challenge() const { return Bytes(challenges_).subspan(tries_ * kMsChapChallenge, kMsChapChallenge); }
  MethodAnswer check(const MsChapPacket& response);
  const SharedSecret* find(std::string_view user);
  MethodAnswer refuse(std::string why);

  Buffer challenges_;
  std::size_t tries_ = 0;  // that were in vain
  std::string name_;
  PasswordOf password_;
  Waiting waiting_ = Waiting::kResponse;
  MethodAnswer result_;  // when the peer has answered to our Success or Failure
};

Step<MethodAnswer> Server::take(Bytes data) {
  const auto packet = parse_mschap(data);
  if (waiting_ == Waiting::kFailure) return std::move(result_);
  if (waiting_ == Waiting::kAnotherTry) {
    if (packet && packet->op == MsChapOp::kResponse) return check(*packet);
    return std::move(result_);  // it gives up
  }
  if (!packet) return method_failed("a packet of the peer cannot be read");
  if (waiting_ == Waiting::kResponse) {
    if (packet->op != MsChapOp::kResponse || packet->id != kMsChapId)
      return method_failed("the peer sent no response to the challenge");
    return check(*packet);
  }
  if (packet->op != MsChapOp::kSuccess) return method_failed("the peer does not believe that it is us");
  return std::move(result_);
}

// As the peer writes it, else without its domain; result_.identity is what was found.
const SharedSecret* Server::find(std::string_view user) {
  for (const std::string_view name : {user, without_domain(user)}) {
    result_.identity = name;
    if (const SharedSecret* password = password_ && !name.empty() ? password_(name) : nullptr)
      return password;
  }
  return nullptr;
}

// An unknown user goes the same way as a known one with a wrong password.
MethodAnswer Server::check(const MsChapPacket& response) {
  result_ = {};
  const SharedSecret* password = find(response.text);
  const Secret hash = nt_password_hash(password != nullptr ? password->bytes() : challenge());
  const MsChapExchange exchange{challenge(), response.value.first(kMsChapChallenge), response.text};
  const Bytes theirs = response.value.subspan(kResponseAt, kNtResponse);
  const bool proved = equal_in_constant_time(nt_response(exchange, hash), theirs);
  const std::string message = authenticator_response(exchange, hash, theirs) + " M=Welcome";
  if (!proved || password == nullptr || password->empty())
    return refuse("a wrong user or password for " + printable(response.text));
  waiting_ = Waiting::kSuccess;
  result_.state = MethodAnswer::State::kDone;
  result_.msk = mschap_msk(hash, theirs);
  return method_goes_on(write_mschap({MsChapOp::kSuccess, kMsChapId, {}, message}));
}

// ERROR_AUTHENTICATION_FAILURE, and whether it may try again: by the challenge in it.
MethodAnswer Server::refuse(std::string why) {
  const bool again = tries_ + 1 < kMsChapTries;
  if (again) ++tries_;
  waiting_ = again ? Waiting::kAnotherTry : Waiting::kFailure;
  result_ = method_failed(std::move(why));
  const std::string text = std::string("E=691 R=") + (again ? "1" : "0") +
                           " C=" + (again ? hexadecimal(challenge()) : std::string(32, '0')) +
                           " V=3 M=Authentication failed";
  return method_goes_on(write_mschap({MsChapOp::kFailure, kMsChapId, {}, text}), result_.why);
}

class Client final : public EapMethod {
 public:
  Client(Bytes challenge, std::string user, SharedSecret password)
      : challenge_(challenge.begin(), challenge.end()),
        user_(std::move(user)),
        password_(std::move(password)) {}
  EapType type() const override { return EapType::kMsChapV2; }
  Step<MethodAnswer> take(Bytes data) override;

 private:
  MethodAnswer respond(const MsChapPacket& challenge);
  MethodAnswer believe(std::string_view message);

  Buffer challenge_;
  std::string user_;
  SharedSecret password_;
  std::string expected_;  // of the server, "S=" and so on; empty: it has not asked yet
  Secret msk_;
};

Step<MethodAnswer> Client::take(Bytes data) {
  const auto packet = parse_mschap(data);
  if (!packet) return method_failed("a packet of the server cannot be read");
  switch (packet->op) {
    case MsChapOp::kChallenge:
      if (expected_.empty()) return respond(*packet);
      return method_failed("the server asks twice");
    case MsChapOp::kSuccess:
      return believe(packet->text);
    case MsChapOp::kFailure:
      return method_failed("the server refuses " + printable(user_) + " (error " +
                               std::string(mschap_error(packet->text)) + ")",
                           write_mschap(MsChapOp::kFailure));
    case MsChapOp::kResponse:
      break;
  }
  return method_failed("the server sent a response");
}

MethodAnswer Client::respond(const MsChapPacket& challenge) {
  const Secret hash = nt_password_hash(password_.bytes());
  const MsChapExchange exchange{challenge.value, challenge_, user_};
  const Buffer response = nt_response(exchange, hash);
  expected_ = authenticator_response(exchange, hash, response);
  msk_ = mschap_msk(hash, response);
  Writer value;
  value.bytes(challenge_);
  value.zeros(kReserved);
  value.bytes(response);
  value.u8(0);
  return method_goes_on(write_mschap({MsChapOp::kResponse, challenge.id, value.view(), user_}));
}

// The server has proved that it knows the password as well (RFC 2759 §5).
MethodAnswer Client::believe(std::string_view message) {
  if (expected_.empty()) return method_failed("the server is content before it has asked");
  const std::string_view proof = message.substr(0, expected_.size());
  if (!equal_in_constant_time(bytes_of(proof), bytes_of(expected_)))
    return method_failed("the server does not know the password");
  MethodAnswer out;
  out.state = MethodAnswer::State::kDone;
  out.data = write_mschap(MsChapOp::kSuccess);
  out.msk = std::move(msk_);
  return out;
}

}  // namespace

std::unique_ptr<EapMethod> mschapv2_server(Bytes challenges, std::string name, PasswordOf password) {
  return std::make_unique<Server>(challenges, std::move(name), std::move(password));
}
std::unique_ptr<EapMethod> mschapv2_client(Bytes challenge, std::string user, SharedSecret password) {
  return std::make_unique<Client>(challenge, std::move(user), std::move(password));
}

}  // namespace simplon::ike
