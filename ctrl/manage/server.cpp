// SPDX-License-Identifier: Apache-2.0
#include "ctrl/manage/server.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/listener.h"

namespace simplon::ctrl {
namespace {

using vici::Message;
using vici::PacketType;

constexpr std::uint64_t kListenerId = 0;  // sessions count from 1
constexpr std::uint64_t kWakeId = ~std::uint64_t{0};

bool is_about_sas(std::string_view event) { return event.ends_with("-updown") || event.ends_with("-rekey"); }

}  // namespace

Result<std::unique_ptr<ViciServer>> ViciServer::open(const std::string& path, Commands commands,
                                                     Limits limits) {
  const Result<int> listener = listen_at(path);
  if (!listener) return std::unexpected(listener.error());
  std::unique_ptr<ViciServer> server(new ViciServer(path, std::move(commands), limits, *listener));
  if (server->epoll_ < 0 || server->wake_ < 0)
    return fail("management socket " + path + ": epoll: " + strerror(errno));
  return server;
}

ViciServer::ViciServer(std::string path, Commands commands, Limits limits, int listener)
    : path_(std::move(path)),
      commands_(std::move(commands)),
      limits_(limits),
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      spare_(eventfd(0, EFD_CLOEXEC)),
      self_(std::make_shared<ViciServer*>(this)) {
  watch(listener_, kListenerId);
  watch(wake_, kWakeId);
}

ViciServer::~ViciServer() {
  sessions_.clear();
  for (const int fd : {listener_, epoll_, wake_, spare_})
    if (fd >= 0) close(fd);
  unlink(path_.c_str());
}

void ViciServer::watch(int fd, std::uint64_t id) {
  epoll_event wanted{.events = EPOLLIN, .data = {.u64 = id}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &wanted);
}

// No descriptor is free. The spare one is given up to accept the client and hang up on it: a client that is
// not accepted leaves the listener readable, and the owner would call poll() again and again.
bool ViciServer::refuse_client() {
  if (spare_ >= 0) close(spare_);
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  spare_ = eventfd(0, EFD_CLOEXEC);
  return fd >= 0;
}

// The client that has asked for nothing for the longest gives up its place. One whose command runs, that
// listens to events or has not read its answers keeps it.
bool ViciServer::evict_idle() {
  auto longest = sessions_.end();
  for (auto s = sessions_.begin(); s != sessions_.end(); ++s)
    if (!s->second->running && s->second->events.empty() && s->second->queued() == 0 &&
        (longest == sessions_.end() || s->second->asked < longest->second->asked))
      longest = s;
  if (longest == sessions_.end()) return false;
  sessions_.erase(longest);
  return true;
}

void ViciServer::accept_all(Now now) {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && refuse_client()) continue;
    if (fd < 0) return;
    if (sessions_.size() >= limits_.sessions && !evict_idle()) {
      close(fd);
      continue;
    }
    auto session = std::make_unique<ViciSession>(next_id_++, fd);
    session->asked = now;
    session->watched = EPOLLIN;
    watch(fd, session->id);
    session->receive();  // most clients send at once
    sessions_.emplace(session->id, std::move(session));
  }
}

void ViciServer::poll(Now now) {
  std::array<epoll_event, 64> ready;
  const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 0);
  for (const epoll_event& event : std::span(ready).first(static_cast<std::size_t>(std::max(count, 0)))) {
    const std::uint64_t id = event.data.u64;  // the structure is packed: no reference into it
    std::uint64_t woken = 0;
    if (id == kListenerId) {
      accept_all(now);
    } else if (id == kWakeId) {
      [[maybe_unused]] const ssize_t got = read(wake_, &woken, sizeof woken);
    } else if (const auto found = sessions_.find(id); found != sessions_.end()) {
      // EPOLLHUP: both directions are closed, nobody reads an answer any more.
      if (event.events & (EPOLLHUP | EPOLLERR)) found->second->hang_up();
      if (event.events & EPOLLIN) found->second->receive();
    }
  }
  time_out(now);
  for (const auto& [id, session] : sessions_) serve(*session, now);
  std::erase_if(sessions_, [](const auto& s) { return s.second->broken() || s.second->done(); });
  if (!monitored()) known_.clear();
}

bool ViciServer::monitored() const {
  return std::ranges::any_of(
      sessions_, [](const auto& s) { return std::ranges::any_of(s.second->events, is_about_sas); });
}

void ViciServer::serve(ViciSession& session, Now now) {
  while (!session.broken() && advance(session, now)) {
  }
  send_queued(session);
}

