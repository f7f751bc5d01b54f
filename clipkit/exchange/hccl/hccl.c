#define _GNU_SOURCE
#include "hccl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The vendor's functions under their own names, as its public headers acl/acl_rt.h and hccl/hccl.h declare them. Streams, communicators and results
// are a pointer, a pointer and an int there.
static int (*aclrtSetDevice)(int32_t);
static int (*aclrtCreateStream)(void**);
static int (*aclrtDestroyStream)(void*);
static int (*aclrtSynchronizeStream)(void*);
static const char* (*aclGetRecentErrMsg)(void);
static int (*HcclGetRootInfo)(void*);
static int (*HcclCommInitRootInfo)(uint32_t, const void*, uint32_t, void**);
static int (*HcclAllReduce)(void*, void*, uint64_t, int type, int op, void* comm, void* stream);
static int (*HcclCommDestroy)(void*);
enum { hccl_fp32 = 4, hccl_reduce_sum = 0 }; // HCCL_DATA_TYPE_FP32, HCCL_REDUCE_SUM

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int loaded;

static char* text(const char* library, const char* name) {
  char* s;
  return asprintf(&s, "%s has no %s", library, name) < 0 ? NULL : s;
}

// Newer toolkits keep the calls that make communicators in libhcomm.so, beside libhccl.so.
static char* resolve(const char* library, const char* beside, const char* const* names, void** const* to, size_t n) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return strdup(dlerror());
  void* other = beside ? dlopen(beside, RTLD_NOW | RTLD_LOCAL) : NULL;
  for (size_t i = 0; i < n; i++) {
    void* f = dlsym(handle, names[i]);
    if (!f && other) f = dlsym(other, names[i]);
    if (!f) return text(library, names[i]);
    *to[i] = f;
  }
  return NULL;
}

char* hccl_load(const char* acl, const char* hccl) {
  static const char* const acl_names[] = {"aclrtSetDevice", "aclrtCreateStream", "aclrtDestroyStream", "aclrtSynchronizeStream", "aclGetRecentErrMsg"};
  static void** const acl_to[] = {(void**)&aclrtSetDevice, (void**)&aclrtCreateStream, (void**)&aclrtDestroyStream, (void**)&aclrtSynchronizeStream, (void**)&aclGetRecentErrMsg};
  static const char* const hccl_names[] = {"HcclGetRootInfo", "HcclCommInitRootInfo", "HcclAllReduce", "HcclCommDestroy"};
  static void** const hccl_to[] = {(void**)&HcclGetRootInfo, (void**)&HcclCommInitRootInfo, (void**)&HcclAllReduce, (void**)&HcclCommDestroy};
  char* error = NULL;
  pthread_mutex_lock(&mu);
  if (!loaded) {
    error = resolve(acl, NULL, acl_names, acl_to, sizeof acl_to / sizeof *acl_to);
    if (!error) error = resolve(hccl, "libhcomm.so", hccl_names, hccl_to, sizeof hccl_to / sizeof *hccl_to);
    loaded = !error;
  }
  pthread_mutex_unlock(&mu);
  return error;
}

// The runtime keeps what it has to say for the thread that called it, so it is taken at once.
static hccl_status result(const char* call, int code) {
  hccl_status s = {NULL, 0, NULL, 0};
  if (!code) return s;
  s.call = call, s.code = code;
  const char* said = aclGetRecentErrMsg();
  if (said) s.said = strdup(said);
  return s;
}

// CALL returns from a function that gives a status, unless the vendor's function gave 0.
#define CALL(f, ...) do { int code_ = f(__VA_ARGS__); if (code_) return result(#f, code_); } while (0)

// A thread of the runtime has a current device, and Go calls from any thread.
#define ENTER(r) CALL(aclrtSetDevice, (r)->device)

hccl_status hccl_open(hccl_rank* r) {
  ENTER(r);
  CALL(aclrtCreateStream, &r->stream);
  return result(NULL, 0);
}

hccl_status hccl_root(hccl_rank* r, void* info) {
  ENTER(r);
  CALL(HcclGetRootInfo, info);
  return result(NULL, 0);
}

hccl_status hccl_init(hccl_rank* r, uint32_t ranks, const void* info, uint32_t rank) {
  ENTER(r);
  CALL(HcclCommInitRootInfo, ranks, info, rank, &r->comm);
  return result(NULL, 0);
}

hccl_status hccl_sum(hccl_rank* r, const uintptr_t* addresses, const uint64_t* lengths, size_t n) {
  hccl_status entered = result("aclrtSetDevice", aclrtSetDevice(r->device));
  entered.at = n;
  if (entered.call) return entered;
  for (size_t i = 0; i < n; i++) {
    void* x = (void*)addresses[i];
    int code = HcclAllReduce(x, x, lengths[i], hccl_fp32, hccl_reduce_sum, r->comm, r->stream);
    if (code) {
      hccl_status s = result("HcclAllReduce", code);
      s.at = i;
      return s;
    }
  }
  hccl_status s = result("aclrtSynchronizeStream", aclrtSynchronizeStream(r->stream));
  s.at = n;
  return s;
}

hccl_status hccl_close(hccl_rank* r) {
  ENTER(r);
  void *comm = r->comm, *stream = r->stream;
  r->comm = r->stream = NULL;
  int gone = comm ? HcclCommDestroy(comm) : 0;
  hccl_status s = result("HcclCommDestroy", gone);
  if (stream) aclrtDestroyStream(stream);
  return s;
}
