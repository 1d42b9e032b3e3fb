// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/listener.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace simplon::ctrl {
namespace {

constexpr mode_t kSocketMode = 0660;

std::unexpected<Error> cannot(const std::string& path, const std::string& what) {
  return fail("management socket " + path + ": " + what);
}

std::unexpected<Error> errno_failed(const std::string& path, const char* call) {
  return cannot(path, std::string(call) + ": " + strerror(errno));
}

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return cannot(path, "a path has 1 to " + std::to_string(sizeof address.sun_path - 1) + " characters");
  path.copy(address.sun_path, path.size());
  return address;
}

// A daemon that died leaves its socket file behind; one that lives must keep it.
Result<void> clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat found{};
  if (lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return cannot(path, "there is a file that is no socket; remove it");
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return errno_failed(path, "socket");
  const bool refused = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                       errno == ECONNREFUSED;
  close(probe);
  if (!refused) return cannot(path, "another process answers there; is Simplon running already?");
  if (unlink(path.c_str()) != 0) return errno_failed(path, "unlink");
  return {};
}

// /run is empty after a boot. Others may pass through the folder, or `management.group` could not reach the
// socket; its own mode says who may open it.
Result<void> make_folder(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  if (folder.size() == path.size() || folder.empty()) return {};
  const int made = mkdir(folder.c_str(), 0711);
  if (made != 0 && errno == EEXIST) return {};
  if (made != 0 || chmod(folder.c_str(), 0711) != 0)  // whatever the umask
    return errno_failed(path, ("making its folder " + folder).c_str());
  return {};
}

}  // namespace

Result<int> listen_at(const std::string& path) {
  const Result<sockaddr_un> address = socket_address(path);
  if (!address) return std::unexpected(address.error());
  if (const Result<void> made = make_folder(path); !made) return std::unexpected(made.error());
  if (const Result<void> clear = clear_stale(path, *address); !clear) return std::unexpected(clear.error());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno_failed(path, "socket");
  const mode_t before = umask(0777 & ~kSocketMode);  // from its first moment the file has no wider mode
  const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  const int why = errno;
  umask(before);
  errno = why;
  if (bound == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const auto failed = errno_failed(path, bound == 0 ? "listen" : "bind");
  close(fd);
  return failed;
}

}  // namespace simplon::ctrl
