// The part of MPI that training needs, taken at run time from whichever library the launcher belongs to.
#include <stddef.h>

// mpi_load opens path and looks its functions up; the message of a failure, or NULL. abi says how the library numbers its handles.
const char *mpi_load(const char *path, const char **abi);
int mpi_init(void);
int mpi_finalize(void);
void mpi_abort(int code);
int mpi_rank(int *rank, int *size, int *local);

// Counts fit an int: the caller cuts what is longer.
int mpi_sum(float *values, int n); // in place
int mpi_gather(const void *mine, void *all, int n);
int mpi_share(void *values, int n, int root);

void mpi_error(int code, char *text, int size);
