// SPDX-License-Identifier: Apache-2.0
// A child SA as the IKE SA sees it: the pair of ESP or AH SAs, what it was made of, and how far it is (RFC
// 7296 §1.3, §2.8); and the CREATE_CHILD_SA exchange that we are in as initiator.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "dp/base/sa_spec.h"
#include "dp/base/secret.h"
#include "ike/pad/connection.h"
#include "ike/sa/path.h"
#include "ike/sa/status.h"

namespace simplon::ike {

// The flags of a peer's USE_AGGFRAG (RFC 9347 §6.1.4), about what is sent to it.
struct AggfragFlags {
  bool congestion = false;  // C: it is told what congestion control needs
  bool whole = false;       // D: it takes no packet in pieces
  friend bool operator==(const AggfragFlags&, const AggfragFlags&) = default;
};

struct Child {
  ChildSaId id{};
  ChildConfig config;
  ChildState state = ChildState::kInstalled;
  SaRef in, out;
  SaRef deferred_out;    // made, but not sent through: not yet, or not any more
  bool stopped = false;  // not any more: installed again, its numbers would begin anew under the same key
  // We made it as responder, and the peer may not have our response: it is neither sent through (while there
  // is the one that it replaces) nor rekeyed nor deleted before the peer has shown that it knows it (§2.25).
  // It has when it uses the SA, or sends another request: its window is one request at a time.
  bool shown = true;
  Now used{};   // something came through it last
  Now asked{};  // when the request for it came last: the peer repeats it until it has our response
  std::optional<DhGroup> group;  // PFS
  std::uint8_t dscp_class = 0;   // of our traffic
  Selectors selectors;           // as negotiated; of transport mode by the addresses of our Path
  Now installed{}, rekey_at{}, expire_at{};
  unsigned rekeys_failed = 0;
  bool leaving = false;  // to be deleted when its turn comes: does not count as up
  Now other_half_by{};   // when we ask for its other half, which the peer has not made
  ChildSaId replaced{};  // the child in whose place it was made
  bool ours = false;     // whether we asked for it
  Buffer lowest_nonce;   // of that exchange (§2.8.1)

  // Not while it is being replaced: a delete would hit the replacement. The exchange ends, or the IKE SA
  // does.
  bool may_expire() const {
    return expire_at != Now{} && state != ChildState::kDeleting && state != ChildState::kRekeying;
  }
  // Its outbound SA will be used; not that of one that goes.
  bool waits_to_send() const {
    return deferred_out && !stopped && (state == ChildState::kInstalled || state == ChildState::kRekeying);
  }
  bool awaits_other_half() const { return other_half_by != Now{} && up(); }
  bool up() const { return !leaving && (state == ChildState::kInstalled || state == ChildState::kRekeying); }
};

// RFC 7296 §2.8: the inbound SA of a replaced child, for packets that are still under way.
struct OldInbound {
  SaRef sa;
  Now until{};
  ChildSaId of{};  // that is gone
};

// What we negotiate in a CREATE_CHILD_SA exchange that we began, or in IKE_AUTH: a child, or a new IKE SA.
struct Attempt {
  enum class What : std::uint8_t { kChild, kIkeSa };

  What what = What::kChild;
  ChildConfig config;
  Spi spi{};                  // of our inbound SA
  std::uint64_t ike_spi = 0;  // ours, of a new IKE SA
  Buffer nonce;
  Secret random;  // our private value of the key exchange is made of it
  DhGroup group = DhGroup::kNone;
  ChildSaId replaces{};  // none: a new child
  SaMode mode{};         // that we ask for
  std::uint64_t ticket = 0;
  unsigned tries = 0;    // other groups that the peer asked for
  unsigned refused = 0;  // how often the peer was in the middle of something (§2.25)
  std::optional<Selectors> packet = {};
  // Outbound SPIs that the peer deleted before its response came: one of them may be the new child's.
  std::vector<std::pair<IpsecProtocol, Spi>> deleted = {};
  // Both ends may replace one child at once (§2.8.1): the peer's replacement, and the lowest nonce of its
  // exchange.
  ChildSaId rival{};
  Buffer rival_nonce = {};
  std::uint8_t dscp_class = 0;
  Buffer request = {};  // as it was sent; empty: it has not been

  bool of_ike() const { return what == What::kIkeSa; }
};

// Of each side the first: what asks for an SA like the one that has these.
Selectors first_of(const Selectors& selectors);

// The selectors of a child: an empty side means that end itself, by its inner addresses or its outer one.
Selectors effective_selectors(const ChildConfig& config, const Path& path);
// Of an SA that this packet asks for, or without a packet any: the child's, with the packet's own values
// where the child has PFP flags (RFC 4301 §4.4.1).
Selectors effective_selectors(const ChildConfig& config, const Path& path,
                              const std::optional<Selectors>& packet);

// Names the traffic of a child of this connection, whatever the order of its selectors.
std::string traffic_key(std::string_view connection, std::string_view child, const Selectors& selectors);

// Why such a child cannot be made on this path; empty: it can.
std::string_view why_impossible(const ChildConfig& config, const Path& path);

// RFC 7296 §2.23.1: the selectors of transport mode name the two ends, and a NAT has another address for an
// end on its other side. What the peer sends, with the addresses that we know the ends by.
Selectors seen_from_here(Selectors selectors, const Path& path);

}  // namespace simplon::ike
