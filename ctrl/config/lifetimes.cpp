// SPDX-License-Identifier: Apache-2.0
// The lifetimes of a child's SAs (RFC 4301 §4.4.2.1).
#include <algorithm>

#include "ctrl/config/parts.h"
#include "ctrl/config/quantity.h"

namespace simplon::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMostBytes = 1ull << 60, kMostPackets = 1ull << 60;

// A hard limit where none is given: a tenth past the soft one, so that a rekey has time.
template <class T>
T past(T soft) {
  return soft + std::max(soft / 10, T{1});
}

std::string too_short(std::string_view hard_key, std::string_view soft_key) {
  std::string out(hard_key);
  out += " must be longer than ";
  out += soft_key;
  return out += ", or the SA dies before it is rekeyed";
}

// Soft and hard limit of one kind; zero is none.
template <class T, class Read>
void read_limit(Section& child, const char* soft_key, const char* hard_key, T& soft, T& hard, Read read) {
  const Value soft_value = child.get(soft_key), hard_value = child.get(hard_key);
  const auto given_soft = read(soft_value), given_hard = read(hard_value);
  if (given_soft) soft = *given_soft;
  if (given_hard)
    hard = *given_hard;
  else if (soft_value)
    hard = soft == T{0} ? T{0} : past(soft);
  else if (hard_value)
    return;
  if (given_hard && !soft_value && hard != T{0} && (soft == T{0} || soft >= hard))
    soft = hard - std::max(hard / 10, T{1});
  if (soft != T{0} && hard != T{0} && soft >= hard)
    (hard_value ? hard_value : soft_value).error(too_short(hard_key, soft_key));
}

}  // namespace

void read_lifetimes(Section& section, ike::ChildConfig& out) {
  read_limit(section, "rekey_time", "life_time", out.rekey.time, out.life.time,
             [](const Value& v) { return v.seconds(0s, kLongestLife); });
  std::uint64_t soft = 0, hard = 0;
  read_limit(section, "rekey_bytes", "life_bytes", soft, hard,
             [](const Value& v) { return v.bytes(0, kMostBytes); });
  out.rekey.bytes = ByteCount{soft}, out.life.bytes = ByteCount{hard};
  soft = hard = 0;
  read_limit(section, "rekey_packets", "life_packets", soft, hard,
             [](const Value& v) { return v.number(0, kMostPackets); });
  out.rekey.packets = PacketCount{soft}, out.life.packets = PacketCount{hard};
}

}  // namespace simplon::ctrl
