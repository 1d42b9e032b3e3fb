// SPDX-License-Identifier: Apache-2.0
#include "ike/exchange/reauthenticate.h"

#include <memory>
#include <utility>

#include "ike/exchange/init.h"
#include "ike/exchange/redirect.h"
#include "ike/sa/reauthentication.h"

namespace simplon::ike {

void run(IkeSa& sa, const Reauthenticate& task, Now now) {
  Context& context = sa.context();
  const auto connection = context.connection(sa.peer().name);
  if (!connection || !sa.serving() || made_in_place_of(sa) != nullptr) return;
  const IpAddress remote = task.at.value_or(sa.path().remote.address);
  const auto local = local_address_for(sa, remote);
  if (!local) return;
  const Port port = connection->remote_port == kNatTraversalPort ? kNatTraversalPort : kIkePort;
  IkeSa& next = context.add(std::make_unique<IkeSa>(context, IkeSaId{context.next_ike++}, Role::kInitiator,
                                                    SocketAddress{*local, port},
                                                    SocketAddress{remote, connection->remote_port}, now));
  next.times().auth.in_place_of = sa.id();
  if (task.at) next.handshake()->redirected_from = sa.path().remote.address;
  sa.log(LogLevel::kInfo, "reauthentication begins");
  initiate(next, connection, children_to_make(sa), 0);
}

}  // namespace simplon::ike
