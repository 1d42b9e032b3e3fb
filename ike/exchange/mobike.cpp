// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/mobike.h"

#include <algorithm>

#include "ike/exchange/informational.h"
#include "ike/feature/mobike.h"
#include "ike/feature/natd.h"

namespace simplon::ike {
namespace {

constexpr std::size_t kCookieBytes = 16, kLeastCookie = 8, kMostCookie = 64;  // RFC 4555 §4.2.5

// RFC 4555 §4.2.6: what the peer's packet had when it left, and has still unless a NAT changed it.
Buffer unchanged(const IkeSa& sa) {
  const SocketAddress &from = sa.asked_from(), &to = sa.asked_at();
  Writer out;
  out.bytes(from.address.bytes());
  out.bytes(to.address.bytes());
  out.be16(static_cast<std::uint16_t>(from.port));
  out.be16(static_cast<std::uint16_t>(to.port));
  return out.take();
}

bool acceptable(const IkeSa& sa) {
  const IpAddress &ours = sa.asked_at().address, &theirs = sa.asked_from().address;
  const auto& locals = sa.peer().local_addrs;
  return theirs.family() == sa.path().remote.address.family() && sa.peer().may_be_at(theirs) &&
         (locals.empty() || std::ranges::find(locals, ours) != locals.end());
}

void copy_cookie(const Payloads& p, PayloadWriter& out) {
  const Notify* n = p.find(NotifyType::kCookie2);
  if (n != nullptr && n->data.size() >= kLeastCookie && n->data.size() <= kMostCookie)
    out.notify(NotifyType::kCookie2, n->data);
}

// RFC 4555 §3.5: who asked, and what its addresses are, is known: the request is authentic and new.
void update(IkeSa& sa, const Payloads& p, PayloadWriter& out, Now now) {
  if (!acceptable(sa)) {
    sa.log(LogLevel::kWarning, "the peer wants to move to " + sa.asked_from().text() +
                                   ", where it must not be by the configuration, or to another family");
    return out.notify(NotifyType::kUnacceptableAddresses);
  }
  const bool elsewhere = sa.asked_from() != sa.path().remote;
  sa.go_to(sa.asked_at(), sa.asked_from(), now);
  compare_addresses(sa, sa.spi_r(), p);
  sa.move_children(now);
  if (elsewhere && !sa.tasks().has<CheckAddress>()) sa.tasks().push_first(CheckAddress{});
}

}  // namespace

void run(IkeSa& sa, const UpdateAddresses& task, Now now) {
  const Path& path = sa.path();
  PayloadWriter out;
  out.notify(NotifyType::kUpdateSaAddresses);
  if (path.nat_traversal) say_addresses(sa, sa.spi_r(), path.local, path.remote, path.forced, out);
  sa.request(Exchange::kInformational, out, informational_response(task), now, task);
}

void run(IkeSa& sa, const CheckAddress&, Now now) {
  const CheckAddress task{sa.context().entropy.bytes(kCookieBytes)};
  PayloadWriter out;
  out.notify(NotifyType::kCookie2, task.cookie);
  sa.request(Exchange::kInformational, out, informational_response(task), now, task);
}

// §3.6: the whole list, which takes the place of the one before. It is the list of now.
void run(IkeSa& sa, const TellAddresses& task, Now now) {
  PayloadWriter out;
  say_all_others(sa, out);
  sa.request(Exchange::kInformational, out, informational_response(task), now, task);
}

// A later move asks anew; and of a replaced IKE SA the successor does.
void done(IkeSa& sa, const UpdateAddresses&, const Payloads& p, Now now) {
  if (sa.replaced() || sa.tasks().has<UpdateAddresses>()) return;
  if (const Notify* n = p.error()) {
    sa.log(LogLevel::kWarning,
           "the peer does not take us at " + sa.path().local.text() + ": " + name(n->type));
    if (sa.try_another_path(now)) return;
    sa.delete_without_waiting(std::nullopt, now);
    return sa.end("there is no address where the peer takes us", now);
  }
  sa.path_works();
  compare_addresses(sa, sa.spi_r(), p);
  sa.move_children(now);
  sa.log(LogLevel::kInfo,
         "the peer knows that we are at " + sa.path().local.text() + (sa.path().nat() ? ", ESP in UDP" : ""));
}

// RFC 4555 §3.7: who answers with another one has not got our request.
void done(IkeSa& sa, const CheckAddress& task, const Payloads& p, Now now) {
  const Notify* n = p.find(NotifyType::kCookie2);
  if (sa.replaced() || (n != nullptr && n->data == task.cookie)) return;
  sa.delete_without_waiting(std::nullopt, now);
  sa.end("the peer at " + sa.path().remote.text() + " does not give our COOKIE2 back", now);
}

bool meets_forbidden_nat(const IkeSa& sa, const Payloads& p) {
  const Notify* fixed = p.find(NotifyType::kNoNatsAllowed);
  if (fixed == nullptr || fixed->data == unchanged(sa)) return false;
  sa.log(LogLevel::kWarning, "there is a NAT before " + sa.asked_from().text() + ", which the peer forbids");
  return true;
}

void answer_addresses(IkeSa& sa, const Payloads& p, PayloadWriter& out, Now now) {
  const Path& path = sa.path();
  if (!path.mobike || sa.dead()) return;
  copy_cookie(p, out);
  if (meets_forbidden_nat(sa, p)) return out.notify(NotifyType::kUnexpectedNatDetected);  // §3.9
  if (p.find(NotifyType::kUpdateSaAddresses) && !path.first_initiator) update(sa, p, out, now);
  // §3.8: also without a move, to who asks.
  if (path.nat_traversal && p.find(NotifyType::kNatDetectionSourceIp))
    say_addresses(sa, sa.spi_r(), sa.asked_at(), sa.asked_from(), path.forced, out);
}

}  // namespace simplon::ike
