package main

import "golang.org/x/sys/unix"

// getpid386 is getpid(2) by the table of i386.
func getpid386() int32

// foreign makes a system call of another table.
func foreign(table string) int32 {
	if table == "i386" {
		return getpid386()
	}
	const x32 = 0x4000_0000
	pid, _, _ := unix.RawSyscall(x32+unix.SYS_GETPID, 0, 0, 0)
	return int32(pid)
}
