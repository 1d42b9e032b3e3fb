// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/log_writer.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <utility>

namespace simplon::ctrl {

struct LogWriter::Shared {
  explicit Shared(int descriptor) : fd(descriptor) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { close(fd); }

  const int fd;
  std::mutex mutex;
  std::condition_variable more, done;
  std::deque<std::string> lines;
  std::size_t bytes = 0;  // of the lines, and of the one that is being written
  bool end = false;
  Lost lost;
};

namespace {

// 0, or the errno with which the descriptor refused it.
int write_line(int fd, const std::string& line) {
  for (std::size_t at = 0; at < line.size();) {
    const ssize_t n = write(fd, line.data() + at, line.size() - at);
    if (n > 0) {
      at += static_cast<std::size_t>(n);
    } else if (n == 0) {  // it takes nothing and says no reason
      return EIO;
    } else if (errno == EAGAIN) {  // another process made what we share with it non-blocking
      pollfd wanted{fd, POLLOUT, 0};
      poll(&wanted, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

LogWriter::LogWriter(int fd) : shared_(std::make_shared<Shared>(fd)) {
  sigset_t all, before;  // signals are the control thread's
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([shared = shared_] { write_all(shared); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "log");
}

LogWriter::~LogWriter() {
  if (!thread_.joinable()) return;
  end();
  if (drain(kDrain))
    thread_.join();
  else
    thread_.detach();
}

void LogWriter::leave() {
  end();
  thread_.detach();
}

void LogWriter::end() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->end = true;
  }
  shared_->more.notify_one();
}

void LogWriter::write_all(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock(shared->mutex);
  for (;;) {
    shared->more.wait(lock, [&] { return shared->end || !shared->lines.empty(); });
    if (shared->lines.empty()) return;
    const std::string line = std::exchange(shared->lines.front(), {});
    shared->lines.pop_front();
    lock.unlock();
    const int why = write_line(shared->fd, line);
    lock.lock();
    shared->bytes -= line.size();
    if (why != 0) shared->lost = {shared->lost.lines + 1, why};
    if (shared->bytes == 0) shared->done.notify_all();
  }
}

void LogWriter::put(std::string line) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->bytes + line.size() > kMostBytes) {
      ++shared_->lost.lines;
      return;
    }
    shared_->bytes += line.size();
    shared_->lines.push_back(std::move(line));
  }
  shared_->more.notify_one();
}

bool LogWriter::drain(std::chrono::milliseconds most) {
  std::unique_lock lock(shared_->mutex);
  return shared_->done.wait_for(lock, most, [&] { return shared_->bytes == 0; });
}

LogWriter::Lost LogWriter::take_lost() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->lost, {});
}

bool LogWriter::has_room() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->bytes < kMostBytes / 2;
}

void LogWriter::follow_affinity() {
  cpu_set_t cores;
  if (pthread_getaffinity_np(pthread_self(), sizeof cores, &cores) == 0)
    pthread_setaffinity_np(thread_.native_handle(), sizeof cores, &cores);
}

}  // namespace simplon::ctrl
