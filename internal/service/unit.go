package service

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// User is the system user that captures run as, and the group.
const User = "netcap"

// mark is the first line of units that netcap wrote, and may replace or remove.
const mark = "# Written by netcap service install, which replaces it."

// Capture is what a service runs.
type Capture struct {
	// Name of the capture.
	Name string
	// Program is the absolute path of netcap, and Args its arguments.
	Program string
	Args    []string
	// Description is of the unit, in a line.
	Description string
	// Writable are absolute paths of directories that it writes to, other than
	// /var/lib/netcap and /run/netcap.
	Writable []string
	// Metrics says that it listens on TCP.
	Metrics bool
	// Groups are what else it is a member of.
	Groups []string
	// Shared says that it lets one of those read what it writes: by a directory that gives its
	// files that group.
	Shared bool
}

// UnitName is the name of the unit of a capture.
func UnitName(name string) string { return "netcap-" + name + ".service" }

// Unit returns the text of a unit file, systemd.unit(5).
func Unit(c *Capture) (string, error) {
	words := make([]string, 0, len(c.Args)+1)
	for _, w := range append([]string{c.Program}, c.Args...) {
		words = append(words, quote(w))
	}
	return text(mark, c,
		unit.NewUnitOption("Unit", "Description", strings.ReplaceAll(c.Description, "%", "%%")),
		unit.NewUnitOption("Service", "ExecStart", strings.Join(words, " ")))
}

// templateHead is the first lines of the template.
const templateHead = `# A capture of one interface: systemctl enable --now netcap@INTERFACE
# Flags and a filter for it are read from /etc/netcap/INTERFACE.conf, if there is one:
# see /usr/share/doc/netcap/examples/netcap.conf`

// Template returns the text of netcap@.service, each instance of which is a capture of
// the interface that it is called after, in the same sandbox as a Unit.
//
// The instance is taken as it is written (%i) and not unescaped (%I), which would make
// br/1a2b of the bridge br-1a2b that Docker makes. What can't be written in a unit's
// name, NETCAP_INTERFACE gives in the file with the flags.
func Template(program string) (string, error) {
	return text(templateHead, &Capture{},
		unit.NewUnitOption("Unit", "Description", "netcap capture %i"),
		unit.NewUnitOption("Unit", "Documentation", "man:netcap(8)"),
		unit.NewUnitOption("Service", "Environment", "NETCAP_INTERFACE=%i"),
		unit.NewUnitOption("Service", "EnvironmentFile", "-/etc/netcap/%i.conf"),
		// systemd.service(5): ${WORD} stays one word, $WORDS become as many as they are.
		unit.NewUnitOption("Service", "ExecStart", quote(program)+" --dir /var/lib/netcap/%i --pid-file /run/netcap/%i.pid --name %i -i ${NETCAP_INTERFACE} $NETCAP_FLAGS"))
}

// text is a unit file: the first line, options of its own, and those that all have in
// common. What each is for is in systemd.service(5), systemd.exec(5) and
// systemd.resource-control(5).
func text(head string, c *Capture, o ...*unit.UnitOption) (string, error) {
	add := func(section string, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			o = append(o, unit.NewUnitOption(section, pairs[i], pairs[i+1]))
		}
	}
	add("Unit",
		"After", "network.target docker.service",
		// A capture is not given up, whatever ends it.
		"StartLimitIntervalSec", "0")
	add("Service",
		"Type", "notify",
		"NotifyAccess", "main",
		"ExecReload", "/bin/kill -HUP $MAINPID",
		"Restart", "on-failure",
		"RestartSec", "5",
		// Wrong usage, and what is not permitted, won't mend themselves.
		"RestartPreventExitStatus", "2 4",
		"WatchdogSec", "60",
		"TimeoutStopSec", "120",
		"User", User,
		"Group", User,
		"AmbientCapabilities", "CAP_NET_RAW",
		"CapabilityBoundingSet", "CAP_NET_RAW",
		"NoNewPrivileges", "yes",
		"UMask", "0077",
		"StateDirectory", "netcap",
		// The way to the sets, which are 0700, or 0750 for a group.
		"StateDirectoryMode", "0711",
		"RuntimeDirectory", "netcap",
		"RuntimeDirectoryMode", "0755",
		// Captures share it.
		"RuntimeDirectoryPreserve", "yes",
		"ProtectSystem", "strict")
	for _, dir := range c.Writable {
		add("Service", "ReadWritePaths", quote(dir))
	}
	if !under(c.Writable, "/home", "/root", "/run/user") {
		add("Service", "ProtectHome", "yes")
	}
	if !under(c.Writable, "/tmp", "/var/tmp") {
		add("Service", "PrivateTmp", "yes")
	}
	if len(c.Groups) > 0 {
		add("Service", "SupplementaryGroups", strings.Join(c.Groups, " "))
	}
	restrictSGID := "yes"
	if c.Shared {
		restrictSGID = "no"
	}
	families := "AF_PACKET AF_NETLINK AF_UNIX"
	if c.Metrics {
		families += " AF_INET AF_INET6"
	}
	add("Service",
		"PrivateDevices", "yes",
		"ProtectClock", "yes",
		"ProtectControlGroups", "yes",
		"ProtectHostname", "yes",
		"ProtectKernelLogs", "yes",
		"ProtectKernelModules", "yes",
		"ProtectKernelTunables", "yes",
		"ProtectProc", "invisible",
		"RestrictAddressFamilies", families,
		"RestrictNamespaces", "yes",
		"RestrictRealtime", "yes",
		"RestrictSUIDSGID", restrictSGID,
		"LockPersonality", "yes",
		"MemoryDenyWriteExecute", "yes",
		"SystemCallArchitectures", "native",
		// The last ones are for the sandbox within, of the DICOM journal's process.
		"SystemCallFilter", "@system-service io_uring_setup io_uring_enter io_uring_register seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
		"SystemCallErrorNumber", "EPERM",
		// A core would hold packets.
		"LimitCORE", "0",
		"OOMScoreAdjust", "-200")
	add("Install", "WantedBy", "multi-user.target")
	options, err := io.ReadAll(unit.Serialize(o))
	if err != nil {
		return "", err
	}
	return head + "\n" + string(options), nil
}

// under reports whether any of the directories lies in one of the places.
func under(dirs []string, places ...string) bool {
	for _, d := range dirs {
		for _, p := range places {
			if rel, err := filepath.Rel(p, d); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
				return true
			}
		}
	}
	return false
}

// quote writes a word so that systemd reads it as it is: systemd.syntax(7), "quoting",
// and the specifiers and variables of systemd.unit(5) and systemd.service(5).
func quote(word string) string {
	plain := word != "" && strings.IndexFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@", r))
	}) < 0
	if plain {
		return word
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(word) {
		switch c := word[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '%' || c == '$':
			b.WriteByte(c)
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
