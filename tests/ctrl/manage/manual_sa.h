// SPDX-License-Identifier: Apache-2.0
// The arguments of an SA by hand, right and otherwise.
#pragma once

#include <string>
#include <string_view>

#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {

inline constexpr std::string_view kGcmKey = "00112233445566778899aabbccddeeff01020304";

inline vici::Message manual_sa() {
  vici::Message m;
  m.add("direction", "out")
      .add("spi", "0x1000")
      .add("source", "198.51.100.1")
      .add("destination", "198.51.100.2");
  m.add("suite", "aes128gcm16").add("key", kGcmKey).add("policy", "sites/net");
  return m;
}

// The same with one argument replaced, or left out.
inline vici::Message with(const vici::Message& from, std::string_view key, const char* value) {
  vici::Message m;
  for (const vici::Element& e : from.elements())
    if (e.name != key) m.add(e.name, std::get<std::string>(e.content));
  return value ? m.add(key, value) : m;
}

}  // namespace simplon::ctrl
