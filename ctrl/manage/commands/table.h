// SPDX-License-Identifier: Apache-2.0
// What the files of commands share: the handlers' list and the reading of arguments.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ctrl/manage/commands/commands.h"
#include "ctrl/vici/command_table.h"

namespace simplon::ctrl {

struct Call {
  const Commands& commands;
  const vici::Command& row;
  const Operations& gateway;
  const Request& request;
  Finish finish;

  const vici::Message& arguments() const { return request.arguments; }
  // Logs who (by the socket's credentials) changed what.
  void log_change(const std::string& what) const;
};

// What does the work of a row of vici::commands(). A name that no row has does not compile.
struct Handler {
  consteval Handler(std::string_view command, Answer (*function)(Call& call))
      : row(&vici::row_of(command)), run(function) {}

  const vici::Command* row;
  Answer (*run)(Call& call);
};
std::span<const Handler> general_commands();
std::span<const Handler> ike_commands();
std::span<const Handler> exchange_commands();
std::span<const Handler> datapath_commands();
std::span<const Handler> sa_commands();
std::span<const Handler> policy_commands();
std::span<const Handler> pool_commands();
std::span<const Handler> certificate_commands();

// Why these arguments are against the row: one is unknown, is missing, or is not one of its choices. Empty:
// all are allowed.
std::string refusal(const vici::Command& row, const vici::Message& arguments);

// Reads the arguments of one request, which its row allows. The first that is missing or malformed is kept as
// the error, which says what is allowed; the values read after it mean nothing.
class Arguments {
 public:
  explicit Arguments(const vici::Message& arguments) : arguments_(arguments) {}

  bool has(std::string_view key) const { return !arguments_.get(key).empty(); }
  std::string_view text(std::string_view key);  // required
  // Decimal, or hexadecimal with 0x; `otherwise` when it is not there.
  std::uint64_t number(std::string_view key, std::uint64_t least, std::uint64_t most,
                       std::uint64_t otherwise);
  // What the row's choices mean; `otherwise` when the argument is not there.
  template <class T>
  T choice(std::string_view key, std::initializer_list<std::pair<std::string_view, T>> meanings,
           T otherwise) {
    if (!has(key)) return otherwise;
    for (const auto& [choice, meaning] : meanings)
      if (arguments_.get(key) == choice) return meaning;
    refuse(std::string(key) + ": '" + std::string(arguments_.get(key)) + "' is allowed but means nothing");
    return otherwise;
  }
  IpAddress address(std::string_view key);  // required
  IpAddress end(std::string_view key);      // the same, of an SA or a tunnel: one host's
  // The number of an SA; zero when it is not there.
  std::uint64_t sa_number(std::string_view key) { return number(key, 1, 0xffffffff, 0); }
  vici::List list(std::string_view key) const;  // of texts; one text is a list of one
  TrafficSelectors selectors(std::string_view key);
  // A list of "LOCAL... === REMOTE..." as Selectors::text() writes them.
  Selectors selector_sets(std::string_view key);
  Secret hex(std::string_view key, std::size_t bytes);  // required; the error does not show it

  void refuse(std::string what);
  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }

 private:
  const vici::Message& arguments_;
  std::string error_;
};

std::string spi_text(Spi spi);  // "0x0000abcd"

}  // namespace simplon::ctrl
