// SIMULATED. A stand-in for Huawei's libhccl, over the stand-in for its runtime beside it: ranks are threads or processes of one machine, and what
// they add up passes through a file that all of them map. It says nothing about what cards can do, how fast, or in which order they add; here it is
// the order of ranks.
//
// What it does check: a tensor lies on the device that was current when its rank joined, which is also current now; ranks sum as many values as
// each other; nothing is copied to or from the host (the copies count as within the device).
//
// Environment: SIMULATED_HCCL_FAULT, "HcclAllReduce:3:9@1" = the third such call of rank 1 gives 9 (HcclGetRootInfo's is rank 0). For ranks that wait
// for one with a fault, time has run out at once.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

// Vendor result codes.
enum { OK = 0, WRONG_PARAMETER = 1, NULL_POINTER = 2, FAILED = 4, TIME_OUT = 9, NO_FILE = 10, RUNTIME_FAILED = 15 };
enum { FP32 = 4, SUM = 0, ON_DEVICE = 3 };
static const size_t root_info_bytes = 4108, chunk = 1 << 18; // values

static const char* env(const char* name, const char* otherwise) {
  const char* v = getenv(name);
  return v && *v ? v : otherwise;
}

// ---- faults ----

static int fault(const char* call, int rank) {
  static std::mutex mu;
  static std::string of; // what is counted
  static std::map<std::pair<std::string, int>, int> calls;
  std::lock_guard<std::mutex> l(mu);
  const char* wanted = env("SIMULATED_HCCL_FAULT", "");
  if (of != wanted) of = wanted, calls.clear();
  int n = ++calls[{call, rank}];
  char name[64];
  int nth, code, who;
  if (sscanf(wanted, "%63[^:]:%d:%d@%d", name, &nth, &code, &who) == 4 && !strcmp(name, call) && nth == n && who == rank) return code;
  return OK;
}

// ---- where ranks meet ----

struct Meeting {
  std::atomic<uint64_t> arrived; // ranks at the current and all earlier meetings
  std::atomic<uint64_t> lengths; // of the current sum, of all ranks together
  std::atomic<int> faults;
};
static const size_t page = 4096;

struct Comm {
  uint32_t rank, size;
  int device;
  uint64_t round;
  Meeting* meeting; // and behind it, a chunk for each rank
  size_t bytes;
  float* values(uint32_t r) { return (float*)((char*)meeting + page) + r * chunk; }

  int meet() {
    meeting->arrived++;
    uint64_t all = ++round * size;
    auto end = std::chrono::steady_clock::now() + std::chrono::minutes(10);
    while (meeting->arrived < all) {
      if (meeting->faults || std::chrono::steady_clock::now() > end) return TIME_OUT;
      usleep(50);
    }
    return OK;
  }
};

// ---- the stand-in for the runtime ----

static struct {
  int (*get_device)(int32_t*);
  int (*copy)(void*, size_t, const void*, size_t, int);
} acl;

static int runtime() {
  void* h = dlopen("libascendcl.so", RTLD_NOW | RTLD_NOLOAD);
  if (!h) return RUNTIME_FAILED;
  acl.get_device = (int (*)(int32_t*))dlsym(h, "aclrtGetDevice");
  acl.copy = (int (*)(void*, size_t, const void*, size_t, int))dlsym(h, "aclrtMemcpy");
  return acl.get_device && acl.copy ? OK : RUNTIME_FAILED;
}

// ---- the vendor's functions ----

extern "C" {
int HcclGetRootInfo(char* info) {
  if (int code = fault("HcclGetRootInfo", 0)) return code;
  if (!info) return NULL_POINTER;
  memset(info, 0, root_info_bytes);
  snprintf(info, root_info_bytes, "%s/simulated-hccl-XXXXXX", env("TMPDIR", "/tmp"));
  int fd = mkstemp(info);
  if (fd < 0) return NO_FILE;
  close(fd);
  return OK;
}

int HcclCommInitRootInfo(uint32_t size, const char* info, uint32_t rank, Comm** out) {
  if (!size || rank >= size || !info || !out) return WRONG_PARAMETER;
  Comm c{rank, size, 0, 0, nullptr, page + size * chunk * sizeof(float)};
  if (runtime() || acl.get_device(&c.device)) return RUNTIME_FAILED;
  int fd = open(info, O_RDWR);
  if (fd < 0 || ftruncate(fd, c.bytes)) return NO_FILE;
  void* p = mmap(nullptr, c.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (p == MAP_FAILED) return FAILED;
  c.meeting = (Meeting*)p;
  int code = fault("HcclCommInitRootInfo", rank);
  if (code) c.meeting->faults++;
  else code = c.meet();
  if (code) return munmap(p, c.bytes), code;
  if (rank == 0) unlink(info); // all that will come are here
  *out = new Comm(c);
  return OK;
}

int HcclAllReduce(char* from, char* to, uint64_t n, int type, int op, Comm* c, void* stream) {
  if (int code = fault("HcclAllReduce", c->rank)) return c->meeting->faults++, code;
  int32_t device;
  if (!from || !to || !stream) return NULL_POINTER;
  if (type != FP32 || op != SUM || acl.get_device(&device) || device != c->device) return WRONG_PARAMETER;
  c->meeting->lengths += n;
  if (int code = c->meet()) return code;
  bool same = c->meeting->lengths == n * c->size;
  if (int code = c->meet()) return code;
  c->meeting->lengths -= n;
  if (!same) return WRONG_PARAMETER;
  std::string sum(chunk * sizeof(float), 0);
  float* total = (float*)&sum[0];
  for (uint64_t at = 0; at < n; at += chunk) {
    size_t k = n - at < chunk ? n - at : chunk, bytes = k * sizeof(float);
    if (acl.copy(c->values(c->rank), bytes, from + at * sizeof(float), bytes, ON_DEVICE)) return RUNTIME_FAILED;
    if (int code = c->meet()) return code;
    memcpy(total, c->values(0), bytes);
    for (uint32_t r = 1; r < c->size; r++)
      for (size_t i = 0; i < k; i++) total[i] += c->values(r)[i];
    if (acl.copy(to + at * sizeof(float), bytes, total, bytes, ON_DEVICE)) return RUNTIME_FAILED;
    if (int code = c->meet()) return code; // before the next one is written
  }
  return OK;
}

int HcclCommDestroy(Comm* c) {
  if (!c) return NULL_POINTER;
  int code = fault("HcclCommDestroy", c->rank);
  munmap(c->meeting, c->bytes);
  delete c;
  return code;
}
}
