// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/nft_text.h"

#include <arpa/inet.h>

#include <limits>
#include <vector>

namespace simplon::ctrl {
namespace {

const std::string kTable = std::string("inet ") + kNftTable;

// What comes before all entries, at the end of the way out: after source NAT, which the kernel's policies
// follow. ESP, AH and IKE are the gateway's own, and neighbour discovery is the host's (RFC 4861 §4: a hop
// limit of 255, so that nobody forwarded it).
constexpr const char* kLeaving = R"(
  chain leaving {
    type filter hook postrouting priority 350; policy accept;
    rt ipsec exists accept
    oiftype loopback accept
    icmpv6 type 133-137 ip6 hoplimit 255 accept
    meta l4proto { esp, ah } fib saddr type local accept
    udp sport { 500, 4500 } fib saddr type local accept
)";
// Source NAT asks the kernel's policies again, by the new address: what they had protected would leave in
// clear, and from an address that the entries do not know. So what is protected before it (100) is dropped
// if it is not behind it. Between the two that stands in the highest bit of the packet's priority: a mark
// belongs to others, and conntrack, which knows the address, would then follow every packet of the machine.
constexpr const char* kTranslated = R"(
  chain protected {
    type filter hook postrouting priority 99; policy accept;
    rt ipsec exists meta priority set meta priority | 0x80000000
  }
  chain translated {
    type filter hook postrouting priority 101; policy accept;
    meta priority & 0x80000000 == 0 accept
    rt ipsec missing goto closed
    meta priority set meta priority & 0x7fffffff
  }
)";
// At the beginning of the way in: before destination NAT, since the kernel's policies are asked for the
// packet as it came. A later fragment has no ports, and is of no use to the host without the first one; if it
// is forwarded, it is looked at there (address translation would have reassembled it).
constexpr const char* kArriving = R"(; policy accept;
    meta ipsec exists accept
    iiftype loopback accept
    icmpv6 type 133-137 ip6 hoplimit 255 accept
    ip frag-off & 0x1fff != 0 accept
    frag frag-off != 0 accept
    meta l4proto { esp, ah } fib daddr type local accept
    udp dport { 500, 4500 } fib daddr type local accept
)";

// Where the entries are asked: all but those with a mark before anybody else, and these where the mark is,
// behind who sets it (mangle, -150) and before destination NAT (-100).
struct WayIn {
  std::string suffix;  // of the chains' names
  int priority = 0;
};
const WayIn kFirst{"", -350}, kMarked{"_marked", -125};

// The chains of a way in, and the rules that ask the entries.
std::string chains(const WayIn& way, const std::string& rules) {
  const std::string hook = " priority " + std::to_string(way.priority), arrived = "arrived" + way.suffix;
  return "\n  chain arriving" + way.suffix + " {\n    type filter hook prerouting" + hook + kArriving +
         "    goto " + arrived + "\n  }\n  chain forwarded" + way.suffix +
         " {\n    type filter hook forward" + hook +
         "; policy accept;\n    meta ipsec exists accept\n    ip frag-off & 0x1fff != 0 goto " + arrived +
         "\n    frag frag-off != 0 goto " + arrived + "\n  }\n  chain " + arrived + " {\n" + rules + "  }\n";
}

struct Field {
  std::string type, expression;
};

std::string mask_of(bool v4, std::uint8_t length) {
  xfrm_address_t mask{};
  auto* bytes = reinterpret_cast<std::uint8_t*>(&mask);
  for (unsigned bit = 0; bit < length; ++bit) bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  return from_kernel(mask, v4 ? AF_INET : AF_INET6).text();
}

template <class T>
std::string masked(const std::string& field, T mask) {
  return mask == std::numeric_limits<T>::max() ? field : field + " & " + std::to_string(mask);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : " . ") + part;
  return out;
}

bool is_icmp(std::uint8_t protocol) { return protocol == kIcmp || protocol == kIcmpv6; }

std::string name_of(const NftShape& s) {
  std::string out = s.out ? "out" : "in";
  out += std::string(s.v4 ? "4_" : "6_") + (s.closes ? "close" : "bypass") + std::to_string(s.level);
  for (const unsigned part : {unsigned{s.source}, unsigned{s.destination}, unsigned{s.protocol},
                              unsigned{s.sport}, unsigned{s.dport}})
    out += "_" + std::to_string(part);
  if (s.mark != 0) out += "_mark" + std::to_string(s.mark);
  return out;
}

