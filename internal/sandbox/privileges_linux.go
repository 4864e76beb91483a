package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// User is a user to become.
type User struct {
	Name     string
	UID, GID int
	Groups   []int
}

// LookUp finds a user by its name, or number. It knows those of /etc/passwd.
func LookUp(name string) (*User, error) {
	found, err := user.Lookup(name)
	if err != nil {
		if _, convErr := strconv.Atoi(name); convErr == nil {
			found, err = user.LookupId(name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	u := &User{Name: found.Username}
	if u.UID, err = strconv.Atoi(found.Uid); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	if u.GID, err = strconv.Atoi(found.Gid); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	ids, err := found.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", name, err)
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			u.Groups = append(u.Groups, n)
		}
	}
	return u, nil
}

// LookUpGroup finds a group by its name, or number. It knows those of /etc/group.
func LookUpGroup(name string) (gid int, err error) {
	if gid, err = strconv.Atoi(name); err == nil && gid >= 0 {
		return gid, nil
	}
	found, err := user.LookupGroup(name)
	if err != nil {
		return 0, errors.New("no such group")
	}
	return strconv.Atoi(found.Gid)
}

// served are the capabilities that root's helper process keeps: what users and files are
// handed to, by the command that it runs, and what becoming nobody takes.
const served = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID |
	1<<unix.CAP_KILL | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETPCAP

// Serve leaves a process that runs programs for a capture what these need: as another user no
// capability, else those for files and users. No program that it runs gets any other, by
// setuid or by its file. One that is the user already stays that; nil is nobody else.
func Serve(u *User) error {
	keep := uint64(served)
	if u != nil {
		keep = 0
		if os.Geteuid() == u.UID {
			u = nil
		}
	}
	if err := dropPrivileges(u, keep); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

// onAll makes a system call on each thread.
func onAll(what string, call uintptr, args ...uintptr) error {
	var a [5]uintptr
	copy(a[:], args)
	if _, _, e := syscall.AllThreadsSyscall6(call, a[0], a[1], a[2], a[3], a[4], 0); e != 0 {
		return fmt.Errorf("%s: %w", what, e)
	}
	return nil
}

// dropPrivileges gives up user, groups, and all capabilities but those to keep.
func dropPrivileges(u *User, keep uint64) error {
	if err := onAll("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	// Not all kernels know ambient capabilities, and the bounding set is shrunk by those
	// who may.
	_ = onAll("ambient", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if keep>>c&1 == 0 {
			_ = onAll("bounding", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c)
		}
	}
	if u != nil {
		if keep != 0 {
			if err := onAll("keeping capabilities", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1); err != nil {
				return err
			}
		}
		if err := setUser(u); err != nil {
			return err
		}
	}
	return setCapabilities(keep)
}

func setUser(u *User) error {
	groups := u.Groups
	if groups == nil {
		groups = []int{}
	}
	err := syscall.Setgroups(groups)
	if err == nil {
		err = syscall.Setresgid(u.GID, u.GID, u.GID)
	}
	if err == nil {
		err = syscall.Setresuid(u.UID, u.UID, u.UID)
	}
	if err != nil {
		return fmt.Errorf("becoming %s: %w", u.Name, err)
	}
	return nil
}

// setCapabilities leaves each thread these, of those that the process has (capabilities(7);
// capset(2) is for one thread).
func setCapabilities(keep uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has, want [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for n := range want {
		left := uint32(keep>>(32*n)) & has[n].Permitted
		want[n] = unix.CapUserData{Effective: left, Permitted: left}
	}
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&want)), 0); e != 0 {
		return fmt.Errorf("dropping capabilities: %w", e)
	}
	return nil
}

// names are those of the capabilities that are kept.
func names(keep uint64) string {
	var words []string
	for c, name := range map[int]string{unix.CAP_NET_RAW: "CAP_NET_RAW", unix.CAP_DAC_OVERRIDE: "CAP_DAC_OVERRIDE"} {
		if keep>>c&1 != 0 {
			words = append(words, name)
		}
	}
	return strings.Join(words, ", ")
}
