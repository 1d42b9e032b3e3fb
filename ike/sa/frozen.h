// SPDX-License-Identifier: Apache-2.0
// An established IKE SA as a value that another process can go on with: keys, message window, children, what
// it has still to do, and the exchange that it is in. Nobody who waits (no ticket), no request of the peer
// that is being handled, and nothing that the configuration says: of that a digest.
//
// As octets it is a sealed record (dp/base/record.h) that holds keys: of the same build, on the same boot of
// the same machine, since its times are those of the steady clock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ike/crypto/keys.h"
#include "ike/sa/child.h"
#include "ike/sa/ike_sa.h"
#include "ike/sa/message_window.h"
#include "ike/sa/task.h"

namespace simplon::ike {

struct FrozenChild {
  Child child;  // of its configuration the name alone
  std::uint64_t config = 0;
};
struct FrozenAttempt {
  Attempt attempt;  // of the configuration name and protocol
  std::uint64_t config = 0;
};

struct Frozen {
  IkeSaId id{};
  Role role{};
  bool deleting = false;
  End end{};
  std::uint64_t spi_i = 0, spi_r = 0;
  Path path;
  SocketAddress first_remote;
  Identity local_id, remote_id;
  std::string connection;
  std::uint64_t peer = 0;  // digest
  Proposal proposal;
  DhGroup group{};
  IkeKeys keys;
  std::uint64_t iv = 0;
  IkeSa::Times times;
  MessageWindow::State window;
  std::vector<std::pair<Task, Now>> tasks;  // and when each may begin
  std::vector<FrozenChild> children;
  std::vector<OldInbound> old_inbound;
  std::optional<FrozenAttempt> attempt;  // whose request is sent
};

// When what was adopted is rekeyed: at a random time within `spread`, when it would be anyway if that is
// sooner, and at once where it would not live so long.
struct Lives {
  Now rekey_at{}, until{};  // none: never
};
Now rekey_soon(Lives lives, milliseconds spread, Now now, Entropy& entropy);

Secret record_of(const Frozen& frozen);
// The error says what is wrong with it.
Result<Frozen> read_frozen(Bytes record);

}  // namespace simplon::ike
