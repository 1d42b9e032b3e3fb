// SPDX-License-Identifier: Apache-2.0
// The first message of an initiator that is not known yet, before anything is kept of it (RFC 7296 §2.4,
// §2.6).
#include <algorithm>

#include "ike/endpoint/endpoint_impl.h"
#include "ike/exchange/init.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kFairShare = 8;
constexpr std::size_t kLargestInit = 8192;  // bytes; the message is kept until the initiator is authenticated

bool takes(const Connection& c, const Datagram& d) {
  return (c.local_addrs.empty() ||
          std::ranges::find(c.local_addrs, d.local.address) != c.local_addrs.end()) &&
         c.may_be_at(d.remote.address);
}

// An initiator that shows cookies may still fill the table: from its half on no host gets more than its
// share.
bool too_many(const Context& context, const IpAddress& from) {
  const std::size_t open = context.half_open.size(), limit = context.settings.half_open_limit;
  return open >= limit || (open >= limit / 2 && context.half_open.of(from) >= kFairShare);
}

bool has_all(const Header& header, const Payloads& p) {
  return p.sa && p.ke && p.nonce && header.message_id == 0 && header.initiator();
}

}  // namespace

void Endpoint::Impl::new_initiator(const Header& header, const Datagram& datagram, Now now) {
  // It is a retransmission: we are working on the answer, or have sent it.
  const auto known = context.by_initiator.find({header.spi_i, datagram.remote});
  if (known != context.by_initiator.end())
    if (IkeSa* sa = context.find(known->second)) return sa->receive(header, datagram, now);
  const auto malformed = [&](std::string_view kind, const std::string& why) {
    ++context.counters.malformed;
    context.log_limited(kind, datagram.remote.address, now,
                        "IKE_SA_INIT from " + datagram.remote.text() + ": " + why);
  };
  if (datagram.bytes.size() > kLargestInit) return malformed("init", "too long");
  const auto payloads = parse_payloads(header.next, Bytes(datagram.bytes).subspan(kHeaderBytes));
  if (!payloads) return malformed("init", payloads.error().what);
  if (payloads->unknown_critical) {
    malformed("critical", "unknown critical payload " + std::to_string(*payloads->unknown_critical));
    return answer_clear(header, datagram, NotifyType::kUnsupportedCriticalPayload,
                        Bytes(&*payloads->unknown_critical, 1));
  }
  if (!has_all(header, *payloads)) return malformed("init", "lacks payloads");
  if (too_many(context, datagram.remote.address)) {
    ++context.counters.ignored;
    return context.log_limited("half-open", IpAddress::any(Family::kV4), now,
                               "too many half-open IKE SAs: initiators are ignored");
  }
  if (context.half_open.size() >= context.settings.cookie_threshold &&
      !cookie_shown(*payloads, header, datagram, now))
    return;
  respond_to(header, *payloads, datagram, now);
}

void Endpoint::Impl::respond_to(const Header& header, const Payloads& payloads, const Datagram& datagram,
                                Now now) {
  std::vector<std::shared_ptr<const Connection>> candidates;
  for (const auto& c : context.connections)
    if (takes(*c, datagram)) candidates.push_back(c);
  if (candidates.empty()) {
    ++context.counters.no_proposal;
    context.log_limited("address", datagram.remote.address, now,
                        "no connection is for " + datagram.remote.text() + " at " + datagram.local.text());
    return answer_clear(header, datagram, NotifyType::kNoProposalChosen, {});
  }
  IkeSa& sa = context.add(std::make_unique<IkeSa>(context, IkeSaId{context.next_ike++}, Role::kResponder,
                                                  datagram.local, datagram.remote, now));
  init_request(sa, std::move(candidates), header, payloads, datagram.bytes, now);
}

// False: there is no good one; the initiator has been asked for one.
bool Endpoint::Impl::cookie_shown(const Payloads& p, const Header& header, const Datagram& datagram,
                                  Now now) {
  cookies_.renew(context.entropy, now);
  const IpAddress& from = datagram.remote.address;
  const Notify* n = p.find(NotifyType::kCookie);
  if (n != nullptr && cookies_.good(n->data, *p.nonce, from, header.spi_i)) return true;
  if (n != nullptr) ++context.counters.cookies_bad;
  ++context.counters.cookies_sent;
  answer_clear(header, datagram, NotifyType::kCookie, cookies_.make(*p.nonce, from, header.spi_i));
  return false;
}

void Endpoint::Impl::answer_clear(const Header& header, const Datagram& datagram, NotifyType type,
                                  Bytes data) {
  PayloadWriter out;
  out.notify(type, data);
  Header answer = header;
  answer.version = 0x20;
  // The flag tells the sender's role in the IKE SA (§3.1): ours is the opposite of the peer's.
  answer.flags = static_cast<std::uint8_t>(kFlagResponse | (header.initiator() ? 0 : kFlagInitiator));
  ++context.counters.sent;
  context.outputs.emplace_back(Datagram{datagram.local, datagram.remote, write_message(answer, out)});
}

}  // namespace simplon::ike
