// SPDX-License-Identifier: Apache-2.0
// A whole data path in a process of its own, which is killed while it sends, and another that goes on with
// its SA; and one that starts while another still forwards. Its ports read and write files. Its own binary,
// since each life has an EAL.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "dp/device/datapath.h"
#include "tests/dp/lab.h"

namespace simplon::dp::test {
namespace {

using namespace std::chrono_literals;

// Between a life and the test, which outlives it.
struct Memory {
  SaLease lease;
  std::atomic<std::uint64_t> turns{0}, refused{0}, forwarded{0};
  std::atomic<bool> open_wanted{false}, open{false};
};

constexpr Mac kNextHop{2, 0, 0, 0, 0, 9};
const IpAddress kHop = *IpAddress::parse("198.51.100.254");

struct Files {
  std::string in, out;
};

std::vector<unsigned> cores() {
  std::vector<unsigned> out;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (unsigned i = 0; i < CPU_SETSIZE && out.size() < 2; ++i)
    if (CPU_ISSET(i, &allowed)) out.push_back(i);
  return {out.front(), out.back()};
}

Setup setup_of(const Files& files) {
  const std::vector<unsigned> cpu = cores();
  return {.ports = {{.name = "lan",
                     .device = "net_pcap0,rx_pcap=" + files.in + ",infinite_rx=1",
                     .side = Side::kProtected,
                     .tap = false},
                    {.name = "wan", .device = "net_pcap1,tx_pcap=" + files.out, .tap = false}},
          .main_core = cpu[0],
          .worker_cores = {cpu[1]},
          .hugepages = Hugepages::kNever,
          .memory_mb = 128,
          .buffers = 8192,
          .file_prefix = "takeover" + std::to_string(getpid())};
}

// One SA, and traffic for it without end.
Result<std::unique_ptr<DataPath>> start(const Files& files, Memory& memory, bool closed) {
  auto datapath = DataPath::start(setup_of(files), {.leases = {&memory.lease, 1}, .closed = closed});
  if (!datapath) return datapath;
  DataPath& d = **datapath;
  NetworkSpec network;
  network.addresses = {{*IpAddress::parse("198.51.100.1"), kWan}};
  network.routes = {{*Prefix::parse("198.51.100.0/24"), kHop, kWan}};
  network.neighbours = {{kHop, kWan, kNextHop}};
  d.set_network(network);
  const Selectors sites = selectors("198.18.1.0/24", "198.18.2.0/24");
  if (auto done = d.add_sa(make_sa(Direction::kOut, {.selectors = sites}), {.lease = 0}); !done)
    return std::unexpected(done.error());
  if (auto done = d.add_policy(
          {.id = PolicyId{1}, .name = "p", .order = 10, .action = Action::kProtect, .selectors = sites});
      !done)
    return std::unexpected(done.error());
  if (auto done = d.commit(); !done) return std::unexpected(done.error());
  return datapath;
}

// Never returns: it is killed.
int live(Files files, int fd, bool closed) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto* memory =
      static_cast<Memory*>(mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  auto datapath = start(files, *memory, closed);
  if (!datapath) return std::fprintf(stderr, "%s\n", datapath.error().what.c_str()), 1;
  for (;; usleep(1000)) {
    (*datapath)->poll();
    memory->turns = (*datapath)->turns(0);
    const WorkerStats worker = (*datapath)->stats().workers[0];
    memory->refused = worker.dropped[static_cast<std::size_t>(Drop::kGatewayOff)];
    memory->forwarded = worker.encrypted;
    if (!memory->open_wanted || memory->open) continue;
    (*datapath)->set_gateway(true);
    if (!(*datapath)->commit()) return 1;
    memory->open = true;
  }
}

class Takeover : public testing::Test {
 protected:
  Takeover() {
    if (ftruncate(fd_, sizeof(Memory)) != 0) std::abort();
    void* at = mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    memory_ = new (at) Memory;
    char name[] = "/tmp/takeover-XXXXXX";
    folder_ = mkdtemp(name);
    write_traffic();
  }
  ~Takeover() override {
    kill_it();
    std::filesystem::remove_all(folder_);
    munmap(memory_, sizeof(Memory));
    ::close(fd_);
  }

