// SPDX-License-Identifier: Apache-2.0
// Configurations that the tests are made of, and what is expected of the wrong ones.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "ctrl/config/config.h"
#include "ctrl/vici/client.h"

namespace simplon::ctrl {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

inline const Machine kMachine{.cores = {0, 1, 2, 3}};

inline constexpr std::string_view kSecrets = R"(
psks:
  - ids: [a.example, b.example]
    secret: "a-demonstration-secret-0123456789"
  - ids: [a.example, "%any"]
    secret: 0x000102030405060708090a0b0c0d0e0f
  - ids: [c.example]
    secret: 0sAAECAwQFBgcICQoLDA0ODw==
)";

inline constexpr std::string_view kHead = R"(
gateway: {mode: dp, idle: relax, main_core: 0, workers: [1, 2], memory: 256MiB, buffers: 8192}
crypto: [crypto_aesni_gcm, crypto_aesni_mb]
ports:
  - {name: lan, device: "net_af_packet0,iface=lan0", side: protected, addresses: [198.18.1.1/24, "2001:db8:a::1/64"]}
  - {name: wan, device: "0000:01:00.0", side: unprotected, mtu: 9000, queues: 2, mac: 02:00:00:00:00:0a, addresses: 198.51.100.1/24}
)";

inline constexpr std::string_view kSites = R"(
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    children:
      net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.2.0/24}
)";

inline LoadedConfig parse(const std::string& text) {
  PolicyIds ids;
  return parse_config(text, kSecrets, ids, kMachine);
}
inline LoadedConfig with(std::string_view rest) { return parse(std::string(kHead) + std::string(rest)); }

// The one error of the text; several, or none, come back as a list that matches nothing.
inline std::string error_of(const LoadedConfig& loaded) {
  if (loaded) return "no error";
  return loaded.error().size() == 1 ? loaded.error()[0] : "several:\n" + text(loaded.error());
}

struct Wrong {
  std::string_view yaml, error;
};

// Each text has this one error, behind a good head with ports.
inline void expect_one_error(std::string_view yaml, std::string_view wanted) {
  const std::string error = error_of(with(yaml));
  EXPECT_THAT(error, HasSubstr(wanted)) << yaml;
  EXPECT_THAT(error, testing::StartsWith("config:")) << yaml;
}

}  // namespace simplon::ctrl
