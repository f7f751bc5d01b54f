package mpi

import "syscall"

// attributes keep a terminal's Ctrl-C from the launcher, which would end the ranks at once, and end it with this process.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
