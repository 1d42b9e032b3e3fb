// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "ctrl/config/config.h"
#include "dp/packet/drop.h"
#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;
using vici::Message;

TEST_F(ViciSocket, GatewayOffAndOnAndWhoDidIt) {
  EXPECT_EQ(ask("gateway").get("state"), "on");
  EXPECT_EQ(ask("gateway", Message().add("state", "off")).get("state"), "off");
  EXPECT_FALSE(gateway_.gateway);
  ASSERT_EQ(gateway_.lines.size(), 1u);
  EXPECT_THAT(gateway_.lines.front().text, HasSubstr("uid " + std::to_string(getuid())));
  EXPECT_THAT(gateway_.lines.front().text, HasSubstr("gateway off"));
  EXPECT_EQ(ask("gateway", Message().add("state", "ajar")).get("success"), "no");
}

TEST_F(ViciSocket, WithoutADataPathDropsAreTheKernels) {
  const Message all = ask("drops", Message().add("all", "yes"));
  if (access("/proc/net/xfrm_stat", R_OK) == 0)
    EXPECT_TRUE(all.value("XfrmInNoStates"));
  else
    EXPECT_THAT(std::string(all.get("errmsg")), HasSubstr("xfrm_stat"));
}

TEST_F(ViciSocket, DropsAreSummedOverTheWorkersAndNamed) {
  EXPECT_THAT(std::string(ask("workers").get("errmsg")), HasSubstr("no data path"));
  dp::WorkerStats worker{.core = 1};
  worker.dropped.assign(dp::kDropReasons, 0);
  worker.dropped[static_cast<std::size_t>(dp::Drop::kReplayed)] = 3;
  gateway_.stats = dp::Stats{{}, {worker, worker}};
  const Message answer = ask("drops");
  EXPECT_EQ(answer.elements().size(), 2u);
  EXPECT_EQ(answer.get("replayed"), "6");
  EXPECT_THAT(std::string(answer.section("help")->get("replayed")), HasSubstr("received before"));
  const Message all = ask("drops", Message().add("all", "yes"));
  EXPECT_EQ(all.elements().size(), dp::kDropReasons);  // all but "none", and the help
  EXPECT_EQ(all.section("help")->elements().size(), dp::kDropReasons - 1);
  EXPECT_EQ(ask("workers").section("worker-1")->get("dropped"), "3");
}

TEST_F(ViciSocket, ReloadTellsEveryError) {
  EXPECT_EQ(ask("reload").get("success"), "yes");
  gateway_.config_errors = {"a.yaml:1:2: x: bad", "a.yaml:3:4: y: worse"};
  const Message answer = ask("reload");
  EXPECT_EQ(answer.get("success"), "no");
  EXPECT_THAT(std::string(answer.get("errmsg")), HasSubstr("2 errors"));
  EXPECT_EQ(*answer.list("errors"), gateway_.config_errors);
  EXPECT_EQ(*ask("config-check").list("errors"), gateway_.config_errors);
}

TEST_F(ViciSocket, ConfigCheckAnswersWithItsWarnings) {
  EXPECT_EQ(ask("config-check"), Message().add("success", "yes"));
  gateway_.config_warnings = {"a.yaml:1:2: x: odd"};
  const Message answer = ask("config-check");
  EXPECT_EQ(answer.get("success"), "yes");
  ASSERT_TRUE(answer.list("warnings"));
  EXPECT_EQ(*answer.list("warnings"), gateway_.config_warnings);
}

TEST_F(ViciSocket, LogHistoryTellsTheLastLines) {
  for (int i = 0; i < 1500; ++i) server_->log({Level::kInfo, Category::kIke, {}, 0, std::to_string(i)});
  std::vector<std::string> lines;
  const auto history = [&lines](const Message& arguments) {
    return [&lines, arguments](vici::Client& client) {
      lines.clear();
      return client
          .call_streaming("log-history", "log-history", arguments,
                          [&lines](const auto&, const Message& m) { lines.emplace_back(m.get("msg")); })
          .has_value();
    };
  };
  with_client(history(Message().add("lines", "2")));
  EXPECT_EQ(lines, (std::vector<std::string>{"1498", "1499"}));
  with_client(history({}));
  EXPECT_EQ(lines.size(), 1000u);
}

TEST_F(ViciSocket, WhatStrongSwanLoadsIsRefusedWithTheReason) {
  for (const auto* command :
       {"load-conn", "load-shared", "load-key", "load-cert", "load-pool", "unload-conn"})
    EXPECT_THAT(std::string(ask(command).get("errmsg")), HasSubstr("/etc/simplon/simplon.yaml")) << command;
  EXPECT_TRUE(ask("get-conns").list("conns")->empty());
  EXPECT_TRUE(ask("get-shared").list("keys")->empty());
}

TEST_F(ViciSocket, ListingsAreFiltered) {
  gateway_.ikes.push_back(sites(now_, 2));
  const auto count = [this](const char* command, const char* event, const Message& arguments) {
    return with_client([&](vici::Client& client) {
      int n = 0;
      EXPECT_TRUE(client.call_streaming(command, event, arguments, [&n](const auto&, const auto&) { ++n; }));
      return n;
    });
  };
  EXPECT_EQ(count("list-sas", "list-sa", {}), 2);
  EXPECT_EQ(count("list-sas", "list-sa", Message().add("ike-id", "2")), 1);
  EXPECT_EQ(count("list-sas", "list-sa", Message().add("child-id", "7")), 1);
  EXPECT_EQ(count("list-sas", "list-sa", Message().add("ike", "other")), 0);
  EXPECT_EQ(count("list-conns", "list-conn", Message().add("ike", "sites")), 1);
  EXPECT_EQ(count("list-policies", "list-policy", Message().add("trap", "yes").add("child", "net")), 1);
  EXPECT_EQ(count("list-policies", "list-policy", Message().add("drop", "yes")), 0);
}

// RFC 4301 §4.4.1: behind the last entry all is discarded, which is an entry as well.
TEST_F(ViciSocket, PoliciesHaveTheirHitsAndTheRestIsLast) {
  gateway_.hits =
      SpdHits{.entries = {{gateway_.policies.at(0).id, {.out = 12, .in = 34}}}, .none = {.out = 5, .in = 6}};
  std::vector<std::string> seen;
  const auto ask = [&] {
    seen.clear();
    with_client([&](vici::Client& client) {
      return client.call_streaming("list-policies", "list-policy", {}, [&](const auto&, const Message& m) {
        const auto& element = m.elements().at(0);
        const auto& policy = std::get<Message>(element.content);
        seen.push_back(element.name + " " + std::string(policy.get("hits-out", "-")) + " " +
                       std::string(policy.get("hits-in", "-")));
      });
    });
  };
  ask();
  ASSERT_EQ(seen.size(), gateway_.policies.size() + 1);
  EXPECT_EQ(seen.front(), gateway_.policies.at(0).name + " 12 34");
  EXPECT_EQ(seen.back(), "(rest) 5 6");
  gateway_.hits.reset();
  ask();
  ASSERT_EQ(seen.size(), gateway_.policies.size()) << "mode kernel has none";
  EXPECT_EQ(seen.front(), gateway_.policies.at(0).name + " - -");
}

}  // namespace
}  // namespace simplon::ctrl
