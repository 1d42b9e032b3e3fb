// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets of the data path are given, and buffers for it: as long as the fuzzer says, whose
// ends AddressSanitizer watches.
#pragma once

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <cstdlib>
#include <cstring>

#include "tests/dp/lab.h"

namespace simplon::dp::test {

inline void check(bool holds) {
  if (!holds) std::abort();
}

// What it is, the SA, a size, a choice; then octets, or edits.
struct Input {
  std::uint8_t what = 0, sa = 0, size = 0, choice = 0;
  Bytes rest;

  Input(const std::uint8_t* data, std::size_t n) : rest(data, n) {
    for (std::uint8_t* field : {&what, &sa, &size, &choice}) {
      if (rest.empty()) return;
      *field = rest[0];
      rest = rest.subspan(1);
    }
  }
};

// From `first` on. False: nothing is another than it was.
inline bool edit(Buffer& packet, std::size_t first, Bytes edits) {
  const Buffer before = packet;
  for (; edits.size() >= 3 && packet.size() > first; edits = edits.subspan(3))
    packet[first + load_be16(edits.data()) % (packet.size() - first)] ^= edits[2];
  return packet != before;
}

// In a buffer of its own, with that much room before and behind.
inline rte_mbuf* guarded(const Buffer& packet, PortIndex port, unsigned before, unsigned behind) {
  auto* m = rte_pktmbuf_alloc(Shared::get().buffers);
  check(m != nullptr && packet.size() <= 9000);
  const auto bytes = static_cast<std::uint16_t>(before + packet.size() + behind);
  struct Shinfo {
    rte_mbuf_ext_shared_info info;
    void* room;
  };
  // The shared information must live as long as the buffer: it is freed with it.
  auto* shinfo = static_cast<Shinfo*>(std::malloc(sizeof(Shinfo)));
  shinfo->room = std::malloc(bytes);
  shinfo->info.free_cb = [](void* room, void* self) {
    std::free(room);
    std::free(self);
  };
  shinfo->info.fcb_opaque = shinfo;
  rte_mbuf_ext_refcnt_set(&shinfo->info, 1);
  rte_pktmbuf_attach_extbuf(m, shinfo->room, RTE_BAD_IOVA, bytes, &shinfo->info);
  m->data_off = static_cast<std::uint16_t>(before);
  std::ranges::copy(packet, reinterpret_cast<std::uint8_t*>(
                                rte_pktmbuf_append(m, static_cast<std::uint16_t>(packet.size()))));
  m->port = static_cast<std::uint16_t>(port);
  return m;
}

}  // namespace simplon::dp::test
