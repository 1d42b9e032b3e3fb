// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/xfrm/nft_fence.h"

#include <utility>

namespace simplon::ctrl {
namespace {

constexpr std::chrono::seconds kRetryAfter{5};
const std::string kTrialTable = std::string(kNftTable) + "_trial";

}  // namespace

Result<NftFence> NftFence::open(bool now) {
  auto watch = NftTableWatch::open(kNftTable);
  if (!watch) return std::unexpected(watch.error());
  NftFence out(std::move(*watch));
  if (!now) out.failed_ = "not written yet";
  return out;
}

Result<void> NftFence::try_kernel() {
  NftSets sets;
  for (const bool v4 : {true, false})
    sets[{.closes = true,
          .out = true,
          .v4 = v4,
          .source = 8,
          .destination = 8,
          .protocol = true,
          .dport = 0xff00}];
  if (auto done = nft(nft_table(sets, kTrialTable)); !done) return done;
  return nft("delete table inet " + kTrialTable);
}

Result<void> NftFence::release() {
  for (const std::string& name : {std::string(kNftTable), kTrialTable}) {
    const std::string table = "table inet " + name;
    if (!nft("list " + table)) continue;  // there is none, and maybe no nftables
    if (auto done = nft("delete " + table); !done) return done;
  }
  return {};
}

// After an error the table is not what the rules believe, nor after another program has changed it: then all
// of it is written, by poll(): a kernel that has no nftables is not asked at each change.
void NftFence::write(const std::string& commands) {
  if (commands.empty() || !failed_.empty()) return;
  if (!written_ || !watch_.write(commands)) write_whole();
}

void NftFence::write_whole() {
  const auto done = watch_.write(rules_.whole());
  failed_ = done ? std::string() : done.error().what;
  written_ = written_ || done;
}

std::vector<std::string> NftFence::poll(Now now) {
  std::vector<std::string> out;
  const bool changed = watch_.changed_by_others() && written_;
  if (changed || again_ || (!failed_.empty() && now - tried_ >= kRetryAfter)) {
    tried_ = now;
    again_ = false;
    write_whole();
    if (changed && failed_.empty())
      out.emplace_back(
          "another program has changed the fence that Simplon has in nftables (table inet simplon); written "
          "again, and the kernel's policies held meanwhile");
  }
  if (std::exchange(told_, failed_) == failed_) return out;
  out.push_back(failed_.empty() ? "the fence in nftables is written"
                                : "there is no fence in nftables beside the kernel's policies: what another "
                                  "program's policy lets pass leaves in clear until it is put right; " +
                                      failed_);
  return out;
}

}  // namespace simplon::ctrl
