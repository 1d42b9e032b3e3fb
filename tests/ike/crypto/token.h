// SPDX-License-Identifier: Apache-2.0
// Tokens for tests: one of SoftHSM in a folder of its own. Whoever has no SoftHSM skips.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/ike/certificates.h"

namespace simplon::ike::test {

inline std::string softhsm_library() {
  for (const char* path :
       {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"})
    if (std::filesystem::exists(path) && std::filesystem::exists("/usr/bin/softhsm2-util")) return path;
  return {};
}
inline bool quietly(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

// One token "gateway" with the PIN 1234, for the whole process: SoftHSM reads its environment once.
class SoftToken {
 public:
  static SoftToken& get() {
    static SoftToken token;
    return token;
  }
  ~SoftToken() { std::filesystem::remove_all(folder_); }
  // Puts the key in; false: it cannot.
  bool import(const std::string& label, const std::string& id, const SharedSecret& key) const {
    const std::string file = folder_ + "/" + label + ".pem";
    std::ofstream(file) << to_pem("PRIVATE KEY", Buffer(key.bytes().begin(), key.bytes().end()));
    return quietly("softhsm2-util --import " + file + " --token gateway --label " + label + " --id " + id +
                   " --pin 1234");
  }
  // As if it were pulled, and put back.
  void pull() const {
    std::filesystem::rename(folder_ + "/tokens", folder_ + "/pocket");
    std::filesystem::create_directory(folder_ + "/tokens");
  }
  void put_back() const {
    std::filesystem::remove_all(folder_ + "/tokens");
    std::filesystem::rename(folder_ + "/pocket", folder_ + "/tokens");
  }
  static std::string uri(const std::string& parts) {
    return "pkcs11:" + parts + "?module-path=" + softhsm_library();
  }

 private:
  SoftToken() {
    std::string name = "/tmp/simplon-token-XXXXXX";
    folder_ = mkdtemp(name.data());
    std::filesystem::create_directory(folder_ + "/tokens");
    std::ofstream(folder_ + "/softhsm2.conf")
        << "directories.tokendir = " << folder_ << "/tokens\nobjectstore.backend = file\nlog.level = ERROR\n";
    setenv("SOFTHSM2_CONF", (folder_ + "/softhsm2.conf").c_str(), 1);
    quietly("softhsm2-util --init-token --free --label gateway --pin 1234 --so-pin 12345678");
  }
  std::string folder_;
};

}  // namespace simplon::ike::test
