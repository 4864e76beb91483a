//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// place is where abilities are tried.
type place struct {
	set, elsewhere string
	other          int // a process

	readable, writable *os.File // open from the start
	namespace          *os.File
	held               int // another process
	memory             []byte
	count, deleted     atomic.Int64
}

func (p *place) open() (err error) {
	if p.readable, err = os.Open(p.file()); err != nil {
		return err
	}
	if p.writable, err = os.Create(filepath.Join(p.set, "open")); err != nil {
		return err
	}
	if p.namespace, err = os.Open("/proc/self/ns/net"); err != nil {
		return err
	}
	if p.held, err = unix.PidfdOpen(p.other, 0); err != nil {
		return err
	}
	if err := os.Mkdir(p.mountPoint(), 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	for n := range 2 * threads {
		if err := os.WriteFile(p.spare(int64(n)), nil, 0o666); err != nil {
			return err
		}
	}
	p.memory, err = unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return err
}

// file is a file elsewhere that everybody may do anything with.
func (p *place) file() string { return filepath.Join(p.elsewhere, "file") }

// spare is a file elsewhere that may be deleted.
func (p *place) spare(n int64) string { return filepath.Join(p.elsewhere, fmt.Sprint("spare", n)) }

func (p *place) mountPoint() string { return filepath.Join(p.elsewhere, "mount") }

// oneByte is a byte of this process's memory.
func oneByte() []unix.Iovec {
	v := []unix.Iovec{{Base: new(byte)}}
	v[0].SetLen(1)
	return v
}

// name is a new name in a directory.
func (p *place) name(dir string) string {
	return filepath.Join(dir, fmt.Sprint("new", os.Getpid(), "-", p.count.Add(1)))
}

// An ability is something that a process may be able to do: an error that isn't one of being
// refused says that it could have.
type ability struct {
	name string
	try  func(p *place) error
}

// refused reports whether an error says so: by seccomp, Landlock or a limit as well.
func refused(err error) bool {
	return slices.ContainsFunc([]error{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EXDEV, unix.EFBIG}, func(e error) bool { return errors.Is(err, e) })
}

// call makes a system call as it is.
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, e := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
		return e
	}
	return nil
}

// raw is an ability to make a system call, with arguments with which it does nothing.
func raw(number uintptr, args ...uintptr) func(*place) error {
	return func(*place) error { return call(number, args...) }
}

// socket is an ability to make a socket.
func socket(family, kind, protocol int) func(*place) error {
	return func(*place) error {
		fd, err := unix.Socket(family, kind, protocol)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
}

const none = ^uintptr(0) // no descriptor, no user

func pointer(b *byte) uintptr { return uintptr(unsafe.Pointer(b)) }

// path is a string for the kernel.
func path(s string) *byte {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err) // a path of ours
	}
	return b
}

