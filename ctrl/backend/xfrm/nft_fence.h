// SPDX-License-Identifier: Apache-2.0
// A second lock beside the kernel's policies: a table of nftables that drops what they protect or discard and
// that is in clear, in both directions (nft_rules.h). No one command opens both: a policy that lets pass in
// the place of one of ours is stopped here, and while `nft flush ruleset` has taken the table away, the
// policies hold. It stays when the process ends, as the policies do. Control thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/backend/xfrm/nft_rules.h"
#include "ctrl/linux/nft.h"

namespace simplon::ctrl {

class NftFence {
 public:
  using Now = std::chrono::steady_clock::time_point;

  // `now` false: the first poll() writes it.
  static Result<NftFence> open(bool now = true);
  // What it needs of the kernel: another table is written and removed again. By that the kernel loads what it
  // has as modules.
  static Result<void> try_kernel();
  // Removes the table of any run; no error when there is none.
  static Result<void> release();

  // An entry that closes is written by close(), before its policies are; the rest by commit(), after them.
  void put(const PolicySpec& policy, const std::vector<KernelPolicy>& kernel) { rules_.put(policy, kernel); }
  void remove(PolicyId id) { rules_.remove(id); }
  void close() { write(rules_.close()); }
  void commit() { write(rules_.commit()); }

  // Whether it stands, as far as is known.
  bool stands() const { return written_ && failed_.empty(); }
  int fd() const { return watch_.fd(); }
  // Writes it again when another program has changed it, or when it could not be written. What to tell.
  std::vector<std::string> poll(Now now);
  void recheck() { again_ = true; }

 private:
  explicit NftFence(NftTableWatch watch) : watch_(std::move(watch)) {}
  void write(const std::string& commands);
  void write_whole();

  NftRules rules_;
  NftTableWatch watch_;
  bool written_ = false;  // once at least
  bool again_ = false;    // the next poll() writes it
  std::string failed_, told_;
  Now tried_{};
};

}  // namespace simplon::ctrl
