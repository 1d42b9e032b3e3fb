// SPDX-License-Identifier: Apache-2.0
// What an Endpoint gives back for an input, in the order in which it is to be applied.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "dp/base/bytes.h"
#include "dp/base/sa_spec.h"
#include "ike/crypto/job.h"

namespace simplon::ike {

using Now = std::chrono::steady_clock::time_point;  // an argument, never read here

enum class IkeSaId : std::uint32_t {};  // unique for the life of the process, shown by the console
enum class ChildSaId : std::uint32_t {};

// `bytes` is the IKE message alone: whoever owns the socket adds and strips the non-ESP marker on port 4500
// (RFC 3948).
struct Datagram {
  SocketAddress local, remote;
  Buffer bytes;
};

struct Keepalive {  // one byte 0xff from port 4500, without a marker (RFC 3948 §2.3)
  SocketAddress local, remote;
};
struct InstallSa {  // an SA must be in place before what follows is applied
  SaRef sa;
  IkeSaId ike{};
  ChildSaId child{};
  std::string connection, child_name;
};
// Of an SA that was installed: its peer or we have another address or port (§2.23, RFC 4555), of the same
// family, or its packets travel in UDP from now on or do not any more. All else stays.
struct MoveSa {
  SaRef sa;
};
struct RemoveSa {
  SaId sa{};
};
// As initiator: our addresses inside of the peer's network (RFC 7296 §2.19), before the SAs that are for
// them; they stay over a rekey. Empty: they are ours no more.
struct InnerAddresses {
  std::string connection;
  std::vector<IpAddress> addresses;
};
// A peer has this address of a pool of ours from now on; `identity` as Identity::key(). Who keeps these may
// tell them to another Endpoint after a restart (Endpoint::remember()).
struct AddressGiven {
  std::string pool, identity;
  IpAddress address;
};
enum class UpDown : std::uint8_t { kUp, kDown, kRekeyed };
enum class DownWhy : std::uint8_t { kPeer, kLost, kUs };  // who ended it; kLost: an error did
struct IkeEvent {                                         // console: ike-updown, ike-rekey
  UpDown what{};
  IkeSaId ike{}, replaced{};
  DownWhy why{};  // of kDown
};
struct ChildEvent {  // console: child-updown, child-rekey
  UpDown what{};
  IkeSaId ike{};
  ChildSaId child{}, replaced{};
};
enum class LogLevel : std::uint8_t { kWarning, kInfo };
struct LogLine {  // already rate limited where an unauthenticated host can cause it
  LogLevel level{};
  std::string connection;  // empty when none is known
  IkeSaId ike{};
  std::string text;
  ChildSaId child{};  // says that this one is up: not true of one that could not be installed
};
struct Finished {  // the answer to initiate/terminate/rekey with this ticket
  std::uint64_t ticket = 0;
  bool ok = false;
  std::string why;    // when not ok
  ChildSaId child{};  // that was made: ok only if it could be installed
};
using Output = std::variant<Datagram, Keepalive, InstallSa, MoveSa, RemoveSa, InnerAddresses, AddressGiven,
                            Job, IkeEvent, ChildEvent, LogLine, Finished>;

}  // namespace simplon::ike
