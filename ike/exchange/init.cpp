// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/init.h"

#include <algorithm>
#include <set>
#include <utility>

#include "ike/exchange/auth.h"
#include "ike/exchange/auth_parts.h"
#include "ike/exchange/redirect.h"
#include "ike/feature/feature.h"

namespace simplon::ike {
namespace {

constexpr unsigned kMostInits = 5;  // cookies and other groups that one attempt follows
constexpr MessageKind kRequest{Exchange::kIkeSaInit, false}, kResponse{Exchange::kIkeSaInit, true};

std::vector<Proposal> numbered(std::vector<Proposal> proposals) {
  std::uint8_t n = 0;
  for (Proposal& p : proposals) p.number = ++n;
  return proposals;
}

void derive(IkeSa& sa, Bytes shared) {
  const Handshake& h = *sa.handshake();
  sa.use_keys(derive_keys(sa.proposal(), shared, h.ni, h.nr, sa.spi_i(), sa.spi_r()));
}

// ---- initiator ----

void send_request(IkeSa& sa, Now now) {
  const Handshake& h = *sa.handshake();
  PayloadWriter out;
  if (!h.cookie.empty()) out.notify(NotifyType::kCookie, h.cookie);
  out.sa(numbered(sa.peer().proposals));
  out.ke(sa.group(), h.public_value);
  out.nonce(h.ni);
  offer(sa, kRequest, out);
  sa.request_in_clear(Exchange::kIkeSaInit, out, now);
}

// With a fresh key of the group that is wanted now. False: it has been begun too often.
bool begin(IkeSa& sa) {
  Handshake& h = *sa.handshake();
  if (++h.tries > kMostInits) return false;
  h.random = Secret(sa.context().entropy.bytes(kDhRandomBytes));
  sa.window().take_pending();
  sa.context().submit(sa.id(), DiffieHellman{sa.group(), h.random.clone(), {}},
                      [](IkeSa& waiting, const DhResult& result, Now now) {
                        waiting.handshake()->public_value = result.public_value;
                        send_request(waiting, now);
                      });
  return true;
}

// The responder wants a cookie; all else stays unchanged (§2.6).
void follow_cookie(IkeSa& sa, const Notify& notify, Now now) {
  Handshake& h = *sa.handshake();
  h.cookie = notify.data;
  if (h.cookie.empty() || h.cookie.size() > 64 || ++h.tries > kMostInits)
    return sa.end("the peer keeps asking for cookies", now);
  send_request(sa, now);
}

void follow_group(IkeSa& sa, DhGroup wanted, Now now) {
  if (wanted == sa.group()) return;  // a second copy of a response that we have followed
  const bool ours = std::ranges::any_of(sa.peer().proposals, [&](const Proposal& p) {
    return std::ranges::find(p.groups, wanted) != p.groups.end();
  });
  sa.log(LogLevel::kInfo, "the peer asks for key exchange " + std::to_string(static_cast<unsigned>(wanted)));
  sa.set_group(wanted);
  if (!ours || !begin(sa)) sa.end("the peer asks for a key exchange that we do not offer", now);
}

void accepted(IkeSa& sa, const Payloads& p, Bytes message, Now now) {
  if (!p.sa || p.sa->size() != 1 || !p.ke || !p.nonce || sa.spi_r() == 0)
    return sa.end("the peer's IKE_SA_INIT response lacks payloads", now);
  if (!(*p.sa)[0].spi.empty())  // §3.3.1
    return sa.end("the peer's IKE_SA_INIT response names an SPI in its proposal", now);
  if (!is_choice_of((*p.sa)[0], sa.peer().proposals))
    return sa.end("the peer chose what we did not offer: " + (*p.sa)[0].text(), now);
  // §1.2: the group that was chosen is that of both public values.
  if (DhGroup{p.ke->group} != sa.group() || group_of((*p.sa)[0]) != sa.group())
    return sa.end("the peer's key exchange is of another group", now);
  Handshake& h = *sa.handshake();
  h.nr = *p.nonce;
  h.init_response.assign(message.begin(), message.end());
  accept(sa, kResponse, p);
  sa.window().take_pending();
  sa.agreed(*choose(*p.sa, sa.peer().proposals));
  sa.context().submit(sa.id(), DiffieHellman{sa.group(), std::move(h.random), p.ke->data},
                      [](IkeSa& waiting, const DhResult& result, Now at) {
                        if (!result.ok) return waiting.end("the peer's public value is not valid", at);
                        derive(waiting, result.shared.bytes());
                        begin_auth(waiting, at);
                      });
}

// ---- responder ----

// Stateless: nothing is kept of a peer that we refuse.
void refuse(IkeSa& sa, const Header& header, NotifyType type, Bytes data, Now now) {
  PayloadWriter out;
  out.notify(type, data);
  Header answer = header;
  answer.flags = kFlagResponse;
  sa.send(write_message(answer, out));
  sa.close("refused", now);
}

// All proposals of the candidates: a thousand connections may say the same.
std::vector<Proposal> proposals_of(const std::vector<std::shared_ptr<const Connection>>& candidates) {
  std::vector<Proposal> all;
  for (const auto& c : candidates)
    for (const Proposal& p : c->proposals)
      if (std::ranges::find(all, p) == all.end()) all.push_back(p);
  return all;
}

// RFC 7296 §3.7: which authorities we believe, of all connections that the initiator may mean. No more of
// them than leave the message in one datagram: the others' certificates are believed as well.
constexpr std::size_t kMostRequested = 50 * 20;
void request_certificate(const IkeSa& sa, PayloadWriter& out) {
  std::set<const Trust*> seen;
  Buffer all;
  bool ocsp = false;
  for (const auto& c : sa.handshake()->candidates) {
    if (c->remote_auth != AuthKind::kPubkey || !c->trust || !seen.insert(c->trust.get()).second) continue;
    ocsp = ocsp || wants_ocsp(*c->trust);
    const Bytes more =
        Bytes(c->trust->request)
            .first(std::min(c->trust->request.size(), kMostRequested - std::min(kMostRequested, all.size())));
    all.insert(all.end(), more.begin(), more.end());
  }
  if (!all.empty()) out.certificate(PayloadType::kCertReq, CertEncoding::kX509, all);
  if (ocsp) out.certificate(PayloadType::kCertReq, CertEncoding::kOcsp, {});  // of any responder (RFC 4806)
}

void send_response(IkeSa& sa, const DhResult& result, Now now) {
  if (!result.ok) return sa.end("the initiator's public value is not valid", now);
  derive(sa, result.shared.bytes());
  PayloadWriter out;
  out.sa({sa.proposal()});
  out.ke(sa.group(), result.public_value);
  out.nonce(sa.handshake()->nr);
  request_certificate(sa, out);
  offer(sa, kResponse, out);
  sa.respond_in_clear(out);
}

}  // namespace

void initiate(IkeSa& sa, std::shared_ptr<const Connection> connection, std::vector<CreateChild> children,
              std::uint64_t ticket) {
  sa.belong_to(std::move(connection));
  Handshake& h = *sa.handshake();
  h.children = std::move(children);
  if (ticket != 0) h.tickets.push_back(ticket);
  // Without an address of our own we cannot hash it: to the peer that is a NAT, so it must be one to us.
  h.pretend_nat = sa.peer().force_encap || sa.path().local.address.is_unspecified();
  sa.set_group(sa.peer().proposals[0].groups[0]);
  h.ni = sa.context().entropy.bytes(kNonceBytes);
  sa.log(LogLevel::kInfo, "initiating to " + sa.path().remote.text());
  begin(sa);
}

bool begin_instead(IkeSa& sa, const IpAddress& local, const SocketAddress& remote, Now now,
                   const std::function<void(Handshake&)>& prepare) {
  Handshake& h = *sa.handshake();
  Context& context = sa.context();
  const auto connection = context.connection(sa.peer().name);
  if (!connection) return false;
  const Port port = remote.port == kNatTraversalPort ? kNatTraversalPort : kIkePort;
  IkeSa& next = context.add(std::make_unique<IkeSa>(context, IkeSaId{context.next_ike++}, Role::kInitiator,
                                                    SocketAddress{local, port}, remote, now));
  next.handshake()->tickets = std::exchange(h.tickets, {});
  next.handshake()->redirected_from = h.redirected_from;
  next.times().auth.in_place_of = std::exchange(sa.times().auth.in_place_of, {});
  prepare(*next.handshake());
  std::vector<CreateChild> children = std::exchange(h.children, {});
  if (const auto attempt = std::exchange(sa.children().attempt(), std::nullopt))
    children.insert(children.begin(),
                    {.child = attempt->config.name, .ticket = attempt->ticket, .packet = attempt->packet});
  for (auto& [task, not_before] : sa.tasks().take_all()) next.tasks().push_later(std::move(task), not_before);
  initiate(next, connection, std::move(children), 0);
  return true;
}

bool initiate_anew(IkeSa& sa, Now now) {
  if (sa.handshake()->cookie.empty() || sa.handshake()->anew) return false;
  if (!begin_instead(sa, sa.path().local.address, sa.first_remote(), now,
                     [](Handshake& h) { h.anew = true; }))
    return false;
  sa.log(LogLevel::kInfo, "the peer refuses us after it asked for a cookie: once more");
  sa.close("begun anew", now);
  return true;
}

void init_response(IkeSa& sa, const Header& header, const Datagram& datagram, Now now) {
  const auto parsed = parse_payloads(header.next, Bytes(datagram.bytes).subspan(kHeaderBytes));
  if (!parsed) {
    ++sa.context().counters.malformed;
    return sa.context().log_limited(
        "init", datagram.remote.address, now,
        "IKE_SA_INIT response from " + datagram.remote.text() + ": " + parsed.error().what);
  }
  if (parsed->unknown_critical) {  // §2.5; in clear, so it may be anybody's: the true response may follow
    ++sa.context().counters.malformed;
    return sa.context().log_limited("critical", datagram.remote.address, now,
                                    "IKE_SA_INIT response from " + datagram.remote.text() +
                                        ": unknown critical payload " +
                                        std::to_string(*parsed->unknown_critical));
  }
  if (const Notify* n = parsed->find(NotifyType::kRedirect)) return redirected_in_init(sa, *n, datagram, now);
  if (const Notify* n = parsed->find(NotifyType::kCookie)) return follow_cookie(sa, *n, now);
  if (const Notify* n = parsed->find(NotifyType::kInvalidKePayload); n && n->data.size() == 2)
    return follow_group(sa, DhGroup{load_be16(n->data.data())}, now);
  if (const Notify* n = parsed->error()) {
    if (n->type == NotifyType::kNoProposalChosen) ++sa.context().counters.no_proposal;
    return sa.end("the peer refuses: " + name(n->type) + "; we offered " + text(sa.peer().proposals), now);
  }
  sa.set_spi_r(header.spi_r);
  if (sa.path().local.address.is_unspecified()) sa.path().local.address = datagram.local.address;
  accepted(sa, *parsed, datagram.bytes, now);
}

void init_request(IkeSa& sa, std::vector<std::shared_ptr<const Connection>> candidates, const Header& header,
                  const Payloads& p, Bytes message, Now now) {
  Context& context = sa.context();
  sa.set_spi_i(header.spi_i);
  const std::vector<Proposal> ours = proposals_of(candidates);
  // §3.3.1: of an IKE SA that is new the header names the SPI, and no proposal.
  std::vector<Proposal> offered = *p.sa;
  const bool with_spi = std::erase_if(offered, [](const Proposal& o) { return !o.spi.empty(); }) != 0;
  const auto proposal = choose(offered, ours);
  if (!proposal) {
    ++context.counters.no_proposal;
    context.log_limited("proposal", sa.path().remote.address, now, [&] {
      return "no proposal of " + sa.path().remote.text() + " fits: " + why_not(offered, ours) +
             (with_spi ? "; some name an SPI, which IKE_SA_INIT must not" : "");
    });
    return refuse(sa, header, NotifyType::kNoProposalChosen, {}, now);
  }
  sa.set_group(proposal->groups[0]);
  if (DhGroup{p.ke->group} != sa.group()) {
    Writer group;
    group.be16(static_cast<std::uint16_t>(sa.group()));
    return refuse(sa, header, NotifyType::kInvalidKePayload, group.view(), now);
  }
  if (p.ke->data.size() != public_bytes(sa.group())) {
    ++context.counters.malformed;
    context.log_limited("ke", sa.path().remote.address, now,
                        "IKE_SA_INIT from " + sa.path().remote.text() + ": a public value of another length");
    return refuse(sa, header, NotifyType::kInvalidSyntax, {}, now);
  }
  Handshake& h = *sa.handshake();
  h.candidates = std::move(candidates);
  // The peer is not known before IKE_AUTH. A pretended NAT does no harm where it was not configured.
  h.pretend_nat = std::ranges::any_of(h.candidates, [](const auto& c) { return c->force_encap; });
  h.init_request.assign(message.begin(), message.end());
  h.ni = *p.nonce;
  h.nr = context.entropy.bytes(kNonceBytes);
  accept(sa, kRequest, p);
  sa.agreed(*proposal);
  sa.window().begin(message, Exchange::kIkeSaInit);
  context.half_open.add(sa.id(), sa.first_remote().address);
  context.by_initiator[{sa.spi_i(), sa.first_remote()}] = sa.id();
  context.submit(sa.id(),
                 DiffieHellman{sa.group(), Secret(context.entropy.bytes(kDhRandomBytes)), p.ke->data},
                 send_response);
}

}  // namespace simplon::ike
