package mpi

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/pip"
)

// flavour is whose launcher started the process: a library of another one would see a world of one process.
type flavour string

const (
	openMPI flavour = "Open MPI"
	mpich   flavour = "MPICH"
)

// libraries are the names under which each is installed, the most particular first.
var libraries = map[flavour][]string{
	openMPI: {"libmpi.so.40", "libmpi.so"},
	mpich:   {"libmpi.so.12", "libmpich.so.12", "libmpi_abi.so.1", "libmpi.so"},
}

// sizes are the variables in which launchers say how many processes they started.
var sizes = []struct {
	name string
	of   flavour
}{
	{"OMPI_COMM_WORLD_SIZE", openMPI}, // mpirun of Open MPI
	{"PMI_SIZE", mpich},               // mpiexec of MPICH and Intel MPI, srun --mpi=pmi2
	{"SLURM_STEP_NUM_TASKS", openMPI}, // srun --mpi=pmix
}

// Launched tells whether a launcher started this process to be one of several.
func Launched() bool {
	_, n := promised()
	return n > 0 || os.Getenv("PMIX_RANK") != ""
}

// promised is how many processes the launcher started, and which variable says so; 0 without a launcher.
func promised() (name string, n int) {
	for _, s := range sizes {
		if n, err := strconv.Atoi(os.Getenv(s.name)); err == nil && n > 0 {
			return s.name, n
		}
	}
	return "", 0
}

func launcherFlavour() flavour {
	for _, s := range sizes {
		if os.Getenv(s.name) != "" {
			return s.of
		}
	}
	return openMPI
}

// library is the file to open: MPI_LIBRARY, that of the launcher, or what the system's loader finds under the usual name.
func library() (string, error) {
	if path := os.Getenv("MPI_LIBRARY"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: MPI_LIBRARY is %s: %w; set it to the libmpi.so of the launcher", exchange.ErrWorld, path, errors.Unwrap(err))
		}
		return path, nil
	}
	if os.Getenv("SLURM_STEP_NUM_TASKS") != "" && os.Getenv("PMIX_RANK") == "" && os.Getenv("PMI_RANK") == "" && os.Getenv("OMPI_COMM_WORLD_SIZE") == "" {
		return "", fmt.Errorf("%w: srun started %s tasks without telling them of each other: start it with srun --mpi=pmix or --mpi=pmi2 (srun --mpi=list)",
			exchange.ErrWorld, os.Getenv("SLURM_STEP_NUM_TASKS"))
	}
	of := launcherFlavour()
	for _, home := range launcherHomes() {
		if path, ok := libraryIn(home, of); ok {
			return path, nil
		}
	}
	return libraries[of][0], nil
}

// launcherHomes are the folders, with bin and lib in them, from which the launcher may come.
func launcherHomes() (homes []string) {
	for _, name := range []string{"MPI_HOME", "OPAL_PREFIX", "I_MPI_ROOT"} {
		if home := os.Getenv(name); home != "" {
			homes = append(homes, home)
		}
	}
	for pid := os.Getppid(); pid > 1 && len(homes) < 16; pid = parent(pid) { // the launcher, or its daemon of this host
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil {
			break
		}
		homes = append(homes, filepath.Dir(filepath.Dir(exe)))
	}
	return homes
}

func parent(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, text, _ := strings.Cut(string(status), "PPid:")
	text, _, _ = strings.Cut(text, "\n")
	n, _ := strconv.Atoi(strings.TrimSpace(text))
	return n
}

// libraryIn finds the library of an installation.
func libraryIn(home string, of flavour) (string, bool) {
	for _, name := range libraries[of] {
		for _, lib := range []string{"lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"} {
			path := filepath.Join(home, lib, name)
			if _, err := os.Stat(path); err == nil {
				return path, true
			}
		}
	}
	return "", false
}

//go:embed requirements.txt
var requirements string

// wheel is the folder of the pinned Open MPI, which is fetched at its first use.
func wheel(say func(string)) (string, error) {
	home, err := fetch("openmpi", requirements, say)
	if err != nil {
		return "", fmt.Errorf("%w: Open MPI: %w; or install an MPI (apt-get install openmpi-bin) and set MPI_HOME to its folder, such as /usr", exchange.ErrWorld, err)
	}
	return home, nil
}

func fetch(name, requirements string, say func(string)) (home string, err error) {
	dir, err := pip.InstallPrefix(name, requirements, say)
	if err != nil {
		return "", err
	}
	if local := filepath.Join(dir, "local"); isFolder(filepath.Join(local, "bin")) {
		return local, nil
	}
	return dir, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
