// SPDX-License-Identifier: Apache-2.0
// Debian's own swanctl against our server: what it prints is the test of our fields' names.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>

#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using testing::HasSubstr;

class Swanctl : public ViciSocket {
 protected:
  struct Outcome {
    int status = -1;
    std::string text;
  };

  void SetUp() override {
    ASSERT_EQ(access("/usr/sbin/swanctl", X_OK), 0) << "install Debian's strongswan-swanctl";
    ViciSocket::SetUp();
    std::ofstream(folder_ + "/strongswan.conf") << "swanctl { load = random openssl }\n";
    std::ofstream(folder_ + "/swanctl.conf") << "connections { other { version = 2\n } }\n";
  }

  // Runs swanctl to its end, or until `text` stands in what it printed.
  template <class Meanwhile>
  Outcome swanctl(const std::string& arguments, Meanwhile meanwhile) {
    const std::string out = folder_ + "/out";
    const pid_t child = fork();
    if (child == 0) {
      setenv("STRONGSWAN_CONF", (folder_ + "/strongswan.conf").c_str(), 1);
      setenv("SWANCTL_DIR", folder_.c_str(), 1);
      const std::string line =
          "exec stdbuf -oL /usr/sbin/swanctl " + arguments + " --uri unix://" + path_ + " >" + out + " 2>&1";
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    const auto read_out = [&out] {
      std::ifstream file(out);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    serve_until([&] { return waitpid(child, &status, WNOHANG) == child; },
                [&] { meanwhile(child, read_out()); });
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_out()};
  }
  Outcome swanctl(const std::string& arguments) {
    return swanctl(arguments, [](pid_t, const std::string&) {});
  }
  // Ends what was begun.
  auto finishing(Result<void> result) {
    return [this, result](pid_t, const std::string&) {
      for (auto& [what, done] : std::exchange(gateway_.waiting, {})) {
        server_->log({Level::kInfo, Category::kIke, "sites", 1, what});
        done(result);
      }
    };
  }
};

TEST_F(Swanctl, Version) {
  const Outcome o = swanctl("--version --daemon");
  EXPECT_EQ(o.status, 0);
  EXPECT_THAT(o.text, HasSubstr(SIMPLON_VERSION " simplond (Linux, "));
}

TEST_F(Swanctl, Stats) {
  const Outcome o = swanctl("--stats");
  EXPECT_EQ(o.status, 0);
  EXPECT_THAT(o.text, HasSubstr("uptime: 5 minutes, since "));
  EXPECT_THAT(o.text, HasSubstr("worker threads: 2 total, 1 idle, working: 0/0/1/0"));
  EXPECT_THAT(o.text, HasSubstr("IKE_SAs: 1 total, 1 half-open"));
  EXPECT_THAT(o.text, HasSubstr("loaded plugins: dp vici"));
}

TEST_F(Swanctl, ListSasPrintsAllItsLines) {
  const Outcome o = swanctl("--list-sas");
  EXPECT_EQ(o.status, 0);
  EXPECT_EQ(o.text,
            "sites: #1, ESTABLISHED, IKEv2, 0123456789abcdef_i* fedcba9876543210_r\n"
            "  local  'a.example' @ 198.51.100.1[500]\n"
            "  remote 'b.example' @ 198.51.100.2[500]\n"
            "  AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384\n"
            "  established 60s ago, rekeying in 14340s\n"
            "  net: #7, reqid 5, INSTALLED, TUNNEL, ESP:AES_CBC-128/HMAC_SHA2_256_128/CURVE_25519\n"
            "    installed 60s ago, rekeying in 3540s, expires in 3900s\n"
            "    in  c0ffee01,    840 bytes,    10 packets,     3s ago\n"
            "    out c0ffee02,   1680 bytes,    20 packets,     2s ago\n"
            "    local  198.18.1.0/24\n"
            "    remote 198.18.2.0/24\n");
}

TEST_F(Swanctl, ListSasOfAChildInUdpAndOfNone) {
  gateway_.ikes.front().children.front().encapsulation = Encapsulation::kUdp;
  EXPECT_THAT(swanctl("--list-sas").text, HasSubstr("INSTALLED, TUNNEL-in-UDP, ESP:"));
  gateway_.ikes.clear();
  EXPECT_EQ(swanctl("--list-sas").text, "");
}

TEST_F(Swanctl, ListSasOfAhInTransportMode) {
  ike::ChildStatus& child = gateway_.ikes.front().children.front();
  child.protocol = IpsecProtocol::kAh;
  child.mode = SaMode::kTransport;
  child.suite = *find_ah_suite("sha256");
  const std::string text = swanctl("--list-sas").text;
  EXPECT_THAT(text, HasSubstr("INSTALLED, TRANSPORT, AH:"));
  EXPECT_THAT(text, HasSubstr("HMAC_SHA2_256_128/CURVE_25519"));
  EXPECT_THAT(text, testing::Not(HasSubstr("NULL")));
  child.suite = *find_ah_suite("aes128gmac");
  EXPECT_THAT(swanctl("--list-sas").text, HasSubstr("AES_128_GMAC/CURVE_25519"));
}

TEST_F(Swanctl, ListConns) {
  const Outcome o = swanctl("--list-conns");
  EXPECT_EQ(o.status, 0);
  EXPECT_EQ(o.text,
            "sites: IKEv2, no reauthentication, rekeying every 14400s, dpd delay 30s\n"
            "  local:  198.51.100.1\n"
            "  remote: 198.51.100.2\n"
            "  local pre-shared key authentication:\n"
            "    id: a.example\n"
            "  remote pre-shared key authentication:\n"
            "    id: b.example\n"
            "  net: TUNNEL, rekeying every 3600s, dpd action is none\n"
            "    local:  198.18.1.0/24\n"
            "    remote: 198.18.2.0/24\n");
}

TEST_F(Swanctl, ListPols) {
  const Outcome o = swanctl("--list-pols");
  EXPECT_EQ(o.text, "sites/net, TUNNEL\n  local:  198.18.1.0/24\n  remote: 198.18.2.0/24\n");
  EXPECT_EQ(swanctl("--list-pols --drop").text, "");
}

TEST_F(Swanctl, InitiateShowsTheLogAndItsEnd) {
  Outcome o = swanctl("--initiate --child net", finishing({}));
  EXPECT_EQ(o.status, 0);
  EXPECT_EQ(o.text, "[IKE] initiate sites/net\ninitiate completed successfully\n");
  o = swanctl("--initiate --child net", finishing(fail("no answer")));
  EXPECT_NE(o.status, 0);
  EXPECT_THAT(o.text, HasSubstr("initiate failed: no answer"));
  o = swanctl("--initiate --child nothing");
  EXPECT_THAT(o.text, HasSubstr("initiate failed: CHILD_SA config 'nothing' not found"));
}

TEST_F(Swanctl, TerminateAndRekey) {
  EXPECT_THAT(swanctl("--terminate --ike sites", finishing({})).text,
              HasSubstr("terminate completed successfully"));
  EXPECT_THAT(swanctl("--terminate --ike none").text, HasSubstr("no matching SAs to terminate found"));
  EXPECT_THAT(swanctl("--rekey --child net", finishing({})).text, HasSubstr("rekey completed successfully"));
  EXPECT_THAT(swanctl("--rekey --ike sites --reauth").text, HasSubstr("rekey failed: reauthentication"));
}

TEST_F(Swanctl, LogFollowsUntilItIsInterrupted) {
  const Outcome o = swanctl("--log", [this, seen = false](pid_t child, const std::string& text) mutable {
    server_->log({Level::kDebug, Category::kIke, "sites", 1, "too detailed"});
    server_->log({Level::kInfo, Category::kIke, "sites", 1, "hello"});
    if (!std::exchange(seen, text.find("hello") != std::string::npos) && seen) kill(child, SIGINT);
  });
  EXPECT_EQ(o.status, 0);
  EXPECT_THAT(o.text, HasSubstr("00[IKE] hello\n"));
  EXPECT_THAT(o.text, Not(HasSubstr("detailed")));
}

TEST_F(Swanctl, MonitorSaTellsOfChildren) {
  const Outcome o =
      swanctl("--monitor-sa", [this, seen = false](pid_t child, const std::string& text) mutable {
        server_->event(ike::ChildEvent{ike::UpDown::kUp, ike::IkeSaId{1}, ike::ChildSaId{7}}, now_);
        if (!std::exchange(seen, text.find("    remote") != std::string::npos) && seen) kill(child, SIGINT);
      });
  EXPECT_EQ(o.status, 0);
  EXPECT_THAT(o.text, HasSubstr("sites: #1, ESTABLISHED"));
  EXPECT_THAT(o.text, HasSubstr("net: #7, reqid 5, INSTALLED"));
}

TEST_F(Swanctl, CountersAlgorithmsPoolsCertificatesAuthorities) {
  EXPECT_THAT(swanctl("--counters").text, HasSubstr("received              : 12"));
  EXPECT_THAT(swanctl("--list-algs").text, HasSubstr("aes128gcm16[simplon]"));
  for (const auto* listing : {"--list-pools", "--list-certs", "--list-authorities"}) {
    const Outcome o = swanctl(listing);
    EXPECT_EQ(o.status, 0) << listing;
    EXPECT_EQ(o.text, "") << listing;
  }
}

TEST_F(Swanctl, LoadingIsRefusedWithTheReason) {
  const Outcome o = swanctl("--load-conns");
  EXPECT_NE(o.status, 0);
  EXPECT_THAT(
      o.text,
      HasSubstr("connections and secrets come from the configuration file /etc/simplon/simplon.yaml"));
}

}  // namespace
}  // namespace simplon::ctrl
