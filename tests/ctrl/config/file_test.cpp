// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/ctrl/config/texts.h"
#include "tests/ike/certificates.h"

namespace simplon::ctrl {
namespace {

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() {
    char path[] = "/tmp/simplon-config-XXXXXX";
    folder_ = mkdtemp(path);
    write("secrets.yaml", std::string(kSecrets), 0600);
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  LoadedConfig load(const std::string& path) { return load_config(path, ids_, kMachine); }
  std::string whole() const { return std::string(kHead) + std::string(kSites) + "secrets: secrets.yaml\n"; }

  std::string folder_;
  PolicyIds ids_;
};

TEST_F(ConfigFile, NamesItsSecretsRelativeToItself) {
  const auto config = load(write("gateway.yaml", whole()));
  ASSERT_TRUE(config) << text(config.error());
  EXPECT_FALSE(config->connections[0]->psk.empty());
  EXPECT_EQ(config->file, folder_ + "/gateway.yaml");
}

TEST_F(ConfigFile, SecretsThatOthersCanReadAreRefused) {
  const std::string gateway = write("gateway.yaml", whole()), secrets = folder_ + "/secrets.yaml";
  for (const mode_t mode : {0640, 0604, 0660, 0601}) {
    chmod(secrets.c_str(), mode);
    EXPECT_THAT(error_of(load(gateway)), HasSubstr("; run: chmod 600 " + secrets)) << std::oct << mode;
  }
  chmod(secrets.c_str(), 0400);
  EXPECT_TRUE(load(gateway));
}

TEST_F(ConfigFile, SecretsOfAStrangerAreRefused) {
  if (geteuid() != 0) return;  // only root can give a file away
  const std::string gateway = write("gateway.yaml", whole());
  ASSERT_EQ(chown((folder_ + "/secrets.yaml").c_str(), 65534, 65534), 0);
  EXPECT_THAT(error_of(load(gateway)), HasSubstr("belongs to user 65534"));
}

TEST_F(ConfigFile, MissingSecretsAreOneErrorNotOneAConnection) {
  const std::string gateway = write("gateway.yaml", whole());
  unlink((folder_ + "/secrets.yaml").c_str());
  EXPECT_THAT(error_of(load(gateway)), HasSubstr("secrets: " + folder_ + "/secrets.yaml: cannot be opened"));
}

TEST_F(ConfigFile, WithoutSecretsEachConnectionMissesItsKey) {
  EXPECT_THAT(error_of(load(write("gateway.yaml", std::string(kHead) + std::string(kSites)))),
              HasSubstr("there is no secret for"));
}

TEST_F(ConfigFile, ErrorsOfBothFilesAreTold) {
  write("secrets.yaml", "psks:\n  - {ids: [a], secret: 0x1}\n", 0600);
  const auto config = load(write("gateway.yaml", whole() + "log: {level: loud}\n"));
  ASSERT_FALSE(config);
  EXPECT_THAT(text(config.error()), HasSubstr("gateway.yaml:"));
  EXPECT_THAT(text(config.error()), HasSubstr("secrets.yaml:2:24: psks[0].secret"));
}

TEST_F(ConfigFile, WhatIsNoFileIsAnError) {
  EXPECT_THAT(error_of(load(folder_)), HasSubstr("is a directory"));
  EXPECT_THAT(error_of(load(folder_ + "/none")), HasSubstr("cannot be opened"));
  EXPECT_THAT(error_of(load("/dev/zero")), HasSubstr("is no regular file"));
  ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  EXPECT_THAT(error_of(load(folder_ + "/fifo")), HasSubstr("is no regular file"));
  EXPECT_THAT(error_of(load(write("empty.yaml", ""))), HasSubstr("ports: is missing"));
}

// The files that people copy work as they are, each with the example of a secrets file beside it.
TEST_F(ConfigFile, ExamplesOfTheTreeAreGood) {
  const std::filesystem::path conf = SIMPLON_TREE "/conf";
  using namespace ike::test;
  const Issued root = authority("CN=Root", {.to = 100 * 24 * 3600});
  const Issued gateway =
      certificate("CN=gw-a.example.net", root, {.names = {"DNS:gw-a.example.net"}, .to = 100 * 24 * 3600});
  write("root.pem", to_pem("CERTIFICATE", root.der));
  write("gw-a.pem", to_pem("CERTIFICATE", gateway.der));
  write("gw-a.key", to_pem("PRIVATE KEY", gateway.key.bytes()), 0600);
  int seen = 0;
  for (const auto& file : std::filesystem::directory_iterator(conf)) {
    const std::string copy = folder_ + "/" + file.path().filename().string();
    std::filesystem::copy_file(file.path(), copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(copy, std::filesystem::perms(0600));
    if (file.path().filename() == "secrets.yaml") continue;
    std::filesystem::copy_file(conf / "secrets.yaml", folder_ + "/secrets.yaml",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(folder_ + "/secrets.yaml", std::filesystem::perms(0600));
    const auto config = load(copy);
    EXPECT_TRUE(config) << text(config.error());
    EXPECT_TRUE(!config || config->warnings.empty()) << text(config->warnings);
    ++seen;
  }
  EXPECT_GE(seen, 4);
}

TEST_F(ConfigFile, ALogFileThatCannotBeOpenedIsRefused) {
  const auto logs_to = [&](const std::string& file) {
    return load(write("gateway.yaml", whole() + "log: {file: \"" + file + "\"}\n"));
  };
  EXPECT_TRUE(logs_to(folder_ + "/new.log"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/new.log")) << "a check makes nothing";
  EXPECT_TRUE(logs_to(write("old.log", "lines\n")));
  EXPECT_THAT(error_of(logs_to(folder_)), HasSubstr("log.file: '" + folder_ + "' is a folder"));
  EXPECT_THAT(error_of(logs_to(folder_ + "/none/x.log")),
              HasSubstr("log.file: there is no folder '" + folder_ + "/none'; make it first"));
  EXPECT_THAT(error_of(logs_to(folder_ + "/old.log/x.log")), HasSubstr("log.file: there is no folder"));
}

}  // namespace
}  // namespace simplon::ctrl
