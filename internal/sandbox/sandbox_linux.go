package sandbox

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A Result says in words what is enforced, and what isn't and why.
type Result struct {
	Enforced []string
	Lacks    []string
}

func (r *Result) add(enforced, lack string) {
	if lack != "" {
		r.Lacks = append(r.Lacks, lack)
		return
	}
	r.Enforced = append(r.Enforced, enforced)
}

// Config is what a process that captures keeps.
type Config struct {
	// User is whom to become; nil to stay.
	User *User
	// Write are directories in which files are made, written, renamed and deleted. What
	// isn't there is left out.
	Write []string
	// Remove are directories in which files are deleted.
	Remove []string
	// Open leaves paths and system calls alone: only user and capabilities are given up.
	Open bool
}

// Confine leaves the process the capability CAP_NET_RAW, and CAP_DAC_OVERRIDE if it is
// root's and a directory to write to isn't; the paths that it is given; and the system calls
// that writing a set and opening an interface again take (captureCalls): others fail with
// EPERM, or with ENOSYS as in an older kernel. What is open stays open.
//
// An error is what should have worked: the process is to end then.
func Confine(c *Config) (*Result, error) {
	keep := uint64(1) << unix.CAP_NET_RAW
	uid := os.Geteuid()
	if c.User != nil {
		uid = c.User.UID
	}
	r := &Result{}
	if uid == 0 {
		for _, dir := range c.Write {
			if foreign(dir) {
				keep |= 1 << unix.CAP_DAC_OVERRIDE
				r.Lacks = append(r.Lacks, fmt.Sprintf("CAP_DAC_OVERRIDE is kept: %s is not root's", dir))
				break
			}
		}
	}
	// The user may not be able to open what the paths lead through.
	if c.Open {
		r.Lacks = append(r.Lacks, "Landlock and seccomp are off: --no-sandbox")
	} else {
		if err := restrictFiles(r, c.Write, c.Remove, nil); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	if err := dropPrivileges(c.User, keep); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r.Enforced = append(r.Enforced, "no_new_privs", "capabilities "+names(keep))
	if c.User != nil {
		r.Enforced = append(r.Enforced, "user "+c.User.Name)
	}
	if c.Open {
		return r, nil
	}
	lack, err := allowCalls(captureCalls())
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r.add("seccomp", lack)
	if socketcall != 0 {
		r.Lacks = append(r.Lacks, "seccomp can't tell families of sockets on this processor ("+runtime.GOARCH+"): others than those that a capture makes aren't refused")
	}
	return r, nil
}

// foreign reports whether root without capabilities may not write to a directory.
func foreign(dir string) bool {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return false
	}
	const write = 0o3 // and search
	return st.Uid != 0 && st.Mode&write != write
}

// Connect leaves the process Unix sockets to connect to, below a directory where the kernel
// can tell (Landlock's version 9), and what it is given: no file can be opened, no program run
// and no network reached. The user stays, and of the capabilities the one by which root's way
// to a socket of another user's is open.
//
// An error is what should have worked: the process is to end then.
func Connect(dir string) (*Result, error) {
	r := &Result{}
	if err := restrictFiles(r, nil, nil, []string{dir}); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := dropPrivileges(nil, 1<<unix.CAP_DAC_OVERRIDE); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	lack, err := allowCalls(connectCalls())
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r.add("seccomp", lack)
	return r, nil
}

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
// An error is what should have worked: the process is to end then.
func Isolate() (*Result, error) {
	for resource, limit := range map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_DATA: maxMemory} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return nil, fmt.Errorf("sandbox: setting limit %d: %w", resource, err)
		}
	}
	var user *User
	if os.Geteuid() == 0 {
		user = &User{Name: "nobody", UID: nobody, GID: nobody}
	}
	if err := dropPrivileges(user, 0); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r := &Result{Enforced: []string{"no_new_privs", "no capabilities"}}
	if err := restrictFiles(r, nil, nil, nil); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	lack, err := allowCalls(readerCalls())
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r.add("seccomp", lack)
	return r, nil
}
