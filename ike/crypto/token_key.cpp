// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/token_key.h"

#include <openssl/err.h>

#include <map>
#include <memory>
#include <vector>

#include "ike/crypto/public_key.h"
#include "ike/crypto/signing_key.h"
#include "ike/crypto/token_device.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

std::string_view text_of(Bytes key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

// A device with what was opened of it. All but `turn` belongs to whoever has that.
struct Opened {
  explicit Opened(std::unique_ptr<TokenDevice> from) : device(std::move(from)) {}
  struct Entry {
    Secret uri;  // with the PIN: another one is another entry
    OpenedKey opened;
    std::string refusal;  // not empty: it is not tried again
  };
  std::mutex turn;
  std::unique_ptr<TokenDevice> device;
  std::vector<Entry> entries;

  const Entry* find(Bytes uri) const {
    for (const Entry& entry : entries)
      if (equal_in_constant_time(entry.uri.bytes(), uri)) return &entry;
    return nullptr;
  }
  Result<const OpenedKey*> open(Bytes uri, const TokenUri& parts);
  void close();
};

// What it returns lives until the next open() or close().
Result<const OpenedKey*> Opened::open(Bytes uri, const TokenUri& parts) {
  const Entry* const known = find(uri);
  if (known != nullptr && !known->refusal.empty()) return fail(known->refusal);
  if (known != nullptr) return &known->opened;
  OpenedKey opened = device->open(parts);
  if (!opened.key && !opened.final) {  // it may have come since the device was looked at
    close();
    opened = device->open(parts);
  }
  ERR_clear_error();
  if (!opened.key) {
    const std::string why = "the private key " + without_pin(text_of(uri)) + ": " + opened.why;
    if (opened.final) {
      close();  // how many tries are left is read anew before the next one, be it for another key
      entries.push_back({.uri = Secret(uri), .opened = {}, .refusal = why});
    }
    return fail(why);
  }
  entries.push_back({.uri = Secret(uri), .opened = std::move(opened), .refusal = {}});
  return &entries.back().opened;
}

// Refusals stay.
void Opened::close() {
  std::erase_if(entries, [](const Entry& entry) { return entry.refusal.empty(); });
  device->close();
  ERR_clear_error();
}

// The device of each library, and of the TPM under the name "tpm": made when it is asked for, and kept. At
// the end of the process nothing of it is closed: threads may still sign, and libraries may have left.
Opened& opened(const TokenUri& uri) {
  static std::mutex all_turn;
  static auto& all = *new std::map<std::string, std::unique_ptr<Opened>, std::less<>>;
  const std::lock_guard guard(all_turn);
  auto& one = all[uri.handle ? "tpm" : "pkcs11:" + uri.module_path];
  if (!one) one = std::make_unique<Opened>(uri.handle ? tpm_device() : pkcs11_device(uri.module_path));
  return *one;
}

}  // namespace

Result<SigningKey> signing_key(Bytes key) {
  if (!is_token_key(text_of(key))) {
    openssl::Key read = load_private_key(key);
    if (!read) return fail("our private key cannot be read");
    return SigningKey(std::move(read), {}, nullptr);
  }
  const auto uri = parse_token_uri(text_of(key));
  if (!uri) return std::unexpected(uri.error());
  Opened& device = opened(*uri);
  std::unique_lock turn(device.turn);
  const auto found = device.open(key, *uri);
  if (!found) return std::unexpected(found.error());
  EVP_PKEY* const same = (*found)->key.get();
  if (EVP_PKEY_up_ref(same) != 1) return fail("OpenSSL has no memory for our private key");
  return SigningKey(openssl::Key(same), std::move(turn), (*found)->library);
}

bool reopen_token(Bytes key) {
  if (!is_token_key(text_of(key))) return false;
  const auto uri = parse_token_uri(text_of(key));
  if (!uri) return false;
  Opened& device = opened(*uri);
  const std::lock_guard turn(device.turn);
  device.close();
  return true;
}

Result<bool> token_belongs_to(Bytes certificate, const SharedSecret& key) {
  const auto opened = signing_key(key.bytes());
  if (!opened) return std::unexpected(opened.error());
  const openssl::X509Certificate x509 = load_certificate(certificate);
  const EVP_PKEY* const ours = x509 ? X509_get0_pubkey(x509.get()) : nullptr;
  const bool same = ours != nullptr && EVP_PKEY_eq(ours, opened->get()) == 1;
  ERR_clear_error();
  return same;
}

}  // namespace simplon::ike
