// SPDX-License-Identifier: Apache-2.0
// Preloaded into simplond by hot_path_test.sh: counts what workers must never do on a packet's way, from when
// the file WORKER_WATCH is there until it is gone, and then says so. A worker is a thread that DPDK named
// "rte-worker-N" (22.11) or "dpdk-workerN" (24.11). That the counting works is proved by a thread of such a
// name that allocates, frees and locks on purpose before the others are watched.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<unsigned long> allocations{0}, locks{0};
unsigned long control_allocations = 0, control_locks = 0;

std::atomic<bool> armed{false};
thread_local bool control = false;

// What a worker must not do, done on purpose.
void offend() {
  prctl(PR_SET_NAME, "rte-worker-own");
  control = true;
  void* volatile block = std::malloc(1);
  std::free(block);
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  control = false;
  control_allocations = allocations.exchange(0);
  control_locks = locks.exchange(0);
}

void* watch(void* path) {
  const auto is_there = [path] { return access(static_cast<const char*>(path), F_OK) == 0; };
  while (!is_there()) usleep(20'000);
  offend();
  armed = true;
  while (is_there()) usleep(20'000);
  armed = false;
  std::fprintf(stderr, "worker_watch: allocations %lu, locks %lu, control %lu and %lu\n", allocations.load(),
               locks.load(), control_allocations, control_locks);
  return nullptr;
}

bool in_worker() {
  if (!armed && !control) return false;
  static thread_local int known = -1;
  if (known == 1) return true;
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  known = std::strncmp(name, "rte-worker", 10) == 0 || std::strncmp(name, "dpdk-worker", 11) == 0 ? 1 : 0;
  return known == 1;
}

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

struct Watch {
  Watch() {
    pthread_t thread;
    if (char* path = std::getenv("WORKER_WATCH");
        path != nullptr && pthread_create(&thread, nullptr, watch, path) == 0)
      pthread_detach(thread);
  }
} start;

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t n) {
  if (in_worker()) ++allocations;
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t m) {
  if (in_worker()) ++allocations;
  return __libc_calloc(n, m);
}
void* realloc(void* p, std::size_t n) {
  if (in_worker()) ++allocations;
  return __libc_realloc(p, n);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t n) {
  if (in_worker()) ++allocations;
  *out = __libc_memalign(alignment, n);
  return *out == nullptr ? ENOMEM : 0;
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  if (in_worker()) ++allocations;
  return __libc_memalign(alignment, n);
}
void free(void* p) {
  if (in_worker()) ++allocations;
  __libc_free(p);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  if (in_worker()) ++locks;
  return real(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  static const auto real = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  if (in_worker()) ++locks;
  return real(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  static const auto real = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  if (in_worker()) ++locks;
  return real(lock);
}
}
