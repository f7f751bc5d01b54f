//go:build linux || darwin

package machine

import "golang.org/x/sys/unix"

// FreeSpace is how many bytes this user may still write to the file system that dir lies on.
func FreeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
