// SPDX-License-Identifier: Apache-2.0
// What the tests of XfrmBackend's policies are made of: an entry, and what the kernel has.
#pragma once

#include <string>
#include <vector>

#include "ctrl/backend/xfrm/backend.h"
#include "tests/system/own_namespace.h"

namespace simplon::ctrl {

using test::runs;
using test::shell;
using test::wait_for;

inline TrafficSelector ts(const char* text) { return *TrafficSelector::parse(text); }
inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }

inline PolicySpec office(std::uint32_t id = 7) {
  return {.id = PolicyId{id},
          .name = "office/net",
          .order = 16,
          .action = Action::kProtect,
          .selectors = {{ts("192.0.2.0/25")}, {ts("198.51.100.0/24")}},
          .tunnel = TunnelEnds{ip("203.0.113.1"), ip("203.0.113.2")}};
}

inline std::string policies() { return shell("ip xfrm policy"); }
inline int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// in, fwd, out
inline std::string default_policy() {
  std::string out;
  for (const std::string direction : {"in", "fwd", "out"}) {
    const std::string all = shell("ip xfrm policy getdefault");
    const std::size_t at = all.find(direction + ": ");
    if (at == std::string::npos) return all;
    const std::size_t from = all.find_first_not_of(' ', at + direction.size() + 1);
    out += (out.empty() ? "" : " ") + all.substr(from, all.find_first_of(" \n", from) - from);
  }
  return out;
}

class XfrmPolicy : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        runs("ip xfrm policy flush; ip xfrm state flush; ip xfrm policy setdefault in accept fwd accept out "
             "accept"));
    auto opened = XfrmBackend::open();
    ASSERT_TRUE(opened) << opened.error().what;
    backend_ = std::move(*opened);
  }
  void add(const PolicySpec& policy) {
    const auto done = backend_->add_policy(policy);
    ASSERT_TRUE(done) << done.error().what;
  }
  // What the backend tells of others' changes, once it tells of any.
  std::string told() {
    std::string out;
    wait_for(backend_->fds()[0], [&] {
      for (const BackendEvent& event : backend_->poll())
        if (const auto* changed = std::get_if<ChangedEvent>(&event))
          out += (changed->open ? "OPEN " : "") + changed->what + "\n";
      return !out.empty();
    });
    return out;
  }
  std::string told_at_once() {
    std::string out;
    for (const BackendEvent& event : backend_->poll())
      if (const auto* changed = std::get_if<ChangedEvent>(&event)) out += changed->what + "\n";
    return out;
  }
  std::unique_ptr<XfrmBackend> backend_;
};

}  // namespace simplon::ctrl
