// SPDX-License-Identifier: Apache-2.0
// The log of the control thread: one line has a level, a category and, for IKE, the connection it is about.
//
// Lines go to the terminal or a file, by a thread of their own that never holds up the control thread
// (log_writer.h), and to one listener (the console's `log` events). Control characters, which a peer or a
// user may have put into a text, are replaced: one entry is one line. Workers never log: they count. Every
// call is the control thread's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace simplon::ctrl {

enum class Level : std::uint8_t { kError, kWarning, kInfo, kDebug };
enum class Category : std::uint8_t { kDaemon, kConfig, kIke, kNetwork, kDataPath, kKernel, kConsole, kAudit };

std::string_view name(Level level);
std::string_view name(Category category);
Result<Level> parse_level(std::string_view text);  // "error", "warning", "info", "debug"

struct LogEntry {
  Level level{};
  Category category{};
  std::string connection;  // empty when the line is about none
  std::uint32_t ike = 0;   // the IKE SA, 0 for none
  std::string text;
};

class Log {
 public:
  using Listener = std::function<void(const LogEntry&)>;

  // `file` empty: standard error. A file that cannot be opened is an error that names it.
  static Result<std::unique_ptr<Log>> open(Level level, const std::string& file);
  ~Log();

  // Waits until what was logged is written, at most so long. False: it is not.
  bool drain(std::chrono::milliseconds most);
  // The thread that writes may run where the calling thread may: not on a worker's core.
  void follow_affinity();
  // The same file opened anew, after it was moved away, or another one: opened first, so that whoever changes
  // more than the log can refuse a file before anything has changed.
  struct Target;
  static Result<std::shared_ptr<Target>> open_target(const std::string& file);
  void use(const Target& target);
  void set_level(Level level);
  // Categories that log more or less than set_level() says; replaces the ones set before.
  void set_categories(std::map<Category, Level> categories);
  void set_listener(Listener listener);
  void write(LogEntry entry);
  void error(Category c, std::string text) { write({Level::kError, c, {}, 0, std::move(text)}); }
  void warning(Category c, std::string text) { write({Level::kWarning, c, {}, 0, std::move(text)}); }
  void info(Category c, std::string text) { write({Level::kInfo, c, {}, 0, std::move(text)}); }
  void debug(Category c, std::string text) { write({Level::kDebug, c, {}, 0, std::move(text)}); }

 private:
  struct Sink;
  void tell_lost();
  explicit Log(std::unique_ptr<Sink> sink);
  std::unique_ptr<Sink> sink_;
};

}  // namespace simplon::ctrl
