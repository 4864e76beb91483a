package testenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// requireSystemd is what NETCAP_REQUIRE calls a systemd that can be booted.
const requireSystemd = "systemd"

// Systemd is a machine that systemd runs: processes, mounts, control groups and host
// name of its own, the network of a Namespace, and the files of this machine, of which
// it sees everything and changes nothing. What it writes goes with it, and so do its
// processes.
type Systemd struct {
	pid int
}

// bootSystemd makes, in the shell, a root file system over this machine's ($0 is an
// empty directory) and hands over to systemd.
//
// What the kernel has once for all machines is kept from it: /sys and /proc/sys are
// read-only, and it can neither set the clock nor load modules. Its target has the
// journal and no other service; sysinit.target, which services pull in, finds no file
// systems to mount.
const bootSystemd = `set -eu
mount --make-rprivate /
mount -t tmpfs -o size=2g,mode=755 none "$0"
cd "$0"
mkdir upper work root
mount -t overlay -o "lowerdir=/,upperdir=upper,workdir=work" none root
cd root
mount -t proc none proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro none sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o size=1g,mode=1777 none tmp
mount -t tmpfs -o mode=755 none dev
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 none dev/shm
: >etc/fstab
: >etc/machine-id
rm -rf var/log/journal
mkdir -p run/systemd/system lower
printf '[Unit]\nDescription=A machine for a test\nAllowIsolate=yes\nRequires=systemd-journald.service\nAfter=systemd-journald.service\n' >run/systemd/system/test.target
pivot_root . lower
umount -l /lower
rmdir /lower
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	setpriv ` + boundingSet + ` "$SYSTEMD" --system --unit=test.target
`

// boundingSet takes from the machine what would change the kernel's own state.
const boundingSet = "--bounding-set=-sys_time,-sys_module"

// systemdLimit bounds how long a machine takes to boot, and a command in it: a second
// or two, where nothing is wrong.
const systemdLimit = 3 * time.Minute

// BootSystemd boots a machine in the namespace, gone when the test ends. It demands
// Root, systemd and control groups of version 2.
func (n *Namespace) BootSystemd(t testing.TB) *Systemd {
	t.Helper()
	systemd := "/lib/systemd/systemd"
	if _, err := os.Stat(systemd); err != nil {
		lacking(t, requireSystemd, "systemd")
	}
	for _, name := range []string{"systemctl", "unshare", "setpriv", "nsenter", "pivot_root"} {
		if _, ok := program(name); !ok {
			lacking(t, requireSystemd, name)
		}
	}
	group := newControlGroup(t)
	handle, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	// The control group namespace begins at the group that its maker is in, so it comes
	// after the others.
	cmd := exec.Command("unshare", "--cgroup", "sh", "-c", bootSystemd, t.TempDir())
	cmd.Env = append(os.Environ(), "SYSTEMD="+systemd)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		UseCgroupFD: true, CgroupFD: int(handle.Fd()),
		Setsid: true,
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "boot"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := n.Start(cmd); err != nil {
		t.Fatalf("boot systemd: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill() // and with the first process of a machine all others
		<-ended
	})
	s := &Systemd{pid: cmd.Process.Pid}
	for start := time.Now(); ; {
		// "running", or "degraded" where some unit of this machine failed.
		state, err := s.Command("systemctl", "is-system-running").Output()
		if text := strings.TrimSpace(string(state)); text == "running" || text == "degraded" {
			return s
		}
		select {
		case exit := <-ended:
			ended <- exit
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("boot systemd: %v\n%s", exit, text)
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(start) > systemdLimit {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("boot systemd: is-system-running says %q after %v (%v)\n%s", state, systemdLimit, err, text)
		}
	}
}

// newControlGroup makes a control group for a machine, removed when the test ends.
func newControlGroup(t testing.TB) string {
	t.Helper()
	root := ""
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			root = dir
		}
	}
	if root == "" {
		lacking(t, requireSystemd, "control groups of version 2")
	}
	dir, err := os.MkdirTemp(root, "netcap-test-")
	if err != nil {
		t.Logf("no control group can be made: %v", err)
		lacking(t, requireSystemd, "control groups that can be made")
	}
	if err := afterExit(removeControlGroup, dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { awaitRemoval(t, dir) })
	return dir
}

// removeControlGroup ends, in the shell, the machine of a test process that was killed.
const removeControlGroup = `
if [ -d "$0" ]; then
	echo 1 >"$0/cgroup.kill"
	for _ in $(seq 100); do
		find "$0" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -d "$0" ] || break
		sleep 0.1
	done
fi`

// removeTree removes a control group and those in it, which are empty.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		err = errors.Join(err, os.Remove(dirs[i]))
	}
	return err
}

// Command is a command on the machine, as its root.
func (s *Systemd) Command(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{
		"--target", strconv.Itoa(s.pid), "--all", "--root", "--wd",
		"--", "setpriv", boundingSet, "--",
	}, args...)...)
}

// Try runs a command on the machine and returns what it printed, without the last
// line's end.
func (s *Systemd) Try(t testing.TB, args ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), systemdLimit)
	defer cancel()
	cmd := s.Command(args...)
	cmd = exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	b, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %v: %w", systemdLimit, err)
	}
	return strings.TrimSuffix(string(b), "\n"), err
}

// Run is Try for a command that has to succeed.
func (s *Systemd) Run(t testing.TB, args ...string) string {
	t.Helper()
	output, err := s.Try(t, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return output
}

// Path is where a file of the machine is found from here.
func (s *Systemd) Path(path string) string {
	return filepath.Join("/proc", strconv.Itoa(s.pid), "root", path)
}

// Put copies a file of this machine to path on the other, for all to read and execute.
func (s *Systemd) Put(t testing.TB, file, path string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(s.Path(path), b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