std::vector<Field> fields_of(const NftShape& s) {
  std::vector<Field> out;
  const std::string ip = s.v4 ? "ip " : "ip6 ", address = s.v4 ? "ipv4_addr" : "ipv6_addr";
  const auto prefix = [&](const char* side, std::uint8_t length) {
    if (length == 0) return;
    const bool whole = length == (s.v4 ? 32 : 128);
    out.push_back({address, ip + side + (whole ? "" : " & " + mask_of(s.v4, length))});
  };
  prefix("saddr", s.source);
  prefix("daddr", s.destination);
  if (s.protocol) out.push_back({"inet_proto", "meta l4proto"});
  if (s.sport != 0) out.push_back({"inet_service", masked("th sport", s.sport)});
  if (s.dport != 0) out.push_back({"inet_service", masked("th dport", s.dport)});
  if (s.mark != 0) out.push_back({"mark", masked("meta mark", s.mark)});
  return out;
}

// A shape without fields takes every packet of its family: it needs no set.
std::string set_of(const NftShape& shape, const std::map<std::string, unsigned>& elements) {
  std::vector<std::string> types;
  for (const Field& field : fields_of(shape)) types.push_back(field.type);
  if (types.empty()) return {};
  std::string out = "  set " + name_of(shape) + " {\n    type " + joined(types) + "\n";
  std::string list;
  for (const auto& [element, count] : elements) list += (list.empty() ? "" : ", ") + element;
  if (!list.empty()) out += "    elements = { " + list + " }\n";
  return out + "  }\n";
}

std::string rule_of(const NftShape& shape) {
  std::vector<std::string> expressions;
  for (const Field& field : fields_of(shape)) expressions.push_back(field.expression);
  std::string out = std::string("    meta nfproto ") + (shape.v4 ? "ipv4 " : "ipv6 ");
  if (!expressions.empty()) out += joined(expressions) + " @" + name_of(shape) + " ";
  return out + (shape.closes ? "goto closed\n" : "accept\n");
}

}  // namespace

NftElement nft_element(const xfrm_selector& s, bool out, const PacketMark& mark) {
  NftShape shape{.out = out,
                 .v4 = s.family == AF_INET,
                 .source = s.prefixlen_s,
                 .destination = s.prefixlen_d,
                 .protocol = s.proto != kAnyProtocol,
                 .sport = ntohs(s.sport_mask),
                 .dport = ntohs(s.dport_mask),
                 .mark = mark.mask};
  std::uint16_t sport = ntohs(s.sport), dport = ntohs(s.dport);
  if (is_icmp(s.proto)) {  // type and code are the first two octets, as a source port is
    const auto both = [](std::uint16_t type, std::uint16_t code) {
      return static_cast<std::uint16_t>((type & 0xff) << 8 | (code & 0xff));
    };
    shape.sport = both(shape.sport, shape.dport);
    sport = both(sport, dport);
    shape.dport = 0;
  }
  std::vector<std::string> fields;
  if (shape.source != 0) fields.push_back(from_kernel(s.saddr, s.family).text());
  if (shape.destination != 0) fields.push_back(from_kernel(s.daddr, s.family).text());
  if (shape.protocol) fields.push_back(std::to_string(s.proto));
  if (shape.sport != 0) fields.push_back(std::to_string(sport & shape.sport));
  if (shape.dport != 0) fields.push_back(std::to_string(dport & shape.dport));
  if (shape.mark != 0) fields.push_back(std::to_string(mark.value));
  return {shape, joined(fields)};
}

std::string nft_change(const char* verb, const NftElement& element) {
  if (element.second.empty()) return {};
  return std::string(verb) + " element " + kTable + " " + name_of(element.first) + " { " + element.second +
         " }\n";
}

// A BYPASS lets pass in both ways in; no entry with a mark is one.
std::string nft_table(const NftSets& sets, const std::string& name) {
  const std::string table = "inet " + name;
  std::string all, out, in, in_marked;
  bool any_marked = false;
  for (const auto& [shape, elements] : sets) {
    all += set_of(shape, elements);
    const std::string rule = rule_of(shape);
    if (shape.out) out += rule;
    if (!shape.out && shape.mark == 0) in += rule;
    if (!shape.out && (shape.mark != 0 || !shape.closes)) in_marked += rule;
    any_marked = any_marked || (!shape.out && shape.mark != 0);
  }
  return "add table " + table + "\ndelete table " + table + "\ntable " + table + " {\n" + all +
         "  chain closed {\n    counter drop\n  }\n" + kTranslated + kLeaving + out + "  }" +
         chains(kFirst, in) + (any_marked ? chains(kMarked, in_marked) : "") + "}\n";
}

}  // namespace simplon::ctrl
