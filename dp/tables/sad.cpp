// SPDX-License-Identifier: Apache-2.0
#include "dp/tables/sad.h"

namespace simplon::dp {

void Sad::insert(Table& table, InboundSa* sa) {
  std::size_t i = hash(sa->spi);
  while (table.slots[i & table.mask].read() != nullptr) ++i;
  table.slots[i & table.mask].publish(sa);
  ++table.used;
}

bool Sad::add(InboundSa* sa, std::unique_ptr<Table>& retired) {
  if (find(sa->spi, sa->key) != nullptr) return false;
  Table* table = table_.read();
  if ((table->used + 1) * 2 > table->mask + 1) {  // at most half full, so that probes stay short
    const std::size_t slots = (size_ + 1) * 4 > table->mask + 1 ? (table->mask + 1) * 2 : table->mask + 1;
    auto larger = std::make_unique<Table>(slots);
    for (std::size_t i = 0; i <= table->mask; ++i)
      if (InboundSa* have = table->slots[i].read(); have != nullptr && have != tombstone())
        insert(*larger, have);
    retired.reset(table_.publish(larger.release()));
    table = table_.read();
  }
  insert(*table, sa);
  ++size_;
  return true;
}

InboundSa* Sad::remove(Be32 spi, AddressKey key) {
  Table& table = *table_.read();
  for (std::size_t i = hash(spi);; ++i) {
    Published<InboundSa>& slot = table.slots[i & table.mask];
    InboundSa* sa = slot.read();
    if (sa == nullptr) return nullptr;
    if (sa == tombstone() || sa->spi != spi || sa->key != key) continue;
    slot.publish(tombstone());
    --size_;
    return sa;
  }
}

}  // namespace simplon::dp
