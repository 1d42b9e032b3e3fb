// SPDX-License-Identifier: Apache-2.0
// `kernel` of a child and of an entry: what its SAs and policies have in Linux alone.
#include "ctrl/config/kernel_words.h"
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

// The two sites, with this at the end of their child.
LoadedConfig child(const std::string& more, const char* mode = "kernel") {
  std::string sites(kSites);
  sites.insert(sites.rfind('}'), ", " + more);
  return std::string(mode) == "dp" ? with(sites) : parse("gateway: {mode: kernel}\n" + sites);
}

KernelOptions options(const std::string& more) {
  const LoadedConfig config = child("kernel: {" + more + "}");
  EXPECT_TRUE(config) << text(config.error());
  if (!config) return {};
  EXPECT_THAT(config->warnings, IsEmpty()) << more;
  EXPECT_EQ(config->policies.back().kernel, config->connections[0]->children[0].kernel);
  return config->connections[0]->children[0].kernel;
}

TEST(KernelOptionsConfig, EachKeyIsRead) {
  EXPECT_EQ(options(""), KernelOptions{});
  EXPECT_EQ(options("mark: 42").mark, (PacketMark{42, 0xffffffff}));
  EXPECT_EQ(options("mark: 0x2a/0xff").mark, (PacketMark{42, 0xff}));
  EXPECT_EQ(options("mark: 0/0xff").mark, (PacketMark{0, 0xff})) << "none of these bits";
  EXPECT_EQ(options("set_mark: 7/15").set_mark, (PacketMark{7, 15}));
  EXPECT_EQ(options("if_id: 0xffffffff").if_id, 0xffffffffu);
  EXPECT_EQ(options("offload: none"), KernelOptions{});
  EXPECT_EQ(options("offload: crypto, device: eth0"),
            (KernelOptions{.offload = Offload::kCrypto, .device = "eth0"}));
  EXPECT_EQ(options("mark: 1, set_mark: 2, if_id: 3, offload: crypto, device: eth0"),
            (KernelOptions{.mark = {1, 0xffffffff},
                           .set_mark = {2, 0xffffffff},
                           .if_id = 3,
                           .offload = Offload::kCrypto,
                           .device = "eth0"}));
}

TEST(KernelOptionsConfig, MarksAreWrittenAsTheyAreRead) {
  for (const PacketMark& mark : {PacketMark{42, 0xff}, PacketMark{0, 1}, PacketMark{7, 0xffffffff}})
    EXPECT_EQ(*parse_mark(mark_text(mark)), mark) << mark_text(mark);
}

TEST(KernelOptionsConfig, WrongValuesAreNamed) {
  for (const auto& [more, says] :
       {std::pair("mark: blue", "net.kernel.mark: 'blue' is no mark"),
        {"mark: 1/0", "net.kernel.mark: '1/0' is no mark"},
        {"mark: 0x1ff/0xff", "net.kernel.mark: '0x1ff/0xff' has bits outside its mask"},
        {"mark: 4294967296", "net.kernel.mark: '4294967296' is no mark"},
        {"mark: 1/2/3", "is no mark"},
        {"mark: 0x", "is no mark"},
        {"set_mark: -1", "net.kernel.set_mark: '-1' is no mark"},
        {"if_id: 0", "net.kernel.if_id: '0' is no if_id"},
        {"if_id: eth0", "net.kernel.if_id: 'eth0' is no if_id"},
        {"offload: packet, device: eth0", "net.kernel.offload: 'packet' is not allowed"},
        {"offload: crypto", "net.kernel: offload: needs 'device'"},
        {"device: eth0", "net.kernel: device: is for an offload"},
        {"offload: crypto, device: much-too-long-a-name", "net.kernel.device: "},
        {"marks: 1", "net.kernel.marks: unknown key"}})
    EXPECT_THAT(error_of(child("kernel: {" + std::string(more) + "}")), HasSubstr(says)) << more;
  EXPECT_THAT(error_of(child("kernel: 42")), HasSubstr("net.kernel: needs a section"));
}

