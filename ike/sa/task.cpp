// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/task.h"

#include <algorithm>
#include <utility>

namespace simplon::ike {

std::uint64_t ticket_of(const Task& task) {
  const auto ticket = [](const auto& t) -> std::uint64_t {
    if constexpr (requires { t.ticket; }) return t.ticket;
    return 0;
  };
  return std::visit(ticket, task);
}

void TaskQueue::push(Task task) { tasks_.push_back({std::move(task)}); }

void TaskQueue::push_first(Task task) { tasks_.push_front({std::move(task)}); }

void TaskQueue::push_later(Task task, Now not_before) { tasks_.push_back({std::move(task), not_before}); }

void TaskQueue::push_all_first(std::vector<CreateChild> children) {
  for (auto child = children.rbegin(); child != children.rend(); ++child) push_first(std::move(*child));
}

std::optional<Task> TaskQueue::take(Now now) {
  const auto first =
      std::ranges::find_if(tasks_, [&](const Waiting& waiting) { return waiting.not_before <= now; });
  if (first == tasks_.end()) return std::nullopt;
  Task task = std::move(first->task);
  tasks_.erase(first);
  return task;
}

std::deque<TaskQueue::Waiting> TaskQueue::take_all() { return std::exchange(tasks_, {}); }

std::optional<Now> TaskQueue::deadline() const {
  const auto next = std::ranges::min_element(tasks_, {}, &Waiting::not_before);
  return next == tasks_.end() ? std::nullopt : std::optional(next->not_before);
}

std::size_t TaskQueue::count(std::string_view child) const {
  return static_cast<std::size_t>(std::ranges::count_if(tasks_, [&](const Waiting& waiting) {
    const auto* create = std::get_if<CreateChild>(&waiting.task);
    return create != nullptr && create->child == child;
  }));
}

bool TaskQueue::creates_for(std::string_view child, const Selectors& packet, std::uint8_t dscp_class) const {
  return std::ranges::any_of(tasks_, [&](const Waiting& waiting) {
    const auto* create = std::get_if<CreateChild>(&waiting.task);
    return create != nullptr && create->child == child && create->packet == packet &&
           create->dscp_class == dscp_class;
  });
}

bool TaskQueue::creates(std::string_view child) const {
  return std::ranges::any_of(tasks_, [&](const Waiting& waiting) {
    const auto* create = std::get_if<CreateChild>(&waiting.task);
    return create != nullptr && create->child == child && create->dscp_class == 0;
  });
}

void TaskQueue::retarget_deletes(ChildSaId from, ChildSaId to) {
  for (Waiting& waiting : tasks_)
    if (auto* del = std::get_if<DeleteChild>(&waiting.task); del != nullptr && del->id == from) del->id = to;
}

void TaskQueue::cancel_delete(ChildSaId child) {
  std::erase_if(tasks_, [&](const Waiting& waiting) {
    const auto* del = std::get_if<DeleteChild>(&waiting.task);
    return del != nullptr && del->id == child && del->ticket == 0;
  });
}

}  // namespace simplon::ike
