// SPDX-License-Identifier: Apache-2.0
// A server and a client that talk to each other, with a hand on the wire.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ike/eap/method.h"

namespace simplon::ike::test {

// The slow work of a step is done on the spot. TLS is all that EAP has.
inline EapAnswer at_once(Step<EapAnswer> step) {
  if (auto* now = std::get_if<EapAnswer>(&step)) return std::move(*now);
  auto& later = std::get<Later<EapAnswer>>(step);
  const WorkResult result = run(std::get<TlsStep>(later.work));
  return at_once(later.finish(result));
}

struct Talk {
  EapAnswer server, client;
  std::vector<Buffer> wire;  // as it was sent, the server's first
  bool success() const {
    return server.state == EapAnswer::State::kSuccess && client.state == EapAnswer::State::kSuccess;
  }
};
// Changes message `n` of the wire before it arrives.
using Tamper = std::function<void(std::size_t n, Buffer& packet, const std::vector<Buffer>& before)>;

inline Talk talk(EapServer& server, EapClient& client, std::string_view identity, const Tamper& tamper = {}) {
  Talk out;
  const auto carry = [&](Buffer packet) {
    Buffer arrives = packet;
    if (tamper) tamper(out.wire.size(), arrives, out.wire);
    out.wire.push_back(std::move(packet));
    return arrives;
  };
  out.server = at_once(server.begin(identity));
  for (int i = 0; i < 1000; ++i) {
    out.client = at_once(client.answer(carry(out.server.packet)));
    if (out.server.state != EapAnswer::State::kGoOn || out.client.state != EapAnswer::State::kGoOn) break;
    out.server = at_once(server.answer(carry(out.client.packet)));
  }
  return out;
}

// Every way to spoil one message. None may crash a side; `spoiled` sees the name of the way and what tampers.
template <class Spoiled>
void spoil(std::size_t messages, std::size_t flips, Spoiled&& spoiled) {
  for (std::size_t at = 0; at < messages; ++at) {
    const auto on = [at](std::function<void(Buffer&, const std::vector<Buffer>&)> change) {
      return
          [at, change = std::move(change)](std::size_t n, Buffer& packet, const std::vector<Buffer>& before) {
            if (n == at) change(packet, before);
          };
    };
    spoiled("empty", at, on([](Buffer& p, const auto&) { p.clear(); }));
    spoiled("cut", at, on([](Buffer& p, const auto&) { p.pop_back(); }));
    spoiled("cut, with a length that fits", at, on([](Buffer& p, const auto&) {
              if (p.size() < 6) return p.clear();
              p.resize(p.size() / 2 + 1);
              store_be16(p.data() + 2, static_cast<std::uint16_t>(p.size()));
            }));
    spoiled("longer", at, on([](Buffer& p, const auto&) { p.push_back(0); }));
    spoiled("an older one", at, on([](Buffer& p, const auto& before) {
              before.size() < 2 ? p.clear() : void(p = before[before.size() - 2]);
            }));
    spoiled("reflected", at,
            on([](Buffer& p, const auto& before) { before.empty() ? p.clear() : void(p = before.back()); }));
    for (std::size_t i = 0; i < flips; ++i)
      spoiled("a bit", at, on([i, flips](Buffer& p, const auto&) {
                p[p.size() * i / flips] ^= static_cast<std::uint8_t>(1u << (i * 5 % 8));
              }));
  }
}

}  // namespace simplon::ike::test
