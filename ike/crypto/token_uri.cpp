// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/token_uri.h"

#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <charconv>

#include "ike/crypto/token_key.h"

namespace simplon::ike {
namespace {

constexpr std::string_view kPkcs11 = "pkcs11:", kHandle = "handle:0x", kPin = "pin-value";
constexpr std::size_t kLongest = 4096;
// TPM 2.0 Library, part 2, 7.4: of persistent objects.
constexpr std::uint32_t kLeastHandle = 0x81000000, kMostHandle = 0x81ffffff;

// RFC 7512 §2.3: those that tell keys and tokens apart.
struct Attribute {
  std::string_view name;
  std::optional<std::string> TokenUri::* value;
};
constexpr std::array kPath{
    Attribute{"token", &TokenUri::token},   Attribute{"manufacturer", &TokenUri::manufacturer},
    Attribute{"model", &TokenUri::model},   Attribute{"serial", &TokenUri::serial},
    Attribute{"object", &TokenUri::object}, Attribute{"id", &TokenUri::id}};

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// RFC 3986 §2.1; a zero octet is for `id` alone.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return out;
}

// The text up to `end`, which is taken away as well.
std::string_view next(std::string_view& rest, char end) {
  const std::size_t at = std::min(rest.find(end), rest.size());
  const std::string_view out = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return out;
}

// What is wrong with it; empty: nothing.
std::string read_path(std::string_view name, const std::string& value, TokenUri& out) {
  if (name == "type") return value == "private" ? "" : "type= of a key that signs is private";
  const auto* const known = std::ranges::find(kPath, name, &Attribute::name);
  if (known == kPath.end())
    return "the URI of a key has token, manufacturer, model, serial, object, id and type, and nothing else "
           "before the question mark";
  if (out.*(known->value)) return std::string(name) + "= comes twice in the URI";
  out.*(known->value) = value;
  return {};
}

std::string read_query(std::string_view name, std::string& value, TokenUri& out) {
  const bool pin = name == kPin;
  if (!pin && name != "module-path")
    return "the URI of a key has module-path behind the question mark, and nothing else";
  if (pin ? out.pin.has_value() : !out.module_path.empty())
    return std::string(name) + "= comes twice in the URI";
  if (value.empty()) return std::string(name) + "= of the URI is empty";
  if (!pin)
    out.module_path = value;
  else
    out.pin = Secret(Bytes(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()));
  return {};
}

template <class Take>
std::string read_all(std::string_view text, char between, TokenUri& out, const Take& take) {
  while (!text.empty()) {
    std::string_view value = next(text, between);
    const std::string_view name = next(value, '=');
    auto plain = decoded(value);
    if (!plain) return "a percent sign in a URI stands before two hexadecimal digits";
    if (name != "id" && plain->find('\0') != std::string::npos) return "the URI has a zero octet in it";
    std::string why = take(name, *plain, out);
    explicit_bzero(plain->data(), plain->size());
    if (!why.empty()) return why;
  }
  return {};
}

Result<TokenUri> parse_handle(std::string_view digits) {
  std::uint32_t handle = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, handle, 16);
  if (error != std::errc{} || at != end || handle < kLeastHandle || handle > kMostHandle)
    return fail("the handle of a key that stays in the TPM is from 0x81000000 to 0x81ffffff");
  TokenUri out;
  out.handle = handle;
  return out;
}

}  // namespace

bool is_token_key(std::string_view text) { return text.starts_with(kPkcs11) || text.starts_with("handle:"); }

Result<TokenUri> parse_token_uri(std::string_view text) {
  if (text.size() > kLongest) return fail("the URI of a key is too long");
  if (text.starts_with(kHandle)) return parse_handle(text.substr(kHandle.size()));
  if (!text.starts_with(kPkcs11))
    return fail("the name of a key in a token is pkcs11:token=...;object=..., or handle:0x... of a TPM");
  text.remove_prefix(kPkcs11.size());
  TokenUri out;
  const std::string_view path = next(text, '?');
  std::string why = read_all(path, ';', out, read_path);
  if (why.empty()) why = read_all(text, '&', out, read_query);
  if (why.empty() && !out.object && !out.id) why = "the URI of a key needs object= or id=";
  if (!why.empty()) return fail(std::move(why));
  return out;
}

std::string without_pin(std::string_view uri) {
  std::string out(next(uri, '?'));
  char before = '?';
  while (!uri.empty()) {
    const std::string_view one = next(uri, '&');
    if (one.starts_with(kPin)) continue;
    out.push_back(before);
    out += one;
    before = '&';
  }
  return out;
}

Result<SharedSecret> token_key(std::string_view uri, Bytes pin) {
  const auto read = parse_token_uri(uri);
  if (!read) return std::unexpected(read.error());
  if (read->pin) return fail("the PIN does not belong here, but to 'keys' of the secrets file");
  if (read->handle && !pin.empty()) return fail("a key of the TPM that has a password cannot be used");
  if (std::ranges::count(pin, 0) > 0) return fail("a PIN has no zero octet");
  Writer out;
  const auto add = [&out](std::string_view text) {
    out.bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  add(uri);
  if (!pin.empty()) {
    add(uri.find('?') == std::string_view::npos ? "?" : "&");
    add("pin-value=");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::uint8_t octet : pin) {
    out.u8('%');
    out.u8(static_cast<std::uint8_t>(kDigits[octet >> 4]));
    out.u8(static_cast<std::uint8_t>(kDigits[octet & 15]));
  }
  return SharedSecret(Secret(out.take()));
}

}  // namespace simplon::ike
