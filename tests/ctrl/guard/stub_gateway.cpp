// SPDX-License-Identifier: Apache-2.0
// stub_gateway FILE WAY...: a gateway that does nothing but what the guard sees of one. Its n-th start goes
// the n-th WAY, later ones the last: up (until SIGTERM, then status 0), crash, hang, refuse (status 1 before
// it is up), fail (status 3 after). Each start adds a line to FILE.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "ctrl/guard/guard.h"

namespace {

volatile sig_atomic_t stop = 0;

}  // namespace

int main(int argc, char** argv) {
  using namespace simplon::ctrl;
  if (argc < 3) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGTERM, [](int) { stop = 1; });
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int lines = 0;
  std::string line;
  for (std::ifstream in(argv[1]); std::getline(in, line);) ++lines;
  const std::string way = argv[2 + std::min(lines, argc - 3)];
  std::ofstream(argv[1], std::ios::app) << way << std::endl;
  if (way == "refuse") return 1;
  int fd = -1;
  const char* inherited = getenv(kInheritance);
  if (inherited == nullptr) return 4;
  std::from_chars(inherited, inherited + std::strlen(inherited), fd);
  auto region = Region::attach(fd);
  if (!region) return 5;
  SharedState& state = region->state();
  state.workers = 1;
  state.forwarder = Forwarder::kGateway;
  state.running = true;
  for (int turn = 0; stop == 0; ++turn) {
    const bool ends = turn == 10;
    if (ends && way == "crash") abort();
    if (ends && way == "fail") return 3;
    if (!(turn >= 10 && way == "hang")) ++state.worker_turns[0];
    ++state.control_turns;
    usleep(10'000);
  }
  state.forwarder = Forwarder::kNobody;
  return 0;
}
