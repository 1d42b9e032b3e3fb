// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/tls_context.h"

#include <algorithm>

#include "ike/crypto/chain.h"
#include "ike/crypto/public_key.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

// Forward secrecy and authenticated encryption alone; TLS 1.3 has nothing else.
constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20";
// OpenSSL's security levels: 112 bits; or what is weak as well, signatures with SHA-1 above all.
constexpr int kStrong = 2, kWeak = 0;

int level(WeakAlgorithms weak) { return weak == WeakAlgorithms::kAllow ? kWeak : kStrong; }

bool is_pinned(const X509* certificate, const Trust& trust) {
  const auto same = [certificate](const Buffer& der) {
    const auto pinned = load_certificate(der);
    return pinned && X509_cmp(pinned.get(), certificate) == 0;
  };
  return std::ranges::any_of(trust.pinned, same);
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::make(const TlsSettings& settings) {
  if (!settings.credential || settings.credential->chain.empty())
    return fail("TLS needs a certificate of ours");
  if (!settings.trust) return fail("TLS needs an authority for the peer's certificate");
  std::unique_ptr<TlsContext> out(new TlsContext(settings));
  const bool server = settings.role == TlsRole::kServer;
  out->context_.reset(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (!out->context_ || !out->set_rules()) return fail("OpenSSL cannot do TLS");
  if (!out->set_certificate()) return fail("our certificate and key cannot be used for TLS");
  if (!out->set_trust()) return fail("an authority cannot be read");
  return out;
}

bool TlsContext::set_rules() {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_security_level(context, level(settings_.trust->weak));
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  // A server may not know RFC 5746. What that is against cannot be here: nobody renegotiates, and AUTH is
  // over the key of this very handshake.
  if (settings_.role == TlsRole::kClient) SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION  // RFC 8879: a small message could become a very large one
  SSL_CTX_set_options(context, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
#endif
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_dh_auto(context, 1);
  const int highest = settings_.highest == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, highest) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1;
}

bool TlsContext::set_certificate() {
  const openssl::Key key = load_private_key(settings_.credential->key.bytes());
  const auto& chain = settings_.credential->chain;
  const auto ours = load_certificate(chain.front());
  if (!key || !ours || SSL_CTX_use_certificate(context_.get(), ours.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1)
    return false;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    const auto certificate = load_certificate(chain[i]);
    if (!certificate || SSL_CTX_add1_chain_cert(context_.get(), certificate.get()) != 1) return false;
  }
  return true;
}

bool TlsContext::set_trust() {
  // A client that has several certificates chooses by these names.
  for (const Buffer& der : settings_.trust->authorities)
    if (SSL_CTX_add_client_CA(context_.get(), load_certificate(der).get()) != 1) return false;
  SSL_CTX_set_cert_verify_callback(
      context_.get(),
      [](X509_STORE_CTX* theirs, void* context) {
        auto& self = *static_cast<TlsContext*>(context);
        self.refusal_ = self.check(X509_STORE_CTX_get0_cert(theirs), X509_STORE_CTX_get0_untrusted(theirs));
        const bool ok = self.refusal_.empty();
        X509_STORE_CTX_set_error(theirs, ok ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
        return ok ? 1 : 0;
      },
      this);
  return true;
}

// By the rules of AUTH in place of OpenSSL's own, and for the use that RFC 5216 §5.3 asks for.
std::string TlsContext::check(X509* leaf, const STACK_OF(X509) * sent) const {
  const EVP_PKEY* const key = leaf == nullptr ? nullptr : X509_get0_pubkey(leaf);
  if (key == nullptr) return "the peer has no certificate, or one with a key of an unknown kind";
  const bool server = settings_.role == TlsRole::kServer;
  const std::string which = certificate_text(leaf) + " ";
  if (const std::string why = key_refusal(key, settings_.trust->weak); !why.empty())
    return which + "has a key that " + why;
  if (X509_check_purpose(leaf, server ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER, 0) != 1)
    return which + "is not for a TLS " + (server ? "client" : "server");
  if (is_pinned(leaf, *settings_.trust)) {
    const std::string why = date_refusal(leaf);
    return why.empty() ? why : which + why;
  }
  Sent between;
  const int count = sk_X509_num(sent);  // -1: there are none
  for (int i = 0; i < count; ++i) {
    X509* certificate = sk_X509_value(sent, i);
    if (X509_up_ref(certificate) == 1) between.between.emplace_back(certificate);
  }
  return chain_refusal(leaf, between, *settings_.trust);
}

}  // namespace simplon::ike
