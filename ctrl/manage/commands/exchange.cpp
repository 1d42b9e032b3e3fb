// SPDX-License-Identifier: Apache-2.0
// Commands that start an exchange and are answered when it is over: initiate, terminate, rekey,
// placement.
#include <array>
#include <charconv>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

using vici::Message;

// How long the client wants to wait for the end of the exchange: `timeout` in milliseconds; 0: until it is
// over; below 0: not at all. `loglevel` says which log lines it gets meanwhile.
class WaitOptions {
 public:
  explicit WaitOptions(const Message& arguments) {
    read(arguments, "timeout", timeout_ms_);
    read(arguments, "loglevel", level_);
    if (arguments.is_yes("force") && timeout_ms_ == 0) timeout_ms_ = -1;
  }

  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }
  bool waits() const { return timeout_ms_ >= 0; }
  Later later(Now now, std::set<std::string> connections, Message timed_out) const {
    Later out{.timed_out = std::move(timed_out), .connections = std::move(connections)};
    if (timeout_ms_ > 0) out.deadline = now + std::chrono::milliseconds(timeout_ms_);
    out.level = level_ <= 0 ? Level::kWarning : level_ == 1 ? Level::kInfo : Level::kDebug;
    if (level_ < 0) out.connections.clear();  // silent
    return out;
  }
  std::string text() const { return std::to_string(timeout_ms_) + " ms"; }

 private:
  void read(const Message& arguments, std::string_view key, std::int32_t& into) {
    const std::string_view text = arguments.get(key);
    if (text.empty()) return;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (error != std::errc{} || end != text.data() + text.size())
      error_ = std::string(key) + ": '" + std::string(text) + "' is no number";
  }

  std::int32_t timeout_ms_ = 0, level_ = 1;
  std::string error_;
};

struct Target {
  std::string connection, child;
};

Result<Target> find_target(const Operations& gateway, std::string_view ike, std::string_view child) {
  for (const auto& connection : gateway.connections()) {
    if (!ike.empty() && connection->name != ike) continue;
    if (child.empty()) return Target{connection->name, {}};
    for (const ike::ChildConfig& c : connection->children)
      if (c.name == child) return Target{connection->name, c.name};
  }
  if (child.empty()) return fail("IKE_SA config '" + std::string(ike) + "' not found");
  return fail("CHILD_SA config '" + std::string(child) + "' not found" +
              (ike.empty() ? "" : " in '" + std::string(ike) + "'"));
}

Answer initiate(Call& call) {
  const std::string_view ike = call.arguments().get("ike"), child = call.arguments().get("child");
  const WaitOptions wait(call.arguments());
  if (!wait.ok()) return failed(wait.error());
  if (ike.empty() && child.empty()) return failed("missing configuration name: give child, ike or both");
  const Result<Target> target = find_target(call.gateway, ike, child);
  if (!target) return failed(target.error().what);
  const std::string what =
      target->child.empty() ? target->connection : target->connection + "/" + target->child;
  call.log_change("initiate " + what);
  call.gateway.initiate(target->connection, target->child,
                        wait.waits() ? Done([finish = call.finish](const Result<void>& result) {
                          finish(result ? succeeded() : failed(result.error().what));
                        })
                                     : Done([](const Result<void>&) {}));
  if (!wait.waits()) return succeeded();
  return wait.later(call.request.now, {target->connection},
                    failed("'" + what + "' is not up after " + wait.text() + "; it is still being tried"));
}

// The SAs that the arguments of terminate or rekey select.
struct Matches {
  std::vector<ike::Which> which;
  std::set<std::string> connections;
};

bool matches(std::string_view wanted, std::string_view name) { return wanted.empty() || wanted == name; }
template <class Id>
bool matches_id(std::uint64_t wanted, Id id) {
  return wanted == 0 || wanted == static_cast<std::uint64_t>(id);
}

Matches find_matches(const Operations& gateway, const Message& m, Arguments& in) {
  const std::uint64_t ike_id = in.sa_number("ike-id"), child_id = in.sa_number("child-id");
  const bool by_child = m.value("child") || m.value("child-id");
  Matches out;
  for (const ike::IkeStatus& ike : gateway.ikes()) {
    if (!matches(m.get("ike"), ike.connection) || !matches_id(ike_id, ike.id)) continue;
    const std::size_t before = out.which.size();
    if (!by_child) out.which.emplace_back(ike::IkeSaOnly{ike.id});
    for (const ike::ChildStatus& child : ike.children)
      if (by_child && matches(m.get("child"), child.name) && matches_id(child_id, child.id))
        out.which.emplace_back(ike::ChildSaOnly{child.id});
    if (out.which.size() > before) out.connections.insert(ike.connection);
  }
  return out;
}

