package device

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pip"
	"clipnb/clipkit/internal/regular"
)

// maxLibrary bounds what is unpacked from a wheel; XLA's plugin is 202 MB.
const maxLibrary = 1 << 30

// ErrRuntime is wrapped when an engine's library can neither be found nor fetched.
var ErrRuntime = errors.New("runtime library not available")

// fetch returns the path of the wheel's library, downloading it with pip on first use. say receives one line before a download.
// Several processes may call it at once: the first one works, the others wait.
func (w wheel) fetch(say func(string)) (string, error) {
	root, err := pip.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "runtimes", w.pkg+"-"+w.version)
	lib := filepath.Join(dir, path.Base(w.library))
	if _, err := os.Stat(lib); err == nil { // it was renamed into place whole
		return lib, nil
	}
	if err := pip.MakeDir(dir); err != nil {
		return "", fmt.Errorf("keeping %s: %w", w.pkg, err)
	}
	unlock, err := pip.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", fmt.Errorf("keeping %s in %s: %w", w.pkg, dir, err)
	}
	defer unlock()
	if _, err := os.Stat(lib); err == nil {
		return lib, nil
	}
	say(fmt.Sprintf("fetching %s %s with pip (%d MB, once)", w.pkg, w.version, w.megabytes))
	tmp, err := os.MkdirTemp(dir, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := w.download(tmp); err != nil {
		return "", err
	}
	files, _ := filepath.Glob(filepath.Join(tmp, "*.whl"))
	if len(files) != 1 {
		return "", fmt.Errorf("%w: pip left %d wheels of %s, expected one", ErrRuntime, len(files), w.pkg)
	}
	if err := w.unpack(files[0], lib); err != nil {
		return "", err
	}
	return lib, nil
}

func (w wheel) download(dir string) error {
	err := pip.Run("download", "--no-deps", "--only-binary=:all:", "--dest", dir, "--platform", w.platform, "--python-version", "3.11", "--implementation", "cp",
		w.pkg+"=="+w.version)
	if err != nil {
		return fmt.Errorf("%w: %w, or see \"go doc clipnb/clipkit/device\" for the variable that names a library", ErrRuntime, err)
	}
	return nil
}

// unpack checks the wheel's hash and copies its library to lib, after the files that belong beside it.
func (w wheel) unpack(file, lib string) error {
	data, err := regular.ReadFile(file, 4<<30)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != w.sha256 {
		return fmt.Errorf("%w: %s has SHA-256 %x, expected %s: not used; the package index served another file", ErrRuntime, filepath.Base(file), sum, w.sha256)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("%w: opening %s: %w", ErrRuntime, filepath.Base(file), err)
	}
	for _, f := range z.File {
		wanted := func(pattern string) bool { ok, _ := path.Match(pattern, f.Name); return ok }
		if slices.ContainsFunc(w.beside, wanted) {
			if err := copyOut(z, f.Name, filepath.Join(filepath.Dir(lib), path.Base(f.Name))); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrRuntime, filepath.Base(file), err)
			}
		}
	}
	if err := copyOut(z, w.library, lib); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRuntime, filepath.Base(file), err)
	}
	return nil
}

// copyOut copies a file out of a wheel.
func copyOut(z *zip.Reader, name, to string) error {
	f, err := z.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return atomicfile.Write(to, func(out io.Writer) error {
		n, err := io.Copy(out, io.LimitReader(f, maxLibrary+1))
		if err == nil && n > maxLibrary {
			err = fmt.Errorf("%s is larger than %d bytes", name, maxLibrary)
		}
		return err
	})
}
