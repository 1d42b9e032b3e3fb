// SPDX-License-Identifier: Apache-2.0
#include "ctrl/guard/journal.h"

#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace simplon::ctrl {
namespace {

enum class Use : std::uint32_t { kUntouched, kFree, kWriting, kRecord, kMore };
constexpr std::uint32_t kEnd = ~std::uint32_t{0};
constexpr std::size_t kHeadBytes = 48, kRoom = Journal::kBlockBytes - kHeadBytes;
constexpr std::uint32_t kLongest = 1u << 24;  // octets of a record

// FNV-1a: against a record that was scribbled over by accident, not against an attacker, who has the memory.
std::uint64_t check_sum(Bytes value, std::uint64_t hash = 0xcbf29ce484222325) {
  for (const std::uint8_t octet : value) hash = (hash ^ octet) * 0x100000001b3;
  return hash;
}

}  // namespace

// All that is shared are these. `use` is stored last when a record is made, and first when it is freed.
struct Journal::Block {
  std::atomic<Use> use{};
  std::uint32_t next = 0;  // the block that follows; kEnd: none does
  // Of the first block of a record.
  std::uint32_t kind = 0, length = 0;
  std::uint64_t key = 0, serial = 0, sum = 0, spare = 0;
  std::array<std::uint8_t, kRoom> data{};
};

Journal::Journal(std::span<std::byte> memory) {
  static_assert(sizeof(Block) == kBlockBytes && std::atomic<Use>::is_always_lock_free);
  blocks_ = {reinterpret_cast<Block*>(memory.data()), memory.size() / kBlockBytes};
  read_what_is_there();
}

// The blocks are taken in their order, so behind the first that was never touched none was.
void Journal::read_what_is_there() {
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> chains;  // by their heads
  const auto take = [&](std::uint32_t head) {
    auto blocks = chain(head);
    if (!blocks) return;
    chains[head] = std::move(*blocks);
    const Block& block = blocks_[head];
    const Key key{RecordKind{block.kind}, block.key};
    // The process died after it had made a record, and before it had freed the one before.
    const auto [found, is_new] = heads_.try_emplace(key, head);
    if (!is_new && blocks_[found->second].serial < block.serial) found->second = head;
    serial_ = std::max(serial_, block.serial);
  };
  while (first_untouched_ < blocks_.size() && blocks_[first_untouched_].use.load() != Use::kUntouched)
    ++first_untouched_;
  for (std::uint32_t i = 0; i < first_untouched_; ++i)
    if (blocks_[i].use.load() == Use::kRecord) take(i);
  std::vector<bool> taken(first_untouched_);
  for (const auto& [key, head] : heads_)
    for (const std::uint32_t b : chains.at(head)) taken[b] = true;
  for (std::uint32_t i = 0; i < first_untouched_; ++i)
    if (!taken[i]) release({i});
}

// The blocks of the record that begins here; none when it is no whole record.
std::optional<std::vector<std::uint32_t>> Journal::chain(std::uint32_t head) const {
  const Block& first = blocks_[head];
  if (first.length > kLongest) return std::nullopt;
  const std::size_t count = std::max<std::size_t>((first.length + kRoom - 1) / kRoom, 1);
  std::vector<std::uint32_t> out{head};
  std::uint64_t sum = 0xcbf29ce484222325;
  std::size_t left = first.length;
  for (std::uint32_t at = head;;) {
    const std::size_t here = std::min(left, kRoom);
    sum = check_sum(Bytes(blocks_[at].data.data(), here), sum);
    left -= here;
    at = blocks_[at].next;
    if (out.size() == count) break;
    if (at >= first_untouched_ || blocks_[at].use.load() != Use::kMore) return std::nullopt;
    out.push_back(at);
  }
  if (first.sum != (sum ^ first.key ^ first.kind ^ first.serial)) return std::nullopt;
  return out;
}

Secret Journal::value(const std::vector<std::uint32_t>& chain) const {
  Buffer out;
  out.reserve(blocks_[chain[0]].length);
  for (const std::uint32_t b : chain) {
    const std::size_t here = std::min(blocks_[chain[0]].length - out.size(), kRoom);
    out.insert(out.end(), blocks_[b].data.begin(), blocks_[b].data.begin() + static_cast<long>(here));
  }
  return Secret(std::move(out));
}

void Journal::release(const std::vector<std::uint32_t>& chain) {
  for (const std::uint32_t b : chain) {
    Block& block = blocks_[b];
    block.use.store(Use::kFree);
    constexpr std::size_t kAfter = sizeof block.use;
    explicit_bzero(reinterpret_cast<std::byte*>(&block) + kAfter, kBlockBytes - kAfter);
    free_.push_back(b);
  }
}

Result<void> Journal::put(RecordKind kind, std::uint64_t key, Bytes value) {
  const std::size_t count = std::max<std::size_t>((value.size() + kRoom - 1) / kRoom, 1);
  if (value.size() > kLongest || count > free_.size() + untouched())
    return fail("the journal is full (" + std::to_string(blocks_.size() * kBlockBytes >> 10) +
                " KiB): what is new is not taken over when this process ends");
  std::vector<std::uint32_t> chain(count);
  for (std::uint32_t& b : chain)
    if (free_.empty()) {
      b = static_cast<std::uint32_t>(first_untouched_++);
    } else {
      b = free_.back();
      free_.pop_back();
    }
  for (std::size_t i = 0; i < count; ++i) {
    Block& block = blocks_[chain[i]];
    block.use.store(i == 0 ? Use::kWriting : Use::kMore, std::memory_order_relaxed);
    block.next = i + 1 == count ? kEnd : chain[i + 1];
    const Bytes part = value.subspan(i * kRoom, std::min(kRoom, value.size() - i * kRoom));
    std::ranges::copy(part, block.data.begin());
  }
  Block& head = blocks_[chain[0]];
  head.kind = static_cast<std::uint32_t>(kind);
  head.length = static_cast<std::uint32_t>(value.size());
  head.key = key;
  head.serial = ++serial_;
  head.sum = check_sum(value) ^ key ^ head.kind ^ head.serial;
  head.use.store(Use::kRecord);
  const auto [found, is_new] = heads_.try_emplace({kind, key}, chain[0]);
  if (!is_new) {
    const std::uint32_t before = std::exchange(found->second, chain[0]);
    if (const auto old = this->chain(before)) release(*old);
  }
  return {};
}

void Journal::erase(RecordKind kind, std::uint64_t key) {
  const auto found = heads_.extract({kind, key});
  if (found.empty()) return;
  if (const auto old = chain(found.mapped())) release(*old);
}

std::optional<Secret> Journal::get(RecordKind kind, std::uint64_t key) const {
  const auto found = heads_.find({kind, key});
  if (found == heads_.end()) return std::nullopt;
  const auto blocks = chain(found->second);
  if (!blocks) return std::nullopt;
  return value(*blocks);
}

std::vector<std::uint64_t> Journal::keys(RecordKind kind) const {
  std::vector<std::uint64_t> out;
  for (const auto& [key, head] : heads_)
    if (key.kind == kind) out.push_back(key.key);
  std::ranges::sort(out);
  return out;
}

void Journal::for_each(RecordKind kind, const std::function<void(std::uint64_t, Bytes)>& each) const {
  for (const std::uint64_t key : keys(kind))
    if (const auto record = get(kind, key)) each(key, record->bytes());
}

}  // namespace simplon::ctrl