// One command may begin many exchanges: counts how many have ended, and makes the answer after the last one.
struct Tally {
  std::string_view counted;  // the answer's key for the number that succeeded; empty: it has none
  std::uint64_t matches = 0, left = 0, succeeded = 0;
  std::string why;

  Message message(std::string_view otherwise = {}) const {
    const bool all = succeeded == matches && matches > 0;
    Message m;
    m.add("success", all ? "yes" : "no").add("matches", matches);
    if (!counted.empty()) m.add(counted, succeeded);
    return m.add_if(!all, "errmsg", why.empty() ? otherwise : std::string_view(why));
  }
};

using Exchange = std::function<void(const ike::Which&, Done)>;

Answer exchange_with_all(Call& call, const Exchange& exchange, std::string_view verb,
                         std::string_view counted) {
  const Message& m = call.arguments();
  const WaitOptions wait(m);
  if (!wait.ok()) return failed(wait.error());
  if (!m.value("child") && !m.value("ike") && !m.value("child-id") && !m.value("ike-id"))
    return failed("missing selector: give child, ike, child-id or ike-id");
  Arguments in(m);
  const Matches found = find_matches(call.gateway, m, in);
  if (!in.ok()) return failed(in.error());
  auto tally = std::make_shared<Tally>(Tally{.counted = counted, .matches = found.which.size()});
  if (found.which.empty()) return tally->message("no matching SAs to " + std::string(verb) + " found");
  call.log_change(std::string(verb) + " " + std::to_string(found.which.size()) + " SAs");
  tally->left = tally->matches;
  for (const ike::Which& which : found.which)
    exchange(which, [tally, finish = call.finish, answers = wait.waits()](const Result<void>& result) {
      result ? void(++tally->succeeded) : void(tally->why = result.error().what);
      if (--tally->left == 0 && answers) finish(tally->message());
    });
  if (!wait.waits()) {
    Tally begun = *tally;
    begun.succeeded = begun.matches;
    return begun.message();
  }
  return wait.later(call.request.now, found.connections,
                    tally->message(std::string(verb) + " is not over after " + wait.text()));
}

Answer terminate(Call& call) {
  return exchange_with_all(call, call.gateway.terminate, "terminate", "terminated");
}

Answer rekey(Call& call) {
  if (call.arguments().is_yes("reauth"))
    return failed("reauthentication is not something that Simplon can do; rekey without it");
  return exchange_with_all(call, call.gateway.rekey, "rekey", {});
}

PolicyId entry_of(const Operations& gateway, const Target& target) {
  for (const auto& connection : gateway.connections())
    if (const auto* child = connection->name == target.connection ? connection->child(target.child) : nullptr)
      return child->policy;
  return {};
}

// Keys are not shared: the SAs that are there stay where they are until new ones have taken over elsewhere.
Answer placement(Call& call) {
  const Message& m = call.arguments();
  if (m.get("child").empty()) return failed("missing child: give CONNECTION/CHILD");
  const Result<Target> target = find_target(call.gateway, m.get("ike"), m.get("child"));
  if (!target) return failed(target.error().what);
  const bool kernel = m.get("place") == "kernel";
  if (auto done = call.gateway.place(entry_of(call.gateway, *target), kernel); !done)
    return failed(done.error().what);
  call.log_change("placement " + target->connection + "/" + target->child + " " +
                  std::string(m.get("place")));
  Arguments in(m);
  if (find_matches(call.gateway, m, in).which.empty())
    return Message().add("success", "yes").add("matches", 0u);
  return exchange_with_all(call, call.gateway.rekey, "rekey", {});
}

constexpr std::array kHandlers{Handler{"initiate", initiate}, Handler{"terminate", terminate},
                               Handler{"rekey", rekey}, Handler{"placement", placement}};

}  // namespace

std::span<const Handler> exchange_commands() { return kHandlers; }

}  // namespace simplon::ctrl
