// Package mpi is the world of processes that mpirun, mpiexec or srun started. (Package exchange says how runs are started, and what ran where.)
//
//	w, err := mpi.Join() // exchange.Alone where no launcher started this process
//	defer w.Close()
//
//	err := mpi.Run(ctx, mpi.Job{Processes: 8, Program: self, Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr})
//
// The library is opened at run time by a small C layer, which knows the binary interfaces of Open MPI, of MPICH, and of the MPI 5 standard. All calls
// are made by one thread.
//
// Errors wrap exchange.ErrWorld.
package mpi
