// SPDX-License-Identifier: Apache-2.0
// Writes the lines of the log in a thread of its own. A reader of standard error that has stopped, a full
// disk or one that hangs costs lines of the log, which are counted, and never holds up who logs.
//
// Calls are the control thread's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace simplon::ctrl {

class LogWriter {
 public:
  static constexpr std::size_t kMostBytes = 1 << 20;  // that wait to be written

  // The descriptor is the writer's, which closes it.
  explicit LogWriter(int fd);
  // What waits is written if that takes no more than kDrain; after it, the thread is left to itself.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Ends without waiting: the thread writes what waits by itself, if it can.
  void leave();
  // Never waits. A line that finds too many waiting is lost.
  void put(std::string line);
  // Waits until all is written, at most so long. False: it is not.
  bool drain(std::chrono::milliseconds most);
  // Lines that were lost since the last call: too many waited, or the descriptor did not take them.
  // `why`: the errno of the last that the descriptor refused, else 0.
  struct Lost {
    std::uint64_t lines = 0;
    int why = 0;
  };
  Lost take_lost();
  bool has_room() const;
  // The thread may run where the calling thread may.
  void follow_affinity();

 private:
  static constexpr std::chrono::milliseconds kDrain{1000};
  struct Shared;
  void end();
  static void write_all(const std::shared_ptr<Shared>& shared);

  std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this
  std::thread thread_;
};

}  // namespace simplon::ctrl
