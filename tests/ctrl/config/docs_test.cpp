// SPDX-License-Identifier: Apache-2.0
// docs/configuration.md and conf/gateway.yaml against the keys that the parser takes. Which these are the
// parser says itself: its error about an unknown key lists the known ones.
#include <fstream>
#include <set>
#include <sstream>

#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

using Keys = std::set<std::string>;

std::string file_of(const char* name) {
  std::ifstream file(std::string(SIMPLON_TREE "/") + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

// Of "...: unknown key; known here: a, b or c; did you mean 'a'?".
Keys listed_in(const std::string& errors) {
  constexpr std::string_view kBefore = "nonsense: unknown key; known here: ";
  const std::size_t at = errors.find(kBefore);
  EXPECT_NE(at, std::string::npos) << errors;
  if (at == std::string::npos) return {};
  std::string list = errors.substr(at + kBefore.size());
  list.resize(list.find_first_of(";\n"));
  for (std::size_t comma; (comma = list.find(',')) != std::string::npos;) list.erase(comma, 1);
  std::istringstream words(list);
  Keys out;
  for (std::string word; words >> word;)
    if (word != "or") out.insert(word);
  return out;
}

// `yaml` has "@" where a key stands that nobody knows.
Keys accepted(std::string yaml) {
  yaml.replace(yaml.find('@'), 1, "nonsense: 1");
  const auto config = parse(yaml);
  EXPECT_FALSE(config) << yaml;
  return config ? Keys{} : listed_in(text(config.error()));
}

Keys accepted_in_secrets(std::string yaml) {
  yaml.replace(yaml.find('@'), 1, "nonsense: 1");
  PolicyIds ids;
  const auto config = parse_config(kHead, yaml, ids, kMachine);
  EXPECT_FALSE(config) << yaml;
  return config ? Keys{} : listed_in(text(config.error()));
}

// The keys of a section inside another one take the place of its own: "local" becomes "local.address" and so
// on.
Keys with_section(Keys keys, const std::string& name, const Keys& inside) {
  EXPECT_EQ(keys.erase(name), 1u) << name;
  for (const std::string& key : inside) keys.insert(name + "." + key);
  return keys;
}

// What stands in backticks in the first column of the tables under the heading.
Keys documented(const std::string& docs, const std::string& heading) {
  const std::size_t begin = docs.find("\n" + heading + "\n");
  EXPECT_NE(begin, std::string::npos) << heading;
  std::istringstream lines(docs.substr(begin + heading.size() + 2));
  Keys out;
  for (std::string line; std::getline(lines, line) && !line.starts_with("#");) {
    if (!line.starts_with("| `")) continue;
    std::istringstream column(line.substr(0, line.find('|', 1)));
    std::string between, key;
    std::getline(column, between, '`');
    while (std::getline(column, key, '`')) {
      EXPECT_TRUE(out.insert(key).second) << heading << ": " << key << " stands twice";
      std::getline(column, between, '`');
    }
  }
  return out;
}

Keys connection_keys() {
  const std::string head = "connections: {x: {";
  Keys keys = accepted(head + "@}}");
  keys = with_section(keys, "local", accepted(head + "local: {@}}}"));
  keys = with_section(keys, "remote", accepted(head + "remote: {@}}}"));
  keys = with_section(keys, "interface", accepted(head + "interface: {@}}}"));
  return with_section(keys, "retransmission", accepted(head + "retransmission: {@}}}"));
}

TEST(ConfigDocs, EveryKeyIsDocumentedAndEveryDocumentedKeyIsAccepted) {
  const std::string docs = file_of("docs/configuration.md");
  EXPECT_EQ(documented(docs, "## gateway"), accepted("gateway: {@}"));
  EXPECT_EQ(documented(docs, "## ports"),
            with_section(accepted("ports: [{@}]"), "bond", accepted("ports: [{bond: {@}}]")));
  EXPECT_EQ(documented(docs, "## routes"), accepted("routes: [{@}]"));
  EXPECT_EQ(documented(docs, "## connections"), connection_keys());
  EXPECT_EQ(
      documented(docs, "### connections.NAME.children.NAME"),
      with_section(accepted("connections: {x: {children: {y: {@}}}}"), "kernel",
                   accepted("gateway: {mode: kernel}\nconnections: {x: {children: {y: {kernel: {@}}}}}")));
  EXPECT_EQ(documented(docs, "## policies"), [] {
    Keys keys = with_section(accepted("policies: [{@, action: protect}]"), "tunnel",
                             accepted("policies: [{action: protect, tunnel: {@}}]"));
    keys.merge(Keys{accepted("policies: [{child: x/y, @}]")});
    keys.erase("tunnel");
    return keys;
  }());
  EXPECT_EQ(documented(docs, "## log"),
            with_section(accepted("log: {@}"), "categories", accepted("log: {categories: {@}}")));
  EXPECT_EQ(documented(docs, "## management"), accepted("management: {@}"));
  EXPECT_EQ(documented(docs, "## limits"), accepted("limits: {@}"));
  EXPECT_EQ(documented(docs, "## icmp"), accepted("icmp: {@}"));
  EXPECT_EQ(documented(docs, "## secrets"), accepted_in_secrets("psks: [{@}]"));
  Keys keys = accepted_in_secrets("keys: [{@}]");
  keys.merge(accepted_in_secrets("keys: [{token: x, @}]"));
  EXPECT_EQ(documented(docs, "### keys"), keys);
  EXPECT_EQ(documented(docs, "### users"), accepted_in_secrets("users: [{@}]"));
  EXPECT_EQ(documented(docs, "### radius"), accepted_in_secrets("radius: [{@}]"));
  Keys radius =
      with_section(accepted("radius: {x: {@}}"), "servers", accepted("radius: {x: {servers: [{@}]}}"));
  EXPECT_EQ(
      documented(docs, "## radius"),
      with_section(radius, "dynamic_authorization", accepted("radius: {x: {dynamic_authorization: {@}}}")));
  EXPECT_EQ(documented(docs, "## pools"), accepted("pools: {x: {@}}"));
}

TEST(ConfigDocs, EverySectionHasAHeading) {
  const std::string docs = file_of("docs/configuration.md");
  for (const std::string& section : accepted("@")) EXPECT_THAT(docs, HasSubstr("\n## " + section + "\n"));
}

// The example says of itself that it has every key.
TEST(ConfigDocs, TheExampleHasEveryKey) {
  const std::string example = file_of("conf/gateway.yaml");
  const std::string child = "connections: {x: {children: {y: {@}}}}";
  for (const std::string& yaml :
       {std::string("@"), std::string("gateway: {@}"), std::string("ports: [{@}]"),
        std::string("ports: [{bond: {@}}]"), std::string("routes: [{@}]"),
        std::string("connections: {x: {@}}"), std::string("connections: {x: {local: {@}}}"),
        std::string("connections: {x: {remote: {@}}}"), child,
        std::string("policies: [{@, action: protect}]"), std::string("log: {@}"),
        std::string("management: {@}"), std::string("limits: {@}"), std::string("icmp: {@}")})
    for (const std::string& key : accepted(yaml)) EXPECT_THAT(example, HasSubstr(key + ":")) << yaml;
}

}  // namespace
}  // namespace simplon::ctrl
