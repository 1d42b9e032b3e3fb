// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/say.h"

#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace simplon::ctrl {

void say(Urgency urgency, const std::string& text) {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char when[40];
  const std::size_t length = std::strftime(when, sizeof when, "%F %T", &local);
  std::snprintf(when + length, sizeof when - length, ".%03d", static_cast<int>(now.tv_usec / 1000));
  const char* word = urgency == Urgency::kError ? "error" : urgency == Urgency::kWarning ? "warning" : "info";
  const std::string line = std::string(when) + " " + word + " [GRD] " + text + "\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace simplon::ctrl
