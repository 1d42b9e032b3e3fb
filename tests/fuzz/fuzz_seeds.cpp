// SPDX-License-Identifier: Apache-2.0
// fuzz_seeds DIRECTORY: what the fuzz targets start from, made by our own writers: DIRECTORY/TARGET/NAME.
#include <filesystem>
#include <fstream>
#include <string>

#include "ctrl/vici/packet.h"
#include "ike/message/payload.h"
#include "ike/message/payload_writer.h"
#include "tests/ike/certificates.h"

namespace {

using namespace simplon;
using namespace simplon::ike;

std::filesystem::path directory;

void write(const std::string& target, const std::string& name, Bytes bytes) {
  std::filesystem::create_directories(directory / target);
  std::ofstream(directory / target / name, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

PayloadWriter init() {
  PayloadWriter w;
  w.sa({*Proposal::parse("aes128gcm16-aes256gcm16-prfsha256-x25519", ProtocolId::kIke),
        *Proposal::parse("aes256-sha512-modp2048", ProtocolId::kIke)});
  w.ke(DhGroup::kX25519, Buffer(32, 9));
  w.nonce(Buffer(32, 5));
  w.notify(NotifyType::kNatDetectionSourceIp, Buffer(20, 1));
  return w;
}

PayloadWriter auth() {
  PayloadWriter w;
  w.id(PayloadType::kIdi, *Identity::parse("b.example"));
  w.auth(Buffer(32, 7));
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp);
  esp.spi = {1, 2, 3, 4};
  w.sa({esp});
  w.ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
  w.ts(PayloadType::kTsr, {*TrafficSelector::parse("2001:db8::/32")});
  w.del(ProtocolId::kEsp, {{1, 2, 3, 4}});
  return w;
}

// A record of ike_endpoint_fuzz: payloads to be protected, each with a length of one byte.
Buffer record(std::uint8_t exchange, const PayloadWriter& payloads) {
  Writer out;
  out.u8(0);
  out.u8(exchange);
  out.u8(0);
  std::uint8_t type = payloads.first();
  for (Reader in(payloads.bytes()); in.left() != 0;) {
    out.u8(type);
    type = in.u8();
    in.u8();
    const Bytes body = in.take(in.be16() - 4u);
    out.u8(static_cast<std::uint8_t>(body.size()));
    out.bytes(body);
  }
  Writer framed;
  framed.u8(1);
  framed.u8(static_cast<std::uint8_t>(out.size()));
  framed.bytes(out.view());
  return framed.take();
}

void ike_seeds() {
  for (const auto& [name, payloads] : {std::pair{"init", init()}, std::pair{"auth", auth()}}) {
    Writer chain;
    chain.u8(payloads.first());
    chain.bytes(payloads.bytes());
    write("ike_message_fuzz", std::string(name) + "-chain", chain.view());
    const Buffer message =
        write_message({.spi_i = 1, .exchange = Exchange::kIkeSaInit, .flags = kFlagInitiator}, payloads);
    write("ike_message_fuzz", name, message);
    if (message.size() > 255) continue;
    Buffer stranger{0, 0, static_cast<std::uint8_t>(message.size())};
    stranger.insert(stranger.end(), message.begin(), message.end());
    write("ike_endpoint_fuzz", name, stranger);
  }
  PayloadWriter child, rekey, ike, gone;
  Proposal esp = *Proposal::parse("aes128gcm16", ProtocolId::kEsp),
           whole = *Proposal::parse("aes128gcm16-prfsha256-x25519", ProtocolId::kIke);
  esp.spi = {0xc0, 0, 0, 2};
  whole.spi = Buffer(8, 3);
  rekey.notify(NotifyType::kRekeySa, {}, ProtocolId::kEsp, Buffer{0xc0, 0, 0, 1});
  for (PayloadWriter* w : {&child, &rekey}) {
    w->sa({esp});
    w->nonce(Buffer(16, 1));
    w->ts(PayloadType::kTsi, {*TrafficSelector::parse("198.18.2.0/24")});
    w->ts(PayloadType::kTsr, {*TrafficSelector::parse("198.18.1.0/24")});
  }
  ike.sa({whole});
  ike.nonce(Buffer(16, 2));
  ike.ke(DhGroup::kX25519, Buffer(32, 9));
  gone.del(ProtocolId::kEsp, {{0xc0, 0, 0, 1}});
  Buffer all{2};
  for (const auto& [name, exchange, w] :
       {std::tuple{"child", 2, child}, {"rekey", 2, rekey}, {"delete", 3, gone}, {"ike", 2, ike}}) {
    const Buffer r = record(static_cast<std::uint8_t>(exchange), w);
    Buffer one{2};
    one.insert(one.end(), r.begin(), r.end());
    all.insert(all.end(), r.begin(), r.end());
    write("ike_endpoint_fuzz", name, one);
  }
  for (std::uint8_t what = 0; what < 6; ++what) all.insert(all.end(), {3, 1, what, 2, 1, 40});
  write("ike_endpoint_fuzz", "all", all);
}

void certificate_seeds() {
  const test::Issued root = test::authority("CN=Root");
  for (const char* key : {"EC:P-256", "RSA:2048", "ED25519"}) {
    const test::Issued leaf = test::certificate("C=CH, O=Example, CN=a.example", root,
                                                {.names = {"DNS:a.example", "IP:192.0.2.1"}, .key = key});
    write("certificate_fuzz", std::string("leaf-") + key, leaf.der);
    Writer proof;
    proof.be16(static_cast<std::uint16_t>(leaf.der.size()));
    proof.bytes(leaf.der);
    proof.bytes(test::crl(root, {leaf}));
    write("certificate_fuzz", std::string("proof-") + key, proof.view());
    write("certificate_fuzz", std::string("key-") + key, leaf.key.bytes());
  }
  const std::string pem = test::to_pem("CERTIFICATE", root.der);
  write("certificate_fuzz", "pem", Bytes(reinterpret_cast<const std::uint8_t*>(pem.data()), pem.size()));
}

void radius_seeds() {
  for (const std::uint8_t code : {2, 3, 11, 40, 43}) {
    Writer out;
    out.u8(code);
    out.u8(1);
    out.be16(20 + 18 + 6 + 8);
    out.zeros(16);
    for (const auto& [type, size] : {std::pair{80, 18}, std::pair{79, 6}, std::pair{26, 8}}) {
      out.u8(static_cast<std::uint8_t>(type));
      out.u8(static_cast<std::uint8_t>(size));
      out.zeros(static_cast<std::size_t>(size) - 2);
    }
    write("radius_fuzz", std::to_string(code), out.view());
  }
}

// Who speaks; and records: a choice, a length, octets (eap_fuzz.cpp).
void eap_seeds() {
  for (std::uint8_t who = 0; who < 4; ++who)
    for (std::uint8_t type = 0; type < 3; ++type) {
      Writer out;
      out.u8(who);
      for (const std::uint8_t choice : {std::uint8_t{1}, static_cast<std::uint8_t>(1 + 4 * type)}) {
        out.u8(choice);
        out.be16(54);
        out.u8(2);
        out.zeros(53);
      }
      write("eap_fuzz", std::to_string(who) + "-" + std::to_string(type), out.view());
    }
}

// What it is, the SA, a size, a choice; and octets or edits (packet_fuzz.cpp).
void packet_seeds() {
  const Buffer udp4 = {0x45, 0x00, 0x00, 0x30, 0x00, 0x00, 0x00, 0x00, 0x40, 0x11, 0x4c, 0xbe,
                       0xc6, 0x12, 0x01, 0x0a, 0xc6, 0x12, 0x02, 0x01, 0x03, 0xe8, 0x0b, 0xb9,
                       0x00, 0x1c, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
                       0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13},
               arp = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x09, 0x08, 0x06,
                      0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x09,
                      0xc6, 0x12, 0x01, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc6, 0x12, 0x01, 0x01};
  for (std::uint8_t what = 0; what < 11; ++what)
    for (unsigned sa = 0; sa < 156; sa += 5) {
      Buffer seed{what, static_cast<std::uint8_t>(sa), static_cast<std::uint8_t>(7 * sa), 3};
      const bool octets = what == 0 || what == 2 || what == 3 || what == 8;
      const Buffer& rest = what == 8 ? arp : udp4;
      if (octets) seed.insert(seed.end(), rest.begin(), rest.end());
      if (!octets && sa % 2 == 0) seed.insert(seed.end(), {0, static_cast<std::uint8_t>(sa), 1});
      write("packet_fuzz", std::to_string(what) + "-" + std::to_string(sa), seed);
    }
  // A multicast frame that ends with its Ethernet header.
  write("packet_fuzz", "runt",
        Buffer{0x08, 0x69, 0x00, 0x00, 0x09, 0x08, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x09,
               0x08, 0x00});
}

// Window, buffers, congestion control; and records: what it is, how far ahead, a length in words, a payload
// (aggfrag_fuzz.cpp). Packets of 44 octets in payloads that take one and a half of them.
void aggfrag_seeds() {
  Buffer stream;
  for (unsigned n = 0; n < 6; ++n) {
    Buffer packet(44, static_cast<std::uint8_t>(n));
    packet[0] = n % 2 == 0 ? 0x45 : 0x60;
    store_be16(packet.data() + (n % 2 == 0 ? 2 : 4), n % 2 == 0 ? 44 : 4);
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  for (const unsigned header : {4u, 24u})
    for (const std::uint8_t what : {1, 9, 0, 28}) {
      Buffer seed{4, 10, static_cast<std::uint8_t>(header == 24)};
      for (std::size_t at = 0; at < stream.size(); at += 66) {
        const auto rest = static_cast<std::uint16_t>((44 - at % 44) % 44);
        Buffer payload(header);
        payload[0] = header == 24;
        store_be16(payload.data() + 2, rest);
        payload.insert(payload.end(), stream.begin() + static_cast<std::ptrdiff_t>(at),
                       stream.begin() + static_cast<std::ptrdiff_t>(at + 66));
        payload.resize((payload.size() + 3) / 4 * 4);
        seed.insert(seed.end(), {what, static_cast<std::uint8_t>(at / 66 % 2 == 0 ? 2 : -1),
                                 static_cast<std::uint8_t>(payload.size() / 4)});
        seed.insert(seed.end(), payload.begin(), payload.end());
      }
      write("aggfrag_fuzz", std::to_string(header) + "-" + std::to_string(what), seed);
    }
}

void vici_seeds() {
  vici::Message message, section;
  section.add("local", "198.51.100.1").add_list("remote_addrs", {"198.51.100.2", "%any"});
  message.add("child", "net").add("timeout", "5000").add("sites", std::move(section));
  write("vici_fuzz", "message", vici::encode(message));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  directory = argv[1];
  ike_seeds();
  certificate_seeds();
  eap_seeds();
  radius_seeds();
  vici_seeds();
  packet_seeds();
  aggfrag_seeds();
}
