// What the files of commands share: the rows of the command table and the reading of arguments.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "ctrl/manage/commands/commands.h"

namespace simplon::ctrl {

struct Call {
  const Commands& commands;
  const Operations& gateway;
  const Request& request;
  Finish finish;

  const vici::Message& arguments() const { return request.arguments; }
  // Leaves a line in the log: who (by the socket's credentials) changed what.
  void note(const std::string& what) const;
};

struct CommandRow {
  std::string_view name;
  Answer (*run)(Call& call);
};
std::span<const CommandRow> general_commands();
std::span<const CommandRow> ike_commands();
std::span<const CommandRow> exchange_commands();
std::span<const CommandRow> datapath_commands();
std::span<const CommandRow> sa_commands();
std::span<const CommandRow> policy_commands();

// Reads the arguments of one request. The first that is missing, unknown or malformed is kept as the error,
// which says what is allowed; the values read after it mean nothing.
class Arguments {
 public:
  // What is not among `allowed` is an error.
  Arguments(const vici::Message& arguments, std::initializer_list<std::string_view> allowed);

  bool has(std::string_view key) const { return !arguments_.get(key).empty(); }
  std::string_view text(std::string_view key);  // required
  // Decimal, or hexadecimal with 0x; `otherwise` when it is not there.
  std::uint64_t number(std::string_view key, std::uint64_t least, std::uint64_t most,
                       std::uint64_t otherwise);
  // Position among `choices`.
  std::size_t choice(std::string_view key, std::initializer_list<std::string_view> choices,
                     std::size_t otherwise);
  IpAddress address(std::string_view key);  // required
  TrafficSelectors selectors(std::string_view key);
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