// Does one step for this client. False: nothing can be done until it reads, sends more, or its command ends.
bool ViciServer::advance(ViciSession& session, Now now) {
  if (session.queued() >= limits_.stream_bytes) {
    session.flush();
    if (session.queued() >= limits_.stream_bytes) return false;
  }
  if (session.running) {
    auto* listing = std::get_if<Stream>(&session.running->answer);
    if (!listing) return false;
    continue_listing(session, *listing);
    return true;
  }
  std::optional<vici::Packet> next = session.next();
  if (!next) return false;
  handle_packet(session, *next, now);
  return true;
}

void ViciServer::continue_listing(ViciSession& session, Stream& stream) {
  if (session.events.contains(stream.event)) {
    while (session.queued() < limits_.stream_bytes) {
      std::optional<Message> message = stream.next();
      if (!message) break;
      session.queue({PacketType::kEvent, std::string(stream.event), std::move(*message)});
    }
    if (session.queued() >= limits_.stream_bytes) return;
  }
  session.queue({PacketType::kCommandResponse, {}, std::move(stream.end)});
  session.running.reset();
}

void ViciServer::handle_packet(ViciSession& session, vici::Packet& packet, Now now) {
  switch (packet.type) {
    case PacketType::kCommandRequest:
      return run_request(session, packet, now);
    case PacketType::kEventRegister:
    case PacketType::kEventUnregister: {
      const bool known = Commands::knows_event(packet.name);
      if (packet.type == PacketType::kEventUnregister)
        session.events.erase(packet.name);
      else if (known)
        session.events.insert(packet.name);
      if (known && is_about_sas(packet.name))  // their events when they go down need it
        for (ike::IkeStatus& ike : commands_.operations().ikes())
          known_.insert_or_assign(ike.id, std::move(ike));
      session.queue({known ? PacketType::kEventConfirm : PacketType::kEventUnknown, {}, {}});
      return;
    }
    case PacketType::kCommandResponse:
    case PacketType::kCommandUnknown:
    case PacketType::kEventConfirm:
    case PacketType::kEventUnknown:
    case PacketType::kEvent:
      session.hang_up();  // only a server sends these
  }
}

void ViciServer::run_request(ViciSession& session, vici::Packet& packet, Now now) {
  session.asked = now;
  if (!commands_.knows(packet.name)) {
    session.queue({PacketType::kCommandUnknown, {}, {}});
    return;
  }
  const std::uint64_t serial = next_serial_++;
  session.running = ViciSession::Running{serial, {}};
  Finish finish = [self = std::weak_ptr(self_), id = session.id, serial](const Message& answer) {
    if (const auto server = self.lock()) (*server)->finish(id, serial, answer);
  };
  Answer answer = commands_.run({packet.name, packet.message, session.peer, now}, std::move(finish));
  packet.message.wipe();
  if (!session.running) return;  // finish() was called inside run()
  if (auto* message = std::get_if<Message>(&answer)) {
    session.queue({PacketType::kCommandResponse, {}, std::move(*message)});
    session.running.reset();
  } else if (auto* stream = std::get_if<Stream>(&answer)) {
    session.running->answer = std::move(*stream);
  } else {
    session.running->answer = std::move(std::get<Later>(answer));
  }
}

// May be called inside any operation of the control thread, so it runs nothing: requests that the client has
// sent behind this one wait for the next poll(), which the wake descriptor causes.
void ViciServer::finish(std::uint64_t id, std::uint64_t serial, const Message& answer) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  ViciSession& session = *found->second;
  if (!session.running || session.running->serial != serial) return;
  session.running.reset();
  session.queue({PacketType::kCommandResponse, {}, answer});
  session.flush();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = write(wake_, &one, sizeof one);
}

std::optional<Now> ViciServer::deadline() const {
  std::optional<Now> first;
  for (const auto& [id, session] : sessions_) {
    const auto* later = session->running ? std::get_if<Later>(&session->running->answer) : nullptr;
    if (later && later->deadline && (!first || *later->deadline < *first)) first = later->deadline;
  }
  return first;
}

void ViciServer::time_out(Now now) {
  for (const auto& [id, session] : sessions_) {
    auto* later = session->running ? std::get_if<Later>(&session->running->answer) : nullptr;
    if (!later || !later->deadline || now < *later->deadline) continue;
    session->queue({PacketType::kCommandResponse, {}, std::move(later->timed_out)});
    session->running.reset();
  }
}

// Sends what the client's socket takes, and has epoll wait for what is left to do.
void ViciServer::send_queued(ViciSession& session) {
  session.flush();
  if (session.broken() || session.done()) return;
  const std::uint32_t wanted =
      (session.wants_input() ? EPOLLIN : 0u) | (session.queued() > 0 ? EPOLLOUT : 0u);
  if (wanted == session.watched) return;
  epoll_event change{.events = wanted, .data = {.u64 = session.id}};
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, session.fd, &change) == 0) session.watched = wanted;
}

}  // namespace simplon::ctrl
