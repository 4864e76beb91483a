package sandbox

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_AARCH64
	cloneArg   = 0
	socketcall = 0
)

var (
	olderRuntime = []uint32{unix.SYS_GETRLIMIT}
	olderFcntl   = []uint32{}
	mmapCalls    = []uint32{unix.SYS_MMAP}
	statCalls    = []uint32{unix.SYS_NEWFSTATAT}
	olderFiles   = []uint32{unix.SYS_RENAMEAT, unix.SYS_FADVISE64, unix.SYS_SYNC_FILE_RANGE}
)
