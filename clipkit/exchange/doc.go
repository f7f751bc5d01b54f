// Package exchange is what the processes of one training run tell each other: they gather features, sum gradients, and share decisions.
//
//	w, err := mpi.Join()                       // exchange/mpi: this process and those that a launcher started beside it; or exchange.Alone
//	all, err := exchange.Gather(w, features)   // rank 0's first
//	err = w.Sum(gradients)                     // in place, the same bits on every rank
//	err = exchange.Agree(w, err)               // all go on, or none
//	stop, err := exchange.AnyDone(ctx, w)      // one was told to stop: all do
//
// Every rank makes the same calls in the same order. What is computed does not depend on how many ranks there are: a run's world_size says how many
// batches make a step, and any number of processes that divides them shares the work (package train/step).
//
// # One host
//
//	go run ./clipkit/cmd/clipkit train flickr30k/vit-b-16/full-8p -n 8
//	clipkit.Finetune(ctx, m, data, cfg, clipkit.Processes(8))      // in a cell
//
// start the processes under the mpirun of a pinned Open MPI, which pip fetches once. Each takes an NPU or a GPU of its own, and its share of the processor's
// cores; --map-by slot:PE=24 binds each to 24 cores, as the original's scripts do. Ctrl-C and the stop button save first.
//
// # Several hosts
//
// Under a launcher of one's own the same command joins, without -n. Every host needs the program (go build ./clipkit/cmd/clipkit) and the data at the same
// paths; only rank 0 writes, into its own experiments/.
//
//	mpirun --hostfile hosts -n 16 --map-by ppr:8:node ./clipkit train flickr30k/vit-b-16/full-8p --world-size 16
//	srun --mpi=pmix --kill-on-bad-exit=1 -n 16 --ntasks-per-node=8 ./clipkit train …
//
// The library is the launcher's own: that of MPI_LIBRARY, else in the launcher's installation (MPI_HOME, or the folder that the parent process runs from),
// else what the system's loader finds as libmpi.so.40 (Open MPI) or libmpi.so.12 (MPICH, Intel MPI). It is opened at run time: building needs no
// MPI. A library of another MPI than the launcher's is refused, for it would see a world of one.
//
// To save before the end of a batch job, send SIGUSR1 to mpirun or srun (#SBATCH --signal=USR1@300): it reaches all ranks. SIGINT and SIGTERM make Open
// MPI's mpirun end them at once.
//
// # Docker
//
// Ranks of a host talk through /dev/shm, of which a container has 64 MiB; where less than 256 MiB are free, files in the temporary folder take its
// place (docker run --shm-size=1g is faster). Root is allowed. Gradients of a host's ranks are added up in a window of 2 MiB a rank there; where the library
// cannot make one, or with CLIPKIT_MPI_WINDOW=off, by MPI's own reductions.
//
// # Ascend
//
// One process drives one card. Gradients are summed in host memory, or card to card over HCCL (package exchange/hccl) where CANN is installed.
//
// # When something fails
//
// A rank that fails prints why, and all are ended; a rank that is killed ends the others. One that hangs does not end by itself: a call that waits for
// longer than an hour ends the run (CLIPKIT_MPI_TIMEOUT=3h waits longer).
//
// Gradients of ViT-B-16 between two ranks are added up at 74 to 80 % of the rate at which both cores copy at once (four runs of five, two shared cores), and
// at 52 % in the fifth, where the two probably had no cache in common: copying was faster then. MPI's own reductions give 24 to 41 %.
//
//	go test ./clipkit/exchange/mpi -run '^$' -bench Gradients -benchtime 1x
//
// Here ran: the wheels of Open MPI 5.0.11 and MPICH 5.0.2, with its own and with the standard ABI, on one x86-64 host, over shared memory and over
// TCP to itself. Not run: several hosts, Slurm, aarch64, Intel MPI, cards.
package exchange
