// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/compare.h"

#include <linux/xfrm.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <string_view>
#include <tuple>

#include "ctrl/backend/xfrm/support.h"
#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {
namespace {

// How an attribute of the question is compared with that of the answer.
enum class Is : std::uint8_t {
  kEqual,
  kKey,     // equal behind `fixed` octets, or zeros there
  kWindow,  // XFRMA_REPLAY_ESN_VAL: its lengths; the rest lives
  kCard,    // XFRMA_OFFLOAD_DEV
  kAlive,   // not compared
  kTold,    // the kernel tells it unasked
  kIfTold,  // an older kernel passes over it
};
struct Attribute {
  std::uint16_t type;
  std::string_view name;
  Is is = Is::kEqual;
  std::size_t fixed = 0;
};
constexpr std::array kAttributes{
    Attribute{XFRMA_ALG_AEAD, "AEAD algorithm", Is::kKey, sizeof(xfrm_algo_aead)},
    Attribute{XFRMA_ALG_CRYPT, "encryption", Is::kKey, sizeof(xfrm_algo)},
    Attribute{XFRMA_ALG_AUTH_TRUNC, "integrity", Is::kKey, sizeof(xfrm_algo_auth)},
    Attribute{XFRMA_ALG_AUTH, "integrity, not truncated", Is::kTold},  // beside the former
    Attribute{XFRMA_ENCAP, "UDP encapsulation"},
    Attribute{XFRMA_MTIMER_THRESH, "time between notices of another port", Is::kIfTold},  // Linux 5.17
    Attribute{XFRMA_TFCPAD, "padding"},
    Attribute{XFRMA_SA_EXTRA_FLAGS, "more flags"},
    Attribute{XFRMA_MARK, "mark"},
    Attribute{XFRMA_SET_MARK, "mark of its packets"},
    Attribute{XFRMA_SET_MARK_MASK, "mask of that mark"},
    Attribute{XFRMA_IF_ID, "interface"},
    Attribute{XFRMA_OFFLOAD_DEV, "offload", Is::kCard},
    Attribute{XFRMA_TMPL, "templates"},
    Attribute{kSaDirection, "direction"},
    Attribute{kSaCpu, "CPU"},
    Attribute{XFRMA_REPLAY_ESN_VAL, "replay window", Is::kWindow},
    Attribute{XFRMA_REPLAY_VAL, "sequence numbers", Is::kTold},
    Attribute{XFRMA_LTIME_VAL, "counters", Is::kAlive},
    Attribute{XFRMA_LASTUSED, "time of the last use", Is::kTold},
    Attribute{XFRMA_POLICY_TYPE, "type", Is::kTold},
    Attribute{XFRMA_PAD, "nothing", Is::kTold},
};

// What a later kernel may tell of its own accord is no difference: nobody can have asked for it.
const Attribute& rule_of(std::uint16_t type) {
  static constexpr Attribute kOther{0, "another attribute", Is::kTold};
  const auto found = std::ranges::find(kAttributes, type, &Attribute::type);
  return found == kAttributes.end() ? kOther : *found;
}

std::map<std::uint16_t, Bytes> attributes_of(const nlmsghdr& message, std::size_t header) {
  std::map<std::uint16_t, Bytes> out;
  for_attributes(message, header, [&](const nlattr& a) { out[mnl_attr_get_type(&a)] = bytes_of(a); });
  return out;
}

bool same_but_for_keys(Bytes asked, Bytes told, std::size_t fixed) {
  if (asked.size() != told.size() || asked.size() < fixed) return false;
  if (!std::ranges::equal(asked.first(fixed), told.first(fixed))) return false;
  const Bytes key = told.subspan(fixed);
  return std::ranges::equal(asked.subspan(fixed), key) ||
         std::ranges::all_of(key, [](std::uint8_t octet) { return octet == 0; });
}

bool same_window(Bytes asked, Bytes told) {
  xfrm_replay_state_esn a, b;
  if (asked.size() < sizeof a || asked.size() != told.size()) return false;
  std::memcpy(&a, asked.data(), sizeof a);
  std::memcpy(&b, told.data(), sizeof b);
  return a.bmp_len == b.bmp_len && a.replay_window == b.replay_window;
}

bool same_card(Bytes asked, Bytes told) {
  xfrm_user_offload a{}, b{};
  if (asked.size() < sizeof a || asked.size() != told.size()) return false;
  std::memcpy(&a, asked.data(), sizeof a);
  std::memcpy(&b, told.data(), sizeof b);
  return a.ifindex == b.ifindex && a.flags == b.flags;
}

bool same(const Attribute& rule, Bytes asked, Bytes told) {
  switch (rule.is) {
    case Is::kEqual:
    case Is::kIfTold:
      return std::ranges::equal(asked, told);
    case Is::kKey:
      return same_but_for_keys(asked, told, rule.fixed);
    case Is::kWindow:
      return same_window(asked, told);
    case Is::kCard:
      return same_card(asked, told);
    case Is::kAlive:
    case Is::kTold:
      return true;
  }
  return false;
}

void compare_attributes(const nlmsghdr& asked, const nlmsghdr& told, std::size_t header,
                        std::vector<std::string>& out) {
  const auto a = attributes_of(asked, header), b = attributes_of(told, header);
  for (const auto& [type, value] : a) {
    const Attribute& rule = rule_of(type);
    const auto answer = b.find(type);
    const bool missing = answer == b.end() && rule.is != Is::kAlive && rule.is != Is::kIfTold;
    if (missing || (answer != b.end() && !same(rule, value, answer->second))) out.emplace_back(rule.name);
  }
  // An outbound SA that another had before has a window though it needs none (progress.h).
  for (const auto& [type, value] : b)
    if (!a.contains(type) && rule_of(type).is != Is::kTold && rule_of(type).is != Is::kWindow)
      out.emplace_back(rule_of(type).name);
}

// Not for what has holes between its fields.
template <class T>
void compare(const T& asked, const T& told, const char* name, std::vector<std::string>& out) {
  const auto octets = [](const T& t) {
    std::array<std::uint8_t, sizeof t> copy;
    std::memcpy(copy.data(), &t, sizeof t);
    return copy;
  };
  if (octets(asked) != octets(told)) out.emplace_back(name);
}

void compare(const xfrm_selector& asked, const xfrm_selector& told, const char* name,
             std::vector<std::string>& out) {
  const auto fields = [](const xfrm_selector& s) {
    std::array<std::uint8_t, 2 * sizeof(xfrm_address_t)> addresses;
    std::memcpy(addresses.data(), &s.saddr, sizeof s.saddr);
    std::memcpy(addresses.data() + sizeof s.saddr, &s.daddr, sizeof s.daddr);
    return std::tuple(addresses, s.family, s.prefixlen_s, s.prefixlen_d, s.proto, s.sport, s.sport_mask,
                      s.dport, s.dport_mask, s.ifindex, s.user);
  };
  if (fields(asked) != fields(told)) out.emplace_back(name);
}

}  // namespace

