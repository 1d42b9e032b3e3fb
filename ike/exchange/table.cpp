// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/table.h"

#include <algorithm>
#include <array>

#include "ike/exchange/auth.h"
#include "ike/exchange/create_child.h"
#include "ike/exchange/create_child_request.h"
#include "ike/exchange/informational.h"
#include "ike/exchange/init.h"
#include "ike/exchange/mobike.h"
#include "ike/exchange/reauthenticate.h"
#include "ike/exchange/redirect.h"
#include "ike/exchange/rekey.h"
#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

bool waits_for_auth(const IkeSa& sa) { return sa.authenticating() && !sa.initiator(); }
bool is_up(const IkeSa& sa) { return sa.established() || sa.deleting(); }
bool is_up_or_in_eap(const IkeSa& sa) {
  return is_up(sa) || (waits_for_auth(sa) && sa.handshake()->eap != nullptr);
}
bool never(const IkeSa&) { return false; }

struct Row {
  Exchange exchange{};
  bool (*takes_requests)(const IkeSa&);  // in this state of the IKE SA; else the request is malformed
  void (*request)(IkeSa&, const Payloads&, Now);
  void (*clear_response)(IkeSa&, const Header&, const Datagram&,
                         Now);  // of an exchange that is not encrypted
};

// The request of IKE_SA_INIT finds no IKE SA: the Endpoint takes it (ike/endpoint/half_open.cpp).
constexpr std::array kRows{
    Row{Exchange::kIkeSaInit, never, nullptr, init_response},
    Row{Exchange::kIkeAuth, waits_for_auth, auth_request, nullptr},
    Row{Exchange::kCreateChildSa, is_up, create_child_request, nullptr},
    Row{Exchange::kInformational, is_up_or_in_eap, informational_request, nullptr},
};

const Row* row_of(Exchange exchange) {
  const auto found = std::ranges::find(kRows, exchange, &Row::exchange);
  return found == kRows.end() ? nullptr : &*found;
}

void request(IkeSa& sa, const Payloads& payloads, Now now) {
  const Exchange exchange = sa.window().exchange();
  const Row* row = row_of(exchange);
  if (row == nullptr || !row->takes_requests(sa))
    return sa.respond_malformed(
        "a request of exchange type " + std::to_string(static_cast<unsigned>(exchange)), now);
  row->request(sa, payloads, now);
}

void clear_response(IkeSa& sa, const Header& header, const Datagram& datagram, Now now) {
  const Row* row = row_of(header.exchange);
  if (row != nullptr && row->clear_response != nullptr) row->clear_response(sa, header, datagram, now);
}

void run_task(IkeSa& sa, const Task& task, Now now) {
  std::visit([&](const auto& t) { run(sa, t, now); }, task);
}

OnResponse on_response(const std::optional<Task>& sent_for) {
  return sent_for ? informational_response(*sent_for) : OnResponse(create_child_response);
}

constexpr Exchanges kExchanges{
    .request = request, .clear_response = clear_response, .run = run_task, .on_response = on_response};

}  // namespace

const Exchanges& exchanges() { return kExchanges; }

}  // namespace simplon::ike