// closed opens something and closes it.
func closed(fd int, err error) error {
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// abilities are in the order of SECURITY.md's table, and called as there.
var abilities = []ability{
	{"read what is open", func(p *place) error { _, err := p.readable.ReadAt(make([]byte, 1), 0); return err }},
	{"write to what is open", func(p *place) error { _, err := p.writable.WriteAt([]byte("x"), 0); return err }},
	{"threads", func(*place) error {
		made := make(chan struct{})
		go func() { runtime.LockOSThread(); close(made) }()
		<-made
		return nil
	}},
	{"files in the set's directory: make, read, rename, delete", func(p *place) error {
		path := p.name(p.set)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			return err
		}
		if _, err := os.ReadFile(path); err != nil {
			return err
		}
		if err := os.Rename(path, path+"b"); err != nil {
			return err
		}
		return os.Remove(path + "b")
	}},
	{"packet socket: receive", socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{"packet socket: send", func(*place) error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		loopback, err := net.InterfaceByName("lo")
		if err != nil {
			return err
		}
		return unix.Sendto(fd, make([]byte, 60), 0, &unix.SockaddrLinklayer{Ifindex: loopback.Index})
	}},
	{"routing socket: read links and routes", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)},
	{"names, sizes and times of files elsewhere", func(p *place) error {
		var st unix.Stat_t
		return unix.Lstat(p.file(), &st)
	}},

	{"read a file elsewhere", func(p *place) error { _, err := os.ReadFile(p.file()); return err }},
	{"write into a file elsewhere", func(p *place) error { return closed(unix.Open(p.file(), unix.O_WRONLY, 0)) }},
	{"make a file elsewhere", func(p *place) error { return closed(unix.Open(p.name(p.elsewhere), unix.O_CREAT|unix.O_WRONLY, 0o600)) }},
	{"delete a file elsewhere", func(p *place) error { return unix.Unlink(p.spare(p.deleted.Add(1) - 1)) }},
	{"rename a file elsewhere", func(p *place) error { return unix.Rename(p.file(), p.file()) }},
	{"truncate a file elsewhere", func(p *place) error { return unix.Truncate(p.file(), 10) }},
	{"link a file from elsewhere into the set", func(p *place) error { return unix.Link(p.file(), p.name(p.set)) }},
	{"list a directory elsewhere", func(p *place) error { _, err := os.ReadDir(p.elsewhere); return err }},
	{"make a directory in the set", func(p *place) error { return unix.Mkdir(p.name(p.set), 0o700) }},
	{"make a link in the set", func(p *place) error { return unix.Symlink("/", p.name(p.set)) }},
	{"make a FIFO in the set", func(p *place) error { return unix.Mkfifo(p.name(p.set), 0o600) }},
	{"make a device in the set", func(p *place) error { return unix.Mknod(p.name(p.set), unix.S_IFCHR|0o600, 0x103) }},
	{"make a setuid program in the set", func(p *place) error { return closed(unix.Open(p.name(p.set), unix.O_CREAT|unix.O_WRONLY, 0o4755)) }},
	{"make what is open a setuid program", func(p *place) error { return unix.Fchmod(int(p.writable.Fd()), 0o4755) }},
	{"make a file elsewhere a setuid program", func(p *place) error { return unix.Chmod(p.file(), 0o4755) }},
	{"the same by fchmodat2", func(p *place) error {
		name := path(p.file())
		defer runtime.KeepAlive(name)
		at := unix.AT_FDCWD
		return call(unix.SYS_FCHMODAT2, uintptr(at), pointer(name), 0o4755, 0)
	}},
	{"give away a file elsewhere", func(p *place) error { return unix.Chown(p.file(), 1, 1) }},
	{"give away what is open", func(p *place) error { return unix.Fchown(int(p.writable.Fd()), 1, 1) }},
	{"change times of a file elsewhere", func(p *place) error { return unix.UtimesNano(p.file(), make([]unix.Timespec, 2)) }},
	{"change attributes of a file elsewhere", func(p *place) error { return unix.Setxattr(p.file(), "user.probe", []byte("x"), 0) }},
	{"open a file by its handle", raw(unix.SYS_OPEN_BY_HANDLE_AT, none, 0, 0)},
	{"lease a file", func(p *place) error {
		_, err := unix.FcntlInt(p.readable.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return err
	}},
	{"be told of what others do with files", func(p *place) error { return closed(unix.InotifyInit1(0)) }},
	{"the same for a whole file system", func(p *place) error { return closed(unix.FanotifyInit(0, 0)) }},
	{"change the working directory", func(p *place) error { return unix.Chdir(p.elsewhere) }},
	{"another root", func(p *place) error { return unix.Chroot("/") }},
	{"mount", func(p *place) error { return unix.Mount("none", p.mountPoint(), "tmpfs", 0, "") }},
	{"unmount", func(p *place) error { return unix.Unmount(p.mountPoint(), 0) }},
	{"mount by the newer calls", func(*place) error { return closed(unix.Fsopen("tmpfs", 0)) }},
	{"exchange the root", raw(unix.SYS_PIVOT_ROOT, 0, 0)},

	{"another process", func(*place) error { return fork() }},
	{"another process by clone3", raw(unix.SYS_CLONE3, 0, 0)},
	{"run a program", func(p *place) error { return unix.Exec(p.file()+"-", []string{"x"}, nil) }},
	{"run what is open", raw(unix.SYS_EXECVEAT, none, 0, 0, 0, 0)},
	{"signal another process", func(p *place) error { return unix.Kill(p.other, 0) }},
	{"signal a thread of another process", func(p *place) error { return unix.Tgkill(p.other, p.other, 0) }},
	{"hold another process", func(p *place) error { return closed(unix.PidfdOpen(p.other, 0)) }},
	{"descriptors of another process", func(p *place) error { return closed(unix.PidfdGetfd(p.held, 0, 0)) }},
	{"trace another process", func(p *place) error { return unix.PtraceSeize(p.other) }},
	{"read memory of another process", func(p *place) error {
		_, err := unix.ProcessVMReadv(p.other, oneByte(), []unix.RemoteIovec{{Base: 4096, Len: 1}}, 0)
		return err
	}},
	{"write memory of another process", func(p *place) error {
		_, err := unix.ProcessVMWritev(p.other, oneByte(), []unix.RemoteIovec{{Base: 4096, Len: 1}}, 0)
		return err
	}},
	{"limits of another process", func(p *place) error {
		var limit unix.Rlimit
		if unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, nil, &limit) == nil { // of the same user, perhaps
			return nil
		}
		return unix.Prlimit(p.other, unix.RLIMIT_CORE, nil, &limit)
	}},
	{"priority of another process", func(p *place) error { return unix.Setpriority(unix.PRIO_PROCESS, p.other, 10) }},
	{"processors of another process", func(p *place) error {
		set := unix.CPUSet{1}
		return unix.SchedSetaffinity(p.other, &set)
	}},
	{"memory that can be run", func(*place) error {
		mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return err
		}
		return unix.Munmap(mem)
	}},
	{"memory made one that can be run", func(p *place) error { return unix.Mprotect(p.memory, unix.PROT_READ|unix.PROT_EXEC) }},
	{"files in memory", func(*place) error { return closed(unix.MemfdCreate("probe", 0)) }},
	{"memory shared with others", raw(unix.SYS_SHMGET, 0, 0, 0o1600)},

	{"become another user", raw(unix.SYS_SETRESUID, 1, none, none)},
	{"other groups", raw(unix.SYS_SETGROUPS, 0, 0)},
	{"capabilities that are not its own", func(*place) error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			return err
		}
		data[0].Permitted |= 1 << unix.CAP_SYS_ADMIN
		return unix.Capset(&header, &data[0])
	}},
	{"a user namespace", func(*place) error { return namespace(unix.CLONE_NEWUSER) }},
	{"a network namespace", func(*place) error { return namespace(unix.CLONE_NEWNET) }},
	{"join a namespace", func(p *place) error { return unix.Setns(int(p.namespace.Fd()), unix.CLONE_NEWNET) }},

	{"internet socket: TCP", socket(unix.AF_INET, unix.SOCK_STREAM, 0)},
	{"internet socket: UDP", socket(unix.AF_INET, unix.SOCK_DGRAM, 0)},
	{"internet socket: version 6", socket(unix.AF_INET6, unix.SOCK_STREAM, 0)},
	{"internet socket: raw", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
	{"netlink sockets of other kinds", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT)},
	{"sockets of the kernel's ciphers", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
	{"connect to another's socket", func(p *place) error { return connect(unix.SOCK_STREAM, filepath.Join(p.elsewhere, "socket")) }},
	{"connect to another's abstract socket", func(*place) error { return connect(unix.SOCK_STREAM, "@netcap-probe") }},
	{"listen", raw(unix.SYS_LISTEN, none, 1)},

	{"bpf", func(*place) error {
		const load, kprobe = 5, 2
		attr := [32]uint32{kprobe, 1} // an instruction that isn't there
		return call(unix.SYS_BPF, load, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}},
	{"perf_event_open", func(*place) error {
		attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}
		return closed(unix.PerfEventOpen(&attr, -1, 0, -1, 0))
	}},
	{"userfaultfd", raw(unix.SYS_USERFAULTFD, 1<<20)},
	{"a new io_uring", raw(unix.SYS_IO_URING_SETUP, 0, 0)},
	{"keys of the kernel", raw(unix.SYS_KEYCTL, 0, none, 0)},
	{"a key of the kernel", raw(unix.SYS_ADD_KEY, 0, 0, 0, 0, none)},
	{"modules of the kernel", raw(unix.SYS_FINIT_MODULE, none, 0, 0)},
	{"another kernel", raw(unix.SYS_KEXEC_LOAD, 0, 0, 0, 1<<15)},
	{"reboot", raw(unix.SYS_REBOOT, 0, 0, 0)},
	{"set the clock", raw(unix.SYS_SETTIMEOFDAY, 0, 0)},
	{"adjust the clock", func(*place) error { _, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_TICK}); return err }},
	{"the machine's name", raw(unix.SYS_SETHOSTNAME, 0, 1<<20)},
	{"the kernel's log", func(*place) error { return call(unix.SYS_SYSLOG, 8, 0, 0) }},
	{"swap", raw(unix.SYS_SWAPOFF, 0)},
	{"accounting", raw(unix.SYS_ACCT, none)},
	{"personality", raw(unix.SYS_PERSONALITY, 0xffffffff)},
	{"type into a terminal (TIOCSTI)", func(p *place) error { return call(unix.SYS_IOCTL, p.readable.Fd(), unix.TIOCSTI, 0) }},
}

// fork makes a process that ends at once.
func fork() error {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		for {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}

// namespace makes one for a process that ends at once: threads can't leave each other's.
func namespace(flag uintptr) error {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|flag, 0, 0, 0, 0, 0)
	if e != 0 {
		return call(unix.SYS_UNSHARE, flag)
	}
	if pid == 0 {
		for {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}

// connect connects to a Unix socket.
func connect(kind int, name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
}
