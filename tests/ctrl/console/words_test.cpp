// SPDX-License-Identifier: Apache-2.0
// What the interactive line completes, and how answers look.
#include "ctrl/console/words.h"

#include <gmock/gmock.h>

#include "ctrl/console/table.h"

namespace simplon::console {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> names(vici::Names of) {
  using vici::Names;
  switch (of) {
    case Names::kConnections:
      return {"office", "sites"};
    case Names::kTargets:
      return {"office", "office/lan", "sites", "sites/net"};
    case Names::kManualPolicies:
      return {"dns"};
    default:
      return {};
  }
}

TEST(ConsoleWords, QuotesKeepBlanks) {
  EXPECT_THAT(*split_words(R"(policy add 'my policy' --local-ts "a b" c\ d '')"),
              ElementsAre("policy", "add", "my policy", "--local-ts", "a b", "c d", ""));
  EXPECT_THAT(*split_words("  \t\n"), IsEmpty());
  EXPECT_FALSE(split_words("sas 'open"));
}

TEST(ConsoleComplete, CommandsOptionsChoicesAndLiveNames) {
  EXPECT_THAT(complete("", names), Contains("sas"));
  EXPECT_THAT(complete("co", names), ElementsAre("config-check", "conns", "console", "counters"));
  EXPECT_THAT(complete("sa ", names), ElementsAre("add", "list", "remove"));
  EXPECT_THAT(complete("sa a", names), ElementsAre("add"));
  EXPECT_THAT(complete("help sa r", names), ElementsAre("remove"));
  EXPECT_THAT(complete("gateway o", names), ElementsAre("off", "on"));
  EXPECT_THAT(complete("initiate ", names), Contains("sites/net"));
  EXPECT_THAT(complete("initiate o", names), ElementsAre("office", "office/lan"));
  EXPECT_THAT(complete("rekey --ike s", names), ElementsAre("sites"));
  EXPECT_THAT(complete("policy remove ", names), Contains("dns"));
  EXPECT_THAT(complete("policy remove dns ", names), Not(Contains("dns")));
  EXPECT_THAT(complete("sa add --direction ", names), ElementsAre("in", "out"));
  EXPECT_THAT(complete("sa add --direction in --s", names),
              ElementsAre("--soft-bytes", "--soft-packets", "--soft-time", "--source", "--spi", "--suite"));
  EXPECT_THAT(complete("nonsense ", names), IsEmpty());
}

TEST(ConsoleComplete, AnyBeginningOfAnyLineIsTotal) {
  const std::string line = "help sa add --direction in --spi 'x y' \"\\ --json";
  for (std::size_t n = 0; n <= line.size(); ++n) complete(line.substr(0, n), names);
}

TEST(ConsoleWords, LinesWithKeysDoNotBelongIntoAHistory) {
  EXPECT_TRUE(holds_key("sa add --key 0011"));
  EXPECT_TRUE(holds_key("sa add --integ-key=0011"));
  EXPECT_FALSE(holds_key("sas --json"));
}

TEST(ConsoleTable, NumbersAndTimesForPeople) {
  EXPECT_EQ(grouped("1234567"), "1,234,567");
  EXPECT_EQ(grouped("123"), "123");
  EXPECT_EQ(grouped("-"), "-");
  EXPECT_EQ(bytes_text("999"), "999 B");
  EXPECT_EQ(bytes_text("1250000"), "1.2 MB");
  EXPECT_EQ(time_text("14340"), "3h 59m");
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a?[31mb?");
}

}  // namespace
}  // namespace simplon::console
