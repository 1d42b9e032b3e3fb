// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/read_back.h"

#include <arpa/inet.h>
#include <linux/udp.h>

#include <algorithm>
#include <cstring>

#include "ctrl/backend/xfrm/options.h"

namespace simplon::ctrl {
namespace {

// Not as an optional: some of these structures end in an array without a size.
template <class T>
bool read_fixed(const nlattr& a, T& out) {
  const Bytes data = bytes_of(a);
  if (data.size() < sizeof(T)) return false;
  std::memcpy(&out, data.data(), sizeof out);
  return true;
}

template <std::size_t kSize>
std::string_view name_of(const char (&name)[kSize]) {
  return {name, strnlen(name, kSize)};
}

// The key behind the fixed part of an algorithm.
template <class T>
Bytes key_of(const nlattr& a, unsigned bits) {
  const Bytes rest = bytes_of(a).subspan(sizeof(T));
  return rest.size() < bits / 8 ? Bytes{} : rest.first(bits / 8);
}

// What the kernel has of the algorithms; the last one of a name wins, and the longer names come last.
struct Algorithms {
  const Encr* encr = nullptr;
  const Integ* integ = nullptr;
  SharedSecret encr_key, salt, integ_key;
  bool any = false;
};

SharedSecret secret(Bytes bytes) { return SharedSecret(Secret(bytes)); }

void take_cipher(Algorithms& out, const Encr& row, Bytes key) {
  if (key.size() != row.key + row.salt + 0u) return;
  out.encr = &row;
  out.encr_key = secret(key.first(row.key));
  out.salt = secret(key.subspan(row.key));
}

void read_aead(const nlattr& a, Algorithms& out) {
  xfrm_algo_aead algorithm{};
  if (!read_fixed(a, algorithm)) return;
  for (const Encr& row : kEncrs)
    if (row.aead() && row.xfrm == name_of(algorithm.alg_name) && row.icv * 8u == algorithm.alg_icv_len &&
        (row.key + row.salt) * 8u == algorithm.alg_key_len)
      take_cipher(out, row, key_of<xfrm_algo_aead>(a, algorithm.alg_key_len));
}

void read_cipher(const nlattr& a, Algorithms& out) {
  xfrm_algo algorithm{};
  if (!read_fixed(a, algorithm)) return;
  for (const Encr& row : kEncrs)
    if (!row.aead() && row.xfrm == name_of(algorithm.alg_name) &&
        (row.key + row.salt) * 8u == algorithm.alg_key_len)
      take_cipher(out, row, key_of<xfrm_algo>(a, algorithm.alg_key_len));
}

void read_integrity(const nlattr& a, Algorithms& out) {
  xfrm_algo_auth algorithm{};
  if (!read_fixed(a, algorithm)) return;
  for (const Integ& row : kIntegs) {
    if (row.xfrm != name_of(algorithm.alg_name) || row.key * 8u != algorithm.alg_key_len ||
        row.icv * 8u != algorithm.alg_trunc_len)
      continue;
    out.integ = &row;
    out.integ_key = secret(key_of<xfrm_algo_auth>(a, algorithm.alg_key_len));
  }
}

// A kernel that is locked down (confidentiality) tells zeros in the place of keys.
bool is_hidden(const SharedSecret& key) {
  return !key.empty() && std::ranges::all_of(key.bytes(), [](std::uint8_t b) { return b == 0; });
}

void set_algorithms(const Algorithms& read, KernelSa& out) {
  SaSpec& sa = out.sa;
  const Encr* encr = sa.protocol == IpsecProtocol::kAh ? find_encr("null") : read.encr;
  sa.suite = {encr, read.integ};
  if (!sa.suite.valid()) {
    sa.suite = {};
    out.why_not = "its algorithms are not among Simplon's";
    return;
  }
  sa.encr_key = read.encr_key;
  sa.salt = read.salt;
  sa.integ_key = read.integ_key;
  if (is_hidden(sa.encr_key) || is_hidden(sa.integ_key))
    out.why_not = "the kernel does not tell its keys (lockdown=confidentiality)";
}

std::uint64_t limit(std::uint64_t n) { return n == XFRM_INF ? 0 : n; }

// The limits of time are the kernel's to watch, which has the SA as well.
Lifetime volume(std::uint64_t bytes, std::uint64_t packets) {
  return {.bytes = ByteCount{limit(bytes)}, .packets = PacketCount{limit(packets)}};
}

void read_header(const xfrm_usersa_info& info, KernelSa& out) {
  SaSpec& sa = out.sa;
  sa.protocol = info.id.proto == kAh ? IpsecProtocol::kAh : IpsecProtocol::kEsp;
  sa.mode = info.mode == XFRM_MODE_TRANSPORT ? SaMode::kTransport : SaMode::kTunnel;
  sa.esn = (info.flags & XFRM_STATE_ESN) != 0 ? Esn::kOn : Esn::kOff;
  sa.spi = Spi{ntohl(info.id.spi)};
  sa.source = from_kernel(info.saddr, info.family);
  sa.destination = from_kernel(info.id.daddr, info.family);
  sa.replay_window = info.replay_window;
  sa.soft = volume(info.lft.soft_byte_limit, info.lft.soft_packet_limit);
  sa.hard = volume(info.lft.hard_byte_limit, info.lft.hard_packet_limit);
  sa.mtu.df = (info.flags & XFRM_STATE_NOPMTUDISC) != 0 ? DfBit::kClear : DfBit::kCopy;
  if ((info.flags & XFRM_STATE_NOECN) != 0) sa.tunnel.ecn = EcnMode::kCompatibility;
  out.reqid = info.reqid;
  out.key = {info.id.proto, sa.spi, sa.destination};
  if (info.mode != XFRM_MODE_TRANSPORT && info.mode != XFRM_MODE_TUNNEL)
    out.why_not = "its mode is neither tunnel nor transport";
}

void read_encapsulation(const nlattr& a, KernelSa& out) {
  xfrm_encap_tmpl encap{};
  if (!read_fixed(a, encap) || encap.encap_type != UDP_ENCAP_ESPINUDP)
    out.why_not = "its encapsulation is not that of RFC 3948";
  else
    out.sa.udp = UdpPorts{Port{ntohs(encap.encap_sport)}, Port{ntohs(encap.encap_dport)}};
}

void read_extra_flags(std::uint32_t flags, KernelSa& out) {
  if ((flags & XFRM_SA_XFLAG_DONT_ENCAP_DSCP) != 0) out.sa.tunnel.dscp = fixed_dscp(0);
  if ((flags & XFRM_SA_XFLAG_OSEQ_MAY_WRAP) != 0)
    out.why_not = "its sequence numbers may begin anew under the same key";
}

void read_option(const nlattr& a, KernelSa& out) {
  xfrm_replay_state_esn window{};
  std::uint32_t number = 0;
  std::uint8_t direction = 0;
  switch (mnl_attr_get_type(&a)) {
    case XFRMA_ENCAP:
      return read_encapsulation(a, out);
    case XFRMA_REPLAY_ESN_VAL:
      if (read_fixed(a, window)) out.sa.replay_window = window.replay_window;
      return;
    case XFRMA_TFCPAD:
      if (read_fixed(a, number))
        out.sa.tunnel.tfc = static_cast<std::uint16_t>(std::min<std::uint32_t>(number, kTfcMtu));
      return;
    case XFRMA_SA_EXTRA_FLAGS:
      if (read_fixed(a, number)) read_extra_flags(number, out);
      return;
    case kSaDirection:
      if (read_fixed(a, direction))
        out.direction = direction == sa_direction(Direction::kIn) ? Direction::kIn : Direction::kOut;
      return;
    case XFRMA_MARK:
    case XFRMA_SET_MARK:
      out.why_not = "it has a mark";
      return;
    case XFRMA_IF_ID:
      out.why_not = "it belongs to an xfrm interface (if_id)";
      return;
    case XFRMA_OFFLOAD_DEV:
      out.why_not = "a network card has it (offload), which the kernel cannot keep from sending";
      return;
    case kSaCpu:
      out.why_not = "it is for the packets of one CPU of the kernel's alone";
      return;
    case XFRMA_COADDR:
    case XFRMA_ALG_COMP:
      out.why_not = "it has an attribute that Simplon does not know (care-of address, compression)";
      return;
    default:
      return;
  }
}

}  // namespace

std::optional<KernelSa> read_kernel_sa(const nlmsghdr& message) {
  const auto* info = fixed_header<xfrm_usersa_info>(message);
  if (info == nullptr || (info->id.proto != kEsp && info->id.proto != kAh)) return std::nullopt;
  KernelSa out;
  read_header(*info, out);
  Algorithms read;
  for_attributes(message, sizeof *info, [&](const nlattr& a) {
    const int type = mnl_attr_get_type(&a);
    const bool algorithm = type == XFRMA_ALG_AEAD || type == XFRMA_ALG_CRYPT || type == XFRMA_ALG_AUTH_TRUNC;
    read.any = read.any || algorithm;
    if (type == XFRMA_ALG_AEAD) return read_aead(a, read);
    if (type == XFRMA_ALG_CRYPT) return read_cipher(a, read);
    if (type == XFRMA_ALG_AUTH_TRUNC) return read_integrity(a, read);
    read_option(a, out);
  });
  if (!read.any) return std::nullopt;
  if (out.why_not.empty()) set_algorithms(read, out);
  if (out.direction) out.sa.direction = *out.direction;
  out.sa.kernel = read_options(message);
  return out;
}

std::optional<KernelSaKey> read_kernel_sa_key(const nlmsghdr& message) {
  const auto key = [](const auto& id, std::uint16_t family) {
    return KernelSaKey{id.proto, Spi{ntohl(id.spi)}, from_kernel(id.daddr, family)};
  };
  if (message.nlmsg_type == XFRM_MSG_DELSA) {
    const auto* id = fixed_header<xfrm_usersa_id>(message);
    return id == nullptr ? std::nullopt : std::optional(key(*id, id->family));
  }
  const auto* expire = fixed_header<xfrm_user_expire>(message);
  return expire == nullptr ? std::nullopt : std::optional(key(expire->state.id, expire->state.family));
}

bool is_same_sa(const KernelSa& a, const KernelSa& b) {
  return a.key.spi == b.key.spi && a.key.protocol == b.key.protocol && a.reqid == b.reqid &&
         a.sa.suite == b.sa.suite && a.sa.encr_key == b.sa.encr_key && a.sa.salt == b.sa.salt &&
         a.sa.integ_key == b.sa.integ_key;
}

std::string text(const KernelSaKey& key) {
  return std::string(key.protocol == kAh ? "AH" : "ESP") + " SA " + text(key.spi) + " to " +
         key.destination.text();
}

}  // namespace simplon::ctrl
