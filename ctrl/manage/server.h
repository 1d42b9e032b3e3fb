// SPDX-License-Identifier: Apache-2.0
// The management socket: a unix stream socket that speaks vici (strongSwan's management protocol).
//
// Never blocks, and loses nothing silently. What a client does not read is queued up to a bound. Listings are
// produced only as fast as the client reads. Log lines beyond the bound are counted, and the client gets the
// count. A client that lets other events pile up beyond the bound is disconnected. Access is the socket
// file's permission bits (0660): whoever may connect may do everything.
//
// Control thread only. The owner watches fd() for reading, calls poll() when it is readable and at
// deadline().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "ctrl/manage/commands/commands.h"
#include "ctrl/manage/session.h"

namespace simplon::ctrl {

class ViciServer {
 public:
  struct Limits {
    std::size_t sessions = 64;
    std::size_t queue_bytes = 4u << 20;     // per session; the bound above
    std::size_t stream_bytes = 128u << 10;  // listings go on, and requests are taken, below this
  };

  // The folder of `path` is made when it is missing. A stale socket file of a daemon that is gone is
  // replaced; one that still answers is an error.
  static Result<std::unique_ptr<ViciServer>> open(const std::string& path, Commands commands, Limits limits);
  static Result<std::unique_ptr<ViciServer>> open(const std::string& path, Commands commands) {
    return open(path, std::move(commands), Limits{});
  }
  ~ViciServer();  // removes the socket file; a Finish that comes later is ignored
  ViciServer(const ViciServer&) = delete;
  ViciServer& operator=(const ViciServer&) = delete;

  int fd() const { return epoll_; }     // an epoll descriptor of its own
  void poll(Now now);                   // commands run inside this call only
  std::optional<Now> deadline() const;  // of a command that waits

  // Events, for those who registered; cheap when nobody did. They may be called from inside an operation.
  void log(const LogEntry& entry);  // as Log::Listener
  void event(const ike::IkeEvent& event, Now now);
  void event(const ike::ChildEvent& event, Now now);
  std::size_t sessions() const { return sessions_.size(); }

 private:
  ViciServer(std::string path, Commands commands, Limits limits, int listener);
  void watch(int fd, std::uint64_t id);
  bool evict_idle();
  void accept_all(Now now);
  bool refuse_client();
  void serve(ViciSession& session, Now now);
  bool advance(ViciSession& session, Now now);
  void continue_listing(ViciSession& session, Stream& stream);
  void handle_packet(ViciSession& session, vici::Packet& packet, Now now);
  void run_request(ViciSession& session, vici::Packet& packet, Now now);
  void finish(std::uint64_t session, std::uint64_t serial, const vici::Message& answer);
  void time_out(Now now);
  void send_queued(ViciSession& session);
  bool monitored() const;  // a session has registered for events about SAs
  void send_event(ViciSession& session, std::string_view event, const vici::Message& message);
  void broadcast(std::string_view event, const vici::Message& message);
  const ike::IkeStatus* latest_status(ike::IkeSaId id);

  const std::string path_;
  Commands commands_;
  const Limits limits_;
  int listener_ = -1, epoll_ = -1, wake_ = -1;
  int spare_ = -1;  // for refuse_client()
  std::uint64_t next_id_ = 1, next_serial_ = 1;
  std::map<std::uint64_t, std::unique_ptr<ViciSession>> sessions_;
  // The last status of each IKE SA, kept while somebody monitors: a "down" event describes an SA that is
  // gone.
  std::map<ike::IkeSaId, ike::IkeStatus> known_;
  std::shared_ptr<ViciServer*> self_;  // what a Finish holds weakly
};

}  // namespace simplon::ctrl
