// SPDX-License-Identifier: Apache-2.0
// The file of the management socket and who may connect to it.
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/ctrl/manage/vici_socket.h"

namespace simplon::ctrl {
namespace {

using vici::Client;

TEST_F(ViciSocket, IsForItsOwnerAndGroupOnly) {
  struct stat found{};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0660u);
}

TEST_F(ViciSocket, AStaleFileIsReplacedAndALivingDaemonIsNot) {
  const auto second = ViciServer::open(path_, Commands(gateway_.operations()));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().what.find("running already"), std::string::npos);

  const std::string stale = folder_ + "/stale";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  stale.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(fd);
  EXPECT_TRUE(ViciServer::open(stale, Commands(gateway_.operations())));

  std::ofstream(folder_ + "/file") << "precious";
  EXPECT_FALSE(ViciServer::open(folder_ + "/file", Commands(gateway_.operations())));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/file"));
}

TEST_F(ViciSocket, AMissingFolderIsMadeAndOnlyItsOwnerListsIt) {
  const std::string folder = folder_ + "/run";
  const mode_t before = umask(0077);
  const auto server = ViciServer::open(folder + "/simplon.vici", Commands(gateway_.operations()));
  umask(before);
  ASSERT_TRUE(server) << server.error().what;
  EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms(0711))
      << "whatever the umask";
  EXPECT_TRUE(ViciServer::open(folder + "/second", Commands(gateway_.operations()))) << "it is there already";
  EXPECT_FALSE(ViciServer::open(folder_ + "/a/b/c", Commands(gateway_.operations())));
}

// A listener that stays readable would keep the control thread spinning.
TEST_F(ViciSocket, WithoutDescriptorsAClientIsSentAwayAndNothingSpins) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  rlimit before{}, few{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int lowest_free = dup(0);
  close(lowest_free);
  few = before;
  few.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const int connected = connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  server_->poll(now_);
  pollfd waiting{.fd = server_->fd(), .events = POLLIN, .revents = 0};
  const int ready = ::poll(&waiting, 1, 0);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(connected, 0);
  EXPECT_EQ(ready, 0);
  char byte = 0;
  EXPECT_EQ(recv(client, &byte, 1, MSG_DONTWAIT), 0) << "it is told at once";
  close(client);
  EXPECT_TRUE(with_client([](Client& next) { return next.call("version", {}).has_value(); }));
}

}  // namespace
}  // namespace simplon::ctrl
