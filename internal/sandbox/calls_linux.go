package sandbox

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// runtimeCalls are what Go's runtime makes, and what reads and writes descriptors that are
// there: the first are made most.
var runtimeCalls = []uint32{
	unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_EPOLL_PWAIT, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_GETPID, unix.SYS_RT_SIGRETURN,
	unix.SYS_SCHED_YIELD, unix.SYS_CLOCK_GETTIME, unix.SYS_EPOLL_CTL, unix.SYS_MADVISE, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_MINCORE,
	unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_DUP, unix.SYS_DUP3,
	unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_RECVFROM, unix.SYS_SENDTO, unix.SYS_SHUTDOWN, unix.SYS_GETSOCKOPT, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_MEMBARRIER,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
	unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_SYSINFO,
	unix.SYS_GETCWD, unix.SYS_GETRUSAGE, unix.SYS_CLOCK_GETRES, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// fileCalls are what a set, its ledger, its locks and a log need. What Landlock decides
// about needs no test here. What it doesn't know isn't among them: changing the mode, the
// owner, the times or the attributes of what a path leads to, which a descriptor has to be
// had of.
var fileCalls = []uint32{
	unix.SYS_IO_URING_ENTER, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_CACHESTAT, unix.SYS_FLOCK,
	unix.SYS_GETDENTS64, unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT,
	unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE,
}

// cloneFlags are what makes a thread. Go's runtime sets where its data is too, which says
// nothing of what it shares.
const (
	cloneFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD
	cloneData  = unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID
)

// prSetVMA names memory for who looks into /proc/PID/maps: prctl(2).
const prSetVMA = 0x53564d41

// setID are the bits of a file's mode by which a program runs as its owner or group.
const setID = unix.S_ISUID | unix.S_ISGID

// some are calls without tests.
func some(numbers ...[]uint32) (calls []call) {
	for _, n := range slices.Concat(numbers...) {
		calls = append(calls, call{number: n})
	}
	return calls
}

// threadCalls are those of Go's runtime that could do more than it wants: processes instead
// of threads, signals to others, memory that can be run, other processes' limits.
func threadCalls() []call {
	self := uint32(os.Getpid())
	calls := []call{
		{unix.SYS_TGKILL, []test{is(0, self)}},
		{unix.SYS_KILL, []test{is(0, self)}},
		{unix.SYS_CLONE, []test{{arg: cloneArg, mask: ^uint32(cloneData), values: []uint32{cloneFlags}}}},
		{unix.SYS_MPROTECT, []test{without(2, unix.PROT_EXEC)}},
		{unix.SYS_PRCTL, []test{is(0, prSetVMA, unix.PR_SET_NAME)}},
		{unix.SYS_PRLIMIT64, []test{is(0, 0, self)}},
		{unix.SYS_FCNTL, []test{is(1, fcntlCommands...)}},
	}
	for _, n := range mmapCalls {
		calls = append(calls, call{n, []test{without(2, unix.PROT_EXEC)}})
	}
	for _, n := range olderFcntl {
		calls = append(calls, call{n, []test{is(1, fcntlCommands...)}})
	}
	return calls
}

// fcntlCommands have nobody be sent a signal, and no file be leased.
var fcntlCommands = []uint32{
	unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC,
	unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_GETPIPE_SZ,
}

// readerCalls are left to a process that only reads what it is given.
func readerCalls() []call {
	calls := append(some(runtimeCalls, olderRuntime), threadCalls()...)
	for _, n := range statCalls {
		calls = append(calls, call{number: n})
	}
	return append(calls, socketCalls(sockRecvmsg, sockSendmsg, sockRecvfrom, sockSendto, sockShutdown, sockGetsockopt, sockGetsockname, sockGetpeername)...)
}

// connectCalls are left to a process that connects to Unix sockets.
func connectCalls() []call {
	return slices.Concat(readerCalls(), []call{
		{unix.SYS_SOCKET, []test{is(0, unix.AF_UNIX)}}, {unix.SYS_CONNECT, nil}, {unix.SYS_SETSOCKOPT, nil},
	}, socketCalls(sockSocket, sockConnect, sockSetsockopt))
}

// captureCalls are left to a process that captures.
func captureCalls() []call {
	uid := uint32(os.Geteuid())
	calls := append(some(runtimeCalls, olderRuntime, fileCalls, olderFiles, statCalls), threadCalls()...)
	calls = append(
		calls,
		// None of these makes a program that runs as its owner.
		call{unix.SYS_OPENAT, []test{without(3, setID)}},
		call{unix.SYS_FCHMOD, []test{without(1, setID)}},
		call{unix.SYS_FCHOWN, []test{is(1, uid, all)}}, // -1: it stays
		call{unix.SYS_UTIMENSAT, null(1)},              // of a descriptor, and not of a path
		// Its own threads step back, or ahead.
		call{unix.SYS_GETPRIORITY, []test{is(0, unix.PRIO_PROCESS)}},
		call{unix.SYS_SETPRIORITY, []test{is(0, unix.PRIO_PROCESS), is(1, 0)}},
		call{unix.SYS_IOPRIO_SET, []test{is(1, 0)}},
		// No characters are put into a terminal's input (TIOCSTI).
		call{unix.SYS_IOCTL, []test{is(1, unix.SIOCGIFNAME, unix.SIOCGIFFLAGS, unix.SIOCGIFINDEX, unix.TCGETS, unix.TIOCGWINSZ)}},
		// An interface that comes back is opened again.
		call{unix.SYS_SOCKET, []test{is(0, unix.AF_PACKET)}},
		call{unix.SYS_SOCKET, []test{is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)}},
		// What asks Docker, a process of its own, is given one end of a pair.
		call{unix.SYS_SOCKETPAIR, []test{is(0, unix.AF_UNIX)}},
		// The helper process, which was started before, ends.
		call{unix.SYS_WAIT4, nil}, call{unix.SYS_WAITID, nil}, call{unix.SYS_PIDFD_SEND_SIGNAL, nil},
	)
	calls = append(calls, some([]uint32{unix.SYS_BIND, unix.SYS_SETSOCKOPT, unix.SYS_ACCEPT4})...)
	return append(calls, socketCalls(
		sockSocket, sockBind, sockSocketpair, sockAccept4, sockSetsockopt,
		sockRecvmsg, sockSendmsg, sockRecvfrom, sockSendto, sockShutdown, sockGetsockopt, sockGetsockname, sockGetpeername,
	)...)
}

// What socketcall(2) is asked for, where sockets are made and used by it (linux/net.h).
const (
	sockSocket      = 1
	sockBind        = 2
	sockConnect     = 3
	sockGetsockname = 6
	sockGetpeername = 7
	sockSocketpair  = 8
	sockSendto      = 11
	sockRecvfrom    = 12
	sockShutdown    = 13
	sockSetsockopt  = 14
	sockGetsockopt  = 15
	sockSendmsg     = 16
	sockRecvmsg     = 17
	sockAccept4     = 18
)

// socketCalls are the same by socketcall(2), of whose arguments seccomp sees which call is
// meant, and not its own.
func socketCalls(which ...uint32) []call {
	if socketcall == 0 {
		return nil
	}
	return []call{{socketcall, []test{is(0, which...)}}}
}
