package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights below a directory.
const (
	// writeFiles is all that is done with files: links, sockets, FIFOs, devices and
	// directories are not made, and nothing is run or moved to another directory.
	writeFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	deleteFiles    = unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	connectSockets = unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX
)

// landlockRights are what a version of Landlock can refuse, landlock(7).
var landlockRights = []struct {
	since           int
	fs, net, scoped uint64
	name            string // for people, of what isn't about paths
}{
	{since: 1, fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1},
	{since: 2, fs: unix.LANDLOCK_ACCESS_FS_REFER},
	{since: 3, fs: unix.LANDLOCK_ACCESS_FS_TRUNCATE, name: "cutting files short"},
	{since: 4, net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, name: "TCP"},
	{since: 5, fs: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
	{since: 6, scoped: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL, name: "signals to other processes"},
	{since: 9, fs: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
	{since: 10, net: unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP},
}

// handled is what a version refuses, and what of that which is counted on it doesn't know.
func handled(version int) (attr unix.LandlockRulesetAttr, lacks []string) {
	for _, r := range landlockRights {
		if version < r.since {
			if r.name != "" {
				lacks = append(lacks, r.name)
			}
			continue
		}
		attr.Handled_access_fs |= r.fs
		attr.Handled_access_net |= r.net
		attr.Scoped |= r.scoped
	}
	return attr, lacks
}

// restrictFiles has Landlock refuse what isn't allowed below these directories (to connect is
// with sockets that are there), all of the network, and signals to other processes, as far as the
// kernel knows it. What isn't there is left out.
func restrictFiles(r *Result, write, remove, connect []string) error {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		r.Lacks = append(r.Lacks, fmt.Sprintf("Landlock isn't there (%v): paths are not confined beyond what user and capabilities allow", e))
		return nil
	}
	attr, lacks := handled(int(version))
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if e != 0 {
		return fmt.Errorf("restricting paths by Landlock: %w", e)
	}
	defer unix.Close(int(fd)) //nolint:errcheck // nothing was written
	for _, rule := range []struct {
		rights uint64
		paths  []string
	}{{writeFiles, write}, {deleteFiles, remove}, {connectSockets, connect}} {
		for _, path := range rule.paths {
			if err := allowBelow(int(fd), path, rule.rights&attr.Handled_access_fs); err != nil {
				return fmt.Errorf("restricting paths by Landlock: %s: %w", path, err)
			}
		}
	}
	if err := onAll("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	if err := onAll("restricting paths by Landlock", unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0); err != nil {
		return err
	}
	enforced := "Landlock"
	if len(lacks) > 0 {
		enforced = fmt.Sprintf("Landlock %d", version)
	}
	r.Enforced = append(r.Enforced, enforced)
	for _, what := range lacks {
		r.Lacks = append(r.Lacks, fmt.Sprintf("Landlock is of version %d, and confines paths: of %s it knows nothing, so that user, capabilities and seccomp alone refuse it", version, what))
	}
	return nil
}

// allowBelow allows what is done below a directory, if it is there.
func allowBelow(ruleset int, path string, rights uint64) error {
	if rights == 0 {
		return nil
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	below := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&below)), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}
