// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/run.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ostream>

#include "ctrl/console/arguments.h"
#include "ctrl/console/grammar.h"
#include "ctrl/console/json.h"
#include "ctrl/console/pki.h"
#include "ctrl/console/show.h"

namespace simplon::console {
namespace {

using vici::Client;
using vici::Command;
using vici::Message;

int failed(std::ostream& err, const std::string& why, int status) {
  err << "simplonctl: " << why << '\n';
  return status;
}

// ^C ends what is waited for or followed, not the console: while this lives SIGINT is read from a descriptor,
// so that none is lost between two waits.
class Interruptible {
 public:
  explicit Interruptible(Client& client) : client_(client) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigprocmask(SIG_BLOCK, &wanted, &before_);
    fd_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    client.interrupt_by(fd_);
  }
  ~Interruptible() {
    client_.interrupt_by(-1);
    signalfd_siginfo taken{};
    while (read(fd_, &taken, sizeof taken) > 0) {
    }
    close(fd_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  Client& client_;
  int fd_ = -1;
  sigset_t before_{};
};

void show_errors(std::ostream& err, const Message& answer) {
  err << "simplonctl: " << field(answer, "errmsg") << '\n';
  if (const vici::List* errors = answer.list("errors"))
    for (const std::string& error : *errors) err << "  " << error << '\n';
}

}  // namespace

int Console::parse(const std::vector<std::string>& words, Parsed& parsed, std::ostream& out,
                   std::ostream& err) {
  Grammar grammar;
  std::vector<std::string> reversed = without_help(words);
  std::ranges::reverse(reversed);  // as CLI11 wants them
  try {
    grammar.app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    const int status = grammar.app.exit(e, out, err);
    return status == 0 ? kOk : kUsage;
  }
  json_ = grammar.json;
  if (!grammar.socket.empty()) socket_ = grammar.socket;
  parsed.command = grammar.chosen();
  if (!parsed.command) {
    wants_prompt_ = true;
    return kOk;
  }
  const Typed& typed = grammar.typed[parsed.command];
  Result<Message> arguments = arguments_of(*parsed.command, typed);
  if (!arguments) return failed(err, arguments.error().what, kUsage);
  parsed.arguments = std::move(*arguments);
  parsed.follow = !parsed.command->follows.empty() && typed.empty();  // "log --lines 5" shows these and ends
  return kOk;
}

int Console::run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  Parsed parsed;
  wants_prompt_ = false;
  if (const std::optional<int> status = run_pki(words, out, err)) return *status;
  const int status = parse(words, parsed, out, err);
  if (status != kOk || !parsed.command) return status;
  return execute(parsed, out, err);
}

int Console::local(const Command& command) {
  wants_prompt_ = command.words == "console";
  wants_to_quit_ = command.words == "quit";
  return kOk;
}

int Console::execute(const Parsed& parsed, std::ostream& out, std::ostream& err) {
  const Command& command = *parsed.command;
  if (command.vici.empty() && !parsed.follow) return local(command);
  Result<Client> client = Client::connect(socket_);
  if (!client) return failed(err, client.error().what, kNoDaemon);
  return parsed.follow ? follow(command, *client, out, err) : call(parsed, *client, out, err);
}

int Console::call(const Parsed& parsed, Client& client, std::ostream& out, std::ostream& err) {
  const Command& command = *parsed.command;
  Reply reply;
  const auto on_event = [&](const std::string&, const Message& message) {
    if (command.answered != vici::Answered::kLater)
      reply.events.push_back(message);
    else if (!json_)
      show_log(out, {{}, {message}}), out.flush();
  };
  const Interruptible interruptible(client);
  Result<Message> answer =
      command.event.empty() ? client.call(command.vici, parsed.arguments, on_event)
                            : client.call_streaming(command.vici, command.event, parsed.arguments, on_event);
  if (!answer)
    return failed(err, answer.error().what, answer.error().what == vici::kInterrupted ? kStopped : kNoDaemon);
  reply.answer = std::move(*answer);
  const bool refused = reply.answer.get("success") == "no";
  if (json_)
    out << (refused ? json_text(Command{}, reply) : json_text(command, reply)) << '\n';
  else if (refused)
    show_errors(err, reply.answer);
  else
    show_of(command)(out, reply);
  return refused ? kRefused : kOk;
}

int Console::follow(const Command& command, Client& client, std::ostream& out, std::ostream& err) {
  const Interruptible interruptible(client);
  for (const std::string_view event : vici::split(command.follows))
    if (const Result<void> ready = client.subscribe(event); !ready)
      return failed(err, ready.error().what, kNoDaemon);
  for (;;) {
    Result<vici::Packet> packet = client.next_event();
    if (!packet) {
      if (packet.error().what == vici::kInterrupted) return kOk;
      return failed(err, packet.error().what, kNoDaemon);
    }
    if (json_)
      out << json_text(Message().add("event", packet->name).add("data", std::move(packet->message)))
          << std::endl;
    else
      show_of(command)(out, {{}, {std::move(packet->message)}}), out.flush();
  }
}

}  // namespace simplon::console
