// SPDX-License-Identifier: Apache-2.0
// The events of the management socket: the log, and SAs that come, go and are replaced.
#include <algorithm>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/server.h"

namespace simplon::ctrl {
namespace {

using vici::Message;
using vici::PacketType;

const ike::ChildStatus* child_of(const ike::IkeStatus* ike, ike::ChildSaId id) {
  if (!ike) return nullptr;
  const auto found = std::ranges::find(ike->children, id, &ike::ChildStatus::id);
  return found == ike->children.end() ? nullptr : &*found;
}

}  // namespace

void ViciServer::send_event(ViciSession& session, std::string_view event, const Message& message) {
  const bool line = event == "log" || event == "control-log";
  if (session.queued() >= limits_.queue_bytes) {
    if (line)
      ++session.lost_lines;
    else
      session.hang_up();  // a monitor must not miss an event without knowing
  } else {
    if (line && session.lost_lines > 0) {
      const std::string text =
          std::to_string(session.lost_lines) + " lines lost: this client reads too slowly";
      session.queue({PacketType::kEvent, std::string(event),
                     log_message({Level::kWarning, Category::kConsole, {}, 0, text})});
      session.lost_lines = 0;
    }
    session.queue({PacketType::kEvent, std::string(event), message});
  }
  send_queued(session);
}

void ViciServer::broadcast(std::string_view event, const Message& message) {
  for (const auto& [id, session] : sessions_)
    if (session->events.contains(event)) send_event(*session, event, message);
}

void ViciServer::log(const LogEntry& entry) {
  commands_.remember(entry);
  if (sessions_.empty()) return;
  const Message message = log_message(entry);
  if (vici_level(entry.level) <= 1) broadcast("log", message);
  for (const auto& [id, session] : sessions_) {
    if (!session->running || !session->events.contains("control-log")) continue;
    const auto* later = std::get_if<Later>(&session->running->answer);
    if (later && entry.level <= later->level && later->connections.contains(entry.connection))
      send_event(*session, "control-log", message);
  }
}

// The newest status of an IKE SA; the one of an SA that is gone comes from known_.
const ike::IkeStatus* ViciServer::latest_status(ike::IkeSaId id) {
  if (std::optional<ike::IkeStatus> ike = commands_.operations().ike(id))
    return &known_.insert_or_assign(id, std::move(*ike)).first->second;
  const auto found = known_.find(id);
  return found == known_.end() ? nullptr : &found->second;
}

void ViciServer::event(const ike::IkeEvent& event, Now now) {
  if (!monitored()) return;
  const ike::IkeStatus* ike = latest_status(event.ike);
  if (!ike) return;
  Message message;
  if (event.what == ike::UpDown::kRekeyed) {
    Message both;
    if (const auto old = known_.find(event.replaced); old != known_.end())
      both.add("old", ike_message(old->second, now));
    both.add("new", ike_message(*ike, now));
    message.add(ike->connection, std::move(both));
    broadcast("ike-rekey", message);
    known_.erase(event.replaced);
    return;
  }
  message.add_if(event.what == ike::UpDown::kUp, "up", "yes");
  message.add(ike->connection, ike_message(*ike, now));
  broadcast("ike-updown", message);
  if (event.what == ike::UpDown::kDown) known_.erase(event.ike);
}

void ViciServer::event(const ike::ChildEvent& event, Now now) {
  if (!monitored()) return;
  const auto before = known_.find(event.ike);
  const ike::IkeStatus old = before == known_.end() ? ike::IkeStatus{} : before->second;
  const ike::IkeStatus* ike = latest_status(event.ike);
  if (!ike) return;
  const CountersOf& counters = commands_.operations().sa_counters;
  const auto known = [&](ike::ChildSaId id) {
    const ike::ChildStatus* child = child_of(ike, id);
    return child ? child : child_of(&old, id);
  };
  const ike::ChildStatus* child = known(event.child);
  if (!child) return;
  Message children, section = ike_message(*ike, now), message;
  if (event.what == ike::UpDown::kRekeyed) {
    const ike::ChildStatus* replaced = known(event.replaced);
    Message both;
    if (replaced) both.add("old", child_message(*replaced, counters, now));
    both.add("new", child_message(*child, counters, now));
    children.add(replaced ? replaced->name : child->name, std::move(both));
  } else {
    message.add_if(event.what == ike::UpDown::kUp, "up", "yes");
    children.add(unique_name(*child), child_message(*child, counters, now));
  }
  section.add("child-sas", std::move(children));
  message.add(ike->connection, std::move(section));
  broadcast(event.what == ike::UpDown::kRekeyed ? "child-rekey" : "child-updown", message);
}

}  // namespace simplon::ctrl
