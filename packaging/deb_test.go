package packaging

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"netcap/internal/testenv"
)

// A server is a machine that systemd runs, with an interface to capture on, whose other
// end is the peer's p0.
type server struct {
	*testenv.Systemd
	peer *testenv.Namespace
}

// boot boots one with these packages in /pkg, named old and new.
func boot(t *testing.T, p packages, ext, ifname string) *server {
	here, peer := testenv.NewNamespace(t), testenv.NewNamespace(t)
	testenv.NewVeth(t, peer, here, "p0", ifname)
	s := &server{here.BootSystemd(t), peer}
	// An image may be told to leave out manual pages, and this machine may have captured.
	s.Run(t, "rm", "-rf", "/etc/dpkg/dpkg.cfg.d", "/etc/netcap", "/var/lib/netcap", "/var/log/netcap")
	require.NoError(t, os.Mkdir(s.Path("/pkg"), 0o755))
	s.Put(t, one(t, p.old, "*."+ext), "/pkg/old."+ext)
	s.Put(t, one(t, p.new, "*."+ext), "/pkg/new."+ext)
	return s
}

func (s *server) property(t *testing.T, unit, name string) string {
	return s.Run(t, "systemctl", "show", "--value", "--property", name, unit)
}

// flood sends n packets and waits until the capture has written them.
func (s *server) flood(t *testing.T, capture string, n int64) {
	before := s.written(t, capture)
	require.EqualValues(t, n, s.peer.Flood(t, "p0", 200, int(n)))
	require.Eventually(t, func() bool { return s.written(t, capture) == before+n }, time.Minute, 50*time.Millisecond)
}

