// SPDX-License-Identifier: Apache-2.0
// stub_gateway FILE WAY...: a gateway that does nothing but what the guard sees of one. Its n-th start goes
// the n-th WAY, later ones the last: up (until SIGTERM, then status 0), crash, hang, refuse (status 1 before
// it is up), fail (status 3 after). Beside another gateway: up, never (is never ready), refuse, first (needs
// the other to end first), broken (ends when it has taken over the journal). As the old one, "stuck" does not
// answer. Each start adds a line to FILE, and so does each gateway that another replaces.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "ctrl/guard/guard.h"
#include "ctrl/guard/messages.h"

namespace {

volatile sig_atomic_t stop = 0;

using namespace simplon::ctrl;

void tell(int socket, char what, const std::string& text = {}) {
  send(socket, (what + text).data(), 1 + text.size(), MSG_NOSIGNAL);
}

bool wait_for(int socket, char what) {
  char octet = 0;
  while (recv(socket, &octet, 1, 0) == 1)
    if (octet == what) return true;
  return false;
}

// Until this one is to forward.
void replace(int socket, const std::string& way) {
  if (way == "refuse") {
    tell(socket, kRefused, "no port");
    _exit(1);
  }
  while (way == "never") pause();
  tell(socket, way == "first" ? kEndFirst : kReady);
  if (!wait_for(socket, kTakeOver) || way == "broken") _exit(7);
  if (way == "first") return;
  tell(socket, kAdopted);
  if (!wait_for(socket, kGo)) _exit(8);
}

// What the guard wants of a gateway that is up.
void answer(int socket, const std::string& file, const std::string& way) {
  char octet = 0;
  if (recv(socket, &octet, 1, MSG_DONTWAIT) != 1) return;
  if (octet == kNotUpgraded) std::ofstream(file, std::ios::app) << "not upgraded" << std::endl;
  if (octet != kFreeze) return;
  while (way == "stuck") pause();
  tell(socket, kFrozen);
  if (!wait_for(socket, kStopSending)) return;
  std::ofstream(file, std::ios::app) << "replaced" << std::endl;
  tell(socket, kStopped);
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
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
  int beside = 0, control = -1, fd = -1;
  const char* inherited = getenv(kInheritance);
  if (inherited == nullptr) return 4;
  if (std::sscanf(inherited, "%d,%d,%d", &beside, &control, &fd) != 3) return 4;
  if (beside == 1) replace(control, way);
  if (way == "refuse") return 1;
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
    answer(control, argv[1], way);
    usleep(10'000);
  }
  state.forwarder = Forwarder::kNobody;
  return 0;
}
