// SPDX-License-Identifier: Apache-2.0
// What the next forwarder needs: records in shared memory, each under a kind and a key.
//
// One process writes, the gateway. It may die between any two instructions, so a record is written whole into
// free blocks before one store makes it the record of its key; the one before is freed after that. Whoever
// reads afterwards, the guard or the next gateway, finds the old one or the new one, whole, and trusts
// nothing that it reads: links, lengths and the check sum are looked at first. What is freed is wiped.
//
// put() and erase() cost the record's size alone. Not for several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "dp/base/secret.h"

namespace simplon::ctrl {

// kIkeBatch, under 0: several IKE SAs that change together (IkeJournal in ctrl/gateway/ike_journal.h).
// kInKernel, by the SaId: the kernel has it, and may send by it. The forwarder's (kernel_forwarder.h), which
// writes while there is no gateway.
enum class RecordKind : std::uint32_t {
  kSa = 1,
  kPolicy,
  kNetwork,
  kIkeSa,
  kInKernel,
  kIkeBatch,
  kPins,
  kManual
};

class Journal {
 public:
  // Reads what is in `memory`: zeroes, or what a former process wrote. Broken records are freed.
  explicit Journal(std::span<std::byte> memory);

  // The record of this key from now on. An error when there is no room: then the one before stays.
  Result<void> put(RecordKind kind, std::uint64_t key, Bytes value);
  void erase(RecordKind kind, std::uint64_t key);
  bool holds(RecordKind kind, std::uint64_t key) const { return heads_.contains({kind, key}); }
  std::optional<Secret> get(RecordKind kind, std::uint64_t key) const;
  // In the order of the keys. `each` may not change the journal.
  void for_each(RecordKind kind, const std::function<void(std::uint64_t key, Bytes value)>& each) const;
  std::vector<std::uint64_t> keys(RecordKind kind) const;

  std::size_t capacity() const { return blocks_.size(); }  // blocks of kBlockBytes
  std::size_t used() const { return blocks_.size() - free_.size() - untouched(); }

  static constexpr std::size_t kBlockBytes = 256;

 private:
  struct Block;
  struct Key {
    RecordKind kind{};
    std::uint64_t key = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& k) const {
      return std::hash<std::uint64_t>{}(k.key * 8 + static_cast<std::uint32_t>(k.kind));
    }
  };

  void read_what_is_there();
  std::optional<std::vector<std::uint32_t>> chain(std::uint32_t head) const;
  Secret value(const std::vector<std::uint32_t>& chain) const;
  void release(const std::vector<std::uint32_t>& chain);
  std::size_t untouched() const { return blocks_.size() - first_untouched_; }

  std::span<Block> blocks_;
  std::vector<std::uint32_t> free_;
  std::size_t first_untouched_ = 0;  // from here on no block was ever written
  std::uint64_t serial_ = 0;         // of the newest record
  std::unordered_map<Key, std::uint32_t, Hash> heads_;
};

}  // namespace simplon::ctrl
