// What the C files of this package call: MPI's constants and functions, which mpi_load fills in.
#include <stddef.h>
#include <stdint.h>

// A handle is a pointer in Open MPI and in the standard ABI, and an int in MPICH's own. As a pointer-wide integer it is right in all three: the
// calling conventions of x86-64 and aarch64 read an int from the low half of the same register.
typedef intptr_t handle;

extern struct mpi_constants {
    handle world, float32, byte, sum, errors_return, info_null;
    void *in_place;
    int shared;   // MPI_COMM_TYPE_SHARED
    int funneled; // MPI_THREAD_FUNNELED
} k;

extern struct mpi_functions {
    int (*init)(int *, char ***, int, int *), (*rank)(handle, int *), (*size)(handle, int *);
    int (*allreduce)(const void *, void *, int, handle, handle, handle);
    int (*allgather)(const void *, int, handle, void *, int, handle, handle);
    int (*bcast)(void *, int, handle, int, handle);
    int (*barrier)(handle), (*finalize)(void), (*abort)(handle, int);
    int (*split)(handle, int, int, handle, handle *), (*split_by)(handle, int, int, handle *), (*handler)(handle, handle);
    int (*version)(char *, int *), (*error)(int, char *, int *);
    int (*window)(intptr_t, int, handle, handle, void *, handle *), (*window_of)(handle, int, intptr_t *, int *, void *);
    int (*window_open)(int, handle), (*window_shut)(handle), (*window_sync)(handle), (*window_free)(handle *);
} f;

// The ranks of this host (host.c).
int host_open(int rank, int size, int window, int most); // by all ranks
int host_rank(void);
int host_shares(void); // whether host_sum can be called
int host_sum(float *values, size_t n);
int host_close(void);