std::vector<std::string> sa_differences(const nlmsghdr& asked, const nlmsghdr& told) {
  std::vector<std::string> out;
  const auto *a = fixed_header<xfrm_usersa_info>(asked), *b = fixed_header<xfrm_usersa_info>(told);
  if (a == nullptr || b == nullptr) return {"the message"};
  compare(a->sel, b->sel, "selector", out);
  compare(a->id.daddr, b->id.daddr, "destination", out);
  compare(a->id.spi, b->id.spi, "SPI", out);
  compare(a->id.proto, b->id.proto, "protocol", out);
  compare(a->saddr, b->saddr, "source", out);
  compare(a->lft, b->lft, "limits", out);
  compare(a->seq, b->seq, "number", out);
  compare(a->reqid, b->reqid, "reqid", out);
  compare(a->family, b->family, "family", out);
  compare(a->mode, b->mode, "mode", out);
  compare(a->replay_window, b->replay_window, "short replay window", out);
  compare(a->flags, b->flags, "flags", out);
  compare_attributes(asked, told, sizeof *a, out);
  return out;
}

std::vector<std::string> policy_differences(const nlmsghdr& asked, const nlmsghdr& told) {
  std::vector<std::string> out;
  const auto *a = fixed_header<xfrm_userpolicy_info>(asked), *b = fixed_header<xfrm_userpolicy_info>(told);
  if (a == nullptr || b == nullptr) return {"the message"};
  compare(a->sel, b->sel, "selector", out);
  compare(a->lft, b->lft, "limits", out);
  compare(a->priority, b->priority, "priority", out);
  compare(a->dir, b->dir, "direction", out);
  compare(a->action, b->action, "action", out);
  compare(a->flags, b->flags, "flags", out);
  compare(a->share, b->share, "share", out);
  compare_attributes(asked, told, sizeof *a, out);
  return out;
}

}  // namespace simplon::ctrl
