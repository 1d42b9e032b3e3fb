// SPDX-License-Identifier: Apache-2.0
// simplon-guard [--journal KIB] [--] GATEWAY [ARGUMENT...]: starts the gateway and guards it
// (ctrl/guard/guard.h).
#include <cstdlib>
#include <iostream>

#include "ctrl/guard/guard.h"
#include "ctrl/guard/say.h"
#include "ctrl/linux/ike_socket.h"

int main(int argc, char** argv) {
  using namespace simplon::ctrl;
  std::vector<std::string> command(argv + 1, argv + argc);
  std::size_t journal = kJournalBytes;
  if (command.size() > 1 && command[0] == "--journal") {
    journal = std::strtoul(command[1].c_str(), nullptr, 10) << 10;
    if (journal == 0) command.clear();
    if (journal != 0) command.erase(command.begin(), command.begin() + 2);
  }
  if (!command.empty() && command[0] == "--") command.erase(command.begin());
  if (command.empty() || command[0].starts_with("-")) {
    std::cerr
        << "simplon-guard [--journal KIB] GATEWAY [ARGUMENT...]: starts the gateway, as \"simplond "
           "gateway.yaml\", and guards it:\n"
           "when it ends by an error or hangs, the kernel forwards until it is back; SIGUSR2 replaces it "
           "by the same program again.\n"
           "--journal: the memory of what is taken over; default 262144.\n";
    return command.empty() ? 2 : command[0] == "--help" ? 0 : 2;
  }
  auto sockets = IkeSockets::open(false);
  if (!sockets) {
    say(Urgency::kError, sockets.error().what);
    return 1;
  }
  auto guard = Guard::open(std::move(command), sockets->release(), journal);
  if (!guard) {
    say(Urgency::kError, guard.error().what);
    return 1;
  }
  return guard->run();
}
