// What hccl.c offers to Go: the few calls of Huawei's libhccl and libascendcl that sums over cards need, opened at run time.
#ifndef CLIPKIT_HCCL_H
#define CLIPKIT_HCCL_H
#include <stddef.h>
#include <stdint.h>

enum { hccl_root_bytes = 4108 }; // of HcclRootInfo

// How a call went. call is NULL where nothing failed.
typedef struct {
  const char* call; // the vendor's function that failed
  int code;         // that it gave
  char* said;       // what the runtime says about it, malloc'ed, or NULL
  size_t at;        // of hccl_sum: at which tensor, or n where it is about all
} hccl_status;

// One rank's end of the communicator.
typedef struct {
  int device;
  void* stream;
  void* comm;
} hccl_rank;

char* hccl_load(const char* acl, const char* hccl); // NULL or a malloc'ed error; what was loaded once stays
hccl_status hccl_open(hccl_rank*);                  // makes the stream on the device
hccl_status hccl_root(hccl_rank*, void* info);      // writes hccl_root_bytes
hccl_status hccl_init(hccl_rank*, uint32_t ranks, const void* info, uint32_t rank);
// hccl_sum adds tensors of float32 up over all ranks where they lie, and returns when it is done.
hccl_status hccl_sum(hccl_rank*, const uintptr_t* addresses, const uint64_t* lengths, size_t n);
hccl_status hccl_close(hccl_rank*);

#endif
