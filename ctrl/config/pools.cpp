// SPDX-License-Identifier: Apache-2.0
// The section `pools`: the addresses that peers get, and what they are told beside (RFC 7296 §3.15).
#include <algorithm>
#include <array>
#include <set>

#include "ctrl/config/parts.h"
#include "ike/message/configuration.h"

namespace simplon::ctrl {
namespace {

// An answer has room for 256 attributes.
constexpr std::size_t kMostRanges = 16, kMostServers = 16, kMostDomains = 64, kMostSubnets = 64;

struct Unusable {
  std::string_view prefix, why;
};
// RFC 6890: what no host of a network can have.
constexpr std::array kUnusable{
    Unusable{"0.0.0.0/8", "the unspecified addresses"}, Unusable{"127.0.0.0/8", "loopback addresses"},
    Unusable{"169.254.0.0/16", "link-local addresses"}, Unusable{"224.0.0.0/4", "multicast addresses"},
    Unusable{"240.0.0.0/4", "reserved addresses"},      Unusable{"::/128", "the unspecified address"},
    Unusable{"::1/128", "the loopback address"},        Unusable{"::ffff:0:0/96", "IPv4 addresses in IPv6"},
    Unusable{"fe80::/10", "link-local addresses"},      Unusable{"ff00::/8", "multicast addresses"},
};

// Empty: each of the addresses can be a host's.
std::string why_unusable(const AddressRange& range) {
  for (const auto& [prefix, why] : kUnusable)
    if (range.intersect(AddressRange::of(*Prefix::parse(prefix))))
      return "has " + std::string(why) + " (" + std::string(prefix) + "), which no host can have";
  return {};
}

// The ranges of all pools, and whose they are: no two overlap.
class Ranges {
 public:
  // Empty: it overlaps none, and is one of them now.
  std::string add(const AddressRange& range, const std::string& pool) {
    auto after = ranges_.upper_bound(range.last);
    if (after != ranges_.begin())
      if (const auto& [first, other] = *std::prev(after); range.intersect({first, other.last}))
        return "overlaps " + AddressRange{first, other.last}.text() +
               (other.pool == pool ? ", which stands here already" : " of pool '" + other.pool + "'") +
               "; an address is given by one pool alone";
    ranges_.emplace(range.first, Rest{range.last, pool});
    return {};
  }

