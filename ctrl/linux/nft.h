// SPDX-License-Identifier: Apache-2.0
// nftables: commands in the language of nft(8), and who else changes the ruleset. Control thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "ctrl/linux/netlink.h"
#include "dp/base/result.h"

namespace simplon::ctrl {

// One transaction: all commands, or none.
Result<void> nft(const std::string& commands);

// Follows one table of the family "inet": whether another program has changed it.
class NftTableWatch {
 public:
  static Result<NftTableWatch> open(std::string table);

  int fd() const { return notices_.fd(); }
  // nft() for commands that change the table: its notices are no news.
  Result<void> write(const std::string& commands);
  // Whether another program has changed the table since the last call, or may have.
  bool changed_by_others();

 private:
  NftTableWatch(std::string table, Netlink requests, Netlink notices)
      : table_(std::move(table)), requests_(std::move(requests)), notices_(std::move(notices)) {}
  void read(const nlmsghdr& message);
  std::uint32_t generation();

  std::string table_;
  Netlink requests_, notices_;
  std::set<std::uint32_t> ours_;  // generations of the ruleset that write() made, whose notices are to come
  bool touched_ = false;          // by the transaction whose notices are being read
  bool changed_ = false;
};

}  // namespace simplon::ctrl
