package sandbox

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_ARM
	cloneArg   = 0
	socketcall = 0
)

// Calls of this processor alone (asm/unistd.h).
const (
	cacheFlush = 0xf0002
	setTLS     = 0xf0005
)

var (
	olderRuntime = []uint32{
		unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_UGETRLIMIT, unix.SYS__LLSEEK, unix.SYS_FSTAT64, unix.SYS_SIGRETURN,
		unix.SYS_GETUID32, unix.SYS_GETEUID32, unix.SYS_GETGID32, unix.SYS_GETEGID32,
		unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME64, unix.SYS_CLOCK_NANOSLEEP_TIME64, unix.SYS_TIMER_SETTIME64, unix.SYS_PPOLL_TIME64,
		cacheFlush, setTLS,
	}
	olderFcntl = []uint32{unix.SYS_FCNTL64}
	mmapCalls  = []uint32{unix.SYS_MMAP2}
	statCalls  = []uint32{unix.SYS_FSTATAT64, unix.SYS_STAT64, unix.SYS_LSTAT64}
	olderFiles = []uint32{unix.SYS_RENAMEAT, unix.SYS_ARM_FADVISE64_64, unix.SYS_ARM_SYNC_FILE_RANGE, unix.SYS_STATFS64, unix.SYS_FSTATFS64, unix.SYS_FTRUNCATE64}
)
