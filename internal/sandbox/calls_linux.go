package sandbox

import (
	"fmt"
	"runtime"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// readerCalls are those that are left to a process that only reads: what reads and writes
// descriptors, and what Go's runtime makes.
var readerCalls = []string{
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

// deniedCalls are what a process that captures never makes: running programs, looking into
// other processes, changing what the machine is. The others stay, since Go's runtime may
// need new ones tomorrow.
var deniedCalls = []string{
	"execve", "execveat", "fork", "vfork",
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
	"mount", "umount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"bpf", "perf_event_open", "userfaultfd", "personality", "lookup_dcookie", "open_by_handle_at",
	"keyctl", "add_key", "request_key", "acct", "quotactl", "swapon", "swapoff", "syslog",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm",
}

// families are those of the sockets that a process that captures may make.
var families = []uint64{unix.AF_UNIX, unix.AF_NETLINK, unix.AF_PACKET}

// lacksSeccomp says why system calls can't be filtered, "" if they can.
func lacksSeccomp() (info *arch.Info, lack string) {
	info, err := arch.GetInfo("")
	if err != nil || !seccomp.Supported() {
		return nil, "seccomp isn't there for this kernel or processor (" + runtime.GOARCH + "): system calls are not filtered"
	}
	return info, ""
}

// allowCalls has seccomp refuse all system calls but readerCalls.
func allowCalls() (lack string, err error) {
	info, lack := lacksSeccomp()
	if lack != "" {
		return lack, nil
	}
	// New threads, and no processes, as far as clone(2)'s flags tell.
	flags := uint32(0)
	if runtime.GOARCH == "s390x" {
		flags = 1 // the stack comes first there
	}
	return "", load(seccomp.ActionErrno, seccomp.SyscallGroup{
		Action: seccomp.ActionAllow, Names: known(info, readerCalls),
		NamesWithCondtions: []seccomp.NameWithConditions{{
			Name: "clone", Conditions: []seccomp.Condition{{Argument: flags, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}},
		}},
	})
}

// denyCalls has seccomp refuse deniedCalls, and sockets of other families.
func denyCalls() (lack string, err error) {
	info, lack := lacksSeccomp()
	if lack != "" {
		return lack, nil
	}
	denied := seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: known(info, deniedCalls)}
	if runtime.GOARCH == "386" {
		lack = "seccomp can't tell families of sockets on this processor (386): execve, ptrace and the like are refused, sockets aren't"
	} else {
		var other []seccomp.Condition
		for _, f := range families {
			other = append(other, seccomp.Condition{Argument: 0, Operation: seccomp.NotEqual, Value: f})
		}
		denied.NamesWithCondtions = []seccomp.NameWithConditions{{Name: "socket", Conditions: other}}
	}
	return lack, load(seccomp.ActionAllow, denied)
}

// known are the names that a processor has.
func known(info *arch.Info, names []string) (some []string) {
	for _, name := range names {
		if _, ok := info.SyscallNames[name]; ok {
			some = append(some, name)
		}
	}
	return some
}

// load puts a filter on all threads.
func load(otherwise seccomp.Action, group seccomp.SyscallGroup) error {
	policy := seccomp.Policy{DefaultAction: otherwise, Syscalls: []seccomp.SyscallGroup{group}}
	if err := seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
		return fmt.Errorf("filtering system calls by seccomp: %w", err)
	}
	return nil
}
