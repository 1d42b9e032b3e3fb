// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/release.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/config/config.h"
#include "ctrl/follow/follower.h"
#include "ctrl/gateway/interfaces.h"
#include "ctrl/linux/ike_socket.h"
#include "ctrl/linux/mute.h"

namespace simplon::ctrl {
namespace {

// Whether a program accepts connections at this socket; yes when that cannot be found out.
bool answers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  path.copy(address.sun_path, path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return true;
  const bool nobody = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                      (errno == ECONNREFUSED || errno == ENOENT || errno == ENOTDIR);
  close(probe);
  return !nobody;
}

}  // namespace

int release_kernel(const std::string& file) {
  PolicyIds ids;
  const LoadedConfig config = load_config(file, ids);
  if (!config) {
    std::cerr << text(config.error());
    return 1;
  }
  for (const std::string& path : config->management.sockets)
    if (answers(path)) {
      std::cerr << "simplond: a gateway runs (" << path
                << " answers); stop it first: released, it would be open\n";
      return 1;
    }
  // A gateway whose socket has another name by now does not answer above, but it holds the ports of IKE. Ours
  // are held until all is done, so that none can start meanwhile.
  // Beside another IKE daemon, which has them, one that follows holds a name of its own.
  const bool external = config->daemon == IkeDaemon::kExternal;
  const auto ports =
      external ? Result<IkeSockets>(IkeSockets::adopt({-1, -1, -1, -1})) : IkeSockets::open(false);
  const auto alone = external ? only_follower() : Result<Descriptor>();
  for (const Error* error : {ports ? nullptr : &ports.error(), alone ? nullptr : &alone.error()})
    if (error != nullptr) {
      std::cerr << "simplond: " << error->what << " Stop it first: released, a gateway would be open\n";
      return 1;
    }
  int status = 0;
  const auto tell = [&](const Result<void>& done) {
    if (done) return;
    std::cerr << "simplond: " << done.error().what << "\n";
    status = 1;
  };
  for (const dp::PortSetup& port : config->setup.ports)
    for (const std::string& muted : interfaces_to_mute(port)) tell(unmute(muted));
  // In mode dp by what forwarded for a gateway that had died; and that kernel may have no XFRM.
  const auto released = XfrmBackend::release();
  if (config->mode == Mode::kKernel) tell(released);
  if (external) tell(ask_for_rekeys());
  return status;
}

}  // namespace simplon::ctrl