TEST(KernelOptionsConfig, AnOffloadIsOfEspAlone) {
  const std::string card = "kernel: {offload: crypto, device: eth0}";
  EXPECT_THAT(error_of(child("ah_proposals: [sha256], " + card)), HasSubstr("no AH"));
  EXPECT_THAT(error_of(child("esp_proposals: [aes128gcm16], ah_proposals: [sha256], " + card)),
              HasSubstr("this child is a bundle"));
  EXPECT_THAT(error_of(child("tfc: mtu, " + card)), HasSubstr("cannot be with tfc"));
  EXPECT_TRUE(child("ah_proposals: [sha256], kernel: {mark: 1}"));
  std::string udp("gateway: {mode: kernel}\n" + std::string(kSites));
  udp.insert(udp.find("    children:"), "    encap: true\n");
  udp.insert(udp.rfind('}'), ", " + card);
  EXPECT_THAT(error_of(parse(udp)), HasSubstr("net.kernel: offload: cannot be with UDP"));
}

// The data path has none of it, and sees every packet before the kernel does.
TEST(KernelOptionsConfig, TheyAreForModeKernel) {
  for (const char* placement : {"", "placement: auto, ", "placement: dp, ", "placement: kernel, "})
    EXPECT_THAT(error_of(child(std::string(placement) + "kernel: {mark: 1}", "dp")),
                HasSubstr("net.kernel: is for mode 'kernel'"))
        << placement;
}

// A mark would not save it: the data path decides by the selectors.
TEST(Rfc4301_4_4_1, InModeDpABypassBeforeAMarkedChildIsAnErrorAsBeforeAnyOther) {
  std::string sites(kSites);
  sites.insert(sites.rfind('}'), ", placement: kernel, kernel: {mark: 1}");
  const std::string error = error_of(with("policies: [{action: bypass, local: any, remote: any}]\n" + sites));
  EXPECT_THAT(error, HasSubstr("takes all its packets in the clear"));
  EXPECT_THAT(error, HasSubstr("net.kernel: is for mode 'kernel'"));
}

std::string kernel_policies(const std::string& list) {
  return "gateway: {mode: kernel}\npolicies: [" + list + "]\n" + std::string(kSites);
}

TEST(KernelOptionsConfig, AnEntryForSasByHandHasThem) {
  const std::string head =
      "{name: x, action: protect, local: 10.1.0.0/16, remote: 10.2.0.0/16, tunnel: "
      "{local: 198.51.100.1, remote: 198.51.100.9}, kernel: ";
  const LoadedConfig config = parse(kernel_policies(head + "{mark: 1/3, set_mark: 5, if_id: 9}}"));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->policies[0].kernel,
            (KernelOptions{.mark = {1, 3}, .set_mark = {5, 0xffffffff}, .if_id = 9}));
  EXPECT_THAT(error_of(parse(kernel_policies(head + "{if_id: x}}"))),
              HasSubstr("policies[0].kernel.if_id: "));
  EXPECT_THAT(error_of(parse(kernel_policies("{action: bypass, local: any, remote: 10.0.0.0/8, kernel: "
                                             "{mark: 1}}"))),
              HasSubstr("policies[0].kernel: is for action protect"));
  EXPECT_THAT(error_of(parse(kernel_policies("{child: sites/net, kernel: {mark: 1}}"))),
              HasSubstr("comes from the child"));
  expect_one_error("policies: [" + head + "{mark: 1}}]\n", "policies[0].kernel: is for mode 'kernel'");
}

std::string two(const std::string& first, const std::string& second, bool one_peer) {
  const auto part = [](const std::string& more) {
    return "local_ts: 10.1.0.0/16, remote_ts: 10.2.0.0/16, start: start" + more;
  };
  const auto peer = [](const std::string& name, const std::string& address, const std::string& children) {
    return "  " + name + ": {local: {address: 198.51.100.1, id: a.example}, remote: {address: " + address +
           ", id: b.example}, children: {" + children + "}}\n";
  };
  std::string out = "gateway: {mode: kernel}\nconnections:\n";
  if (one_peer)
    return out + peer("one", "198.51.100.2", "x: {" + part(first) + "}, y: {" + part(second) + "}");
  return out + peer("one", "198.51.100.2", "x: {" + part(first) + "}") +
         peer("two", "198.51.100.3", "x: {" + part(second) + "}");
}

