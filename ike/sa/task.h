// SPDX-License-Identifier: Apache-2.0
// What an IKE SA has still to do, in its order. Our window is one request at a time (RFC 7296 §2.3), so
// whatever else there is to do waits here until the request that is under way is answered.
//
// A queue belongs to one IKE SA; when that is rekeyed the successor takes the tasks over. `ticket` says who
// waits for the end of a task (0: nobody): whoever takes a task out must see to it that Finished comes of it.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dp/base/bytes.h"
#include "dp/base/sa_spec.h"
#include "ike/sa/outputs.h"

namespace simplon::ike {

struct CreateChild {
  std::string child;
  std::uint64_t ticket = 0;
  std::optional<Selectors> packet =
      {};                         // that triggered this child (§2.9), or of class 0 the first selectors
  bool unless_up = false;         // one that is up is as good; without a ticket always
  unsigned refused = 0;           // as below
  std::uint8_t dscp_class = 0;    // of our traffic that it is for
  bool other_half_asked = false;  // of a bundle: for the half that is made before it
};
struct RekeyChild {
  ChildSaId id{};
  std::uint64_t ticket = 0;
  unsigned refused = 0;  // how often the peer was in the middle of something (§2.25)
};
struct RekeyIke {
  std::uint64_t ticket = 0;
  unsigned refused = 0;
};
struct DeleteChild {
  ChildSaId id{};
  std::uint64_t ticket = 0;
  bool replaced = false;  // by another one, when the request was sent
};
// Of a child that the peer has made and we have not: what it chose cannot be installed (§2.21.3).
struct DeleteUnmade {
  IpsecProtocol protocol{};
  Spi spi{};  // that we would have received with
};
struct DeleteIke {
  std::uint64_t ticket = 0;
};
// A packet that came through the inbound SA of this SPI is outside its selectors; its start (§3.10.1).
struct TellSelectors {
  IpsecProtocol protocol{};
  Spi spi{};
  Buffer packet;
};
// Tells the peer between which addresses all goes from now on: those of the request (RFC 4555 §3.5).
struct UpdateAddresses {};
// Asks whether the peer gets what is sent to where it says that it is (RFC 4555 §3.7).
struct CheckAddress {
  Buffer cookie;  // that it has to give back; empty before the request is made
};
// Tells the peer where we are as well (RFC 4555 §3.6).
struct TellAddresses {};
struct Liveness {};  // asks whether the peer lives (§2.4)
// A new IKE SA from scratch, in the place of this one (§2.8.3).
struct Reauthenticate {
  std::optional<IpAddress> at;  // there; none: where the peer is
};
// The peer is to make its IKE SA at this gateway (RFC 5685 §5).
struct TellRedirect {
  std::string to;  // its address, or its name
};
using Task =
    std::variant<CreateChild, RekeyChild, RekeyIke, DeleteChild, DeleteUnmade, DeleteIke, TellSelectors,
                 UpdateAddresses, CheckAddress, Liveness, Reauthenticate, TellRedirect, TellAddresses>;

std::uint64_t ticket_of(const Task& task);

struct Child;
struct Attempt;
// What asks for one like this, which goes.
CreateChild another_like(const Child& child);
// What the attempt was made for; `refused`: how often so far.
Task again_for(const Attempt& attempt, unsigned refused);

class TaskQueue {
 public:
  struct Waiting {
    Task task;
    Now not_before{};
  };

  bool empty() const { return tasks_.empty(); }
  void push(Task task);
  void push_first(Task task);
  void push_later(Task task, Now not_before);
  void push_all_first(std::vector<CreateChild> children);  // in their order
  std::optional<Task> take(Now now);                       // the first that may begin
  std::deque<Waiting> take_all();                          // in their order; the times are for push_later()
  const std::deque<Waiting>& waiting() const { return tasks_; }
  std::optional<Now> deadline() const;  // when the next one may begin; perhaps it may already

  template <class T>
  bool has() const {
    return std::ranges::any_of(
        tasks_, [](const Waiting& waiting) { return std::holds_alternative<T>(waiting.task); });
  }
  // A CreateChild of this name waits,
  bool creates(std::string_view child) const;  // of class 0
  bool creates_for(std::string_view child, const Selectors& packet, std::uint8_t dscp_class) const;
  std::size_t count(std::string_view child) const;  // or how many do
  // Whoever wants the child `from` deleted means the child `to` from now on.
  void retarget_deletes(ChildSaId from, ChildSaId to);
  void cancel_delete(ChildSaId child);  // unless somebody waits for it

 private:
  std::deque<Waiting> tasks_;
};

}  // namespace simplon::ike
