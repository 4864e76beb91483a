package sandbox

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_S390X
	cloneArg   = 1 // the stack comes first
	socketcall = unix.SYS_SOCKETCALL
)

var (
	// mmap(2) has its arguments in memory here, where seccomp doesn't see them.
	olderRuntime = []uint32{unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_GETRLIMIT, unix.SYS_MMAP}
	olderFcntl   = []uint32{}
	mmapCalls    = []uint32{}
	statCalls    = []uint32{unix.SYS_NEWFSTATAT}
	olderFiles   = []uint32{unix.SYS_RENAMEAT, unix.SYS_FADVISE64, unix.SYS_SYNC_FILE_RANGE}
)
