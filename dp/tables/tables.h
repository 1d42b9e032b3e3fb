// SPDX-License-Identifier: Apache-2.0
// SPD, SAD and routes as one consistent view. A worker reads the pointer once a turn (Published<const
// Tables>) and what it finds lives until its next Quiescence::report(). Made and destroyed by the control
// thread (dp/tables/registry.h).
//
// `generation` changes whenever the SPD, the routes, or the switch change: decisions cached under another
// generation are void. It does not change when an SA does: a PROTECT decision names a slot, and the slot's SA
// is replaced in place.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dp/base/published.h"
#include "dp/ipsec/aggfrag_state.h"
#include "dp/packet/flow.h"
#include "dp/sa/outbound.h"
#include "dp/tables/hits.h"
#include "dp/tables/routes.h"
#include "dp/tables/sad.h"
#include "dp/tables/spd.h"

namespace simplon::dp {

// Where a PROTECT policy finds its SA. Slots are reused only after a grace period.
struct OutboundSlot {
  Published<OutboundSa> sa;
  OneWriter<PolicyId> policy;  // whose it is now; another one's when that has gone
  std::uint32_t hit = 0;       // what counts a packet that finds no SA (dp/tables/hits.h)
};

inline constexpr std::size_t kSlotsPerBlock = 1024, kSlotBlocks = kMostSlots / kSlotsPerBlock;

// Grows by blocks that never move, so a reader's index stays good.
class OutboundSlots {
 public:
  OutboundSlot& operator[](std::uint32_t index) const {
    return blocks_[index / kSlotsPerBlock].read()[index % kSlotsPerBlock];
  }
  // Control thread: makes sure that the slot exists. False: there are no more.
  bool reach(std::uint32_t index) {
    if (index >= kMostSlots) return false;
    auto& block = blocks_[index / kSlotsPerBlock];
    if (block.read() == nullptr) block.publish(new OutboundSlot[kSlotsPerBlock]);
    return true;
  }
  OutboundSlots() : blocks_(std::make_unique<Published<OutboundSlot>[]>(kSlotBlocks)) {}
  ~OutboundSlots() {
    for (std::size_t i = 0; i < kSlotBlocks; ++i) delete[] blocks_[i].read();
  }

 private:
  std::unique_ptr<Published<OutboundSlot>[]> blocks_;
};

// Where the SAs of an entry's classes are; those of class 0 are in the entry's own slot.
struct ClassSlots {
  DscpClasses classes;
  std::array<std::uint32_t, kMostDscpClasses> slots{};  // by class
};

// By SpdEntry::classes. A copy shares them.
class ClassTable {
 public:
  const ClassSlots& operator[](std::uint32_t index) const { return *slots_[index]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(slots_.size()); }
  void set(std::uint32_t index, const ClassSlots& slots) {
    if (index >= size()) slots_.resize(index + 1);
    slots_[index] = std::make_shared<const ClassSlots>(slots);
  }

 private:
  std::vector<std::shared_ptr<const ClassSlots>> slots_;
};

// The SPDs of the tunnel interfaces, by InterfaceId; null: it has no entries.
using TunnelSpds = std::vector<std::shared_ptr<const Spd>>;

// The SPDs of ports that have one of their own, by PortIndex; null: the common one is the port's.
using PortSpds = std::vector<std::shared_ptr<const Spd>>;

struct Tables {
  std::uint32_t generation = 1;
  bool gateway_on = true;
  bool kernel_sas = false;  // the kernel has SAs beside those in `sad`: ESP and AH that it sends may leave
  bool pieces = false;      // some SPD asks which fragment it is (Flow::piece)
  std::shared_ptr<const Spd> spd;             // of all ports that have none of their own
  std::shared_ptr<const PortSpds> port_spds;  // null: no port has
  std::shared_ptr<const TunnelSpds> tunnels;  // null: no connection ever had an interface
  std::shared_ptr<const ClassTable> classes;  // null: no entry ever had more than one
  std::shared_ptr<const Routes> routes;
  const Sad* sad = nullptr;                 // in place
  const OutboundSlots* outbound = nullptr;  // in place
  AggfragNews* aggfrag = nullptr;           // in place, by worker: SAs of AGGFRAG that came, and that went

  // Of what came by this port, or is the host's own and leaves by it.
  const Spd& spd_of(PortIndex port) const {
    const auto index = static_cast<std::size_t>(port);
    const bool own = port_spds && index < port_spds->size() && (*port_spds)[index];
    return own ? *(*port_spds)[index] : *spd;
  }
  // Null: it has none.
  const Spd* tunnel_spd(PortIndex port) const {
    const auto index = static_cast<std::size_t>(interface_of(port));
    return tunnels && index < tunnels->size() ? (*tunnels)[index].get() : nullptr;
  }
};

// Every rule of RFC 4301 §5 for a clear packet; cold, its answer is cached per flow. kDrop with kFragment:
// the answer depends on what is not known of a fragment; the whole datagram is to be asked about (RFC 4301
// §7.4).
Decision decide(const Tables& tables, const Flow& flow);
// The slot of the PROTECT entry that an outbound flow goes by, if it has an SA; else null. For what goes the
// other way than a packet that is looked at: cold.
const OutboundSlot* protecting_slot(const Tables& tables, const Flow& flow);

}  // namespace simplon::dp
