// SPDX-License-Identifier: Apache-2.0
// EAP with anybody at the other end: records of octets, as they are or with a header that fits. Whatever
// comes, the conversation ends, and nobody who does not know the password or has no certificate is let in.
#include <cstdlib>

#include "ike/eap/client.h"
#include "ike/eap/packet.h"
#include "ike/eap/server.h"
#include "tests/ike/certificates.h"

namespace {

using namespace simplon;
using namespace simplon::ike;

void check(bool holds) {
  if (!holds) std::abort();
}

struct Pki {
  test::Issued root = test::authority("CN=Root"),
               own = test::certificate("CN=a.example", root, {.names = {"DNS:a.example"}});
  Shared<Credential> credential{Credential{.chain = {own.der}, .key = own.key, .names = {}}};
  Shared<Trust> trust{Trust{.authorities = {root.der}}};
};
const Pki& pki() {
  static const Pki value;
  return value;
}
const SharedSecret& password() {
  static const SharedSecret value(Secret(Buffer(16, 'x')));
  return value;
}

EapAnswer done(Step<EapAnswer> step) {
  if (auto* now = std::get_if<EapAnswer>(&step)) return std::move(*now);
  auto& later = std::get<Later<EapAnswer>>(step);
  return done(later.finish(run(Job{JobId{1}, std::move(later.work)}).result));
}

// `side` speaks; each record is a choice, a length and octets.
template <class Speak>
void talk(Reader in, EapAnswer answer, EapCode code, const Speak& speak) {
  for (int i = 0; i < 300 && answer.state == EapAnswer::State::kGoOn && in.left() > 3; ++i) {
    const std::uint8_t choice = in.u8();
    const Bytes octets = in.take(std::min<std::size_t>(in.be16(), in.left()));
    Buffer packet(octets.begin(), octets.end());
    if (choice % 4 != 0) {
      const auto said = parse_eap(answer.packet);
      const EapType types[] = {EapType::kIdentity, EapType::kMsChapV2, EapType::kTls, EapType::kNak};
      packet = write_eap({code, said ? said->id : std::uint8_t{0}, types[choice / 4 % 4], packet});
    }
    answer = done(speak(packet));
    check(answer.state != EapAnswer::State::kSuccess);
    for (const char c : answer.why) check(c >= 0x20 && c < 0x7f);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(Bytes(data, size));
  const std::uint8_t what = in.u8();
  const std::vector<EapType> methods = what & 2 ? std::vector{EapType::kTls, EapType::kMsChapV2}
                                                : std::vector{EapType::kMsChapV2, EapType::kTls};
  if (what & 1) {
    const auto server = eap_server({.methods = methods,
                                    .random = Buffer(kEapRandomBytes, 3),
                                    .password = [](std::string_view) { return &password(); },
                                    .credential = pki().credential,
                                    .trust = pki().trust});
    talk(in, done(server->begin("")), EapCode::kResponse, [&](Bytes b) { return server->answer(b); });
  } else {
    const auto client = eap_client({.methods = methods,
                                    .random = Buffer(kEapClientRandomBytes, 3),
                                    .identity = "alice",
                                    .password = password(),
                                    .credential = pki().credential,
                                    .trust = pki().trust});
    EapAnswer first;
    first.state = EapAnswer::State::kGoOn;
    talk(in, std::move(first), EapCode::kRequest, [&](Bytes b) { return client->answer(b); });
  }
  return 0;
}
