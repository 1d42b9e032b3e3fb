// SPDX-License-Identifier: Apache-2.0
// simplonctl: one command, or an interactive console.
#include <iostream>

#include "ctrl/console/prompt.h"

int main(int argc, char** argv) {
  using namespace simplon::console;
  Console console(simplon::vici::kDefaultSocket);
  const int status = console.run({argv + 1, argv + argc}, std::cout, std::cerr);
  return status == kOk && console.wants_prompt() ? prompt(console) : status;
}
