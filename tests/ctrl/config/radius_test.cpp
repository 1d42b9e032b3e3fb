// SPDX-License-Identifier: Apache-2.0
// The section `radius`.
#include "ctrl/config/radius.h"

#include "ctrl/config/section.h"
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

const RadiusSecrets kRadiusSecrets{{IpAddress::v4(192, 0, 2, 10), Secret(Buffer(16, 1))},
                                   {IpAddress::v4(192, 0, 2, 11), Secret(Buffer(16, 2))}};

struct ReadRadius {
  RadiusGroups groups;
  std::vector<std::string> errors;
};

ReadRadius read(std::string_view yaml, const RadiusSecrets* secrets = &kRadiusSecrets) {
  const auto tree = parse_yaml(yaml);
  if (!tree) return {{}, {"no YAML"}};
  Report report("config");
  Section root(Value(&*tree, tree->place, "", report));
  ReadRadius out{read_radius(root.get("radius"), secrets), {}};
  out.errors = report.errors();
  return out;
}

std::string one_error(std::string_view keys) {
  const ReadRadius got = read("radius: {corp: {" + std::string(keys) + "}}\n");
  return got.errors.size() == 1 ? got.errors[0] : std::to_string(got.errors.size()) + " errors";
}

TEST(Config, RadiusIsReadWhole) {
  const ReadRadius got = read(R"(
radius:
  corp:
    servers: [{address: 192.0.2.10, port: 1645, accounting_port: 1646}, {address: 192.0.2.11}]
    source: 192.0.2.1
    nas_identifier: gw
    timeout: 500ms
    accounting: yes
    interim: 5m
    dynamic_authorization: {port: 3800}
  other: {servers: [{address: 192.0.2.10}]}
)");
  EXPECT_THAT(got.errors, IsEmpty());
  ASSERT_THAT(got.groups, SizeIs(2));
  const RadiusGroup& corp = got.groups.at("corp");
  EXPECT_EQ(corp.name, "corp");
  ASSERT_THAT(corp.servers, SizeIs(2));
  EXPECT_EQ(corp.servers[0].port, Port{1645});
  EXPECT_EQ(corp.servers[0].accounting_port, Port{1646});
  EXPECT_EQ(corp.servers[0].secret, kRadiusSecrets.at(IpAddress::v4(192, 0, 2, 10)));
  EXPECT_EQ(corp.servers[1].port, Port{1812});
  EXPECT_EQ(corp.servers[1].accounting_port, Port{1813});
  EXPECT_EQ(corp.source, IpAddress::v4(192, 0, 2, 1));
  EXPECT_EQ(corp.nas_identifier, "gw");
  EXPECT_EQ(corp.timeout, 500ms);
  EXPECT_TRUE(corp.accounting);
  EXPECT_EQ(corp.interim, 300s);
  EXPECT_EQ(corp.dynamic_authorization, Port{3800});
  const RadiusGroup& other = got.groups.at("other");
  EXPECT_EQ(other.timeout, 2s);
  EXPECT_FALSE(other.accounting);
  EXPECT_FALSE(other.dynamic_authorization);
  EXPECT_THAT(read("routes: []\n").groups, IsEmpty());
}

TEST(Config, FaultsOfRadiusAreTold) {
  const std::pair<const char*, const char*> wrong[] = {
      {"source: 192.0.2.1", "radius.corp.servers: is missing"},
      {"servers: []", "a value is missing"},
      {"servers: [{port: 1812}]", "address: is missing"},
      {"servers: [{address: 192.0.2.12}]",
       "there is no secret for '192.0.2.12'; write one into the secrets file"},
      {"servers: [{address: 0.0.0.0}]", "unspecified"},
      {"servers: [{address: 192.0.2.10, port: 0}]", "is not allowed"},
      {"servers: [{address: 192.0.2.10}, {address: 192.0.2.10}]", "stands here twice"},
      {"servers: [{address: 192.0.2.10}], source: '2001:db8::1'", "cannot be reached from 'source'"},
      {"servers: [{address: 192.0.2.10}], nas_identifier: 'a b'", "printable"},
      {"servers: [{address: 192.0.2.10}], timeout: 1h", "out of range"},
      {"servers: [{address: 192.0.2.10}], interim: 5m", "needs 'accounting: yes'"},
      {"servers: [{address: 192.0.2.10}], accounting: yes, interim: 30s", "out of range"},
      {"servers: [{address: 192.0.2.10}], secret: hush", "unknown"},
  };
  for (const auto& [keys, error] : wrong) EXPECT_THAT(one_error(keys), HasSubstr(error)) << keys;
}

TEST(Config, WithoutTheSecretsFileNoSecretIsMissed) {
  EXPECT_THAT(read("radius: {corp: {servers: [{address: 192.0.2.99}]}}\n", nullptr).errors, IsEmpty());
}

TEST(Config, SecretsOfRadiusServersAreRead) {
  const auto secret = [](const Value& value) -> SharedSecret {
    const std::string text = value.text().value_or("");
    return Secret(Buffer(text.begin(), text.end()));
  };
  const auto tree =
      parse_yaml("[{server: 192.0.2.10, secret: abc}, {server: 192.0.2.10, secret: d}, {secret: e}]\n");
  Report report("secrets");
  RadiusSecrets out;
  for (const Value& item : Value(&*tree, tree->place, "radius", report).list())
    read_radius_secret(item, secret, out);
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out.begin()->second.size(), 3u);
  EXPECT_THAT(report.errors(), ElementsAre(HasSubstr("already"), HasSubstr("server: is missing")));
}

}  // namespace
}  // namespace simplon::ctrl
