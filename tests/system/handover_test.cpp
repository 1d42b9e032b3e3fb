// SPDX-License-Identifier: Apache-2.0
// A data path that starts while another still forwards (dp::Handover), beside the kernel: it waits for the
// TAP that the other has, and until it is opened nothing of the host leaves by its port or comes in.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "dp/device/datapath.h"
#include "tests/system/own_namespace.h"

namespace simplon::dp {
namespace {

using simplon::test::runs;
using simplon::test::shell;
using simplon::test::wait_for;

// Between the data path, in a process of its own, and the test.
struct Memory {
  std::atomic<std::uint64_t> turns{0}, refused{0};
  std::atomic<bool> tap_missing{false}, tap_there{false}, open_wanted{false}, open{false};
};
constexpr PortIndex kPort{0};
const char* const kPeer = "ip netns exec handover-peer ";

Setup setup() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned core = 0;
  while (!CPU_ISSET(core, &allowed)) ++core;
  return {.ports = {{.name = "wan", .device = "net_af_packet0,iface=hand0"}},
          .main_core = core,
          .worker_cores = {core},
          .idle = Idle::kRelax,
          .hugepages = Hugepages::kNever,
          .memory_mb = 128,
          .buffers = 8192,
          .file_prefix = "handover" + std::to_string(getpid())};
}

// The host and its neighbour on the link may talk in clear.
bool configure(DataPath& datapath) {
  const IpAddress ours = *IpAddress::parse("198.51.100.1");
  NetworkSpec network;
  network.addresses = {{ours, kPort}};
  network.routes = {{*Prefix::parse("198.51.100.0/24"), {}, kPort}};
  datapath.set_network(network);
  const Selectors all{{*TrafficSelector::parse("198.51.100.1")}, {*TrafficSelector::parse("198.51.100.2")}};
  return datapath.add_policy(
             {.id = PolicyId{1}, .name = "p", .order = 1, .action = Action::kBypass, .selectors = all}) &&
         datapath.commit();
}

int live(Memory& memory) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto datapath = DataPath::start(setup(), {.closed = true});
  if (!datapath) return std::fprintf(stderr, "%s\n", datapath.error().what.c_str()), 1;
  if (!configure(**datapath)) return 1;
  for (;; usleep(1000)) {
    for (const Event& event : (*datapath)->poll()) {
      const auto* changed = std::get_if<PortChanged>(&event);
      if (changed == nullptr) continue;
      if (changed->what.starts_with("cannot have its TAP yet")) memory.tap_missing = true;
      if (changed->what == "has its TAP again") memory.tap_there = true;
    }
    memory.turns = (*datapath)->turns(0);
    memory.refused = (*datapath)->stats().workers[0].dropped[static_cast<std::size_t>(Drop::kGatewayOff)];
    if (!memory.open_wanted || memory.open) continue;
    (*datapath)->set_gateway(true);
    if (!(*datapath)->commit()) return 1;
    memory.open = true;
  }
}

class Handover : public testing::Test {
 protected:
  // The kernel itself is silent on the port's interface.
  void SetUp() override {
    ASSERT_TRUE(
        runs("ip netns add handover-peer && ip link add hand0 type veth peer name hand1 netns handover-peer "
             "&& sysctl -qw net.ipv6.conf.hand0.disable_ipv6=1 net.ipv4.conf.hand0.arp_ignore=1 && ip link "
             "set hand0 up && "
             "ip -n handover-peer link set hand1 up && "
             "ip -n handover-peer addr add 198.51.100.2/24 dev hand1"));
  }
  void TearDown() override {
    if (child_ > 0) kill(child_, SIGKILL), waitpid(child_, nullptr, 0);
    EXPECT_TRUE(runs("ip link del hand0; ip netns del handover-peer"));
  }
  void start(int tap_of_another) {
    child_ = fork();
    if (child_ == 0) ::close(tap_of_another), _exit(live(*memory_));
  }
  static int tap_of_another(const char* name) {
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq r{};
    std::strncpy(r.ifr_name, name, IFNAMSIZ - 1);
    r.ifr_flags = IFF_TAP | IFF_NO_PI;
    EXPECT_EQ(ioctl(fd, TUNSETIFF, &r), 0);
    return fd;
  }
  // What the peer has seen of us.
  static std::uint64_t frames() {
    return std::stoull(shell(std::string(kPeer) + "cat /sys/class/net/hand1/statistics/rx_packets"));
  }

  Memory* const memory_ =
      new (mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Memory;
  pid_t child_ = 0;
};

TEST_F(Handover, ClosedItWaitsForTheOthersTapAndNothingOfTheHostPasses) {
  using namespace std::chrono_literals;
  const int other = tap_of_another("wan");
  const std::uint64_t before = frames();
  start(other);
  ASSERT_TRUE(wait_for(-1, [&] { return memory_->turns > 100 && memory_->tap_missing; }, 60s));
  EXPECT_FALSE(memory_->tap_there);
  ::close(other);
  ASSERT_TRUE(wait_for(-1, [&] { return memory_->tap_there.load(); }, 60s));
  ASSERT_TRUE(runs("ip addr add 198.51.100.1/24 dev wan"));
  EXPECT_FALSE(runs("ping -q -c 2 -i 0.2 -W 1 198.51.100.2"));
  EXPECT_FALSE(runs(std::string(kPeer) + "ping -q -c 2 -i 0.2 -W 1 198.51.100.1"));
  EXPECT_GT(memory_->refused, 0u) << "they came to the worker";
  EXPECT_EQ(frames(), before) << "not even an ARP request leaves";
  memory_->open_wanted = true;
  ASSERT_TRUE(wait_for(-1, [&] { return memory_->open.load(); }));
  EXPECT_TRUE(wait_for(
      -1, [] { return bool(runs("ping -q -c 1 -W 1 198.51.100.2")); }, 60s))
      << "the control";
  EXPECT_TRUE(runs(std::string(kPeer) + "ping -q -c 2 -i 0.2 -W 1 198.51.100.1"));
}

}  // namespace
}  // namespace simplon::dp

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!::testing::GTEST_FLAG(list_tests) && !simplon::test::enter_own_namespace()) {
    std::fputs("this test needs root, to have a network namespace of its own\n", stderr);
    return 1;
  }
  return RUN_ALL_TESTS();
}