  // The address of the first device of its driver.
  void write_traffic() const {
    const Buffer frame =
        frame_of(Mac{2, 0x70, 0x63, 0x61, 0x70, 0}, 0x0800, udp4("198.18.1.10", "198.18.2.10"));
    std::ofstream out(folder_ + "/in.pcap", std::ios::binary);
    const auto size = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t head[] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1}, record[] = {0, 0, size, size};
    out.write(reinterpret_cast<const char*>(head), sizeof head);
    out.write(reinterpret_cast<const char*>(record), sizeof record);
    out.write(reinterpret_cast<const char*>(frame.data()), size);
  }
  std::string sent_file() const { return folder_ + "/out" + std::to_string(life_) + ".pcap"; }
  void start_life(bool closed) {
    ++life_;
    memory_->turns = 0;
    const std::string in = folder_ + "/in.pcap", out = sent_file(), fd = std::to_string(fd_);
    child_ = fork();
    if (child_ != 0) return;
    execl("/proc/self/exe", "takeover_test", "--live", in.c_str(), out.c_str(), fd.c_str(),
          closed ? "closed" : "open", nullptr);
    _exit(127);
  }
  void kill_it() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(std::exchange(child_, 0), nullptr, 0);
  }
  template <class F>
  bool wait_until(F&& holds) {
    for (const auto end = std::chrono::steady_clock::now() + 100s; std::chrono::steady_clock::now() < end;) {
      if (holds()) return true;
      if (waitpid(child_, nullptr, WNOHANG) == child_) return child_ = 0, false;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  // Of the packets that have left, as far as the file has them: what a life had still in its buffer went with
  // it.
  std::vector<std::uint32_t> numbers() const {
    std::ifstream in(sent_file(), std::ios::binary);
    std::vector<char> all((std::istreambuf_iterator<char>(in)), {});
    std::vector<std::uint32_t> out;
    for (std::size_t at = 24; at + 16 <= all.size();) {
      std::uint32_t size;
      std::memcpy(&size, &all[at + 8], sizeof size);
      at += 16;
      if (at + size > all.size()) break;
      out.push_back(load_be32(reinterpret_cast<const std::uint8_t*>(&all[at]) + 14 + 20 + 4));
      at += size;
    }
    return out;
  }
  std::uint64_t sent_bytes() const {
    struct stat s{};
    return stat(sent_file().c_str(), &s) == 0 ? static_cast<std::uint64_t>(s.st_size) : 0;
  }

  const int fd_ = memfd_create("leases", 0);
  Memory* memory_ = nullptr;
  std::string folder_;
  pid_t child_ = 0;
  unsigned life_ = 0;
};

TEST_F(Takeover, KilledWhileItSendsNoNumberIsUsedTwice) {
  std::uint64_t from = 1;
  for (int life = 0; life < 3; ++life) {
    start_life(false);
    // Longer than one step of the lease, by what the file can have in front of it.
    ASSERT_TRUE(wait_until([&] { return memory_->lease.ceiling >= from + 2 * kLeaseStep; }));
    ASSERT_TRUE(wait_until([&] { return sent_bytes() > kLeaseStep * 100; }));
    kill_it();
    const std::uint64_t ceiling = memory_->lease.ceiling;
    const std::vector<std::uint32_t> sent = numbers();
    ASSERT_GT(sent.size(), 1000u);
    EXPECT_EQ(sent.front(), from) << "where the one before could not have been";
    for (std::size_t i = 1; i < sent.size(); ++i) ASSERT_EQ(sent[i], sent[i - 1] + 1);
    EXPECT_LT(sent.back(), ceiling);
    from = ceiling;
  }
}

TEST_F(Takeover, StartedClosedNothingLeavesUntilItIsOpenedAndThenWhereTheOtherHasEnded) {
  memory_->lease.ceiling = 400;
  start_life(true);
  ASSERT_TRUE(wait_until([&] { return memory_->turns > 100 && memory_->refused > 100; })) << "it turns";
  const std::uint64_t turns = memory_->turns;
  ASSERT_TRUE(wait_until([&] { return memory_->turns > turns + 100; }));
  EXPECT_EQ(memory_->forwarded, 0u);
  EXPECT_LE(sent_bytes(), 24u);
  EXPECT_EQ(memory_->lease.ceiling, 400u) << "which is the other's still";
  memory_->lease.ceiling = 123'456;
  memory_->open_wanted = true;
  ASSERT_TRUE(wait_until([&] { return memory_->forwarded > 10'000; }));
  kill_it();
  const std::vector<std::uint32_t> sent = numbers();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent.front(), 123'456u);
}

}  // namespace
}  // namespace simplon::dp::test

int main(int argc, char** argv) {
  if (argc == 6 && std::string(argv[1]) == "--live")
    return simplon::dp::test::live({argv[2], argv[3]}, std::atoi(argv[4]), std::string(argv[5]) == "closed");
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
