// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/reauthentication.h"

#include <algorithm>
#include <utility>

#include "ike/sa/simultaneous.h"

namespace simplon::ike {
namespace {

std::string number(const IkeSa& sa) { return "#" + std::to_string(static_cast<unsigned>(sa.id())); }

// Of class 0: SAs of the other classes follow it by themselves.
bool moves(const Child& child) { return child.up() && child.dscp_class == 0; }

bool has(const IkeSa& sa, const CreateChild& wanted) {
  return wanted.packet ? sa.children().covers(wanted.child, *wanted.packet) : sa.children().up(wanted.child);
}

void give_up(IkeSa& sa, const IkeSa& old, const std::string& child, Now now) {
  sa.log(LogLevel::kWarning, "reauthentication failed: there is no child " + child + " in the new IKE SA; " +
                                 number(old) + " stays");
  sa.times().auth.in_place_of = {};
  sa.mark(End::kClosing);
  sa.add_task(DeleteIke{}, now);
}

void replace(IkeSa& sa, IkeSa& old, Now now) {
  sa.log(LogLevel::kInfo, "reauthenticated, replaces " + number(old));
  sa.times().auth.in_place_of = {};
  old.mark(End::kClosing);
  hand_over_tasks(old, sa);
  sa.context().touched.insert(old.id());
  old.add_task(DeleteIke{}, now);
}

}  // namespace

IkeSa* made_in_place_of(const IkeSa& old) {
  const auto all = old.context().of(old.peer().name);
  const auto found = std::ranges::find_if(
      all, [&](const IkeSa* sa) { return sa->times().auth.in_place_of == old.id() && sa->serving(); });
  return found == all.end() ? nullptr : *found;
}

std::vector<CreateChild> children_to_make(const IkeSa& old) {
  std::vector<CreateChild> out;
  out.reserve(old.children().all().size());
  for (const auto& [id, child] : old.children().all()) {
    if (!moves(child)) continue;
    if (child.config.pfp.any())
      out.push_back(another_like(child));
    else if (std::ranges::find(out, child.config.name, &CreateChild::child) == out.end())
      out.push_back({.child = child.config.name});
  }
  return out;
}

bool take_place(IkeSa& sa, Now now) {
  AuthenticationLife& auth = sa.times().auth;
  if (auth.in_place_of == IkeSaId{} || sa.replaced() || sa.ending() >= End::kClosing) return false;
  IkeSa* const old = sa.context().find(auth.in_place_of);
  if (old == nullptr || old->dead() || !old->serving()) {
    auth.in_place_of = {};
    return false;
  }
  std::vector<CreateChild> missing = children_to_make(*old);
  std::erase_if(missing, [&](const CreateChild& wanted) { return has(sa, wanted); });
  if (missing.empty()) return replace(sa, *old, now), true;
  const auto lost = std::ranges::find_if_not(missing, [&](const CreateChild& wanted) {
    return wanted.packet ? sa.children().asks_for(wanted.child, *wanted.packet) : sa.has_child(wanted.child);
  });
  if (lost == missing.end()) return false;  // it is on its way
  if (auth.asked_again) return give_up(sa, *old, lost->child, now), true;
  auth.asked_again = true;
  for (CreateChild& child : missing) sa.tasks().push(std::move(child));
  return true;
}

void hand_over_place(IkeSa& sa, IkeSa& other) {
  if (const IkeSaId old = std::exchange(sa.times().auth.in_place_of, {}); old != other.id())
    if (old != IkeSaId{}) other.times().auth.in_place_of = old;
}

// Of a reauthentication the other of the two IKE SAs goes on with the same.
void IkeSa::release_inner_addresses() {
  const auto other_with = [&](auto inner) {
    const auto all = connection_ ? context_.of(connection_->name) : std::vector<IkeSa*>{};
    const auto found = std::ranges::find_if(all, [&](const IkeSa* other) {
      return other != this && other->established() && !other->replaced() && other->remote_id_ == remote_id_ &&
             !(other->path_.*inner).empty();
    });
    return found == all.end() ? nullptr : *found;
  };
  const IkeSa* const holder = replaced() ? nullptr : other_with(&Path::inner_remote);
  if (holder != nullptr && holder->path_.inner_remote == path_.inner_remote)
    context_.leases.hand_over(id_, holder->id_);
  else
    context_.leases.release(id_);
  if (replaced() || times_.established == Now{} || path_.inner_local.empty())
    return;  // else it has told none
  if (const IkeSa* const user = other_with(&Path::inner_local); user != nullptr)
    user->tell_inner_addresses();
  else
    context_.outputs.emplace_back(InnerAddresses{connection_->name, {}});
}

}  // namespace simplon::ike
