// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/redirect.h"

#include <algorithm>

#include "ike/exchange/informational.h"
#include "ike/exchange/init.h"
#include "ike/message/redirect.h"

namespace simplon::ike {
namespace {

// Where we go. The error says why we do not.
Result<IpAddress> allowed(const IkeSa& sa, const std::optional<Redirect>& to, Now now) {
  if (!to) return fail("its REDIRECT is malformed");
  if (!to->gateway) return fail("it redirects us to a gateway by name, which we do not resolve");
  const IpAddress& gateway = *to->gateway;
  if (gateway.is_unspecified() || !sa.peer().may_be_at(gateway))
    return fail("it redirects us to " + gateway.text() + ", which is not among remote_addrs");
  if (!local_address_for(sa, gateway))
    return fail("it redirects us to " + gateway.text() + ", and we have no local address of that family");
  if (!sa.context().redirects.allow(sa.peer().name, now))
    return fail("it redirects us to " + gateway.text() + ", and we were redirected too often lately");
  return gateway;
}

// `sa` ends, and the new IKE SA does what it was to do.
void go_to(IkeSa& sa, const IpAddress& gateway, Now now) {
  sa.log(LogLevel::kInfo, "the peer redirects us to " + gateway.text());
  const IpAddress from = sa.path().remote.address;
  if (begin_instead(sa, *local_address_for(sa, gateway), {gateway, sa.peer().remote_port}, now,
                    [&](Handshake& h) { h.redirected_from = from; }))
    sa.close("redirected", now);
  else
    sa.end("the peer redirects us, but the connection is gone", now);
}

}  // namespace

std::optional<IpAddress> local_address_for(const IkeSa& sa, const IpAddress& remote) {
  const IpAddress& has = sa.path().local.address;
  if (has.family() == remote.family()) return has;
  const auto& ours = sa.peer().local_addrs;
  if (ours.empty()) return IpAddress::any(remote.family());
  const auto one = std::ranges::find(ours, remote.family(), &IpAddress::family);
  return one == ours.end() ? std::nullopt : std::optional(*one);
}

void redirected_in_init(IkeSa& sa, const Notify& n, const Datagram& datagram, Now now) {
  const auto to = parse_redirect(n.data);
  // Who has not seen our request cannot send us away (§3): the true response may follow.
  if (!to || to->nonce != sa.handshake()->ni) {
    ++sa.context().counters.malformed;
    return sa.context().log_limited("redirect", datagram.remote.address, now,
                                    "REDIRECT from " + datagram.remote.text() + " has not our nonce");
  }
  const auto gateway = allowed(sa, to, now);
  if (!gateway) return sa.end("the peer does not serve us: " + gateway.error().what, now);
  go_to(sa, *gateway, now);
}

bool redirected_in_auth(IkeSa& sa, const Payloads& p, Now now) {
  const Notify* n = p.find(NotifyType::kRedirect);
  if (n == nullptr) return false;
  const auto gateway = allowed(sa, parse_redirect(n->data), now);
  sa.delete_without_waiting(std::nullopt, now);
  if (gateway)
    go_to(sa, *gateway, now);
  else
    sa.end("the peer does not serve us: " + gateway.error().what, now);
  return true;
}

void redirected_later(IkeSa& sa, const Payloads& p, Now now) {
  const Notify* n = p.find(NotifyType::kRedirect);
  // It is for who initiated, and who said that it understands it.
  if (n == nullptr || !sa.times().auth.ours || !sa.serving()) return;
  const auto gateway = allowed(sa, parse_redirect(n->data), now);
  if (!gateway) return sa.log(LogLevel::kWarning, "the peer's REDIRECT is refused: " + gateway.error().what);
  sa.log(LogLevel::kInfo, "the peer redirects us to " + gateway->text());
  sa.tasks().push_first(Reauthenticate{*gateway});
}

void run(IkeSa& sa, const TellRedirect& task, Now now) {
  sa.log(LogLevel::kInfo, "the peer is redirected to " + task.to);
  const auto address = IpAddress::parse(task.to);
  PayloadWriter out;
  out.notify(NotifyType::kRedirect, address ? redirect_data(*address) : redirect_data(task.to));
  sa.request(Exchange::kInformational, out, informational_response(task), now, task);
}

}  // namespace simplon::ike
