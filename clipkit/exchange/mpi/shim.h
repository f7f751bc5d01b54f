// The part of MPI that training needs, loaded at run time from whichever library the launcher belongs to. Values are bytes or float32.
#include <stddef.h>

// mpi_load opens the library and prepares its functions: the message of a failure, or NULL. abi names the binary interface that it has.
const char *mpi_load(const char *path, const char **abi);
int mpi_init(void); // with one thread that calls
// mpi_rank prepares the sums as well: through shared memory where window is not 0, between at most so many ranks if most is not 0.
int mpi_rank(int *rank, int *size, int *local, int window, int most);
int mpi_sum(float *values, size_t n); // in place
int mpi_gather(const void *mine, void *all, int bytes);
int mpi_share(void *values, int bytes, int root);
int mpi_finalize(void);
int mpi_abort(int code);
void mpi_version(char *text, size_t size);
void mpi_error(int code, char *text, size_t size);
