// SPDX-License-Identifier: Apache-2.0
// What is due when, the earliest first: a pairing heap whose links stand in the nodes, so that nothing is
// allocated. A look at the first costs a comparison, however many wait. One thread.
#pragma once

#include <cstdint>
#include <utility>

namespace simplon::dp {

struct DueNode {
  std::uint64_t due = 0;
  bool queued = false;
  // For DueQueue alone: `before` is the sibling before it, of the first the parent.
  DueNode *child = nullptr, *next_sibling = nullptr, *before = nullptr;
};

class DueQueue {
 public:
  bool empty() const { return root_ == nullptr; }
  // When the first is due; the end of time if there is none.
  std::uint64_t first() const { return root_ == nullptr ? ~std::uint64_t{0} : root_->due; }

  // Whether it is queued already or not.
  void put(DueNode& node, std::uint64_t due) {
    remove(node);
    node.due = due;
    node.queued = true;
    root_ = root_ == nullptr ? &node : meld(root_, &node);
  }
  void remove(DueNode& node) {
    if (!std::exchange(node.queued, false)) return;
    DueNode* const rest = meld_all(std::exchange(node.child, nullptr));
    if (root_ == &node) {
      root_ = rest;
      return;
    }
    cut(node);
    if (rest != nullptr) root_ = meld(root_, rest);
  }
  // The first, if it is due by now; it is queued no more. Null: none is.
  DueNode* take(std::uint64_t now) {
    if (root_ == nullptr || root_->due > now) return nullptr;
    DueNode* const node = root_;
    remove(*node);
    return node;
  }

 private:
  static DueNode* meld(DueNode* a, DueNode* b) {
    if (b->due < a->due) std::swap(a, b);
    b->before = a;
    b->next_sibling = a->child;
    if (a->child != nullptr) a->child->before = b;
    a->child = b;
    a->next_sibling = a->before = nullptr;
    return a;
  }
  // In pairs from the left, then all pairs from the right.
  static DueNode* meld_all(DueNode* first) {
    DueNode* pairs = nullptr;
    while (first != nullptr) {
      DueNode *a = first, *b = a->next_sibling;
      first = b == nullptr ? nullptr : b->next_sibling;
      a->next_sibling = a->before = nullptr;
      if (b != nullptr) {
        b->next_sibling = b->before = nullptr;
        a = meld(a, b);
      }
      a->next_sibling = pairs;
      pairs = a;
    }
    DueNode* all = nullptr;
    while (pairs != nullptr) {
      DueNode* const one = pairs;
      pairs = one->next_sibling;
      one->next_sibling = nullptr;
      all = all == nullptr ? one : meld(all, one);
    }
    return all;
  }
  static void cut(DueNode& node) {
    if (node.before->child == &node)
      node.before->child = node.next_sibling;
    else
      node.before->next_sibling = node.next_sibling;
    if (node.next_sibling != nullptr) node.next_sibling->before = node.before;
    node.next_sibling = node.before = nullptr;
  }

  DueNode* root_ = nullptr;
};

}  // namespace simplon::dp
