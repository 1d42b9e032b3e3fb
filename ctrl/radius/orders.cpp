// SPDX-License-Identifier: Apache-2.0
#include "ctrl/radius/orders.h"

#include <algorithm>

#include "ctrl/radius/order_attributes.h"

namespace simplon::ctrl {
namespace {

// RFC 5176 §6.3.
constexpr std::int64_t kWindowSeconds = 300;
// A request that comes again is found among so many.
constexpr std::size_t kMostReplies = 256;
constexpr RadiusAuthenticator kZeros{};

bool is_request(RadiusCode code) {
  return code == RadiusCode::kDisconnectRequest || code == RadiusCode::kCoaRequest;
}

// Of a group: its source, or all addresses of the families of its servers.
std::set<SocketAddress> listened(const RadiusGroup& group) {
  std::set<SocketAddress> out;
  if (!group.dynamic_authorization) return out;
  for (const RadiusServer& server : group.servers)
    out.insert(
        {group.source.value_or(IpAddress::any(server.address.family())), *group.dynamic_authorization});
  return out;
}

}  // namespace

RadiusOrders::~RadiusOrders() {
  for (const auto& [local, socket] : listeners_) sockets_.close(socket);
}

std::vector<std::string> RadiusOrders::configure(const RadiusGroups& groups) {
  std::vector<std::string> errors;
  std::set<SocketAddress> wanted;
  for (const auto& [name, group] : groups) wanted.merge(listened(group));
  masters_.clear();
  std::erase_if(listeners_, [&](const auto& listener) {
    if (wanted.contains(listener.first)) return false;
    sockets_.close(listener.second);
    return true;
  });
  for (const SocketAddress& local : wanted) {
    if (listeners_.contains(local)) continue;
    const auto socket = sockets_.listen(local);
    if (socket)
      listeners_.emplace(local, *socket);
    else
      errors.push_back("orders of RADIUS servers are not heard: " + socket.error().what);
  }
  for (const auto& [name, group] : groups)
    for (const SocketAddress& local : listened(group)) {
      const auto listener = listeners_.find(local);
      if (listener == listeners_.end()) continue;
      for (const RadiusServer& server : group.servers) {
        Master& master = masters_[listener->second][server.address];
        master.secret = server.secret;
        master.groups.insert(name);
        master.identifiers.insert(group.nas_identifier);
        if (group.source) master.sources.insert(*group.source);
      }
    }
  return errors;
}

bool RadiusOrders::receive(const RadiusSockets::Received& datagram, Now now) {
  const auto listener =
      std::ranges::find_if(listeners_, [&](const auto& entry) { return entry.second == datagram.socket; });
  if (listener == listeners_.end()) return false;
  ++counters_.received;
  const auto& masters = masters_[datagram.socket];
  const auto master = masters.find(datagram.from.address);
  if (master == masters.end())
    ++counters_.strangers;
  else
    take(datagram, master->second, now);
  return true;
}

bool RadiusOrders::is_authentic(const RadiusPacket& packet, const Master& master) {
  const Bytes secret = master.secret.bytes();
  return packet.proves_itself(secret) &&
         packet.message_authentic(kZeros, secret) != RadiusPacket::Authentic::kNo;
}

const RadiusOrders::Reply* RadiusOrders::repeated(const SocketAddress& from,
                                                  const RadiusPacket& packet) const {
  const auto found = std::ranges::find_if(replies_, [&](const Reply& reply) {
    return reply.from.address == from.address && reply.id == packet.id() &&
           reply.request == packet.authenticator();
  });
  return found == replies_.end() ? nullptr : &*found;
}

void RadiusOrders::take(const RadiusSockets::Received& datagram, const Master& master, Now now) {
  const auto packet = RadiusPacket::parse(datagram.bytes);
  if (!packet || !is_request(packet->code())) {
    ++counters_.malformed;
    return;
  }
  if (!is_authentic(*packet, master)) {
    ++counters_.forged;
    return;
  }
  const auto stamp = packet->number(RadiusType::kEventTimestamp);
  const std::int64_t age = stamp ? wall_clock_() - static_cast<std::int64_t>(*stamp) : 0;
  if (age > kWindowSeconds || age < -kWindowSeconds) {
    ++counters_.stale;
    return;
  }
  if (const Reply* reply = repeated(datagram.from, *packet)) {
    ++counters_.repeated;
    return sockets_.send(datagram.socket, datagram.from, reply->packet);
  }
  // Without it anybody could send the request again at any time. Who knows the secret is told.
  const auto refusal = stamp ? obey(*packet, master, now) : std::optional(ErrorCause::kMissingAttribute);
  answer(datagram, *packet, master, refusal);
}

std::optional<ErrorCause> RadiusOrders::obey(const RadiusPacket& packet, const Master& master, Now now) {
  const auto order = read_order(packet, {master.identifiers, master.sources});
  if (!order) return order.error();
  const auto found = sessions_.find(master.groups, order->match);
  if (found.empty()) return ErrorCause::kSessionNotFound;
  for (const IkeSaId ike : found)
    if (order->session_timeout)
      sessions_.set_timeout(ike, *order->session_timeout, now);
    else
      sessions_.end(ike, TerminateCause::kAdminReset, "a RADIUS server ended it");
  return std::nullopt;
}

void RadiusOrders::answer(const RadiusSockets::Received& datagram, const RadiusPacket& packet,
                          const Master& master, std::optional<ErrorCause> refusal) {
  const bool disconnect = packet.code() == RadiusCode::kDisconnectRequest;
  const RadiusCode code = refusal ? (disconnect ? RadiusCode::kDisconnectNak : RadiusCode::kCoaNak)
                                  : (disconnect ? RadiusCode::kDisconnectAck : RadiusCode::kCoaAck);
  ++(refusal ? counters_.refused : counters_.acked);
  RadiusWriter out(code, RadiusWriter::Signed::kYes);
  if (refusal) out.number(RadiusType::kErrorCause, static_cast<std::uint32_t>(*refusal));
  for (const RadiusAttribute& attribute : packet.attributes())
    if (attribute.type == RadiusType::kProxyState) out.whole(attribute.whole);
  Reply reply{datagram.from, packet.id(), packet.authenticator(), {}};
  reply.packet = out.response(packet.id(), packet.authenticator(), master.secret.bytes());
  if (reply.packet.empty()) return;  // Proxy-States that leave no room for it
  sockets_.send(datagram.socket, datagram.from, reply.packet);
  if (replies_.size() == kMostReplies) replies_.pop_front();
  replies_.push_back(std::move(reply));
}

}  // namespace simplon::ctrl