func (s *server) written(t *testing.T, capture string) int64 {
	var all []struct {
		Packets struct {
			Received, Written int64
			Kernel            int64 `json:"dropped_kernel"`
			Disk              int64 `json:"dropped_disk"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.Run(t, "netcap", "status", "--json", capture)), &all))
	require.Len(t, all, 1)
	p := all[0].Packets
	assert.Zero(t, p.Kernel+p.Disk)
	return p.Written
}

// captured counts, by capinfos, the packets in the files of a capture.
func (s *server) captured(t *testing.T, capture string) (total int) {
	files, err := filepath.Glob(s.Path("/var/lib/netcap/" + capture + "/*.pcapng"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		fields := strings.Fields(run(t, testenv.Program(t, "capinfos"), "-TrcM", f))
		n, err := strconv.Atoi(fields[len(fields)-1])
		require.NoError(t, err)
		total += n
	}
	return total
}

// paths are the machine's files that have netcap in their names, without captures.
func (s *server) paths(t *testing.T) string {
	return s.Run(t, "sh", "-c", `find /etc /opt /run /srv /usr /var -path /var/lib/netcap -prune -o -path /var/log/journal -prune -o -name '*netcap*' -print`)
}

// The life of the package on a server: installed, a capture enabled, upgraded while it
// runs, removed, purged. Only what was captured remains.
func TestDeb(t *testing.T) {
	testenv.Root(t)
	testenv.Program(t, "dpkg")
	testenv.Program(t, "capinfos")
	const bridge, unit = "br-1a2b3c", "netcap@br-1a2b3c.service" // as Docker calls bridges
	s := boot(t, build(t), "deb", bridge)
	before, users := s.paths(t), s.Run(t, "sh", "-c", "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | cut -d: -f1")

	s.Run(t, "dpkg", "--install", "/pkg/old.deb")
	for _, path := range []string{
		"/usr/bin/netcap", "/usr/lib/systemd/system/netcap@.service", "/usr/lib/sysusers.d/netcap.conf", "/etc/netcap",
		"/usr/share/man/man8/netcap.8.gz", "/usr/share/man/man8/netcap-start.8.gz", "/usr/share/man/man8/netcap-service.8.gz",
		"/usr/share/bash-completion/completions/netcap", "/usr/share/zsh/vendor-completions/_netcap", "/usr/share/fish/vendor_completions.d/netcap.fish",
		"/usr/share/doc/netcap/copyright", "/usr/share/doc/netcap/changelog.gz", "/usr/share/doc/netcap/examples/netcap.conf",
	} {
		_, err := os.Stat(s.Path(path))
		assert.NoError(t, err)
	}
	assert.Empty(t, s.Run(t, "dpkg", "--verify", "netcap"))
	passwd := strings.Split(s.Run(t, "getent", "passwd", "netcap"), ":")
	assert.Equal(t, []string{"netcap packet capture", "/var/lib/netcap", "/usr/sbin/nologin"}, passwd[4:])
	uid, err := strconv.Atoi(passwd[2])
	require.NoError(t, err)
	assert.Less(t, uid, 1000, "a system user")
	assert.Equal(t, "netcap", s.Run(t, "id", "-gn", "netcap"))

	// Nothing records, and nothing will at the next boot.
	_, err = s.Try(t, "netcap", "status")
	assert.Error(t, err)
	assert.Empty(t, s.Run(t, "systemctl", "list-units", "--all", "--no-legend", "netcap*"))
	assert.Equal(t, "disabled", strings.Fields(s.Run(t, "systemctl", "list-unit-files", "--no-legend", "netcap@.service"))[1])

	assert.Equal(t, "netcap "+run(t, "../scripts/version"), strings.Join(strings.Fields(s.Run(t, "netcap", "version"))[:2], " "))
	for _, page := range []string{"netcap.8", "netcap-start.8", "netcap-gaps.8"} {
		text := s.Run(t, "sh", "-c", "man --warnings --local-file /usr/share/man/man8/"+page+".gz | col -b")
		assert.Contains(t, text, "NAME\n")
		assert.NotContains(t, text, "warning:")
	}
	completed := s.Run(t, "bash", "-c", `
		_init_completion() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
		_get_comp_words_by_ref() { _init_completion; }
		__ltrim_colon_completions() { :; }
		compopt() { :; }
		set -e
		. /usr/share/bash-completion/completions/netcap
		COMP_WORDS=(netcap sta) COMP_CWORD=1 COMP_LINE='netcap sta' COMP_POINT=10 COMP_TYPE=9
		$(complete -p netcap | sed 's/.*-F \([^ ]*\).*/\1/') netcap sta netcap
		printf '%s\n' "${COMPREPLY[@]}"`)
	assert.Contains(t, completed, "start")
	assert.Contains(t, completed, "status")

	// A capture, of an interface whose name has a dash, with flags of its own.
	require.NoError(t, os.WriteFile(s.Path("/etc/netcap/"+bridge+".conf"), []byte("NETCAP_FLAGS='--comment \"ticket 42\" --keep-free 1 udp'\n"), 0o644))
	s.Run(t, "systemctl", "enable", "--now", unit)
	s.flood(t, bridge, 1000)
	pid := s.property(t, unit, "MainPID")
	assert.Contains(t, s.Run(t, "cat", "/proc/"+pid+"/status"), "CapEff:\t0000000000002000\n", "CAP_NET_RAW is bit 13, capability.h")
	assert.Equal(t, "netcap", s.Run(t, "ps", "-o", "user=", "-p", pid))

	// Another, of an interface that no unit can be called after, and that isn't there.
	require.NoError(t, os.WriteFile(s.Path("/etc/netcap/odd.conf"), []byte("NETCAP_INTERFACE=\"odd%+name\"\nNETCAP_FLAGS=\"--keep-free 1\"\n"), 0o644))
	s.Run(t, "systemctl", "start", "netcap@odd.service")
	assert.Contains(t, s.Run(t, "netcap", "status", "--json", "odd"), `"odd%+name"`)

	// And those that service install and start made.
	s.Run(t, "netcap", "service", "install", "-i", "lo", "--name", "own", "--keep-free", "1")
	s.Run(t, "netcap", "start", "-i", "lo", "--name", "hand", "--dir", "/srv/hand", "--keep-free", "1")

	s.Run(t, "dpkg", "--install", "/pkg/new.deb")
	for _, unit := range []string{unit, "netcap@odd.service", "netcap-own.service"} {
		assert.Equal(t, "active", s.property(t, unit, "ActiveState"), unit)
		exe := s.Run(t, "readlink", "/proc/"+s.property(t, unit, "MainPID")+"/exe")
		assert.Equal(t, "/usr/bin/netcap", exe, "the new one: the old is (deleted)")
	}
	assert.NotEqual(t, pid, s.property(t, unit, "MainPID"))
	s.flood(t, bridge, 500)
	gaps, err := s.Try(t, "netcap", "gaps", bridge)
	assert.Error(t, err)
	assert.Contains(t, gaps, "not_running", "the restart is in the ledger")

	// An older version is a version too.
	s.Run(t, "dpkg", "--install", "/pkg/old.deb")
	assert.Equal(t, "active", s.property(t, unit, "ActiveState"))
	s.Run(t, "dpkg", "--install", "/pkg/new.deb")

	s.Run(t, "dpkg", "--remove", "netcap")
	assert.Empty(t, s.Run(t, "sh", "-c", "pidof netcap || :"), "all have ended")
	assert.Empty(t, s.Run(t, "systemctl", "list-units", "--no-legend", "--state", "active,failed", "netcap*"))
	assert.Empty(t, s.Run(t, "sh", "-c", "ls /etc/systemd/system/multi-user.target.wants | grep netcap || :"))
	assert.FileExists(t, s.Path("/etc/netcap/"+bridge+".conf"))
	assert.Equal(t, 1500, s.captured(t, bridge), "nothing was lost")

	purged := s.Run(t, "dpkg", "--purge", "netcap")
	assert.Contains(t, purged, "netcap: captured files stay in /var/lib/netcap; to delete them: rm -r /var/lib/netcap && userdel netcap")
	assert.Equal(t, before, s.paths(t))
	assert.Equal(t, 1500, s.captured(t, bridge))
	assert.Equal(t, "netcap", s.Run(t, "stat", "-c", "%U", "/var/lib/netcap/"+bridge), "its owner stays")
	out, err := s.Try(t, "dpkg", "--status", "netcap")
	assert.Error(t, err, out)

	s.Run(t, "sh", "-c", "rm -r /var/lib/netcap && userdel netcap")
	assert.Equal(t, users, s.Run(t, "sh", "-c", "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | cut -d: -f1"))
}

// Where nothing was captured a purge leaves nothing. This is so in a container too, where
// no systemd runs, with and without its programs.
func TestDebWithoutSystemd(t *testing.T) {
	testenv.Root(t)
	testenv.Program(t, "dpkg")
	s := boot(t, build(t), "deb", "c0")
	users := s.Run(t, "cat", "/etc/passwd", "/etc/group")
	before := s.paths(t)
	for _, lacking := range []string{"", "/usr/bin/systemctl /usr/bin/systemd-sysusers"} {
		// Another mount namespace, without systemd's sockets, and without its processes.
		within := func(command string) string {
			return s.Run(t, "unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec",
				"mount -t tmpfs none /run; rm -f "+lacking+"; "+command)
		}
		within("dpkg --install /pkg/old.deb && dpkg --install /pkg/new.deb")
		assert.Contains(t, s.Run(t, "getent", "passwd", "netcap"), ":netcap packet capture:/var/lib/netcap:/usr/sbin/nologin")
		// As an image is made of which machines boot.
		if lacking == "" {
			within("systemctl enable netcap@c0.service")
		}
		within("dpkg --purge netcap")
		assert.Equal(t, before, s.paths(t))
		assert.Equal(t, users, s.Run(t, "cat", "/etc/passwd", "/etc/group"))
	}
}

// The same life with rpm, on a machine whose database of packages is another's: the
// scripts run as rpm runs them.
func TestRPMInstalled(t *testing.T) {
	testenv.Root(t)
	testenv.Program(t, "rpm")
	testenv.Program(t, "capinfos")
	s := boot(t, build(t), "rpm", "c0")
	before := s.paths(t)
	rpm := func(args ...string) string {
		return s.Run(t, append([]string{"rpm", "--nodeps"}, args...)...)
	}
	rpm("--install", "/pkg/old.rpm")
	assert.Contains(t, s.Run(t, "getent", "passwd", "netcap"), ":netcap packet capture:/var/lib/netcap:/usr/sbin/nologin")
	assert.Empty(t, s.Run(t, "systemctl", "list-units", "--all", "--no-legend", "netcap*"))
	s.Run(t, "systemctl", "enable", "--now", "netcap@c0.service")
	s.flood(t, "c0", 1000)
	pid := s.property(t, "netcap@c0.service", "MainPID")
	rpm("--upgrade", "/pkg/new.rpm")
	assert.Equal(t, "netcap-0.9.0-1", s.Run(t, "rpm", "-q", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}", "netcap"))
	assert.Empty(t, rpm("--verify", "netcap"))
	assert.NotEqual(t, pid, s.property(t, "netcap@c0.service", "MainPID"))
	s.flood(t, "c0", 500)
	erased := rpm("--erase", "netcap")
	assert.Contains(t, erased, "netcap: captured files stay in /var/lib/netcap")
	assert.Empty(t, s.Run(t, "sh", "-c", "pidof netcap || :"))
	assert.Equal(t, before, s.paths(t))
	assert.Equal(t, 1500, s.captured(t, "c0"))
}
