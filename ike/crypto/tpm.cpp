// SPDX-License-Identifier: Apache-2.0
// Keys of a TPM 2, by OpenSSL's provider "tpm2" (of tpm2-openssl).
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>

#include <array>
#include <cstdio>

#include "ike/crypto/token_device.h"

namespace simplon::ike {
namespace {

using Library = openssl::Owner<OSSL_LIB_CTX, OSSL_LIB_CTX_free>;
using Provider = openssl::Owner<OSSL_PROVIDER, OSSL_PROVIDER_unload>;
using Store = openssl::Owner<OSSL_STORE_CTX, OSSL_STORE_close>;
using Info = openssl::Owner<OSSL_STORE_INFO, OSSL_STORE_INFO_free>;

OpenedKey failed(std::string why) { return {.key = nullptr, .why = std::move(why)}; }

// In a library context of its own: the provider has hashes and random numbers as well, which nobody else is
// to wait for.
class Tpm final : public TokenDevice {
 public:
  OpenedKey open(const TokenUri& uri) override;
  void close() override {
    tpm_.reset();
    standard_.reset();
    library_.reset();
  }

 private:
  bool load();

  Library library_;
  Provider standard_, tpm_;
};

bool Tpm::load() {
  if (tpm_ && standard_) return true;
  close();  // what a former try left is of a library that goes now
  library_.reset(OSSL_LIB_CTX_new());
  standard_.reset(OSSL_PROVIDER_load(library_.get(), "default"));
  tpm_.reset(OSSL_PROVIDER_load(library_.get(), "tpm2"));
  // OpenSSL 3.0 asks the key's own provider for a signature only where that is the preferred one.
  EVP_set_default_properties(library_.get(), "?provider=tpm2");
  return standard_ && tpm_;
}

OpenedKey Tpm::open(const TokenUri& uri) {
  if (!load())
    return failed("OpenSSL cannot load its provider tpm2, or that finds no TPM; install tpm2-openssl");
  std::array<char, 24> name{};
  std::snprintf(name.data(), name.size(), "handle:0x%08x", *uri.handle);
  const Store store(OSSL_STORE_open_ex(name.data(), library_.get(), "?provider=tpm2", nullptr, nullptr,
                                       nullptr, nullptr, nullptr));
  while (store && OSSL_STORE_eof(store.get()) == 0) {
    const Info info(OSSL_STORE_load(store.get()));
    if (!info) break;
    if (OSSL_STORE_INFO_get_type(info.get()) == OSSL_STORE_INFO_PKEY)
      return {.key = openssl::Key(OSSL_STORE_INFO_get1_PKEY(info.get())), .library = library_.get()};
  }
  return failed("the TPM has no key at this handle; tpm2_getcap handles-persistent shows those that it has");
}

}  // namespace

std::unique_ptr<TokenDevice> tpm_device() { return std::make_unique<Tpm>(); }

}  // namespace simplon::ike
