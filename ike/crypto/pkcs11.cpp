// SPDX-License-Identifier: Apache-2.0
// Keys of PKCS#11 tokens, by libp11: it makes of each an EVP_PKEY that signs in the token.
#include <libp11.h>
#include <openssl/err.h>
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <span>

#include "ike/crypto/token_device.h"

namespace simplon::ike {
namespace {

constexpr const char* kEveryToken = "p11-kit-proxy.so";

// PKCS#11 §11.6: C_Login failed, but not for the PIN. After any other failure it may be the PIN, and three
// wrong ones lock most tokens.
constexpr std::array kGone{0x30,   // CKR_DEVICE_ERROR
                           0x32,   // CKR_DEVICE_REMOVED
                           0xb0,   // CKR_SESSION_CLOSED
                           0xb3,   // CKR_SESSION_HANDLE_INVALID
                           0xe0,   // CKR_TOKEN_NOT_PRESENT
                           0xe1};  // CKR_TOKEN_NOT_RECOGNIZED

bool fits(const std::optional<std::string>& wanted, const char* has) {
  return !wanted || (has != nullptr && *wanted == has);
}
bool fits(const TokenUri& uri, const PKCS11_TOKEN& token) {
  return fits(uri.token, token.label) && fits(uri.manufacturer, token.manufacturer) &&
         fits(uri.model, token.model) && fits(uri.serial, token.serialnr);
}
bool fits(const TokenUri& uri, const PKCS11_KEY& key) {
  return fits(uri.object, key.label) &&
         (!uri.id || std::ranges::equal(*uri.id, std::span(key.id, key.id_len), {},
                                        [](char c) { return static_cast<unsigned char>(c); }));
}

OpenedKey failed(std::string why) { return {.key = nullptr, .why = std::move(why)}; }

class Pkcs11 final : public TokenDevice {
 public:
  explicit Pkcs11(const std::string& path) : path_(path.empty() ? kEveryToken : path) {}
  ~Pkcs11() override { close(); }
  OpenedKey open(const TokenUri& uri) override;
  void close() override;

 private:
  std::string look();
  OpenedKey log_in(PKCS11_SLOT& slot, const TokenUri& uri);
  OpenedKey find(PKCS11_SLOT& slot, const TokenUri& uri);

  std::string path_;
  PKCS11_CTX* context_ = nullptr;
  PKCS11_SLOT* slots_ = nullptr;
  unsigned count_ = 0;
};

// All slots as they were at the first look. Empty: done.
std::string Pkcs11::look() {
  if (context_ != nullptr) return {};
  PKCS11_CTX* const fresh = PKCS11_CTX_new();
  if (fresh == nullptr) return "there is no memory for PKCS#11";
  if (PKCS11_CTX_load(fresh, path_.c_str()) != 0) {
    PKCS11_CTX_free(fresh);
    return "the PKCS#11 library " + path_ + " cannot be loaded; " +
           (path_ == kEveryToken ? "install p11-kit-modules, or name another by ?module-path="
                                 : "name that of the token by ?module-path=");
  }
  context_ = fresh;
  if (PKCS11_enumerate_slots(context_, &slots_, &count_) == 0) return {};
  close();
  return "the PKCS#11 library " + path_ + " does not say which tokens there are";
}

OpenedKey Pkcs11::open(const TokenUri& uri) {
  if (std::string why = look(); !why.empty()) return failed(std::move(why));
  PKCS11_SLOT* found = nullptr;
  for (PKCS11_SLOT& slot : std::span(slots_, count_)) {
    if (slot.token == nullptr || !slot.token->initialized || !fits(uri, *slot.token)) continue;
    if (found != nullptr) return failed("several tokens fit; name one by token= and serial=");
    found = &slot;
  }
  if (found == nullptr) return failed("the token is not there");
  return log_in(*found, uri);
}

OpenedKey Pkcs11::log_in(PKCS11_SLOT& slot, const TokenUri& uri) {
  const PKCS11_TOKEN& token = *slot.token;
  int already = 0;
  if (!token.loginRequired || (PKCS11_is_logged_in(&slot, 0, &already) == 0 && already != 0))
    return find(slot, uri);
  if (token.userPinLocked) return failed("the PIN of the token is locked; unlock it by its SO PIN");
  if (token.userPinFinalTry)
    return failed("the token has one try left before its PIN is locked; log in by hand: pkcs11-tool --login");
  if (!uri.pin)
    return failed("the token needs its PIN; add keys: - {token: URI, pin: PIN} to the secrets file");
  std::string pin(uri.pin->bytes().begin(), uri.pin->bytes().end());
  const bool good = PKCS11_login(&slot, 0, pin.c_str()) == 0;
  explicit_bzero(pin.data(), pin.size());
  if (good) return find(slot, uri);
  if (std::ranges::count(kGone, ERR_GET_REASON(ERR_peek_last_error())) > 0)
    return failed("the token is there, but does not answer");
  return {.key = nullptr,
          .why =
              "the token does not take the PIN; it is not tried again until another one is configured, so "
              "that the token is not locked",
          .final = true};
}

OpenedKey Pkcs11::find(PKCS11_SLOT& slot, const TokenUri& uri) {
  PKCS11_KEY* keys = nullptr;
  unsigned count = 0;
  if (PKCS11_enumerate_keys(slot.token, &keys, &count) != 0)
    return failed("the token does not say which keys it has");
  PKCS11_KEY* found = nullptr;
  for (PKCS11_KEY& key : std::span(keys, count)) {
    if (!fits(uri, key)) continue;
    if (found != nullptr) return failed("several keys of the token fit; name one by object= and id=");
    found = &key;
  }
  if (found == nullptr) return failed("the token has no such private key, of RSA or ECDSA");
  openssl::Key key(PKCS11_get_private_key(found));
  if (!key) return failed("the token does not let its key be used");
  return {.key = std::move(key)};
}

void Pkcs11::close() {
  if (context_ == nullptr) return;
  if (slots_ != nullptr) PKCS11_release_all_slots(context_, slots_, count_);
  PKCS11_CTX_unload(context_);
  PKCS11_CTX_free(context_);
  context_ = nullptr;
  slots_ = nullptr;
  count_ = 0;
}

}  // namespace

std::unique_ptr<TokenDevice> pkcs11_device(const std::string& module_path) {
  return std::make_unique<Pkcs11>(module_path);
}

}  // namespace simplon::ike
