// Package priority steps back behind others on the machine, a capture above all.
package priority

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const lowest = 19

// ioprio_set(2).
const (
	whoProcess = 1       // IOPRIO_WHO_PROCESS
	classIdle  = 3 << 13 // IOPRIO_CLASS_IDLE
)

// LowerThread gives the calling thread, to which the goroutine has to be locked, the lowest
// priority for processor and disk. Threads and processes that it starts inherit it.
func LowerThread() error { return lower(0) }

// LowerProcess does the same for all threads there are: those to come inherit it.
func LowerProcess() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return errors.Join(err, LowerThread())
	}
	for _, t := range threads {
		id, convErr := strconv.Atoi(t.Name())
		if convErr != nil {
			continue
		}
		if e := lower(id); e != nil && !errors.Is(e, unix.ESRCH) {
			err = e
		}
	}
	return err
}

// lower is about a thread, 0 being the calling one: setpriority(2), C library/kernel
// differences.
func lower(thread int) error {
	err := os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, thread, lowest))
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(thread), classIdle); errno != 0 {
		err = errors.Join(err, os.NewSyscallError("ioprio_set", errno))
	}
	return err
}
