// SPDX-License-Identifier: Apache-2.0
// OpenSSL's objects with owners. For ike/crypto alone.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "dp/base/bytes.h"

namespace simplon::ike::openssl {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* p) const {
    free(p);
  }
};
template <class T, auto free>
using Owner = std::unique_ptr<T, Free<free>>;

using Key = Owner<EVP_PKEY, EVP_PKEY_free>;
using KeyContext = Owner<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Digest = Owner<EVP_MD_CTX, EVP_MD_CTX_free>;
using Number = Owner<BIGNUM, BN_clear_free>;
using NumberContext = Owner<BN_CTX, BN_CTX_free>;
using Curve = Owner<EC_GROUP, EC_GROUP_free>;
using Point = Owner<EC_POINT, EC_POINT_clear_free>;
using Bio = Owner<BIO, BIO_free_all>;
using X509Certificate = Owner<X509, X509_free>;
using X509Crl = Owner<X509_CRL, X509_CRL_free>;
using Store = Owner<X509_STORE, X509_STORE_free>;
using StoreContext = Owner<X509_STORE_CTX, X509_STORE_CTX_free>;

// For reading alone; the octets outlive it.
inline Bio reader(Bytes from) { return Bio(BIO_new_mem_buf(from.data(), static_cast<int>(from.size()))); }

}  // namespace simplon::ike::openssl
