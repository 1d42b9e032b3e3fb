// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/log.h"

#include <fcntl.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ctrl/runtime/log_writer.h"

namespace simplon::ctrl {
namespace {

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kError:
      return spdlog::level::err;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kDebug:
      return spdlog::level::debug;
  }
  return spdlog::level::info;
}

// Of ASCII: a line ends where we end it, and a terminal is not told anything.
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// spdlog makes a line of each entry; the writer's thread writes it.
class WriterSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit WriterSink(int fd) : writer(fd) {}
  LogWriter writer;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    writer.put({line.data(), line.size()});
  }
  void flush_() override {}
};

Result<std::shared_ptr<WriterSink>> sink_to(const std::string& file) {
  const int fd = file.empty()
                     ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                     : open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
  if (fd < 0)
    return fail((file.empty() ? "standard error" : "log file " + file) + ": " + std::strerror(errno));
  auto out = std::make_shared<WriterSink>(fd);
  out->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
  return out;
}

}  // namespace

std::string_view name(Level level) {
  switch (level) {
    case Level::kError:
      return "error";
    case Level::kWarning:
      return "warning";
    case Level::kInfo:
      return "info";
    case Level::kDebug:
      return "debug";
  }
  return "?";
}

std::string_view name(Category category) {
  switch (category) {
    case Category::kDaemon:
      return "DMN";
    case Category::kConfig:
      return "CFG";
    case Category::kIke:
      return "IKE";
    case Category::kNetwork:
      return "NET";
    case Category::kDataPath:
      return "DP";
    case Category::kKernel:
      return "KNL";
    case Category::kConsole:
      return "MGT";
    case Category::kAudit:
      return "AUD";
  }
  return "?";
}

Result<Level> parse_level(std::string_view text) {
  for (Level level : {Level::kError, Level::kWarning, Level::kInfo, Level::kDebug})
    if (name(level) == text) return level;
  return fail("'" + std::string(text) + "' is no log level; use error, warning, info or debug");
}

struct Log::Sink {
  std::shared_ptr<WriterSink> out;
  std::unique_ptr<spdlog::logger> logger;
  Listener listener;
  Level level{};
  std::map<Category, Level> categories;
  LogWriter::Lost lost;  // that no line has told of yet

  void add_lost() {
    const LogWriter::Lost more = out->writer.take_lost();
    lost = {lost.lines + more.lines, more.why != 0 ? more.why : lost.why};
  }
};

Log::Log(std::unique_ptr<Sink> sink) : sink_(std::move(sink)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(Level level, const std::string& file) {
  auto out = sink_to(file);
  if (!out) return std::unexpected(out.error());
  auto sink = std::make_unique<Sink>();
  sink->out = std::move(*out);
  sink->logger = std::make_unique<spdlog::logger>("simplon", sink->out);
  // What is let through depends on the category: write() decides.
  sink->logger->set_level(spdlog::level::debug);
  sink->level = level;
  return std::unique_ptr<Log>(new Log(std::move(sink)));
}

struct Log::Target {
  std::shared_ptr<WriterSink> out;
};

Result<std::shared_ptr<Log::Target>> Log::open_target(const std::string& file) {
  auto out = sink_to(file);
  if (!out) return std::unexpected(out.error());
  return std::make_shared<Target>(Target{std::move(*out)});
}

void Log::use(const Target& target) {
  sink_->add_lost();
  sink_->out->writer.leave();
  sink_->out = target.out;
  sink_->logger->sinks() = {sink_->out};
}

bool Log::drain(std::chrono::milliseconds most) { return sink_->out->writer.drain(most); }
void Log::follow_affinity() { sink_->out->writer.follow_affinity(); }

void Log::set_level(Level level) { sink_->level = level; }
void Log::set_categories(std::map<Category, Level> categories) { sink_->categories = std::move(categories); }
void Log::set_listener(Listener listener) { sink_->listener = std::move(listener); }

// Lost lines are told of when there is room again, by a line of the log.
void Log::tell_lost() {
  if (!sink_->out->writer.has_room()) return;
  sink_->add_lost();
  const auto [lines, why] = std::exchange(sink_->lost, {});
  if (lines == 0) return;
  sink_->logger->log(spdlog::level::warn, "[{}] {} lines of the log were lost: {}", name(Category::kDaemon),
                     lines, why == 0 ? "its reader was too slow" : std::strerror(why));
}

void Log::write(LogEntry entry) {
  for (std::string* text : {&entry.connection, &entry.text}) std::ranges::replace_if(*text, is_control, '?');
  const std::string about =
      entry.connection.empty() ? "" : " <" + entry.connection + "|" + std::to_string(entry.ike) + ">";
  const auto own = sink_->categories.find(entry.category);
  if (entry.level <= (own == sink_->categories.end() ? sink_->level : own->second)) {
    tell_lost();
    sink_->logger->log(spdlog_level(entry.level), "[{}]{} {}", name(entry.category), about, entry.text);
  }
  if (sink_->listener) sink_->listener(entry);
}

}  // namespace simplon::ctrl
