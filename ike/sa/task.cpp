// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/task.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace simplon::ike {

std::uint64_t ticket_of(const Task& task) {
  const auto ticket = [](const auto& t) -> std::uint64_t {
    if constexpr (requires { t.ticket; }) return t.ticket;
    return 0;
  };
  return std::visit(ticket, task);
}

void TaskQueue::push_all_first(std::vector<CreateChild> children) {
  tasks_.insert(tasks_.begin(), std::make_move_iterator(children.begin()),
                std::make_move_iterator(children.end()));
}

Task TaskQueue::take() {
  Task first = std::move(tasks_.front());
  tasks_.pop_front();
  return first;
}

std::deque<Task> TaskQueue::take_all() { return std::exchange(tasks_, {}); }

bool TaskQueue::creates(std::string_view child) const {
  return std::ranges::any_of(tasks_, [&](const Task& task) {
    const auto* create = std::get_if<CreateChild>(&task);
    return create != nullptr && create->child == child;
  });
}

void TaskQueue::retarget_deletes(ChildSaId from, ChildSaId to) {
  for (Task& task : tasks_)
    if (auto* del = std::get_if<DeleteChild>(&task); del != nullptr && del->id == from) del->id = to;
}

void TaskQueue::cancel_delete(ChildSaId child) {
  std::erase_if(tasks_, [&](const Task& task) {
    const auto* del = std::get_if<DeleteChild>(&task);
    return del != nullptr && del->id == child && del->ticket == 0;
  });
}

}  // namespace simplon::ike
