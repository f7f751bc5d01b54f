// Package pip fetches pinned packages with Python's pip into the user's cache: engines' libraries, servers for tests. Nothing is installed into
// an environment.
//
//	dir, err := pip.Install("milvus-lite", requirements, say) // every line pinned, with its hashes
package pip

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrPip is wrapped when Python or pip is missing, or pip fails.
var ErrPip = errors.New("pip")

// ErrCache is wrapped when the user has no cache folder, or it cannot be written.
var ErrCache = errors.New("no cache folder that can be written; set XDG_CACHE_HOME to one")

// CacheDir is the user's cache folder for everything that clipkit keeps between runs and projects.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCache, err)
	}
	return filepath.Join(base, "clipkit"), nil
}

// MakeDir makes a folder below CacheDir.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("%w: %w", ErrCache, err)
	}
	return nil
}

// Python prefers the project's own environment, whose pip is known to be there.
func Python() (string, error) {
	if root := os.Getenv("CLIPKIT_ROOT"); root != "" {
		p := filepath.Join(root, ".venv", "bin", "python")
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	p, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("%w: python3 is needed (apt-get install python3 python3-pip)", ErrPip)
	}
	return p, nil
}

// Run runs pip's command (download, install) with args.
func Run(command string, args ...string) error {
	python, err := Python()
	if err != nil {
		return err
	}
	cmd := exec.Command(python, append([]string{"-m", "pip", command, "--quiet", "--no-input", "--disable-pip-version-check"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s -m pip %s %s failed: %s; check the network and pip (apt-get install python3-pip)", ErrPip, python, command, args[len(args)-1], lastLine(out))
	}
	return nil
}

// Install returns a folder in which the packages of a requirements file lie, installing them on first use. say receives one line before that.
// args are added to pip's own. Several processes may call it at once: the first one works, the others wait.
func Install(name, requirements string, say func(string), args ...string) (string, error) {
	return install("--target", name, requirements, say, args...)
}

// InstallPrefix is Install for packages that bring programs and libraries of their own: these lie in bin and lib of the folder, or of its local
// (Debian's Python). Install loses them, for pip's --target leaves out the lib of a wheel's data.
func InstallPrefix(name, requirements string, say func(string)) (string, error) {
	return install("--prefix", name, requirements, say, "--ignore-installed")
}

func install(to, name, requirements string, say func(string), args ...string) (string, error) {
	root, err := CacheDir()
	if err != nil {
		return "", err
	}
	python, err := Python()
	if err != nil {
		return "", err
	}
	version, err := exec.Command(python, "-V").Output() // what is installed for one may not run with another
	if err != nil {
		return "", fmt.Errorf("%w: %s -V: %w", ErrPip, python, err)
	}
	sum := sha256.Sum256(fmt.Append(nil, requirements, args, version))
	dir := filepath.Join(root, "packages", fmt.Sprintf("%s-%.6x", name, sum))
	if _, err := os.Stat(dir); err == nil { // it was renamed into place whole
		return dir, nil
	}
	if err := MakeDir(filepath.Dir(dir)); err != nil {
		return "", fmt.Errorf("keeping %s: %w", name, err)
	}
	unlock, err := Lock(dir + ".lock")
	if err != nil {
		return "", fmt.Errorf("keeping %s: %w", name, err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	say("fetching " + name + " with pip (once)")
	tmp := dir + ".part"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	list := dir + ".txt"
	if err := os.WriteFile(list, []byte(requirements), 0o644); err != nil {
		return "", err
	}
	args = append([]string{to, tmp, "--no-deps", "--only-binary=:all:", "--require-hashes"}, args...)
	if err := Run("install", append(args, "-r", list)...); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

// Lock waits for the file's exclusive lock.
func Lock(name string) (unlock func(), err error) {
	lock := flock.New(name, flock.SetPermissions(0o644))
	if err := lock.Lock(); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("%w: %w", ErrCache, err)
	} else if err != nil {
		return nil, err
	}
	return func() { lock.Close() }, nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(bytes.ToValidUTF8(out, nil))), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
