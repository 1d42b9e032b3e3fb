// SPDX-License-Identifier: Apache-2.0
// The inbound SAD: SPI, destination and protocol to SA (RFC 4301 §4.1), in place and lock-free.
//
// find() is any worker's; what it returns dies at that worker's next Quiescence::report(). add() and remove()
// are the control thread's; their cost is the same whatever the size, but for the one in many that rebuilds a
// table. Open addressing over Published slots: a removed slot keeps a tombstone, so a reader's probe is never
// cut short; a table that is half full of SAs and tombstones is replaced, and the old one is returned to be
// freed after a grace period.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dp/base/published.h"
#include "dp/packet/packet.h"
#include "dp/sa/inbound.h"

namespace simplon::dp {

// What an SA is found by beside its SPI. Of AH it is the complement of the destination, which is no host's
// address: so the SPIs of the two protocols are apart, and none is looked at as the other.
constexpr AddressKey sad_key(IpsecProtocol protocol, AddressKey destination) {
  return protocol == IpsecProtocol::kAh ? ~destination : destination;
}

// Stands in InboundSa::owner of an SA that the kernel has, and no worker. Of such a one nothing counts but
// what it is found by.
inline constexpr std::uint16_t kOfKernel = 0x7fff;

class Sad {
 public:
  explicit Sad(std::size_t slots = 1024)  // a power of two
      : table_(new Table(slots)) {}
  ~Sad() { delete table_.read(); }

  InboundSa* find(Be32 spi, const IpAddress& destination,
                  IpsecProtocol protocol = IpsecProtocol::kEsp) const {
    return find(spi, sad_key(protocol, address_key(destination)));
  }
  InboundSa* find(Be32 spi, AddressKey key) const {
    const Table& table = *table_.read();
    for (std::size_t i = hash(spi);; ++i) {
      InboundSa* sa = table.slots[i & table.mask].read();
      if (sa == nullptr) return nullptr;
      if (sa != tombstone() && sa->spi == spi && (sa->key == key || has_moved_to(*sa, key))) return sa;
    }
  }
  void prefetch(Be32 spi) const {
    const Table& table = *table_.read();
    __builtin_prefetch(&table.slots[hash(spi) & table.mask]);
  }

  class Table {
   public:
    explicit Table(std::size_t n) : mask(n - 1), slots(std::make_unique<Published<InboundSa>[]>(n)) {}
    std::size_t mask, used = 0;  // used: live slots and tombstones
    std::unique_ptr<Published<InboundSa>[]> slots;
  };
  // False: there is one with this SPI and key. `retired` is set when the table was replaced
  // by another.
  bool add(InboundSa* sa, std::unique_ptr<Table>& retired);
  InboundSa* remove(Be32 spi, const IpAddress& destination, IpsecProtocol protocol = IpsecProtocol::kEsp) {
    return remove(spi, sad_key(protocol, address_key(destination)));
  }
  InboundSa* remove(Be32 spi, AddressKey key);  // InboundSa::key
  std::size_t size() const { return size_; }

  // Where a probe begins, before the table's mask. The low byte of the SPI must count: peers often take them
  // in sequence.
  static std::size_t hash(Be32 spi) { return std::uint64_t{spi.host()} * 0x9e3779b97f4a7c15u >> 32; }

 private:
  // No SA, and never looked into.
  static InboundSa* tombstone() { return reinterpret_cast<InboundSa*>(alignof(InboundSa)); }
  static void insert(Table& table, InboundSa* sa);
  // Its place in the table stays: that goes by the SPI alone.
  static bool has_moved_to(const InboundSa& sa, AddressKey key) {
    const InboundEnds* ends = sa.moved.read();
    return ends != nullptr && (ends->key == key || ends->before == key);
  }

  Published<Table> table_;
  std::size_t size_ = 0;
};

}  // namespace simplon::dp
