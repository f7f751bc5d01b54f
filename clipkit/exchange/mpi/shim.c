#include "shim.h"
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A handle is a pointer in Open MPI and in the standard ABI, and an int in MPICH's. Passed as an integer as wide as a pointer it is right in all
// three: x86-64 and aarch64 take an int argument from the low half of the same register.
typedef intptr_t handle;

static struct {
    handle world, f32, byte, sum, errors_return, info_null;
    void *in_place;
    int shared;   // MPI_COMM_TYPE_SHARED
    int funneled; // MPI_THREAD_FUNNELED: one thread calls
} k;

static struct {
    int (*init)(int *, char ***, int, int *), (*finalize)(void), (*abort)(handle, int);
    int (*rank)(handle, int *), (*size)(handle, int *), (*split)(handle, int, int, handle, handle *), (*handler)(handle, handle);
    int (*allreduce)(const void *, void *, int, handle, handle, handle);
    int (*allgather)(const void *, int, handle, void *, int, handle, handle);
    int (*bcast)(void *, int, handle, int, handle);
    int (*error)(int, char *, int *);
} f;

static char message[1024];

const char *mpi_load(const char *path, const char **abi) {
    setenv("UCX_ERROR_SIGNALS", "", 0);               // UCX reads it while it is loaded; it would take the signals by which Go recovers a nil pointer
    void *lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL); // global: Open MPI 4 loads components that look for its symbols
    if (!lib) {
        snprintf(message, sizeof message, "%s", dlerror());
        return message;
    }
    struct { const char *name; void *to; } list[] = {
        {"MPI_Init_thread", &f.init}, {"MPI_Finalize", &f.finalize}, {"MPI_Abort", &f.abort}, {"MPI_Comm_rank", &f.rank}, {"MPI_Comm_size", &f.size},
        {"MPI_Comm_split_type", &f.split}, {"MPI_Comm_set_errhandler", &f.handler}, {"MPI_Allreduce", &f.allreduce}, {"MPI_Allgather", &f.allgather},
        {"MPI_Bcast", &f.bcast}, {"MPI_Error_string", &f.error},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        void *p = dlsym(lib, list[i].name);
        if (!p) {
            snprintf(message, sizeof message, "%s is no MPI library: it has no %s", path, list[i].name);
            return message;
        }
        memcpy(list[i].to, &p, sizeof p);
    }
    int major = -1, minor = -1;
    void *p = dlsym(lib, "MPI_Abi_get_version"); // says -1 where the library numbers handles in its own way
    if (p) {
        int (*version)(int *, int *);
        memcpy(&version, &p, sizeof p);
        version(&major, &minor);
    }
    k.funneled = 1;
    if (major == 1) { // MPI 5.0, chapter 20
        k.world = 0x101, k.f32 = 0x210, k.byte = 0x247, k.sum = 0x21, k.errors_return = 0x143, k.info_null = 0x130;
        k.in_place = (void *)1, k.shared = 221, k.funneled = 1024;
        *abi = "the standard ABI";
    } else if ((p = dlsym(lib, "ompi_mpi_comm_world"))) {
        k.world = (handle)p, k.f32 = (handle)dlsym(lib, "ompi_mpi_float"), k.byte = (handle)dlsym(lib, "ompi_mpi_byte");
        k.sum = (handle)dlsym(lib, "ompi_mpi_op_sum"), k.errors_return = (handle)dlsym(lib, "ompi_mpi_errors_return");
        k.info_null = (handle)dlsym(lib, "ompi_mpi_info_null"), k.in_place = (void *)1, k.shared = 0;
        *abi = "Open MPI";
    } else { // MPICH, and what keeps its ABI: Intel MPI, MVAPICH, Cray
        k.world = 0x44000000, k.f32 = 0x4c00040a, k.byte = 0x4c00010d, k.sum = 0x58000003, k.errors_return = 0x54000001, k.info_null = 0x1c000000;
        k.in_place = (void *)-1, k.shared = 1;
        *abi = "MPICH";
    }
    return NULL;
}

int mpi_init(void) {
    int given, e = f.init(NULL, NULL, k.funneled, &given);
    return e ? e : f.handler(k.world, k.errors_return);
}

int mpi_finalize(void) { return f.finalize(); }
void mpi_abort(int code) { f.abort(k.world, code); }

int mpi_rank(int *rank, int *size, int *local) {
    handle host = 0;
    int e = f.rank(k.world, rank);
    if (!e) e = f.size(k.world, size);
    if (!e) e = f.split(k.world, k.shared, 0, k.info_null, &host);
    return e ? e : f.rank(host, local);
}

int mpi_sum(float *values, int n) { return f.allreduce(k.in_place, values, n, k.f32, k.sum, k.world); }
int mpi_gather(const void *mine, void *all, int n) { return f.allgather(mine, n, k.byte, all, n, k.byte, k.world); }
int mpi_share(void *values, int n, int root) { return f.bcast(values, n, k.byte, root, k.world); }

void mpi_error(int code, char *text, int size) {
    char all[1024] = ""; // more than any library's MPI_MAX_ERROR_STRING
    int n = 0;
    f.error(code, all, &n);
    snprintf(text, size, "%s", all);
}
