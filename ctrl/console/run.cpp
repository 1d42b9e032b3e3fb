#include "ctrl/console/run.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <map>
#include <memory>
#include <ostream>
#include <sstream>

#include "ctrl/console/arguments.h"
#include "ctrl/console/json.h"
#include "ctrl/console/show.h"

namespace simplon::console {
namespace {

using vici::Client;
using vici::Message;

// The CLI11 form of the table, and where it puts what was typed.
struct Grammar {
  CLI::App app{"The console of Simplon, the IPsec gateway.\nWithout a command: interactive.", "simplonctl"};
  bool json = false;
  std::string socket;
  std::map<const Command*, Typed> typed;
  std::map<const Command*, CLI::App*> apps;
  std::map<std::string, CLI::App*> groups;  // "sa", "policy": their commands have two words

  Grammar();
  void add(const Command& command);
  const Command* chosen() const;
};

void add_option(CLI::App& app, const Option& option, Typed& typed) {
  const bool bare = option.kind == Kind::kPositional || option.kind == Kind::kFile;
  const std::string name = (bare ? "" : "--") + std::string(option.name), help(option.help);
  if (option.kind == Kind::kFlag) {
    app.add_flag_callback(
        name, [&typed, key = option.name] { typed[key] = {"yes"}; }, help);
    return;
  }
  CLI::Option* made = nullptr;
  if (option.kind == Kind::kList)
    made =
        app.add_option_function<std::vector<std::string>>(
               name, [&typed, key = option.name](const std::vector<std::string>& v) { typed[key] = v; }, help)
            ->allow_extra_args(false);  // each value has its own --name
  else
    made = app.add_option_function<std::string>(
        name, [&typed, key = option.name](const std::string& value) { typed[key] = {value}; }, help);
  made->required(option.required)->type_name(option.kind == Kind::kSeconds ? "SECONDS" : "TEXT");
  if (!option.choices.empty())
    made->check(CLI::IsMember(std::vector<std::string>(option.choices.begin(), option.choices.end())));
}

Grammar::Grammar() {
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.add_flag("--json", json, "answers as JSON, for programs");
  app.add_option("--socket", socket, "the daemon's management socket")->type_name("PATH")->take_last();
  app.set_version_flag("--version", "simplonctl " SIMPLON_VERSION);
  for (const Command& command : commands()) add(command);
}

// "add, remove, list"
std::string group_help(const std::string& group) {
  std::string out;
  for (const Command& command : commands())
    if (command.path.starts_with(group + " "))
      out += (out.empty() ? "" : ", ") + std::string(command.path.substr(group.size() + 1));
  return out;
}

void Grammar::add(const Command& command) {
  CLI::App* parent = &app;
  std::string word(command.path);
  if (const std::size_t blank = word.find(' '); blank != std::string::npos) {
    const std::string group = word.substr(0, blank);
    CLI::App*& found = groups[group];
    if (!found) found = app.add_subcommand(group, group_help(group))->require_subcommand(1)->fallthrough();
    parent = found;
    word.erase(0, blank + 1);
  }
  CLI::App* made = parent->add_subcommand(word, std::string(command.help))->fallthrough();
  apps[&command] = made;
  Typed& into = typed[&command];
  for (const Option& option : command.options) add_option(*made, option, into);
}

const Command* Grammar::chosen() const {
  for (const auto& [command, sub] : apps)
    if (sub->parsed() && (sub->get_parent() == &app || sub->get_parent()->parsed())) return command;
  return nullptr;
}

// "help sa add" is "sa add --help"; what applies to all commands may stand before it.
std::vector<std::string> without_help(std::vector<std::string> words) {
  auto first = words.begin();
  while (first != words.end() && first->starts_with("--"))
    first += *first == "--socket" && first + 1 != words.end() ? 2 : 1;
  if (first == words.end() || *first != "help") return words;
  words.erase(first);
  words.emplace_back("--help");
  return words;
}

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
  Result<Message> arguments = arguments_of(*parsed.command, grammar.typed[parsed.command]);
  if (!arguments) return failed(err, arguments.error().what, kUsage);
  parsed.arguments = std::move(*arguments);
  return kOk;
}

int Console::run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  Parsed parsed;
  wants_prompt_ = false;
  const int status = parse(words, parsed, out, err);
  if (status != kOk || !parsed.command) return status;
  return execute(parsed, out, err);
}

int Console::local(const Command& command) {
  wants_prompt_ = command.path == "console";
  wants_to_quit_ = command.path == "quit";
  return kOk;
}

int Console::execute(const Parsed& parsed, std::ostream& out, std::ostream& err) {
  const Command& command = *parsed.command;
  if (command.way == Way::kLocal) return local(command);
  Result<Client> client = Client::connect(socket_);
  if (!client) return failed(err, client.error().what, kNoDaemon);
  const bool history =
      command.path == "log" && (parsed.arguments.is_yes("history") || parsed.arguments.value("lines"));
  if (command.way == Way::kFollow && !history) return follow(command, *client, out, err);
  return call(parsed, *client, out, err);
}

int Console::call(const Parsed& parsed, Client& client, std::ostream& out, std::ostream& err) {
  const Command& command = *parsed.command;
  const bool exchange = command.way == Way::kExchange;
  const std::string event(command.way == Way::kFollow ? command.vici : command.event);
  Message arguments;
  for (const vici::Element& e : parsed.arguments.elements())  // "history" is the console's own
    if (command.way != Way::kFollow || e.name != "history")
      std::visit(
          [&](const auto& content) {
            if constexpr (std::is_same_v<std::decay_t<decltype(content)>, vici::List>)
              arguments.add_list(e.name, content);
            else
              arguments.add(e.name, content);
          },
          e.content);
  Reply reply;
  const auto on_event = [&](const std::string&, const Message& message) {
    if (!exchange)
      reply.events.push_back(message);
    else if (!json_)
      show_log(out, {{}, {message}}), out.flush();
  };
  const Interruptible interruptible(client);
  Result<Message> answer = event.empty() ? client.call(command.vici, arguments, on_event)
                                         : client.call_streaming(command.vici, event, arguments, on_event);
  if (!answer)
    return failed(err, answer.error().what, answer.error().what == vici::kInterrupted ? kStopped : kNoDaemon);
  reply.answer = std::move(*answer);
  const bool refused = reply.answer.get("success") == "no";
  if (json_)
    out << (refused ? json_text(Command{}, reply) : json_text(command, reply)) << '\n';
  else if (refused)
    show_errors(err, reply.answer);
  else
    command.show(out, reply);
  return refused ? kRefused : kOk;
}

int Console::follow(const Command& command, Client& client, std::ostream& out, std::ostream& err) {
  const Interruptible interruptible(client);
  std::istringstream events{std::string(command.event)};
  for (std::string event; events >> event;)
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
      command.show(out, {{}, {std::move(packet->message)}}), out.flush();
  }
}

}  // namespace simplon::console
