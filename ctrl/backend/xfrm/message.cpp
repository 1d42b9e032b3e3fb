// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/message.h"

#include <arpa/inet.h>
#include <linux/udp.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "ctrl/backend/xfrm/options.h"
#include "ctrl/backend/xfrm/tunnel.h"
#include "dp/sa/outbound.h"

namespace simplon::ctrl {
namespace {

// The netlink sequence number of our SAs (not that of packets): this mark, then the low bits of the SaId.
constexpr std::uint32_t kOurs = 0x51000000, kStandby = 0x52000000, kOursMask = 0xff000000;

// Seconds between two notices (XFRM_MSG_MAPPING) that packets of one SA still come from the same other port.
constexpr std::uint32_t kMappingEvery = 1;

std::uint8_t protocol(IpsecProtocol protocol) {
  switch (protocol) {
    case IpsecProtocol::kEsp:
      return kEsp;
    case IpsecProtocol::kAh:
      return kAh;
  }
  return 0;  // the kernel refuses it
}

std::uint8_t mode(SaMode mode) {
  switch (mode) {
    case SaMode::kTunnel:
      return XFRM_MODE_TUNNEL;
    case SaMode::kTransport:
      return XFRM_MODE_TRANSPORT;
  }
  return XFRM_MODE_MAX;
}

std::uint64_t limit(std::uint64_t n) { return n == 0 ? XFRM_INF : n; }

// Without ESN the kernel stops at the last number without a word, so it is to ask for a rekey before (RFC
// 4303 §3.3.3): as early as the data path does.
std::uint64_t soft_packets(const SaSpec& sa) {
  const std::uint64_t asked = limit(static_cast<std::uint64_t>(sa.soft.packets));
  const bool runs_out = sa.direction == Direction::kOut && sa.esn == Esn::kOff;
  return runs_out ? std::min<std::uint64_t>(asked, dp::kSoftSequence) : asked;
}

xfrm_lifetime_cfg lifetime(const SaSpec& sa) {
  return {.soft_byte_limit = limit(static_cast<std::uint64_t>(sa.soft.bytes)),
          .hard_byte_limit = limit(static_cast<std::uint64_t>(sa.hard.bytes)),
          .soft_packet_limit = soft_packets(sa),
          .hard_packet_limit = limit(static_cast<std::uint64_t>(sa.hard.packets)),
          .soft_add_expires_seconds = static_cast<std::uint64_t>(sa.soft.time.count()),
          .hard_add_expires_seconds = static_cast<std::uint64_t>(sa.hard.time.count()),
          .soft_use_expires_seconds = 0,
          .hard_use_expires_seconds = 0};
}

// Appends an algorithm attribute: the fixed part, then the key. The copy that is made here is wiped.
template <class T>
void put_algorithm(NetlinkMessage& message, std::uint16_t attribute, T fixed, std::string_view algorithm,
                   const std::vector<Bytes>& key) {
  std::memcpy(fixed.alg_name, algorithm.data(), std::min(algorithm.size(), sizeof fixed.alg_name - 1));
  Writer out;
  out.bytes(Bytes(reinterpret_cast<const std::uint8_t*>(&fixed), sizeof fixed));
  for (const Bytes part : key) out.bytes(part);
  const Secret whole(out.take());
  message.put(attribute, whole.bytes());
}

void put_algorithms(NetlinkMessage& message, const SaSpec& sa) {
  const EspSuite& s = sa.suite;
  if (s.encr->aead()) {
    xfrm_algo_aead aead{};
    aead.alg_key_len = (s.encr->key + s.encr->salt) * 8u;
    aead.alg_icv_len = s.encr->icv * 8u;
    return put_algorithm(message, XFRMA_ALG_AEAD, aead, s.encr->xfrm, {sa.encr_key.bytes(), sa.salt.bytes()});
  }
  if (sa.protocol == IpsecProtocol::kEsp) {
    xfrm_algo crypt{};
    crypt.alg_key_len = (s.encr->key + s.encr->salt) * 8u;
    put_algorithm(message, XFRMA_ALG_CRYPT, crypt, s.encr->xfrm, {sa.encr_key.bytes(), sa.salt.bytes()});
  }
  xfrm_algo_auth auth{};
  auth.alg_key_len = s.integ->key * 8u;
  auth.alg_trunc_len = s.integ->icv * 8u;
  put_algorithm(message, XFRMA_ALG_AUTH_TRUNC, auth, s.integ->xfrm, {sa.integ_key.bytes()});
}

bool is_ipsec(const TrafficSelector& s) { return s.protocol == kEsp || s.protocol == kAh; }

// RFC 4301 §5.2 step 4: a packet that comes out of an SA must match its selectors. The kernel's SA has room
// for one selector. If our SA has several, or is outbound, it gets none, and in tunnel mode serves both
// address families: then the kernel's policies alone check the packets. So does an SA whose packets are
// those of another one: the kernel compares the selectors of all of them with the innermost packet.
void set_selector(xfrm_usersa_info& info, const SaSpec& sa) {
  const Selectors& s = sa.selectors;
  if (sa.direction == Direction::kIn && s.more.empty() && s.local.size() == 1 && s.remote.size() == 1 &&
      !is_ipsec(s.local[0]))
    if (const auto kernel = kernel_selectors(s.remote[0], s.local[0]); kernel && kernel->size() == 1) {
      info.sel = kernel->front();
      return;
    }
  if (sa.mode == SaMode::kTunnel)
    info.flags = XFRM_STATE_AF_UNSPEC;
  else
    info.sel.family = family_of(sa.destination);
}

xfrm_user_tmpl policy_template(const PolicySpec& policy, bool out) {
  xfrm_user_tmpl tmpl{};
  tmpl.family = family_of(policy.tunnel->local);
  tmpl.saddr = to_kernel(out ? policy.tunnel->local : policy.tunnel->remote);
  tmpl.id.daddr = to_kernel(out ? policy.tunnel->remote : policy.tunnel->local);
  tmpl.id.proto = protocol(policy.protocol);
  // Inbound, any SA of the child may bring the packet, also a narrowed one: they all have the child's id. An
  // entry that is no child's names no reqid (0): any SA between the tunnel's ends may.
  tmpl.reqid = static_cast<std::uint32_t>(out ? policy.id : policy.child);
  tmpl.mode = mode(policy.mode);
  tmpl.aalgos = tmpl.ealgos = tmpl.calgos = ~0u;
  return tmpl;
}

}  // namespace

bool is_for_our_ipsec(const PolicySpec& policy) {
  if (policy.action != Action::kProtect || !policy.tunnel) return false;
  const auto are = [](const TrafficSelectors& side, const IpAddress& end) {
    return !side.empty() && std::ranges::all_of(side, [&](const TrafficSelector& s) {
      return is_ipsec(s) && s.addresses.first == end && s.addresses.last == end;
    });
  };
  return are(policy.selectors.local, policy.tunnel->local) &&
         are(policy.selectors.remote, policy.tunnel->remote);
}

Result<void> can_nest(const PolicySpec& inner, const PolicySpec& over) {
  const auto all = [](const Selectors& s, auto is) {
    return std::ranges::all_of(s.local, is) && std::ranges::all_of(s.remote, is);
  };
  if (!all(over.selectors, is_ipsec))
    return fail("in the kernel the selectors of policy '" + over.name +
                "', whose SAs are around others, must name their protocol, 50 (ESP) or 51 (AH)");
  const auto same_family = [&](const TrafficSelector& s) {
    return s.addresses.first.family() == over.tunnel->local.family();
  };
  if (over.mode == SaMode::kTransport && over.tunnel && !all(inner.selectors, same_family))
    return fail("in the kernel an SA in transport mode is around packets of its own family alone, and '" +
                inner.name + "' is for others too; use tunnel mode for '" + over.name + "'");
  return {};
}

bool is_standby(const xfrm_usersa_info& info) { return (info.seq & kOursMask) == kStandby; }

bool is_our_sa(const xfrm_usersa_info& info) { return (info.seq & kOursMask) == kOurs || is_standby(info); }

void mark_standby(NetlinkMessage& sa) {
  auto* info = static_cast<xfrm_usersa_info*>(mnl_nlmsg_get_payload(sa.raw()));
  info->seq = kStandby | (info->seq & ~kOursMask);
}

std::uint16_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

xfrm_address_t to_kernel(const IpAddress& address) {
  xfrm_address_t out{};
  std::memcpy(&out, address.bytes().data(), address.bytes().size());
  return out;
}

IpAddress from_kernel(const xfrm_address_t& address, std::uint16_t family) {
  return *IpAddress::from_bytes(
      Bytes(reinterpret_cast<const std::uint8_t*>(&address), family == AF_INET ? 4 : 16));
}

Result<void> explained(Result<void> done, int error, const SaSpec& sa) {
  if (done) return done;
  if (error == ENOSYS)
    return fail(done.error().what + "; it does not know " + std::string(sa.suite.encr->xfrm));
  if (error == EPROTONOSUPPORT)
    return fail(done.error().what + "; it has no " + std::string(simplon::name(sa.protocol)));
  return done;
}

std::string text(Spi spi) {
  char out[16];
  std::snprintf(out, sizeof out, "0x%08x", static_cast<unsigned>(spi));
  return out;
}

NetlinkMessage sa_message(const SaSpec& sa, const KernelSupport& kernel, std::uint16_t type,
                          const Progress* progress, unsigned card) {
  NetlinkMessage message(type, type == XFRM_MSG_NEWSA ? NLM_F_CREATE | NLM_F_EXCL : 0);
  auto& info = message.header<xfrm_usersa_info>();
  info.family = family_of(sa.destination);
  info.saddr = to_kernel(sa.source);
  info.id.daddr = to_kernel(sa.destination);
  info.id.spi = htonl(static_cast<std::uint32_t>(sa.spi));
  info.id.proto = protocol(sa.protocol);
  info.lft = lifetime(sa);
  const bool narrowed_in = sa.direction == Direction::kIn && sa.child != PolicyId{};
  info.reqid = static_cast<std::uint32_t>(narrowed_in ? sa.child : sa.policy);
  info.mode = mode(sa.mode);
  info.seq = kOurs | (static_cast<std::uint32_t>(sa.id) & ~kOursMask);
  set_selector(info, sa);
  if (sa.esn == Esn::kOn) info.flags |= XFRM_STATE_ESN;
  // RFC 4302 §3.3.3.2.1: to 32 bits over IPv4, which the kernel does when it is told to only.
  if (sa.protocol == IpsecProtocol::kAh && sa.destination.is_v4()) info.flags |= XFRM_STATE_ALIGN4;
  put_algorithms(message, sa);
  put_tunnel(message, info, sa);
  put_options(message, sa, card);
  if (progress) {
    message.put(progress->sequence_type, progress->sequence);
    message.put_struct(XFRMA_LTIME_VAL, progress->lifetime);
  } else if (const Buffer window = new_window(sa, kernel); !window.empty()) {
    message.put(XFRMA_REPLAY_ESN_VAL, window);
  }
  if (kernel.direction) {
    const std::array direction{sa_direction(sa.direction)};
    message.put(kSaDirection, direction);
  }
  if (sa.udp) {
    xfrm_encap_tmpl encap{};
    encap.encap_type = UDP_ENCAP_ESPINUDP;
    encap.encap_sport = htons(static_cast<std::uint16_t>(sa.udp->source));
    encap.encap_dport = htons(static_cast<std::uint16_t>(sa.udp->destination));
    message.put_struct(XFRMA_ENCAP, encap);
    if (sa.direction == Direction::kIn) message.put_u32(XFRMA_MTIMER_THRESH, kMappingEvery);
  }
  return message;
}

xfrm_usersa_id sa_id(const SaSpec& sa) {
  xfrm_usersa_id id{};
  id.daddr = to_kernel(sa.destination);
  id.spi = htonl(static_cast<std::uint32_t>(sa.spi));
  id.family = family_of(sa.destination);
  id.proto = protocol(sa.protocol);
  return id;
}

NetlinkMessage sa_request(std::uint16_t type, const SaSpec& sa) {
  NetlinkMessage message(type, 0);
  message.header<xfrm_usersa_id>() = sa_id(sa);
  put_lookup(message, sa.kernel);
  return message;
}

std::pair<Spi, IpAddress> key_of(const xfrm_usersa_info& info) {
  return {Spi{ntohl(info.id.spi)}, from_kernel(info.id.daddr, info.family)};
}

namespace {

// Inbound where the kernel does not say.
Direction direction_of(const nlmsghdr& message) {
  Direction out = Direction::kIn;
  for_attributes(message, sizeof(xfrm_usersa_info), [&](const nlattr& a) {
    const Bytes value = bytes_of(a);
    if (mnl_attr_get_type(&a) == kSaDirection && !value.empty() && value[0] == sa_direction(Direction::kOut))
      out = Direction::kOut;
  });
  return out;
}

}  // namespace

SaSpec installed_sa(const nlmsghdr& message, const xfrm_usersa_info& info) {
  const auto count = [](std::uint64_t n) { return n == XFRM_INF ? 0 : n; };
  const auto life = [&](std::uint64_t bytes, std::uint64_t packets, std::uint64_t seconds) {
    return Lifetime{std::chrono::seconds(seconds), ByteCount{count(bytes)}, PacketCount{count(packets)}};
  };
  return {
      .id = SaId{},
      .protocol = info.id.proto == kAh ? IpsecProtocol::kAh : IpsecProtocol::kEsp,
      .mode = info.mode == XFRM_MODE_TRANSPORT ? SaMode::kTransport : SaMode::kTunnel,
      .direction = direction_of(message),
      .spi = Spi{ntohl(info.id.spi)},
      .source = from_kernel(info.saddr, info.family),
      .destination = from_kernel(info.id.daddr, info.family),
      .soft = life(info.lft.soft_byte_limit, info.lft.soft_packet_limit, info.lft.soft_add_expires_seconds),
      .hard = life(info.lft.hard_byte_limit, info.lft.hard_packet_limit, info.lft.hard_add_expires_seconds),
      .policy = PolicyId{info.reqid},
      .kernel = read_options(message)};
}

namespace {

// Has what an outbound entry is for forwarded on, by whose interface it may be.
std::optional<KernelPolicy> passage(const PolicySpec& policy, xfrm_selector selector, unsigned interface) {
  if (policy.action == Action::kDiscard || (policy.kernel.if_id != 0 && interface == 0)) return std::nullopt;
  if (policy.kernel.if_id != 0) selector.ifindex = static_cast<int>(interface);
  return KernelPolicy{XFRM_POLICY_FWD, selector, true, policy.kernel.mark};
}

// The kernel's policies for one pair of an entry's selectors.
Result<void> add_pair(const PolicySpec& policy, const TrafficSelector& local, const TrafficSelector& remote,
                      unsigned interface, std::size_t& selectors, std::vector<KernelPolicy>& out) {
  const auto outwards = kernel_selectors(local, remote), inwards = kernel_selectors(remote, local);
  for (const auto* part : {&outwards, &inwards})
    if (!*part) return fail("policy " + policy.name + ": " + part->error().what);
  selectors += outwards->size();
  if (selectors > kMostKernelPolicies)
    return fail("policy " + policy.name + " would be more than " + std::to_string(kMostKernelPolicies) +
                " policies in the kernel; use fewer selectors and prefixes");
  const auto add = [&](std::uint8_t direction, const xfrm_selector& s) {
    out.push_back({direction, s, false, policy.kernel.mark, policy.kernel.if_id});
  };
  if (policy.direction != PolicyDirection::kIn)
    for (const xfrm_selector& s : *outwards) {
      add(XFRM_POLICY_OUT, s);
      if (const auto way = passage(policy, s, interface)) out.push_back(*way);
    }
  if (policy.direction == PolicyDirection::kOut) return {};
  for (const xfrm_selector& s : *inwards) {
    add(XFRM_POLICY_IN, s);
    add(XFRM_POLICY_FWD, s);
  }
  return {};
}

}  // namespace

Result<std::vector<KernelPolicy>> kernel_policies(const PolicySpec& policy, unsigned interface) {
  if (policy.fragments != FragmentHandling::kReassemble && policy.fragments != FragmentHandling::kAny)
    return fail("policy " + policy.name +
                ": the kernel has one way with fragments, to put them together where ports count; leave "
                "'fragments' away");
  if (!policy.spd.empty())
    return fail("policy " + policy.name + ": the kernel has one SPD; 'spd' is for mode 'dp'");
  if (policy.classes.any())
    return fail(
        "policy " + policy.name +
        ": dscp_classes is for mode 'dp': the kernel takes the newest SA of an entry whatever the DSCP");
  if (policy.order >= kPriorityBase)
    return fail("policy " + policy.name + ": the kernel has no place for order " +
                std::to_string(policy.order));
  std::vector<KernelPolicy> out;
  std::size_t selectors = 0;
  for (const SelectorSet& set : policy.selectors.sets())
    for (const TrafficSelector& l : set.local)
      for (const TrafficSelector& r : set.remote)
        if (auto done = add_pair(policy, l, r, interface, selectors, out); !done)
          return std::unexpected(done.error());
  return out;
}

std::uint32_t kernel_priority(const KernelPolicy& kernel, const PolicySpec& policy) {
  return kernel.passage ? kPassagePriority : kPriorityBase + policy.order;
}

NetlinkMessage policy_message(const PolicySpec& policy, const KernelPolicy& kernel, bool block,
                              const std::vector<const PolicySpec*>& around) {
  NetlinkMessage message(XFRM_MSG_UPDPOLICY, NLM_F_CREATE | NLM_F_REPLACE);
  auto& info = message.header<xfrm_userpolicy_info>();
  info.sel = kernel.selector;
  info.dir = kernel.direction;
  info.priority = kernel_priority(kernel, policy);
  const bool protect = policy.action == Action::kProtect && policy.tunnel && !block && !kernel.passage;
  info.action =
      protect || kernel.passage || policy.action == Action::kBypass ? XFRM_POLICY_ALLOW : XFRM_POLICY_BLOCK;
  info.lft = {.soft_byte_limit = XFRM_INF,
              .hard_byte_limit = XFRM_INF,
              .soft_packet_limit = XFRM_INF,
              .hard_packet_limit = XFRM_INF,
              .soft_add_expires_seconds = 0,
              .hard_add_expires_seconds = 0,
              .soft_use_expires_seconds = 0,
              .hard_use_expires_seconds = 0};
  put_lookup(message, {.mark = kernel.mark, .if_id = kernel.if_id});
  if (!protect) return message;
  const bool out = kernel.direction == XFRM_POLICY_OUT;
  std::vector<xfrm_user_tmpl> templates{policy_template(policy, out)};
  for (const PolicySpec* entry : around) templates.push_back(policy_template(*entry, out));
  message.put(XFRMA_TMPL, Bytes(reinterpret_cast<const std::uint8_t*>(templates.data()),
                                templates.size() * sizeof templates[0]));
  return message;
}

std::vector<xfrm_user_tmpl> templates(const nlmsghdr& message, std::size_t header) {
  std::vector<xfrm_user_tmpl> out;
  for_attributes(message, header, [&](const nlattr& a) {
    if (mnl_attr_get_type(&a) != XFRMA_TMPL) return;
    const Bytes data = bytes_of(a);
    out.resize(data.size() / sizeof(xfrm_user_tmpl));
    if (!out.empty()) std::memcpy(out.data(), data.data(), out.size() * sizeof(xfrm_user_tmpl));
  });
  return out;
}

NetlinkMessage policy_request(std::uint16_t type, const KernelPolicy& kernel) {
  NetlinkMessage message(type, 0);
  auto& id = message.header<xfrm_userpolicy_id>();
  id.sel = kernel.selector;
  id.dir = kernel.direction;
  put_lookup(message, {.mark = kernel.mark, .if_id = kernel.if_id});
  return message;
}

KernelPolicy policy_key(const nlmsghdr& message, std::size_t header, std::uint8_t direction,
                        const xfrm_selector& selector) {
  const KernelOptions told = read_lookup(message, header);
  return {.direction = direction, .selector = selector, .mark = told.mark, .if_id = told.if_id};
}

}  // namespace simplon::ctrl
