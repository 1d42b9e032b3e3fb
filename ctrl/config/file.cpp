// SPDX-License-Identifier: Apache-2.0
// The files that the configuration is in, and those that it names.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

std::string why(int error) { return std::error_code(error, std::generic_category()).message(); }

struct Descriptor {
  int fd;
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

// Whoever can read the keys can pass for this gateway.
Result<void> check_guard(const std::string& path, const struct stat& info) {
  if (info.st_uid != 0 && info.st_uid != geteuid())
    return fail("belongs to user " + std::to_string(info.st_uid) +
                ", who could read and change the secrets; run: chown root " + path);
  if ((info.st_mode & 077) != 0)
    return fail("others than its owner have access to it; run: chmod 600 " + path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, Guarded guarded, std::size_t most) {
  // O_NONBLOCK: open() of a FIFO would wait until somebody writes.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return fail("cannot be opened: " + why(errno));
  struct stat info{};
  if (fstat(file.fd, &info) != 0) return fail("cannot be looked at: " + why(errno));
  if (!S_ISREG(info.st_mode))
    return fail(S_ISDIR(info.st_mode) ? "is a directory; name a file" : "is no regular file");
  if (guarded == Guarded::kYes)
    if (auto safe = check_guard(path, info); !safe) return std::unexpected(safe.error());
  if (info.st_size > static_cast<off_t>(most))
    return fail("is larger than " + std::to_string(most >> 20) + " MiB");
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = read(file.fd, text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("cannot be read: " + why(errno));
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

std::string beside(const std::string& file, const std::string& named) {
  return (std::filesystem::path(file).parent_path() / named).string();
}

}  // namespace simplon::ctrl
