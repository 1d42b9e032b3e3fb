// SPDX-License-Identifier: Apache-2.0
// OpenSSL lives here.
#include "ike/crypto/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string_view>
#include <utility>

#include "ike/crypto/tls_context.h"
#include "ike/crypto/x509_names.h"

namespace simplon::ike {
namespace {

constexpr std::uint8_t kEapTls = 13;
constexpr std::uint8_t kContent = 0;  // RFC 9190 §2.5: the protected success indication
constexpr std::size_t kMsk = 64, kMskAndEmsk = 128;

// Of what OpenSSL found wrong first; its queue is left empty.
std::string reason() {
  const char* text = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return text == nullptr ? "the handshake failed" : text;
}

Secret export_msk(SSL* ssl) {
  const bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
  const std::string_view label = tls13 ? "EXPORTER_EAP_TLS_Key_Material" : "client EAP encryption";
  Buffer material(kMskAndEmsk);
  const bool ok =
      SSL_export_keying_material(ssl, material.data(), material.size(), label.data(), label.size(),
                                 tls13 ? &kEapTls : nullptr, tls13 ? 1 : 0, tls13 ? 1 : 0) == 1;
  const Secret whole(std::move(material));
  return ok ? Secret(whole.bytes().first(kMsk)) : Secret{};
}

}  // namespace

class TlsSession {
 public:
  explicit TlsSession(TlsSettings settings) : settings_(std::move(settings)) {}
  TlsStepResult step(Bytes in);

 private:
  enum class Reached { kNotYet, kContent, kFailed };
  bool open(std::string& why);
  TlsStepResult failed(const std::string& why);
  Reached both_content();
  TlsStepResult done();
  Buffer drain();

  TlsSettings settings_;
  std::unique_ptr<TlsContext> context_;
  openssl::Owner<SSL, SSL_free> ssl_;
  BIO* in_ = nullptr;  // both belong to ssl_
  BIO* out_ = nullptr;
  bool over_ = false;
};

bool TlsSession::open(std::string& why) {
  auto context = TlsContext::make(settings_);
  if (!context) {
    why = context.error().what;
    return false;
  }
  context_ = std::move(*context);
  ssl_.reset(SSL_new(context_->get()));
  openssl::Bio in(BIO_new(BIO_s_mem())), out(BIO_new(BIO_s_mem()));
  if (!ssl_ || !in || !out) return false;
  in_ = in.release();
  out_ = out.release();
  SSL_set_bio(ssl_.get(), in_, out_);
  if (settings_.role == TlsRole::kServer)
    SSL_set_accept_state(ssl_.get());
  else
    SSL_set_connect_state(ssl_.get());
  return true;
}

Buffer TlsSession::drain() {
  Buffer out(out_ == nullptr ? 0 : BIO_ctrl_pending(out_));
  if (!out.empty() &&
      BIO_read(out_, out.data(), static_cast<int>(out.size())) != static_cast<int>(out.size()))
    out.clear();
  return out;
}

TlsStepResult TlsSession::failed(const std::string& why) {
  over_ = true;
  TlsStepResult out;
  out.out = drain();  // an alert
  out.why = context_ && !context_->refusal().empty() ? context_->refusal() : why;
  ERR_clear_error();
  return out;
}

TlsStepResult TlsSession::step(Bytes in) {
  ERR_clear_error();  // the thread may have left something there
  if (over_) return failed("TLS is over");
  std::string why = "OpenSSL cannot begin TLS";
  if (!ssl_ && !open(why)) return failed(why);
  const int size = static_cast<int>(in.size());
  if (size != 0 && BIO_write(in_, in.data(), size) != size) return failed("no memory for TLS");
  if (SSL_is_init_finished(ssl_.get()) != 1) {
    const int status = SSL_do_handshake(ssl_.get());
    if (status != 1 && SSL_get_error(ssl_.get(), status) != SSL_ERROR_WANT_READ) return failed(reason());
  }
  switch (SSL_is_init_finished(ssl_.get()) == 1 ? both_content() : Reached::kNotYet) {
    case Reached::kContent:
      return done();
    case Reached::kFailed:
      return failed(reason());
    case Reached::kNotYet:
      break;
  }
  TlsStepResult out;
  out.state = TlsStepResult::State::kGoOn;
  out.out = drain();
  return out;
}

// The Finished of TLS 1.2 comes from the server at last. In TLS 1.3 it is the client that speaks last, so the
// server says in one octet of zero that it has believed the client.
TlsSession::Reached TlsSession::both_content() {
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION) return Reached::kContent;
  if (settings_.role == TlsRole::kServer)
    return SSL_write(ssl_.get(), &kContent, 1) == 1 ? Reached::kContent : Reached::kFailed;
  std::array<std::uint8_t, 2> said{};
  const int size = SSL_read(ssl_.get(), said.data(), static_cast<int>(said.size()));
  if (size <= 0)
    return SSL_get_error(ssl_.get(), size) == SSL_ERROR_WANT_READ ? Reached::kNotYet : Reached::kFailed;
  return size == 1 && said[0] == kContent ? Reached::kContent : Reached::kFailed;
}

TlsStepResult TlsSession::done() {
  over_ = true;
  const openssl::X509Certificate peer(SSL_get1_peer_certificate(ssl_.get()));
  if (!peer || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return failed("the peer has no certificate");
  TlsStepResult out;
  out.msk = export_msk(ssl_.get());
  if (out.msk.empty()) return failed("TLS gives no key");
  out.names = names_of(peer.get());
  out.out = drain();
  out.state = TlsStepResult::State::kDone;
  return out;
}

std::shared_ptr<TlsSession> tls_session(TlsSettings settings) {
  return std::make_shared<TlsSession>(std::move(settings));
}

TlsStepResult run(const TlsStep& work) {
  if (!work.session) {
    TlsStepResult out;
    out.why = "no TLS session";
    return out;
  }
  return work.session->step(work.in);
}

}  // namespace simplon::ike
