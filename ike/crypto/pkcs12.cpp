// SPDX-License-Identifier: Apache-2.0
#include "ike/crypto/pkcs12.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <string>

#include "ike/crypto/public_key.h"

namespace simplon::ike {
namespace {

using namespace openssl;
using Pfx = Owner<PKCS12, PKCS12_free>;

void free_all(STACK_OF(X509) * all) { sk_X509_pop_free(all, X509_free); }
using Certificates = Owner<STACK_OF(X509), free_all>;

Pfx load(Bytes file) {
  const unsigned char* at = file.data();
  Pfx out;
  if (!file.empty()) out.reset(d2i_PKCS12(nullptr, &at, static_cast<long>(file.size())));
  ERR_clear_error();
  return out;
}

Buffer der_of(X509* certificate) {
  const int length = i2d_X509(certificate, nullptr);
  if (length <= 0) return {};
  Buffer out(static_cast<std::size_t>(length));
  unsigned char* at = out.data();
  i2d_X509(certificate, &at);
  return out;
}

// OpenSSL tells several things, the cause among them.
std::string why_closed(bool passphrase) {
  bool wrong = false, unsupported = false;
  while (const unsigned long error = ERR_get_error()) {
    const int reason = ERR_GET_REASON(error);
    wrong = wrong || (ERR_GET_LIB(error) == ERR_LIB_PKCS12 && reason == PKCS12_R_MAC_VERIFY_FAILURE);
    unsupported = unsupported || reason == ERR_R_UNSUPPORTED ||
                  (ERR_GET_LIB(error) == ERR_LIB_EVP &&
                   (reason == EVP_R_UNSUPPORTED_ALGORITHM || reason == EVP_R_UNKNOWN_PBE_ALGORITHM));
  }
  if (wrong)
    return passphrase ? "the passphrase does not open the PKCS#12 file"
                      : "the PKCS#12 file is encrypted; it needs its passphrase";
  if (unsupported)
    return "the PKCS#12 file is encrypted by an algorithm of old that is refused today (RC2, perhaps); "
           "write it anew: openssl pkcs12 -legacy -in OLD.p12 -noenc | openssl pkcs12 -export -out NEW.p12";
  return "the PKCS#12 file is damaged";
}

// RFC 7296 §3.6: the root need not be sent; the peer believes its own alone.
std::vector<Buffer> chain_of(X509* own, const STACK_OF(X509) * others) {
  std::vector<Buffer> out;
  const int count = others == nullptr ? 0 : sk_X509_num(others);
  out.reserve(static_cast<std::size_t>(count) + 1);
  out.push_back(der_of(own));
  for (int i = 0; i < count; ++i) {
    X509* const one = sk_X509_value(others, i);
    if (X509_self_signed(one, 0) != 1) out.push_back(der_of(one));
  }
  return out;
}

}  // namespace

bool is_pkcs12(Bytes file) { return load(file) != nullptr; }

Result<Pkcs12> read_pkcs12(Bytes file, Bytes passphrase) {
  const Pfx pfx = load(file);
  if (!pfx) return fail("it is no PKCS#12 file");
  std::string text(passphrase.begin(), passphrase.end());
  EVP_PKEY* key = nullptr;
  X509* own = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool open = PKCS12_parse(pfx.get(), text.c_str(), &key, &own, &others) == 1;
  explicit_bzero(text.data(), text.size());
  const Key owned_key(key);
  const X509Certificate owned_own(own);
  const Certificates owned_others(others);
  if (!open) return fail(why_closed(!passphrase.empty()));
  ERR_clear_error();
  if (!owned_key) return fail("there is no private key in the PKCS#12 file");
  if (!owned_own) return fail("there is no certificate of its private key in the PKCS#12 file");
  if (const std::string why = key_refusal(key, WeakAlgorithms::kAllow); !why.empty())
    return fail("the private key " + why);
  auto written = to_pkcs8(key);
  if (!written) return std::unexpected(written.error());
  return Pkcs12{.chain = chain_of(own, others), .key = std::move(*written)};
}

}  // namespace simplon::ike
