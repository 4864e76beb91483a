package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// As calls f on a thread that is another user for as long: effective IDs, groups, and no
// capability in effect. What f can do with files the user can. Goroutines that f starts
// are on other threads, and are what they were. nil is nobody else.
func As(u *User, f func() error) error {
	if u == nil || u.UID == os.Geteuid() {
		return f()
	}
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("trying as %s: %w", u.Name, os.NewSyscallError("getgroups", err))
	}
	before := &User{Name: "who it was", UID: os.Geteuid(), GID: os.Getegid(), Groups: groups}
	runtime.LockOSThread()
	defer func() {
		// One that can't be changed back is of no use to anyone: it stays locked to this
		// goroutine, which the panic ends.
		if err := becomeOnThread(before, true); err != nil {
			panic(fmt.Sprintf("a thread stays another user's: %v", err))
		}
		runtime.UnlockOSThread()
	}()
	if err := becomeOnThread(u, false); err != nil {
		return fmt.Errorf("trying as %s: %w", u.Name, err)
	}
	return f()
}

// becomeOnThread changes the effective IDs and the groups of this thread alone; Go's own
// calls are for all threads. Only root may change groups: it is root before, or after.
func becomeOnThread(u *User, back bool) error {
	setgroups, setresgid, setresuid := uintptr(unix.SYS_SETGROUPS), uintptr(unix.SYS_SETRESGID), uintptr(unix.SYS_SETRESUID)
	if runtime.GOARCH == "386" || runtime.GOARCH == "arm" {
		setgroups, setresgid, setresuid = 206, 210, 208 // setgroups32(2) and so on: the others have IDs of 16 bits
	}
	list := make([]uint32, len(u.Groups)+1)
	for i, g := range u.Groups {
		list[i] = uint32(g)
	}
	const same = ^uintptr(0)
	calls := []struct {
		name string
		call uintptr
		args [3]uintptr
	}{
		{"setgroups", setgroups, [3]uintptr{uintptr(len(u.Groups)), uintptr(unsafe.Pointer(&list[0]))}},
		{"setresgid", setresgid, [3]uintptr{same, uintptr(u.GID), same}},
		{"setresuid", setresuid, [3]uintptr{same, uintptr(u.UID), same}},
	}
	if back {
		calls[0], calls[2] = calls[2], calls[0]
	}
	for _, c := range calls {
		if _, _, e := unix.RawSyscall(c.call, c.args[0], c.args[1], c.args[2]); e != 0 {
			return os.NewSyscallError(c.name, e)
		}
	}
	runtime.KeepAlive(list)
	return nil
}
