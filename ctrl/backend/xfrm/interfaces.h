// SPDX-License-Identifier: Apache-2.0
// The kernel's xfrm interfaces by their if_id, which others make, change and delete; and that an interface of
// any kind has changed. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "ctrl/linux/netlink.h"

namespace simplon::ctrl {

class XfrmInterfaces {
 public:
  static Result<XfrmInterfaces> open();

  // Readable when poll() has something to tell.
  int fd() const { return notices_.fd(); }
  // The interface's number; 0: there is none. Reads them when nobody has yet.
  Result<unsigned> of(std::uint32_t if_id);
  // Whether an interface of any kind has changed, or may have.
  bool poll();
  // After that: reads them again, if of() has. True: some have come or gone. After an error they are as they
  // were, and the next poll() is true.
  Result<bool> reread();

 private:
  explicit XfrmInterfaces(Netlink requests, Netlink notices)
      : requests_(std::move(requests)), notices_(std::move(notices)) {}
  using Numbers = std::map<std::uint32_t, unsigned>;
  Result<Numbers> read();

  Netlink requests_, notices_;
  std::optional<Numbers> all_;
  bool stale_ = false;
};

}  // namespace simplon::ctrl
