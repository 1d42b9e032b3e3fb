// SPDX-License-Identifier: Apache-2.0
// The secrets file: pre-shared keys by identities, and private keys. No message of this file shows a secret.
#include <string.h>  // explicit_bzero

#include <algorithm>

#include "ctrl/config/parts.h"
#include "ike/crypto/certificate.h"
#include "ike/crypto/pkcs12.h"
#include "ike/crypto/token_key.h"

namespace simplon::ctrl {
namespace {

// RFC 7296 §2.15: a pre-shared key should be as hard to guess as the strongest key that is negotiated with
// it. Shorter ones than this are hardly ever random enough.
constexpr std::size_t kShortSecret = 16;
constexpr std::size_t kLongestSecret = 4096;
constexpr std::size_t kLargestKey = 1u << 20;

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

// An identity as a key of the map; "%any" is one key, whatever its type is. Only names have no regard to
// case.
std::string canonical(const ike::Identity& id) {
  if (id.is_any()) return {};
  const bool name =
      id.type == ike::IdType::kFqdn || id.type == ike::IdType::kEmail || id.type == ike::IdType::kDn;
  if (name) return id.key();
  return static_cast<char>(id.type) + std::string(id.data.begin(), id.data.end());
}

}  // namespace

struct Secrets::PskIds {
  Ids all;
  std::vector<ike::Identity> patterns, exact;
};

Secrets Secrets::read(const Yaml& root, Report& report) {
  Secrets out;
  Section file(Value(&root, root.place, "", report));
  for (const Value& item : file.get("psks").list()) out.read_psk(item);
  for (const Value& item : file.get("keys").list()) out.read_key(item);
  for (const Value& item : file.get("users").list()) out.read_user(item);
  for (const Value& item : file.get("radius").list()) read_radius_secret(item, read_secret, out.radius_);
  file.finish();
  out.passwords_ = std::exchange(out.users_, {});
  std::ranges::stable_sort(out.patterns_, [](const Pattern& a, const Pattern& b) {
    return std::pair(a.peer.data.size(), !a.ours.is_any()) > std::pair(b.peer.data.size(), !b.ours.is_any());
  });
  return out;
}

Secrets::PskIds Secrets::read_ids(const Value& value) {
  PskIds out;
  const std::vector<Value> items = value.list();
  for (const Value& item : items) {
    const auto id = item.parsed<ike::Identity>(&ike::Identity::parse_pattern);
    if (!id) continue;
    out.all.push_back(canonical(*id));
    (id->is_pattern() ? out.patterns : out.exact).push_back(*id);
  }
  if (value && (items.empty() || items.size() > 2))
    value.error("one or two identities are needed");
  else if (out.patterns.size() > 1)
    value.error("one of the two may be a pattern, the peer's: we are one alone");
  std::ranges::sort(out.all);
  return out;
}

void Secrets::read_psk(const Value& value) {
  Section section(value);
  const Value ids_value =
      section.require("ids", "use a list of the two ends' identities, or the peer's alone");
  const PskIds ids = read_ids(ids_value);
  const SharedSecret secret =
      read_secret(section.require("secret", "use text, 0x and hexadecimal digits, or 0s and base64"));
  section.finish();
  const bool fresh = psks_.try_emplace(ids.all, secret).second;
  if (!fresh && !ids.all.empty()) ids_value.error("there is a secret for these identities already");
  if (ids.patterns.empty()) return;
  const ike::Identity ours = ids.exact.empty() ? ike::Identity{} : ids.exact.front();
  patterns_.push_back({.peer = ids.patterns.front(), .ours = ours, .secret = secret});
}

// `token` of an entry: a private key that stays where it is.
void Secrets::read_token(Section& section) {
  const Value token = section.get("token"), pin = section.get("pin");
  const auto uri = token.text();
  auto text = pin.text();
  section.finish();
  if (!uri) return;
  PrivateKey key{.file = *uri, .key = {}, .chain = {}};
  const Bytes octets =
      text ? Bytes(reinterpret_cast<const std::uint8_t*>(text->data()), text->size()) : Bytes{};
  if (auto named = ike::token_key(*uri, octets))
    key.key = std::move(*named);
  else
    token.error(named.error().what);
  if (text) explicit_bzero(text->data(), text->size());
  keys_.push_back(std::move(key));
}

void Secrets::read_key(const Value& value) {
  Section section(value);
  if (section.has("token")) return read_token(section);
  const auto file =
      section.require("file", "use the path of a private key, or token: URI and pin: PIN").text();
  const Value phrase = section.get("passphrase");
  auto text = phrase.text();
  section.finish();
  if (!file) return;
  PrivateKey key{.file = beside(value.report().file(), *file), .key = {}, .chain = {}};
  const Bytes passphrase =
      text ? Bytes(reinterpret_cast<const std::uint8_t*>(text->data()), text->size()) : Bytes{};
  if (auto read = read_key_file(key.file, passphrase))
    key = std::move(*read);
  else
    section.get("file").error(key.file + ": " + read.error().what);
  if (text) explicit_bzero(text->data(), text->size());
  keys_.push_back(std::move(key));
}

void Secrets::read_user(const Value& value) {
  Section section(value);
  const Value name = section.require("name", "use the name that the user gives");
  SharedSecret password =
      read_secret(section.require("password", "use text, 0x and hexadecimal digits, or 0s and base64"));
  section.finish();
  const auto user = name.text();
  if (user && !users_.try_emplace(*user, std::move(password)).second)
    name.error("there is a password of this user already");
}

const SharedSecret* Secrets::password(std::string_view user) const {
  if (!passwords_) return nullptr;
  const auto found = passwords_->find(user);
  return found == passwords_->end() ? nullptr : &found->second;
}

Secrets::Ids Secrets::key(std::initializer_list<ike::Identity> ids) {
  Ids out;
  out.reserve(ids.size());
  for (const ike::Identity& id : ids) out.push_back(canonical(id));
  std::ranges::sort(out);
  return out;
}

SharedSecret Secrets::find(const ike::Identity& local, const ike::Identity& remote) const {
  for (const Ids& ids : {key({local, remote}), key({remote})})
    if (const auto found = psks_.find(ids); found != psks_.end()) return found->second;
  for (const Pattern& pattern : patterns_)
    if (pattern.peer.matches(remote) && pattern.ours.matches(local)) return pattern.secret;
  const ike::Identity any{};
  for (const Ids& ids : {key({local, any}), key({any})})
    if (const auto found = psks_.find(ids); found != psks_.end()) return found->second;
  return {};
}

Result<PrivateKey> read_key_file(const std::string& path, Bytes passphrase) {
  auto text = read_file(path, Guarded::kYes, kLargestKey);
  if (!text) return std::unexpected(text.error());
  const Bytes file(reinterpret_cast<const std::uint8_t*>(text->data()), text->size());
  PrivateKey out{.file = path, .key = {}, .chain = {}};
  Result<void> good;
  if (ike::is_pkcs12(file)) {
    if (auto read = ike::read_pkcs12(file, passphrase)) {
      out.key = std::move(read->key);
      out.chain = std::move(read->chain);
    } else
      good = std::unexpected(read.error());
  } else if (auto key = ike::read_private_key(file, passphrase))
    out.key = std::move(*key);
  else
    good = std::unexpected(key.error());
  explicit_bzero(text->data(), text->size());
  if (!good) return std::unexpected(good.error());
  return out;
}

}  // namespace simplon::ctrl
