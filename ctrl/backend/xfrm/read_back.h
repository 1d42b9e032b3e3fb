// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of an SA or a policy that another program has installed, keys included: the way back
// of message.h. Pure; nothing here reaches the kernel.
//
// What we do not know how to carry out is never left out in silence: `why_not` says what it is, and whoever
// reads it closes what it would have opened.
#pragma once

#include <compare>
#include <optional>
#include <string>

#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {

// The kernel's key of an SA, but for its mark: an SA with a mark is one that we do not carry out.
struct KernelSaKey {
  std::uint8_t protocol = 0;
  Spi spi{};
  IpAddress destination;
  friend auto operator<=>(const KernelSaKey&, const KernelSaKey&) = default;
};

struct KernelSa {
  KernelSaKey key;
  SaSpec
      sa;  // without its id, policy and selectors, which the kernel does not tell, and without limits of time
  std::uint32_t reqid = 0;
  std::optional<Direction> direction;  // told by Linux 6.10 alone; `sa` has it as well then
  std::string why_not;                 // empty: we can
};
// Of XFRM_MSG_NEWSA and XFRM_MSG_UPDSA. None: of no ESP or AH SA that is made yet (of an ALLOCSPI, or
// IPComp).
std::optional<KernelSa> read_kernel_sa(const nlmsghdr& message);
// Of XFRM_MSG_DELSA and XFRM_MSG_EXPIRE.
std::optional<KernelSaKey> read_kernel_sa_key(const nlmsghdr& message);
// The same SA, which its daemon has moved to other addresses or ports: of one SPI and one key.
bool is_same_sa(const KernelSa& a, const KernelSa& b);

struct KernelPolicyKey {
  KernelPolicy policy;
  std::uint32_t mark = 0, mark_mask = 0, if_id = 0;
  friend bool operator<(const KernelPolicyKey& a, const KernelPolicyKey& b);
};

struct KernelPolicyRead {
  KernelPolicyKey key;
  std::uint32_t priority = 0;
  Action action = Action::kDiscard;  // kProtect: with a template
  // Of the template.
  std::uint32_t reqid = 0;
  IpsecProtocol protocol = IpsecProtocol::kEsp;
  SaMode mode = SaMode::kTunnel;
  Spi spi{};                      // 0: any of its reqid
  IpAddress source, destination;  // unspecified: not known yet
  std::string why_not;

  bool out() const { return key.policy.direction == XFRM_POLICY_OUT; }
  // As an SPD entry has them: local is our side.
  SelectorSet selectors() const;
};
// Of XFRM_MSG_NEWPOLICY, XFRM_MSG_UPDPOLICY and XFRM_MSG_DELPOLICY. None: of a single socket, or no main one.
std::optional<KernelPolicyRead> read_kernel_policy(const nlmsghdr& message);

std::string text(const KernelSaKey& key);

}  // namespace simplon::ctrl
