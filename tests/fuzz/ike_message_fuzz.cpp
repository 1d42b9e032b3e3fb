// SPDX-License-Identifier: Apache-2.0
// Any bytes as an IKE message and as a chain of payloads: an answer, never a crash; what was understood
// survives being written and read again; and whatever is sealed opens, while the bytes themselves do not.
#include <cstdlib>

#include "ike/crypto/keys.h"
#include "ike/crypto/protection.h"

namespace {

using namespace simplon;
using namespace simplon::ike;

void check(bool holds) {
  if (!holds) std::abort();
}

bool same(const Notify& a, const Notify& b) {
  return a.protocol == b.protocol && a.type == b.type && a.spi == b.spi && a.data == b.data;
}

PayloadWriter write(const Payloads& p) {
  PayloadWriter w;
  if (p.sa) w.sa(*p.sa);
  if (p.ke) w.ke(DhGroup{p.ke->group}, p.ke->data);
  if (p.idi) w.id(PayloadType::kIdi, *p.idi);
  if (p.idr) w.id(PayloadType::kIdr, *p.idr);
  if (p.auth) w.auth(p.auth->data);
  if (p.nonce) w.nonce(*p.nonce);
  for (const Notify& n : p.notifies) w.notify(n.type, n.data, n.protocol, n.spi);
  for (const Delete& d : p.deletes) w.del(d.protocol, d.spis);
  if (p.tsi) w.ts(PayloadType::kTsi, *p.tsi);
  if (p.tsr) w.ts(PayloadType::kTsr, *p.tsr);
  return w;
}

void check_same(const Payloads& a, const Payloads& b) {
  check(a.sa == b.sa && a.nonce == b.nonce && a.idi == b.idi && a.idr == b.idr);
  check(a.tsi == b.tsi && a.tsr == b.tsr);
  check(a.ke.has_value() == b.ke.has_value() && a.auth.has_value() == b.auth.has_value());
  check(!a.ke || (a.ke->group == b.ke->group && a.ke->data == b.ke->data));
  check(!a.auth || a.auth->data == b.auth->data);
  check(a.notifies.size() == b.notifies.size() && a.deletes.size() == b.deletes.size());
  for (std::size_t i = 0; i < a.notifies.size(); ++i) check(same(a.notifies[i], b.notifies[i]));
  for (std::size_t i = 0; i < a.deletes.size(); ++i)
    check(a.deletes[i].protocol == b.deletes[i].protocol && a.deletes[i].spis == b.deletes[i].spis);
}

// What the log would say of it.
void print(const Payloads& p) {
  for (const auto* id : {&p.idi, &p.idr})
    if (*id)
      for (const char c : (*id)->text()) check(c >= 0x20 && c < 0x7f);
  for (const Notify& n : p.notifies) check(!name(n.type).empty());
  if (p.sa)
    for (const Proposal& offer : *p.sa) check(!offer.text().empty());
}

const IkeKeys& keys(bool gcm) {
  const auto make = [](const char* text) {
    return derive_keys(*Proposal::parse(text, ProtocolId::kIke), Buffer(32, 1), Buffer(32, 2), Buffer(32, 3),
                       4, 5);
  };
  static const IkeKeys of_gcm = make("aes128gcm16-prfsha256-x25519"), of_cbc = make("aes256-sha512-x25519");
  return gcm ? of_gcm : of_cbc;
}

void protect_and_unprotect(const PayloadWriter& w) {
  for (const bool gcm : {true, false}) {
    const IkeKeys& k = keys(gcm);
    const Buffer message = protect(k, true, {.spi_i = 4, .spi_r = 5, .exchange = Exchange::kInformational}, w,
                                   Buffer(k.encr->iv, 6));
    check(parse_header(message).has_value());
    const auto sk = find_sk(message);
    check(sk.has_value());
    const auto opened = unprotect(k, true, message, *sk);
    check(opened && opened->first == w.first() && opened->chain == w.bytes());
  }
}

void parse_chain(std::uint8_t first, Bytes chain) {
  const auto p = parse_payloads(first, chain);
  if (!p) return check(!p.error().what.empty());
  print(*p);
  const PayloadWriter w = write(*p);
  const auto again = parse_payloads(w.first(), w.bytes());
  check(again.has_value());
  check_same(*p, *again);
  if (w.bytes().size() < 60000) protect_and_unprotect(w);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  if (size != 0) parse_chain(data[0], input.subspan(1));
  if (const auto header = parse_header(input)) parse_chain(header->next, input.subspan(kHeaderBytes));
  if (const auto sk = find_sk(input)) {
    check(sk->body <= size);
    for (const bool gcm : {true, false}) check(!unprotect(keys(gcm), true, input, *sk));
  }
  return 0;
}