TEST(KernelOptionsConfig, TheSameSelectorsAreToldApartByMarkOrInterface) {
  const std::string marked = ", kernel: {mark: 1}", other = ", kernel: {mark: 2}",
                    way = ", kernel: {if_id: 2}";
  EXPECT_TRUE(parse(two(marked, other, false)));
  EXPECT_TRUE(parse(two(marked, way, false)));
  EXPECT_THAT(error_of(parse(two(marked, marked, false))), HasSubstr("has the same selectors as child"));
  EXPECT_THAT(error_of(parse(two(marked, other, true))), HasSubstr("has the same selectors as child"))
      << "the peer could not say which";
}

TEST(KernelOptionsConfig, AMarkTakesAllOfAnotherOrMeetsIt) {
  constexpr PacketMark none{}, one{1, 0xff}, two{2, 0xff}, odd{1, 1}, high{0x100, 0xff00};
  EXPECT_TRUE(takes_all_of(none, one) && takes_all_of(odd, one) && takes_all_of(one, one));
  EXPECT_FALSE(takes_all_of(one, none) || takes_all_of(one, odd) || takes_all_of(odd, two));
  EXPECT_TRUE(meet(none, one) && meet(one, odd) && meet(one, high));
  EXPECT_FALSE(meet(one, two) || meet(odd, two));
}

std::vector<std::string> warnings_of(const std::string& yaml) {
  const LoadedConfig config = parse(yaml);
  EXPECT_TRUE(config) << text(config.error());
  return config ? config->warnings : std::vector<std::string>{};
}

TEST(Rfc4301_4_4_1, OfTheSameSelectorsTheFirstWhoseMarkAPacketHasTakesIt) {
  const std::string one = ", kernel: {mark: 1/0xff}", odd = ", kernel: {mark: 1/1}",
                    high = ", kernel: {mark: 0x100/0xff00}";
  for (const std::string& first : {std::string(), odd})
    EXPECT_THAT(error_of(parse(two(first, one, false))),
                HasSubstr("children.x: is not reached: PROTECT 'one/x'"))
        << first;
  EXPECT_THAT(warnings_of(two(one, "", false)), IsEmpty()) << "the rest is the second one's";
  EXPECT_THAT(warnings_of(two(one, odd, false)), IsEmpty());
  EXPECT_THAT(warnings_of(two(one, high, false)),
              ElementsAre(HasSubstr("takes the packets that have the marks of both")));
  const std::string turned = "policies: [{child: two/x}, {child: one/x}]\n" + two("", one, false);
  EXPECT_TRUE(parse(turned)) << "the order of the list counts";
}

// Linux looks up the way out once without the interface and once with it.
TEST(KernelOptionsConfig, AnEntryWithoutIfIdComesBeforeThoseOfAnyInterface) {
  const std::string way = ", kernel: {if_id: 2}";
  for (const std::string& yaml : {two("", way, false), two(way, "", false)})
    EXPECT_THAT(error_of(parse(yaml)), HasSubstr("has no if_id and so comes first, wherever it stands"));
  EXPECT_THAT(warnings_of(two(", kernel: {mark: 1}", way, false)), SizeIs(1)) << "of marked packets alone";
  EXPECT_THAT(warnings_of(two(", kernel: {if_id: 1}", way, false)), IsEmpty());
  const auto behind = [&](const std::string& entries) {
    return "policies: [" + entries + "]\n" + two(", kernel: {if_id: 1}", way, false);
  };
  const std::string discard = "{action: discard, local: any, remote: 10.2.3.0/24}",
                    bypass = "{action: bypass, local: any, remote: 10.0.0.0/8}";
  EXPECT_THAT(error_of(parse(behind(discard))), HasSubstr("DISCARD 'policy-1'"));
  EXPECT_THAT(error_of(parse(behind("{child: one/x}, {child: two/x}, " + discard))),
              HasSubstr("DISCARD 'policy-1'"));
  EXPECT_TRUE(parse(behind("{action: discard, direction: in, local: 10.1.0.0/16, remote: 10.2.0.0/16}")));
  EXPECT_TRUE(parse(behind(bypass))) << "what it leaves goes to the interface, which protects it";
  EXPECT_TRUE(parse(behind(bypass + ", {action: discard, local: any, remote: any}")));
}

