// Package priority steps back behind others on the machine, a capture above all, and for
// moments before them.
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

// step is how far a thread goes before others, in steps of nice(2): it gets some nine times
// the processor time of another one that wants it too.
const step = 10

// AllowAhead lets threads go before others later, without the privilege that it takes now.
// An error says that they can't.
func AllowAhead() error {
	const highest = 20 // of RLIMIT_NICE, for a nice value of 0: getrlimit(2)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NICE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	if limit.Cur >= highest+step {
		return nil
	}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NICE, &unix.Rlimit{Cur: highest + step, Max: max(limit.Max, highest+step)}))
}

// Ahead has the calling thread, to which the goroutine has to be locked, go before others of
// the machine, and returns what has it go back. An error says that it may not.
func Ahead() (back func(), err error) {
	const zero = 20 // what getpriority(2) returns for a nice value of 0, and more for less
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return nil, os.NewSyscallError("getpriority", err)
	}
	nice := zero - raw
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice-step); err != nil {
		return nil, os.NewSyscallError("setpriority", err)
	}
	// Who may go before others may go back.
	return func() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice) }, nil
}
