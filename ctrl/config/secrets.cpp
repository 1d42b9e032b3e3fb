// SPDX-License-Identifier: Apache-2.0
// The secrets file: pre-shared keys by identities. No message of this file shows a secret.
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>

#include "ctrl/config/parts.h"

namespace simplon::ctrl {
namespace {

// RFC 7296 §2.15: a pre-shared key should be as hard to guess as the strongest key that is negotiated with
// it. Shorter ones than this are hardly ever random enough.
constexpr std::size_t kShortSecret = 16;
constexpr std::size_t kLongestSecret = 4096;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<Buffer> from_hex(std::string_view text) {
  Buffer out;
  out.reserve(text.size() / 2);
  if (text.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

// RFC 4648 §4, padded or not.
std::optional<Buffer> from_base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t length = text.size();
  while (text.ends_with('=')) text.remove_suffix(1);
  const std::size_t padding = length - text.size();
  if (text.size() % 4 == 1 || (padding != 0 && (length % 4 != 0 || padding > 2))) return std::nullopt;
  Buffer out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (char c : text) {
    const std::size_t six = kAlphabet.find(c);
    if (six == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(six)) & 0xffffff;
    if ((count += 6) >= 8) out.push_back(static_cast<std::uint8_t>(bits >> (count -= 8)));
  }
  return out;
}

SharedSecret read_secret(const Value& value) {
  auto text = value.text();
  if (!text) return {};
  std::optional<Buffer> bytes;
  const std::string_view body = std::string_view(*text).substr(std::min<std::size_t>(2, text->size()));
  const bool hex = text->starts_with("0x"), base64 = text->starts_with("0s");
  if (hex)
    bytes = from_hex(body);
  else if (base64)
    bytes = from_base64(body);
  else
    bytes = Buffer(text->begin(), text->end());
  explicit_bzero(text->data(), text->size());
  if (!bytes)
    value.error(hex ? "begins with 0x but is no whole number of hexadecimal bytes"
                    : "begins with 0s but is no base64");
  else if (bytes->empty() || bytes->size() > kLongestSecret)
    value.error("a secret has 1 to 4096 bytes");
  else if (bytes->size() < kShortSecret)
    value.warning(
        "this secret is short and may be guessed; 'openssl rand -hex 32' makes a good one (write 0x before "
        "it)");
  if (!bytes) return {};
  return Secret(std::move(*bytes));
}

// An identity as a key of the map. "%any" is one key, whatever its type is.
std::pair<ike::IdType, Buffer> canonical(const ike::Identity& id) {
  return {id.is_any() ? ike::IdType::kFqdn : id.type, id.data};
}

}  // namespace

Secrets Secrets::read(const Yaml& root, Report& report) {
  Secrets out;
  Section file(Value(&root, root.place, "", report));
  for (const Value& item : file.get("psks").list()) out.read_psk(item);
  file.finish();
  return out;
}

void Secrets::read_psk(const Value& value) {
  Section section(value);
  Ids ids;
  const Value ids_value =
      section.require("ids", "use a list of the two ends' identities, or the peer's alone");
  for (const Value& item : ids_value.list())
    if (auto id = item.parsed<ike::Identity>(&ike::Identity::parse)) ids.emplace_back(canonical(*id));
  if (ids_value && (ids_value.list().empty() || ids_value.list().size() > 2))
    ids_value.error("one or two identities are needed");
  auto secret =
      read_secret(section.require("secret", "use text, 0x and hexadecimal digits, or 0s and base64"));
  section.finish();
  std::ranges::sort(ids);
  const bool fresh = psks_.try_emplace(ids, std::move(secret)).second;
  if (!fresh && !ids.empty()) ids_value.error("there is a secret for these identities already");
}

Secrets::Ids Secrets::key(std::initializer_list<ike::Identity> ids) {
  Ids out;
  for (const ike::Identity& id : ids) out.emplace_back(canonical(id));
  std::ranges::sort(out);
  return out;
}

SharedSecret Secrets::find(const ike::Identity& local, const ike::Identity& remote) const {
  const ike::Identity any{};
  for (const Ids& ids : {key({local, remote}), key({remote}), key({local, any}), key({any})})
    if (const auto found = psks_.find(ids); found != psks_.end()) return found->second;
  return {};
}

}  // namespace simplon::ctrl
