package sandbox

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// scopes is the version of Landlock that confines signals and abstract sockets too.
const scopes = 6

// Rights below a directory.
const (
	// writeFiles is all that is done with files: links, sockets, FIFOs, devices and
	// directories are not made, and nothing is run or moved to another directory.
	writeFiles  = ll.AccessFSReadFile | ll.AccessFSReadDir | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSRemoveFile
	deleteFiles = ll.AccessFSRemoveFile
)

// restrictFiles has Landlock refuse what isn't allowed below these directories (to connect is
// with sockets that are there), all of the network, and signals to other processes, as far as the kernel and the library know it.
func restrictFiles(write, remove, connect []string) (lack string, err error) {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return fmt.Sprintf("Landlock isn't there (%v): paths are not confined beyond what user and capabilities allow", e), nil
	}
	err = landlock.V11.BestEffort().Restrict(
		landlock.PathAccess(writeFiles, write...).IgnoreIfMissing(),
		landlock.PathAccess(deleteFiles, remove...).IgnoreIfMissing(),
		landlock.PathAccess(ll.AccessFSResolveUnix, connect...).IgnoreIfMissing(),
	)
	if err != nil {
		return "", fmt.Errorf("restricting paths by Landlock: %w", err)
	}
	if version < scopes {
		return fmt.Sprintf("Landlock is of version %d, before %d: paths are confined, signals (and before 4 TCP) by seccomp and the user alone", version, scopes), nil
	}
	return "", nil
}
