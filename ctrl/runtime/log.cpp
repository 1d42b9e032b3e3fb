// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

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

Result<spdlog::sink_ptr> sink_to(const std::string& file) {
  try {
    spdlog::sink_ptr out;
    if (file.empty())
      out = std::make_shared<spdlog::sinks::stderr_sink_st>();
    else
      out = std::make_shared<spdlog::sinks::basic_file_sink_st>(file);
    out->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    return out;
  } catch (const spdlog::spdlog_ex& e) {
    return fail("log file " + file + ": " + e.what());
  }
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
  }
  return "?";
}

Result<Level> parse_level(std::string_view text) {
  for (Level level : {Level::kError, Level::kWarning, Level::kInfo, Level::kDebug})
    if (name(level) == text) return level;
  return fail("'" + std::string(text) + "' is no log level; use error, warning, info or debug");
}

struct Log::Sink {
  std::unique_ptr<spdlog::logger> logger;
  Listener listener;
  Level level{};
  std::map<Category, Level> categories;
};

Log::Log(std::unique_ptr<Sink> sink) : sink_(std::move(sink)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(Level level, const std::string& file) {
  auto out = sink_to(file);
  if (!out) return std::unexpected(out.error());
  auto sink = std::make_unique<Sink>();
  sink->logger = std::make_unique<spdlog::logger>("simplon", std::move(*out));
  sink->logger->flush_on(spdlog::level::debug);
  // What is let through depends on the category: write() decides.
  sink->logger->set_level(spdlog::level::debug);
  sink->level = level;
  return std::unique_ptr<Log>(new Log(std::move(sink)));
}

Result<void> Log::reopen(const std::string& file) {
  auto out = sink_to(file);
  if (!out) return std::unexpected(out.error());
  sink_->logger->sinks() = {std::move(*out)};
  return {};
}

void Log::set_level(Level level) { sink_->level = level; }
void Log::set_categories(std::map<Category, Level> categories) { sink_->categories = std::move(categories); }
void Log::set_listener(Listener listener) { sink_->listener = std::move(listener); }

void Log::write(LogEntry entry) {
  const std::string about =
      entry.connection.empty() ? "" : " <" + entry.connection + "|" + std::to_string(entry.ike) + ">";
  const auto own = sink_->categories.find(entry.category);
  if (entry.level <= (own == sink_->categories.end() ? sink_->level : own->second))
    sink_->logger->log(spdlog_level(entry.level), "[{}]{} {}", name(entry.category), about, entry.text);
  if (sink_->listener) sink_->listener(entry);
}

}  // namespace simplon::ctrl
