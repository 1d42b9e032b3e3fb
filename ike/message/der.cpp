// SPDX-License-Identifier: Apache-2.0
#include "ike/message/der.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace simplon::ike {
namespace {

constexpr unsigned kArcBits = 56;

std::optional<std::vector<std::uint64_t>> arcs_of(std::string_view dotted) {
  std::vector<std::uint64_t> arcs;
  arcs.reserve(8);
  const char *at = dotted.data(), *const end = at + dotted.size();
  for (;;) {
    std::uint64_t arc = 0;
    const auto [behind, error] = std::from_chars(at, end, arc);
    if (error != std::errc{} || arc >> kArcBits != 0) return std::nullopt;
    arcs.push_back(arc);
    if (behind == end) return arcs;
    if (*behind != '.') return std::nullopt;
    at = behind + 1;
  }
}

// Seven bits an octet, the highest bit says that another one follows.
void put_arc(Buffer& out, std::uint64_t arc) {
  const auto start = static_cast<std::ptrdiff_t>(out.size());
  out.push_back(arc & 0x7f);
  while ((arc >>= 7) != 0) out.push_back(static_cast<std::uint8_t>(0x80 | (arc & 0x7f)));
  std::reverse(out.begin() + start, out.end());
}

}  // namespace

DerValue take_der(Reader& in) {
  const std::uint8_t tag = in.u8();
  std::size_t length = in.u8();
  bool shortest = true;
  if (length == 0x81) {
    length = in.u8();
    shortest = length > 0x7f;
  } else if (length == 0x82) {
    length = in.be16();
    shortest = length > 0xff;
  } else if (length > 0x7f) {
    shortest = false;
  }
  if (!shortest || (tag & 0x1f) == 0x1f) in.fail();
  return {tag, in.take(length)};
}

Buffer der_value(std::uint8_t tag, Bytes contents) {
  const std::size_t n = contents.size();
  Buffer out{tag};
  out.reserve(n + 4);
  if (n > 0x7f) out.push_back(n > 0xff ? 0x82 : 0x81);
  if (n > 0xff) out.push_back(static_cast<std::uint8_t>(n >> 8));
  out.push_back(static_cast<std::uint8_t>(n));
  out.insert(out.end(), contents.begin(), contents.end());
  return out;
}

std::optional<std::string> dotted_oid(Bytes contents) {
  std::string out;
  std::uint64_t arc = 0;
  bool within = false;
  for (const std::uint8_t b : contents) {
    // X.690 §8.19.2: no zeros in front.
    if ((!within && b == 0x80) || arc >> (kArcBits - 7) != 0) return std::nullopt;
    arc = arc << 7 | (b & 0x7f);
    within = (b & 0x80) != 0;
    if (within) continue;
    if (out.empty()) {  // §8.19.4: the first two arcs are one number
      const std::uint64_t first = std::min<std::uint64_t>(arc / 40, 2);
      out = std::to_string(first);
      arc -= first * 40;
    }
    out += "." + std::to_string(arc);
    arc = 0;
  }
  if (within || out.empty()) return std::nullopt;
  return out;
}

std::optional<Buffer> oid_of(std::string_view dotted) {
  const auto arcs = arcs_of(dotted);
  if (!arcs || arcs->size() < 2 || (*arcs)[0] > 2 || ((*arcs)[0] < 2 && (*arcs)[1] > 39)) return std::nullopt;
  const std::uint64_t first = (*arcs)[0] * 40 + (*arcs)[1];
  if (first >> kArcBits != 0) return std::nullopt;
  Buffer out;
  put_arc(out, first);
  for (std::size_t i = 2; i < arcs->size(); ++i) put_arc(out, (*arcs)[i]);
  return out;
}

}  // namespace simplon::ike
