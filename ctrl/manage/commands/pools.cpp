// SPDX-License-Identifier: Apache-2.0
// Pools of addresses, with strongSwan's fields. Theirs are one range each; of ours with several each range is
// listed for itself.
#include <algorithm>

#include "ctrl/manage/commands/message.h"
#include "ctrl/manage/commands/table.h"

namespace simplon::ctrl {
namespace {

using vici::Message;

// IPv6 has more than a number holds: the largest then.
std::uint64_t size_of(const AddressRange& range) {
  const auto first = range.first.bytes(), last = range.last.bytes();
  unsigned __int128 out = 0;
  for (std::size_t i = 0; i < first.size(); ++i) out = (out << 8) + last[i] - first[i];
  return out >= ~std::uint64_t{0} ? ~std::uint64_t{0} : static_cast<std::uint64_t>(out) + 1;
}

Message range_message(const ike::PoolStatus& pool, const AddressRange& range, bool with_leases) {
  std::uint64_t online = 0, offline = 0;
  Message leases;
  for (const ike::PoolStatus::Address& a : pool.addresses) {
    if (!range.contains(a.address)) continue;
    if (with_leases) {
      Message lease;
      lease.add("address", a.address.text()).add("identity", a.identity);
      lease.add("status", a.held ? "online" : "offline");
      leases.add(std::to_string(online + offline), std::move(lease));
    }
    ++(a.held ? online : offline);
  }
  Message out;
  out.add("base", range.first.text()).add("size", size_of(range));
  out.add("online", online).add("offline", offline);
  if (with_leases) out.add("leases", std::move(leases));
  return out;
}

Answer get_pools(Call& call) {
  const std::string_view wanted = call.arguments().get("name");
  const bool with_leases = call.arguments().is_yes("leases");
  Message out;
  for (const ike::PoolStatus& status : call.gateway.pools()) {
    const ike::Pool& pool = *status.pool;
    if (!wanted.empty() && wanted != pool.name) continue;
    for (std::size_t i = 0; i < pool.addresses.size(); ++i)
      out.add(pool.addresses.size() == 1 ? pool.name : pool.name + "." + std::to_string(i + 1),
              range_message(status, pool.addresses[i], with_leases));
  }
  return out;
}

constexpr std::array kHandlers{Handler{"get-pools", get_pools}};

}  // namespace

std::span<const Handler> pool_commands() { return kHandlers; }

}  // namespace simplon::ctrl
