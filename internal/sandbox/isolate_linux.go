package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// nobody is the user and group that own nothing (the kernel's overflow ids,
// /proc/sys/kernel/overflowuid).
const nobody = 65534

// maxMemory is what an isolated process may have of writable memory, in bytes: a runaway
// one ends, and the machine doesn't notice.
const maxMemory = 512 << 20

// Isolate leaves the process nothing but the descriptors that it has: as root it becomes
// nobody, without groups; no thread has a capability, or gets one by executing; no file can
// be opened, written or listed, no network reached, no process signalled or traced, and no
// system call made but those that reading, writing and Go's runtime need, which fail with
// EPERM otherwise. Memory is bounded.
//
// lacks says in words what this kernel can't enforce. An error is what should have worked:
// the process is to end then.
func Isolate() (lacks []string, err error) {
	for resource, limit := range map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_DATA: maxMemory} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return nil, fmt.Errorf("sandbox: setting limit %d: %w", resource, err)
		}
	}
	if err := dropPrivileges(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	lack, err := restrictFiles()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if lack != "" {
		lacks = append(lacks, lack)
	}
	if lack, err = restrictCalls(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if lack != "" {
		lacks = append(lacks, lack)
	}
	return lacks, nil
}

// onAll makes a system call on each thread.
func onAll(what string, call uintptr, args ...uintptr) error {
	var a [3]uintptr
	copy(a[:], args)
	if _, _, e := syscall.AllThreadsSyscall(call, a[0], a[1], a[2]); e != 0 {
		return fmt.Errorf("%s: %w", what, e)
	}
	return nil
}

// dropPrivileges gives up the user, groups and capabilities.
func dropPrivileges() error {
	if err := onAll("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	// Not all kernels know ambient capabilities, and a bounding set is shrunk by those
	// who may.
	_ = onAll("ambient", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		_ = onAll("bounding", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody)); err != nil {
			return fmt.Errorf("becoming nobody: %w", err)
		}
	}
	return dropCapabilities()
}

// restrictFiles has Landlock refuse all of the file system, of the network, and of other
// processes, as far as the kernel knows it.
func restrictFiles() (lack string, err error) {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return fmt.Sprintf("Landlock isn't there (%v): files that nobody may open are out of reach, others aren't", e), nil
	}
	if err := landlock.V6.BestEffort().Restrict(); err != nil {
		return "", fmt.Errorf("restricting files by Landlock: %w", err)
	}
	if version < 6 {
		return fmt.Sprintf("Landlock is of version %d, before 6: some of network and signals is left to seccomp", version), nil
	}
	return "", nil
}

// calls are the system calls that are left: what reads and writes descriptors, and what
// Go's runtime makes.
var calls = []string{
	"read", "readv", "pread64", "write", "writev", "close", "lseek", "_llseek", "fstat", "fstat64", "newfstatat", "fstatat64", "statx", "fcntl", "fcntl64",
	"recvmsg", "sendmsg", "recvfrom", "sendto", "shutdown", "getsockopt",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe2",
	"mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "brk", "mincore",
	"futex", "futex_time64", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "clock_gettime", "clock_gettime64", "gettimeofday", "sched_yield", "sched_getaffinity",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "tgkill", "restart_syscall",
	"timer_create", "timer_settime", "timer_delete", "setitimer",
	"getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getrandom", "uname", "prlimit64", "getrlimit", "ugetrlimit",
	"set_robust_list", "rseq", "exit", "exit_group",
}

// restrictCalls has seccomp refuse all other system calls.
func restrictCalls() (lack string, err error) {
	info, err := arch.GetInfo("")
	if err != nil || !seccomp.Supported() {
		return "seccomp isn't there for this kernel or processor (" + runtime.GOARCH + "): system calls aren't filtered", nil
	}
	allowed := seccomp.SyscallGroup{Action: seccomp.ActionAllow}
	for _, name := range calls {
		if _, ok := info.SyscallNames[name]; ok {
			allowed.Names = append(allowed.Names, name)
		}
	}
	// New threads, and no processes, as far as clone(2)'s flags tell.
	flags := uint32(0)
	if runtime.GOARCH == "s390x" {
		flags = 1 // the stack comes first there
	}
	allowed.NamesWithCondtions = []seccomp.NameWithConditions{{
		Name: "clone", Conditions: []seccomp.Condition{{Argument: flags, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}},
	}}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{allowed}}
	if err := seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
		return "", fmt.Errorf("filtering system calls by seccomp: %w", err)
	}
	return "", nil
}
