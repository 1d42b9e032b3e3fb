// SPDX-License-Identifier: Apache-2.0
// IkeSa: its moves between addresses (RFC 4555): which there are, and what goes with a move.
#include <algorithm>
#include <utility>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

constexpr unsigned kRounds = 2;  // so often each pair of addresses is tried before the peer is given up

// One that packets between hosts may come from and go to.
bool travels(const IpAddress& a) {
  if (a.is_unspecified() || a.is_link_local()) return false;
  return a.is_v4() ? a.v4_host() >> 24 != 127 && a.v4_host() >> 28 < 0xe
                   : a.bytes()[0] != 0xff && a != *IpAddress::parse("::1");
}

void keep_if(std::vector<IpAddress>& addresses, const auto& wanted) {
  std::erase_if(addresses, [&](const IpAddress& a) { return !wanted(a); });
}

// Where we may be, best first: that exist and that the configuration allows.
std::vector<IpAddress> our_addresses(const Path& path, const Peer& peer,
                                     const std::optional<std::vector<IpAddress>>& there) {
  const auto is_in = [](const std::vector<IpAddress>& all, const IpAddress& a) {
    return std::ranges::find(all, a) != all.end();
  };
  std::vector<IpAddress> out = peer.local_addrs;
  if (out.empty()) out = there ? *there : std::vector{path.local.address};
  keep_if(out, [&](const IpAddress& a) {
    return (!there || is_in(*there, a)) && travels(a) && a.family() == path.local.address.family() &&
           std::ranges::none_of(path.inner_local, [&](const AddressRange& r) { return r.contains(a); });
  });
  return out;
}

// Where the peer is or may be, always in one order, however we move.
std::vector<IpAddress> peer_addresses(const Path& path, const Peer& peer, const IpAddress& first) {
  std::vector<IpAddress> out{first};
  out.insert(out.end(), path.peer_others.begin(), path.peer_others.end());
  out.push_back(path.remote.address);
  for (std::size_t i = 0; i < out.size(); ++i)
    out.erase(std::remove(out.begin() + static_cast<std::ptrdiff_t>(i) + 1, out.end(), out[i]), out.end());
  keep_if(out, [&](const IpAddress& a) {
    return a == path.remote.address ||
           (travels(a) && a.family() == path.remote.address.family() && peer.may_be_at(a));
  });
  return out;
}

}  // namespace

// Those of one family: the data path takes no SA to the other one.
std::vector<IkeSa::AddressPair> IkeSa::possible_paths() const {
  const std::vector<IpAddress> locals = our_addresses(path_, peer(), context_.local_addresses),
                               remotes = peer_addresses(path_, peer(), first_remote_.address);
  std::vector<AddressPair> out;
  out.reserve(locals.size() * remotes.size());
  for (const IpAddress& remote : remotes)
    for (const IpAddress& local : locals) out.push_back({local, remote});
  return out;
}

bool IkeSa::may_move() const { return path_.decides() && (established() || deleting()) && !replaced(); }

void IkeSa::local_addresses_changed(const std::optional<std::vector<IpAddress>>& before, Now now) {
  const bool moves = may_move();
  const std::vector<AddressPair> paths = moves ? possible_paths() : std::vector<AddressPair>{};
  if (!moves || std::ranges::find(paths, path_.local.address, &AddressPair::local) != paths.end())
    return tell_addresses(before, now);
  paths_tried_ = 0;
  if (paths.empty())
    return log(LogLevel::kWarning,
               "our address " + path_.local.address.text() +
                   " is gone, and there is no other one to move to: the peer may be lost");
  const auto same_peer = std::ranges::find(paths, path_.remote.address, &AddressPair::remote);
  leave_for(same_peer != paths.end() ? *same_peer : paths.front(), now);
}

// Of others than those that the configuration names the peer need not know.
std::vector<IpAddress> IkeSa::other_addresses(const std::optional<std::vector<IpAddress>>& there) const {
  std::vector<IpAddress> out = peer().local_addrs;
  keep_if(out, [&](const IpAddress& a) {
    return a != path_.local.address && (!there || std::ranges::find(*there, a) != there->end());
  });
  return out;
}

// RFC 4555 §3.6. A list that waits to be sent is the one of then.
void IkeSa::tell_addresses(const std::optional<std::vector<IpAddress>>& before, Now now) {
  if (!path_.mobike || !established() || replaced() || tasks_.has<TellAddresses>()) return;
  if (other_addresses(before) == other_addresses(context_.local_addresses)) return;
  tasks_.push(TellAddresses{});
  run_tasks(now);
}

bool IkeSa::try_another_path(Now now) {
  if (!may_move()) return false;
  const std::vector<AddressPair> paths = possible_paths();
  const auto here = std::ranges::find(paths, AddressPair{path_.local.address, path_.remote.address});
  const bool is_other = !paths.empty() && (paths.size() > 1 || here == paths.end());
  if (!is_other || paths_tried_ >= kRounds * paths.size()) return false;
  ++paths_tried_;
  leave_for(here == paths.end() || here + 1 == paths.end() ? paths.front() : *(here + 1), now);
  return true;
}

// All that we send goes there from now on, the request that waits for its response as well; the SAs follow
// when the peer has answered (§3.5). Port 4500 passes NATs, those that we do not know of yet.
void IkeSa::leave_for(const AddressPair& to, Now now) {
  const SocketAddress from = path_.local;
  const bool other_end = to.remote != path_.remote.address;
  path_.local.address = to.local;
  path_.remote.address = to.remote;
  if (path_.nat_traversal) {
    path_.local.port = kNatTraversalPort;
    if (path_.remote.port == kIkePort || other_end) path_.remote.port = kNatTraversalPort;
  }
  log(LogLevel::kInfo, "we move from " + from.text() + " to " + path_.local.text() + ", to the peer at " +
                           path_.remote.text());
  window_.start_over(retransmission(), now);
  if (!tasks_.has<UpdateAddresses>()) tasks_.push_first(UpdateAddresses{});
  run_tasks(now);
}

void IkeSa::go_to(const SocketAddress& local, const SocketAddress& remote, Now now) {
  if (path_.local == local && path_.remote == remote) return;
  log(LogLevel::kInfo, "the peer moves from " + path_.remote.text() + " to " + remote.text() +
                           (path_.local == local ? "" : ", and has us at " + local.text()));
  path_.local = local;
  path_.remote = remote;
  window_.start_over(retransmission(), now);
}

void IkeSa::move_children(Now now) {
  children_.move(path_);
  const bool keeps_alive = path_.nat_local || path_.forced;
  if (keeps_alive != (times_.keepalive_at != Now{}))
    times_.keepalive_at = keeps_alive ? now + kKeepalive : Now{};
}

}  // namespace simplon::ike
