// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

const std::string kDeep(100000, '[');
// The billion laughs, with anchors.
const std::string kLaughs =
    "a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: &d [*c, *c, *c, *c]\nports: [*d, *d]\n";

const char* const kShort[] = {
    // clang-format off
    "", "\n", "#", "---", "...", "~", "null", "x", "[]", "[1]", "{", "}", "[", "a: b: c", "\t", "a:\tb",
    ": :", "? ", "? {a: b}\n: c\n", "- - - - -", ",", ", - a: b", "{}\n}", "a: b\n]", "&a [*a]", "a: *a",
    "a: *b", "!!binary x", "!x {}", "%YAML 9.9\n---\n", "%TAG\n", "--- {}\n--- {}\n", "'", "\"", "\"\\x",
    "\"\\uD800\"", "|", ">", "|99", "a: |\n b\n\tc", "<<: {a: b}",
    "ports: [{name: [], device: {}, side: []}]", "gateway: []", "gateway: x", "connections: []",
    "connections: {x: }", "connections: {x: 7}", "connections: {x: {children: {y: }}}",
    "connections: {'': {}}", "policies: [~, ~]", "policies: [[[]]]", "routes: [~]", "secrets: []", "log: 7",
    "management: []", "limits: ~"};
// clang-format on

std::vector<std::string> hostile_texts() {
  std::vector<std::string> out(std::begin(kShort), std::end(kShort));
  out.insert(
      out.end(),
      {kDeep, "ports: " + std::string(400, '[') + std::string(400, ']'), kLaughs, std::string("\0", 1),
       std::string("a: \0b", 5), "\xff\xfe\0\0", "\xef\xbb\xbf", "a: \xc3\x28", "a: \xed\xa0\x80",
       "a: \xf5\x80\x80\x80", "\x1b[31m: x", std::string(1 << 20, 'a'), std::string(1 << 16, '\n') + "x",
       "a: " + std::string(1 << 16, '9'),
       "connections: {" + std::string(5000, 'n') + ": {local: {address: " + std::string(5000, '1') + "}}}"});
  return out;
}

// Whatever stands in the file: an answer, with a place, and no crash.
TEST(Config, HostileTextsAreClearErrors) {
  for (const std::string& hostile : hostile_texts()) {
    PolicyIds ids;
    for (const auto& config :
         {parse_config(hostile, kSecrets, ids, kMachine), parse_config(kHead, hostile, ids, kMachine)}) {
      if (config) continue;
      ASSERT_THAT(config.error(), testing::Not(IsEmpty()));
      for (const std::string& error : config.error()) {
        EXPECT_THAT(error, testing::MatchesRegex("(config|secrets):[0-9]+:[0-9]+: .+"));
        EXPECT_LT(error.size(), 2000u);
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
      }
    }
  }
  EXPECT_FALSE(parse(kLaughs));
  EXPECT_FALSE(parse(kDeep));
  EXPECT_FALSE(parse("&a [*a]"));
  EXPECT_FALSE(parse(", - a: b"));
  EXPECT_THAT(text(parse("--- {}\n--- {}\n").error()), HasSubstr("one file is one document"));
  EXPECT_THAT(text(parse(kLaughs).error()), HasSubstr("anchors"));
}

}  // namespace
}  // namespace simplon::ctrl
