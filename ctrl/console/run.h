// SPDX-License-Identifier: Apache-2.0
// Runs one command of the table: its words are parsed (CLI11), sent to the daemon, and the answer is shown.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/console/reply.h"
#include "ctrl/vici/client.h"
#include "ctrl/vici/command.h"

namespace simplon::console {

// What the process ends with.
enum Exit : int { kOk = 0, kRefused = 1, kUsage = 2, kNoDaemon = 3, kStopped = 130 };

class Console {
 public:
  explicit Console(std::string socket) : socket_(std::move(socket)) {}

  // `words` are a command and its arguments, as typed; --socket and --json may stand anywhere.
  int run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err);
  // Live names for completion; none when the daemon is not there.
  std::vector<std::string> names(vici::Names of) const;

  // Set when the words asked for it: "console" (or no command at all), "quit".
  bool wants_prompt() const { return wants_prompt_; }
  bool wants_to_quit() const { return wants_to_quit_; }

 private:
  struct Parsed {
    const vici::Command* command = nullptr;
    vici::Message arguments;
    bool follow = false;  // its events, until interrupted
  };
  int parse(const std::vector<std::string>& words, Parsed& parsed, std::ostream& out, std::ostream& err);
  int execute(const Parsed& parsed, std::ostream& out, std::ostream& err);
  int call(const Parsed& parsed, vici::Client& client, std::ostream& out, std::ostream& err);
  int follow(const vici::Command& command, vici::Client& client, std::ostream& out, std::ostream& err);
  int local(const vici::Command& command);

  std::string socket_;
  bool json_ = false, wants_prompt_ = false, wants_to_quit_ = false;
};

}  // namespace simplon::console
