// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/addresses.h"

#include <algorithm>

#include "ike/message/configuration.h"

namespace simplon::ike {
namespace {

struct OfFamily {
  Family family;
  CfgAttributeType address, dns, subnet;
};
constexpr OfFamily kFamilies[] = {{Family::kV4, CfgAttributeType::kInternalIp4Address,
                                   CfgAttributeType::kInternalIp4Dns, CfgAttributeType::kInternalIp4Subnet},
                                  {Family::kV6, CfgAttributeType::kInternalIp6Address,
                                   CfgAttributeType::kInternalIp6Dns, CfgAttributeType::kInternalIp6Subnet}};

// ---- responder ----

struct Given {
  IpAddress address;
  const Pool* pool = nullptr;
};

// What a RADIUS server gives comes before the pools; that no two users have the same is its business.
std::optional<Given> granted(IkeSa& sa, const OfFamily& of) {
  static const Pool kNoPool;
  if (!sa.grant()) return std::nullopt;
  const auto& all = sa.grant()->addresses;
  const auto address = std::ranges::find(all, of.family, &IpAddress::family);
  if (address == all.end()) return std::nullopt;
  const auto& pools = sa.connection()->pools;
  const auto in = std::ranges::find_if(pools, [&](const Shared<Pool>& p) { return p->contains(*address); });
  const std::string_view name = in == pools.end() ? std::string_view() : (*in)->name;
  if (!sa.context().leases.grant(name, sa.remote_id(), sa.id(), *address)) {
    sa.log(LogLevel::kWarning, "the RADIUS server gives it " + address->text() + ", which somebody else has");
    return std::nullopt;
  }
  return Given{*address, pools.empty() ? &kNoPool : pools[0].get()};
}

std::optional<Given> give(IkeSa& sa, const OfFamily& of, const CfgAttribute& asked) {
  if (auto by_server = granted(sa, of)) return by_server;
  for (const Shared<Pool>& pool : sa.connection()->pools) {
    if (!pool->has(of.family)) continue;
    const auto address =
        sa.context().leases.take(pool->name, of.family, sa.remote_id(), sa.id(), asked.as_address());
    if (address) return Given{*address, pool.get()};
  }
  return std::nullopt;
}

// For whoever keeps it over a restart; what a RADIUS server gives is that one's to know.
void note(IkeSa& sa, const Given& given) {
  if (sa.remote_id().type == IdType::kNull) return;  // another one each time
  if (given.pool != nullptr && given.pool->contains(given.address))
    sa.context().outputs.emplace_back(AddressGiven{given.pool->name, sa.remote_id().key(), given.address});
}

// What the initiator asks for beside its address, and what we know of it (§3.15.1). A domain goes with the
// servers that it is to be asked of alone (RFC 8598 §3).
void tell(const Pool& pool, const OfFamily& of, const Configuration& asked, Configuration& answer) {
  if (asked.has(of.dns))
    for (const IpAddress& server : pool.dns)
      if (server.family() == of.family) answer.attributes.push_back(CfgAttribute::dns(server));
  // Asked for or not: which networks are behind us helps whoever understands it.
  for (const Prefix& subnet : pool.subnets)
    if (subnet.address.family() == of.family) answer.attributes.push_back(CfgAttribute::subnet(subnet));
}

void tell_domains(const Pool& pool, const Configuration& asked, Configuration& answer) {
  if (!asked.has(CfgAttributeType::kInternalDnsDomain)) return;
  for (const std::string& domain : pool.domains) {
    CfgAttribute attribute = CfgAttribute::domain(domain);
    if (std::ranges::find(answer.attributes, attribute) == answer.attributes.end())
      answer.attributes.push_back(std::move(attribute));
  }
}

std::string text(const std::vector<AddressRange>& addresses) {
  std::string out;
  for (const AddressRange& a : addresses) out += (out.empty() ? "" : " and ") + a.first.text();
  return out;
}

}  // namespace

std::optional<NotifyType> answer_configuration(IkeSa& sa, const Payloads& p, PayloadWriter& out) {
  const auto& pools = sa.connection()->pools;
  const bool asks = p.configuration && p.configuration->type == CfgType::kRequest;
  const bool must = !pools.empty() || (sa.grant() && !sa.grant()->addresses.empty());
  if (!asks) return !must ? std::nullopt : std::optional(NotifyType::kFailedCpRequired);
  Configuration answer{.type = CfgType::kReply, .attributes = {}};
  bool wanted = false;
  std::vector<AddressRange> inner;
  const Pool* told = nullptr;
  for (const OfFamily& of : kFamilies) {
    const CfgAttribute* asked = p.configuration->find(of.address);
    if (asked == nullptr) continue;
    wanted = true;
    const auto given = give(sa, of, *asked);
    if (!given) continue;
    note(sa, *given);
    inner.push_back({given->address, given->address});
    answer.attributes.push_back(CfgAttribute::address(given->address));
    if (sa.grant() && p.configuration->has(of.dns))
      for (const IpAddress& server : sa.grant()->dns)
        if (server.family() == of.family) answer.attributes.push_back(CfgAttribute::dns(server));
    tell(*given->pool, of, *p.configuration, answer);
    if (told != given->pool) tell_domains(*given->pool, *p.configuration, answer);
    told = given->pool;
  }
  if (!wanted && must) return NotifyType::kFailedCpRequired;
  if (wanted && inner.empty()) {  // §3.15.4
    sa.log(LogLevel::kWarning, "there is no address for '" + sa.remote_id().text() + "': " +
                                   (pools.empty() ? "the connection has no pool of that family"
                                                  : "its pools have no free one of that family"));
    return NotifyType::kInternalAddressFailure;
  }
  if (!inner.empty()) sa.log(LogLevel::kInfo, "'" + sa.remote_id().text() + "' gets " + text(inner));
  if (!inner.empty()) sa.path().inner_remote = std::move(inner);
  out.configuration(answer);
  return std::nullopt;
}

// ---- initiator ----

namespace {

// As an address of a host.
bool usable(const IpAddress& a) {
  if (a.is_unspecified()) return false;
  if (!a.is_v4()) return a.bytes()[0] != 0xff && !(a == *IpAddress::parse("::1"));
  return a.v4_host() >> 28 < 0xe && a.v4_host() >> 24 != 127;
}

std::optional<CfgAttribute> had(const IkeSa* old, Family family) {
  if (old == nullptr) return std::nullopt;
  for (const AddressRange& inner : old->path().inner_local)
    if (inner.first == inner.last && inner.first.family() == family)
      return CfgAttribute::address(inner.first);
  return std::nullopt;
}

}  // namespace

void request_configuration(IkeSa& sa, PayloadWriter& out) {
  const auto& wanted = sa.peer().wanted_addresses;
  if (wanted.empty()) return;
  Configuration request{.type = CfgType::kRequest, .attributes = {}};
  sa.path().inner_local.clear();
  const IkeSa* const old = sa.context().find(sa.times().auth.in_place_of);  // whose addresses are to stay
  for (const OfFamily& of : kFamilies) {
    if (std::ranges::find(wanted, of.family) == wanted.end()) continue;
    request.attributes.push_back(had(old, of.family).value_or(CfgAttribute::empty(of.address)));
    request.attributes.push_back(CfgAttribute::empty(of.dns));
    sa.path().inner_local.push_back(
        AddressRange::of(Prefix{IpAddress::any(of.family), 0}));  // until we know it
  }
  request.attributes.push_back(CfgAttribute::empty(CfgAttributeType::kInternalDnsDomain));
  out.configuration(request);
}

Result<void> accept_configuration(IkeSa& sa, const Payloads& p) {
  const auto& wanted = sa.peer().wanted_addresses;
  if (wanted.empty()) return {};
  std::vector<AddressRange> inner;
  if (p.configuration && p.configuration->type == CfgType::kReply)
    for (const OfFamily& of : kFamilies) {
      const CfgAttribute* given = p.configuration->find(of.address);
      const auto address = given == nullptr ? std::nullopt : given->as_address();
      if (address && usable(*address) && std::ranges::find(wanted, of.family) != wanted.end())
        inner.push_back({*address, *address});
    }
  if (inner.empty()) return fail("the peer gives us no address of its network");
  sa.log(LogLevel::kInfo, "the peer gives us " + text(inner));
  sa.path().inner_local = std::move(inner);
  sa.tell_inner_addresses();
  return {};
}

}  // namespace simplon::ike
