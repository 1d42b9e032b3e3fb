// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/options.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "ctrl/linux/features.h"
#include "ctrl/linux/link.h"

namespace simplon::ctrl {
namespace {

PacketMark mark_of(Bytes data) {
  xfrm_mark mark{};
  if (data.size() >= sizeof mark) std::memcpy(&mark, data.data(), sizeof mark);
  return {.value = mark.v, .mask = mark.m};
}

std::uint32_t number_of(Bytes data) {
  std::uint32_t out = 0;
  if (data.size() >= sizeof out) std::memcpy(&out, data.data(), sizeof out);
  return out;
}

void read_option(const nlattr& a, KernelOptions& out) {
  switch (mnl_attr_get_type(&a)) {
    case XFRMA_MARK:
      out.mark = mark_of(bytes_of(a));
      break;
    case XFRMA_SET_MARK:
      out.set_mark.value = number_of(bytes_of(a));
      break;
    case XFRMA_SET_MARK_MASK:
      out.set_mark.mask = number_of(bytes_of(a));
      break;
    case XFRMA_IF_ID:
      out.if_id = number_of(bytes_of(a));
      break;
    case XFRMA_OFFLOAD_DEV:
      out.offload = Offload::kCrypto;
      break;
    default:
      break;
  }
}

}  // namespace

void put_lookup(NetlinkMessage& message, const KernelOptions& options) {
  if (options.mark.any())
    message.put_struct(XFRMA_MARK, xfrm_mark{.v = options.mark.value, .m = options.mark.mask});
  if (options.if_id != 0) message.put_u32(XFRMA_IF_ID, options.if_id);
}

void put_options(NetlinkMessage& message, const SaSpec& sa, unsigned card) {
  put_lookup(message, sa.kernel);
  if (sa.kernel.set_mark.any()) {
    message.put_u32(XFRMA_SET_MARK, sa.kernel.set_mark.value);
    message.put_u32(XFRMA_SET_MARK_MASK, sa.kernel.set_mark.mask);
  }
  if (sa.kernel.offload == Offload::kNone) return;
  xfrm_user_offload offload{};
  offload.ifindex = static_cast<int>(card);
  if (sa.direction == Direction::kIn) offload.flags = XFRM_OFFLOAD_INBOUND;
  message.put_struct(XFRMA_OFFLOAD_DEV, offload);
}

bool can_update(const SaSpec& sa) { return sa.kernel.offload == Offload::kNone; }

bool can_go_on(const SaSpec& sa) { return sa.direction == Direction::kIn || sa.suite.encr->salt == 0; }

KernelOptions read_lookup(const nlmsghdr& message, std::size_t header) {
  KernelOptions all, out;
  for_attributes(message, header, [&](const nlattr& a) { read_option(a, all); });
  out.mark = all.mark;
  out.if_id = all.if_id;
  return out;
}

KernelOptions read_options(const nlmsghdr& sa) {
  KernelOptions out;
  for_attributes(sa, sizeof(xfrm_usersa_info), [&](const nlattr& a) { read_option(a, out); });
  return out;
}

Result<void> possible_options(const KernelOptions& options, IpsecProtocol protocol,
                              const TunnelOptions& tunnel, Encapsulation encapsulation) {
  for (const auto& [mark, key] : {std::pair(options.mark, "mark"), std::pair(options.set_mark, "set_mark")})
    if ((mark.value & ~mark.mask) != 0)
      return fail(std::string(key) + ": has bits outside its mask: no packet would have it");
  if (options.offload == Offload::kNone)
    return options.device.empty() ? Result<void>{} : fail("device: is for an offload");
  if (options.device.empty()) return fail("offload: needs 'device', the interface of the card");
  if (protocol == IpsecProtocol::kAh) return fail("offload: is for ESP; Linux offloads no AH");
  if (tunnel.tfc != kTfcOff) return fail("offload: cannot be with tfc, which Linux refuses");
  if (encapsulation == Encapsulation::kUdp)
    return fail(
        "offload: cannot be with UDP encapsulation (encap, or a NAT on the way), which Linux refuses; leave "
        "'offload' away");
  return {};
}

Result<void> known_options(const KernelOptions& options, KnownAttributes& known, Netlink& requests) {
  struct Wanted {
    bool wanted;
    std::uint16_t attribute;
    const char* key;
  };
  for (const auto& [wanted, attribute, key] :
       {Wanted{options.mark.any(), XFRMA_MARK, "mark"},
        Wanted{options.set_mark.any(), XFRMA_SET_MARK, "set_mark"},
        Wanted{options.set_mark.any(), XFRMA_SET_MARK_MASK, "set_mark with a mask"},
        Wanted{options.if_id != 0, XFRMA_IF_ID, "if_id"},
        Wanted{options.offload != Offload::kNone, XFRMA_OFFLOAD_DEV, "offload"}})
    if (wanted && !known.has(requests, attribute))
      return fail("this kernel has no " + std::string(key) + " of SAs and policies");
  if (options.offload != Offload::kNone && interface_index(requests.fd(), options.device) == 0)
    return fail("offload: there is no interface '" + options.device + "'");
  return {};
}

Result<void> card_offloads(const KernelOptions& options) {
  if (options.offload == Offload::kNone || is_feature_on(options.device, "esp-hw-offload")) return {};
  return fail("offload: interface '" + options.device +
              "' has none, or it is switched off (ethtool -K: esp-hw-offload); leave 'offload' away, name "
              "another card, or reload when it is there");
}

}  // namespace simplon::ctrl
