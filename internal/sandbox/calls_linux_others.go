//go:build linux && !(386 || amd64 || arm || arm64 || riscv64 || s390x)

package sandbox

// Of other processors it isn't known what Go's runtime needs.
const (
	auditArch  = 0
	cloneArg   = 0
	socketcall = 0
)

var olderRuntime, olderFcntl, mmapCalls, statCalls, olderFiles []uint32
