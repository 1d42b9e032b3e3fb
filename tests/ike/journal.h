// SPDX-License-Identifier: Apache-2.0
// What a guard keeps of one side's IKE SAs, and the next process that goes on with them. Whatever one process
// has said stays in Side::sent, so what both have said can be compared.
//
// What it costs, with one child and -O2 on one core of a cloud machine: 8 us to freeze an IKE SA, 1.1 KB of
// record and its last request and response, 54 us to adopt it.
#pragma once

#include <map>
#include <tuple>

#include "ike/message/header.h"
#include "tests/ike/two_endpoints.h"

namespace simplon::ike::test {

class Journal {
 public:
  Journal(Side& side, std::shared_ptr<const Connection> connection)
      : side_(side), connection_(std::move(connection)) {
    side_.before_output = [this] { keep(); };
    keep();
  }

  // Before anything that the endpoint wants is done. What it does not call changed is what it was.
  // True: something has changed.
  bool keep() {
    const std::vector<IkeSaId> changed = side_.endpoint.changed();
    for (const IkeSaId id : changed) {
      Secret frozen = side_.endpoint.freeze(id);
      if (frozen.empty())
        kept_.erase(id);
      else
        kept_[id] = std::move(frozen);
    }
    if (++asked_ % 16 == 0) check();
    return !changed.empty();
  }
  void check() const {
    for (const IkeStatus& sa : side_.endpoint.status()) {
      const Secret frozen = side_.endpoint.freeze(sa.id);
      const auto kept = kept_.find(sa.id);
      EXPECT_TRUE(std::ranges::equal(frozen.bytes(), kept != kept_.end() ? kept->second.bytes() : Bytes{}));
    }
  }
  // The process is gone with all that it has not done yet, and with its SAs; the next one has another seed.
  void next_process(Now now) {
    side_.endpoint = Endpoint(Settings{}, Secret(Buffer(32, static_cast<std::uint8_t>(100 + ++processes_))));
    side_.installed.clear();
    side_.outbound.clear();
    side_.endpoint.configure({connection_}, now, Endpoint::Start::kHold);
    for (const auto& [id, frozen] : kept_) {
      const Result<void> adopted = side_.endpoint.adopt(frozen.bytes(), now);
      EXPECT_TRUE(adopted) << adopted.error().what;
    }
    side_.endpoint.start(now);
    side_.endpoint.tick(now);  // what was due while there was no process
    keep();
  }
  void configure(std::shared_ptr<const Connection> connection) { connection_ = std::move(connection); }
  const std::map<IkeSaId, Secret>& kept() const { return kept_; }
  unsigned processes() const { return processes_; }

 private:
  Side& side_;
  std::shared_ptr<const Connection> connection_;
  std::map<IkeSaId, Secret> kept_;
  unsigned processes_ = 0, asked_ = 0;
};

// RFC 7296 §2.2, RFC 5282 §3.1: a message ID has one content, and an IV one message. Of AES-GCM.
inline std::string said_twice(const Side& side) {
  using Message = std::tuple<std::uint64_t, std::uint64_t, bool, bool, std::uint32_t>;
  using Iv = std::tuple<std::uint64_t, std::uint64_t, bool, std::uint64_t>;
  std::map<Message, Bytes> by_id;
  std::map<Iv, Bytes> by_iv;
  for (const Buffer& bytes : side.sent) {
    const Header h = *parse_header(bytes);
    if (h.exchange == Exchange::kIkeSaInit) continue;  // in clear; §2.6
    const Bytes id =
        by_id.try_emplace({h.spi_i, h.spi_r, h.initiator(), h.response(), h.message_id}, bytes).first->second;
    if (!std::ranges::equal(id, bytes))
      return "message " + std::to_string(h.message_id) + " has two contents";
    const std::uint64_t iv = load_be64(bytes.data() + kHeaderBytes + 4);
    const Bytes under = by_iv.try_emplace({h.spi_i, h.spi_r, h.initiator(), iv}, bytes).first->second;
    if (!std::ranges::equal(under, bytes)) return "IV " + std::to_string(iv) + " has two messages";
  }
  return {};
}

// Requests to set up an IKE SA; a late copy of one may still be answered by who does not know it any more.
inline std::size_t inits(const Side& side) {
  return static_cast<std::size_t>(std::ranges::count_if(side.sent, [](const Buffer& b) {
    const Header h = *parse_header(b);
    return h.exchange == Exchange::kIkeSaInit && !h.response();
  }));
}

}  // namespace simplon::ike::test