 private:
  struct Rest {
    IpAddress last;
    std::string pool;
  };
  std::map<IpAddress, Rest> ranges_;
};

bool not_too_many(const Value& value, std::size_t most) {
  if (value.list().size() <= most) return true;
  value.error("has more than " + std::to_string(most) + " entries, the most that there can be");
  return false;
}

// The way to such an address stays on the protected side, where no policy is asked.
void warn_of_network(const Value& item, const AddressRange& range, const Config& config) {
  for (const PortAddress& address : config.addresses) {
    if (dp::is_tunnel(address.port) || !range.intersect(AddressRange::of(address.network()))) continue;
    const dp::PortSetup& port = config.setup.ports[static_cast<std::size_t>(address.port)];
    if (port.side == dp::Side::kProtected)
      return item.warning("is in " + address.network().text() + ", the network of the protected port '" +
                          port.name +
                          "', where its addresses are looked for, not behind a tunnel; use addresses of no "
                          "port's network, or give them a route by an unprotected port");
  }
}

std::optional<AddressRange> parse_range(const Value& item, const std::string& text) {
  if (text.find('-') == std::string::npos) {
    const auto prefix = item.parsed<Prefix>(&Prefix::parse);
    return prefix ? std::optional(ike::hosts_of(*prefix)) : std::nullopt;
  }
  return item.parsed<AddressRange>(&AddressRange::parse);
}

void read_range(const Value& item, const Config& config, Ranges& all, ike::Pool& out) {
  const auto text = item.text();
  const auto range = text ? parse_range(item, *text) : std::nullopt;
  if (!range) return;
  if (const std::string why = why_unusable(*range); !why.empty()) return item.error(why);
  const auto own = std::ranges::find_if(
      config.addresses, [&](const PortAddress& address) { return range->contains(address.address); });
  if (own != config.addresses.end())
    return item.error("has " + own->address.text() + ", the address of '" + port_name(config, own->port) +
                      "'; leave it out: use ranges FIRST-LAST around it");
  if (const std::string clash = all.add(*range, out.name); !clash.empty()) return item.error(clash);
  warn_of_network(item, *range, config);
  out.addresses.push_back(*range);
}

void read_ranges(Section& section, const Config& config, Ranges& all, ike::Pool& out) {
  const Value value = section.require(
      "addresses", "use prefixes or ranges like [198.51.100.0/24, 2001:db8::100-2001:db8::1ff]");
  if (!not_too_many(value, kMostRanges)) return;
  for (const Value& item : value.filled_list()) read_range(item, config, all, out);
}

void read_servers(const Value& value, ike::Pool& out) {
  if (!not_too_many(value, kMostServers)) return;
  for (const Value& item : value.list()) {
    const auto address = item.address();
    if (!address) continue;
    const std::string why = why_unusable({*address, *address});
    if (!why.empty())
      item.error("'" + address->text() + "' is none that a peer can ask: it " + why);
    else if (out.contains(*address))
      item.error("'" + address->text() + "' would be given to a peer; leave it out of 'addresses'");
    else if (std::ranges::find(out.dns, *address) != out.dns.end())
      item.error("'" + address->text() + "' stands here twice");
    else
      out.dns.push_back(*address);
  }
}

void read_domains(const Value& value, ike::Pool& out) {
  if (!not_too_many(value, kMostDomains)) return;
  for (const Value& item : value.list()) {
    const auto text = item.text();
    if (!text) continue;
    const auto name = ike::CfgAttribute::domain(*text).as_domain();
    if (!name)
      item.error(shown(*text) +
                 " is no domain name; use one like corp.example: labels of 1 to 63 letters, digits, '-' or "
                 "'_', 253 in all, and A-labels (xn--) for others");
    else if (std::ranges::find(out.domains, *name) != out.domains.end())
      item.error("'" + *name + "' stands here twice");
    else
      out.domains.push_back(*name);
  }
  // RFC 8598 §3.2: an answer with domains has the servers that know them.
  if (!out.domains.empty() && out.dns.empty())
    value.error("needs 'dns', the servers that know these domains (RFC 8598 section 3.2)");
}

void read_subnets(const Value& value, ike::Pool& out) {
  if (!not_too_many(value, kMostSubnets)) return;
  for (const Value& item : value.list())
    if (const auto prefix = item.parsed<Prefix>(&Prefix::parse)) {
      if (std::ranges::find(out.subnets, *prefix) != out.subnets.end())
        item.error("'" + prefix->text() + "' stands here twice");
      else
        out.subnets.push_back(*prefix);
    }
}

void read_fixed(const Value& value, ike::Pool& out) {
  Section section(value);
  std::set<IpAddress> given;
  for (const auto& [text, addresses] : section.members()) {
    const Result<ike::Identity> who = ike::Identity::parse(text);
    if (!who) {
      addresses.error(who.error().what);
      continue;
    }
    if (who->is_any()) {
      addresses.error("an address is kept for one identity, not for every peer");
      continue;
    }
    const auto [kept, fresh] = out.fixed.try_emplace(who->key());
    if (!fresh) addresses.error("this identity stands here already, written in another way");
    for (const Value& item : addresses.filled_list()) {
      const auto address = item.address();
      if (!address) continue;
      if (!out.contains(*address))
        item.error("'" + address->text() + "' is none that pool '" + out.name +
                   "' can give; use one of 'addresses'");
      else if (!given.insert(*address).second)
        item.error("'" + address->text() + "' is kept already; an address is for one identity, and once");
      else
        kept->second.push_back(*address);
    }
  }
}

ike::Pool read_pool(const std::string& name, const Value& value, const Config& config, Ranges& all) {
  ike::Pool out;
  out.name = name;
  if (!valid_name(name)) value.error(kNameRule);
  Section section(value);
  read_ranges(section, config, all, out);
  read_servers(section.get("dns"), out);
  read_domains(section.get("domains"), out);
  read_subnets(section.get("subnets"), out);
  read_fixed(section.get("fixed"), out);
  section.finish();
  return out;
}

}  // namespace

Pools read_pools(const Value& value, const Config& config) {
  Pools out;
  Ranges all;
  Section section(value);
  for (const auto& [name, pool] : section.members()) out.emplace(name, read_pool(name, pool, config, all));
  return out;
}

void read_lease_file(const Value& value, Config& out) {
  const auto name = value.text();
  if (!name) return;
  if (name->empty()) return value.error("is empty; name a file");
  out.lease_file = beside(value.report().file(), *name);
}

}  // namespace simplon::ctrl
