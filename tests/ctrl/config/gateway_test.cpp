// SPDX-License-Identifier: Apache-2.0
#include "tests/ctrl/config/texts.h"

namespace simplon::ctrl {
namespace {

TEST(Config, KernelModeNeedsNoPorts) {
  const auto config = parse("gateway: {mode: kernel}\n" + std::string(kSites));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->mode, Mode::kKernel);
  EXPECT_THAT(config->setup.ports, IsEmpty());
}

TEST(Config, AllErrorsAreToldAtOnceEachWithItsPlace) {
  const auto config = parse("connections:\n  broken: {locl: x, proposals: [aes128gmc16]}\nports: 7\n");
  ASSERT_FALSE(config);
  const std::string all = text(config.error());
  EXPECT_THAT(all, HasSubstr("config:2:12: connections.broken.locl: unknown key"));
  EXPECT_THAT(all, HasSubstr("did you mean 'local'?"));
  EXPECT_THAT(all,
              HasSubstr("config:2:33: connections.broken.proposals[0]: unknown algorithm 'aes128gmc16'"));
  EXPECT_THAT(all, HasSubstr("did you mean 'aes128gcm16'?"));
  EXPECT_THAT(all, HasSubstr("config:3:8: ports: needs a section with keys"));
}

constexpr Wrong kWrong[] = {
    {"legacy: yes\n", "legacy: 'yes' is not allowed; use refuse or allow"},
    {"log: {legacy: allow}\n", "log.legacy: unknown key"},
    {"conections: {}\n", "conections: unknown key"},
    {"log: {level: inof}\n",
     "log.level: 'inof' is not allowed; use error, warning, info or debug; did you mean 'info'?"},
    {"log: {categories: {ik: debug}}\n", "log.categories.ik: unknown key"},
    {"log: {level: debug, level: info}\n", "log.level: stands here a second time"},
    {"management: {mode: 0666}\n", "management.mode: use an octal mode"},
    {"management: {socket: relative}\n", "management.socket: the path"},
    {"management: {group: no-such-group-here}\n", "management.group: there is no group"},
    {"limits: {half_open: 99999999999999999999999}\n",
     "limits.half_open: '99999999999999999999999' is not allowed"},
    {"icmp: {rate: 1000001}\n", "icmp.rate: '1000001' is not allowed"},
    {"icmp: {prohibited: maybe}\n", "icmp.prohibited: "},
    {"icmp: true\n", "icmp: needs a section"},
    {"limits: {half_open: -1}\n", "whole number from 1"},
    {"limits: {cookie_threshold: 100, half_open: 10}\n", "limits: cookie_threshold must be below half_open"},
    {"limits: {retry_first: 90}\n", "did you mean '90s'?"},
    {"limits: {retry_first: 99999999999999999d}\n", "is no duration"}};

TEST(ConfigGateway, WrongKeysAreNamed) {
  for (const Wrong& wrong : kWrong) expect_one_error(wrong.yaml, wrong.error);
}

TEST(Config, CoresAreChecked) {
  const auto gateway = [](const std::string& keys) {
    return error_of(
        parse("gateway: {" + keys + "}\nports: [{name: l, device: net_tap0, side: protected}]\n"));
  };
  EXPECT_THAT(gateway("workers: [1, 9]"),
              HasSubstr("gateway.workers[1]: this process has no core 9; it may run on 0, 1, 2, 3"));
  EXPECT_THAT(gateway("workers: [1, 1]"), HasSubstr("core 1 has a worker already"));
  EXPECT_THAT(gateway("main_core: 2, workers: [1, 2]"), HasSubstr("core 2 is the main core"));
  EXPECT_EQ(gateway("main_core: 2, workers: [1, 2], idle: relax"), "no error");
  EXPECT_THAT(gateway("workers: []"), HasSubstr("at least one core"));
  EXPECT_THAT(gateway("memory: 1MiB"), HasSubstr("'1MiB' is out of range; use 64MiB to 1TiB"));
  EXPECT_THAT(gateway("mode: kernl"), HasSubstr("did you mean 'kernel'?"));
  EXPECT_THAT(error_of(parse("gateway: {mode: dp}\n")), HasSubstr("ports: is missing"));
}

TEST(Config, CryptoDevicesAreChecked) {
  const auto crypto = [](const std::string& list) {
    return error_of(parse("crypto: " + list + "\nports: [{name: l, device: net_tap0, side: protected}]\n"));
  };
  EXPECT_THAT(crypto("[crypto_aesni_mbb]"), HasSubstr("did you mean 'crypto_aesni_mb'?"));
  EXPECT_THAT(crypto("[crypto_aesni_mb, crypto_aesni_mb]"), HasSubstr("stands here twice"));
  EXPECT_EQ(crypto("[\"crypto_aesni_mb1,max_nb_queue_pairs=4\", \"0000:3d:01.0\"]"), "no error");
}

TEST(Config, CryptoIsAListOfDevicesOrASection) {
  const auto setup = [](const std::string& crypto) {
    const auto config =
        parse("crypto: " + crypto + "\nports: [{name: l, device: net_tap0, side: protected}]\n");
    EXPECT_TRUE(config) << text(config.error());
    return config ? config->setup : dp::Setup{};
  };
  EXPECT_THAT(setup("[crypto_aesni_mb]").crypto_devices, ElementsAre("crypto_aesni_mb"));
  EXPECT_THAT(setup("[crypto_aesni_mb]").crypto_prefer, IsEmpty());
  EXPECT_THAT(setup("{devices: crypto_aesni_mb}").crypto_devices, ElementsAre("crypto_aesni_mb"));
  const dp::Setup chosen = setup("{prefer: {aes256-sha384: queue, aes128gcm16: cpu}}");
  EXPECT_THAT(chosen.crypto_devices, ElementsAre("crypto_aesni_gcm", "crypto_aesni_mb"));
  EXPECT_THAT(chosen.crypto_prefer,
              ElementsAre(dp::CryptoChoice{*find_suite("aes128gcm16"), dp::CryptoBackend::kCpu},
                          dp::CryptoChoice{*find_suite("aes256-sha384"), dp::CryptoBackend::kQueue}));
}

TEST(Config, CryptoChoicesAreChecked) {
  const auto prefer = [](const std::string& keys) {
    return error_of(
        parse("crypto: {prefer: {" + keys + "}}\nports: [{name: l, device: net_tap0, side: protected}]\n"));
  };
  EXPECT_THAT(prefer("aes128gmc16: cpu"), HasSubstr("crypto.prefer.aes128gmc16: unknown key"));
  EXPECT_THAT(prefer("aes128gmc16: cpu"), HasSubstr("did you mean 'aes128gcm16'?"));
  EXPECT_THAT(prefer("aes128: cpu"), HasSubstr("crypto.prefer.aes128: unknown key"));
  EXPECT_THAT(prefer("aes128gcm16: gpu"),
              HasSubstr("crypto.prefer.aes128gcm16: 'gpu' is not allowed; use direct, cpu or queue"));
}

// By one word a file serves the other mode: what that does not use is checked, and warned of.
TEST(ConfigGateway, ModeKernelTakesTheFileOfModeDp) {
  std::string file =
      std::string(kHead) + "routes: [{to: default, via: 198.51.100.254}]\n" + std::string(kSites);
  file.replace(file.find("mode: dp"), 8, "mode: kernel");
  const auto config = parse(file);
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->mode, Mode::kKernel);
  const std::string told = text(config->warnings);
  for (const char* key : {"gateway.workers", "gateway.memory", "crypto", "ports", "routes"})
    EXPECT_THAT(told, HasSubstr(std::string(": ") + key + ": is not used in mode 'kernel'"));
  EXPECT_THAT(error_of(parse("gateway: {mode: kernel, workers: [9]}\n")), HasSubstr("no core 9"));
  EXPECT_THAT(error_of(parse("gateway: {mode: kernel}\nports: [{name: l, device: net_tap0, side: left}]\n")),
              HasSubstr("use protected or unprotected"));
}

TEST(ConfigIke, AnotherDaemonHasConnectionsOfItsOwn) {
  EXPECT_EQ(with("")->daemon, IkeDaemon::kInternal);
  const auto config =
      with("ike: external\npolicies: [{name: rest, action: bypass, local: any, remote: any}]\n");
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_EQ(config->daemon, IkeDaemon::kExternal);
  ASSERT_THAT(config->policies, SizeIs(1));
  EXPECT_GT(config->policies[0].order, kLastFollowedOrder) << "the daemon's policies come first";
  expect_one_error("ike: external\n" + std::string(kSites), "connections: are the other IKE daemon's");
  expect_one_error("ike: other\n", "ike: ");
  std::string kernel = std::string(kHead) + "ike: external\n";
  kernel.replace(kernel.find("mode: dp"), 8, "mode: kernel");
  EXPECT_THAT(error_of(parse(kernel)), HasSubstr("'external' is for mode 'dp'"));
}

}  // namespace
}  // namespace simplon::ctrl
