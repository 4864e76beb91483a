package sandbox

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// scopes is the version of Landlock that confines signals and abstract sockets too.
const scopes = 6

// restrictFiles has Landlock refuse what isn't under these paths, of the network TCP, and
// signals to other processes, as far as the kernel knows it.
func restrictFiles(write []string) (lack string, err error) {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return fmt.Sprintf("Landlock isn't there (%v): paths are not confined beyond what user and capabilities allow", e), nil
	}
	if err := landlock.V6.BestEffort().Restrict(landlock.RWDirs(write...).IgnoreIfMissing()); err != nil {
		return "", fmt.Errorf("restricting paths by Landlock: %w", err)
	}
	if version < scopes {
		return fmt.Sprintf("Landlock is of version %d, before %d: paths are confined, signals (and before 4 TCP) by seccomp and the user alone", version, scopes), nil
	}
	return "", nil
}
