// SPDX-License-Identifier: Apache-2.0
// What each step of a take-over took, for the log.
#pragma once

#include <chrono>
#include <string>

namespace simplon::ctrl {

class Steps {
 public:
  void done(const char* step) {
    const auto now = Clock::now();
    text_ += (text_.empty() ? "" : ", ") + std::string(step) + " " + ms(now - last_);
    last_ = now;
  }
  std::string total() const { return ms(last_ - began_) + " ms"; }
  std::string text() const { return text_; }  // "journal 72, fence 5, policies 79"

 private:
  using Clock = std::chrono::steady_clock;
  static std::string ms(Clock::duration took) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  }
  Clock::time_point began_ = Clock::now(), last_ = began_;
  std::string text_;
};

}  // namespace simplon::ctrl
