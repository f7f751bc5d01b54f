#include "library.h"
#include "shim.h"
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mpi_constants k;
struct mpi_functions f;

static char message[1024];

const char *mpi_load(const char *path, const char **abi) {
    setenv("UCX_ERROR_SIGNALS", "", 0); // read when UCX is loaded; it would replace Go's handler of a nil pointer
    setenv("OMPI_MCA_osc", "^ucx", 0);   // it complains where there is no card for it; windows of shared memory are another component's
    void *lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL); // global: Open MPI 4 loads components that need its symbols
    if (!lib) {
        snprintf(message, sizeof message, "%s", dlerror());
        return message;
    }
    struct { const char *name; void *to; } list[] = {
        {"MPI_Init_thread", &f.init}, {"MPI_Comm_rank", &f.rank}, {"MPI_Comm_size", &f.size}, {"MPI_Allreduce", &f.allreduce},
        {"MPI_Allgather", &f.allgather}, {"MPI_Bcast", &f.bcast}, {"MPI_Finalize", &f.finalize}, {"MPI_Abort", &f.abort},
        {"MPI_Comm_split_type", &f.split}, {"MPI_Comm_set_errhandler", &f.handler}, {"MPI_Get_library_version", &f.version},
        {"MPI_Error_string", &f.error}, {"MPI_Comm_split", &f.split_by}, {"MPI_Barrier", &f.barrier},
        {"MPI_Win_allocate_shared", &f.window}, {"MPI_Win_shared_query", &f.window_of}, {"MPI_Win_lock_all", &f.window_open},
        {"MPI_Win_unlock_all", &f.window_shut}, {"MPI_Win_sync", &f.window_sync}, {"MPI_Win_free", &f.window_free},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        void *p = dlsym(lib, list[i].name);
        if (!p) {
            snprintf(message, sizeof message, "it is no MPI library: it has no %s", list[i].name);
            return message;
        }
        memcpy(list[i].to, &p, sizeof p);
    }
    int major = -1, minor = -1; // they stay so where the library has an ABI of its own
    int (*version)(int *, int *);
    void *p = dlsym(lib, "MPI_Abi_get_version");
    if (p) {
        memcpy(&version, &p, sizeof p);
        version(&major, &minor);
    }
    k.in_place = (void *)1;
    if (major == 1) { // MPI 5.0, chapter 20
        k.world = 0x101, k.errors_return = 0x143, k.info_null = 0x130, k.shared = 221, k.funneled = 1024;
        k.float32 = 0x210, k.byte = 0x247, k.sum = 0x21;
        *abi = "the standard ABI";
    } else if ((p = dlsym(lib, "ompi_mpi_comm_world"))) {
        k.world = (handle)p, k.errors_return = (handle)dlsym(lib, "ompi_mpi_errors_return");
        k.info_null = (handle)dlsym(lib, "ompi_mpi_info_null"), k.shared = 0, k.funneled = 1;
        k.float32 = (handle)dlsym(lib, "ompi_mpi_float"), k.byte = (handle)dlsym(lib, "ompi_mpi_byte"), k.sum = (handle)dlsym(lib, "ompi_mpi_op_sum");
        *abi = "Open MPI";
    } else { // mpi.h of MPICH and all that follow its ABI
        k.world = 0x44000000, k.in_place = (void *)-1, k.errors_return = 0x54000001, k.info_null = 0x1c000000, k.shared = 1, k.funneled = 1;
        k.float32 = 0x4c00040a, k.byte = 0x4c00010d, k.sum = 0x58000003;
        *abi = "MPICH";
    }
    return NULL;
}

int mpi_init(void) {
    int given, e = f.init(NULL, NULL, k.funneled, &given);
    return e ? e : f.handler(k.world, k.errors_return);
}

int mpi_rank(int *rank, int *size, int *local, int window, int most) {
    int e = f.rank(k.world, rank);
    if (!e) e = f.size(k.world, size);
    if (!e) e = host_open(*rank, *size, window, most);
    *local = host_rank();
    return e;
}

// On one host pieces of 2 MiB are several times as fast as the whole, because they stay in the cores' caches.
int mpi_sum(float *values, size_t n) {
    if (host_shares()) return host_sum(values, n);
    int e = 0;
    for (size_t piece; n && !e; values += piece, n -= piece) {
        piece = n < 1 << 19 ? n : 1 << 19;
        e = f.allreduce(k.in_place, values, (int)piece, k.float32, k.sum, k.world);
    }
    return e;
}

int mpi_gather(const void *mine, void *all, int bytes) { return f.allgather(mine, bytes, k.byte, all, bytes, k.byte, k.world); }
int mpi_share(void *values, int bytes, int root) { return f.bcast(values, bytes, k.byte, root, k.world); }
int mpi_finalize(void) {
    int e = host_close();
    return e ? e : f.finalize();
}

int mpi_abort(int code) { return f.abort(k.world, code); }

// The library may write as much as its own MPI_MAX_… says, which differs.
void mpi_version(char *text, size_t size) {
    static char all[1 << 14];
    int n = 0;
    f.version(all, &n);
    snprintf(text, size, "%s", all);
}

void mpi_error(int code, char *text, size_t size) {
    char all[2048];
    int n = 0;
    f.error(code, all, &n);
    snprintf(text, size, "%s", all);
}
