// SPDX-License-Identifier: Apache-2.0
// The proof that nobody still reads what was replaced: quiescent-state-based reclamation by DPDK's
// rte_rcu_qsbr.
//
// Workers: online() before the first read, report() once a turn when they hold no reference, offline() before
// they leave. Control thread: start() after it published, passed() says whether every worker has reported
// since. Nobody ever waits.
#pragma once

#include <rte_rcu_qsbr.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace simplon::dp {

class Quiescence {
 public:
  using Token = std::uint64_t;

  explicit Quiescence(unsigned workers) : qsbr_(make(workers)) {
    for (unsigned i = 0; i < workers; ++i) rte_rcu_qsbr_thread_register(qsbr_.get(), i);
  }

  void online(unsigned worker) { rte_rcu_qsbr_thread_online(qsbr_.get(), worker); }
  void offline(unsigned worker) { rte_rcu_qsbr_thread_offline(qsbr_.get(), worker); }
  void report(unsigned worker) { rte_rcu_qsbr_quiescent(qsbr_.get(), worker); }

  Token start() { return rte_rcu_qsbr_start(qsbr_.get()); }
  bool passed(Token token) { return rte_rcu_qsbr_check(qsbr_.get(), token, false) == 1; }

 private:
  struct Free {
    void operator()(rte_rcu_qsbr* p) const { std::free(p); }
  };
  static std::unique_ptr<rte_rcu_qsbr, Free> make(unsigned workers) {
    const std::size_t bytes = rte_rcu_qsbr_get_memsize(workers);
    auto* raw = static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    rte_rcu_qsbr_init(raw, workers);
    return std::unique_ptr<rte_rcu_qsbr, Free>(raw);
  }

  std::unique_ptr<rte_rcu_qsbr, Free> qsbr_;
};

}  // namespace simplon::dp