// The policy of the inner entry asks for both SAs.
TEST(Rfc4301_4_5, SasAroundOneAnotherHaveOneMarkAndOneInterface) {
  const auto children = [](const char* inner, const char* outer) {
    return parse(
        "gateway: {mode: kernel}\nconnections:\n"
        "  far: {local: {address: 198.51.100.1, id: a.example}, remote: {address: 203.0.113.9, id: "
        "c.example}, "
        "children: {net: {local_ts: 198.18.1.0/24, remote_ts: 198.18.3.0/24, over: near/around" +
        std::string(inner) +
        "}}}\n  near: {local: {address: 198.51.100.1, id: a.example}, remote: {address: 198.51.100.2, id: "
        "b.example}, children: {around: {local_ts: \"198.51.100.1[50]\", remote_ts: \"203.0.113.0/24[50]\"" +
        outer + "}}}\n");
  };
  const auto entries = [](const char* inner, const char* outer) {
    return parse(
        "gateway: {mode: kernel}\npolicies:\n  - {name: in, action: protect, local: 192.0.2.0/24, "
        "remote: 198.51.100.0/24, tunnel: {local: 203.0.113.1, remote: 203.0.113.100}, over: out" +
        std::string(inner) +
        "}\n  - {name: out, action: protect, local: \"203.0.113.1[50]\", remote: "
        "\"203.0.113.100[50]\", tunnel: {local: 203.0.113.2, remote: 203.0.113.100}" +
        outer + "}\n");
  };
  constexpr const char *kMark = ", kernel: {mark: 1}", *kOther = ", kernel: {mark: 2}",
                       *kWay = ", kernel: {if_id: 1}", *kCard = ", kernel: {offload: crypto, device: eth0}";
  const auto check = [&](const auto& with) {
    EXPECT_TRUE(with("", ""));
    EXPECT_TRUE(with(kMark, kMark));
    for (const auto& [inner, outer] : {std::pair(kMark, ""), {"", kMark}, {kMark, kOther}, {"", kWay}})
      EXPECT_THAT(error_of(with(inner, outer)), HasSubstr("over: the kernel finds SAs around each other by"));
    for (const auto& [inner, outer] : {std::pair(kCard, ""), {"", kCard}, {kCard, kCard}})
      EXPECT_THAT(error_of(with(inner, outer)),
                  HasSubstr("over: no network card does SAs around each other"));
  };
  check(children);
  check(entries);
}

TEST(KernelOptionsConfig, AnEntryBehindAMarkedOneIsReached) {
  const auto entry = [](const char* name, const char* more) {
    return "{name: " + std::string(name) +
           ", action: protect, local: 10.1.0.0/16, remote: 10.2.0.0/16, tunnel: {local: 198.51.100.1, "
           "remote: "
           "198.51.100.9}" +
           more + "}";
  };
  const auto warnings = [&](const char* first, const char* second) {
    const LoadedConfig config = parse(kernel_policies(entry("a", first) + ", " + entry("b", second)));
    EXPECT_TRUE(config) << text(config.error());
    return config ? config->warnings.size() : 0u;
  };
  EXPECT_EQ(warnings("", ""), 1u);
  EXPECT_EQ(warnings(", kernel: {mark: 1}", ""), 0u);
  EXPECT_EQ(warnings(", kernel: {mark: 1}", ", kernel: {mark: 2}"), 0u);
  EXPECT_EQ(warnings("", ", kernel: {mark: 1}"), 1u);
}

}  // namespace
}  // namespace simplon::ctrl
